"""What was taken in one go, in batches that a worker explains within its limit of time."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

MAX_BATCH_ITEMS: Final = 200
"""What one record may have. A thread that writes ten explanations a second needs 20 seconds for as many: a rebalance
waits for a batch, and so does the end of the process, which has `PRISM_DRAIN_SECONDS`."""
ITEM_MARK: Final = b'"item_id"'
"""Stands once for each item, and for what of the history has an id: counting it needs no decoding."""


class FlushReason(StrEnum):
    """Why a batch is not larger."""

    FULL = "full"
    """It has as many records as a batch may have."""
    ITEMS = "items"
    """The next record's items were too many for it."""
    WAITED = "waited"
    """There were no more records when the wait was over."""


def split_by_items(values: Sequence[bytes | None], max_items: int = MAX_BATCH_ITEMS) -> Iterator[slice]:
    """Split records (the values of Kafka messages) into batches of about `max_items` items at most, in order.

    A record with more items is a batch of its own. The count is an estimate, never too low for a usual encoder of JSON;
    a batch that is too large or too small is explained all the same.
    """
    start, items = 0, 0
    for index, value in enumerate(values):
        count = (value or b"").count(ITEM_MARK)
        if index > start and items + count > max_items:
            yield slice(start, index)
            start, items = index, 0
        items += count
    if values:
        yield slice(start, len(values))


def name_reason(batch: slice, taken: int, max_records: int) -> FlushReason:
    """Name why one batch of what was taken ends where it does."""
    if batch.stop < taken:
        return FlushReason.ITEMS
    return FlushReason.FULL if taken >= max_records else FlushReason.WAITED
