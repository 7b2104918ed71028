from datetime import UTC, datetime
from urllib.parse import unquote

from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.events import DeadLetter, ModelIdentity
from stream_app.kafka.dead_letters import TRUNCATED_BYTES, build_dead_letter_record
from stream_app.kafka.records import IncomingRecord, Timing, encode_key

MODEL = ModelIdentity(name="prism-small", version="1.2.3")
LETTER = DeadLetter(stage="schema", error="SchemaError", message="items: too few")


def test_a_key_is_percent_encoded_around_one_colon() -> None:
    assert encode_key("user:1/é", "item 2") == b"user%3A1%2F%C3%A9:item%202"


@given(st.text(), st.text())
def test_a_key_gives_both_ids_back(user_id: str, item_id: str) -> None:
    user, item = encode_key(user_id, item_id).decode().split(":")
    assert (unquote(user), unquote(item)) == (user_id, item_id)


def test_timing_is_rendered_in_utc_and_seconds() -> None:
    timing = Timing(datetime(2026, 3, 1, 12, 0, 0, 5000, tzinfo=UTC), 0.25)
    assert timing.render_headers() == (
        ("prism-generated-at", b"2026-03-01T12:00:00.005+00:00"),
        ("prism-inference-seconds", b"0.250000"),
    )


@given(st.none() | st.binary(), st.none() | st.binary(), st.lists(st.tuples(st.text(), st.none() | st.binary())))
def test_a_dead_letter_keeps_key_value_and_headers_byte_for_byte(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    record = IncomingRecord("in", 3, 42, key, value, tuple(headers))
    letter = build_dead_letter_record(record, LETTER, "dead", MODEL)
    assert (letter.topic, letter.key, letter.value) == ("dead", key, value)
    assert letter.headers[: len(headers)] == tuple(headers)
    assert letter.headers[len(headers) :] == (
        ("prism.dlq.stage", b"schema"),
        ("prism.dlq.error", b"SchemaError"),
        ("prism.dlq.message", b"items: too few"),
        ("prism.dlq.topic", b"in"),
        ("prism.dlq.partition", b"3"),
        ("prism.dlq.offset", b"42"),
        ("prism.dlq.model", b"prism-small/1.2.3"),
    )


def test_a_large_dead_letter_has_a_shorter_form_that_says_so() -> None:
    record = IncomingRecord("in", 0, 0, b"k", b"x" * (TRUNCATED_BYTES + 1), ())
    shorter = build_dead_letter_record(record, LETTER, "dead", MODEL).shorter
    assert shorter is not None
    assert shorter.value == b"x" * TRUNCATED_BYTES
    assert shorter.headers[-1] == ("prism.dlq.truncated-from-bytes", b"65537")


def test_a_message_with_a_lone_surrogate_still_becomes_a_header() -> None:
    letter = DeadLetter.model_construct(stage="schema", error="SchemaError", message="field \ud800")
    record = build_dead_letter_record(IncomingRecord("in", 0, 0, None, b"", ()), letter, "dead", MODEL)
    assert dict(record.headers)["prism.dlq.message"] == b"field ?"
