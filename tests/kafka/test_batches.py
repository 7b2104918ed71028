from hypothesis import given
from hypothesis import strategies as st

from stream_app.kafka.batches import FlushReason, name_reason, split_by_items
from tests.broker.harness import build_event

COUNTS = st.lists(st.integers(0, 300))


def build(mentions: int) -> bytes | None:
    """Build a record that names so many ids: the history has one."""
    return build_event(0, items=mentions - 1) if mentions else None


def test_records_stay_together_up_to_the_limit() -> None:
    values = [build(mentions) for mentions in (40, 40, 20, 2, 0, 100, 98, 2)]
    assert list(split_by_items(values, 100)) == [slice(0, 3), slice(3, 5), slice(5, 6), slice(6, 8)]


def test_a_record_above_the_limit_stands_alone() -> None:
    values = [build(mentions) for mentions in (2, 300, 2)]
    assert list(split_by_items(values, 100)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


@given(COUNTS)
def test_every_record_is_in_one_batch_and_in_order(counts: list[int]) -> None:
    values = [b'"item_id"' * count for count in counts]
    batches = [counts[one] for one in split_by_items(values, 100)]
    assert [count for batch in batches for count in batch] == counts
    assert all(batch and (len(batch) == 1 or sum(batch) <= 100) for batch in batches)


def test_a_batch_that_ends_before_what_was_taken_ends_is_split_for_its_items() -> None:
    batches = list(split_by_items([build(1), build(2), build(3)], max_items=3))
    assert [name_reason(batch, taken=3, max_records=3) for batch in batches] == [FlushReason.ITEMS, FlushReason.FULL]


def test_the_last_batch_is_full_or_has_waited() -> None:
    assert name_reason(slice(0, 8), taken=8, max_records=8) is FlushReason.FULL
    assert name_reason(slice(0, 7), taken=7, max_records=8) is FlushReason.WAITED
