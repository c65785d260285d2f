"""The worker inside a server, for shops without Kafka: events count when they are sent."""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final, NamedTuple

from cartwise.errors import CartwiseError, StreamError
from cartwise.features.live import CART, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.packed import Packing
from cartwise.features.spec import Specification
from cartwise.store.protocol import Store
from cartwise.streaming.local import FileOutlet, QueueSource
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.upkeep import Clock
from cartwise.streaming.worker import Worker
from cartwise.wire import Event

MERGE_SECONDS: Final = 10.0
"""So long may it take until sent events are in the store."""


class _Awaited(NamedTuple):
    """Somebody waits on ``loop`` until so many of all events sent are in the store."""

    number: int
    loop: asyncio.AbstractEventLoop
    stored: asyncio.Future[None]

    def settle(self, error: StreamError | None) -> None:
        """Let them go on; may be called by any thread."""
        # A loop that was closed has nobody waiting on it.
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(_settle, self.stored, error)


class AwaitedQueue(QueueSource):
    """A queue that tells when what was put into it is in the store; no thread waits for that.

    Args:
        name: of what brings the events. Two servers that share a store need two names: each would
            take the other's offsets for its own.
        capacity: so many events may wait for the store; more are refused.
    """

    def __init__(self, name: str, capacity: int = 100_000) -> None:
        super().__init__(name, time.time, capacity)
        self._capacity = capacity
        self._lock = threading.Lock()
        self._awaited: deque[_Awaited] = deque()
        self._sent = 0
        self._stored = 0
        self._ended: str | None = None
        self.trouble: str | None = None

    async def send(self, events: Sequence[Event]) -> None:
        """Let events count, in their order; raises StreamError where that takes too long."""
        if not events:
            return
        stored = self._take(events)
        try:
            async with asyncio.timeout(MERGE_SECONDS):
                await stored
        except TimeoutError as error:
            self.trouble = "the store takes no events"
            raise StreamError(
                f"{self.trouble}: they wait, and will be counted once it does"
            ) from error
        self.trouble = None

    def give_up(self, reason: str) -> None:
        """Nobody reads the queue any more: refuse what waits, and all that comes."""
        with self._lock:
            self.trouble = self._ended = f"events are not taken any more: {reason}"
            for one in self._awaited:
                one.settle(StreamError(self._ended))
            self._awaited.clear()

    def _take(self, events: Sequence[Event]) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        with self._lock:
            self._require_room(len(events))
            for event in events:
                self.send_event(event)
            self._sent += len(events)
            one = _Awaited(self._sent, loop, loop.create_future())
            self._awaited.append(one)
        return one.stored

    def _require_room(self, count: int) -> None:
        if self._ended is not None:
            raise StreamError(self._ended)
        # Only the worker takes events out: there is no less room than this when they are put in.
        if self.waiting_events + count > self._capacity:
            self.trouble = "too many events wait for the store"
            raise StreamError(f"{self.trouble}: send these again later")

    def _forget_before(self, offset: int) -> int:
        stored = super()._forget_before(offset)
        with self._lock:
            self._stored += stored
            while self._awaited and self._awaited[0].number <= self._stored:
                self._awaited.popleft().settle(None)
        return stored


def _settle(stored: asyncio.Future[None], error: StreamError | None) -> None:
    if stored.done():
        return
    if error is None:
        stored.set_result(None)
    else:
        stored.set_exception(error)


def _warm_up(specification: Specification) -> None:
    """Let everything compile that compiles on its first call, before somebody waits for it."""
    packing = Packing(specification)
    batch = LiveBatch(packing, [LiveEvent(0, CART, 0, 0, "", "", 1.0, 0, "")])
    deltas = batch.walk([None] * len(batch.keys)).deltas
    packing.merge(batch.keys, [None] * len(batch.keys), deltas)


@contextmanager
def embedded_worker(
    name: str,
    store: Store,
    specification: Specification,
    outlet: FileOutlet,
    horizon_seconds: int,
) -> Iterator[AwaitedQueue]:
    """A worker on a thread of its own, as long as the block lasts; gives the queue that it reads.

    It keeps states only: carts are scored by whoever asks. ``name`` is the queue's.
    """
    _warm_up(specification)
    source, ending = AwaitedQueue(name), threading.Event()
    worker = Worker(
        source,
        store,
        outlet,
        specification,
        None,
        horizon_seconds=horizon_seconds,
        clock=Clock(time.time, time.monotonic),
        metrics=WorkerMetrics(),
    )

    def run() -> None:
        reason = "the server is ending"
        try:
            worker.run(ending.is_set)
        except CartwiseError as error:
            reason = str(error)
        finally:
            source.give_up(reason)

    thread = threading.Thread(target=run, name="embedded-worker")
    thread.start()
    try:
        yield source
    finally:
        ending.set()
        thread.join()
