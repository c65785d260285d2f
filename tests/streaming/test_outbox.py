"""Against the broker that librdkafka has inside, for what no real one does on demand."""

import asyncio
from collections.abc import Iterator

import msgspec
import pytest
from confluent_kafka import Consumer, Producer

from cartwise import wire
from cartwise.errors import StreamError
from cartwise.streaming.outbox import EventOutbox, ScoreOutbox
from deploy.services.kept import free_port
from tests.serving.test_scorelog import a_score


def event(number: int) -> wire.Event:
    return wire.Event(1_700_000_000 + number, "view", number, None, None, None, 1.0, 7, "s")


@pytest.fixture
def broker() -> Iterator[str]:
    producer = Producer({"test.mock.num.brokers": 1})
    (one,) = producer.list_topics(timeout=10).brokers.values()
    yield f"{one.host}:{one.port}"
    producer.flush(1)


def read(broker: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer(
        {"bootstrap.servers": broker, "group.id": "test", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    found: list[bytes] = []
    while len(found) < count:
        found += [message.value() for message in consumer.consume(count, 30)]
    consumer.close()
    return found


def test_sent_events_are_in_the_topic_in_their_order(broker: str) -> None:
    events = [event(number) for number in range(50)]
    outbox = EventOutbox(broker, "shop.events")
    asyncio.run(outbox.send(events))
    outbox.close()
    assert [wire.decode_event(value) for value in read(broker, "shop.events", 50)] == events


def test_written_scores_are_in_the_topic(broker: str) -> None:
    scores = [a_score(number) for number in range(5)]
    outbox = ScoreOutbox(broker, "shop.scores")
    outbox.write(scores)
    found = [msgspec.json.decode(v, type=wire.Score) for v in read(broker, "shop.scores", 5)]
    assert sorted(found, key=lambda score: score.user_id) == scores


def test_what_the_client_refuses_at_once_is_an_error_too(broker: str) -> None:
    outbox = EventOutbox(broker, "shop.events")
    huge = msgspec.structs.replace(event(1), brand="x" * 17 * 2**20)
    with pytest.raises(StreamError, match="too large"):
        asyncio.run(outbox.send([huge]))
    asyncio.run(outbox.send([event(2)]))
    assert outbox.trouble is None
    outbox.close()


def test_a_broker_that_is_away_is_an_error_in_time() -> None:
    outbox = EventOutbox(f"127.0.0.1:{free_port()}", "shop.events")
    with pytest.raises(StreamError, match="send them again"):
        asyncio.run(asyncio.wait_for(outbox.send([event(1)]), 30))
    assert outbox.trouble
    outbox.close()
