"""``python -m benchmarks.stream``: the worker on a real Kafka and Redis, and what else there is.

Throughput: a topic is filled, then one worker follows it to its end, scoring with a trained model.
Freshness: events are sent at a steady rate, and the time from their arrival at the broker to their
readable state is taken. Materialize: the states of the log's end are loaded into Redis. Beside
them, on the same servers: Feast's push, and Quix Streams, which is not among our dependencies
(``--quix PYTHON`` names an interpreter that has it).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.rawlog import raw_files, write_raw
from cartwise.data.ingest import ingest
from cartwise.data.lake import read_day, stored_days
from cartwise.data.training_set import build
from cartwise.features.catalogue import SPECIFICATION
from cartwise.features.spec import seconds_of
from cartwise.model.bundle import Bundle
from cartwise.model.training import train
from cartwise.progress import Advance
from cartwise.store import open_store
from cartwise.streaming.consumer import KafkaSource
from cartwise.streaming.kafka import create_topics
from cartwise.streaming.materialize import materialize
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.producer import CheckedProducer, EventProducer, KafkaOutlet
from cartwise.streaming.rows import events_of
from cartwise.streaming.topics import Topics, TopicSettings
from cartwise.streaming.upkeep import Clock
from cartwise.streaming.worker import Worker
from cartwise.wire import Event
from deploy.services import environment
from deploy.services.kafka import Kafka, has_libraries
from deploy.services.redis import Redis

WARM_UP = 5000
RATE = 2000
HORIZON_SECONDS = 3600
KEYS_PER_EVENT = 11
QUIX_EVENTS = 50_000


@dataclass
class Recorder:
    """Stands where a histogram stands, and keeps all that it is told."""

    seconds: list[float] = field(default_factory=list)

    def observe(self, seconds: float) -> None:
        self.seconds.append(seconds)


@dataclass
class Stopwatch:
    """A progress that keeps how long each task took, and how much it did."""

    seconds: dict[str, float] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def task(self, name: str, _total: int | None, _unit: str) -> Iterator[Advance]:
        begun = time.perf_counter()

        def advance(done: int) -> None:
            self.units[name] = self.units.get(name, 0) + done

        yield advance
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - begun

    def say(self, _line: str) -> None:
        return None


@dataclass(frozen=True)
class World:
    """Servers, a log and a model."""

    scratch: Path
    kafka: Kafka
    redis: Redis
    events: list[Event]
    model: Bundle

    def topics(self, name: str) -> Topics:
        topics = Topics.of(f"bench-{name}")
        create_topics(self.kafka.bootstrap, topics, TopicSettings(partitions=4))
        return topics

    def worker(
        self, topics: Topics, database: int, freshness: Recorder
    ) -> tuple[Worker, KafkaSource]:
        metrics = WorkerMetrics()
        metrics.freshness = freshness  # type: ignore[assignment]
        bootstrap = self.kafka.bootstrap
        source = KafkaSource(bootstrap, topics.events, f"{topics.events}.stream", metrics.lost.inc)
        worker = Worker(
            source,
            open_store(self.database(database), SPECIFICATION),
            KafkaOutlet(CheckedProducer(bootstrap), topics),
            SPECIFICATION,
            self.model,
            horizon_seconds=HORIZON_SECONDS,
            clock=Clock(time.time, time.monotonic),
            metrics=metrics,
        )
        return worker, source

    def database(self, number: int) -> str:
        return self.redis.url.removesuffix("/0") + f"/{number}"

    def cpu_seconds(self) -> dict[str, float]:
        """CPU seconds of this process and of the servers so far."""
        servers = {"Redis": self.redis, "Kafka": self.kafka}
        pids = {
            name: int((one.folder / "pid").read_text().split()[0]) for name, one in servers.items()
        }
        times = {name: psutil.Process(pid).cpu_times() for name, pid in pids.items()}
        return {"worker": time.process_time()} | {
            name: spent.user + spent.system for name, spent in times.items()
        }

    def send(self, topic: str, events: Sequence[Event]) -> None:
        producer = EventProducer(self.kafka.bootstrap, topic)
        for event in events:
            producer.send_event(event)
            producer.poll()
        producer.flush()


def main() -> int:
    options = _options()
    console = Console(highlight=False, width=110)
    with (
        tempfile.TemporaryDirectory(prefix="cartwise-stream-", dir=options.scratch) as name,
        world(Path(name), options.events) as here,
    ):
        rows = list(figures(here, options))
    table = Table("figure", "value", "notes", title=f"Stream, {options.events:,} events")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    facts = machine.describe()
    console.print("Measured on " + ", ".join(f"{name} {fact}" for name, fact in facts.items()))
    return 0


def figures(here: World, options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    follow(here, "warm", here.events[:WARM_UP], 2)
    spent = follow(here, "full", here.events, 3)
    ours = len(here.events) / spent.seconds
    cpu = ", ".join(f"{who} {1e6 * each / len(here.events):.0f}" for who, each in spent.cpu.items())
    yield "worker", f"{ours:,.0f} events/s", f"microseconds of CPU per event: {cpu}"
    fresh = 1000 * np.array(freshness(here, options.seconds))
    told = ", ".join(f"p{share:g} {np.percentile(fresh, share):.0f} ms" for share in (50, 99, 99.9))
    yield "arrival to readable state", told, f"at {RATE:,} events/s for {options.seconds} s"
    yield materialized(here)
    yield quix(here, options.quix, ours)
    # Feast switches the metrics of the whole process to another mode, so it is imported last.
    rows = import_module("benchmarks.stream_feast").rows_per_second(
        here.database(1), here.scratch / "feast"
    )
    times = ours * KEYS_PER_EVENT / rows
    yield "Feast push", f"{rows:,.0f} rows/s", f"11 rows per event: ours is {times:.1f} times it"


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of CPU by process."""

    seconds: float
    cpu: dict[str, float]


def follow(here: World, name: str, events: Sequence[Event], database: int) -> Spent:
    """Let a worker follow a topic to its end."""
    topics = here.topics(name)
    here.send(topics.events, events)
    worker, source = here.worker(topics, database, Recorder())
    while not source.running:
        worker.step()
    begun, cpu = time.perf_counter(), here.cpu_seconds()
    worker.run(lambda: False, drain=True)
    seconds = time.perf_counter() - begun
    spent = {who: after - cpu[who] for who, after in here.cpu_seconds().items()}
    source.close()
    return Spent(seconds, spent)


def freshness(here: World, seconds: int) -> list[float]:
    """Seconds from the arrival of events, sent at a steady rate, to their readable states."""
    topics, recorder, ended = here.topics("fresh"), Recorder(), threading.Event()
    worker, source = here.worker(topics, 4, recorder)
    while not source.running:
        worker.step()
    events = islice(cycle(here.events), RATE * seconds)
    sender = threading.Thread(target=_send_steadily, args=(here, topics.events, events, ended))
    sender.start()
    worker.run(ended.is_set)
    sender.join()
    source.close()
    return recorder.seconds


def _send_steadily(
    here: World, topic: str, events: Iterator[Event], ended: threading.Event
) -> None:
    producer, begun = EventProducer(here.kafka.bootstrap, topic), time.monotonic()
    for place, event in enumerate(events):
        producer.send_event(event)
        if place % 20 == 0:
            producer.poll()
            time.sleep(max(0.0, begun + place / RATE - time.monotonic()))
    producer.flush()
    time.sleep(0.5)
    ended.set()


def materialized(here: World) -> tuple[str, str, str]:
    store, watch = open_store(here.database(5), SPECIFICATION), Stopwatch()
    report = materialize(
        here.scratch / "lake",
        None,
        store,
        horizon_seconds=HORIZON_SECONDS,
        memory_bytes=3 * 10**9,
        progress=watch,
    )
    speed = report.states / watch.seconds["load"]
    replay = report.events / watch.seconds["replay"]
    return "materialize", f"{speed:,.0f} entities/s", f"after a replay of {replay:,.0f} events/s"


def quix(here: World, python: str | None, ours: float) -> tuple[str, str, str]:
    """The counters of all entities but the shop itself, over the first events."""
    name = "Quix Streams"
    if python is None:
        return name, "not run", "--quix names an interpreter with quixstreams"
    topic, events = here.topics("quix").events, here.events[:QUIX_EVENTS]
    here.send(topic, events)
    script, folder = Path(__file__).with_name("stream_quix.py"), here.scratch / "quix"
    done = subprocess.run(
        [python, str(script), here.kafka.bootstrap, topic, str(folder)],
        input=json.dumps(_entities()),
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    if done.returncode:
        return name, "failed", done.stderr.strip()[-200:]
    facts = json.loads(done.stdout.splitlines()[-1])
    theirs = len(events) / facts["seconds"]
    note = f"{facts['updates']:,} states updated for {len(events):,} events; "
    return name, f"{theirs:,.0f} events/s", note + f"ours is {ours / theirs:.1f} times it"


def _entities() -> list[tuple[str, tuple[str, ...], list[int]]]:
    """Name, key columns and half-lives in seconds."""
    return [
        (entity.name, entity.key, [seconds_of(name) for name in entity.half_lives])
        for entity in SPECIFICATION.entities
        if entity.key
    ]


@contextmanager
def world(scratch: Path, count: int) -> Iterator[World]:
    write_raw(scratch / "raw", count)
    lake = scratch / "lake"
    ingest(raw_files(scratch / "raw"), lake)
    build(lake, scratch / "training")
    train(scratch / "training", scratch / "model")
    events = [event for day in stored_days(lake) for event in events_of(read_day(lake, day))]
    libraries = environment.FOLDER / "kafka/libraries"
    kafka = Kafka(scratch / "kafka", libraries if has_libraries(libraries) else None)
    servers = [kafka, Redis(scratch / "redis")]
    try:
        for server in servers:
            server.start()
        yield World(scratch, kafka, servers[1], events, Bundle.load(scratch / "model"))  # type: ignore[arg-type]
    finally:
        for server in servers:
            server.stop()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stream", description=__doc__)
    parser.add_argument("--events", type=int, default=400_000, help="about so many events")
    parser.add_argument("--seconds", type=int, default=20, help="of the measurement of freshness")
    parser.add_argument("--quix", metavar="PYTHON", help="an interpreter that has quixstreams")
    parser.add_argument("--scratch", type=Path, help="folder for temporary files")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
