"""A topic that deletes events faster than they are read: what was lost is counted."""

import os

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from cartwise.streaming.consumer import KafkaSource
from cartwise.streaming.kafka import create_topics
from cartwise.streaming.producer import CheckedProducer
from cartwise.streaming.topics import Topics, TopicSettings

pytestmark = pytest.mark.integration


def test_events_deleted_ahead_of_a_running_reader_are_counted(
    kafka_bootstrap: str, topic_prefix: str
) -> None:
    topics, lost = Topics.of(topic_prefix.rstrip(".")), list[int]()
    create_topics(kafka_bootstrap, topics, TopicSettings(partitions=1))
    producer = CheckedProducer(kafka_bootstrap)
    # More than a reader fetches ahead.
    for _ in range(80):
        producer.send(topics.events, os.urandom(2**20))
    producer.flush()
    name = f"{topics.events}/0"
    source = KafkaSource(kafka_bootstrap, topics.events, f"{topics.events}.test", lost.append)
    while name not in source.waiting:
        source.poll(1, 0.1)
    assert source.start(name, 0)
    [first] = source.poll(1, 10)
    end = TopicPartition(topics.events, 0, 79)
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    [deleted] = admin.delete_records([end]).values()
    deleted.result(20)
    read = [first.offset]
    while read[-1] != 79:
        read += [record.offset for record in source.poll(100, 0.2)]
    source.close()
    assert read == sorted(set(read))
    assert sum(lost) == 80 - len(read) > 0
