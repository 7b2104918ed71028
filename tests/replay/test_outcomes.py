from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.events import DeadLetter
from stream_app.kafka.dead_letters import HEADERS_DROPPED, build_dead_letter_record
from stream_app.kafka.records import IncomingRecord, OutgoingRecord, build_explanation_record
from stream_app.replay.link import Arrival
from stream_app.replay.outcomes import Kind, Outcome, Source, Unclear, read_outcome
from stream_app.replay.recording import Headers, RecordedRecord
from stream_app.replay.stamp import HEADER_EVENT, HEADER_RUN, stamp
from tests.factories import build_event, build_record
from tests.replay.simulated import MODEL, TIMING, build_explanation

LETTER = DeadLetter(stage="decode", error="DecodeError", message="no JSON")


def send(value: bytes | None, headers: Headers = (), run_id: str = "r", number: int = 4) -> IncomingRecord:
    outgoing = stamp(RecordedRecord(2, 0, 0, b"user-1", value, headers), run_id, number)
    return IncomingRecord("events", 2, 77, outgoing.key, outgoing.value, outgoing.headers)


def explain(incoming: IncomingRecord, event_id: str = "r-4", source: str = "model") -> Arrival:
    explanation = build_explanation(build_event(event_id=event_id), 0, source)
    return arrive(build_explanation_record(incoming, explanation, "explanations", TIMING))


def give_up(incoming: IncomingRecord, failed: tuple[str, ...] = (), limit_bytes: int | None = None) -> Arrival:
    letter = build_dead_letter_record(
        incoming, LETTER, "dead-letters", MODEL, failed_item_ids=failed, limit_bytes=limit_bytes
    )
    return arrive(letter, is_dead_letter=True)


def arrive(record: OutgoingRecord, *, is_dead_letter: bool = False) -> Arrival:
    return Arrival(is_dead_letter, 1, 5, record.key, record.value, record.headers, 0.0)


def read(arrival: Arrival) -> Outcome:
    outcome = read_outcome(arrival, "r")
    assert isinstance(outcome, Outcome)
    return outcome


@pytest.mark.parametrize(("source", "kind"), [("model", Kind.MODEL), ("template", Kind.TEMPLATE)])
def test_an_explanation_names_event_item_source_and_kind(source: str, kind: Kind) -> None:
    outcome = read(explain(send(build_record()), source=source))
    assert (outcome.number, outcome.kind, outcome.item_ids) == (4, kind, ("item-Harbour Lights",))
    assert outcome.source == Source(2, 77)


@pytest.mark.parametrize("value", [None, b"", b"poison", b"[]", b'{"event_id": 3}', build_record()])
def test_a_dead_letter_answers_for_all_items_whatever_its_value_is(value: bytes | None) -> None:
    outcome = read(give_up(send(value)))
    assert (outcome.number, outcome.kind, outcome.item_ids) == (4, Kind.DEAD_LETTER, None)
    assert outcome.source == Source(2, 77)


def test_a_dead_letter_for_some_items_names_them() -> None:
    assert read(give_up(send(build_record()), ("b", "ä"))).item_ids == ("b", "ä")


def test_what_an_earlier_dead_letter_said_of_a_record_that_was_sent_again_does_not_count() -> None:
    earlier = give_up(send(build_record(), run_id="old"), ("b",)).headers
    outcome = read(give_up(send(build_record(), headers=earlier)))
    assert (outcome.item_ids, outcome.source) == (None, Source(2, 77))


def test_outcomes_of_other_runs_and_of_live_traffic_are_not_ours() -> None:
    live = IncomingRecord("events", 2, 77, None, build_record(event_id="live-1"), ())
    for arrival in (
        explain(send(build_record(), run_id="q"), "q-4"),
        give_up(send(build_record(), run_id="r-4")),
        explain(live, "live-1"),
        give_up(live),
    ):
        assert read_outcome(arrival, "r") is None


def test_a_dead_letter_that_lost_the_headers_is_known_by_the_id_in_its_value_cut_or_not() -> None:
    headers = (("large", b"x" * 3000),)
    for value, limit_bytes in ((build_record(), 2500), (build_record(summary="y" * 9000), 1500)):
        arrival = give_up(send(value, headers), limit_bytes=limit_bytes)
        assert f"prism.dlq.{HEADERS_DROPPED}" in dict(arrival.headers)
        assert HEADER_RUN not in dict(arrival.headers)
        assert read(arrival).number == 4


def test_the_digest_tells_repetitions_from_other_words() -> None:
    first, again = explain(send(build_record())), explain(send(build_record()))
    other = replace(again, value=(again.value or b"").replace(b"You may", b"You will"))
    assert read(first).digest == read(again).digest != read(other).digest


@pytest.mark.parametrize(
    "changes",
    [{"item_id": 5}, {"item_id": None}, {"source": "oracle"}, {"event_id": "r-5"}, {"event_id": None}],
)
def test_a_text_that_does_not_say_what_it_explains_is_unclear(changes: dict[str, object]) -> None:
    arrival = explain(send(build_record()))
    value = orjson.dumps(orjson.loads(arrival.value or b"") | changes)
    assert read_outcome(replace(arrival, value=value), "r") == Unclear()


@pytest.mark.parametrize(("name", "text"), [(HEADER_EVENT, b"q-4"), (HEADER_EVENT, b"r-x"), (HEADER_EVENT, None)])
def test_a_record_of_this_run_without_one_of_its_events_is_unclear(name: str, text: bytes | None) -> None:
    arrival = explain(send(build_record()))
    assert read_outcome(replace(arrival, headers=(*arrival.headers, (name, text))), "r") == Unclear()


@pytest.mark.parametrize("failed", [b"", b"x", b"{}", b"[]"])
def test_a_dead_letter_whose_items_cannot_be_read_is_unclear(failed: bytes) -> None:
    arrival = give_up(send(build_record()), ("b",))
    headers = (*arrival.headers, ("prism.dlq.failed-item-ids", failed))
    assert read_outcome(replace(arrival, headers=headers), "r") == Unclear()


@pytest.mark.parametrize("text", [None, b"", b"-1", b"x", b"9" * 30])
def test_without_a_source_there_is_no_order_to_check(text: bytes | None) -> None:
    arrival = explain(send(build_record()))
    assert read(replace(arrival, headers=(*arrival.headers, ("prism.source.offset", text)))).source is None


NAMES = st.sampled_from(
    [HEADER_RUN, HEADER_EVENT, "prism.source.topic", "prism.source.offset", "prism.dlq.failed-item-ids"]
)


@given(
    is_dead_letter=st.booleans(),
    value=st.none() | st.binary(max_size=60),
    headers=st.lists(st.tuples(NAMES, st.none() | st.binary(max_size=9) | st.sampled_from([b"r", b"r-1"]))),
)
def test_any_record_can_be_read(
    is_dead_letter: bool, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    outcome = read_outcome(Arrival(is_dead_letter, 0, 0, None, value, tuple(headers), 0.0), "r")
    assert outcome is None or isinstance(outcome, Outcome | Unclear)
