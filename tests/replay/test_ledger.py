import tracemalloc
from collections import Counter

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.replay.ledger import Ledger, LedgerError
from stream_app.replay.link import Arrival
from stream_app.replay.outcomes import HEADER_FAILED_ITEMS, Kind
from stream_app.replay.recording import Headers
from stream_app.replay.stamp import HEADER_EVENT, HEADER_RUN, UNREADABLE, RunIdError, build_event_id

RUN = "r"


def build_ledger(*events: tuple[str, ...]) -> Ledger:
    """Build a ledger of events that were due, and sent, one a second from the start at 100."""
    ledger = Ledger(RUN)
    ledger.begin(100.0)
    for number, item_ids in enumerate(events):
        ledger.note_sent(build_event_id(RUN, number), item_ids, 100.0 + number)
    return ledger


def render_headers(number: int, offset: int | None = None) -> Headers:
    return (
        (HEADER_RUN, RUN.encode()),
        (HEADER_EVENT, build_event_id(RUN, number).encode()),
        ("prism.source.topic", b"events"),
        ("prism.source.partition", b"0"),
        ("prism.source.offset", str(number if offset is None else offset).encode()),
    )


def explain(number: int, item_id: str, *, at: float = 110.0, source: str = "model", text: str = "words") -> Arrival:
    document = {"event_id": build_event_id(RUN, number), "item_id": item_id, "source": source, "text": text}
    return Arrival(False, 0, 0, None, orjson.dumps(document), render_headers(number), at)


def give_up(number: int, *item_ids: str, at: float = 110.0) -> Arrival:
    failed = ((HEADER_FAILED_ITEMS, orjson.dumps(item_ids)),) if item_ids else ()
    return Arrival(True, 0, 0, None, b"the record", render_headers(number) + failed, at)


def note(ledger: Ledger, *arrivals: Arrival) -> None:
    for arrival in arrivals:
        ledger.note_arrival(arrival)


def test_each_item_is_accounted_for() -> None:
    ledger = build_ledger(("a", "b"), ("a",), ("c",), UNREADABLE)
    note(ledger, explain(0, "a"), explain(1, "a", source="template"), give_up(3))
    counts = ledger.count()
    assert (counts.events, counts.items) == (4, 5)
    assert (counts.explained, counts.template, counts.dead_letter, counts.missing) == (1, 1, 1, 2)
    assert [(item.event_id, item.item_id) for item in ledger.list_missing()] == [("r-0", "b"), ("r-2", "c")]
    assert [item.kind for item in ledger.list_items()] == [Kind.MODEL, None, Kind.TEMPLATE, None, Kind.DEAD_LETTER]


def test_an_event_is_open_until_its_last_item_has_an_outcome() -> None:
    ledger = build_ledger(("a", "b"), ("c",))
    assert (ledger.open_events, ledger.open_items, ledger.is_settled) == (2, 3, False)
    note(ledger, explain(0, "b"))
    assert (ledger.open_events, ledger.open_items) == (2, 2)
    note(ledger, explain(0, "a"), give_up(1))
    assert (ledger.open_events, ledger.open_items, ledger.is_settled) == (0, 0, True)


def test_a_dead_letter_answers_for_all_items_or_for_those_it_names() -> None:
    ledger = build_ledger(("a", "b", "c"), ("a", "b"))
    note(ledger, explain(0, "b"), give_up(0, "a", "c"), give_up(1))
    counts = ledger.count()
    assert (counts.explained, counts.dead_letter, counts.missing, counts.unexpected) == (1, 4, 0, 0)
    assert counts.duplicates_identical + counts.duplicates_different == 0


def test_further_outcomes_are_told_apart_by_their_bytes_and_kind() -> None:
    ledger = build_ledger(("a",), ("a",), ("a",))
    note(ledger, explain(0, "a"), explain(0, "a"), explain(0, "a"))
    note(ledger, explain(1, "a"), explain(1, "a", text="other"), give_up(1))
    note(ledger, give_up(2), give_up(2))
    counts = ledger.count()
    assert (counts.duplicates_identical, counts.duplicates_different) == (3, 2)
    assert (counts.explained, counts.dead_letter, counts.missing) == (2, 1, 0)


def test_outcomes_that_nobody_asked_for_are_unexpected() -> None:
    ledger = build_ledger(("a",), UNREADABLE)
    note(ledger, explain(0, "z"), explain(7, "a"), give_up(0, "y", "a"), explain(1, "a"))
    counts = ledger.count()
    assert (counts.unexpected, counts.dead_letter, counts.missing) == (4, 1, 1)


def test_records_of_this_run_that_say_nothing_are_unexpected() -> None:
    ledger = build_ledger(("a",))
    note(ledger, Arrival(False, 0, 0, None, b"no JSON", render_headers(0), 101.0))
    assert (ledger.count().unexpected, ledger.count().missing) == (1, 1)


def test_records_of_other_runs_are_left_alone() -> None:
    ledger = build_ledger(("a",))
    note(ledger, Arrival(False, 0, 0, None, b"{}", ((HEADER_RUN, b"q"), (HEADER_EVENT, b"q-0")), 101.0))
    note(ledger, Arrival(False, 0, 0, None, b"{}", (), 101.0))
    assert (ledger.foreign, ledger.count().unexpected, ledger.count().missing) == (2, 0, 1)


def test_latency_runs_from_the_intended_time_to_the_first_outcome() -> None:
    ledger = Ledger(RUN)
    ledger.note_sent("r-0", ("a", "b"), 100.0, 107.0)
    note(ledger, explain(0, "a", at=110.0), explain(0, "a", at=150.0), explain(0, "b", at=120.0))
    measured = ledger.latency.to_percentiles()
    assert measured.count == 2
    assert (measured.p50, measured.maximum) == pytest.approx((10.0, 20.0), rel=0.001)


def test_seconds_tell_when_events_were_due_sent_and_answered() -> None:
    ledger = Ledger(RUN)
    ledger.begin(100.0)
    ledger.note_sent("r-0", ("a", "b"), 100.5, 101.5)
    note(ledger, explain(0, "a", at=102.5), give_up(0, "b", at=103.5))
    seconds = ledger.list_seconds()
    assert [(one.intended_events, one.sent_events, one.outcomes) for one in seconds] == [
        (1, 0, 0),
        (0, 1, 0),
        (0, 0, 1),
        (0, 0, 1),
    ]
    assert [one.backlog_events for one in seconds] == [0, 1, 1, 0]
    assert seconds[3].dead_letters == 1
    assert ledger.measure_latency(2, 2).count == 1


def test_items_out_of_the_order_that_was_asked_for_are_counted() -> None:
    ledger = build_ledger(("a", "b"), ("a",))
    note(ledger, explain(0, "b"), explain(0, "a"), explain(1, "a"))
    assert ledger.count().out_of_order == 1


def test_a_repetition_is_not_out_of_order() -> None:
    ledger = build_ledger(("a",), ("a",))
    note(ledger, explain(0, "a"), explain(1, "a"), explain(0, "a"), explain(1, "a"))
    assert (ledger.count().out_of_order, ledger.count().duplicates_identical) == (0, 2)


@pytest.mark.parametrize("event_id", ["r-1", "r-00", "q-0", "r"])
def test_events_are_noted_in_the_order_of_their_numbers(event_id: str) -> None:
    with pytest.raises(LedgerError, match="number 0"):
        Ledger(RUN).note_sent(event_id, ("a",), 0.0)


def test_the_run_needs_a_usable_id() -> None:
    with pytest.raises(RunIdError):
        Ledger("no/path")


def measure_bytes_per_item(*, is_settled: bool, events: int = 5_000) -> float:
    tracemalloc.start()
    try:
        ledger = build_ledger()
        empty = tracemalloc.get_traced_memory()[0]
        for number in range(events):
            ledger.note_sent(build_event_id(RUN, number), (f"item-{number}",), 100.0)
            if is_settled:
                ledger.note_arrival(explain(number, f"item-{number}"))
        return (tracemalloc.get_traced_memory()[0] - empty) / events
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("is_settled", [False, True])
def test_an_item_takes_less_than_300_bytes_open_and_settled(is_settled: bool) -> None:
    assert 40 < measure_bytes_per_item(is_settled=is_settled) < 300


ITEMS = ("a", "b", "c")
ARRIVALS = st.lists(
    st.builds(explain, st.integers(0, 4), st.sampled_from([*ITEMS, "z"]), source=st.sampled_from(["model", "template"]))
    | st.builds(give_up, st.integers(0, 4))
    | st.builds(give_up, st.integers(0, 4), st.sampled_from([*ITEMS, "z"])),
    max_size=40,
)


@settings(deadline=None)
@given(ARRIVALS)
def test_every_outcome_is_counted_exactly_once(arrivals: list[Arrival]) -> None:
    ledger = build_ledger(*[ITEMS] * 4)
    note(ledger, *arrivals)
    counts, first = ledger.count(), Counter(item.kind for item in ledger.list_items())
    assert (counts.explained, counts.template, counts.dead_letter, counts.missing) == tuple(
        first[kind] for kind in (Kind.MODEL, Kind.TEMPLATE, Kind.DEAD_LETTER, None)
    )
    assert counts.explained + counts.template + counts.dead_letter + counts.missing == counts.items == 12
    settled = counts.items - counts.missing
    outcomes = settled + counts.duplicates_identical + counts.duplicates_different + counts.unexpected
    assert outcomes == sum(count_items(arrival) for arrival in arrivals)
    assert ledger.open_items == counts.missing
    assert sum(second.outcomes for second in ledger.list_seconds()) == settled == ledger.latency.count


def count_items(arrival: Arrival) -> int:
    headers = dict(arrival.headers)
    is_whole_letter = arrival.is_dead_letter and HEADER_FAILED_ITEMS not in headers
    return len(ITEMS) if is_whole_letter and headers[HEADER_EVENT] != b"r-4" else 1
