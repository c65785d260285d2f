"""What is sent is delivered, or whoever sent it hears of it in bounded time."""

import pytest

from cartwise.errors import StreamError
from cartwise.streaming.producer import CheckedProducer
from deploy.services.kept import free_port


def test_what_is_not_delivered_in_time_is_an_error_and_is_told_once() -> None:
    producer = CheckedProducer(f"127.0.0.1:{free_port()}", delivery_seconds=0.2)
    for _ in range(3):
        producer.send("shop.scores", b"{}")
    with pytest.raises(StreamError, match="3 messages were not delivered"):
        producer.flush()
    producer.flush()
    assert producer.delivered == 0
