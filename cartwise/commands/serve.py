"""``cartwise serve``."""

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cartwise.errors import InputError
from cartwise.features.catalogue import SPECIFICATION
from cartwise.garbage import freeze_start_up
from cartwise.interrupts import leave
from cartwise.logs import configure_logs
from cartwise.model.evaluation import REPORT
from cartwise.model.mlflow_store import TRACKING_URI, Tracking, impatient
from cartwise.model.registry import Registry
from cartwise.options import (
    DEFAULT_KEYS,
    DEFAULT_STORE_URL,
    DEFAULT_TOPIC_PREFIX,
    Keys,
    StoreUrl,
    TopicPrefix,
    option,
)
from cartwise.serving.app import create_app
from cartwise.serving.building import Outside, build_service
from cartwise.serving.guard import Limits
from cartwise.serving.models import Folder, ModelSource
from cartwise.serving.rates import Rate
from cartwise.serving.registered import SCHEME, Registered
from cartwise.serving.scorelog import ScoreFiles, ScoreSink
from cartwise.serving.server import Address
from cartwise.serving.server import serve as serve_app
from cartwise.serving.service import EventSink, Service
from cartwise.serving.upkeep import KeyFile, Pace, upkeep
from cartwise.store import open_async_store, open_store
from cartwise.streaming.embedded import embedded_worker
from cartwise.streaming.local import FileOutlet
from cartwise.streaming.topics import Topics

_MODEL = "models:/cartwise@champion"

DEFAULT_SCORES = Path("scores")
DUPLICATE_HORIZON_SECONDS = 3600


def serve(
    model: Annotated[
        str,
        option(
            "--model",
            variable="MODEL",
            help="What answers: a bundle's folder, or an alias in the registry.",
        ),
    ] = _MODEL,
    challenger: Annotated[
        str | None,
        option(
            "--challenger",
            variable="CHALLENGER",
            help="What is tried beside it: its scores are logged, never answered.",
            show_default="that of the registry, if the model is an alias",
        ),
    ] = None,
    store_url: StoreUrl = DEFAULT_STORE_URL,
    kafka_bootstrap: Annotated[
        str | None,
        option(
            "--kafka-bootstrap",
            variable="KAFKA_BOOTSTRAP",
            metavar="HOST:PORT",
            help="Brokers of Kafka, for events that are sent here and for scores.",
            show_default="none: takes no events",
        ),
    ] = None,
    topic_prefix: TopicPrefix = DEFAULT_TOPIC_PREFIX,
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded", help="Without Kafka: events that are sent here count in the store."
        ),
    ] = False,
    scores: Annotated[
        Path | None,
        option(
            "--scores",
            variable="SCORES",
            help="Folder to log scores to, where there is no Kafka.",
            show_default="none",
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="The report of 'cartwise evaluate', shown while its model answers.",
            show_default="report.html beside a bundle's folder, where 'cartwise run' writes it",
        ),
    ] = None,
    host: Annotated[str, option("--host", variable="HOST", help="Address to listen at.")] = (
        "127.0.0.1"
    ),
    port: Annotated[
        int, option("--port", variable="PORT", min=0, max=65535, help="Port; 0 for a free one.")
    ] = 8000,
    metrics_port: Annotated[
        int | None,
        option(
            "--metrics-port",
            variable="METRICS_PORT",
            min=0,
            max=65535,
            help="Port of the metrics for Prometheus.",
            show_default="none",
        ),
    ] = None,
    keys: Keys = DEFAULT_KEYS,
    auth: Annotated[
        bool, typer.Option("--auth/--no-auth", help="Without keys only on this machine itself.")
    ] = True,
    rate: Annotated[
        float,
        option(
            "--rate",
            variable="RATE",
            min=0.1,
            help="Requests per second for each key; a batch counts by carts.",
        ),
    ] = 2000.0,
    refresh: Annotated[
        float,
        option("--refresh", variable="REFRESH", min=0.1, help="Seconds between looks for models."),
    ] = 10.0,
    cache: Annotated[
        Path,
        option("--cache", variable="CACHE", help="Folder that keeps models from the registry."),
    ] = Path(".cartwise/models"),
) -> None:
    """Answer carts over HTTP: how likely they are to be bought, and whether a nudge pays.

    Ends on SIGTERM or Ctrl-C, after what it has begun. docs/api.md shows how to ask.
    """
    configure_logs()
    address = Address(host, port, metrics_port)
    key_file = _keys(keys, address, auth=auth)
    champion, beside = _models(model, challenger, cache)
    own_store = store_url if embedded else None
    with (
        _score_sink(kafka_bootstrap, topic_prefix, scores) as score_sink,
        _event_sink(kafka_bootstrap, topic_prefix, own_store, scores, port) as events,
    ):
        outside = Outside(
            open_async_store(store_url, SPECIFICATION), champion, beside, score_sink, events
        )
        service = build_service(SPECIFICATION, outside, lambda: datetime.now(UTC))
        _load(service, champion)
        app = create_app(
            service,
            keyring=lambda: key_file.keyring if key_file else None,
            limits=Limits(rate=Rate(rate, max(1, int(2 * rate)))),
            report=report or Path(model).resolve().parent / REPORT,
            on_start=freeze_start_up,
            background=upkeep(service, key_file, Pace(models=refresh)),
            on_close=[outside.store.close],
        )
        serve_app(app, service.metrics, address)
    if service.models.looking:
        leave(0)


def _keys(file: Path, address: Address, *, auth: bool) -> KeyFile | None:
    if not auth:
        if not address.is_loopback:
            raise InputError(
                f"--no-auth would let everybody in who can reach {address.host}: "
                "listen at 127.0.0.1, or make keys with 'cartwise keys create'"
            )
        return None
    keys = KeyFile(file)
    keys.reload()
    if not keys.keyring.opens:
        raise InputError(
            f"there is no valid key in '{file}', so nobody could ask anything: make one with "
            "'cartwise keys create NAME --scope score', or serve with --no-auth on this machine"
        )
    return keys


def _models(
    model: str, challenger: str | None, cache: Path
) -> tuple[ModelSource, ModelSource | None]:
    if challenger is None and model == _MODEL:
        challenger = "models:/cartwise@challenger"
    beside = _source(challenger, cache, optional=True) if challenger else None
    return _source(model, cache, optional=False), beside


def _source(model: str, cache: Path, *, optional: bool) -> ModelSource:
    if not model.startswith(SCHEME):
        return Folder(Path(model))
    registry = Registry(Tracking(os.environ.get(TRACKING_URI)))
    return Registered(model, registry, cache, optional=optional)


@contextmanager
def _event_sink(
    bootstrap: str | None, prefix: str, own_store: str | None, scores: Path | None, port: int
) -> Iterator[EventSink | None]:
    """Where events go: to Kafka, straight into a store of our own, or nowhere."""
    if bootstrap is not None:
        # The extra is needed by whoever has a Kafka.
        from cartwise.streaming.outbox import EventOutbox  # noqa: PLC0415

        events = EventOutbox(bootstrap, Topics.of(prefix).events)
        try:
            yield events
        finally:
            events.close()
    elif own_store is not None:
        outlet = FileOutlet(scores or DEFAULT_SCORES)
        store = open_store(own_store, SPECIFICATION)
        with embedded_worker(
            _queue_name(port), store, SPECIFICATION, outlet, DUPLICATE_HORIZON_SECONDS
        ) as queue:
            yield queue
        store.close()
    else:
        yield None


def _queue_name(port: int) -> str:
    """The same after a restart, which then knows what was sent before, and no other server's."""
    return f"api-{platform.node()}-{port or os.getpid()}"


@contextmanager
def _score_sink(
    bootstrap: str | None, prefix: str, scores: Path | None
) -> Iterator[ScoreSink | None]:
    """Where scores go: to files where a folder is given, or else to Kafka."""
    if scores is not None:
        yield ScoreFiles(scores, lambda: datetime.now(UTC))
    elif bootstrap is not None:
        from cartwise.streaming.outbox import ScoreOutbox  # noqa: PLC0415

        yield ScoreOutbox(bootstrap, Topics.of(prefix).scores)
    else:
        yield None


def _load(service: Service, champion: ModelSource) -> None:
    """Load the models; a registry that is away may come back, a folder that is none will not."""
    # The server's own looks, which follow soon, have the time that one takes.
    with impatient():
        service.models.refresh()
    if service.models.pair is None and isinstance(champion, Folder):
        raise InputError(service.models.trouble["champion"])
