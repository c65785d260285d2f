"""Feast's production settings on real servers: states in Redis, the registry in PostgreSQL."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import redis
from feast import FeatureStore
from feast.errors import FeastError

from cartwise.feast.repository import feature_service, open_repository
from cartwise.feast.views import entities, feature_views
from cartwise.feast.views import feature_service as cart_conversion
from cartwise.features.catalogue import SPECIFICATION
from deploy.services.redis import Redis
from tests.feast.test_universal import END, FEATURES, LOG, everyone, online
from tests.feast.worlds import write_lake
from tests.logs import frame

pytestmark = pytest.mark.integration

PRODUCTION = Path(__file__).parents[2] / "feature_repo" / "production.yaml"


@pytest.fixture
def store(
    own_redis: Redis, postgres_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[FeatureStore]:
    lake = write_lake(tmp_path / "lake", frame(LOG))
    monkeypatch.setenv("CARTWISE_STORE_URL", own_redis.url)
    monkeypatch.setenv("CARTWISE_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("CARTWISE_LAKE_URL", str(lake))
    store = open_repository(PRODUCTION)
    views = [*feature_views(SPECIFICATION), cart_conversion(SPECIFICATION)]
    store.apply([*entities(SPECIFICATION), *views])
    store.config.online_store.as_of = END
    yield store
    close(store)


def close(store: FeatureStore) -> None:
    """Feast leaves the connections of a registry to the collector."""
    store.registry.write_engine.dispose()
    store.registry.read_engine.dispose()


def test_production_settings_serve_what_history_says(store: FeatureStore) -> None:
    store.materialize(END - timedelta(days=1), END)
    rows = everyone(END)
    history = store.get_historical_features(entity_df=rows, features=FEATURES).to_df()
    names = [reference.partition(":")[2] for reference in FEATURES]
    served = online(store, rows)
    pd.testing.assert_frame_equal(served[names], history[names], rtol=1e-9)
    other = open_repository(PRODUCTION)
    assert feature_service(other).name == "cart_conversion_v1"
    close(other)


def test_all_views_are_one_round_trip(store: FeatureStore, own_redis: Redis) -> None:
    store.materialize(END - timedelta(days=1), END)
    service, rows = feature_service(store), [_cart(i) for i in range(20)]
    store.get_online_features(features=service, entity_rows=rows)
    with redis.Redis.from_url(own_redis.url) as client:
        before = client.info("commandstats")
        store.get_online_features(features=service, entity_rows=rows)
        after = client.info("commandstats")
    calls = {
        name: stats["calls"] - before.get(name, {"calls": 0})["calls"]
        for name, stats in after.items()
    }
    assert sum(count for name, count in calls.items() if "info" not in name) <= 2, calls


def test_async_reads_are_the_same(store: FeatureStore) -> None:
    store.materialize(END - timedelta(days=1), END)
    service, rows = feature_service(store), [_cart(i) for i in range(5)]
    expected = store.get_online_features(features=service, entity_rows=rows).to_dict()

    async def read() -> dict[str, list[object]]:
        answer = await store.get_online_features_async(features=service, entity_rows=rows)
        await store.close()
        return answer.to_dict()

    assert asyncio.run(read()) == expected


def test_a_store_that_is_away_is_told_and_recovers(store: FeatureStore, own_redis: Redis) -> None:
    store.materialize(END - timedelta(days=1), END)
    before = online(store, everyone(END))
    own_redis.kill()
    with pytest.raises(FeastError, match="cannot be reached"):
        online(store, everyone(END))
    own_redis.start()
    pd.testing.assert_frame_equal(online(store, everyone(END)), before)


def _cart(place: int) -> dict[str, object]:
    columns = ("user_id", "product_id", "category_id", "brand", "user_session")
    return {name: getattr(LOG[place], name) for name in columns}
