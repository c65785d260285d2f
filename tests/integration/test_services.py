"""Each server does what it is for, and comes back with its data after a crash."""

from dataclasses import replace
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from botocore.exceptions import ClientError
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.services.kafka import Kafka
from deploy.services.redis import Redis
from tests.integration.conftest import Bucket

pytestmark = pytest.mark.integration


def create_topic(bootstrap: str, topic: str) -> None:
    client = AdminClient({"bootstrap.servers": bootstrap})
    for made in client.create_topics([NewTopic(topic, 1, 1)]).values():
        made.result(30)


def send(bootstrap: str, topic: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "acks": "all"})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def receive(bootstrap: str, topic: str, count: int) -> list[bytes | None]:
    """The first values of a topic, by a new consumer group."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    try:
        return [message.value() for message in consumer.consume(count, timeout=60)]
    finally:
        consumer.close()


def test_redis_runs_functions_and_keeps_an_append_only_file(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        code = (
            "#!lua name=test\nredis.register_function('double', function(k, a) return 2 * a[1] end)"
        )
        client.function_load(code, replace=True)
        assert client.fcall("double", 0, "21") == 42
        client.function_delete("test")
        assert client.info("persistence")["aof_enabled"] == 1


def test_redis_refuses_clients_without_its_password(redis_url: str) -> None:
    where = urlsplit(redis_url)
    once = Retry(NoBackoff(), 0)
    stranger = redis.Redis(where.hostname or "", where.port or 0, retry=once)
    with stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()


def test_kafka_hands_on_what_it_was_given(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create_topic(kafka_bootstrap, topic)
    send(kafka_bootstrap, topic, b"one", b"two")
    assert receive(kafka_bootstrap, topic, 2) == [b"one", b"two"]


def test_s3_keeps_objects_and_refuses_a_wrong_key(s3: Bucket) -> None:
    s3.client.put_object(Bucket=s3.name, Key="services/object", Body=b"content")
    got = s3.client.get_object(Bucket=s3.name, Key="services/object", Range="bytes=3-")
    assert got["Body"].read() == b"tent"
    stranger = replace(s3, variables={**s3.variables, "AWS_SECRET_ACCESS_KEY": "wrong"})
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        stranger.client.get_object(Bucket=s3.name, Key="services/object")


def test_postgres_keeps_rows_and_refuses_a_wrong_password(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as session:
        session.execute("create table kept as select 42 as answer")
    with psycopg.connect(postgres_url) as session:
        assert session.execute("select answer from kept").fetchone() == (42,)
        session.execute("drop table kept")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres_url, password="wrong")  # noqa: S106


@pytest.mark.parametrize("own_redis", ["always"], indirect=True)
def test_killed_redis_comes_back_at_its_address_with_what_it_had_confirmed(
    own_redis: Redis,
) -> None:
    url = own_redis.url
    with redis.Redis.from_url(url) as client:
        client.set("key", "value")
    own_redis.kill()
    assert not own_redis.answers()
    own_redis.start()
    assert own_redis.url == url
    with redis.Redis.from_url(url) as client:
        assert client.get("key") == b"value"


def test_killed_kafka_comes_back_at_its_address_with_its_topics(
    own_kafka: Kafka, topic_prefix: str
) -> None:
    bootstrap, topic = own_kafka.bootstrap, f"{topic_prefix}events"
    create_topic(bootstrap, topic)
    send(bootstrap, topic, b"before")
    own_kafka.kill()
    assert not own_kafka.answers()
    own_kafka.start()
    assert own_kafka.bootstrap == bootstrap
    send(bootstrap, topic, b"after")
    assert receive(bootstrap, topic, 2) == [b"before", b"after"]


def test_start_of_a_running_server_changes_nothing(own_redis: Redis) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        before = client.info("server")["run_id"]
        assert own_redis.start() is False
        assert client.info("server")["run_id"] == before
