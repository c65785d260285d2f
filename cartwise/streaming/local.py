"""The same worker without a broker: events of a lake or of this process, scores to files."""

import queue
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Final

from cartwise.data.lake import (
    day_path,
    read_day,
    read_rows,
    require_day_as_written,
    row_count,
    stored_days,
)
from cartwise.errors import InputError
from cartwise.events import COLUMNS
from cartwise.folders import append_lines
from cartwise.store.protocol import EVENT_ID_BYTES, Resumption
from cartwise.streaming.rows import events_of
from cartwise.streaming.source import Record, source_name
from cartwise.wire import DeadLetter, Event, Score, encode, encode_event, event_id

SCORES: Final = "scores.jsonl"
DEAD_LETTERS: Final = "dead-letters.jsonl"


def day_source(day: date) -> str:
    """What a day of a lake is called in the store."""
    return source_name("lake", int(f"{day:%Y%m%d}"))


class LakeSource:
    """The days of a lake, each a partition of its own, one after the other in log order.

    A row's place in its day is its offset. So a day that was followed may grow at its end, and is
    refused where something came in before.

    Args:
        lake: the folder of days.
        resume: tells where the store stands in a day, and which events it remembers.
    """

    def __init__(self, lake: Path, resume: Callable[[str], Resumption]) -> None:
        self._lake = lake
        self._resume = resume
        self._days = {day_source(day): day for day in stored_days(lake)}
        self._rows = {name: row_count(day_path(lake, day)) for name, day in self._days.items()}
        self._next: dict[str, int] = {}
        self._records: Iterator[Record] = iter(())

    def poll(self, limit: int, _seconds: float) -> list[Record]:
        """As :meth:`EventSource.poll`; a lake lets nobody wait."""
        records: list[Record] = []
        while len(records) < limit:
            record = next(self._records, None)
            if record is not None:
                self._next[record.source] += 1
                records.append(record)
            elif unread := [name for name in self._days if self._left(name)]:
                self._records = self._read(unread[0])
            else:
                break
        return records

    @property
    def waiting(self) -> Collection[str]:
        return [name for name in self._days if name not in self._next]

    @property
    def running(self) -> Collection[str]:
        return self._next

    def start(self, source: str, offset: int | None) -> bool:
        """As :meth:`EventSource.start`.

        Raises:
            InputError: the day is not the one that was followed up to there.
        """
        if offset:
            around = read_rows(self._lake, self._days[source], COLUMNS, offset - 1, 2)
            self._require_followed(source, list(events_of(around)))
        self._next[source] = offset or 0
        return True

    def hold(self) -> None:
        self._next.clear()
        self._records = iter(())

    def tell(self, offsets: Mapping[str, int]) -> None:
        """Nobody looks on."""

    def lag(self) -> dict[str, int]:
        return {name: self._left(name) for name in self._next}

    @property
    def drained(self) -> bool:
        return not self.waiting and not any(map(self._left, self._days))

    def close(self) -> None:
        """There is nothing to give back."""

    def _left(self, name: str) -> int:
        return max(0, self._rows[name] - self._next.get(name, self._rows[name]))

    def _read(self, name: str) -> Iterator[Record]:
        first = self._next[name]
        require_day_as_written(self._lake, self._days[name])
        events = events_of(read_day(self._lake, self._days[name]).slice(first))
        for offset, event in enumerate(events, first):
            yield Record(name, offset, None, encode_event(event))

    def _require_followed(self, source: str, around: Sequence[Event]) -> None:
        """Raise unless of the events around an offset, the one before was followed alone.

        The last ones that were followed are remembered: whatever came in before moved one of them
        behind the offset.
        """
        seen = self._resume(source).seen.values()
        known = [_holds(seen, event_id(event)) for event in around]
        if known not in ([True], [True, False]):
            raise InputError(
                f"the events of {self._days[source]} in {self._lake} are not those that this "
                "store has followed: run 'cartwise materialize', which loads the lake as it is "
                "now, then this again"
            )


def _holds(seen: Iterable[bytes], identity: bytes) -> bool:
    return any(
        identity == ids[place : place + EVENT_ID_BYTES]
        for ids in seen
        for place in range(0, len(ids), EVENT_ID_BYTES)
    )


class QueueSource:
    """One partition that this process fills. What is in it when the process ends is gone.

    Args:
        name: of what the partition belongs to.
        now: tells the time in seconds since the Unix epoch.
        capacity: so many events may wait; whoever brings more waits, too.
    """

    def __init__(self, name: str, now: Callable[[], float], capacity: int = 100_000) -> None:
        self._name = f"{name}/0"
        self._now = now
        self._queue: queue.Queue[tuple[float, bytes]] = queue.Queue(capacity)
        self._held = True
        self._first: int | None = None
        self._unmerged: deque[tuple[float, bytes]] = deque()
        self._polled = 0

    def send_event(self, event: Event) -> None:
        """Bring an event; may be called by any thread."""
        self.send_message(encode_event(event))

    def send_message(self, message: bytes) -> None:
        """Bring a message that may be an event; may be called by any thread."""
        self._queue.put((self._now(), message))

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """As :meth:`EventSource.poll`."""
        if self._held or self._first is None:
            time.sleep(seconds)
            return []
        self._fetch(limit, seconds)
        chosen = list(islice(self._unmerged, self._polled, self._polled + limit))
        offset = self._first + self._polled
        self._polled += len(chosen)
        return [Record(self._name, offset + i, *one) for i, one in enumerate(chosen)]

    @property
    def waiting(self) -> Collection[str]:
        return [self._name] if self._held else []

    @property
    def running(self) -> Collection[str]:
        return [] if self._held else [self._name]

    def start(self, _source: str, offset: int | None) -> bool:
        """As :meth:`EventSource.start`: what was not merged comes again, from this offset on."""
        self._forget_before(offset or 0)
        self._first, self._polled, self._held = offset or 0, 0, False
        return True

    def hold(self) -> None:
        self._held = True

    def tell(self, offsets: Mapping[str, int]) -> None:
        """Forget what is merged."""
        merged = offsets.get(self._name)
        if merged is not None and not self._held:
            self._polled -= self._forget_before(merged)
            self._first = merged

    def lag(self) -> dict[str, int]:
        return {self._name: self._left}

    @property
    def drained(self) -> bool:
        return not self._held and self._left == 0

    def close(self) -> None:
        """There is nothing to give back."""

    @property
    def waiting_events(self) -> int:
        """How many events wait to be polled."""
        return self._queue.qsize()

    @property
    def _left(self) -> int:
        return len(self._unmerged) - self._polled + self._queue.qsize()

    def _forget_before(self, offset: int) -> int:
        """Drop the messages before an offset; how many they were. A new process has none."""
        merged = 0 if self._first is None else min(offset - self._first, len(self._unmerged))
        for _ in range(merged):
            self._unmerged.popleft()
        return max(0, merged)

    def _fetch(self, limit: int, seconds: float) -> None:
        """Take from the queue what is there, or wait for a first event."""
        wanted = limit - (len(self._unmerged) - self._polled)
        with suppress(queue.Empty):
            if wanted == limit:
                self._unmerged.append(self._queue.get(timeout=seconds))
                wanted -= 1
            for _ in range(wanted):
                self._unmerged.append(self._queue.get_nowait())


class FileOutlet:
    """Appends scores and dead letters to files of JSON lines in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def publish(self, scores: Sequence[Score], dead: Sequence[DeadLetter]) -> None:
        """Append them; raises OutputError where that cannot be done."""
        for name, messages in ((SCORES, scores), (DEAD_LETTERS, dead)):
            if messages:
                append_lines(self._folder / name, map(encode, messages))
