"""Historical features are the core's, at any moment, for rows in any order."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore, FeatureView, Field, FileSource
from feast.errors import (
    EntityDFNotDateTime,
    EntityTimestampInferenceException,
    FeastEntityDFMissingColumnsError,
    FeastError,
    FeastOfflineStoreUnsupportedDataSource,
)
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.types import Float64
from hypothesis import given, settings
from hypothesis import strategies as st

from cartwise.errors import FingerprintMismatch, InputError
from cartwise.feast import vectors
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.replay import Replay
from tests.feast.worlds import (
    SERVICE,
    feature_store,
    ingested_logs,
    rows_at,
    short_specification,
    write_lake,
)
from tests.logs import START, frame
from tests.reference import Event, readings_at

LOG = [
    Event(START, "view", 1, 1, "a", 9.5, 1, "s"),
    Event(START + 5, "view", 2, 1, "b", 20.0, 1, "s"),
    Event(START + 5, "cart", 1, 1, "a", 9.5, 1, "s"),
    Event(START + 5, "view", 1, 1, "a", 9.5, 2, "t"),
    Event(START + 86_400, "purchase", 1, 1, "a", 9.5, 1, "u"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> FeatureStore:
    folder = tmp_path_factory.mktemp("world")
    return feature_store(folder, write_lake(folder / "lake", frame(LOG)))


def at(*seconds: float, **columns: object) -> pd.DataFrame:
    moments = pd.to_datetime([START + second for second in seconds], unit="s", utc=True)
    return pd.DataFrame({"event_timestamp": moments, **columns})


def history(store: FeatureStore, rows: pd.DataFrame, *features: str) -> pd.DataFrame:
    return store.get_historical_features(entity_df=rows, features=list(features)).to_df()


def test_an_empty_text_names_nobody_as_in_the_log(world: FeatureStore) -> None:
    rows = at(10, 10, 10, brand=["a", "", None])
    table = history(world, rows, "brand:brand_cart_28d")
    assert table["brand_cart_28d"].isna().to_list() == [False, True, True]
    assert table["brand"].to_list() == ["a", "", None]


@settings(max_examples=5)
@given(ingested_logs())
def test_vectors_at_events_are_those_of_replay_to_the_bit(
    tmp_path_factory: pytest.TempPathFactory, log: list[Event]
) -> None:
    folder = tmp_path_factory.mktemp("world")
    events = frame(log)
    store = feature_store(folder, write_lake(folder / "lake", events))
    rows = np.random.default_rng(1).permutation(events.height)
    job = store.get_historical_features(
        entity_df=rows_at(events, rows), features=store.get_feature_service(SERVICE)
    )
    truth = Replay(SPECIFICATION).vectors(events, np.arange(events.height))
    assert vectors(job.to_arrow()).tobytes() == truth[rows].tobytes()


@settings(max_examples=5)
@given(ingested_logs(), st.lists(st.integers(-(10**6), 10**8), min_size=1, max_size=6))
def test_features_at_any_moment_are_those_of_the_definition(
    tmp_path_factory: pytest.TempPathFactory, log: list[Event], moments: list[int]
) -> None:
    folder = tmp_path_factory.mktemp("world")
    store = feature_store(folder, write_lake(folder / "lake", frame(log)))
    rows = at(*moments, user_id=[log[0].user_id] * len(moments))
    user = SPECIFICATION.entity("user")
    table = history(store, rows, *(f"user:{name}" for name in user.readings()))
    for moment, (_, row) in zip(moments, table.iterrows(), strict=True):
        past = [event for event in log if event.time <= START + moment]
        truth = readings_at(user, past, log[0], START + moment)
        ours = row[list(truth)].to_numpy(dtype=float)
        np.testing.assert_allclose(ours, list(truth.values()), rtol=1e-9, atol=1e-12)


def test_every_row_comes_back_in_its_place_with_its_columns(world: FeatureStore) -> None:
    rows = at(90, -50, 5, 5, 10**7, user_id=[1, 1, 2, 2, 77], note=list("abcde"))
    rows.index = [7, 3, 3, 1, 0]
    table = history(world, rows, "user:user_view_28d", "user:user_cart_seconds_ago")
    assert table["note"].tolist() == list("abcde")
    assert table["event_timestamp"].tolist() == rows["event_timestamp"].tolist()
    assert table["user_view_28d"].round(3).tolist() == [2.0, 0.0, 1.0, 1.0, 0.0]
    np.testing.assert_array_equal(table["user_cart_seconds_ago"], [85, *[np.nan] * 4])


def test_a_row_at_an_event_sees_nothing_later_of_its_second(world: FeatureStore) -> None:
    rows = at(5, 5, 5.9, 4, product_id=[1] * 4, event_row=[2, None, None, None])
    table = history(world, rows, "product:product_view_28d")
    assert table["product_view_28d"].round(3).tolist() == [1.0, 2.0, 2.0, 1.0]


def test_a_row_of_nobody_reads_nothing(world: FeatureStore) -> None:
    rows = at(9, 9, user_id=pd.array([1, None], dtype="Int64"), brand=["a", "a"])
    table = history(world, rows, "user_brand:user_brand_cart_7d", "brand:brand_cart_7d")
    assert table["user_brand_cart_7d"].isna().tolist() == [False, True]
    assert table["brand_cart_7d"].notna().all()


def test_the_shop_needs_no_join_key(world: FeatureStore) -> None:
    table = history(world, at(5, 86_400), "shop:shop_view_28d", "shop:shop_purchase_28d")
    assert table["shop_purchase_28d"].tolist() == [0.0, 1.0]


def test_columns_may_be_called_otherwise(world: FeatureStore) -> None:
    view = world.get_feature_view("user").with_name("buyer")
    renamed = view.with_join_key_map({"user_id": "buyer_id"})
    job = world.get_historical_features(
        entity_df=at(9, buyer_id=[1]),
        features=_service(world, renamed[["user_cart_7d"]]),
        full_feature_names=True,
    )
    assert job.to_df()["buyer__user_cart_7d"].round(3).tolist() == [1.0]


def _service(store: FeatureStore, view: object) -> object:
    from feast import FeatureService  # noqa: PLC0415

    service = FeatureService(name="renamed", features=[view])
    store.apply([service])
    return store.get_feature_service("renamed")


def test_a_saved_data_set_is_read_as_it_was_saved(world: FeatureStore, tmp_path: Path) -> None:
    job = world.get_historical_features(
        entity_df=at(5, 90, user_id=[1, 2]), features=["user:user_view_7d"]
    )
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved.parquet"))
    with pytest.warns(RuntimeWarning, match="experimental"):
        saved = world.create_saved_dataset(from_=job, name="saved", storage=storage)
    pd.testing.assert_frame_equal(saved.to_df(), job.to_df(), check_like=True)


def test_an_unknown_entity_column_is_refused(world: FeatureStore) -> None:
    with pytest.raises(FeastEntityDFMissingColumnsError, match="user_id"):
        history(world, at(5, customer=[1]), "user:user_view_7d")


def test_timestamps_without_a_zone_are_refused(world: FeatureStore) -> None:
    rows = at(5, user_id=[1])
    rows["event_timestamp"] = rows["event_timestamp"].dt.tz_localize(None)
    with pytest.raises(EntityDFNotDateTime, match="time zone"):
        history(world, rows, "user:user_view_7d")


def test_rows_without_timestamps_are_refused(world: FeatureStore) -> None:
    with pytest.raises(EntityTimestampInferenceException):
        history(world, pd.DataFrame({"user_id": [1]}), "user:user_view_7d")
    rows = at(5, 6, user_id=[1, 1])
    rows.loc[1, "event_timestamp"] = pd.NaT
    with pytest.raises(EntityDFNotDateTime, match="lacks 1"):
        history(world, rows, "user:user_view_7d")


def test_keys_of_another_type_are_refused(world: FeatureStore) -> None:
    with pytest.raises(FeastError, match="'user_id' cannot be read as Int64"):
        history(world, at(5, user_id=["x"]), "user:user_view_7d")


def test_mixed_types_in_a_column_are_refused(world: FeatureStore) -> None:
    for column in ("user_id", "note"):
        rows = at(5, 6, **{"user_id": [1, 2], column: [1, "x"]})
        with pytest.raises(FeastError, match="mixed types"):
            history(world, rows, "user:user_view_7d")


def test_a_place_that_is_no_number_is_refused(world: FeatureStore) -> None:
    with pytest.raises(FeastError, match="'event_row'"):
        history(world, at(5, user_id=[1], event_row=["first"]), "user:user_view_7d")


def test_ids_that_pandas_has_rounded_are_refused(world: FeatureStore) -> None:
    with pytest.raises(FeastError, match="rounded: use the type Int64"):
        history(world, at(5, 6, category_id=[2.0**61, None]), "category:category_view_7d")
    small = history(world, at(5, 6, category_id=[1.0, None]), "category:category_view_28d")
    assert small["category_view_28d"].round(3).tolist()[0] == 3.0


def test_a_place_where_no_such_event_is_is_refused(world: FeatureStore) -> None:
    for row in (0, 9, -7):
        with pytest.raises(FeastError, match=f"no event at row {row}"):
            history(world, at(5, user_id=[1], event_row=[row]), "user:user_view_7d")


def test_sql_instead_of_rows_is_refused(world: FeatureStore) -> None:
    with pytest.raises(FeastError, match="DataFrame"):
        world.get_historical_features(entity_df="SELECT 1", features=["user:user_view_7d"])


def test_a_view_of_something_else_is_refused(tmp_path: Path) -> None:
    store = feature_store(tmp_path, write_lake(tmp_path / "lake", frame(LOG)))
    source = FileSource(path=str(tmp_path / "t.parquet"), timestamp_field="event_timestamp")
    user, schema = store.get_entity("user_id"), [Field(name="age", dtype=Float64)]
    store.apply([FeatureView(name="people", entities=[user], schema=schema, source=source)])
    with pytest.raises(FeastOfflineStoreUnsupportedDataSource, match="FileSource"):
        history(store, at(5, user_id=[1]), "people:age")


@pytest.mark.parametrize("lake", ["nowhere", "$CARTWISE_LAKE_URL", "ftp://host/lake"])
def test_a_missing_lake_is_told(lake: str, tmp_path: Path) -> None:
    store = feature_store(tmp_path, Path(lake))
    store.config.offline_store.lake = lake
    with pytest.raises(FeastError, match="lake") as told:
        history(store, at(5, user_id=[1]), "user:user_view_7d")
    assert isinstance(told.value, InputError)


def test_features_of_another_specification_are_refused(tmp_path: Path) -> None:
    lake = write_lake(tmp_path / "lake", frame(LOG))
    store = feature_store(tmp_path, lake, specification=short_specification())
    with pytest.raises(FeastError, match="feast apply") as told:
        history(store, at(5, user_id=[1]), "user:user_view_7d")
    assert isinstance(told.value, FingerprintMismatch)
