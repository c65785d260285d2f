"""Messages into topics, with every delivery checked."""

from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, Message, Producer

from cartwise.errors import StreamError
from cartwise.streaming.kafka import open_producer
from cartwise.streaming.topics import Topics
from cartwise.wire import DeadLetter, Event, Score, encode, encode_event

DELIVERY_SECONDS: Final = 120.0
ANSWER_DELIVERY_SECONDS: Final = 15.0
"""So long a worker waits for the delivery of its answers: what is not delivered, it makes again."""

_FULL_SECONDS: Final = 0.1


class CheckedProducer:
    """Sends messages and counts what became of them.

    Messages of one key keep their order, and none is doubled by a retry. Not for several threads.

    Args:
        bootstrap: address of a broker.
        delivery_seconds: what is not delivered by then has failed.
    """

    def __init__(self, bootstrap: str, delivery_seconds: float = DELIVERY_SECONDS) -> None:
        self._bootstrap = bootstrap
        settings = {"delivery.timeout.ms": int(1000 * delivery_seconds)}
        self._producer: Producer = open_producer(bootstrap, **settings)
        self._reason: str | None = None
        self.delivered = 0
        self.failed = 0

    def send(self, topic: str, value: bytes, key: bytes | None = None) -> None:
        """Send a message; waits while the producer's memory is full."""
        while True:
            try:
                self._producer.produce(topic, value, key, on_delivery=self._reported)
            except BufferError:
                self._producer.poll(_FULL_SECONDS)
            else:
                return

    def poll(self) -> None:
        """Hear of deliveries, without waiting for any."""
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until everything sent so far is delivered.

        Raises:
            StreamError: something was not in time, or was refused.
        """
        self._producer.flush()
        if self.failed:
            failed, self.failed = self.failed, 0
            raise StreamError(
                f"{failed:,} messages were not delivered to Kafka at {self._bootstrap} "
                f"({self._reason}): check it, and run this again"
            )

    def _reported(self, error: KafkaError | None, _message: Message) -> None:
        if error is None:
            self.delivered += 1
        else:
            self.failed += 1
            self._reason = error.str()


class EventProducer(CheckedProducer):
    """Sends events, keyed by user: those of a user are in one partition, in order."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        super().__init__(bootstrap)
        self._topic = topic

    def send_event(self, event: Event) -> None:
        """Send an event; waits while the producer's memory is full."""
        self.send(self._topic, encode_event(event), str(event.user_id).encode())


class KafkaOutlet:
    """Publishes scores, keyed by user, and dead letters, keyed by origin."""

    def __init__(self, producer: CheckedProducer, topics: Topics) -> None:
        self._producer = producer
        self._topics = topics

    def publish(self, scores: Sequence[Score], dead: Sequence[DeadLetter]) -> None:
        """Send all and wait for their delivery; raises StreamError where one was refused."""
        for score in scores:
            self._producer.send(self._topics.scores, encode(score), str(score.user_id).encode())
        for letter in dead:
            origin = letter.origin
            key = f"{origin.topic}/{origin.partition}/{origin.offset}".encode()
            self._producer.send(self._topics.dead_letters, encode(letter), key)
        if scores or dead:
            self._producer.flush()
