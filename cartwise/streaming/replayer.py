"""A log played into the topic of events, in its own order.

Rows that ingest would refuse are not sent, but counted. Whoever stops half-way may go on: what was
delivered is kept in a file, second by second. The events that are then sent twice count once where
the workers' duplicate horizon covers what is sent in a second.
"""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl

from cartwise.data import quarantine
from cartwise.data.contract import check
from cartwise.data.sources import Piece, Source, find_sources, read
from cartwise.errors import InputError
from cartwise.folders import replaced_file
from cartwise.plain_files import read_bytes
from cartwise.progress import SILENT, Progress
from cartwise.streaming.pacing import Pace
from cartwise.streaming.rows import events_of
from cartwise.wire import Event

_SECONDS_BETWEEN_MARKS: Final = 1.0


class Producer(Protocol):
    """What events are sent with."""

    def send_event(self, event: Event) -> None: ...

    def poll(self) -> None:
        """Let deliveries go on."""

    def flush(self) -> None:
        """Wait until all is delivered; raises StreamError where something was not."""


@dataclass(frozen=True)
class ReplayReport:
    """What a replay did, in rows.

    Attributes:
        sent: events delivered to the topic.
        skipped: events that an earlier replay had delivered.
        refused: rows that broke the contract, those among skipped events included.
        by_rule: refused rows under each rule that they broke; a row may break several.
    """

    sent: int
    skipped: int
    refused: int
    by_rule: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it."""
        return asdict(self)


def replay(
    paths: Sequence[Path],
    producer: Producer,
    topic: str,
    *,
    speed: float | None = None,
    resume: Path | None = None,
    progress: Progress = SILENT,
) -> ReplayReport:
    """Send the events of raw files, of folders of such or of lakes, and return what became of them.

    Args:
        paths: as ``cartwise ingest`` takes them; their order is the order of sending.
        producer: what sends.
        topic: name of the topic, for the bookmark.
        speed: seconds of the log per second; None for no waiting.
        resume: file that keeps how far this is, and from where it goes on.
        progress: told how far the work is.

    Raises:
        InputError: a source is missing, damaged or no event file; or ``resume`` is of another one.
        StreamError: events were not delivered.
    """
    sources = find_sources(paths, None, [path / quarantine.FOLDER for path in paths])
    bookmark = Bookmark(sources, topic, resume)
    sender = _Sender(producer, Pace(speed, time.monotonic, time.sleep), bookmark)
    skipped = sum(bookmark.delivered)
    refused: Counter[tuple[str, ...]] = Counter()
    with progress.task("replay", sum(source.size_bytes for source in sources), "byte") as advance:
        for place, source in enumerate(sources):
            frames = (_kept(piece, refused) for piece in read(source, advance))
            for frame in _after(bookmark.delivered[place], frames):
                sender.send(place, frame)
    sender.mark()
    by_rule: Counter[str] = Counter()
    for rules, rows in refused.items():
        by_rule.update(dict.fromkeys(rules, rows))
    return ReplayReport(sender.sent, skipped, refused.total(), dict(sorted(by_rule.items())))


class Bookmark:
    """How far a replay is: how many events of each source were delivered, kept in a file if any.

    Raises:
        InputError: the file is of a replay of other sources, or no bookmark.
    """

    def __init__(self, sources: Sequence[Source], topic: str, file: Path | None) -> None:
        identity = [[str(source.path.resolve()), source.size_bytes] for source in sources]
        self._identity = {"topic": topic, "sources": identity}
        self._file = file
        self.delivered = [0] * len(sources)
        if file is not None and file.exists():
            self.delivered = self._read(file)

    def write(self) -> None:
        """Keep what is delivered by now."""
        if self._file is not None:
            with replaced_file(self._file) as fresh:
                fresh.write_text(json.dumps(self._identity | {"delivered": self.delivered}) + "\n")

    def _read(self, file: Path) -> list[int]:
        try:
            kept = json.loads(read_bytes(file))
            delivered = [int(count) for count in kept.pop("delivered")]
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file} is no bookmark of a replay: name another file") from error
        if kept != self._identity:
            raise InputError(
                f"{file} belongs to a replay of other files, or into another topic: "
                "name another file, or delete it"
            )
        return delivered


class _Sender:
    """Sends events at their pace and moves the bookmark once they are delivered."""

    def __init__(self, producer: Producer, pace: Pace, bookmark: Bookmark) -> None:
        self._producer = producer
        self._pace = pace
        self._bookmark = bookmark
        self._marked = time.monotonic()
        self._undelivered: Counter[int] = Counter()
        self.sent = 0

    def send(self, place: int, frame: pl.DataFrame) -> None:
        """Send the next events of the source at ``place``."""
        for event in events_of(frame):
            self._pace.wait_for(event.event_time, self._work_on)
            self._producer.send_event(event)
            self._undelivered[place] += 1
            self._work_on()

    def mark(self) -> None:
        """Wait for deliveries and keep them."""
        self._producer.flush()
        for place, count in self._undelivered.items():
            self._bookmark.delivered[place] += count
            self.sent += count
        self._undelivered.clear()
        self._bookmark.write()
        self._marked = time.monotonic()

    def _work_on(self) -> None:
        self._producer.poll()
        if time.monotonic() - self._marked >= _SECONDS_BETWEEN_MARKS:
            self.mark()


def _kept(piece: Piece, refused: Counter[tuple[str, ...]]) -> pl.DataFrame:
    """The events of a piece; its other rows are counted in ``refused`` by the rules they broke."""
    rows = piece.parse()
    checked = check(rows.fields)
    for broken in (rows.malformed, checked.refused):
        refused.update(map(tuple, broken["rules"].to_list()))
    return checked.events


def _after(count: int, frames: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """All rows but the first ``count``."""
    for frame in frames:
        yield frame.slice(min(count, frame.height))
        count -= min(count, frame.height)
