"""The archive: a second group of consumers that writes the topic to the lake.

How far it is, the names of its files say: a file and its offsets appear together, so a crash at any
moment costs no event and doubles none.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from cartwise.errors import RefusedMessage
from cartwise.streaming.arrivals import Arrivals, Range
from cartwise.streaming.intake import read_event
from cartwise.streaming.metrics import ArchiveMetrics
from cartwise.streaming.source import EventSource, Record
from cartwise.wire import Event

LARGEST_POLL: Final = 5000
POLL_SECONDS: Final = 0.2


@dataclass(frozen=True)
class Rolling:
    """When a partition's events become a file: at so many messages, or after so many seconds."""

    messages: int = 200_000
    seconds: float = 60.0


@dataclass
class _Held:
    """Messages of one partition that are no file yet; ``since`` is when the first one came."""

    start: int
    end: int
    since: float
    events: list[tuple[Record, Event]] = field(default_factory=list)


class Archive:
    """Writes the partitions that a source has for it; ``monotonic`` is a clock that only goes
    forward, in seconds."""

    def __init__(
        self,
        source: EventSource,
        arrivals: Arrivals,
        rolling: Rolling,
        monotonic: Callable[[], float],
        metrics: ArchiveMetrics,
    ) -> None:
        self._source = source
        self._arrivals = arrivals
        self._rolling = rolling
        self._monotonic = monotonic
        self._metrics = metrics
        self._held: dict[str, _Held] = {}
        self._next: dict[str, int] = {}
        self._log = structlog.get_logger("cartwise.archive")

    def run(self, must_stop: Callable[[], bool], *, drain: bool = False) -> None:
        """Work until told to stop or, with ``drain``, until all is read; then write the rest.

        Raises:
            OutputError: the lake cannot be written.
        """
        while not must_stop() and not (drain and self._source.drained):
            self.step()
        for source in list(self._held):
            self._write(source)

    def step(self) -> None:
        """Take over what waits, take in what has come, and write what is due."""
        for record in self._source.poll(LARGEST_POLL, POLL_SECONDS):
            self._take(record)
        for gone in self._held.keys() - set(self._source.running):
            # Whoever has the partition now reads these again.
            del self._held[gone]
        self._take_over()
        for source in [source for source, held in self._held.items() if self._is_due(held)]:
            self._write(source)
        self._metrics.show_lag(self._source.lag())

    def _take_over(self) -> None:
        waiting = list(self._source.waiting)
        # A lake of years has millions of files: they are looked through once for all partitions.
        ranges = self._arrivals.ranges() if waiting else {}
        for source in waiting:
            offset = ranges[source][-1].end if source in ranges else None
            if self._source.start(source, offset):
                self._next[source] = offset or 0
                self._log.info("taken over", partition=source, offset=offset)

    def _take(self, record: Record) -> None:
        if record.offset < self._next[record.source]:
            return
        now, begin = self._monotonic(), self._next[record.source]
        held = self._held.setdefault(record.source, _Held(begin, begin, now))
        self._next[record.source] = held.end = record.offset + 1
        try:
            event = read_event(record)
        except RefusedMessage:
            self._metrics.refused.inc()
        else:
            # Its bytes are not needed any more, and would be a third of what is held.
            held.events.append((record._replace(value=b""), event))

    def _is_due(self, held: _Held) -> bool:
        waited = self._monotonic() - held.since
        return held.end - held.start >= self._rolling.messages or waited >= self._rolling.seconds

    def _write(self, source: str) -> None:
        held = self._held.pop(source)
        self._arrivals.write(Range(source, held.start, held.end), held.events)
        self._source.tell({source: held.end})
        self._metrics.events.inc(len(held.events))
        self._metrics.files.inc()
