from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay.link import Arrival
from stream_app.replay.ordering import OutcomeOrder
from stream_app.replay.outcomes import Source


def arrive(partition: int = 0, *, is_dead_letter: bool = False) -> Arrival:
    return Arrival(is_dead_letter, partition, 0, None, None, (), 0.0)


def count_early(*places: tuple[int, int]) -> int:
    """Count what is out of order where items, as (offset, index), come in this order."""
    order = OutcomeOrder()
    for offset, index in places:
        order.note(arrive(), Source(0, offset), index)
    return order.out_of_order


def test_the_order_of_the_input_is_in_order_with_gaps_too() -> None:
    assert count_early((0, 0), (0, 1), (0, 5), (3, 0), (9, 2)) == 0


def test_an_outcome_that_comes_before_that_of_an_earlier_record_is_counted() -> None:
    assert count_early((1, 0), (0, 0), (2, 0)) == 1


def test_one_that_is_early_is_counted_once_however_much_it_overtook() -> None:
    assert count_early((5, 0), (1, 0), (2, 0), (3, 0), (4, 0), (6, 0)) == 1


def test_all_that_overtook_one_are_counted() -> None:
    assert count_early((1, 0), (2, 0), (3, 0), (0, 0)) == 3


def test_items_of_one_event_have_an_order_too() -> None:
    assert count_early((4, 1), (4, 0), (4, 2)) == 1


def test_partitions_and_topics_have_orders_of_their_own() -> None:
    order = OutcomeOrder()
    order.note(arrive(), Source(0, 9), 0)
    order.note(arrive(1), Source(0, 8), 0)
    order.note(arrive(), Source(1, 7), 0)
    order.note(arrive(is_dead_letter=True), Source(0, 6), 0)
    assert order.out_of_order == 0


@given(st.permutations(range(12)))
def test_it_counts_exactly_those_that_something_earlier_follows(offsets: list[int]) -> None:
    followed = sum(any(later < offset for later in offsets[place:]) for place, offset in enumerate(offsets))
    assert count_early(*((offset, 0) for offset in offsets)) == followed
