"""What is read of a cluster; tests/broker/test_doctor.py reads a real Kafka."""

import asyncio

import pytest
from confluent_kafka import Producer

from stream_app.kafka.clients import create_topics
from stream_app.kafka.inspection import TopicLimits, inspect_cluster
from stream_app.kafka.permissions import PartitionCopies
from stream_app.local.broker import EmbeddedBroker
from stream_app.settings import Settings

NOW_MILLISECONDS = 1_700_000_000_000


def test_the_embedded_broker_tells_its_partitions_and_no_limits() -> None:
    with EmbeddedBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers)
        before = asyncio.run(inspect_cluster(settings))
        create_topics(settings, partitions=3, replication=1)
        after = asyncio.run(inspect_cluster(settings))
    assert [topic.access.exists for topic in before.topics] == [False] * 3
    assert [topic.name for topic in after.topics] == list(settings.topics)
    assert after.input.access.partitions[0] == PartitionCopies(1, 1, True)
    assert after.output.limits == TopicLimits()
    assert after.denied == ()
    assert after.newest_ahead_seconds is None


def test_the_newest_of_the_last_records_of_all_partitions_tells_of_the_clock() -> None:
    with EmbeddedBroker() as broker:
        settings = Settings(bootstrap_servers=broker.bootstrap_servers)
        create_topics(settings, partitions=3, replication=1)
        producer = Producer({"bootstrap.servers": broker.bootstrap_servers, "log_level": 0})
        for partition, ahead_seconds in ((0, -50), (0, -40), (1, 7)):
            timestamp = NOW_MILLISECONDS + 1_000 * ahead_seconds
            producer.produce(settings.input_topic, b"{", partition=partition, timestamp=timestamp)
        assert producer.flush(30) == 0
        facts = asyncio.run(inspect_cluster(settings, wall_clock=lambda: NOW_MILLISECONDS / 1_000))
    assert facts.newest_ahead_seconds == pytest.approx(7.0)
