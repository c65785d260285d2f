"""What a worker sees to beside its batches, each thing in its time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from cartwise.store.protocol import SLACK_SECONDS, Store
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.source import EventSource

_LAG_SECONDS: Final = 2.0
_CHECK_SECONDS: Final = 60.0
_SWEEP_SECONDS: Final = 3600.0
_SWEEP_STEP_SECONDS: Final = 1.0


@dataclass(frozen=True)
class Clock:
    """Time, for those who must ask: ``now`` in seconds since the Unix epoch, ``monotonic`` in
    seconds that only go forward."""

    now: Callable[[], float]
    monotonic: Callable[[], float]


class Upkeep:
    """Shows how far behind a source is, sees whether a store is fit for use still, and drops what
    nobody can see there any more."""

    def __init__(
        self, source: EventSource, store: Store, clock: Clock, metrics: WorkerMetrics
    ) -> None:
        self._source = source
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._sweep: Iterator[int] = iter(())
        now = clock.monotonic()
        self._lag_due = now
        self._check_due = now + _CHECK_SECONDS
        self._sweep_due = now + _SWEEP_SECONDS
        self._step_due = now

    def work(self) -> None:
        """Do what is due.

        Raises:
            StoreError: the store can or must not be used.
        """
        now = self._clock.monotonic()
        if now >= self._lag_due:
            self._lag_due = now + _LAG_SECONDS
            self._metrics.show_lag(self._source.lag())
        if now >= self._check_due:
            self._check_due = now + _CHECK_SECONDS
            self._store.check()
        if now >= self._step_due:
            # A store may be large: a little at a time holds nobody up.
            self._step_due = now + _SWEEP_STEP_SECONDS
            self._sweep_some(now)

    def _sweep_some(self, now: float) -> None:
        if now >= self._sweep_due:
            self._sweep_due = now + _SWEEP_SECONDS
            self._sweep = self._store.sweep(self._moment())
        self._metrics.swept.inc(next(self._sweep, 0))

    def _moment(self) -> int:
        """What cannot be seen at this time, no source that is behind will look for either."""
        latest = max((one.watermark for one in self._store.positions().values()), default=0)
        # An event may say any time.
        return int(min(latest, self._clock.now())) - SLACK_SECONDS
