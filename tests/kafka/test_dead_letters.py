from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from stream_app import __version__
from stream_app.core.events import DeadLetter, ModelIdentity
from stream_app.kafka.dead_letter_families import HeaderFamily
from stream_app.kafka.dead_letters import TRUNCATED_BYTES, build_dead_letter_record
from stream_app.kafka.records import Headers, IncomingRecord, OutgoingRecord, estimate_size

MODEL = ModelIdentity(name="prism-small", version="1.2.3")
LETTER = DeadLetter(stage="schema", error="SchemaError", message="items: too few")
RECORD = IncomingRecord("in", 3, 42, b"user", b"value", (("trace", b"\x00\xff"), ("trace", None)), 1_700_000_000.123)
SOURCE = (("prism.source.topic", b"in"), ("prism.source.partition", b"3"), ("prism.source.offset", b"42"))
MINIMUM = (
    ("prism.dlq.topic", b"in"),
    ("prism.dlq.partition", b"3"),
    ("prism.dlq.offset", b"42"),
    ("prism.dlq.timestamp", b"1700000000123"),
    ("prism.dlq.stage", b"schema"),
    ("prism.dlq.error", b"SchemaError"),
    ("prism.dlq.message", b"items: too few"),
    ("prism.dlq.attempts", b"1"),
    ("prism.dlq.application-version", __version__.encode()),
    ("prism.dlq.model", b"prism-small/1.2.3"),
)
HEADERS = st.lists(st.tuples(st.text(), st.none() | st.binary())).map(tuple)


def build(record: IncomingRecord, family: HeaderFamily = "prism", limit_bytes: int | None = None) -> OutgoingRecord:
    return build_dead_letter_record(record, LETTER, "dead", MODEL, family=family, limit_bytes=limit_bytes)


@given(st.none() | st.binary(), st.binary(), HEADERS)
def test_a_dead_letter_keeps_key_value_and_headers_byte_for_byte(
    key: bytes | None, value: bytes, headers: Headers
) -> None:
    letter = build(replace(RECORD, key=key, value=value, headers=headers))
    assert (letter.topic, letter.key, letter.value) == ("dead", key, value)
    assert letter.headers == (*headers, *SOURCE, *MINIMUM)


def test_a_record_with_a_key_keeps_its_null_value() -> None:
    assert build(replace(RECORD, value=None)).value is None


def test_a_record_without_key_and_value_gets_an_empty_value_that_says_so() -> None:
    letter = build(replace(RECORD, key=None, value=None))
    assert (letter.key, letter.value) == (None, b"")
    assert letter.headers[-1] == ("prism.dlq.null-value", b"true")


def test_what_varies_is_told_in_headers_and_changes_neither_key_nor_value() -> None:
    moment = datetime(2026, 3, 1, 14, 0, tzinfo=timezone(timedelta(hours=2)))
    letter = build_dead_letter_record(
        RECORD,
        LETTER.model_copy(update={"attempts": 7}),
        "dead",
        MODEL,
        first_failure=moment,
        failed_item_ids=("item:1", "é"),
        application="prism",
    )
    headers = dict(letter.headers)
    assert headers["prism.dlq.attempts"] == b"7"
    assert headers["prism.dlq.first-failure"] == b"2026-03-01T12:00:00.000+00:00"
    assert headers["prism.dlq.failed-item-ids"] == '["item:1","é"]'.encode()
    assert headers["prism.dlq.application"] == b"prism"
    assert (letter.key, letter.value) == (RECORD.key, RECORD.value)


def test_spring_reads_numbers_in_binary() -> None:
    added = dict(build(RECORD, "spring").headers[len(RECORD.headers) + len(SOURCE) + len(MINIMUM) :])
    assert added == {
        "kafka_dlt-original-topic": b"in",
        "kafka_dlt-original-partition": bytes.fromhex("00000003"),
        "kafka_dlt-original-offset": bytes.fromhex("000000000000002a"),
        "kafka_dlt-original-timestamp": (1_700_000_000_123).to_bytes(8, "big"),
        "kafka_dlt-original-timestamp-type": b"CreateTime",
        "kafka_dlt-original-consumer-group": b"",
        "kafka_dlt-exception-fqcn": b"SchemaError",
        "kafka_dlt-exception-message": b"items: too few",
    }


@pytest.mark.parametrize(
    ("seconds", "is_append_time", "number", "kind"),
    [
        (None, False, b"\xff" * 8, b"NoTimestampType"),
        (-0.001, True, b"\xff" * 8, b"NoTimestampType"),
        (1.5, True, (1_500).to_bytes(8, "big"), b"LogAppendTime"),
        (9.3e15, False, b"\x7f" + b"\xff" * 7, b"CreateTime"),  # More than 64 bits of milliseconds.
    ],
)
def test_any_timestamp_can_be_told(seconds: float | None, is_append_time: bool, number: bytes, kind: bytes) -> None:
    record = replace(RECORD, timestamp_seconds=seconds, is_append_time=is_append_time)
    headers = dict(build(record, "spring").headers)
    assert headers["kafka_dlt-original-timestamp"] == number
    assert headers["kafka_dlt-original-timestamp-type"] == kind
    assert int(headers["prism.dlq.timestamp"] or b"") == int.from_bytes(number, "big", signed=True)


def test_connect_and_streams_read_text() -> None:
    connect = dict(build(RECORD, "connect").headers)
    assert connect["__connect.errors.topic"] == b"in"
    assert connect["__connect.errors.partition"] == b"3"
    assert connect["__connect.errors.offset"] == b"42"
    assert connect["__connect.errors.stage"] == b"VALUE_CONVERTER"
    assert connect["__connect.errors.exception.class.name"] == b"SchemaError"
    assert connect["__connect.errors.exception.message"] == b"items: too few"
    streams = dict(build(RECORD, "streams").headers)
    assert streams["__streams.errors.exception"] == b"SchemaError: items: too few"
    assert streams["__streams.errors.message"] == b"items: too few"
    assert streams["__streams.errors.offset"] == b"42"


@pytest.mark.parametrize("family", ["prism", "spring", "connect", "streams"])
def test_every_family_stands_behind_prisms_own_headers_and_holds_no_stack_trace(family: HeaderFamily) -> None:
    letter = build(RECORD, family)
    assert letter.headers[: len(RECORD.headers) + len(SOURCE) + len(MINIMUM)] == (*RECORD.headers, *SOURCE, *MINIMUM)
    assert not any("stacktrace" in name for name, _ in letter.headers)


def test_a_value_that_is_too_large_is_cut_to_the_limit_and_not_further() -> None:
    record = replace(RECORD, value=bytes(range(256)) * 100)
    letter = build(record, limit_bytes=5_000)
    assert estimate_size(letter) in (4_999, 5_000)
    assert letter.value == (record.value or b"")[: len(letter.value or b"")]
    assert letter.key == record.key
    assert letter.headers[: len(RECORD.headers)] == RECORD.headers
    assert letter.headers[-1] == ("prism.dlq.truncated-from-bytes", b"25600")


def test_headers_that_are_too_large_are_dropped_and_the_value_stays() -> None:
    headers = tuple((f"h{number}", b"x" * 1_000) for number in range(10))
    letter = build(replace(RECORD, headers=headers), limit_bytes=5_000)
    assert letter.value == RECORD.value
    assert letter.headers == (*SOURCE, *MINIMUM, ("prism.dlq.headers-dropped", b"10"))


def test_a_key_that_is_too_large_is_cut_when_nothing_else_helps() -> None:
    letter = build(replace(RECORD, key=b"k" * 10_000), limit_bytes=5_000)
    notes = dict(letter.headers[-3:])
    assert set(notes) == {
        "prism.dlq.headers-dropped",
        "prism.dlq.truncated-from-bytes",
        "prism.dlq.key-truncated-from-bytes",
    }
    assert letter.value == b""
    assert set(letter.key or b"") == {ord("k")}
    assert estimate_size(letter) in (4_999, 5_000)


@given(
    st.none() | st.binary(max_size=3_000),
    st.none() | st.binary(max_size=3_000),
    st.lists(st.tuples(st.text(), st.none() | st.binary(max_size=2_000)), max_size=3).map(tuple),
    st.sampled_from(["prism", "spring", "connect", "streams"]),
    st.integers(1_500, 4_000),
)
@example(None, None, (), "prism", 1_500)
def test_every_letter_fits_whatever_the_record_is(
    key: bytes | None, value: bytes | None, headers: Headers, family: HeaderFamily, limit: int
) -> None:
    letter = build(replace(RECORD, key=key, value=value, headers=headers), family, limit)
    assert estimate_size(letter) <= limit
    assert (letter.key, letter.value) != (None, None)
    assert letter == build(replace(RECORD, key=key, value=value, headers=headers), family, limit)


def test_a_large_letter_has_a_shorter_form_for_a_limit_that_was_not_known() -> None:
    record = replace(RECORD, value=b"x" * (TRUNCATED_BYTES + 1))
    letter = build(record)
    assert letter.value == record.value
    assert letter.shorter is not None
    assert TRUNCATED_BYTES - 1 <= estimate_size(letter.shorter) <= TRUNCATED_BYTES
    assert letter.shorter.headers[-1] == ("prism.dlq.truncated-from-bytes", b"65537")
    assert build(RECORD).shorter is None


def test_a_message_is_cut_between_characters_and_may_hold_a_lone_surrogate() -> None:
    letter = DeadLetter.model_construct(stage="schema", error="SchemaError", message="\ud800" + "é" * 2_000)
    message = dict(build_dead_letter_record(RECORD, letter, "dead", MODEL).headers)["prism.dlq.message"] or b""
    assert message.decode() == "?" + "é" * 999


def test_the_time_of_the_first_failure_is_told_in_utc() -> None:
    letter = build_dead_letter_record(RECORD, LETTER, "dead", MODEL, first_failure=datetime(2026, 3, 1, tzinfo=UTC))
    assert dict(letter.headers)["prism.dlq.first-failure"] == b"2026-03-01T00:00:00.000+00:00"
