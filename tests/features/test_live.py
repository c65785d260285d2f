"""Request and stream give what replay and the definition give, whoever saw the event first."""

import numpy as np
import pytest
from hypothesis import given, settings

from cartwise.errors import DamagedState, FingerprintMismatch
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.keys import KeyColumns
from cartwise.features.live import CART, Live, LiveEvent
from cartwise.features.live_batch import LiveBatch
from cartwise.features.moment import KEY_COLUMNS
from cartwise.features.packed import pack_keys
from cartwise.features.replay import Replay
from cartwise.features.spec import Entity, Specification
from tests.features.live_events import LIVE, a_shop, live_log, step
from tests.logs import START, frame, logs
from tests.reference import Event, vector

EVERY_KEY = Specification(
    tuple(
        Entity("_".join(key) or "all", key, ("1h",))
        for key in [
            (),
            *((name,) for name in KEY_COLUMNS),
            *((one, other) for one in KEY_COLUMNS for other in KEY_COLUMNS if one != other),
        ]
    ),
    (),
)
FIRST = LiveEvent(START, CART, 1, 1, None, "b", 9.5, 1, "a")


def replayed(log: list[Event], rows: np.ndarray) -> np.ndarray:
    return Replay(SPECIFICATION).vectors(frame(log), rows)


@settings(max_examples=30)
@given(logs())
def test_keys_are_those_of_replay(log: list[Event]) -> None:
    live, events = Live(EVERY_KEY), frame(log)
    columns = KeyColumns.of(events, KEY_COLUMNS)
    expected: list[list[bytes]] = [[] for _ in log]
    for place, entity in enumerate(EVERY_KEY.entities):
        keys, known = columns.keys(entity)
        for row, packed in enumerate(pack_keys(place, keys)):
            expected[row] += [packed] if known[row] else []
    assert [live.keys(event) for event in live_log(log)] == expected


@settings(max_examples=30)
@given(logs() | logs(late=True))
def test_the_stream_equals_replay_to_the_bit_from_the_log_s_start(log: list[Event]) -> None:
    walked = step({}, live_log(log))
    assert [log[i].event_type for i in walked.carts] == ["cart"] * len(walked.carts)
    assert walked.vectors.tobytes() == replayed(log, walked.carts).tobytes()


@settings(max_examples=30)
@given(logs() | logs(late=True))
def test_one_event_at_a_time_equals_replay_to_the_bit(log: list[Event]) -> None:
    states: dict[bytes, bytes] = {}
    vectors = [step(states, [event]).vectors for event in live_log(log)]
    carts = np.flatnonzero([event.event_type == "cart" for event in log])
    assert np.concatenate(vectors).tobytes() == replayed(log, carts).tobytes()


@settings(max_examples=30)
@given(logs() | logs(late=True))
def test_the_deltas_of_batches_add_up_to_the_states_of_a_replay(log: list[Event]) -> None:
    states: dict[bytes, bytes] = {}
    for start in range(0, len(log), 7):
        step(states, live_log(log[start : start + 7]))
    replay = Replay(SPECIFICATION)
    replay.vectors(frame(log), np.arange(0))
    for described, rows in replay.whole():
        entity = SPECIFICATION.entities.index(described)
        keys = pack_keys(entity, rows.keys)
        ours = LIVE.packing.unpack(entity, [states.pop(key) for key in keys])
        np.testing.assert_allclose(ours, rows.states, rtol=1e-9)
    assert not states


@settings(max_examples=30)
@given(logs())
def test_a_request_equals_the_definition_before_and_after_the_stream(log: list[Event]) -> None:
    states: dict[bytes, bytes] = {}
    for i, event in enumerate(live_log(log)):
        before = [states.get(key) for key in LIVE.keys(event)]
        step(states, [event])
        after = [states.get(key) for key in LIVE.keys(event)]
        if event.kind == CART and not _has_twin(log[:i], log[i]):
            asked = LIVE.vector(event, before)
            assert asked.tobytes() == LIVE.vector(event, after).tobytes()
            truth = np.array(list(vector(SPECIFICATION, log[: i + 1]).values()))
            np.testing.assert_allclose(asked, truth.astype(np.float32), rtol=1e-5, atol=1e-6)


def _has_twin(past: list[Event], cart: Event) -> bool:
    """Whether a cart of the same visitor and product came in the same second before."""
    of = "user_session" if cart.user_session else "user_id"
    return any(
        (other.event_type, other.time, other.product_id, getattr(other, of))
        == (cart.event_type, cart.time, cart.product_id, getattr(cart, of))
        for other in past
    )


def test_a_request_of_strangers_equals_the_first_cart_of_a_log() -> None:
    event = LiveEvent(START, CART, 1, None, None, None, 0.0, 1, None)
    asked = LIVE.vector(event, [None] * len(LIVE.keys(event)))
    assert asked.tobytes() == step({}, [event]).vectors.tobytes()
    names = dict(zip(SPECIFICATION.vector, asked, strict=True))
    assert names["user_cart_1h"] == 1.0
    assert np.isnan(names["session_cart_1h"])


def test_a_cart_without_a_session_is_known_again_by_user_and_product() -> None:
    event, states = FIRST._replace(user_session=None), dict[bytes, bytes]()
    expected = step(states, [event]).vectors[0]
    asked = LIVE.vector(event, [states.get(key) for key in LIVE.keys(event)])
    assert asked.tobytes() == expected.tobytes()


def test_a_request_reads_at_the_last_event_where_that_is_later() -> None:
    states: dict[bytes, bytes] = {}
    step(states, [FIRST._replace(time=START + 3600, kind=0, user_session="other")])
    asked = LIVE.vector(FIRST, [states.get(key) for key in LIVE.keys(FIRST)])
    place = SPECIFICATION.vector.index("user_cart_1h")
    assert asked[place] == 0.5


def test_a_cart_is_first_until_its_pair_is_forgotten() -> None:
    memory = SPECIFICATION.entity("session_product").time_to_live_seconds
    later = [0, 10, 10 + memory, 11 + 2 * memory]
    events = [FIRST._replace(time=START + seconds) for seconds in later]
    others = [FIRST._replace(product_id=2), FIRST._replace(user_session=None)]
    for size in (1, 6):  # in one batch, and by what the states remember
        states: dict[bytes, bytes] = {}
        log = sorted([*events, *others], key=lambda event: event.time)
        first = [step(states, log[i : i + size]).is_first for i in range(0, len(log), size)]
        assert np.concatenate(first).tolist() == [True, True, False, False, False, True]


def test_states_of_another_specification_are_refused() -> None:
    other = Live(Specification(SPECIFICATION.entities, ()))
    strange = [other._empty for _ in other.keys(FIRST)]
    with pytest.raises(FingerprintMismatch):
        LIVE.vector(FIRST, strange)
    with pytest.raises(FingerprintMismatch):
        LiveBatch(LIVE.packing, [FIRST]).walk(strange)


def test_a_batch_without_its_states_is_refused() -> None:
    batch = LiveBatch(LIVE.packing, [FIRST])
    with pytest.raises(ValueError, match="every key"):
        batch.walk([None] * (len(batch.keys) - 1))


def test_states_in_the_wrong_order_are_refused() -> None:
    states: dict[bytes, bytes] = {}
    step(states, live_log(a_shop(50)))
    event = live_log(a_shop(50))[-1]
    found = [states.get(key) for key in LIVE.keys(event)]
    with pytest.raises(DamagedState):
        LIVE.vector(event, found[::-1])
