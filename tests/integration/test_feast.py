"""Feast in production, on real servers: the lake in S3, states in Redis, registry in PostgreSQL."""

import asyncio
import io
import secrets
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import redis
from feast import FeatureStore
from feast.errors import DataSourceNotFoundException, FeastError

from cartwise.data.lake import day_path
from cartwise.feast.addresses import lake_of
from cartwise.feast.lakes import BucketLake, FolderLake, KeptDays
from cartwise.feast.repository import feature_service, open_repository
from cartwise.feast.views import entities, feature_views
from cartwise.feast.views import feature_service as cart_conversion
from cartwise.features.catalogue import SPECIFICATION
from deploy.services.redis import Redis
from tests.feast.test_universal import END, FEATURES, LOG, everyone, online
from tests.feast.worlds import feature_store, write_lake
from tests.integration.conftest import Bucket
from tests.logs import frame

pytestmark = pytest.mark.integration

PRODUCTION = Path(__file__).parents[2] / "feature_repo" / "production.yaml"


@pytest.fixture
def lake(s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A lake of the log in a bucket, and the variables by which it is found."""
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    return upload(write_lake(tmp_path / "lake", frame(LOG)), s3)


def upload(lake: Path, s3: Bucket) -> str:
    prefix = f"{secrets.token_hex(6)}/events"
    for file in lake.rglob("*.parquet"):
        key = f"{prefix}/{file.relative_to(lake)}"
        s3.client.put_object(Bucket=s3.name, Key=key, Body=file.read_bytes())
    return f"s3://{s3.name}/{prefix}"


@pytest.fixture
def store(
    own_redis: Redis, postgres_url: str, lake: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FeatureStore]:
    monkeypatch.setenv("CARTWISE_STORE_URL", own_redis.url)
    monkeypatch.setenv("CARTWISE_POSTGRES_URL", postgres_url)
    monkeypatch.setenv("CARTWISE_LAKE_URL", lake.removesuffix("/events"))
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


def test_a_lake_in_a_bucket_reads_as_the_folder_does(
    store: FeatureStore, lake: str, tmp_path: Path
) -> None:
    folder, service = FolderLake(tmp_path / "lake"), feature_service(store)
    bucket = lake_of(store.config)
    assert str(bucket) == lake
    assert bucket.days() == folder.days()
    assert bucket.version() == folder.version()
    rows = everyone(END).assign(category_id=1, brand="b", user_session="s1")
    answers = []
    for where in (lake, str(tmp_path / "lake")):
        store.config.offline_store.lake = where
        answers.append(store.get_historical_features(entity_df=rows, features=service).to_df())
    pd.testing.assert_frame_equal(*answers)


def test_copies_of_a_bucket_are_read_until_it_changes(
    lake: str, s3: Bucket, tmp_path: Path
) -> None:
    kept, endpoint = tmp_path / "kept", s3.variables["CARTWISE_S3_ENDPOINT"]
    bucket = BucketLake(lake, endpoint, KeptDays(kept))
    [day] = bucket.days()
    events = bucket.read(day)
    [copy] = kept.iterdir()
    assert copy.read_bytes() == day_path(tmp_path / "lake", day).read_bytes()
    assert bucket.read(day, ["price"]).equals(events.select("price"))
    content = io.BytesIO()
    events.head(7).write_parquet(content)
    key = f"{lake.split('/', 3)[3]}/{day_path(Path(), day)}"
    s3.client.put_object(Bucket=s3.name, Key=key, Body=content.getvalue())
    assert bucket.read(day).equals(events.head(7))
    assert [one.read_bytes() for one in kept.iterdir()] == [content.getvalue()]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("nothing there", "holds no events"),
        ("no bucket", "holds no events"),
        ("no server", "that its server answers"),
        ("no such key", "the credentials"),
        ("cut short", "damaged or cut short"),
        ("a day without its file", "lacks what it should hold"),
    ],
)
def test_a_bucket_that_is_no_lake_is_told(
    damage: str, told: str, lake: str, s3: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    endpoint, prefix = s3.variables["CARTWISE_S3_ENDPOINT"], lake.split("/", 3)[3]
    match damage:
        case "nothing there":
            lake += "/elsewhere"
        case "no bucket":
            lake = "s3://no-such-bucket/lake"
        case "no server":
            endpoint = "http://127.0.0.1:1"
        case "no such key":
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
        case "cut short":
            [day] = BucketLake(lake, endpoint).days()
            key = f"{prefix}/{day_path(Path(), day)}"
            s3.client.put_object(Bucket=s3.name, Key=key, Body=b"PAR1 and no more")
        case "a day without its file":
            key = f"{prefix}/event_date=2019-01-01/events.tmp"
            s3.client.put_object(Bucket=s3.name, Key=key, Body=b"")
    store = feature_store(tmp_path / "repo", Path("lake"))
    store.config.offline_store.lake = lake
    store.config.offline_store.s3_endpoint = endpoint
    job = store.get_historical_features(entity_df=everyone(END), features=FEATURES)
    with pytest.raises(DataSourceNotFoundException, match=told):
        job.to_df()


def _cart(place: int) -> dict[str, object]:
    columns = ("user_id", "product_id", "category_id", "brand", "user_session")
    return {name: getattr(LOG[place], name) for name in columns}
