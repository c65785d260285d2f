"""Online features are those of serving: the same states, decayed when they are read."""

import asyncio
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from feast import FeatureStore
from feast.errors import FeastError
from hypothesis import given, settings

from cartwise.events import EVENT_TYPES
from cartwise.feast import vectors
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.live import Live, LiveEvent
from cartwise.features.packed import Packing
from cartwise.features.replay import Replay
from cartwise.store import Merge, open_store
from cartwise.store.sqlite import SqliteStore
from tests.feast.worlds import (
    SERVICE,
    feature_store,
    ingested_logs,
    short_specification,
    write_lake,
)
from tests.logs import START, frame
from tests.reference import Event, readings_at

LOG = [
    Event(START, "view", 1, 1, "a", 9.5, 1, "s"),
    Event(START + 5, "cart", 1, 1, "a", 9.5, 1, "s"),
    Event(START + 5, "view", 1, 1, "a", 9.5, 2, "t"),
    Event(START + 86_400, "purchase", 1, 1, "a", 9.5, 1, "u"),
]
DAY = timedelta(days=1)


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def world(folder: Path, log: list[Event], url: str = "sqlite:///states.db") -> FeatureStore:
    online = {"type": "cartwise.feast.OnlineStore", "url": url}
    return feature_store(folder, write_lake(folder / "lake", frame(log)), online)


def fill(folder: Path, log: list[Event]) -> None:
    """Put states into the store as a stream would."""
    folder.mkdir(exist_ok=True)
    replay = Replay(SPECIFICATION)
    replay.vectors(frame(log), np.arange(0))
    packing = Live(SPECIFICATION).packing
    states = open_store(f"sqlite:///{folder / 'states.db'}", SPECIFICATION)
    for entity, some in replay.whole():
        keys, packed = packing.states(SPECIFICATION.entities.index(entity), some)
        states.merge(Merge(dict(zip(keys, packed, strict=True)), ()))
    states.close()


def read_at(store: FeatureStore, time: float, rows: list[dict[str, object]]) -> dict[str, list]:
    store.config.online_store.as_of = moment(time)
    service = store.get_feature_service(SERVICE)
    return store.get_online_features(features=service, entity_rows=rows).to_dict()


def numbers(values: list[float | None]) -> list[float]:
    return [np.nan if value is None else value for value in values]


def who(event: Event) -> dict[str, object]:
    return {name: getattr(event, name) for name in
            ("user_id", "product_id", "category_id", "brand", "user_session")}  # fmt: skip


def test_an_empty_text_names_nobody_as_in_the_log(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    fill(tmp_path, LOG)
    rows = [{**who(LOG[1]), "brand": brand} for brand in ("a", "", None)]
    answer = read_at(store, START + 10, rows)
    for name in SPECIFICATION.entity("brand").readings():
        assert answer[name][1] is answer[name][2] is None
    assert answer["brand_cart_28d"][0] > 0


@settings(max_examples=4)
@given(ingested_logs() | ingested_logs(late=True))
def test_the_vector_of_a_cart_is_that_of_serving_and_of_replay(
    tmp_path_factory: pytest.TempPathFactory, log: list[Event]
) -> None:
    folder, cart = tmp_path_factory.mktemp("world"), log[-1]
    store = world(folder, sorted(log, key=lambda event: event.time))
    fill(folder, log)
    answer = read_at(store, cart.time, [who(cart)])
    ours = vectors({**answer, "event_timestamp": [moment(cart.time)], "price": [cart.price]})
    truth = Replay(SPECIFICATION).vectors(frame(log), np.array([len(log) - 1]))
    assert ours.tobytes() == truth.tobytes()
    live = Live(SPECIFICATION)
    event = LiveEvent(cart.time, EVENT_TYPES.index(cart.event_type), cart.product_id,
                      cart.category_id, None, cart.brand, cart.price, cart.user_id,
                      cart.user_session)  # fmt: skip
    states = open_store(f"sqlite:///{folder / 'states.db'}", SPECIFICATION)
    served = live.vector(event, states.read(live.keys(event)))
    assert ours.tobytes() == served.tobytes()


@settings(max_examples=4)
@given(ingested_logs())
def test_materialized_features_are_those_of_the_definition(
    tmp_path_factory: pytest.TempPathFactory, log: list[Event]
) -> None:
    folder, cart = tmp_path_factory.mktemp("world"), log[-1]
    store = world(folder, log)
    store.materialize(moment(log[0].time), moment(cart.time))
    for later in (0, 3600, 30 * 86_400):
        answer = read_at(store, cart.time + later, [who(cart)])
        for entity in SPECIFICATION.entities:
            truth = readings_at(entity, log, cart, cart.time + later)
            ours = numbers([answer[name][0] for name in truth])
            np.testing.assert_allclose(ours, list(truth.values()), rtol=1e-9, atol=1e-12)


def test_materializing_again_changes_nothing(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    store.materialize(moment(START), moment(START + 10))
    before = read_at(store, START + 10, [who(LOG[0])])
    store.materialize(moment(START), moment(START + 10))
    assert read_at(store, START + 10, [who(LOG[0])]) == before


def test_two_materializations_at_once_count_every_event_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, span = world(tmp_path / "both", LOG), (moment(START), moment(START + 10))
    other, read, overtaken = FeatureStore(config=store.config), SqliteStore.read, []

    def read_and_be_overtaken(self: SqliteStore, keys: list[bytes]) -> list[bytes | None]:
        found = read(self, keys)
        if not overtaken:
            overtaken.append(True)
            other.materialize(*span)
        return found

    monkeypatch.setattr(SqliteStore, "read", read_and_be_overtaken)
    store.materialize(*span)
    assert overtaken
    once = world(tmp_path / "once", LOG)
    once.materialize(*span)
    assert states_in(tmp_path / "both") == states_in(tmp_path / "once")


def test_what_comes_in_between_stays_if_it_is_newer_than_a_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, read, filled = world(tmp_path, LOG), SqliteStore.read, []

    def read_before_the_stream(self: SqliteStore, keys: list[bytes]) -> list[bytes | None]:
        found = read(self, keys)
        if not filled:
            filled.append(True)
            fill(tmp_path, LOG)
        return found

    monkeypatch.setattr(SqliteStore, "read", read_before_the_stream)
    store.materialize(moment(START), moment(START + 10))
    monkeypatch.undo()
    fill(tmp_path / "alone", LOG)
    for key, state in states_in(tmp_path / "alone").items():
        if Packing(SPECIFICATION).last_events([key], [state])[0] > START + 10:
            assert states_in(tmp_path)[key] == state


def states_in(folder: Path) -> dict[bytes, bytes]:
    with closing(open_store(f"sqlite:///{folder / 'states.db'}", SPECIFICATION)) as store:
        return {key: state for some in store.scan() for key, state in some}


def test_a_day_more_is_materialized_incrementally(tmp_path: Path) -> None:
    store, end = world(tmp_path, LOG), START + 2 * 86_400
    store.materialize(moment(START), moment(START + 10))
    assert read_at(store, end, [{**who(LOG[0])}])["user_purchase_28d"] == [0.0]
    store.materialize_incremental(moment(end))
    one, whole = world(tmp_path / "one", LOG), [who(event) for event in LOG]
    one.materialize(moment(START), moment(end))
    ours, theirs = read_at(store, end, whole), read_at(one, end, whole)
    for name in SPECIFICATION.vector:
        if name in theirs:
            np.testing.assert_allclose(numbers(ours[name]), numbers(theirs[name]), rtol=1e-9)


def test_what_a_store_knows_is_not_replaced_by_what_is_older(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    fill(tmp_path, LOG)
    before = read_at(store, START + 86_400, [who(LOG[0])])
    store.materialize(moment(START), moment(START + 10))
    assert read_at(store, START + 86_400, [who(LOG[0])]) == before


def test_values_decay_until_nothing_is_seen(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    fill(tmp_path, LOG)
    hour = SPECIFICATION.entity("session").time_to_live_seconds
    counts = [
        read_at(store, START + 5 + later, [who(LOG[0])])["session_cart_1h"][0]
        for later in (0, 3600, hour, hour + 1)
    ]
    assert counts[0] == 1.0
    assert counts[1] == 0.5
    assert 0.0 < counts[2] < 1e-12
    assert counts[3] == 0.0
    assert read_at(store, START + 6 + hour, [who(LOG[0])])["session_cart_seconds_ago"] == [None]


def test_rows_keep_their_order_and_the_unknown_is_told(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    fill(tmp_path, LOG)
    store.config.online_store.as_of = moment(START + 86_400)
    rows = [{"user_id": user} for user in (2, 77, 1, 2)]
    answer = store.get_online_features(features=["user:user_purchase_28d"], entity_rows=rows)
    assert answer.to_dict()["user_purchase_28d"] == [0.0, 0.0, 1.0, 0.0]
    statuses = answer.proto.results[-1].statuses
    assert [statuses[i] == statuses[0] for i in range(4)] == [True, False, True, True]


def test_rows_without_a_value_read_nothing(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    fill(tmp_path, LOG)
    rows = [{**who(LOG[0]), "brand": None}, who(LOG[0])]
    answer = read_at(store, START + 86_400, rows)
    assert answer["user_brand_cart_7d"][0] is None
    assert answer["user_brand_cart_7d"][1] > 0
    assert answer["user_cart_7d"][0] == answer["user_cart_7d"][1]


def test_async_reads_are_the_same(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    fill(tmp_path, LOG)
    expected = read_at(store, START + 86_400, [who(LOG[0]), who(LOG[2])])

    async def read() -> dict[str, list]:
        service = store.get_feature_service(SERVICE)
        rows = [who(LOG[0]), who(LOG[2])]
        answer = await store.get_online_features_async(features=service, entity_rows=rows)
        await store.close()
        return answer.to_dict()

    assert asyncio.run(read()) == expected


def test_a_missing_column_is_told(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    with pytest.raises(FeastError, match="'product_id'"):
        store.get_online_features(
            features=["user:user_cart_7d", "product:product_cart_7d"], entity_rows=[{"user_id": 1}]
        )


def test_states_of_another_specification_are_refused(tmp_path: Path) -> None:
    store = world(tmp_path, LOG)
    other = open_store(f"sqlite:///{tmp_path / 'states.db'}", short_specification())
    other.load([], {})
    other.close()
    with pytest.raises(FeastError, match="specification"):
        store.get_online_features(features=["user:user_cart_7d"], entity_rows=[{"user_id": 1}])


@pytest.mark.parametrize("url", ["memory://", "$CARTWISE_STORE_URL", "ftp://host"])
def test_no_lasting_store_is_told(url: str, tmp_path: Path) -> None:
    store = world(tmp_path, LOG, url)
    with pytest.raises(FeastError, match="store"):
        store.get_online_features(features=["user:user_cart_7d"], entity_rows=[{"user_id": 1}])
