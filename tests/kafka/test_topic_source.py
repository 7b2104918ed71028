import asyncio

import pytest
from aiokafka import TopicPartition

from stream_app.kafka import topic_source
from stream_app.kafka.clients import BrokerUnreachableError
from stream_app.kafka.topic_ends import Ends
from stream_app.kafka.topic_source import TopicSource
from tests.kafka.test_traffic_link import FakeConsumer, Message


def test_a_topic_is_read_to_where_it_ended() -> None:
    consumer = FakeConsumer([Message("in", 0, 0), Message("in", 0, 1)], [Message("in", 0, 2)])
    source = TopicSource(consumer, Ends({TopicPartition("in", 0): 1}))
    [record] = asyncio.run(source.read(0.1))
    assert (record.offset, record.timestamp_seconds, record.headers) == (0, 5.0, (("a", b"1"),))
    assert source.is_exhausted


def test_a_topic_that_is_followed_has_no_end() -> None:
    source = TopicSource(FakeConsumer([Message("in", 0, 0)]), None)
    assert len(asyncio.run(source.read(0.1))) == 1
    assert asyncio.run(source.read(0.1)) == []
    assert not source.is_exhausted


def test_a_topic_that_gives_nothing_although_there_is_more_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_source, "STALL_SECONDS", -1.0)
    source = TopicSource(FakeConsumer([]), Ends({TopicPartition("in", 0): 1}))
    with pytest.raises(BrokerUnreachableError, match="nothing came"):
        asyncio.run(source.read(0.1))
