"""The topics of one run: made, read to their ends, and how far the worker's group has come."""

import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from uuid import uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType

from tests.broker.harness import ID_HEADER
from tests.chaos.check import Input, Position, Read
from tests.chaos.load import Sent

PARTITIONS: Final = 4
READ_SECONDS: Final = 120.0


def make_topic(admin: AdminClient, name: str, replication: int, config: Mapping[str, str]) -> None:
    """Make a topic; the broker notes when it got each record."""
    topic = NewTopic(name, PARTITIONS, replication, config={"message.timestamp.type": "LogAppendTime", **config})
    admin.create_topics([topic])[name].result(30)


def change_topic(admin: AdminClient, name: str, **config: str) -> None:
    """Change a topic's configuration."""
    entries = [
        ConfigEntry(key.replace("_", "."), value, incremental_operation=AlterConfigOpType.SET)
        for key, value in config.items()
    ]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    for done in admin.incremental_alter_configs([resource]).values():
        done.result(30)


def read_topic(bootstrap_servers: str, topic: str, is_letter: bool, is_committed_only: bool) -> list[Read]:
    """Read a topic from the beginning to its end, each partition in order."""
    isolation = "read_committed" if is_committed_only else "read_uncommitted"
    return [_read(message, is_letter) for message in _consume(bootstrap_servers, topic, isolation)]


def read_inputs(bootstrap_servers: str, topic: str, sent: Mapping[str, Sent]) -> list[Input]:
    """Read the input topic: the records of the load, with the positions that the broker gave them."""
    inputs = []
    for read in (_read(message, False) for message in _consume(bootstrap_servers, topic, "read_uncommitted")):
        identity = (read.headers[ID_HEADER] or b"").decode()
        inputs.append(Input(read.position, read.key, read.value, sent[identity].items))
    return inputs


class Progress:
    """How far a group has come in a topic; keeps one connection."""

    def __init__(self, bootstrap_servers: str, group: str, topic: str) -> None:
        self._reader = _build_consumer(bootstrap_servers, group, "read_committed")
        self._topic = topic

    def read_committed(self) -> dict[int, int]:
        """Read the committed offset of each partition; 0 where there is none."""
        committed = self._reader.committed(_list_partitions(self._topic), timeout=10)
        return {one.partition: max(0, one.offset) for one in committed}

    def count_left(self) -> int:
        """Count the records that are not committed yet."""
        committed = self.read_committed()
        ends = [
            (one.partition, self._reader.get_watermark_offsets(one, timeout=10)[1])
            for one in _list_partitions(self._topic)
        ]
        return sum(end - committed[partition] for partition, end in ends)

    def close(self) -> None:
        """Close the connection."""
        self._reader.close()


def _consume(bootstrap_servers: str, topic: str, isolation: str) -> Iterator[Any]:
    with _open_consumer(bootstrap_servers, isolation) as reader:
        partitions = _list_partitions(topic)
        reader.assign(partitions)
        left = {one.partition: reader.get_watermark_offsets(one, timeout=10)[1] for one in partitions}
        deadline = time.monotonic() + READ_SECONDS
        while left:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{topic} could not be read to its end")
            # It waits for so many records, or for the whole timeout.
            for message in reader.consume(1_000, timeout=0.2):
                error: Any = message.error()
                if error is None:
                    yield message
                    # Under load there may never be an end to tell of.
                    if (message.offset() or 0) + 1 >= left.get(_find_partition(message), math.inf):
                        del left[_find_partition(message)]
                elif error.code() == KafkaError._PARTITION_EOF:
                    # The end may be told of more than once, and before the last records are there.
                    if (message.offset() or 0) >= left.get(_find_partition(message), 0):
                        left.pop(_find_partition(message), None)
                else:
                    raise RuntimeError(f"{topic} could not be read: {error}")


def _find_partition(message: Any) -> int:
    return int(message.partition())


@contextmanager
def _open_consumer(bootstrap_servers: str, isolation: str) -> Iterator[Consumer]:
    reader = _build_consumer(bootstrap_servers, f"reader-{uuid4().hex}", isolation)
    try:
        yield reader
    finally:
        reader.close()


def _build_consumer(bootstrap_servers: str, group: str, isolation: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": group,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": isolation,
            "reconnect.backoff.max.ms": 250,
            "log_level": 0,
        }
    )


def _list_partitions(topic: str) -> list[TopicPartition]:
    return [TopicPartition(topic, number, OFFSET_BEGINNING) for number in range(PARTITIONS)]


def _read(message: Any, is_letter: bool) -> Read:
    return Read(
        position=Position(message.topic(), message.partition(), message.offset()),
        key=message.key(),
        value=message.value(),
        headers=dict(message.headers() or ()),
        is_letter=is_letter,
        appended_at=message.timestamp()[1] / 1000,
    )
