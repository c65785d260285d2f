"""What no broker does on demand, with a client that is told what to answer."""

from collections import Counter

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, KafkaError, KafkaException, TopicPartition

from cartwise.streaming.consumer import KafkaSource
from tests.serving.processes import free_port


class Message:
    """A message of a broker that notes no times."""

    def error(self) -> None:
        return None

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

    def get_watermark_offsets(self, *_: object, **__: object) -> tuple[int, int]:
        return 7, 8

    def seek(self, _partition: TopicPartition) -> None:
        self.not_ready -= 1
        if self.not_ready >= 0:
            raise KafkaException(KafkaError(KafkaError._STATE))

    def resume(self, _partitions: list[TopicPartition]) -> None:
        return None

    def consume(self, _limit: int, _seconds: float) -> list[Message]:
        return [Message()]


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
