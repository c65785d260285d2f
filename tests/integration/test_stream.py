"""The stream on a real Kafka: topics, events in, states and scores out."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import Consumer

from cartwise.features.catalogue import SPECIFICATION
from cartwise.store import open_store
from cartwise.streaming.kafka import create_topics, open_consumer
from cartwise.streaming.producer import EventProducer
from cartwise.streaming.topics import Topics, TopicSettings
from tests.streaming.worlds import POISON, require_states, shop

pytestmark = pytest.mark.integration


@pytest.fixture
def topics(kafka_bootstrap: str, topic_prefix: str) -> Topics:
    made = Topics.of(topic_prefix.rstrip("."))
    create_topics(kafka_bootstrap, made, TopicSettings(partitions=4))
    return made


def command(
    name: str, bootstrap: str, topics: Topics, store_url: str, *more: str
) -> tuple[list[str], dict[str, str]]:
    """A command line and the environment that leads it to the servers."""
    variables = {
        "CARTWISE_KAFKA_BOOTSTRAP": bootstrap,
        "CARTWISE_TOPIC_PREFIX": topics.events.removesuffix(".events"),
        "CARTWISE_STORE_URL": store_url,
    }
    return [sys.executable, "-m", "cartwise", name, *more], {**os.environ, **variables}


def run(name: str, bootstrap: str, topics: Topics, store_url: str, *more: str) -> str:
    line, environment = command(name, bootstrap, topics, store_url, *more)
    done = subprocess.run(
        line, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def messages(bootstrap: str, topic: str) -> Iterator[Mapping[str, object]]:
    """All messages of a topic."""
    consumer: Consumer = open_consumer(
        bootstrap, f"{topic}-reader", **{"enable.partition.eof": True}
    )
    consumer.subscribe([topic])
    ends = 0
    while ends < 4:
        message = consumer.poll(10)
        assert message is not None, "the broker is silent"
        if message.error():
            ends += 1
        else:
            yield json.loads(message.value() or b"")
    consumer.close()


def test_topics_are_created_once(kafka_bootstrap: str, topics: Topics) -> None:
    assert create_topics(kafka_bootstrap, topics, TopicSettings()) == []


def test_events_of_a_topic_become_states_and_dead_letters(
    kafka_bootstrap: str, topics: Topics, tmp_path: Path
) -> None:
    events, url = shop(1000), f"sqlite:///{tmp_path}/states.db"
    producer = EventProducer(kafka_bootstrap, topics.events)
    for event in events:
        producer.send_event(event)
    for message in POISON.values():
        producer.send(topics.events, message, b"1")
    producer.flush()
    run("stream", kafka_bootstrap, topics, url, "--drain")
    store = open_store(url, SPECIFICATION)
    require_states(store, events)
    assert sum(position.applied for position in store.positions().values()) == 1000
    dead = list(messages(kafka_bootstrap, topics.dead_letters))
    assert sorted(rule for letter in dead for rule in letter["rules"]) == sorted(POISON)
