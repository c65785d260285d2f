"""The worker inside a server, for shops without Kafka: events count when they are sent."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from cartwise.errors import CartwiseError, StreamError
from cartwise.features.live import CART, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.packed import Packing
from cartwise.features.spec import Specification
from cartwise.store.protocol import Store
from cartwise.streaming.local import FileOutlet, QueueSource
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.worker import Clock, Worker
from cartwise.wire import Event

MERGE_SECONDS: Final = 10.0
"""So long may it take until sent events are in the store."""

_NAME: Final = "api"


class AwaitedQueue(QueueSource):
    """A queue that tells when what was put into it is in the store."""

    def __init__(self) -> None:
        super().__init__(_NAME, time.time)
        self._merged = threading.Condition()
        self._sent = 0
        self._base: int | None = None
        self._next = 0
        self.trouble: str | None = None

    async def send(self, events: Sequence[Event]) -> None:
        """Let events count, in their order; raises StreamError where that takes too long."""
        await asyncio.to_thread(self._send, events)

    def start(self, _source: str, offset: int | None) -> bool:
        with self._merged:
            self._next = offset or 0
            self._base = self._next if self._base is None else self._base
        return super().start(_source, offset)

    def tell(self, offsets: Mapping[str, int]) -> None:
        super().tell(offsets)
        with self._merged:
            self._next = offsets.get(f"{_NAME}/0", self._next)
            self._merged.notify_all()

    def _send(self, events: Sequence[Event]) -> None:
        with self._merged:
            for event in events:
                self.send_event(event)
            self._sent += len(events)
            target = self._sent
            merged = self._merged.wait_for(lambda: self._holds(target), MERGE_SECONDS)
        self.trouble = None if merged or not events else "the store takes no events"
        if self.trouble:
            raise StreamError(f"{self.trouble}: they wait, and will be counted once it does")

    def _holds(self, count: int) -> bool:
        return self._base is not None and self._next - self._base >= count


def _warm_up(specification: Specification) -> None:
    """Let everything compile that compiles on its first call, before somebody waits for it."""
    packing = Packing(specification)
    batch = LiveBatch(packing, [LiveEvent(0, CART, 0, 0, "", "", 1.0, 0, "")])
    deltas = batch.walk([None] * len(batch.keys)).deltas
    packing.merge(batch.keys, [None] * len(batch.keys), deltas)


@contextmanager
def embedded_worker(
    store: Store, specification: Specification, outlet: FileOutlet, horizon_seconds: int
) -> Iterator[AwaitedQueue]:
    """A worker on a thread of its own, as long as the block lasts; gives the queue that it reads.

    It keeps states only: carts are scored by whoever asks.
    """
    _warm_up(specification)
    source, ending = AwaitedQueue(), threading.Event()
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
        try:
            worker.run(ending.is_set)
        except CartwiseError as error:
            source.trouble = str(error)

    thread = threading.Thread(target=run, name="embedded-worker")
    thread.start()
    try:
        yield source
    finally:
        ending.set()
        thread.join()
