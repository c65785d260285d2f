"""Partitions of a Kafka topic as a source: dealt out by the group, positioned by the store."""

import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_NOT_AVAILABLE,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from cartwise.errors import StreamError, TopicError
from cartwise.streaming.kafka import missing_topic, open_consumer, translated
from cartwise.streaming.source import Record, source_name

SESSION_SECONDS: Final = 10.0
"""So long may a member give no sign of life before its partitions go to others."""

_START_SECONDS: Final = 2.0
_SECONDS_BETWEEN_COMMITS: Final = 1.0

_FORBIDDEN: Final = frozenset(
    (
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.INVALID_SESSION_TIMEOUT,
    )
)
_MISSING: Final = frozenset((KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC))  # noqa: SLF001 - the client's own public name


class KafkaSource:
    """One member of a consumer group.

    The group deals out partitions cooperatively: who keeps a partition goes on meanwhile. What is
    committed to Kafka is for those who watch the group's lag; nobody starts from it.

    Args:
        lost: told how many messages of a partition the topic had deleted before they were read.
        session_seconds: so long may we give no sign of life before our partitions go to others.
    """

    def __init__(
        self,
        bootstrap: str,
        topic: str,
        group: str,
        lost: Callable[[int], None],
        session_seconds: float = SESSION_SECONDS,
    ) -> None:
        self._topic = topic
        self._bootstrap = bootstrap
        self._lost = lost
        self._waiting: set[str] = set()
        self._running: dict[str, int] = {}
        self._read: dict[str, int] = {}
        self._at_end: set[str] = set()
        self._was_assigned = False
        self._told = time.monotonic()
        settings = {
            "enable.partition.eof": True,
            "session.timeout.ms": int(1000 * session_seconds),
        }
        with translated(bootstrap):
            self._consumer = open_consumer(bootstrap, group, **settings)
        self._consumer.subscribe(
            [topic], on_assign=self._assigned, on_revoke=self._revoked, on_lost=self._revoked
        )

    def poll(self, limit: int, seconds: float) -> list[Record]:
        """As :meth:`EventSource.poll`."""
        with translated(self._bootstrap):
            messages = self._consumer.consume(limit, seconds)
        return [record for message in messages if (record := self._record(message)) is not None]

    @property
    def waiting(self) -> Collection[str]:
        return self._waiting

    @property
    def running(self) -> Collection[str]:
        return self._running

    def start(self, source: str, offset: int | None) -> bool:
        """As :meth:`EventSource.start`.

        Raises:
            TopicError: the topic ends before the offset.
        """
        partition = self._partition(source)
        try:
            first, end = self._consumer.get_watermark_offsets(partition, _START_SECONDS)
            self._require(source, offset, end)
            partition.offset = OFFSET_BEGINNING if offset is None else max(offset, first)
            self._consumer.seek(partition)
            self._consumer.resume([partition])
        except KafkaException:
            # A partition that was just assigned is not ready at once; a broker may be away.
            return False
        if offset is not None and offset < first:
            self._lost(first - offset)
        self._waiting.discard(source)
        self._running[source] = first if offset is None else max(offset, first)
        self._read[source] = self._running[source]
        return True

    def hold(self) -> None:
        self._consumer.pause([self._partition(source) for source in self._running])
        self._waiting |= self._running.keys()
        self._running.clear()
        self._at_end.clear()

    def tell(self, offsets: Mapping[str, int]) -> None:
        self._running |= {name: next_ for name, next_ in offsets.items() if name in self._running}
        if time.monotonic() - self._told >= _SECONDS_BETWEEN_COMMITS:
            self._commit()

    def lag(self) -> dict[str, int]:
        return {source: self._left(source, next_) for source, next_ in self._running.items()}

    @property
    def drained(self) -> bool:
        return self._was_assigned and not self._waiting and self._running.keys() <= self._at_end

    def close(self) -> None:
        """As :meth:`EventSource.close`."""
        self._commit()
        self._consumer.close()

    def _record(self, message: Message) -> Record | None:
        source = source_name(self._topic, message.partition() or 0)
        if (error := message.error()) is not None:
            self._hear(source, error)
            return None
        if source not in self._running:
            return None
        self._at_end.discard(source)
        self._follow(source, message.offset() or 0)
        kind, milliseconds = message.timestamp()
        arrived = None if kind == TIMESTAMP_NOT_AVAILABLE else milliseconds / 1000
        return Record(source, message.offset() or 0, arrived, message.value() or b"")

    def _follow(self, source: str, offset: int) -> None:
        """Note that a message was read, and what the topic deleted between it and the last one."""
        expected, self._read[source] = self._read[source], offset + 1
        if offset > expected:
            # Offsets may also be left out by transactions: lost is what is before the first one.
            first = self._watermarks(source)[0]
            if first > expected:
                self._lost(min(first, offset) - expected)

    def _hear(self, source: str, error: KafkaError) -> None:
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the client's own public name
            if source in self._running:
                self._at_end.add(source)
        elif error.code() in _MISSING:
            raise missing_topic(self._bootstrap, self._topic)
        elif error.code() in _FORBIDDEN:
            raise TopicError(f"Kafka at {self._bootstrap} refuses: {error.str()}")
        elif error.fatal():
            raise StreamError(f"Kafka at {self._bootstrap} refuses: {error.str()}")

    def _require(self, source: str, offset: int | None, end: int) -> None:
        if offset is not None and offset > end:
            raise TopicError(
                f"the store has followed {source} to offset {offset}, but the topic ends at {end}: "
                "it was made anew; fill the store with 'cartwise materialize', or use another "
                "CARTWISE_TOPIC_PREFIX"
            )

    def _left(self, source: str, next_offset: int) -> int:
        return max(0, self._watermarks(source)[1] - next_offset)

    def _watermarks(self, source: str) -> tuple[int, int]:
        """The first offset of a partition and the one after the last, as far as it is known."""
        offsets: tuple[int, int] = self._consumer.get_watermark_offsets(
            self._partition(source), cached=True
        )
        return offsets

    def _commit(self) -> None:
        self._told = time.monotonic()
        offsets = [
            TopicPartition(self._topic, self._partition(source).partition, next_)
            for source, next_ in self._running.items()
        ]
        if offsets:
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _partition(self, source: str) -> TopicPartition:
        return TopicPartition(self._topic, int(source.rpartition("/")[2]))

    def _assigned(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        # Read from the first offset, a message that slips through is one that is known.
        ours = [TopicPartition(self._topic, one.partition, OFFSET_BEGINNING) for one in partitions]
        consumer.incremental_assign(ours)
        consumer.pause(ours)
        self._was_assigned = True
        self._waiting |= {source_name(self._topic, one.partition) for one in partitions}

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        consumer.incremental_unassign(partitions)
        for source in (source_name(self._topic, one.partition) for one in partitions):
            self._waiting.discard(source)
            self._running.pop(source, None)
            self._at_end.discard(source)
