"""Invariant 4 on real servers: whatever is killed, every event is in the states exactly once."""

import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import redis

from cartwise.events import EVENT_TYPES
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import Specification
from cartwise.store import Store, open_store
from cartwise.streaming.kafka import create_topics
from cartwise.streaming.producer import EventProducer
from cartwise.streaming.topics import Topics, TopicSettings
from cartwise.wire import Event
from deploy.services.kafka import Kafka
from deploy.services.redis import Redis
from tests.integration.test_stream import command, run
from tests.streaming.worlds import require_states, view

pytestmark = pytest.mark.integration

EVENTS = 200_000
HORIZON = "30d"


def log(size: int, seed: int) -> list[Event]:
    """Distinct events over a day in time order, of a shop with many users and few products."""
    rng = np.random.default_rng(seed)
    seconds = np.sort(rng.integers(0, 86_400, size)).tolist()
    users = rng.zipf(1.3, size) % 20_000
    products = rng.zipf(1.5, size) % 2000
    kinds = rng.choice(EVENT_TYPES, size, p=[0.9, 0.06, 0.01, 0.03])
    return [
        view(seconds[i], event_type=str(kinds[i]), product_id=int(products[i]),
             category_id=int(products[i] % 50), price=float(i), user_id=int(users[i]),
             user_session=f"{users[i]}-{i % 3}")
        for i in range(size)
    ]  # fmt: skip


def shuffled_with_duplicates(events: Sequence[Event], rng: random.Random) -> list[Event]:
    """The events with one in twenty sent again, all near their time but in no order."""
    delivered = [*events, *rng.sample(list(events), len(events) // 20)]
    return sorted(delivered, key=lambda event: event.event_time + rng.uniform(-1800, 1800))


def send(bootstrap: str, topics: Topics, events: Sequence[Event]) -> None:
    producer = EventProducer(bootstrap, topics.events)
    for event in events:
        producer.send_event(event)
        producer.poll()
    producer.flush()


def made_topics(bootstrap: str, prefix: str) -> Topics:
    topics = Topics.of(prefix.rstrip("."))
    create_topics(bootstrap, topics, TopicSettings(partitions=4))
    return topics


class Workers:
    """Workers as processes; what they say goes to one file."""

    def __init__(self, bootstrap: str, topics: Topics, url: str, folder: Path) -> None:
        arguments = ("--duplicate-horizon", HORIZON)
        self._line, self._environment = command("stream", bootstrap, topics, url, *arguments)
        self._log = folder / "workers.log"
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        with self._log.open("ab") as out:
            self.running.append(subprocess.Popen(self._line, env=self._environment, stderr=out))

    def kill(self, number: signal.Signals = signal.SIGKILL, which: int = 0) -> int:
        worker = self.running.pop(which)
        worker.send_signal(number)
        return worker.wait(60)

    @property
    def said(self) -> str:
        return self._log.read_text()


@contextmanager
def workers(
    bootstrap: str, topics: Topics, url: str, folder: Path, count: int
) -> Iterator[Workers]:
    ours = Workers(bootstrap, topics, url, folder)
    try:
        for _ in range(count):
            ours.start()
        yield ours
    finally:
        while ours.running:
            ours.kill()


def applied(store: Store) -> int:
    return sum(position.applied for position in store.positions().values())


def wait_for(holds: Callable[[], bool], ours: Workers, seconds: float = 500) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it takes too long:\n{ours.said[-3000:]}"
        assert all(worker.poll() is None for worker in ours.running), ours.said[-3000:]
        time.sleep(0.1)


def handled(store: Store) -> int:
    return sum(position.offset for position in store.positions().values())


def test_workers_killed_at_random_lose_and_double_nothing(
    kafka_bootstrap: str, topic_prefix: str, own_redis: Redis, tmp_path: Path
) -> None:
    rng = random.Random(11)  # noqa: S311 - the same dice in every run
    events = log(EVENTS, seed=11)
    delivered = shuffled_with_duplicates(events, rng)
    topics, store = (
        made_topics(kafka_bootstrap, topic_prefix),
        open_store(own_redis.url, SPECIFICATION),
    )
    send(kafka_bootstrap, topics, delivered)
    marks = sorted(rng.uniform(0.05, 0.8) * len(delivered) for _ in range(4))
    with workers(kafka_bootstrap, topics, own_redis.url, tmp_path, count=2) as ours:
        for mark in marks:
            wait_for(lambda mark=mark: handled(store) >= mark, ours)  # type: ignore[misc]
            ours.kill(which=rng.randrange(2))
            ours.start()
        wait_for(lambda: handled(store) == len(delivered), ours)
        assert ours.kill(signal.SIGTERM) == 0
    assert applied(store) == EVENTS
    assert sum(position.duplicates for position in store.positions().values()) == EVENTS // 20
    require_states(store, events)


def test_redis_and_the_broker_killed_lose_and_double_nothing(
    own_kafka: Kafka, topic_prefix: str, own_redis: Redis, tmp_path: Path
) -> None:
    events = log(60_000, seed=12)
    bootstrap, url = own_kafka.bootstrap, own_redis.url
    topics, store = made_topics(bootstrap, topic_prefix), open_store(url, SPECIFICATION)
    send(bootstrap, topics, events[:40_000])
    with workers(bootstrap, topics, url, tmp_path, count=1) as ours:
        wait_for(lambda: handled(store) > 5000, ours)
        own_redis.kill()
        time.sleep(2)
        own_redis.start()
        wait_for(lambda: handled(store) > 20_000, ours)
        own_kafka.kill()
        own_kafka.start()
        send(bootstrap, topics, events[40_000:])
        wait_for(lambda: handled(store) == len(events), ours)
        assert ours.kill(signal.SIGTERM) == 0
        assert ours.said.count('"waiting"') == ours.said.count('"going on"') == 1
    assert applied(store) == len(events)
    require_states(store, events)


def test_an_emptied_redis_rebuilt_from_the_lake_equals_the_one_before(
    kafka_bootstrap: str, topic_prefix: str, redis_url: str, tmp_path: Path
) -> None:
    events = log(8000, seed=13)
    topics, store = made_topics(kafka_bootstrap, topic_prefix), open_store(redis_url, SPECIFICATION)
    lake, horizon = str(tmp_path / "lake"), ("--duplicate-horizon", HORIZON)
    send(kafka_bootstrap, topics, [*events[:5000], *events[:100]])
    run("stream", kafka_bootstrap, topics, redis_url, "--drain", *horizon)
    run("archive", kafka_bootstrap, topics, redis_url, "--drain", "--lake", lake)
    send(kafka_bootstrap, topics, [*events[4900:], *events[:50]])
    run("stream", kafka_bootstrap, topics, redis_url, "--drain", *horizon)
    before = store.positions()
    require_states(store, events)
    _flush(redis_url)
    run("materialize", kafka_bootstrap, topics, redis_url, "--events", f"{lake}/events", *horizon)
    assert 0 < handled(store) < sum(position.offset for position in before.values())
    run("stream", kafka_bootstrap, topics, redis_url, "--drain", *horizon)
    assert store.positions() == before
    assert applied(store) == len(events)
    require_states(store, events)


def test_a_store_of_another_specification_is_refused(
    kafka_bootstrap: str, topic_prefix: str, redis_url: str
) -> None:
    topics = made_topics(kafka_bootstrap, topic_prefix)
    other = Specification(SPECIFICATION.entities[:2], ())
    open_store(redis_url, other).load([], {})
    line, environment = command("stream", kafka_bootstrap, topics, redis_url)
    done = subprocess.run(
        line, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1
    assert other.fingerprint in done.stderr
    assert "Traceback" not in done.stderr


def _flush(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.flushdb()
