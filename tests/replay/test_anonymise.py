"""Anonymised recordings: no user in them, and for the worker the same good and bad records as before."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.errors import DecodeError, PrismError, SchemaError
from stream_app.core.events import decode_event
from stream_app.replay.anonymise import Anonymiser
from stream_app.replay.recording import Headers, RecordedRecord, RecordingError
from tests.factories import build_record
from tests.strategies import documents

USER = "ann@example.com"


def make_record(value: bytes | None, key: bytes | None = USER.encode(), headers: Headers = ()) -> RecordedRecord:
    return RecordedRecord(1, 2, 3, key, value, headers)


def make_value(user: dict[str, Any] | None = None, **overrides: Any) -> bytes:
    return build_record(**({"user": {"user_id": USER} | (user or {})} | overrides))


def read_stage(value: bytes | None) -> type[PrismError] | None:
    try:
        decode_event(value)
    except (DecodeError, SchemaError) as error:
        return type(error)
    return None


def test_the_user_is_hidden_in_value_key_headers_and_event_id() -> None:
    headers = (("user", USER.encode()), ("tenant", b"7"), ("user", None), ("user", USER.encode()))
    record = Anonymiser("salt").anonymise(make_record(make_value(event_id=f"home-{USER}-1"), headers=headers))
    hidden = Anonymiser("salt").hash_id(USER)
    event = decode_event(record.value)
    assert event.user.user_id == hidden
    assert event.event_id == Anonymiser("salt").hash_id(f"home-{USER}-1")
    assert record.key == hidden.encode()
    assert record.headers == (("user", hidden.encode()), ("tenant", b"7"), ("user", None), ("user", hidden.encode()))
    assert (record.partition, record.offset, record.timestamp_ms) == (1, 2, 3)


def test_a_hash_is_sixteen_hexadecimal_characters_of_user_and_salt() -> None:
    # HMAC-SHA256 with the key 'salt', as `printf %s ann | openssl dgst -sha256 -hmac salt` prints it.
    assert Anonymiser("salt").hash_id("ann") == "5c72f4886bc4408f"
    assert Anonymiser("salt").hash_id("ann") == Anonymiser("salt", drop_texts=True).hash_id("ann")
    assert len({Anonymiser(salt).hash_id(user) for salt in ("salt", "pepper") for user in ("ann", "bob")}) == 4


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (f"shop:{USER}:7".encode(), "shop:{}:7"),
        (b"ann%40example.com:item-1", "{}:item-1"),
        (b"catalogue", "catalogue"),
        (b"", ""),
    ],
)
def test_a_key_keeps_what_is_not_the_user(key: bytes, expected: str) -> None:
    record = Anonymiser("salt").anonymise(make_record(make_value(), key, (("copy", key),)))
    assert record.key == expected.format(Anonymiser("salt").hash_id(USER)).encode()
    assert record.headers == (("copy", record.key),)


@pytest.mark.parametrize("value", [None, b"", b"not json", b"[1]", b"{}", b'{"user": 7}', b'{"user":{"user_id":""}}'])
def test_a_record_that_does_not_tell_its_user_has_the_key_hashed_like_one(value: bytes | None) -> None:
    record = Anonymiser("salt").anonymise(make_record(value, headers=(("user", USER.encode()),)))
    assert record.key == Anonymiser("salt").hash_id(USER).encode()
    assert record.headers == (("user", record.key),)


def test_a_null_key_and_bytes_that_are_no_text_are_keys_too() -> None:
    anonymiser = Anonymiser("salt")
    assert anonymiser.anonymise(make_record(None, None, (("x", None),))) == make_record(None, None, (("x", None),))
    keys = {anonymiser.anonymise(make_record(None, key)).key for key in (b"\xff", b"\xfe")}
    assert len(keys) == 2
    assert all(key is not None and len(key) == 16 for key in keys)


def test_what_an_explanation_needs_is_kept_and_what_nobody_declared_is_not() -> None:
    user = {"email": USER, "history": [{"item_id": "i", "title": "Fargo", "rating": 5}], "preferences": ["Snow."]}
    value = make_value(user, ip="10.1.2.3", locale="en", items=[{"item_id": "i", "title": "M", "rank": 1, "x": 1}])
    document = orjson.loads(Anonymiser("salt").anonymise(make_record(value)).value or b"")
    expected = orjson.loads(value)
    expected["user"]["user_id"] = Anonymiser("salt").hash_id(USER)
    del expected["user"]["email"], expected["ip"]
    assert document == expected


def test_texts_become_words_of_the_same_length_if_asked_for() -> None:
    texts = ["I moved to Bergen after the divorce.", "", "x", "Ünï " * 900, "x"]
    value = make_value({"preferences": texts})
    assert decode_event(Anonymiser("salt").anonymise(make_record(value)).value).user.preferences == texts
    event = decode_event(Anonymiser("salt", drop_texts=True).anonymise(make_record(value)).value)
    assert [len(text) for text in event.user.preferences] == [len(text) for text in texts]
    assert event.user.preferences[2] == event.user.preferences[4]
    assert not {"Bergen", "divorce."} & set(" ".join(event.user.preferences).split())
    other = decode_event(Anonymiser("pepper", drop_texts=True).anonymise(make_record(value)).value)
    assert other.user.preferences[0] != event.user.preferences[0]


@pytest.mark.parametrize(
    "value",
    [b"xy", b"\xff\xfe", b'{"user":{"user_id":"ann@example.com"', b"[" * 2_000, b" " * 1_048_577 + b"{}"],
    ids=["text", "binary", "cut", "deep", "too large"],
)
def test_poison_stays_poison_of_the_same_length_without_its_contents(value: bytes) -> None:
    hidden = Anonymiser("salt").anonymise(make_record(value)).value
    assert read_stage(hidden) is DecodeError
    assert hidden is not None
    assert len(hidden) == len(value)
    assert hidden not in (value, Anonymiser("pepper").anonymise(make_record(value)).value)


def test_json_that_is_no_event_stays_such_json_of_the_same_length() -> None:
    value = make_value(items=[], phone="+47 555 0100")
    hidden = Anonymiser("salt").anonymise(make_record(value)).value
    assert read_stage(value) is read_stage(hidden) is SchemaError
    assert hidden is not None
    assert len(hidden) == len(value)
    assert isinstance(orjson.loads(hidden), dict)
    assert b"555" not in hidden


odd_users: st.SearchStrategy[Any] = st.sampled_from([7, None, [], {"a": "b"}, "", "\u200b", "x" * 300, "u"])
values = st.one_of(
    st.binary(max_size=50),
    st.builds(orjson.dumps, documents(is_odd=True)),
    st.builds(lambda document, user: orjson.dumps(document | {"user": {"user_id": user}}), documents(), odd_users),
)


@given(value=values, drop_texts=st.booleans())
def test_the_worker_takes_and_refuses_the_same_records_as_before(value: bytes, drop_texts: bool) -> None:
    hidden = Anonymiser("salt", drop_texts=drop_texts).anonymise(make_record(value))
    assert read_stage(hidden.value) is read_stage(value)
    assert hidden == Anonymiser("salt", drop_texts=drop_texts).anonymise(make_record(value))
    if read_stage(value) is None:
        before, after = decode_event(value), decode_event(hidden.value)
        assert (after.items, after.user.history, after.locale) == (before.items, before.user.history, before.locale)
        assert after.user.user_id == Anonymiser("salt").hash_id(before.user.user_id)


def test_an_empty_salt_is_refused() -> None:
    with pytest.raises(RecordingError, match="the salt is empty"):
        Anonymiser("")
