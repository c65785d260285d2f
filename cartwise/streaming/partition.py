"""What a worker knows of one partition: how far it is, and which events it has seen.

Exact duplicates are known by their ids, which are remembered for a *horizon* of event time: until
the latest event of the partition is that much later. Older events than that are *late*: they are
applied and counted, since nobody can tell any more whether they were applied before. The memory
depends on the events and their order alone, so a worker that takes over decides as its predecessor
would have.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final, Literal

from cartwise.store.protocol import EVENT_ID_BYTES, Advance, Position, Resumption

BUCKET_SECONDS: Final = 600
"""Ids are remembered and forgotten by spans of event time of this length."""

Verdict = Literal["new", "late", "duplicate"]


@dataclass
class Counts:
    """What became of a partition's events."""

    applied: int = 0
    duplicates: int = 0
    late: int = 0


class Partition:
    """Follows one partition from where the store says it stands."""

    def __init__(self, source: str, resumption: Resumption, horizon_seconds: int) -> None:
        self.source = source
        self._expected = None if resumption.position is None else resumption.position.offset
        before = resumption.position or Position(0)
        self.next_offset = before.offset
        self.watermark = before.watermark
        self.counts = Counts(before.applied, before.duplicates, before.late)
        self._horizon_seconds = horizon_seconds
        self._seen: defaultdict[int, list[bytes]] = defaultdict(list)
        self._buckets: dict[bytes, int] = {}
        for bucket, ids in resumption.seen.items():
            for place in range(0, len(ids), EVENT_ID_BYTES):
                self._remember(ids[place : place + EVENT_ID_BYTES], bucket)
        self._added: defaultdict[int, list[bytes]] = defaultdict(list)

    def judge(self, event_id: bytes, event_time: int) -> Verdict:
        """Count the next event and remember it."""
        oldest = self._oldest_bucket
        # A bucket may be there still after its time: what is decided must not hang on that.
        if self._buckets.get(event_id, oldest - 1) >= oldest:
            self.counts.duplicates += 1
            return "duplicate"
        is_late = event_time // BUCKET_SECONDS < oldest
        self.watermark = max(self.watermark, event_time)
        # A late event is remembered like one of now: whoever sends it may send it again.
        bucket = (self.watermark if is_late else event_time) // BUCKET_SECONDS
        self._remember(event_id, bucket)
        self._added[bucket].append(event_id)
        self.counts.applied += 1
        self.counts.late += is_late
        return "late" if is_late else "new"

    def advance(self) -> Advance:
        """The way from where the store stands to here; the next one begins here."""
        expected, self._expected = self._expected, self.next_offset
        added, self._added = self._added, defaultdict(list)
        oldest = self._oldest_bucket
        self._forget_before(oldest)
        seen = {bucket: b"".join(ids) for bucket, ids in added.items() if bucket >= oldest}
        return Advance(self.source, expected, self._position(), seen, oldest)

    def resumption(self) -> Resumption:
        """What a successor has to know to go on from here."""
        self._forget_before(self._oldest_bucket)
        seen = {bucket: b"".join(ids) for bucket, ids in self._seen.items()}
        return Resumption(self._position(), seen)

    def _position(self) -> Position:
        counts = self.counts
        return Position(
            self.next_offset, self.watermark, counts.applied, counts.duplicates, counts.late
        )

    def _remember(self, event_id: bytes, bucket: int) -> None:
        self._buckets[event_id] = bucket
        self._seen[bucket].append(event_id)

    def _forget_before(self, oldest: int) -> None:
        for bucket in [bucket for bucket in self._seen if bucket < oldest]:
            for event_id in self._seen.pop(bucket):
                if self._buckets[event_id] == bucket:
                    del self._buckets[event_id]

    @property
    def _oldest_bucket(self) -> int:
        return (self.watermark - self._horizon_seconds) // BUCKET_SECONDS
