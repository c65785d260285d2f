"""What Feast's universal tests ask of any store, asked of ours.

Feast's own suites write tables of made-up drivers, so they cannot run unchanged on a store that
computes its features from a log. Each test here names the one that it repeats, of
``sdk/python/tests/integration`` in Feast's repository.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from feast import FeatureStore
from feast.errors import (
    FeastError,
    FeatureNameCollisionError,
    SavedDatasetLocationAlreadyExists,
)
from feast.infra.offline_stores.file_source import SavedDatasetFileStorage
from feast.protos.feast.types.EntityKey_pb2 import EntityKey as EntityKeyProto
from feast.protos.feast.types.Value_pb2 import Value as ValueProto

from cartwise.feast.views import price_sums
from cartwise.features.catalogue import SPECIFICATION
from tests.feast.worlds import SERVICE, feature_store, write_lake
from tests.logs import START, frame
from tests.reference import Event

LOG = [
    Event(START + 600 * i, ("view", "cart", "view", "purchase")[i % 4], i % 3, i % 2, "b", 10.0 + i,
          i % 4, f"s{i % 5}")
    for i in range(40)
]  # fmt: skip
END = datetime.fromtimestamp(LOG[-1].time, UTC)
FEATURES = ["user:user_view_28d", "user:user_cart_7d", "product:product_purchase_28d"]


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    online = {"type": "cartwise.feast.OnlineStore", "url": "sqlite:///states.db", "as_of": END}
    return feature_store(tmp_path, write_lake(tmp_path / "lake", frame(LOG)), online)


def everyone(at: datetime) -> pd.DataFrame:
    pairs = [(user, product) for user in range(4) for product in range(3)]
    rows = pd.DataFrame(pairs, columns=["user_id", "product_id"])
    return rows.assign(event_timestamp=at)


def online(store: FeatureStore, rows: pd.DataFrame) -> pd.DataFrame:
    keys = rows[["user_id", "product_id"]].to_dict("records")
    return store.get_online_features(features=FEATURES, entity_rows=keys).to_df()


def test_offline_and_online_agree_after_each_step_of_materialization(store: FeatureStore) -> None:
    """online_store/test_universal_e2e.py::test_e2e_consistency, and
    offline_store/test_universal_materialization.py::test_universal_materialization_consistency."""
    middle = datetime.fromtimestamp(LOG[20].time, UTC)
    store.materialize(middle - timedelta(days=1), middle)
    for moment in (middle, END):
        store.materialize_incremental(moment)
        store.config.online_store.as_of = moment
        rows = everyone(moment)
        history = store.get_historical_features(entity_df=rows, features=FEATURES).to_df()
        names = [reference.partition(":")[2] for reference in FEATURES]
        served = online(store, rows)[names].to_numpy(dtype=float)
        np.testing.assert_allclose(served, history[names].to_numpy(dtype=float), rtol=1e-9)


@pytest.mark.parametrize("full", [True, False])
def test_names_may_have_their_views_before_them(store: FeatureStore, *, full: bool) -> None:
    """offline_store/test_universal_historical_retrieval.py::test_historical_features_main."""
    rows = everyone(END).sample(frac=1, random_state=1)
    job = store.get_historical_features(entity_df=rows, features=FEATURES, full_feature_names=full)
    names = [r.replace(":", "__") if full else r.partition(":")[2] for r in FEATURES]
    assert list(job.to_df().columns) == [*rows.columns, *names]
    assert job.metadata.features == FEATURES
    assert job.metadata.keys == list(rows.columns)
    assert job.to_arrow().column_names == [*rows.columns, *names]


def test_one_view_may_be_asked_of_two_roles(store: FeatureStore) -> None:
    """…::test_historical_features_with_shared_batch_source, and
    online_store/test_universal_online.py::test_online_retrieval_with_shared_batch_source."""
    from feast import FeatureService  # noqa: PLC0415

    view = store.get_feature_view("user")[["user_view_28d"]]
    roles = [
        view.with_name(role).with_join_key_map({"user_id": f"{role}_id"})
        for role in ("giver", "taker")
    ]
    store.apply([FeatureService(name="roles", features=roles)])
    service = store.get_feature_service("roles")
    rows = pd.DataFrame({"giver_id": [0, 1], "taker_id": [1, 0], "event_timestamp": [END, END]})
    job = store.get_historical_features(entity_df=rows, features=service, full_feature_names=True)
    history = job.to_df()
    store.materialize(END - timedelta(days=1), END)
    keys = rows[["giver_id", "taker_id"]].to_dict("records")
    answer = store.get_online_features(
        features=service, entity_rows=keys, full_feature_names=True
    ).to_df()
    names = ["giver__user_view_28d", "taker__user_view_28d"]
    np.testing.assert_allclose(answer[names], history[names], rtol=1e-9)
    assert history[names[0]].tolist() == history[names[1]].tolist()[::-1]


def test_equal_names_of_two_views_are_refused(store: FeatureStore) -> None:
    """…::test_historical_features_main, its check of FeatureNameCollisionError."""
    twice = ["user:user_view_28d", "user:user_view_28d"]
    with pytest.raises(FeatureNameCollisionError):
        store.get_historical_features(entity_df=everyone(END), features=twice)


def test_the_order_of_online_rows_and_repetitions_stay(store: FeatureStore) -> None:
    """online_store/test_universal_online.py::test_online_retrieval_success."""
    store.materialize(END - timedelta(days=1), END)
    rows = pd.concat([everyone(END)] * 2).sample(frac=1, random_state=2)
    answer = online(store, rows)
    assert answer["user_id"].tolist() == rows["user_id"].tolist()
    by_key = answer.groupby(["user_id", "product_id"])
    assert (by_key.nunique().to_numpy() == 1).all()


def test_online_rows_tell_when_their_last_event_was(store: FeatureStore) -> None:
    """…::test_online_retrieval_with_event_timestamps."""
    store.materialize(END - timedelta(days=1), END)
    answer = store.get_online_features(
        features=["user:user_view_28d"], entity_rows=[{"user_id": 3}, {"user_id": 99}]
    ).to_dict(include_event_timestamps=True)
    assert answer["user_view_28d__ts"] == [max(e.time for e in LOG if e.user_id == 3), 0]


def test_written_rows_are_read_and_older_ones_left_out(store: FeatureStore) -> None:
    """…::test_write_to_online_store, and …::test_write_to_online_store_event_check."""
    for minutes, count in ((0, 5.0), (-60, 99.0), (30, 7.0)):
        store.write_to_online_store("user", user_row(END + timedelta(minutes=minutes), count))
        store.config.online_store.as_of = END + timedelta(minutes=max(minutes, 0))
        answer = store.get_online_features(
            features=["user:user_view_28d"], entity_rows=[{"user_id": 5}]
        )
        assert answer.to_dict()["user_view_28d"] == [pytest.approx(7.0 if minutes > 0 else 5.0)]


def test_a_row_that_is_no_whole_state_is_refused(store: FeatureStore) -> None:
    """…::test_write_to_online_store with rows that a state cannot be made of."""
    row = user_row(END, 1.0)
    nobody = row.assign(user_id=pd.array([None], dtype="Int64"))
    with pytest.raises(FeastError, match="no complete key"):
        store.write_to_online_store("user", nobody)
    view = store.get_feature_view("user")
    key = EntityKeyProto(join_keys=["user_id"], entity_values=[ValueProto(int64_val=5)])
    with pytest.raises(FeastError, match="lacks the feature 'user_view_1h'"):
        store._get_provider().online_write_batch(store.config, view, [(key, {}, END, None)], None)


def user_row(at: datetime, count: float) -> pd.DataFrame:
    user = SPECIFICATION.entity("user")
    names = [*user.readings(), *price_sums(user)]
    counted = {name: count if name.startswith("user_view") else 0.0 for name in names}
    ages = {name: np.nan for name in names if name.endswith("_seconds_ago")}
    row = counted | ages | {"user_view_seconds_ago": 0.0, "user_id": 5, "event_timestamp": at}
    return pd.DataFrame([row])


def test_what_was_saved_is_not_overwritten(store: FeatureStore, tmp_path: Path) -> None:
    """offline_store/test_persist.py::test_persist_does_not_overwrite."""
    job = store.get_historical_features(entity_df=everyone(END), features=FEATURES)
    storage = SavedDatasetFileStorage(path=str(tmp_path / "saved.parquet"))
    with pytest.warns(RuntimeWarning, match="experimental"):
        store.create_saved_dataset(from_=job, name="one", storage=storage)
    with pytest.raises(SavedDatasetLocationAlreadyExists), pytest.warns(RuntimeWarning):
        store.create_saved_dataset(from_=job, name="two", storage=storage)


def test_a_teardown_leaves_the_states(store: FeatureStore) -> None:
    """…::test_online_store_cleanup, turned around: the states are not Feast's alone."""
    store.materialize(END - timedelta(days=1), END)
    before = online(store, everyone(END))
    store.teardown()
    again = feature_store(store.config.repo_path, Path(store.config.offline_store.lake),
                          {"type": "cartwise.feast.OnlineStore", "url": "sqlite:///states.db",
                           "as_of": END})  # fmt: skip
    pd.testing.assert_frame_equal(online(again, everyone(END)), before)
    assert again.get_feature_service(SERVICE).name == SERVICE
