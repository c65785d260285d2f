"""What a worker would know that had followed all that a lake has published.

Which events it would take for duplicates depends on all that came before, so it is kept beside the
arrivals and taken further with every publication: nobody has to read years of arrivals again.
"""

import io
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from cartwise.disk import readable
from cartwise.errors import InputError
from cartwise.events import COLUMNS
from cartwise.progress import SILENT, Progress
from cartwise.store.protocol import Position, Resumption
from cartwise.streaming.arrivals import Arrivals, after
from cartwise.streaming.partition import Partition
from cartwise.streaming.rows import events_of
from cartwise.wire import event_id

FILE: Final = "known.parquet"

_SCHEMA: Final = pl.Schema(
    {
        "horizon_seconds": pl.Int64(),
        "source": pl.String(),
        **dict.fromkeys(("offset", "watermark", "applied", "duplicates", "late"), pl.Int64()),
        "bucket": pl.Int64(),
        "ids": pl.Binary(),
    }
)


@dataclass(frozen=True)
class Recollection:
    """What is known of each source, with events remembered for so many seconds."""

    horizon_seconds: int
    sources: Mapping[str, Resumption] = field(default_factory=dict)

    @classmethod
    def read(cls, arrivals: Arrivals, horizon_seconds: int) -> "Recollection":
        """What a lake keeps; nothing if it was made for another horizon."""
        content = arrivals.load(FILE)
        if content is None:
            return cls(horizon_seconds)
        with readable(Path(f"{arrivals.place}/{FILE}"), "delete it: it will be made again"):
            frame = pl.read_parquet(io.BytesIO(content))
        seen: defaultdict[str, dict[int, bytes]] = defaultdict(dict)
        positions: dict[str, Position] = {}
        for horizon, source, *position, bucket, ids in frame.match_to_schema(_SCHEMA).iter_rows():
            if horizon == horizon_seconds:
                positions[source] = Position(*position)
                seen[source] |= {} if bucket is None else {bucket: ids}
        return cls(
            horizon_seconds, {name: Resumption(at, seen[name]) for name, at in positions.items()}
        )

    def write(self, arrivals: Arrivals) -> None:
        """Let the lake keep it."""
        rows = [
            (self.horizon_seconds, source, *astuple(one.position), bucket, ids)
            for source, one in self.sources.items()
            if one.position is not None
            for bucket, ids in one.seen.items() or [(None, None)]
        ]
        content = io.BytesIO()
        pl.DataFrame(rows, schema=_SCHEMA, orient="row").write_parquet(content, compression="zstd")
        arrivals.save(FILE, content.getvalue())

    def to(
        self, ends: Mapping[str, int], arrivals: Arrivals, progress: Progress = SILENT
    ) -> "Recollection":
        """What is known at these offsets, by the arrivals from here to there.

        Raises:
            InputError: arrivals that are needed are not there.
        """
        begins = {source: self._begin(source, end) for source, end in ends.items()}
        unread = {source for source, end in ends.items() if _offset(begins[source]) < end}
        ranges = arrivals.ranges() if unread else {}
        if missing := unread - ranges.keys():
            raise InputError(
                f"{arrivals.place} has no files of {min(missing)} any more, from which its days "
                "were published: restore them"
            )
        with progress.task("arrivals", None, "event") as advance:
            for source in sorted(unread):
                partition = Partition(source, begins[source], self.horizon_seconds)
                for one in after(ranges[source], partition.next_offset):
                    if one.start < ends[source]:
                        advance(_follow(partition, arrivals.read(one), ends[source]))
                partition.next_offset = ends[source]
                begins[source] = partition.resumption()
        return Recollection(self.horizon_seconds, begins)

    def _begin(self, source: str, end: int) -> Resumption:
        """From where a source can be followed to ``end``."""
        known = self.sources.get(source, Resumption())
        return known if _offset(known) <= end else Resumption()


def _offset(known: Resumption) -> int:
    return 0 if known.position is None else known.position.offset


def _follow(partition: Partition, arrived: pl.DataFrame, end: int) -> int:
    """Follow a partition through some arrivals; how many they are."""
    offsets = arrived["offset"].to_list()
    for offset, event in zip(offsets, events_of(arrived.select(COLUMNS)), strict=True):
        if partition.next_offset <= offset < end:
            partition.judge(event_id(event), event.event_time)
            partition.next_offset = offset + 1
    # Lets go of the ids that are out of the horizon by now.
    partition.advance()
    return arrived.height
