import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.events import MAX_RECORD_BYTES, decode_event
from stream_app.replay.recording import Headers, RecordedRecord
from stream_app.replay.stamp import (
    HEADER_EVENT,
    HEADER_RUN,
    UNREADABLE,
    RunIdError,
    Stamper,
    build_event_id,
    ensure_run_id,
    parse_number,
    stamp,
)
from tests.factories import build_item, build_record

OURS = ((HEADER_RUN, b"r"), (HEADER_EVENT, b"r-7"))


def record(value: bytes | None, headers: Headers = (), offset: int = 0) -> RecordedRecord:
    return RecordedRecord(3, offset, 0, b"user-1", value, headers)


def stamp_value(value: bytes | None) -> bytes | None:
    return stamp(record(value), "r", 7).value


def test_only_the_event_id_changes_and_every_other_byte_stays() -> None:
    value = b'{ "event_id" :\t"ev\\"1", "score": 1.0, "big": 123456789012345678901234567890, "n": {"event_id": "x"} }'
    assert stamp_value(value) == value.replace(b'"ev\\"1"', b'"r-7"')


def test_key_partition_and_headers_are_kept_and_ours_come_last() -> None:
    headers = (("trace", b"1"), ("trace", None), ("prism.source.topic", b"old"))
    stamped = stamp(record(b"{}", headers), "r", 7)
    assert (stamped.key, stamped.partition, stamped.headers) == (b"user-1", 3, headers + OURS)


def test_headers_of_an_earlier_replay_give_way() -> None:
    stamped = stamp(record(None, ((HEADER_RUN, b"old"), ("trace", b"1"), (HEADER_EVENT, b"old-1"))), "r", 7)
    assert stamped.headers == (("trace", b"1"), *OURS)


@pytest.mark.parametrize(
    "value",
    [
        b'{"user": {"event_id": "deeper"}, "event_id": "event-1"}',
        b'{"event_id": "first", "event_id": "second"}',
        b'{"event\\u005fid": "event-1", "a": "event_id"}',
    ],
)
def test_an_id_that_stands_in_an_odd_place_is_replaced_all_the_same(value: bytes) -> None:
    stamped = stamp_value(value)
    assert stamped is not None
    assert orjson.loads(stamped) == orjson.loads(value) | {"event_id": "r-7"}


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"not JSON",
        b"[1]",
        b"{}",
        b'"event_id"',
        b'{"event_id": 5}',
        b'{"event_id": ""}',
        b'{"event_id": " "}',
    ],
)
def test_what_cannot_be_explained_stays_so_for_the_same_reason(value: bytes | None) -> None:
    assert stamp_value(value) == value


def test_a_value_nested_too_deep_to_be_written_again_stays() -> None:
    value = b'{"a": ' + b"[" * 500 + b"]" * 500 + b', "event_id": "1", "event_id": "2"}'
    assert stamp_value(value) == value


@given(st.binary(max_size=200) | st.dictionaries(st.text(max_size=9), st.text(max_size=9)).map(orjson.dumps))
def test_any_value_can_be_stamped(value: bytes) -> None:
    assert stamp(record(value), "r", 7).headers == OURS


@settings(deadline=None)
@given(event_id=st.text(min_size=1, max_size=20).filter(str.isalnum), text=st.text(max_size=50))
def test_a_stamped_event_is_the_recorded_one_with_another_id(event_id: str, text: str) -> None:
    value = build_record(event_id=event_id, preferences=[text])
    stamped = decode_event(stamp_value(value))
    assert stamped == decode_event(value).model_copy(update={"event_id": "r-7"})


def test_the_stamper_names_the_items_to_expect_in_their_order() -> None:
    items = [build_item(item_id=name, rank=rank) for name, rank in (("a", 3), ("b", 1), ("c", 2))]
    stamped = Stamper().stamp(record(build_record(items=items, explain_top_k=2)), "r", 7)
    assert (stamped.event_id, stamped.item_ids) == ("r-7", ("b", "c"))


def test_a_record_that_is_no_event_counts_as_one_item_without_a_name() -> None:
    assert Stamper().stamp(record(b'{"event_id": "1"}'), "r", 7).item_ids == UNREADABLE


def test_a_record_that_the_new_id_makes_too_long_is_expected_to_fail() -> None:
    value = build_record(event_id="1", padding="")
    longest = value.replace(b'"padding":""', b'"padding":"' + b"x" * (MAX_RECORD_BYTES - len(value)) + b'"')
    assert len(longest) == MAX_RECORD_BYTES
    stamper = Stamper()
    assert stamper.stamp(record(longest), "r", 7).item_ids == UNREADABLE
    assert stamper.stamp(record(longest[:-300] + longest[-299:], offset=1), "r", 7).item_ids == UNREADABLE
    assert stamper.stamp(record(longest.replace(b"xxx", b"x", 1), offset=2), "r", 7).item_ids == (
        "item-Harbour Lights",
    )


def test_a_stamper_stamps_as_the_function_does_however_much_it_remembers() -> None:
    values = [build_record(event_id=f"e{offset}") for offset in range(4)] + [b"no", b'{"event_id":"1","event_id":"2"}']
    records = [record(value, offset=offset) for offset, value in enumerate(values)] * 2
    expected = [stamp(one, "r", number) for number, one in enumerate(records)]
    for remembered in (0, 3, 100):
        stamper = Stamper(remembered)
        assert [stamper.stamp(one, "r", number).outgoing for number, one in enumerate(records)] == expected


def test_a_stamper_learns_until_it_is_full() -> None:
    records = [record(build_record(), offset=offset) for offset in range(10)]
    assert Stamper(4).learn(records) == 4
    assert Stamper(40).learn(records) == 10


@pytest.mark.parametrize("run_id", ["", "-a", "a b", "a/b", "ä", "x" * 65, "a\n"])
def test_odd_run_ids_are_refused(run_id: str) -> None:
    with pytest.raises(RunIdError):
        ensure_run_id(run_id)


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", fullmatch=True), st.integers(0, 10**12))
def test_event_ids_lead_back_to_their_numbers(run_id: str, number: int) -> None:
    assert parse_number(build_event_id(ensure_run_id(run_id), number), run_id) == number


@pytest.mark.parametrize("event_id", ["", "r", "r-", "r-x", "r--1", "r-1-1", "q-1", "r-²", "r-" + "9" * 40])
def test_ids_of_others_lead_nowhere(event_id: str) -> None:
    assert parse_number(event_id, "r") is None
