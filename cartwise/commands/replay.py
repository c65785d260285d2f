"""``cartwise replay``."""

from pathlib import Path
from typing import Annotated

import typer

from cartwise.options import (
    DEFAULT_BOOTSTRAP,
    DEFAULT_TOPIC_PREFIX,
    Json,
    KafkaBootstrap,
    Quiet,
    Sources,
    TopicPrefix,
    checked,
)
from cartwise.streaming.pacing import parse_speed
from cartwise.streaming.replayer import replay as replay_log
from cartwise.streaming.topics import Topics
from cartwise.tables import facts_table, present
from cartwise.terminal import open_progress


def replay(
    sources: Sources,
    speed: Annotated[
        str,
        typer.Option(
            callback=checked(parse_speed),
            help="60x: a minute of the log in a second; max: as fast as it goes.",
        ),
    ] = "max",
    resume: Annotated[
        Path | None,
        typer.Option(
            help="File that keeps how far this is; an interrupted replay goes on from there.",
            show_default=False,
        ),
    ] = None,
    kafka_bootstrap: KafkaBootstrap = DEFAULT_BOOTSTRAP,
    topic_prefix: TopicPrefix = DEFAULT_TOPIC_PREFIX,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Play a log into the topic of events, in its order: raw files, or a lake.

    Rows that 'cartwise ingest' would refuse are counted, not sent. Ends with 1 unless every other
    one was delivered.
    """
    # The extra is needed by whoever has a Kafka.
    from cartwise.streaming.kafka import require_topics  # noqa: PLC0415
    from cartwise.streaming.producer import EventProducer  # noqa: PLC0415

    seconds_per_second = parse_speed(speed)
    topics = Topics.of(topic_prefix)
    require_topics(kafka_bootstrap, topics)
    report = replay_log(
        sources,
        EventProducer(kafka_bootstrap, topics.events),
        topics.events,
        speed=seconds_per_second,
        resume=resume,
        progress=open_progress(quiet=quiet),
    )
    rows = [
        ("events sent", f"{report.sent:,}"),
        ("sent before", f"{report.skipped:,}"),
        ("rows refused", f"{report.refused:,}"),
        *((f"  {rule}", f"{rows:,}") for rule, rows in report.by_rule.items()),
        ("topic", topics.events),
    ]
    present(report.to_dict(), facts_table("Replay", rows), as_json=as_json)
