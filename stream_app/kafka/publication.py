"""How a batch is published: every explanation, then the dead letters, whatever of them the broker finds too large."""

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from stream_app.core.errors import PrismError
from stream_app.kafka.clients import DEFAULT_MAX_MESSAGE_BYTES
from stream_app.kafka.records import IncomingRecord, OutgoingRecord

log = structlog.stdlib.get_logger(__name__)


class DeliveryError(PrismError):
    """A batch could not be settled; the process has to end."""


@dataclass(slots=True)
class SizeLimits:
    """How large a record may be, by topic; read from the broker now and then."""

    max_message_bytes: dict[str, int] = field(default_factory=dict)

    def get(self, topic: str) -> int:
        """Get the limit of a topic."""
        return self.max_message_bytes.get(topic, DEFAULT_MAX_MESSAGE_BYTES)

    @property
    def smallest(self) -> int:
        """The smallest limit of all topics."""
        return min(self.max_message_bytes.values(), default=DEFAULT_MAX_MESSAGE_BYTES)


class Parcel(Protocol):
    """All that one input record makes: an explanation for each item that has one, and perhaps a dead letter."""

    @property
    def record(self) -> IncomingRecord:
        """The input record."""
        ...

    def list_explanations(self) -> Sequence[tuple[str, OutgoingRecord]]:
        """List item ids and explanations, in the order in which they are published, without those refused."""
        ...

    def refuse(self, item_id: str) -> None:
        """Note that the explanation of an item is too large for the topic, however it is sent."""
        ...

    def build_letter(self) -> OutgoingRecord | None:
        """Build the dead letter, which names the items that were refused; None: none is due."""
        ...


Pending = tuple[int, str | None, OutgoingRecord]
"""A parcel's index; an item's id, or None for the dead letter; the record."""


class Attempt:
    """Publishes the parcels of a batch, explanations first: a dead letter names the items that were refused."""

    def __init__(self, parcels: Sequence[Parcel]) -> None:
        self._parcels = parcels
        self._is_careful = False
        self._shorter: dict[int, OutgoingRecord] = {}
        """Of parcels whose dead letter was refused, by index, what to send instead."""
        self._done: set[tuple[int, str | None]] = set()

    @property
    def is_complete(self) -> bool:
        """Whether the broker has everything."""
        return not self._list_explanations() and not self._list_letters()

    async def publish(self, producer: Any) -> bool:
        """Publish what the broker does not have yet; returns whether it has everything now.

        If not, then something was too large; it is sent otherwise when this is called again, with a new producer.

        Raises:
            KafkaError: an explanation was refused for another reason than its size.
            DeliveryError: a dead letter was refused, or is too large however it is cut.
        """
        for list_pending in (self._list_explanations, self._list_letters):
            pending = list_pending()
            # A size limit applies to a batch of the producer: one record after the other shows which one it is.
            for group in [[one] for one in pending] if self._is_careful else [pending]:
                if not await self._publish_group(producer, group):
                    return False
        return True

    def begin_again(self) -> None:
        """Note that the broker has taken everything back."""
        self._done.clear()

    def _list_explanations(self) -> list[Pending]:
        return [
            (index, item_id, record)
            for index, parcel in enumerate(self._parcels)
            for item_id, record in parcel.list_explanations()
            if (index, item_id) not in self._done
        ]

    def _list_letters(self) -> list[Pending]:
        letters = (
            (index, self._shorter.get(index) or parcel.build_letter()) for index, parcel in enumerate(self._parcels)
        )
        return [(index, None, letter) for index, letter in letters if letter and (index, None) not in self._done]

    async def _publish_group(self, producer: Any, group: list[Pending]) -> bool:
        errors = await _send_and_wait(producer, [record for _, _, record in group])
        self._done.update(one[:2] for one, error in zip(group, errors, strict=True) if error is None)
        failed = [error for error in errors if error is not None]
        if not failed:
            return True
        # In a transaction the others fail with the one that is too large.
        if not any(isinstance(error, MessageSizeTooLargeError) for error in failed):
            if group[0][1] is None:
                raise DeliveryError(f"a dead letter was refused: {type(failed[0]).__name__}") from failed[0]
            raise failed[0]
        if self._is_careful:
            self._give_up(*group[0])
        self._is_careful = True
        return False

    def _give_up(self, index: int, item_id: str | None, record: OutgoingRecord) -> None:
        log.warning("record_refused_as_too_large", topic=record.topic, is_dead_letter=item_id is None)
        if item_id is not None:
            self._parcels[index].refuse(item_id)
        elif record.shorter is None:
            raise DeliveryError(f"a dead letter for {record.topic} is too large however it is cut")
        else:
            self._shorter[index] = record.shorter


async def _send_and_wait(producer: Any, records: Sequence[OutgoingRecord]) -> list[BaseException | None]:
    """Send records, and wait for all; returns an error or None for each."""
    sent: list[Awaitable[object]] = []
    refusal: KafkaError | None = None
    for record in records:
        try:
            sent.append(await producer.send(record.topic, record.value, key=record.key, headers=list(record.headers)))
        except KafkaError as error:
            # None behind it is sent: it would come before this one, which is sent again.
            refusal = error
            break
    results = await asyncio.gather(*sent, return_exceptions=True)
    errors = [result if isinstance(result, BaseException) else None for result in results]
    return errors + [refusal] * (len(records) - len(sent))
