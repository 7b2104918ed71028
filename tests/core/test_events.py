"""The table of bad input, row by row, and what is accepted although it looks odd."""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.errors import DecodeError, RecordError, SchemaError
from stream_app.core.events import (
    MAX_ATTRIBUTE_VALUES,
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_HISTORY,
    MAX_ID_CHARACTERS,
    MAX_ITEMS,
    MAX_PREFERENCES,
    MAX_RECORD_BYTES,
    MAX_TEXT_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    MAX_VALUE_CHARACTERS,
    ModelIdentity,
    RankingEvent,
    RatingScale,
    compute_explanation_id,
    decode_event,
    encode_contract,
)
from tests.factories import build_document, build_event, build_history_item, build_item, build_record
from tests.strategies import any_event

SECRET = "Confidential-Contents"
"""Stands in the rejected records; no message may repeat it."""


def nest(depth: int) -> Any:
    """Build lists within lists."""
    node: Any = []
    for _ in range(depth):
        node = [node]
    return node


UNDECODABLE = {
    "no_value": None,
    "empty": b"",
    "not_json": b"not json " + SECRET.encode(),
    "cut_off": build_record()[:-5],
    "two_documents": build_record() + build_record(),
    "invalid_utf8": build_record().replace(b"Harbour", b"Harb\xffour"),
    "lone_surrogate": build_record().replace(b"Harbour", b"Harb\\ud800our"),
    "lone_surrogate_as_bytes": build_record().replace(b"Harbour", b"Harb\xed\xa0\x80our"),
    "not_a_number": build_record().replace(b'"rank":1', b'"rank":NaN'),
    "byte_order_mark": b"\xef\xbb\xbf" + build_record(),
    "ten_megabytes": b'"' + b"x" * 10_000_000 + b'"',
    "one_byte_too_many": build_record() + b" " * (MAX_RECORD_BYTES + 1 - len(build_record())),
    "too_deep": orjson.dumps(build_document(extra=nest(MAX_DEPTH))),
    "deep_enough_to_break_parsers": b"[" * 100_000 + b"]" * 100_000,
}


@pytest.mark.parametrize("case", UNDECODABLE)
def test_bytes_that_are_not_acceptable_json_are_a_decode_error(case: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_event(UNDECODABLE[case])
    assert caught.value.stage == "decode"
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 200


def without(*path: str) -> bytes:
    """Build a record that lacks one field."""
    document = build_document()
    node: Any = document
    for step in path[:-1]:
        node = node[int(step)] if isinstance(node, list) else node[step]
    del node[path[-1]]
    return orjson.dumps(document)


def with_item(**fields: Any) -> bytes:
    """Build a record whose only item has these fields."""
    return build_record(items=[build_item(**fields)])


def with_history(**fields: Any) -> bytes:
    """Build a record whose only entry of the history has these fields."""
    return build_record(history=[build_history_item(**fields)])


MANY = [build_item(item_id=f"i{index}") for index in range(10_000)]
INVALID: dict[str, tuple[bytes, str]] = {
    "a_list": (b"[]", "event"),
    "a_string": (orjson.dumps(SECRET), "event"),
    "null": (b"null", "event"),
    "an_empty_object": (b"{}", "event_id"),
    "no_event_id": (without("event_id"), "event_id"),
    "no_time": (without("occurred_at"), "occurred_at"),
    "no_user": (without("user"), "user"),
    "no_user_id": (without("user", "user_id"), "user.user_id"),
    "no_items": (without("items"), "items"),
    "no_item_id": (without("items", "0", "item_id"), "items.0.item_id"),
    "no_title": (without("items", "0", "title"), "items.0.title"),
    "no_rank": (without("items", "0", "rank"), "items.0.rank"),
    "empty_items": (build_record(items=[]), "items"),
    "too_many_items": (build_record(items=MANY[: MAX_ITEMS + 1]), "items"),
    "ten_thousand_items": (build_record(items=[{"item_id": str(i)} for i in range(10_000)]), "items"),
    "duplicate_item_ids": (build_record(items=[build_item(item_id=SECRET), build_item(item_id=SECRET)]), "item_id"),
    "items_not_a_list": (build_record(items={"a": SECRET}), "items"),
    "number_as_event_id": (build_record(event_id=7), "event_id"),
    "empty_event_id": (build_record(event_id=""), "event_id"),
    "invisible_event_id": (build_record(event_id="\u200b\u2060"), "event_id"),
    "long_event_id": (build_record(event_id="e" * (MAX_ID_CHARACTERS + 1)), "event_id"),
    "long_user_id": (build_record(user={"user_id": "u" * (MAX_ID_CHARACTERS + 1)}), "user.user_id"),
    "long_item_id": (with_item(item_id="i" * (MAX_ID_CHARACTERS + 1)), "items.0.item_id"),
    "text_as_rank": (with_item(rank="1"), "items.0.rank"),
    "fraction_as_rank": (with_item(rank=1.5), "items.0.rank"),
    "truth_as_rank": (with_item(rank=True), "items.0.rank"),
    "rank_zero": (with_item(rank=0), "items.0.rank"),
    "rank_too_large": (with_item(rank=1_000_001), "items.0.rank"),
    "text_as_score": (with_item(score=SECRET), "items.0.score"),
    "number_as_title": (with_item(title=12, item_id="a"), "items.0.title"),
    "empty_title": (with_item(title="", item_id="a"), "items.0.title"),
    "blank_title": (with_item(title=" \t\u200b", item_id="a"), "items.0.title"),
    "long_title": (with_item(title="t" * (MAX_TITLE_CHARACTERS + 1), item_id="a"), "items.0.title"),
    "long_summary": (with_item(summary="s" * (MAX_TEXT_CHARACTERS + 1)), "items.0.summary"),
    "attributes_as_list": (with_item(attributes=[SECRET]), "items.0.attributes"),
    "number_as_attribute": (with_item(attributes={"year": 1995}), "items.0.attributes.*"),
    "object_as_attribute": (with_item(attributes={"genre": {"a": SECRET}}), "items.0.attributes.*"),
    "long_value": (with_item(attributes={"genre": "g" * (MAX_VALUE_CHARACTERS + 1)}), "items.0.attributes.*"),
    "many_values": (with_item(attributes={"genre": ["g"] * (MAX_ATTRIBUTE_VALUES + 1)}), "items.0.attributes.*"),
    "many_attributes": (with_item(attributes={f"a{i}": "b" for i in range(MAX_ATTRIBUTES + 1)}), "items.0.attributes"),
    "long_attribute_name": (with_item(attributes={"n" * 65: SECRET}), "items.0.attributes"),
    "empty_attribute_name": (with_item(attributes={"": SECRET}), "items.0.attributes"),
    "user_as_text": (build_record(user=SECRET), "user"),
    "long_history": (build_record(history=[build_history_item()] * (MAX_HISTORY + 1)), "user.history"),
    "no_title_in_history": (with_history(title=None), "user.history.0.title"),
    "text_as_rating": (with_history(rating="5"), "user.history.0.rating"),
    "rating_above_scale": (with_history(rating=5.5), "history[0].rating"),
    "rating_below_scale": (with_history(rating=0.0), "history[0].rating"),
    "upside_down_scale": (build_record(rating_scale=[5, 1]), "user.rating_scale"),
    "one_ended_scale": (build_record(rating_scale=[5]), "user.rating_scale"),
    "scale_of_words": (build_record(rating_scale=["0", "5"]), "user.rating_scale"),
    "scale_as_object": (build_record(rating_scale={"minimum": 1, "maximum": 5}), "user.rating_scale"),
    "negative_scale": (build_record(rating_scale=[-5, 5]), "user.rating_scale"),
    "many_preferences": (build_record(preferences=["p"] * (MAX_PREFERENCES + 1)), "user.preferences"),
    "long_preference": (build_record(preferences=["p" * (MAX_TEXT_CHARACTERS + 1)]), "user.preferences.0"),
    "text_as_preferences": (build_record(preferences=SECRET), "user.preferences"),
    "naive_time": (build_record(occurred_at="2026-01-01T00:00:00"), "occurred_at"),
    "number_as_time": (build_record(occurred_at=1_767_225_600), "occurred_at"),
    "no_time_at_all": (build_record(occurred_at=SECRET), "occurred_at"),
    "explain_none": (build_record(explain_top_k=0), "explain_top_k"),
    "number_as_locale": (build_record(locale=1), "locale"),
    "long_locale": (build_record(locale="e" * 65), "locale"),
    "long_ranker": (build_record(ranker="r" * (MAX_ID_CHARACTERS + 1)), "ranker"),
}


@pytest.mark.parametrize("case", INVALID)
def test_json_that_is_not_a_ranking_event_is_a_schema_error_that_names_the_field(case: str) -> None:
    record, field = INVALID[case]
    with pytest.raises(SchemaError) as caught:
        decode_event(record)
    assert caught.value.stage == "schema"
    assert field in str(caught.value)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_a_message_tells_five_problems_and_counts_the_others() -> None:
    with pytest.raises(SchemaError, match=r"and 4 more"):
        decode_event(build_record(items=[{}, {}, {}]))


def test_names_of_attributes_are_the_producers_and_stand_in_no_message() -> None:
    for name in ("jane.doe@example.org", "bad\nname\u202e\x1b[31m"):
        for record in (with_item(attributes={name: 1}), with_history(attributes={name: [1]})):
            with pytest.raises(SchemaError, match=r"attributes\.\*") as caught:
                decode_event(record)
            assert name not in str(caught.value)


ACCEPTED: dict[str, dict[str, Any]] = {
    "right_to_left": {"items": [build_item("\u202eמגדלור\u202c")]},
    "zero_width": {"items": [build_item("Har\u200bbour")]},
    "prompt_tokens": {"items": [build_item("<t> <n1> <same> <love>")]},
    "control_characters": {"items": [build_item("a\x00b\x1b[31m")]},
    "paired_surrogates": {"items": [build_item("\U0001f3ee lantern")]},
    "longest_title": {"items": [build_item("t" * MAX_TITLE_CHARACTERS, item_id="a")]},
    "longest_summary": {"items": [build_item(summary="s" * MAX_TEXT_CHARACTERS)]},
    "most_items": {"items": MANY[:MAX_ITEMS]},
    "longest_history": {"history": [build_history_item()] * MAX_HISTORY},
    "most_preferences": {"preferences": ["p"] * MAX_PREFERENCES},
    "unknown_fields": {"trace": {"deep": nest(8)}, "items": [build_item(colour_of_money=1)]},
    "other_locale": {"locale": "ja-JP"},
    "ids_as_uris": {"event_id": "urn:event:1/2?x=y#z"},
    "empty_values": {"items": [build_item(attributes={"genre": ["", " "]}, summary="")]},
    "own_scale": {"rating_scale": [1, 10], "history": [build_history_item(rating=9)]},
    "nothing_known_of_the_user": {"user": {"user_id": "u"}},
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_odd_but_legal_events_are_accepted(case: str) -> None:
    assert decode_event(build_record(**ACCEPTED[case])).items


def test_unknown_fields_do_not_come_out_again() -> None:
    assert b"trace" not in encode_contract(decode_event(build_record(trace="x")))


def test_a_record_of_exactly_the_limit_is_accepted() -> None:
    record = build_record()
    assert decode_event(record + b" " * (MAX_RECORD_BYTES - len(record))) == decode_event(record)


def test_a_time_keeps_its_zone() -> None:
    event = build_event(occurred_at="2026-01-01T05:30:00+05:30")
    assert event.occurred_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert event.occurred_at.utcoffset() == timedelta(hours=5, minutes=30)


@pytest.mark.parametrize(("maximum", "liked_from"), [(5.0, 4.0), (10.0, 8.0), (1.0, 0.8)])
def test_liked_begins_at_four_fifths_of_the_maximum(maximum: float, liked_from: float) -> None:
    assert RatingScale(minimum=0.0, maximum=maximum).liked_from == pytest.approx(liked_from)


@pytest.mark.parametrize(
    ("ranks", "top_k", "expected"),
    [
        ([1, 2, 3], None, [0, 1, 2]),
        ([3, 1, 2], 2, [1, 2]),
        ([1, 1, 1], 2, [0, 1]),
        ([2, 1], 9, [0, 1]),
        ([5, 4], 1, [1]),
    ],
)
def test_the_best_ranks_are_explained_in_item_order(ranks: list[int], top_k: int | None, expected: list[int]) -> None:
    items = [build_item(item_id=f"i{index}", rank=rank) for index, rank in enumerate(ranks)]
    assert build_event(items=items, explain_top_k=top_k).items_to_explain == expected


def change_part(name: str, value: str) -> str:
    """Compute an explanation id with one part changed."""
    parts = {"event_id": "e", "item_id": "i", "name": "m", "version": "1", "fingerprint": "f"} | {name: value}
    model = ModelIdentity(name=parts["name"], version=parts["version"])
    return compute_explanation_id(parts["event_id"], parts["item_id"], model, parts["fingerprint"])


@pytest.mark.parametrize("part", ["event_id", "item_id", "name", "version", "fingerprint"])
def test_an_explanation_id_depends_on_each_part(part: str) -> None:
    assert change_part(part, "other") != change_part("event_id", "e")
    assert len(change_part(part, "other")) == 32


def test_parts_of_an_explanation_id_do_not_run_into_each_other() -> None:
    model = ModelIdentity(name="m", version="1")
    assert compute_explanation_id("a", "bc", model, "f") != compute_explanation_id("ab", "c", model, "f")


@settings(deadline=None)
@given(event=any_event)
def test_decoding_inverts_encoding(event: RankingEvent) -> None:
    assert decode_event(encode_contract(event)) == event


@settings(deadline=None)
@given(value=st.one_of(st.binary(max_size=200), st.text(max_size=80).map(lambda text: orjson.dumps(text))))
def test_any_bytes_give_an_event_or_a_record_error(value: bytes) -> None:
    expect_record_error_at_most(lambda: decode_event(value))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(allow_nan=False), st.text(max_size=20)),
    lambda children: st.one_of(
        st.lists(children, max_size=4), st.dictionaries(st.text(max_size=8), children, max_size=4)
    ),
    max_leaves=10,
)


@settings(deadline=None)
@given(field=st.sampled_from(sorted(build_document())), value=json_values)
def test_any_value_in_any_field_gives_an_event_or_a_record_error(field: str, value: object) -> None:
    expect_record_error_at_most(lambda: decode_event(orjson.dumps(build_document() | {field: value})))


def expect_record_error_at_most(decode: Callable[[], RankingEvent]) -> None:
    with suppress(RecordError):
        assert isinstance(decode(), RankingEvent)
