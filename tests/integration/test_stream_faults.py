"""Invariant 4 on real servers: whatever is killed, every event is in the states exactly once."""

import random
import signal
from collections.abc import Sequence
from pathlib import Path

import pytest
import redis

from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Specification
from cartwise.store import open_store
from cartwise.wire import Event
from deploy.services.kafka import Kafka
from deploy.services.redis import Redis
from tests.commands import Commands
from tests.integration.streams import Place, Shell, applied, handled, log, workers
from tests.streaming.worlds import require_states

pytestmark = pytest.mark.integration

EVENTS = 200_000
HORIZON = ("--duplicate-horizon", "30d")
SOON = ("--session-timeout", "3s")


def shuffled_with_duplicates(events: Sequence[Event], rng: random.Random) -> list[Event]:
    """The events with one in twenty sent again, all near their time but in no order."""
    delivered = [*events, *rng.sample(list(events), len(events) // 20)]
    return sorted(delivered, key=lambda event: event.event_time + rng.uniform(-1800, 1800))


def test_workers_killed_at_random_lose_and_double_nothing(
    own_kafka: Kafka, topic_prefix: str, own_redis: Redis, tmp_path: Path
) -> None:
    rng = random.Random(11)  # noqa: S311 - the same dice in every run
    events = log(EVENTS, seed=11)
    delivered = shuffled_with_duplicates(events, rng)
    place = Place.made(own_kafka.bootstrap, topic_prefix, own_redis.url)
    store = open_store(place.store_url, SPECIFICATION)
    place.send(delivered)
    marks = sorted(rng.uniform(0.05, 0.8) * len(delivered) for _ in range(4))
    with workers(place, tmp_path, 2, *HORIZON, *SOON) as ours:
        for mark in marks:
            ours.wait_for(lambda mark=mark: handled(store) >= mark)  # type: ignore[misc]
            ours.kill(which=rng.randrange(2))
            ours.start()
        ours.wait_for(lambda: handled(store) == len(delivered))
        assert ours.kill(signal.SIGTERM) == 0
    assert applied(store) == EVENTS
    assert sum(position.duplicates for position in store.positions().values()) == EVENTS // 20
    require_states(store, events)


def test_redis_and_the_broker_killed_lose_and_double_nothing(
    own_kafka: Kafka, topic_prefix: str, own_redis: Redis, tmp_path: Path
) -> None:
    events = log(40_000, seed=12)
    place = Place.made(own_kafka.bootstrap, topic_prefix, own_redis.url)
    store = open_store(place.store_url, SPECIFICATION)
    place.send(events[:30_000])
    with workers(place, tmp_path, 1, *HORIZON, *SOON) as ours:
        ours.wait_for(lambda: handled(store) > 5000)
        own_redis.kill()
        ours.wait_for(lambda: ours.count("waiting") == 1)
        own_redis.start()
        ours.wait_for(lambda: handled(store) > 12_000)
        own_kafka.kill()
        own_kafka.start()
        place.send(events[30_000:])
        ours.wait_for(lambda: handled(store) == len(events))
        assert ours.kill(signal.SIGTERM) == 0
        assert ours.count("waiting") == ours.count("going on") == 1
    assert applied(store) == len(events)
    require_states(store, events)


def test_an_emptied_redis_rebuilt_from_the_lake_equals_the_one_before(
    kafka_bootstrap: str,
    topic_prefix: str,
    redis_url: str,
    cartwise: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    events = log(8000, seed=13)
    place = Place.made(kafka_bootstrap, topic_prefix, redis_url)
    store, run = open_store(redis_url, SPECIFICATION), Shell(cartwise, place, monkeypatch)
    place.send([*events[:5000], *events[:100]])
    run("stream", "--drain", *HORIZON)
    run("archive", "--drain", "--lake", "lake")
    place.send([*events[4900:], *events[:50]])
    run("stream", "--drain", *HORIZON)
    before = store.positions()
    require_states(store, events)
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    run("materialize", "--events", "lake/events", *HORIZON)
    assert 0 < handled(store) < sum(position.offset for position in before.values())
    run("stream", "--drain", *HORIZON)
    assert store.positions() == before
    assert applied(store) == len(events)
    require_states(store, events)


def test_a_store_of_another_specification_is_refused(
    kafka_bootstrap: str,
    topic_prefix: str,
    redis_url: str,
    cartwise: Commands,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place.made(kafka_bootstrap, topic_prefix, redis_url)
    other = Specification(SPECIFICATION.entities[:2], ())
    open_store(redis_url, other).load([], {})
    told = Shell(cartwise, place, monkeypatch).tried("stream")
    assert told.code == 1
    assert other.fingerprint in told.err
    assert "Traceback" not in told.err
