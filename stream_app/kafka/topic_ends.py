"""Whole topics, read without joining a group: their consumers, where they begin, and where they end."""

from collections.abc import Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from stream_app.kafka.clients import build_security
from stream_app.kafka.dead_letter_archive import TopicMissingError
from stream_app.settings import Settings

FETCH_WAIT_MILLISECONDS: Final = 100


class Ends:
    """Partitions that are read up to where they ended once; the last offset may be the mark of a transaction."""

    def __init__(self, ends: dict[TopicPartition, int]) -> None:
        self._left = dict(ends)

    @property
    def are_reached(self) -> bool:
        """Whether every partition is read."""
        return not self._left

    def includes(self, message: Any) -> bool:
        """Tell whether a message is part of what is to be read."""
        end = self._left.get(TopicPartition(message.topic, message.partition))
        return end is not None and message.offset < end

    async def note_positions(self, consumer: Any) -> None:
        """Find out how far a consumer is."""
        for partition, end in list(self._left.items()):
            if await consumer.position(partition) >= end:
                del self._left[partition]


def ensure_topics(topics: Sequence[str], existing: Sequence[str]) -> None:
    """Ensure that topics exist.

    Raises:
        TopicMissingError: naming those that do not.
    """
    missing = [topic for topic in topics if topic not in existing]
    if missing:
        raise TopicMissingError(f"there is no topic {', '.join(missing)}, or this user may not see it")


def build_consumer(settings: Settings, isolation_level: str, topics: Sequence[str]) -> Any:
    """Build a consumer of whole topics that joins no group."""
    return AIOKafkaConsumer(
        *topics,
        group_id=None,
        bootstrap_servers=settings.bootstrap_servers,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        isolation_level=isolation_level,
        fetch_max_wait_ms=FETCH_WAIT_MILLISECONDS,
        **build_security(settings).build_aiokafka_arguments(),
    )


async def find_offsets(consumer: Any, partitions: Sequence[TopicPartition], since_ms: int) -> dict[TopicPartition, int]:
    """Find the first offsets that were written at a time or later; partitions without one are left out."""
    found = await consumer.offsets_for_times(dict.fromkeys(partitions, since_ms))
    return {partition: one.offset for partition, one in found.items() if one is not None}
