"""The worker: events in, states and scores out, each event exactly once in the store.

One step takes a batch of messages, reads the states of all their keys, applies the events in
order, scores the carts, publishes, and merges what the batch adds together with the new offsets.
While the store merges, the next messages are taken in. Whatever fails on the way, there is one
answer: nothing of the batch is kept, and all partitions are taken over anew from where the store
says that they stand.

Scores and dead letters are delivered before the offsets move. So none is lost, and after a crash
some come twice, recognizable by their ids. None was computed from states that held its batch
already: that the offsets had not moved is looked at after the states were read.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, NamedTuple, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from cartwise.errors import (
    CartwiseError,
    StaleOffset,
    StoreIncomplete,
    StoreUnavailable,
    StreamError,
    TopicError,
)
from cartwise.features.live import Live
from cartwise.features.live_batch import LiveBatch, Walked
from cartwise.features.spec import Specification
from cartwise.store.offsets import require_offset
from cartwise.store.protocol import Advance, Merge, Store
from cartwise.streaming.backoff import Backoff
from cartwise.streaming.intake import Accepted, Batch, take_in
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.partition import Partition
from cartwise.streaming.source import EventSource, Record, origin
from cartwise.streaming.upkeep import Clock, Upkeep
from cartwise.wire import DeadLetter, Score, format_time

LARGEST_BATCH: Final = 1800
"""Messages of one batch."""

LARGEST_MERGE: Final = 10_000
"""Keys of one batch, as far as can be told before: Redis serves nobody while it merges them."""

POLL_SECONDS: Final = 0.025
_FRESHNESS_SAMPLE: Final = 50

_PASSING: Final = (StoreUnavailable, StoreIncomplete, StaleOffset, StreamError)
"""What goes away by itself, or by taking over anew."""

_LASTING: Final = (TopicError,)
_LASTING_FOR_A_DRAIN: Final = (TopicError, StoreIncomplete)
"""What does not. A load may have been interrupted for good, and a drain is to end."""


class Scorer(Protocol):
    """A model; a bundle is one."""

    @property
    def version(self) -> str:
        """A name for what it answers."""
        ...

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities (n,) of vectors (n, features)."""
        ...


class Outlet(Protocol):
    """Where scores and dead letters go."""

    def publish(self, scores: Sequence[Score], dead: Sequence[DeadLetter]) -> None:
        """Return when all are delivered; raises StreamError where one was not."""
        ...


class _UnderWay(NamedTuple):
    """A batch whose merge was begun; ``begun`` is when its messages came, ``done`` gives the time
    at which its states became readable."""

    batch: Batch
    scores: int
    begun: float
    done: Future[float]


class Worker:
    """Follows the partitions that a source has for it."""

    def __init__(
        self,
        source: EventSource,
        store: Store,
        outlet: Outlet,
        specification: Specification,
        scorer: Scorer | None,
        *,
        horizon_seconds: int,
        clock: Clock,
        metrics: WorkerMetrics,
    ) -> None:
        self._source = source
        self._store = store
        self._outlet = outlet
        self._packing = Live(specification).packing
        self._fingerprint = specification.fingerprint
        self._scorer = scorer
        self._horizon_seconds = horizon_seconds
        self._clock = clock
        self._metrics = metrics
        self._partitions: dict[str, Partition] = {}
        self._backoff = Backoff(clock.monotonic)
        self._said: set[type[CartwiseError]] = set()
        self._trouble: CartwiseError | None = None
        self._lasting: tuple[type[CartwiseError], ...] = _LASTING
        self._upkeep = Upkeep(source, store, clock, metrics)
        self._keys_per_event = float(len(specification.entities))
        self._merging = ThreadPoolExecutor(1, "merging")
        self._under_way: _UnderWay | None = None
        self._log = structlog.get_logger("cartwise.stream")

    def run(self, must_stop: Callable[[], bool], *, drain: bool = False) -> None:
        """Work until told to stop or, with ``drain``, until all is read.

        Raises:
            FingerprintMismatch: the store's states were made with another specification.
            CartwiseError: something does not work that waiting will not mend.
        """
        self._lasting = _LASTING_FOR_A_DRAIN if drain else _LASTING
        self._works(self._store.check)
        while not must_stop():
            self.step()
            if drain and self._source.drained and self._works(self._settle):
                return
        self._end()

    def step(self) -> None:
        """Take over what waits, and then work on one batch."""
        if self._backoff.waits:
            # Polling keeps our place in the group; nothing comes while all partitions wait.
            self._source.poll(1, POLL_SECONDS)
            return
        records = self._source.poll(self._room(), POLL_SECONDS)
        begun = self._clock.now()
        if not self._works(self._upkeep.work) or not self._works(self._take_over):
            return
        if records:
            self._works(lambda: self._work(records, begun))
        elif self._works(self._settle):
            self._recover(proven=False)

    def _room(self) -> int:
        """How many messages to take on: with fewer, the keys of each are more, so that the last
        batch tells what the next one may have at most while the traffic stays as it is."""
        return min(LARGEST_BATCH, max(1, int(LARGEST_MERGE / self._keys_per_event)))

    def _works(self, action: Callable[[], None]) -> bool:
        """Do it; where that fails, let everything wait for a while."""
        try:
            action()
        except self._lasting:
            raise
        except _PASSING as error:
            self._set_back(error)
            return False
        self._metrics.store_up.set(1)
        return True

    def _end(self) -> None:
        """Count what was begun, and tell where that cannot be done."""
        try:
            self._settle()
        except _PASSING as error:
            self._trouble = error
        if self._trouble is None:
            self._log.info("ended")
        else:
            reason = f"{self._trouble}; what is not counted yet will be read again"
            self._log.warning("ended during trouble", reason=reason)

    def _set_back(self, error: CartwiseError) -> None:
        self._trouble = error
        self._partitions.clear()
        self._source.hold()
        self._metrics.setbacks.labels(type(error).__name__).inc()
        self._metrics.store_up.set(not isinstance(error, StoreUnavailable))
        if self._backoff.fail(at_once=isinstance(error, StaleOffset)):
            self._said.clear()
        # Of each kind once, for what keeps us waiting now may not be what it began with.
        kind = next(kind for kind in _PASSING if isinstance(error, kind))
        if kind not in self._said:
            self._said.add(kind)
            self._log.warning("waiting", reason=str(error))

    def _recover(self, *, proven: bool) -> None:
        if self._backoff.succeed(proven=proven):
            self._trouble = None
            self._log.info("going on")

    def _take_over(self) -> None:
        """Start the partitions that wait, forget those that left."""
        if self._source.waiting:
            self._settle()
            self._store.check()
        for gone in self._partitions.keys() - set(self._source.running):
            del self._partitions[gone]
        for source in list(self._source.waiting):
            resumption = self._store.resume(source)
            position = resumption.position
            if self._source.start(source, position.offset if position else None):
                self._partitions[source] = Partition(source, resumption, self._horizon_seconds)
                self._metrics.takeovers.inc()
                self._log.info("taken over", partition=source, position=position)

    def _work(self, records: Sequence[Record], begun: float) -> None:
        batch = take_in(records, self._partitions)
        if not batch.advances:
            return
        lives = [one.live() for one in batch.accepted]
        events = LiveBatch(self._packing, lives) if lives else None
        if events:
            self._keys_per_event = len(events.keys) / len(lives)
        # Until here the merge of the batch before was under way.
        self._settle()
        deltas, scores = self._apply(events, batch) if events else ({}, [])
        self._outlet.publish(scores, batch.dead)
        merge = Merge(deltas, batch.advances)
        done = self._merging.submit(self._merge, merge)
        self._under_way = _UnderWay(batch, len(scores), begun, done)

    def _apply(self, events: LiveBatch, batch: Batch) -> tuple[dict[bytes, bytes], list[Score]]:
        """What events add to the states by key, and the scores of their carts."""
        walked = events.walk(self._store.read(events.keys))
        deltas = dict(zip(events.keys, walked.deltas, strict=True))
        scores = self._scores(batch.accepted, walked)
        if scores:
            self._require_unmoved(batch.advances)
        return deltas, scores

    def _require_unmoved(self, advances: Sequence[Advance]) -> None:
        """Raise StaleOffset where the states that were read may hold events of the batch already.

        Another worker may have our partition by now, or a merge that timed out may be done after
        all. The merge would find out, but by then the scores would be out.
        """
        positions = self._store.positions()
        for advance in advances:
            require_offset(advance, positions.get(advance.source))

    def _merge(self, merge: Merge) -> float:
        """Merge, and tell the time at which the states became readable."""
        self._store.merge(merge)
        return self._clock.now()

    def _settle(self) -> None:
        """Wait for the merge that is under way, if any; raises what went wrong with it."""
        one, self._under_way = self._under_way, None
        if one is not None:
            readable = one.done.result()
            self._source.tell({a.source: a.position.offset for a in one.batch.advances})
            self._count(one, readable)
            self._recover(proven=True)

    def _scores(self, accepted: Sequence[Accepted], walked: Walked) -> list[Score]:
        """Scores of the carts that are the first of their session and product."""
        if self._scorer is None or not walked.is_first.any():
            return []
        vectors = walked.vectors[walked.is_first]
        probabilities = self._scorer.score(vectors)
        version = self._scorer.version
        return [
            self._score(accepted[cart], vector, float(probability), version)
            for cart, vector, probability in zip(
                walked.carts[walked.is_first], vectors, probabilities, strict=True
            )
        ]

    def _score(
        self, cart: Accepted, vector: NDArray[np.float32], probability: float, version: str
    ) -> Score:
        event = cart.event
        return Score(
            event_id=cart.id.hex(),
            user_id=event.user_id,
            product_id=event.product_id,
            user_session=event.user_session,
            cart_time=format_time(event.event_time),
            probability=probability,
            model_version=version,
            fingerprint=self._fingerprint,
            vector=vector.astype("<f4").tobytes(),
            source="stream",
            origin=origin(cart.record),
        )

    def _count(self, one: _UnderWay, readable: float) -> None:
        metrics, batch = self._metrics, one.batch
        metrics.events.inc(len(batch.accepted))
        metrics.duplicates.inc(batch.duplicates)
        metrics.late.inc(batch.late)
        metrics.scores.inc(one.scores)
        for rule in (rule for letter in batch.dead for rule in letter.rules):
            metrics.dead_letters.labels(rule).inc()
        metrics.batch_seconds.observe(readable - one.begun)
        for each in batch.accepted[:: 1 + len(batch.accepted) // _FRESHNESS_SAMPLE]:
            if each.record.arrived is not None:
                metrics.freshness.observe(readable - each.record.arrived)
