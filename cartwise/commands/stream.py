"""``cartwise stream``."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NamedTuple

import typer
from prometheus_client import CollectorRegistry, start_http_server

from cartwise.duration import parse_duration
from cartwise.errors import InputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.garbage import freeze_start_up
from cartwise.logs import configure_logs
from cartwise.options import (
    DEFAULT_BOOTSTRAP,
    DEFAULT_STORE_URL,
    DEFAULT_TOPIC_PREFIX,
    KafkaBootstrap,
    StoreUrl,
    TopicPrefix,
    duration,
    option,
)
from cartwise.store import open_store
from cartwise.streaming.local import FileOutlet, LakeSource
from cartwise.streaming.metrics import WorkerMetrics
from cartwise.streaming.source import EventSource
from cartwise.streaming.topics import Topics, TopicSettings
from cartwise.streaming.upkeep import Clock
from cartwise.streaming.worker import Outlet, Scorer, Worker

_REGISTRY = "models:/"

MetricsPort = Annotated[
    int | None,
    option(
        "--metrics-port",
        variable="METRICS_PORT",
        min=1,
        max=65535,
        help="Port of the metrics for Prometheus.",
        show_default="none",
    ),
]
DuplicateHorizon = Annotated[
    str,
    duration(
        "--duplicate-horizon",
        variable="DUPLICATE_HORIZON",
        help="An event that comes again within this time of the log counts once.",
    ),
]
Drain = Annotated[bool, typer.Option("--drain", help="End where the topic ends for now.")]


def stream(
    store_url: StoreUrl = DEFAULT_STORE_URL,
    model: Annotated[
        str | None,
        option(
            "--model",
            variable="MODEL",
            help="Scores the carts: a bundle's folder, or an alias such as "
            "models:/cartwise@champion.",
            show_default="none: states only",
        ),
    ] = None,
    kafka_bootstrap: KafkaBootstrap = DEFAULT_BOOTSTRAP,
    topic_prefix: TopicPrefix = DEFAULT_TOPIC_PREFIX,
    create_topics: Annotated[
        bool, typer.Option("--create-topics", help="First create the topics that are missing.")
    ] = False,
    partitions: Annotated[
        int, typer.Option(min=1, help="Of new topics: so many workers may share the work.")
    ] = 12,
    events: Annotated[
        Path | None,
        typer.Option(
            help="Without Kafka: the lake to read instead of a topic.", show_default=False
        ),
    ] = None,
    scores: Annotated[
        Path,
        option("--scores", variable="SCORES", help="Without Kafka: the folder of scores.jsonl."),
    ] = Path("scores"),
    duplicate_horizon: DuplicateHorizon = "1h",
    session_timeout: Annotated[
        str,
        duration(
            "--session-timeout",
            variable="SESSION_TIMEOUT",
            help="Without a sign of life for so long, a worker's partitions go to others.",
        ),
    ] = "10s",
    drain: Drain = False,
    metrics_port: MetricsPort = None,
) -> None:
    """Follow the topic of events: states into the store, scores of carts into their topic.

    Any number of workers may run side by side; partitions are dealt out among them. A worker ends
    on SIGTERM or Ctrl-C after the batch that it has begun.
    """
    configure_logs()
    horizon_seconds = parse_duration(duplicate_horizon)
    metrics = WorkerMetrics()
    store = open_store(store_url, SPECIFICATION)
    if events is not None:
        ends = _Ends(LakeSource(events, store.resume), FileOutlet(scores))
    else:
        settings = TopicSettings(partitions) if create_topics else None
        session_seconds = parse_duration(session_timeout)
        ends = _kafka(kafka_bootstrap, Topics.of(topic_prefix), settings, session_seconds, metrics)
    with stop_signals() as must_stop, closing(ends.source):
        show_metrics(metrics_port, metrics.registry)
        worker = Worker(
            ends.source,
            store,
            ends.outlet,
            SPECIFICATION,
            _scorer(model),
            horizon_seconds=horizon_seconds,
            clock=Clock(time.time, time.monotonic),
            metrics=metrics,
        )
        freeze_start_up()
        worker.run(must_stop, drain=drain or events is not None)


class _Ends(NamedTuple):
    source: EventSource
    outlet: Outlet


def _kafka(
    bootstrap: str,
    topics: Topics,
    new: TopicSettings | None,
    session_seconds: int,
    metrics: WorkerMetrics,
) -> _Ends:
    # The extra is needed by whoever has a Kafka.
    from cartwise.streaming import kafka  # noqa: PLC0415
    from cartwise.streaming.consumer import KafkaSource  # noqa: PLC0415
    from cartwise.streaming.producer import (  # noqa: PLC0415
        ANSWER_DELIVERY_SECONDS,
        CheckedProducer,
        KafkaOutlet,
    )

    if new:
        kafka.create_topics(bootstrap, topics, new)
    kafka.require_topics(bootstrap, topics)
    group, lost = f"{topics.events}.stream", metrics.lost.inc
    source = KafkaSource(bootstrap, topics.events, group, lost, session_seconds)
    producer = CheckedProducer(bootstrap, ANSWER_DELIVERY_SECONDS)
    return _Ends(source, KafkaOutlet(producer, topics))


def _scorer(model: str | None) -> Scorer | None:
    if model is None:
        return None
    # Who needs no model starts sooner, and so does who needs no registry.
    from cartwise.model.bundle import Bundle  # noqa: PLC0415

    bundle = Bundle.load(_fetched(model) if model.startswith(_REGISTRY) else Path(model))
    bundle.require_fingerprint(SPECIFICATION.fingerprint)
    return bundle


def _fetched(model: str) -> Path:
    from cartwise.model.mlflow_store import TRACKING_URI, Tracking  # noqa: PLC0415
    from cartwise.model.registry import Registry  # noqa: PLC0415

    registry = Registry(Tracking(os.environ.get(TRACKING_URI)))
    return registry.fetch(registry.find(model), Path(".cartwise/models"))


def show_metrics(port: int | None, registry: CollectorRegistry) -> None:
    """Serve metrics at a port, if any; raises InputError where that cannot be done."""
    if port is None:
        return
    try:
        start_http_server(port, registry=registry)
    except OSError as error:
        raise InputError(
            f"metrics cannot be served at port {port} ({error.strerror}): choose another one with "
            "--metrics-port"
        ) from error


@contextmanager
def closing(source: EventSource) -> Iterator[None]:
    """Give the partitions back at the end."""
    try:
        yield
    finally:
        source.close()


@contextmanager
def stop_signals() -> Iterator[Callable[[], bool]]:
    """Whether somebody asked this process to end, by SIGTERM or Ctrl-C."""
    asked: list[int] = []
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, lambda got, _frame: asked.append(got)) for number in numbers]
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
