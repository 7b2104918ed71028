import asyncio

import pytest
from aiokafka import TopicPartition

from stream_app.kafka.dead_letter_archive import TopicMissingError
from stream_app.kafka.topic_ends import Ends, ensure_topics
from tests.kafka.test_traffic_link import FakeConsumer


def test_a_partition_whose_last_offset_is_the_mark_of_a_transaction_is_read() -> None:
    ends = Ends({TopicPartition("out", 0): 5})
    asyncio.run(ends.note_positions(FakeConsumer(positions={TopicPartition("out", 0): 5})))
    assert ends.are_reached


def test_missing_topics_are_named() -> None:
    ensure_topics(["a", "b"], ["b", "a", "c"])
    with pytest.raises(TopicMissingError, match="no topic a, d"):
        ensure_topics(["a", "b", "d"], ["b"])
