"""The archive in an S3 bucket, brought into the days of a lake and loaded into a store."""

import secrets
from pathlib import Path

import pytest

from cartwise.features.catalogue import SPECIFICATION
from cartwise.store.memory import MemoryStore
from cartwise.streaming.archive import Archive, Rolling
from cartwise.streaming.arrivals import Arrivals
from cartwise.streaming.materialize import materialize
from cartwise.streaming.metrics import ArchiveMetrics
from cartwise.streaming.publishing import publish
from tests.integration.conftest import Bucket
from tests.streaming.worlds import Member, Topic, drain, require_states, shop, worker

pytestmark = pytest.mark.integration


def test_a_store_is_rebuilt_from_arrivals_in_s3(
    s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.variables.items():
        monkeypatch.setenv(name, value)
    lake = f"s3://{s3.name}/{secrets.token_hex(6)}"
    arrivals = Arrivals(lake, s3.variables["CARTWISE_S3_ENDPOINT"])
    events, topic = shop(300), Topic(2)
    for part in (events[:100], events[100:200]):
        topic.extend(part)
        source, rolling = Member(topic), Rolling(messages=50)
        Archive(source, arrivals, rolling, lambda: 0.0, ArchiveMetrics()).run(
            lambda: False, drain=True
        )
        publish(arrivals, tmp_path / "events")
    store = MemoryStore(SPECIFICATION)
    report = materialize(
        tmp_path / "events", arrivals, store, horizon_seconds=3600, memory_bytes=10**9
    )
    assert sum(report.offsets.values()) == report.events == 200
    drain(worker(Member(topic.extend(events[200:])), store))
    require_states(store, events)
