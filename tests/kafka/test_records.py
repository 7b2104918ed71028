from datetime import UTC, datetime
from urllib.parse import unquote

from aiokafka.record.default_records import DefaultRecordBatchBuilder
from hypothesis import given
from hypothesis import strategies as st

from stream_app.kafka.records import (
    IncomingRecord,
    OutgoingRecord,
    Timing,
    encode_key,
    estimate_size,
    render_source_headers,
)


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


@given(
    st.none() | st.binary(max_size=300),
    st.binary(max_size=300),
    st.lists(st.tuples(st.text(), st.none() | st.binary())),
)
def test_the_estimated_size_is_never_too_small_and_at_most_20_bytes_too_large(
    key: bytes | None, value: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 1_000_000)
    builder.append(0, 1_700_000_000_000, key, value, headers)
    size = len(builder.build())
    assert size <= estimate_size(OutgoingRecord("out", key, value, tuple(headers))) <= size + 20


def test_source_headers_name_the_record() -> None:
    assert render_source_headers(IncomingRecord("in", 3, 42, None, b"", ())) == (
        ("prism.source.topic", b"in"),
        ("prism.source.partition", b"3"),
        ("prism.source.offset", b"42"),
    )
