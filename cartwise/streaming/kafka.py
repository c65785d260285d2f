"""Clients of Kafka: how they are configured, and what their errors mean.

Whoever imports this module needs the extra ``stream``.
"""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from cartwise.errors import MissingExtra, StreamError, TopicError
from cartwise.streaming.topics import Topics, TopicSettings

try:
    from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
    from confluent_kafka.admin import AdminClient
    from confluent_kafka.cimpl import NewTopic
except ImportError as error:
    raise MissingExtra("confluent-kafka", "stream") from error

ANSWER_SECONDS: Final = 10.0
"""How long a broker may take to answer before it counts as away."""

_SECONDS_BETWEEN_LINES: Final = 60.0

_log: Final = logging.getLogger("cartwise.kafka")

_COMMON: Final[Mapping[str, Any]] = {
    "client.id": "cartwise",
    "reconnect.backoff.ms": 50,
    "reconnect.backoff.max.ms": 2000,
    "topic.metadata.refresh.interval.ms": 30_000,
    "topic.metadata.propagation.max.ms": 5000,
}
_PRODUCER: Final[Mapping[str, Any]] = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "zstd",
    "linger.ms": 5,
    # That of Kafka's Java client: whatever wrote a user's events, they are in one partition.
    "partitioner": "murmur2_random",
    "queue.buffering.max.messages": 100_000,
    "message.max.bytes": 16 * 2**20,
}
_CONSUMER: Final[Mapping[str, Any]] = {
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",
    "partition.assignment.strategy": "cooperative-sticky",
    "heartbeat.interval.ms": 1000,
    "max.poll.interval.ms": 300_000,
    "fetch.wait.max.ms": 50,
    "fetch.queue.backoff.ms": 10,
    "queued.max.messages.kbytes": 32_768,
    "queued.min.messages": 20_000,
    # Messages of transactions that were given up are no events.
    "isolation.level": "read_committed",
}


def open_producer(bootstrap: str, **settings: Any) -> Producer:
    """A producer whose messages arrive once and in order, and whose failures are reported."""
    return Producer(_configuration(bootstrap, _PRODUCER, settings), logger=_log)


def open_consumer(bootstrap: str, group: str, **settings: Any) -> Consumer:
    """A consumer that commits nothing by itself."""
    chosen = {"group.id": group, **settings}
    return Consumer(_configuration(bootstrap, _CONSUMER, chosen), logger=_log)


def _configuration(
    bootstrap: str, kind: Mapping[str, Any], settings: Mapping[str, Any]
) -> dict[str, Any]:
    # What the library retries by itself concerns only those who ask for its log.
    if not _log.handlers:
        _log.addHandler(logging.NullHandler())
        _log.addFilter(Sparing(time.monotonic))
    return {"bootstrap.servers": bootstrap, **_COMMON, **kind, **settings}


class Sparing(logging.Filter):
    """Lets a line of each kind through once a minute: a broker that is away is tried, and told of
    by the library, many times a second."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        super().__init__()
        self._monotonic = monotonic
        self._said: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written; its first word is its kind."""
        kind, now = record.getMessage().partition(" ")[0], self._monotonic()
        is_due = kind not in self._said or now >= self._said[kind] + _SECONDS_BETWEEN_LINES
        if is_due:
            self._said[kind] = now
        return is_due


@contextmanager
def translated(bootstrap: str) -> Iterator[None]:
    """Translate what Kafka's client raises into a StreamError."""
    try:
        yield
    except KafkaException as error:
        raise _stream_error(bootstrap, error.args[0]) from error


def _stream_error(bootstrap: str, error: KafkaError) -> StreamError:
    away = (KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN, KafkaError._TIMED_OUT)  # noqa: SLF001
    if error.code() in away:
        return StreamError(
            f"Kafka does not answer at {bootstrap}: start it, or check CARTWISE_KAFKA_BOOTSTRAP"
        )
    return StreamError(f"Kafka at {bootstrap} refuses: {error.str()}")


def require_topics(bootstrap: str, topics: Topics) -> None:
    """Raise unless Kafka answers and has all topics.

    Raises:
        StreamError: it does not answer.
        TopicError: it lacks one.
    """
    client = AdminClient({"bootstrap.servers": bootstrap, **_COMMON}, logger=_log)
    with translated(bootstrap):
        known = client.list_topics(timeout=ANSWER_SECONDS).topics
    if missing := [name for name in topics if name not in known]:
        raise missing_topic(bootstrap, missing[0])


def missing_topic(bootstrap: str, name: str) -> TopicError:
    """What to raise where a topic is not there."""
    return TopicError(
        f"Kafka at {bootstrap} has no topic {name}: run 'cartwise stream --create-topics', or "
        "check CARTWISE_TOPIC_PREFIX"
    )


def create_topics(bootstrap: str, topics: Topics, settings: TopicSettings) -> list[str]:
    """Create the topics that are missing, and return their names.

    Raises:
        StreamError: Kafka does not answer or refuses.
    """
    client = AdminClient({"bootstrap.servers": bootstrap, **_COMMON}, logger=_log)
    with translated(bootstrap):
        cluster = client.list_topics(timeout=ANSWER_SECONDS)
        replicas = settings.replicas or min(3, len(cluster.brokers))
        wanted = settings.configurations(topics, replicas)
        new = [
            NewTopic(name, settings.partitions, replicas, config=configuration)
            for name, configuration in wanted.items()
            if name not in cluster.topics
        ]
        made = client.create_topics(new, operation_timeout=ANSWER_SECONDS) if new else {}
        return [name for name, done in made.items() if _is_new(done.result)]


def _is_new(result: Callable[[], None]) -> bool:
    try:
        result()
    except KafkaException as error:
        # Another worker was faster.
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
        return False
    return True
