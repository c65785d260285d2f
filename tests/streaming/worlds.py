"""Small worlds for the worker: topics in memory, outlets that remember, and the truth."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cartwise import wire
from cartwise.errors import StreamError
from cartwise.events import EVENT_TYPES
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.packed import Packing
from cartwise.store.protocol import Store
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.source import EventSource, Record, source_name
from cartwise.streaming.upkeep import Clock
from cartwise.streaming.worker import Outlet, Worker
from cartwise.wire import DeadLetter, Event, Score

PACKING = Packing(SPECIFICATION)

POISON = {
    "message_is_json": b"\x00\x01",
    "price_readable": b'{"price": [], "event_time": "2019-10-01T00:00:00Z", "event_type": "view",'
    b' "product_id": 1, "user_id": 1}',
    "price_not_negative": b'{"price": -1, "event_time": "2019-10-01T00:00:00Z",'
    b' "event_type": "view", "product_id": 1, "user_id": 1}',
    "message_not_too_long": b"x" * 10_000_000,
}
"""Messages that are no events, by the rule that they break."""


def view(second: int, **changes: object) -> Event:
    fields = {
        "event_time": 1_570_000_000 + second, "event_type": "view", "product_id": 1,
        "category_id": 2, "category_code": None, "brand": "b", "price": 9.99, "user_id": 1,
        "user_session": "s",
    }  # fmt: skip
    return Event(**(fields | changes))  # type: ignore[arg-type]


def shop(size: int, seed: int = 3) -> list[Event]:
    """Distinct events in time order: few users, products and sessions, all types."""
    rng = np.random.default_rng(seed)
    seconds = np.cumsum(rng.choice([0, 1, 60, 900], size))
    return [
        view(
            int(seconds[i]),
            event_type=EVENT_TYPES[rng.integers(4)],
            product_id=int(rng.integers(6)),
            user_id=int(rng.integers(20)),
            user_session=f"s{rng.integers(40)}",
            price=float(i),
        )
        for i in range(size)
    ]


@dataclass
class Topic:
    """Partitions as lists of messages; ``arrived`` is when all of them came."""

    partitions: int = 2
    arrived: float | None = None
    messages: dict[str, list[bytes]] = field(init=False)

    def __post_init__(self) -> None:
        names = (source_name("shop.events", i) for i in range(self.partitions))
        self.messages = {name: [] for name in names}

    def send_event(self, event: Event) -> None:
        self.send(event.user_id, wire.encode_event(event))

    def send(self, key: int, message: bytes) -> None:
        self.messages[source_name("shop.events", key % self.partitions)].append(message)

    def extend(self, events: Iterable[Event]) -> "Topic":
        for event in events:
            self.send_event(event)
        return self


class Member:
    """A member of a group: reads the partitions that it is given, some messages at a time."""

    def __init__(
        self, topic: Topic, ours: Iterable[str] | None = None, at_a_time: int = 600
    ) -> None:
        self._topic = topic
        self._at_a_time = at_a_time
        self.waiting: set[str] = set(topic.messages if ours is None else ours)
        self._next: dict[str, int] = {}

    def poll(self, limit: int, _seconds: float) -> list[Record]:
        records: list[Record] = []
        for name, start in self._next.items():
            room = min(self._at_a_time, limit - len(records))
            messages = self._topic.messages[name][start : start + room]
            self._next[name] = start + len(messages)
            arrived = self._topic.arrived
            records += [Record(name, start + i, arrived, m) for i, m in enumerate(messages)]
        return records

    @property
    def running(self) -> Collection[str]:
        return self._next

    def start(self, source: str, offset: int | None) -> bool:
        self.waiting.discard(source)
        self._next[source] = offset or 0
        return True

    def hold(self) -> None:
        self.waiting |= self._next.keys()
        self._next.clear()

    def give(self, source: str, other: "Member") -> None:
        """A rebalance: another member gets a partition."""
        self._next.pop(source, None)
        self.waiting.discard(source)
        other.waiting.add(source)

    def tell(self, offsets: Mapping[str, int]) -> None:
        return None

    def lag(self) -> dict[str, int]:
        return {name: len(self._topic.messages[name]) - at for name, at in self._next.items()}

    @property
    def drained(self) -> bool:
        return not self.waiting and not any(self.lag().values())

    def close(self) -> None:
        return None


@dataclass
class Published:
    """An outlet that remembers, and refuses so many times first."""

    refusals: int = 0
    scores: list[Score] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)

    def publish(self, scores: Sequence[Score], dead: Sequence[DeadLetter]) -> None:
        if self.refusals:
            self.refusals -= 1
            raise StreamError("the broker is away")
        self.scores += scores
        self.dead += dead


@dataclass
class Time:
    """A clock that goes a little with every look."""

    seconds: float = 1_600_000_000.0
    stride: float = 0.01

    def look(self) -> float:
        self.seconds += self.stride
        return self.seconds


class Half:
    """A model that gives everything one half."""

    version = "half"

    def score(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.full(len(vectors), 0.5)


def worker(
    source: EventSource,
    store: Store,
    outlet: Outlet | None = None,
    *,
    horizon_seconds: int = 3600,
    metrics: WorkerMetrics | None = None,
    time: Time | None = None,
) -> Worker:
    time = time or Time()
    return Worker(
        source,
        store,
        outlet or Published(),
        SPECIFICATION,
        Half(),
        horizon_seconds=horizon_seconds,
        clock=Clock(time.look, time.look),
        metrics=metrics or WorkerMetrics(),
    )


def drain(one: Worker) -> None:
    one.run(lambda: False, drain=True)


def true_states(events: Iterable[Event]) -> dict[bytes, bytes]:
    """The states after these events, each applied once, in their order."""
    batch = LiveBatch(PACKING, [live(event) for event in events])
    return dict(zip(batch.keys, batch.walk([None] * len(batch.keys)).deltas, strict=True))


def live(event: Event) -> LiveEvent:
    kind = EVENT_TYPES.index(event.event_type)
    return LiveEvent(
        event.event_time, kind, event.product_id, event.category_id, event.category_code,
        event.brand, event.price, event.user_id, event.user_session,
    )  # fmt: skip


def require_states(store: Store, events: Iterable[Event]) -> None:
    """Raise unless the store holds what these events make."""
    found = dict(pair for some in store.scan() for pair in some)
    wanted = true_states(events)
    assert found.keys() == wanted.keys()
    for entity in range(len(SPECIFICATION.entities)):
        keys = [key for key in found if key[0] == entity]
        ours = PACKING.unpack(entity, [found[key] for key in keys])
        theirs = PACKING.unpack(entity, [wanted[key] for key in keys])
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
