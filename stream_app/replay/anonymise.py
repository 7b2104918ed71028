"""Who a recorded user is, hidden behind a salted hash, and everything else as it was.

What the worker explains stays explainable, and what it refuses stays refused: a load test with an anonymised recording
meets the same mixture of good and bad records, of nearly the same sizes.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from typing import Any, Final
from urllib.parse import quote

import orjson

from stream_app.core.errors import DecodeError, SchemaError
from stream_app.core.events import RankingEvent, User, decode_event
from stream_app.replay.recording import Headers, RecordedRecord, RecordingError

HASH_CHARACTERS: Final = 16

WORDS: Final = """
amber autumn bakery basket bicycle blanket bridge candle canyon castle cedar cinnamon cloud copper coral cottage cotton
crystal desert dolphin dragon ember falcon feather fern field forest fountain garden ginger glacier granite harbour
hazel honey island ivory jasmine juniper kettle ladder lagoon lantern lavender lemon linen lotus maple marble meadow
mirror morning mountain nutmeg oak ocean olive orchard paper pebble pepper pine planet plum pocket prairie quartz rain
raven reef ribbon river saffron sail shadow shore silver slate snow sparrow spring stone storm summer sunset thistle
thunder timber topaz valley velvet violin walnut water willow window winter wool
""".split()

_FIELDS_OF_EVENT: Final = frozenset(RankingEvent.model_fields)
_FIELDS_OF_USER: Final = frozenset(User.model_fields)


class Anonymiser:
    """Hides users. The same user has the same hash in each recording with this salt, and another with another salt.

    Hidden are `user.user_id`, the same id within the record's key, a header that is equal to either, and an `event_id`
    that contains it. Fields that no explanation uses (a name, an address) are left out of event and user. A value that
    is no ranking event may hold anything: it becomes noise that is none either, and if it does not even tell its user,
    the whole key counts as one.
    """

    def __init__(self, salt: str, *, drop_texts: bool = False) -> None:
        """Keep a salt.

        Args:
            salt: whoever knows it can find out whether a user is in the recording.
            drop_texts: whether preferences become meaningless words, in texts of the same length.

        Raises:
            RecordingError: the salt is empty.
        """
        if not salt:
            raise RecordingError("the salt is empty: anybody could find the users by hashing ids that they know")
        self._salt = salt.encode()
        self._drops_texts = drop_texts

    def hash_id(self, text: str) -> str:
        """Hash an id: 16 hexadecimal characters."""
        return self._hash(text.encode()).hex()[:HASH_CHARACTERS]

    def anonymise(self, record: RecordedRecord) -> RecordedRecord:
        """Hide the user of a record; partition, offset and timestamp stay."""
        user_id = _find_user_id(record.value)
        key = self._hide_key(record.key, user_id)
        headers = self._hide_headers(record, key, user_id)
        return replace(record, key=key, value=self._hide_value(record.value, user_id), headers=headers)

    def _hash(self, data: bytes) -> bytes:
        return hmac.digest(self._salt, data, "sha256")

    def _hide_key(self, key: bytes | None, user_id: str | None) -> bytes | None:
        if not key:
            return key
        if not user_id:
            return self._hash(key).hex()[:HASH_CHARACTERS].encode()
        hidden = self.hash_id(user_id).encode()
        for form in {user_id, quote(user_id, safe="")}:
            key = key.replace(form.encode(), hidden)
        return key

    def _hide_headers(self, record: RecordedRecord, key: bytes | None, user_id: str | None) -> Headers:
        # Equal, not contained: a user '7' would be found in each trace id.
        hidden = {record.key: key}
        if user_id:
            hidden[user_id.encode()] = self.hash_id(user_id).encode()
        return tuple((name, hidden.get(value, value)) for name, value in record.headers)

    def _hide_value(self, value: bytes | None, user_id: str | None) -> bytes | None:
        if not value:
            return value
        try:
            decode_event(value)
        except DecodeError:
            return self._make_noise(value)
        except SchemaError:
            return self._make_document(value)
        return self._hide_event(value, str(user_id))

    def _make_noise(self, value: bytes) -> bytes:
        # 0xff stands nowhere in UTF-8, and so nowhere in JSON.
        return b"\xff" + self._draw_noise(value, len(value) - 1)

    def _make_document(self, value: bytes) -> bytes:
        """Make JSON that is no event, as long as the value (if that has room for it)."""
        frame = b'{"unusable":"%b"}'
        missing = max(0, len(value) - len(frame % b""))
        return frame % self._draw_noise(value, missing).hex()[:missing].encode()

    def _draw_noise(self, value: bytes, size_bytes: int) -> bytes:
        return hashlib.shake_256(self._hash(value)).digest(size_bytes)

    def _hide_event(self, value: bytes, user_id: str) -> bytes:
        event = _select(orjson.loads(value), _FIELDS_OF_EVENT)
        event["user"] = user = _select(event["user"], _FIELDS_OF_USER)
        user["user_id"] = self.hash_id(user_id)
        if user_id in event["event_id"]:
            event["event_id"] = self.hash_id(event["event_id"])
        if self._drops_texts and "preferences" in user:
            user["preferences"] = [self._replace_text(text) for text in user["preferences"]]
        return orjson.dumps(event)

    def _replace_text(self, text: str) -> str:
        """Replace a text by words; equal texts become equal texts, of as many characters as before."""
        words, length = list[str](), -1
        for word in self._draw_words(text):
            if length >= len(text):
                break
            words.append(word)
            length += len(word) + 1
        return " ".join(words)[: len(text)]

    def _draw_words(self, text: str) -> Iterator[str]:
        for block in count():
            yield from (WORDS[number % len(WORDS)] for number in self._hash(f"{block} {text}".encode()))


def _select(document: dict[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in fields}


def _find_user_id(value: bytes | None) -> str | None:
    """Find the user of a document that need not be an event."""
    try:
        document = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    user = document.get("user") if isinstance(document, dict) else None
    user_id = user.get("user_id") if isinstance(user, dict) else None
    return None if user_id is None else str(user_id)
