"""Whatever happens, each event is in the states once: retries, hand-overs, failures, poison."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from cartwise import wire
from cartwise.errors import (
    FingerprintMismatch,
    StoreIncomplete,
    StoreTimeout,
    StoreUnavailable,
    StreamError,
    TopicError,
)
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.replay import Replay
from cartwise.store.memory import MemoryStore
from cartwise.store.protocol import Merge
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.worker import LARGEST_BATCH, LARGEST_MERGE
from cartwise.wire import Event
from tests.logs import frame
from tests.reference import Event as ReferenceEvent
from tests.streaming.worlds import (
    POISON,
    Member,
    Published,
    Topic,
    drain,
    require_states,
    shop,
    view,
    worker,
)

NUMBERS = ("product_id", "category_id", "user_id")


def store() -> MemoryStore:
    return MemoryStore(SPECIFICATION)


def applied(of: MemoryStore) -> int:
    return sum(position.applied for position in of.positions().values())


class FailingStore(MemoryStore):
    """A store that is away, or answers too late, at chosen merges and reads."""

    def __init__(self, failures: list[str]) -> None:
        super().__init__(SPECIFICATION)
        self._failures = failures

    def read(self, keys: list[bytes]) -> list[bytes | None]:  # type: ignore[override]
        if self._failures and self._failures[0] == "read":
            self._failures.pop(0)
            raise StoreUnavailable("away")
        return super().read(keys)

    def merge(self, merge: Merge) -> None:
        failure = self._failures.pop(0) if self._failures else "none"
        if failure == "before":
            raise StoreUnavailable("away")
        super().merge(merge)
        if failure == "after":
            raise StoreTimeout("the answer was lost")


def test_states_and_counts_are_those_of_the_events() -> None:
    events, states = shop(3000), store()
    drain(worker(Member(Topic().extend(events)), states))
    require_states(states, events)
    assert applied(states) == 3000


def require_vectors(published: Published, events: list[Event]) -> None:
    """Raise unless every score has the vector that a replay of these events gives its cart."""
    log = [
        ReferenceEvent(e.event_time, e.event_type, e.product_id, e.category_id, e.brand, e.price,
                       e.user_id, e.user_session)
        for e in events
    ]  # fmt: skip
    vectors = Replay(SPECIFICATION).vectors(frame(log), np.arange(len(log)))
    ids = {wire.event_id(event).hex(): i for i, event in enumerate(events)}
    for score in published.scores:
        assert score.vector == vectors[ids[score.event_id]].astype("<f4").tobytes()
        assert score.origin is not None
        assert score.origin.offset == ids[score.event_id]


def test_vectors_of_carts_equal_those_of_a_replay_to_the_bit() -> None:
    events, published = shop(600), Published()
    drain(worker(Member(Topic(1).extend(events)), store(), published))
    assert len(published.scores) > 50
    require_vectors(published, events)


def test_no_vector_counts_an_event_twice_where_two_believe_to_own_a_partition() -> None:
    events, states, topic, published = shop(400), store(), Topic(1), Published()
    zombie, successor = Member(topic), Member(topic, at_a_time=200)
    one, other = worker(zombie, states, published), worker(successor, states, published)
    one.step()
    topic.extend(events)
    other.step()
    other.step()
    one.step()
    drain(other)
    require_vectors(published, events)
    assert applied(states) == 400


def test_only_the_first_cart_of_a_session_and_product_is_scored() -> None:
    carts = [view(i, event_type="cart", price=i) for i in range(3)]
    published = Published()
    drain(worker(Member(Topic().extend(carts)), store(), published))
    assert [score.cart_time for score in published.scores] == [wire.format_time(1_570_000_000)]


@settings(max_examples=25)
@given(st.lists(st.sampled_from(["read", "before", "after", "none"]), max_size=12))
def test_a_store_that_comes_and_goes_loses_and_doubles_nothing(failures: list[str]) -> None:
    events, states = shop(400), FailingStore(failures)
    one = worker(Member(Topic().extend(events[:200])), states)
    drain(one)
    require_states(states, events[:200])
    assert applied(states) == 200


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_members_that_die_and_partitions_that_move_lose_and_double_nothing(
    rng: random.Random,
) -> None:
    events, states, topic = shop(300), store(), Topic(4)
    names = list(topic.messages)
    one, other = Member(topic, names[:2]), Member(topic, names[2:])
    workers = {one: worker(one, states), other: worker(other, states)}
    for start in range(0, 300, 30):
        topic.extend(events[start : start + 30])
        giver, taker = rng.sample([one, other], 2)
        workers[rng.choice([one, other])].step()
        giver.give(rng.choice(names), taker)
        if rng.random() < 0.3:
            # It died: its successor knows nothing.
            workers[giver] = worker(giver, states)
            giver.hold()
    for member in (one, other):
        drain(workers[member])
    require_states(states, events)
    assert applied(states) == 300


def test_two_workers_that_both_believe_to_own_a_partition_double_nothing() -> None:
    events, states, topic = shop(500), store(), Topic(1)
    topic.extend(events)
    one, other = worker(Member(topic), states), worker(Member(topic), states)
    for _ in range(3):
        one.step()
        other.step()
    drain(one)
    drain(other)
    require_states(states, events)
    assert applied(states) == 500


@settings(max_examples=25)
@given(st.randoms(use_true_random=False))
def test_duplicates_within_the_horizon_count_once_in_any_order(rng: random.Random) -> None:
    events, states = shop(150), store()
    delivered = [*events, *rng.choices(events, k=100)]
    rng.shuffle(delivered)
    drain(worker(Member(Topic().extend(delivered)), states, horizon_seconds=10**6))
    positions = states.positions().values()
    assert sum(position.duplicates for position in positions) == 100
    assert applied(states) == 150
    require_states(states, events)


def test_a_worker_that_takes_over_knows_what_was_seen_before() -> None:
    states, topic = store(), Topic(1)
    topic.extend([view(0), view(10)])
    drain(worker(Member(topic), states))
    topic.extend([view(0), view(10), view(20)])
    drain(worker(Member(topic), states))
    require_states(states, [view(0), view(10), view(20)])


def test_what_is_older_than_the_horizon_is_applied_and_counted_as_late() -> None:
    states, metrics = store(), WorkerMetrics()
    old, now = view(0), view(90_000)
    topic = Topic(1).extend([old, now, old, old])
    drain(worker(Member(topic), states, metrics=metrics))
    position = states.positions()["shop.events/0"]
    assert (position.applied, position.late, position.duplicates) == (3, 1, 1)
    require_states(states, [old, now, old])


@pytest.mark.parametrize("steps", [1, 2])
def test_the_memory_of_duplicates_does_not_depend_on_batches(steps: int) -> None:
    states, topic = store(), Topic(1)
    topic.extend([view(0), view(3500), view(4900)])
    if steps == 2:
        drain(worker(Member(topic), states))
    topic.extend([view(0)])
    drain(worker(Member(topic), states))
    assert states.positions()["shop.events/0"].late == 1


def test_a_poisoned_message_is_one_dead_letter_and_its_neighbours_count() -> None:
    events, states, published = shop(100), store(), Published()
    topic = Topic(1).extend(events[:50])
    for message in POISON.values():
        topic.send(1, message)
    topic.extend(events[50:])
    drain(worker(Member(topic), states, published))
    require_states(states, events)
    assert [letter.rules for letter in published.dead] == [(rule,) for rule in POISON]
    assert [letter.origin.offset for letter in published.dead] == [50, 51, 52, 53]
    assert states.positions()["shop.events/0"].offset == 104


def test_only_poison_moves_the_offset_too() -> None:
    states, topic = store(), Topic(1)
    topic.send(1, b"poison")
    drain(worker(Member(topic), states))
    assert states.positions()["shop.events/0"].offset == 1
    assert applied(states) == 0


def test_an_event_of_the_future_is_refused_by_its_time_of_arrival() -> None:
    states, published = store(), Published()
    topic = Topic(1, arrived=1_570_000_000.0).extend([view(0), view(3600), view(3601)])
    drain(worker(Member(topic), states, published))
    assert [letter.rules for letter in published.dead] == [("event_time_not_ahead",)]
    assert applied(states) == 2


def test_nothing_counts_before_scores_and_dead_letters_are_delivered() -> None:
    events, states = shop(200), store()
    published = Published(refusals=3)
    drain(worker(Member(Topic().extend(events)), states, published))
    require_states(states, events)
    assert len({score.event_id for score in published.scores}) == len(published.scores) > 10


def test_a_second_trouble_behind_the_first_is_said_too() -> None:
    class Remade(Member):
        """A member of whose topic the store knows offsets that it does not have."""

        def start(self, source: str, offset: int | None) -> bool:
            if states.merges:
                raise StreamError("the topic was made anew")
            return super().start(source, offset)

    class Away(MemoryStore):
        merges = 0

        def merge(self, _merge: Merge) -> None:
            self.merges += 1
            raise StoreUnavailable("away")

    states = Away(SPECIFICATION)
    one = worker(Remade(Topic().extend(shop(50))), states)
    with capture_logs() as logged:
        for _ in range(100):
            one.step()
    reasons = [one["reason"] for one in logged if one["event"] == "waiting"]
    assert len(reasons) == 2
    assert reasons.count("the topic was made anew") == 1


def test_a_merge_is_bounded_by_its_keys_and_moves_each_partition_once() -> None:
    class Watched(MemoryStore):
        def merge(self, merge: Merge) -> None:
            merges.append(merge)
            super().merge(merge)

    merges: list[Merge] = []
    # Nothing of one event is of another one: as many keys as there can be.
    events = [view(i, **dict.fromkeys(NUMBERS, i), brand=f"b{i}", category_code=f"a{i}.b",
                   user_session=f"s{i}") for i in range(2500)]  # fmt: skip
    states = Watched(SPECIFICATION)
    drain(worker(Member(Topic(3).extend(events), at_a_time=10**6), states))
    most = len(SPECIFICATION.entities)
    assert 5000 < max(len(merge.deltas) for merge in merges) <= LARGEST_MERGE
    assert sum(len(merge.deltas) for merge in merges) > 2000 * (most - 1)
    for merge in merges:
        sources = [advance.source for advance in merge.advances]
        assert len(sources) == len(set(sources))
    require_states(states, events)


def test_batches_grow_where_their_events_share_keys() -> None:
    events, member = [view(i) for i in range(4000)], Member(Topic(1), at_a_time=10**6)
    one, metrics = worker(member, store()), list[int]()
    member._topic.extend(events)
    one.step()
    for _ in range(3):
        before = member.lag().values()
        one.step()
        metrics.append(sum(before) - sum(member.lag().values()))
    assert max(metrics) == LARGEST_BATCH


@pytest.mark.parametrize("trouble", ["topic", "load", "fingerprint"])
def test_a_drain_ends_where_waiting_cannot_help(trouble: str) -> None:
    class Remade(Member):
        def start(self, _source: str, _offset: int | None) -> bool:
            raise TopicError("it was made anew")

    class Loading(MemoryStore):
        def check(self) -> None:
            raise {"load": StoreIncomplete, "fingerprint": FingerprintMismatch}[trouble]("no")

    topic = Topic().extend(shop(10))
    member, states = (
        (Remade(topic), store()) if trouble == "topic" else (Member(topic), Loading(SPECIFICATION))
    )
    with pytest.raises((TopicError, StoreIncomplete, FingerprintMismatch)):
        drain(worker(member, states))


def test_a_worker_that_is_to_stay_waits_for_a_load_to_end() -> None:
    class Loading(MemoryStore):
        looks = 0

        def check(self) -> None:
            self.looks += 1
            if self.looks < 3:
                raise StoreIncomplete("being loaded")
            super().check()

    events, states = shop(50), Loading(SPECIFICATION)
    one = worker(Member(Topic().extend(events)), states)
    one.run(lambda: applied(states) == 50)
    require_states(states, events)


def test_a_worker_that_ends_while_the_store_is_away_says_so() -> None:
    states = FailingStore(["before"] * 100)
    one, stops = worker(Member(Topic().extend(shop(50))), states), iter([False] * 8 + [True])
    with capture_logs() as logged:
        one.run(lambda: next(stops))
    [said] = [one["reason"] for one in logged if one["event"] == "ended during trouble"]
    assert said == "away; what is not counted yet will be read again"


def test_trouble_is_said_once_and_shown_in_a_metric() -> None:
    metrics = WorkerMetrics()
    states = FailingStore(["before"] * 6)
    one = worker(Member(Topic().extend(shop(50))), states, metrics=metrics)
    with capture_logs() as logged:
        for _ in range(3):
            one.step()
        assert metrics.registry.get_sample_value("cartwise_stream_store_up") == 0
        drain(one)
    assert metrics.registry.get_sample_value("cartwise_stream_store_up") == 1
    assert metrics.registry.get_sample_value("cartwise_stream_events_total") == 50
    said = [one["event"] for one in logged]
    assert said.count("waiting") == 1
    assert said.count("going on") == 1
