"""The load is what its plan says, and known from its seed."""

import pytest

from stream_app.core.errors import RecordError
from stream_app.core.events import decode_event
from tests.chaos.load import CURSED_TITLE, LoadPlan, Sent

PLAN = LoadPlan(100.0, seed=3, poison_share=0.3, cursed_share=0.1, padded_share=0.05, padding_bytes=9)


def build_many(plan: LoadPlan) -> list[Sent]:
    return [plan.build(number) for number in range(2_000)]


def test_the_same_seed_gives_the_same_records_and_another_seed_others() -> None:
    assert build_many(PLAN) == build_many(PLAN.reseed(3))
    assert build_many(PLAN) != build_many(PLAN.reseed(4))


def test_records_without_items_are_poison_and_all_others_have_the_items_that_they_name() -> None:
    for sent in build_many(PLAN):
        if sent.items:
            assert tuple(item.item_id for item in decode_event(sent.value).items) == sent.items
        else:
            with pytest.raises(RecordError):
                decode_event(sent.value)


def test_shares_are_those_of_the_plan() -> None:
    many = build_many(PLAN)
    counts = (
        sum(not sent.items for sent in many),
        sum(CURSED_TITLE.encode() in (sent.value or b"") for sent in many),
        sum(sent.padding_bytes == 9 for sent in many),
    )
    assert counts == pytest.approx((600, 200, 100), rel=0.2)
