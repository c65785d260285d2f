"""``cartwise archive`` and ``cartwise materialize``: from the topic to the lake, and to a store."""

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer

from cartwise.commands.stream import (
    Drain,
    DuplicateHorizon,
    MetricsPort,
    closing,
    show_metrics,
    stop_signals,
)
from cartwise.duration import parse_duration
from cartwise.features.catalogue import SPECIFICATION
from cartwise.logs import configure_logs
from cartwise.options import (
    DEFAULT_BOOTSTRAP,
    DEFAULT_STORE_URL,
    DEFAULT_TOPIC_PREFIX,
    GIGABYTE,
    Events,
    Json,
    KafkaBootstrap,
    Memory,
    Quiet,
    StoreUrl,
    TopicPrefix,
    option,
)
from cartwise.store import open_store
from cartwise.streaming.archive import Archive, Rolling
from cartwise.streaming.arrivals import FOLDER, Arrivals
from cartwise.streaming.materialize import materialize as load_states
from cartwise.streaming.metrics import ArchiveMetrics
from cartwise.streaming.publishing import publish
from cartwise.streaming.topics import Topics
from cartwise.tables import facts_table, present
from cartwise.terminal import open_progress

_NO_OFFSETS: Final = (
    "without --lake the store knows no offsets of a topic: a stream from Kafka would begin at the "
    "topic's first event, and count again what these states hold. Give --lake what 'cartwise "
    "archive' wrote, or go on with 'cartwise stream --events' on the same lake"
)

S3Endpoint = Annotated[
    str | None,
    option(
        "--s3-endpoint",
        variable="S3_ENDPOINT",
        metavar="URL",
        help="S3 server that is not Amazon's.",
        show_default="none",
    ),
]


def archive(
    lake: Annotated[
        str,
        option(
            "--lake",
            variable="LAKE_URL",
            metavar="FOLDER|s3://...",
            help="Gets arrivals/, the events as they came.",
            show_default=False,
        ),
    ],
    events: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the days, which 'cartwise features' reads.",
            show_default="events in the lake, if that is a folder",
        ),
    ] = None,
    kafka_bootstrap: KafkaBootstrap = DEFAULT_BOOTSTRAP,
    topic_prefix: TopicPrefix = DEFAULT_TOPIC_PREFIX,
    duplicate_horizon: DuplicateHorizon = "1h",
    drain: Drain = False,
    roll: Annotated[
        int, typer.Option(min=1, metavar="SECONDS", help="A file holds so much time at most.")
    ] = 60,
    s3_endpoint: S3Endpoint = None,
    metrics_port: MetricsPort = None,
) -> None:
    """Write the topic of events to the lake, as they came; with --drain, then bring them into days.

    Any number may run side by side. Ends on SIGTERM or Ctrl-C after writing what it has.
    """
    configure_logs()
    horizon_seconds = parse_duration(duplicate_horizon)
    arrivals = Arrivals(lake, s3_endpoint)
    _follow(arrivals, kafka_bootstrap, topic_prefix, roll, metrics_port, drain=drain)
    days = events or (None if "://" in lake else Path(lake, "events"))
    if drain and days:
        publish(arrivals, days, horizon_seconds)


def materialize(
    events: Events,
    arrivals: Annotated[
        str | None,
        option(
            "--lake",
            variable="LAKE_URL",
            metavar="FOLDER|s3://...",
            help="What 'cartwise archive' wrote, if the events are from there.",
            show_default="the folder around EVENTS, if it has arrivals",
        ),
    ] = None,
    store_url: StoreUrl = DEFAULT_STORE_URL,
    duplicate_horizon: DuplicateHorizon = "1h",
    memory: Memory = 3.0,
    s3_endpoint: S3Endpoint = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Replace what a store holds by the states of a lake, so that the stream goes on from there.

    An emptied store is rebuilt by this same command.
    """
    if arrivals is None and (events.parent / FOLDER).is_dir():
        arrivals = str(events.parent)
    report = load_states(
        events,
        Arrivals(arrivals, s3_endpoint) if arrivals else None,
        open_store(store_url, SPECIFICATION),
        horizon_seconds=parse_duration(duplicate_horizon),
        memory_bytes=int(memory * GIGABYTE),
        progress=open_progress(quiet=quiet),
    )
    rows = [
        ("states", f"{report.states:,}"),
        ("of events", f"{report.events:,}"),
        *((source, f"{offset:,}") for source, offset in report.offsets.items()),
    ]
    present(asdict(report), facts_table("Materialized", rows), as_json=as_json)
    if not arrivals:
        sys.stderr.write(f"cartwise: {_NO_OFFSETS}\n")


def _follow(
    arrivals: Arrivals,
    bootstrap: str,
    prefix: str,
    roll: int,
    metrics_port: int | None,
    *,
    drain: bool,
) -> None:
    # The extra is needed by whoever has a Kafka.
    from cartwise.streaming.consumer import KafkaSource  # noqa: PLC0415
    from cartwise.streaming.kafka import require_topics  # noqa: PLC0415

    topics, metrics = Topics.of(prefix), ArchiveMetrics()
    require_topics(bootstrap, topics)
    source = KafkaSource(bootstrap, topics.events, f"{topics.events}.archive", metrics.lost.inc)
    with stop_signals() as must_stop, closing(source):
        show_metrics(metrics_port, metrics.registry)
        rolling = Rolling(seconds=roll)
        Archive(source, arrivals, rolling, time.monotonic, metrics).run(must_stop, drain=drain)
