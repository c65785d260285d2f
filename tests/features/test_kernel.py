"""Properties of the kernel that the whole design rests on."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cartwise.events import EVENT_TYPES, SECONDS_PER_DAY
from cartwise.features import kernel
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.layout import plan_of
from cartwise.features.spec import LANDMARK_SECONDS

PLAN = plan_of(SPECIFICATION)
USER = PLAN.entities[[entity.name for entity in SPECIFICATION.entities].index("user")]

EVENTS = st.lists(
    st.tuples(
        st.integers(0, len(EVENT_TYPES) - 1),
        st.integers(1_570_000_000, 1_570_000_000 + 90 * SECONDS_PER_DAY),
        st.sampled_from([float("nan"), 0.0, 5.5]),
    ),
    max_size=12,
)


def state_of(events: list[tuple[int, int, float]], landmark: int = 0) -> NDArray[np.float64]:
    state = np.empty(USER.width)
    kernel.clear(state, USER, landmark)
    powers = np.empty(len(SPECIFICATION.half_lives))
    for event, time, log_price in events:
        kernel.weigh(PLAN.clock, time, 1, powers)
        kernel.apply(state, USER, PLAN.clock, event, time, log_price, powers)
    return state


def read(state: NDArray[np.float64], time: int) -> NDArray[np.float64]:
    out = np.empty(USER.readings)
    kernel.read(state, USER, PLAN.clock, time, np.empty(len(SPECIFICATION.half_lives)), out)
    return out


@settings(max_examples=100)
@given(EVENTS, st.integers(0, 5 * LANDMARK_SECONDS))
def test_the_landmark_of_a_state_changes_no_bit(
    events: list[tuple[int, int, float]], later: int
) -> None:
    ordered = sorted(events, key=lambda event: event[1])
    time = 1_570_000_000 + 90 * SECONDS_PER_DAY + later
    early, late = state_of(ordered), state_of(ordered, kernel.landmark_of(1_570_000_000))
    assert read(early, time).tobytes() == read(late, time).tobytes()


@settings(max_examples=100)
@given(EVENTS, st.randoms())
def test_the_order_of_events_does_not_matter(
    events: list[tuple[int, int, float]], random: st.DataObject
) -> None:
    shuffled = events.copy()
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    time = 1_580_000_000
    np.testing.assert_allclose(
        read(state_of(events), time), read(state_of(shuffled), time), rtol=1e-9, atol=1e-12
    )


@settings(max_examples=100)
@given(EVENTS, EVENTS)
def test_merging_states_of_disjoint_events_adds_them(
    ours: list[tuple[int, int, float]], theirs: list[tuple[int, int, float]]
) -> None:
    merged, time = state_of(ours), 1_580_000_000
    kernel.merge(merged, USER, PLAN.clock, state_of(theirs))
    np.testing.assert_allclose(
        read(merged, time), read(state_of(ours + theirs), time), rtol=1e-9, atol=1e-12
    )


def test_a_late_event_weighs_at_most_one() -> None:
    state = state_of([(0, 1_570_000_000, 0.0)])
    counters = read(state, 1_500_000_000)[: len(USER.half_lives)]
    assert np.nanmax(counters) == 1.0


def test_what_is_older_than_the_time_to_live_reads_as_never() -> None:
    state = state_of([(0, 1_570_000_000, 1.0)])
    beyond = 1_570_000_000 + USER.time_to_live_seconds + 1
    assert read(state, beyond).tobytes() == read(state_of([]), beyond).tobytes()
    assert not np.isnan(read(state, beyond - 1)[len(USER.half_lives)])
