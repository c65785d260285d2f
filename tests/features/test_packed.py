"""Packed states hold what dense ones hold, merge as they do, and never meet strangers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwise.errors import DamagedState, FingerprintMismatch
from cartwise.events import EVENT_TYPES
from cartwise.features import kernel
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.packed import HEAD_BYTES, KEY_BYTES, Packing, pack_keys, unpack_keys
from cartwise.features.spec import Specification
from tests.logs import GAPS, START

PACKING = Packing(SPECIFICATION)
PLAN = PACKING.plan
ENTITIES = st.integers(0, len(SPECIFICATION.entities) - 1)
HISTORIES = st.lists(
    st.tuples(st.integers(0, len(EVENT_TYPES) - 1), GAPS, st.sampled_from([np.nan, 0.0, 5.5])),
    max_size=8,
)


def dense(entity: int, history: list[tuple[int, int, float]]) -> np.ndarray:
    layout, time = PLAN.entities[entity], START
    state, powers = np.empty(layout.width), np.empty(len(SPECIFICATION.half_lives))
    kernel.clear(state, layout, 0)
    for kind, gap, log_price in history:
        time += gap
        kernel.weigh(PLAN.clock, time, 1, powers)
        kernel.apply(state, layout, PLAN.clock, kind, time, log_price, powers)
    return state


def key(entity: int) -> bytes:
    return pack_keys(entity, np.array([[1, 2]], dtype=np.uint64))[0]


@settings(max_examples=100)
@given(ENTITIES, HISTORIES)
def test_unpacking_gives_the_dense_state_to_the_bit(
    entity: int, history: list[tuple[int, int, float]]
) -> None:
    state = dense(entity, history)
    assert PACKING.unpack(entity, PACKING.pack(entity, state[None]))[0].tobytes() == state.tobytes()


@settings(max_examples=100)
@given(ENTITIES, HISTORIES, HISTORIES)
def test_packed_states_merge_like_dense_ones_to_the_bit(
    entity: int, ours: list[tuple[int, int, float]], theirs: list[tuple[int, int, float]]
) -> None:
    old, delta = dense(entity, ours), dense(entity, theirs)
    packed = [PACKING.pack(entity, state[None]) for state in (old, delta)]
    merged = PACKING.merge([key(entity)], *packed)
    kernel.merge(old, PLAN.entities[entity], PLAN.clock, delta)
    assert merged == PACKING.pack(entity, old[None])


@settings(max_examples=50)
@given(ENTITIES, HISTORIES)
def test_a_delta_to_nothing_is_the_state(
    entity: int, history: list[tuple[int, int, float]]
) -> None:
    deltas = PACKING.pack(entity, dense(entity, history)[None])
    assert PACKING.merge([key(entity)], [None], deltas) == deltas


def test_only_blocks_of_types_seen_take_room() -> None:
    pair = [entity.name for entity in SPECIFICATION.entities].index("session_product")
    [empty] = PACKING.pack(pair, dense(pair, [])[None])
    [viewed] = PACKING.pack(pair, dense(pair, [(0, 0, np.nan)])[None])
    assert len(empty) == HEAD_BYTES
    assert len(viewed) == HEAD_BYTES + 8 * 3  # two counters and a time


def test_keys_travel_as_seventeen_bytes() -> None:
    keys = np.array([[2**64 - 1, 1], [0, 7]], dtype=np.uint64)
    packed = pack_keys(5, keys)
    assert {len(one) for one in packed} == {KEY_BYTES}
    entities, halves = unpack_keys(packed)
    assert entities.tolist() == [5, 5]
    assert np.array_equal(halves, keys)


def test_expiry_is_the_time_to_live_after_the_last_event() -> None:
    state = PACKING.pack(1, dense(1, [(0, 0, np.nan), (1, 50, np.nan)])[None])
    expected = START + 50 + SPECIFICATION.entities[1].time_to_live_seconds
    assert PACKING.expiries([key(1)], state).tolist() == [expected]


def test_a_state_of_another_specification_is_refused() -> None:
    other = Packing(Specification(SPECIFICATION.entities, ()))
    foreign = other.pack(1, dense(1, [(0, 0, 1.0)])[None])
    own = PACKING.pack(1, dense(1, [(0, 0, 1.0)])[None])
    with pytest.raises(FingerprintMismatch, match=other.fingerprint.hex()):
        PACKING.unpack(1, foreign)
    with pytest.raises(FingerprintMismatch):
        PACKING.merge([key(1)], own, foreign)
    with pytest.raises(FingerprintMismatch):
        PACKING.merge([key(1)], foreign, own)


@pytest.mark.parametrize("cut", [1, 8, 12, 24])
def test_a_state_that_was_cut_short_is_refused(cut: int) -> None:
    whole = PACKING.pack(1, dense(1, [(0, 0, 1.0)])[None])
    with pytest.raises(DamagedState):
        PACKING.merge([key(1)], [whole[0][:-cut]], whole)


def test_a_state_of_another_entity_is_refused() -> None:
    user, pair = 1, len(SPECIFICATION.entities) - 1
    with pytest.raises(DamagedState):
        PACKING.unpack(pair, PACKING.pack(user, dense(user, [(0, 0, 1.0)])[None]))


def test_what_does_not_fit_together_is_refused_before_it_is_walked() -> None:
    state = PACKING.pack(1, dense(1, [(0, 0, 1.0)])[None])
    with pytest.raises(ValueError, match="another entity"):
        PACKING.pack(1, dense(len(PLAN.entities) - 1, [])[None])
    with pytest.raises(ValueError, match="every key"):
        PACKING.merge([key(1)], [], state)
    with pytest.raises(DamagedState):
        PACKING.merge([b"\xff" + key(1)[1:]], [None], state)
