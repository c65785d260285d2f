"""Streams on real servers: logs to send, topics, and commands and workers that are led to them."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Consumer

from cartwise.events import EVENT_TYPES
from cartwise.store import Store
from cartwise.streaming.kafka import create_topics, open_consumer
from cartwise.streaming.producer import EventProducer
from cartwise.streaming.topics import Topics, TopicSettings
from cartwise.wire import Event
from tests.commands import Commands, Outcome
from tests.streaming.worlds import view

PARTITIONS = 4


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


@dataclass(frozen=True)
class Place:
    """New topics of one test, and the store that they are followed into."""

    bootstrap: str
    topics: Topics
    store_url: str

    @classmethod
    def made(cls, bootstrap: str, prefix: str, store_url: str) -> "Place":
        topics = Topics.of(prefix.rstrip("."))
        create_topics(bootstrap, topics, TopicSettings(partitions=PARTITIONS))
        return cls(bootstrap, topics, store_url)

    @property
    def variables(self) -> Mapping[str, str]:
        """What leads commands here."""
        return {
            "CARTWISE_KAFKA_BOOTSTRAP": self.bootstrap,
            "CARTWISE_TOPIC_PREFIX": self.topics.events.removesuffix(".events"),
            "CARTWISE_STORE_URL": self.store_url,
        }

    def send(self, events: Sequence[Event], messages: Sequence[bytes] = ()) -> None:
        """Deliver events, and then messages of user 1 that may be none."""
        producer = EventProducer(self.bootstrap, self.topics.events)
        for event in events:
            producer.send_event(event)
            producer.poll()
        for message in messages:
            producer.send(self.topics.events, message, b"1")
        producer.flush()

    def read(self, topic: str) -> Iterator[Mapping[str, object]]:
        """All messages of a topic."""
        settings = {"enable.partition.eof": True}
        consumer: Consumer = open_consumer(self.bootstrap, f"{topic}-reader", **settings)
        consumer.subscribe([topic])
        ends = 0
        while ends < PARTITIONS:
            message = consumer.poll(10)
            assert message is not None, "the broker is silent"
            if message.error():
                ends += 1
            else:
                yield json.loads(message.value() or b"")
        consumer.close()


@dataclass(frozen=True)
class Shell:
    """Runs commands at a place, in this process: a new one would take seconds to start."""

    cartwise: Commands
    place: Place
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, *arguments: object) -> str:
        told = self.tried(*arguments)
        assert told.code == 0, told.err
        return told.out

    def tried(self, *arguments: object) -> Outcome:
        for name, value in self.place.variables.items():
            self.monkeypatch.setenv(name, value)
        return self.cartwise(*arguments)


class Workers:
    """Workers as processes; what they say goes to one file."""

    def __init__(self, place: Place, file: Path, arguments: Sequence[str]) -> None:
        self._line = [sys.executable, "-m", "cartwise", "stream", *arguments]
        self._environment = {**environ, **place.variables}
        self._file = file
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        with self._file.open("ab") as out:
            self.running.append(subprocess.Popen(self._line, env=self._environment, stderr=out))

    def kill(self, number: signal.Signals = signal.SIGKILL, which: int = 0) -> int:
        worker = self.running.pop(which)
        worker.send_signal(number)
        return worker.wait(60)

    def wait_for(self, holds: Callable[[], bool], seconds: float = 500) -> None:
        """Wait until something holds; raises where a worker ends meanwhile."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, f"it takes too long:\n{self.said[-3000:]}"
            assert all(worker.poll() is None for worker in self.running), self.said[-3000:]
            time.sleep(0.05)

    @property
    def said(self) -> str:
        return self._file.read_text()

    def count(self, event: str) -> int:
        """How often workers said this."""
        return self.said.count(f'"event": "{event}"')


@contextmanager
def workers(place: Place, folder: Path, count: int, *arguments: str) -> Iterator[Workers]:
    ours = Workers(place, folder / "workers.log", arguments)
    try:
        for _ in range(count):
            ours.start()
        yield ours
    finally:
        while ours.running:
            ours.kill()


def applied(store: Store) -> int:
    return sum(position.applied for position in store.positions().values())


def handled(store: Store) -> int:
    return sum(position.offset for position in store.positions().values())
