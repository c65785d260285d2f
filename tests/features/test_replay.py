"""Replay gives what the definition says: in any cut, over any shards, across landmarks."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cartwise.events import EVENT_TYPES
from cartwise.features import kernel, table
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.keys import KeyColumns
from cartwise.features.layout import StateLayout, plan_of
from cartwise.features.replay import Replay, complete
from cartwise.features.shards import Division
from tests.logs import frame, logs
from tests.reference import Event, vector

FEATURES = len(SPECIFICATION.vector)


def all_vectors(events: pl.DataFrame) -> NDArray[np.float32]:
    return Replay(SPECIFICATION).vectors(events, np.arange(events.height))


def truth(log: Sequence[Event]) -> NDArray[np.float32]:
    rows = [list(vector(SPECIFICATION, log[: i + 1]).values()) for i in range(len(log))]
    return np.array(rows, dtype=np.float64).astype(np.float32)


def in_the_visit_of_another() -> list[Event]:
    """Somebody looks on in a visit in which another one carted: less carted before than none."""
    at_once = partial(Event, 1_570_000_000, product_id=1, category_id=1, brand="b", price=0.0)
    carts = [at_once(event_type="cart", user_id=1, user_session="a") for _ in range(3)]
    cart = at_once(event_type="cart", user_id=2, user_session="b")
    return [*carts, cart, at_once(event_type="view", user_id=2, user_session="a")]


@example(in_the_visit_of_another())
@settings(max_examples=30)
@given(logs() | logs(late=True))
def test_replay_equals_reference(log: list[Event]) -> None:
    np.testing.assert_allclose(all_vectors(frame(log)), truth(log), rtol=1e-5, atol=1e-6)


@settings(max_examples=30)
@given(logs() | logs(late=True))
def test_deleting_the_future_changes_no_bit(log: list[Event]) -> None:
    events = frame(log)
    whole = all_vectors(events)
    for cut in range(1, len(log) + 1):
        assert all_vectors(events.head(cut)).tobytes() == whole[:cut].tobytes()


@settings(max_examples=30)
@given(logs())
def test_carried_states_continue_to_the_bit(log: list[Event]) -> None:
    events, half = frame(log), len(log) // 2
    first = Replay(SPECIFICATION)
    first.vectors(events.head(half), np.arange(half))
    second = Replay(SPECIFICATION, states=first.snapshot())
    rest = second.vectors(events.slice(half), np.arange(len(log) - half))
    assert rest.tobytes() == all_vectors(events)[half:].tobytes()


@settings(max_examples=30)
@given(logs())
def test_forgetting_expired_states_changes_no_bit(log: list[Event]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table, "_FEW", 0)
        patch.setattr(table, "_WORTH_IT", 0.0)
        _forget_before_every_event(log)


def _forget_before_every_event(log: list[Event]) -> None:
    replay, vectors = Replay(SPECIFICATION), []
    events = frame(log)
    for i, event in enumerate(log):
        replay.forget(event.time)
        vectors.append(replay.vectors(events.slice(i, 1), np.arange(1))[0])
    assert np.array(vectors).tobytes() == all_vectors(events).tobytes()


@pytest.mark.parametrize("division", [Division(1, 1), Division(1, 3), Division(5, 2)])
def test_shards_together_equal_one_replay(division: Division) -> None:
    log = _shop(300)
    events, rows = frame(log), np.arange(300)
    parts = [Replay(SPECIFICATION, shard).values(events, rows) for shard in division.shards()]
    together = parts[0]
    for part in parts[1:]:
        together = np.where(np.isnan(part), together, part)
    whole = Replay(SPECIFICATION).values(events, rows)
    np.testing.assert_array_equal(whole, together)
    assert complete(SPECIFICATION, events, whole).shape == (300, FEATURES)


def test_many_batches_equal_one(monkeypatch: pytest.MonkeyPatch) -> None:
    events = frame(_shop(300))
    whole = all_vectors(events)
    monkeypatch.setattr("cartwise.features.replay._BATCH_ROWS", 7)
    assert all_vectors(events).tobytes() == whole.tobytes()


def test_a_first_event_that_is_landmarks_late_reads_as_one() -> None:
    first = Event(1_580_000_000, "view", 1, 1, "b", 1.0, 1, "a")
    late = Event(1_580_000_000 - 70 * 86_400, "cart", 2, 1, "b", 1.0, 2, "late")
    vectors = all_vectors(frame([first, late]))
    assert vectors[1, SPECIFICATION.vector.index("session_cart_1h")] == 1.0


def test_what_follows_landmarks_later_does_not_touch_a_first_cart() -> None:
    cart = Event(1_580_000_000 - 70 * 86_400, "cart", 1, 1, "b", 1.0, 1, "a")
    view = Event(1_580_000_000, "view", 1, 1, "b", 1.0, 1, "a")
    assert all_vectors(frame([cart, view]))[0].tobytes() == all_vectors(frame([cart])).tobytes()


def _shop(size: int) -> list[Event]:
    rng = np.random.default_rng(5)
    times = 1_570_000_000 + np.cumsum(rng.choice([0, 1, 60, 3600, 86_400], size))
    kinds = rng.choice(["view", "cart", "remove_from_cart", "purchase"], size)
    return [
        Event(int(times[i]), str(kinds[i]), int(rng.integers(5)), int(rng.integers(2)), "b",
              float(rng.choice([0.0, 9.99])), int(rng.integers(20)), f"s{rng.integers(30)}")
        for i in range(size)
    ]  # fmt: skip


@settings(max_examples=30)
@given(logs() | logs(late=True), st.integers(1, 5))
def test_states_as_a_whole_are_what_the_kernel_makes_of_the_events(
    log: list[Event], at_a_time: int
) -> None:
    replay, plan = Replay(SPECIFICATION), plan_of(SPECIFICATION)
    events = frame(log)
    replay.values(events, np.arange(0))
    for entity, layout in zip(SPECIFICATION.entities, plan.entities, strict=True):
        keys, known = KeyColumns.of(events, entity.key).keys(entity)
        truth = _states(layout, keys[known], [e for e, k in zip(log, known, strict=True) if k])
        parts = replay.snapshot()[entity.name]
        for states in table.whole_states(layout, plan.clock, parts, at_a_time):
            for key, state in zip(states.keys, states.states, strict=True):
                assert state.tobytes() == truth.pop(key.tobytes()).tobytes()
        assert not truth


def _states(
    layout: StateLayout, keys: NDArray[np.uint64], log: list[Event]
) -> dict[bytes, NDArray[np.float64]]:
    clock, states = plan_of(SPECIFICATION).clock, {}
    powers = np.empty(len(SPECIFICATION.half_lives))
    for key, event in zip(keys, log, strict=True):
        if key.tobytes() not in states:
            states[key.tobytes()] = np.empty(layout.width)
            kernel.clear(states[key.tobytes()], layout, 0)
        kernel.weigh(clock, event.time, 1, powers)
        log_price = np.log(event.price) if event.price > 0 else np.nan
        code = EVENT_TYPES.index(event.event_type)
        state = states[key.tobytes()]
        kernel.apply(state, layout, clock, code, event.time, log_price, powers)
    return states
