"""Kafka behind a server: events into their topic, each delivery awaited, and scores into theirs."""

import asyncio
import threading
from collections.abc import Sequence
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Message

from cartwise.errors import StreamError
from cartwise.streaming.kafka import open_producer
from cartwise.wire import Event, Score, encode, encode_event

DELIVERY_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.1
_LONGEST_QUEUE: Final = 20_000


class EventOutbox:
    """Sends events for a server that must not wait; keyed by user, as all events are."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._producer = open_producer(
            bootstrap,
            **{
                "delivery.timeout.ms": int(1000 * DELIVERY_SECONDS),
                "queue.buffering.max.messages": _LONGEST_QUEUE,
            },
        )
        self._ending = threading.Event()
        self._hearing = threading.Thread(target=self._hear, name="event-outbox", daemon=True)
        self._hearing.start()
        self.trouble: str | None = None

    async def send(self, events: Sequence[Event]) -> None:
        """Send events in their order and wait until all are delivered.

        Raises:
            StreamError: some were not, so that all are to be sent again; those that were count
                once.
        """
        delivery = _Delivery(asyncio.get_running_loop(), len(events))
        for event in events:
            self._produce(event, delivery)
        self.trouble = await delivery.outcome if events else self.trouble
        if self.trouble:
            raise StreamError(
                f"events were not delivered to Kafka at {self._bootstrap} ({self.trouble}): "
                "send them again"
            )

    def close(self) -> None:
        """Let what is under way arrive, and end."""
        self._producer.flush(DELIVERY_SECONDS)
        self._ending.set()
        self._hearing.join()

    def _produce(self, event: Event, delivery: "_Delivery") -> None:
        key = str(event.user_id).encode()
        try:
            self._producer.produce(
                self._topic, encode_event(event), key, on_delivery=delivery.reported
            )
        except BufferError:
            delivery.settle("too many events are under way")
        except KafkaException as error:
            delivery.settle(error.args[0].str())

    def _hear(self) -> None:
        while not self._ending.is_set():
            self._producer.poll(_POLL_SECONDS)


class _Delivery:
    """What becomes of some events: ``outcome`` is None, or why one of them was not delivered."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self._loop = loop
        self._open = count
        self._reason: str | None = None
        self._lock = threading.Lock()
        self.outcome: asyncio.Future[str | None] = loop.create_future()

    def reported(self, error: KafkaError | None, _message: Message) -> None:
        """Called by Kafka's client, on its thread."""
        self.settle(error.str() if error else None)

    def settle(self, reason: str | None) -> None:
        """One event fewer is open."""
        with self._lock:
            self._open -= 1
            self._reason = self._reason or reason
            done = self._open == 0
        if done:
            self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.outcome.done():
            self.outcome.set_result(self._reason)


class ScoreOutbox:
    """Sends scores, keyed by user; for one thread."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._bootstrap = bootstrap
        self._topic = topic
        self._reason: str | None = None
        self._producer = open_producer(
            bootstrap, **{"delivery.timeout.ms": int(1000 * DELIVERY_SECONDS)}
        )

    def write(self, scores: Sequence[Score]) -> None:
        """Send scores and wait until all are delivered; raises StreamError where one was not."""
        self._reason = None
        for score in scores:
            key = str(score.user_id).encode()
            self._producer.produce(self._topic, encode(score), key, on_delivery=self._reported)
        self._producer.flush()
        if self._reason:
            raise StreamError(
                f"scores were not delivered to Kafka at {self._bootstrap} ({self._reason})"
            )

    def close(self) -> None:
        """Everything was delivered or given up."""

    def _reported(self, error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            self._reason = error.str()
