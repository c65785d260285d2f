"""What no broker does on demand, with a client that is told what to answer."""

import logging
from collections import Counter

import pytest
from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, KafkaException, TopicPartition

from cartwise.errors import StreamError, TopicError
from cartwise.streaming.consumer import KafkaSource
from cartwise.streaming.kafka import Sparing
from deploy.services.kept import free_port


class Message:
    """A message of a broker that notes no times."""

    def __init__(self, error: KafkaError | None = None) -> None:
        self._error = error

    def error(self) -> KafkaError | None:
        return self._error

    def partition(self) -> int:
        return 0

    def offset(self) -> int:
        return 7

    def timestamp(self) -> tuple[int, int]:
        return TIMESTAMP_NOT_AVAILABLE, -1

    def value(self) -> bytes:
        return b"{}"


class Client:
    """Gives out one partition, of which the first seven messages are gone; not ready at once."""

    not_ready = 2
    trouble: KafkaError | None = None

    def get_watermark_offsets(self, *_: object, **__: object) -> tuple[int, int]:
        return 7, 8

    def seek(self, _partition: TopicPartition) -> None:
        self.not_ready -= 1
        if self.not_ready >= 0:
            raise KafkaException(KafkaError(KafkaError._STATE))

    def resume(self, _partitions: list[TopicPartition]) -> None:
        return None

    def consume(self, _limit: int, _seconds: float) -> list[Message]:
        return [Message(self.trouble)]


def source(lost: Counter[str]) -> KafkaSource:
    def count(messages: int) -> None:
        lost["messages"] += messages

    made = KafkaSource(f"127.0.0.1:{free_port()}", "shop.events", "test", count)
    made._consumer.close()
    made._consumer = Client()  # type: ignore[assignment]
    return made


def test_messages_that_are_gone_are_counted_once_however_often_the_start_is_tried() -> None:
    lost: Counter[str] = Counter()
    ours = source(lost)
    assert [ours.start("shop.events/0", 3) for _ in range(3)] == [False, False, True]
    assert lost["messages"] == 4


def test_a_message_without_a_time_of_arrival_has_none() -> None:
    ours = source(Counter())
    while not ours.start("shop.events/0", 7):
        pass
    [record] = ours.poll(10, 0.0)
    assert record.arrived is None


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.TOPIC_AUTHORIZATION_FAILED]
)
def test_what_waiting_does_not_mend_ends_the_reading(code: int) -> None:
    ours = source(Counter())
    ours._consumer.trouble = KafkaError(code)  # type: ignore[attr-defined]
    with pytest.raises(TopicError):
        ours.poll(10, 0.0)


def test_a_broker_that_is_away_for_now_does_not() -> None:
    ours = source(Counter())
    ours._consumer.trouble = KafkaError(KafkaError._ALL_BROKERS_DOWN)  # type: ignore[attr-defined]
    assert ours.poll(10, 0.0) == []


def test_an_offset_beyond_the_end_is_told_and_not_waited_for() -> None:
    with pytest.raises(TopicError, match="it was made anew"):
        source(Counter()).start("shop.events/0", 9)


def test_a_session_timeout_that_cannot_be_is_told() -> None:
    with pytest.raises(StreamError, match=r"session\.timeout\.ms"):
        KafkaSource("127.0.0.1:1", "shop.events", "test", lambda _count: None, 10**9)


def test_the_library_s_log_says_a_thing_once_a_minute() -> None:
    seconds = iter([0.0, 1.0, 2.0, 59.0, 61.0])
    sparing = Sparing(lambda: next(seconds))
    lines = ["FAIL [a] refused", "FAIL [b] refused", "SESSTMOUT [a]", "FAIL [a] x", "FAIL [a] y"]
    records = [logging.LogRecord("k", logging.ERROR, "", 0, line, None, None) for line in lines]
    assert [bool(sparing.filter(record)) for record in records] == [True, False, True, False, True]
