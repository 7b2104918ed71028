"""A recorded record becomes one of this run: a new event id, and headers that tell its outcomes from all others."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from stream_app.core.errors import PrismError, RecordError
from stream_app.core.events import MAX_RECORD_BYTES, Identifier, decode_event
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.link import OutgoingReplay
from stream_app.replay.recording import RecordedRecord

HEADER_PREFIX: Final = "prism.replay."
HEADER_RUN: Final = "prism.replay.run"
HEADER_EVENT: Final = "prism.replay.event"

UNREADABLE: Final = ("",)
"""The items of a record that is no ranking event: one, without an id, which a dead letter answers for."""
REMEMBERED_RECORDS: Final = 50_000
"""What is known of this many records is kept, about 1 kB each with ten items."""
PROBE: Final = "prism-replay-probe"

_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID_FIELD = re.compile(rb'"event_id"\s*:\s*("(?:[^"\\]|\\.)*")')
_IDENTIFIER: Final = TypeAdapter[str](Identifier)


class RunIdError(PrismError):
    """The id of the run cannot be part of event ids."""

    exit_code = LoadTestCode.USAGE


def ensure_run_id(run_id: str) -> str:
    """Return the id of a run if it is one.

    Raises:
        RunIdError: not 1 to 64 letters, digits, dots, underscores and hyphens, the first a letter or a digit.
    """
    if not _RUN_ID.fullmatch(run_id):
        raise RunIdError(f"the run id {run_id[:80]!r} is not 1 to 64 of the characters A-Z a-z 0-9 . _ -")
    return run_id


def build_event_id(run_id: str, number: int) -> str:
    """Build the id of the event with this number, counted from 0."""
    return f"{run_id}-{number}"


def parse_number(event_id: str, run_id: str) -> int | None:
    """Parse the number out of an event id; None if it is not one of this run."""
    prefix = f"{run_id}-"
    digits = event_id[len(prefix) :]
    is_number = event_id.startswith(prefix) and digits.isascii() and digits.isdigit() and len(digits) < 19
    return int(digits) if is_number else None


@dataclass(frozen=True, slots=True)
class Stamped:
    """A record of this run, and what is to come of it."""

    event_id: str
    item_ids: tuple[str, ...]
    """The items to be explained, in the order of the event; UNREADABLE if it is none."""
    outgoing: OutgoingReplay


@dataclass(frozen=True, slots=True)
class _Form:
    """A value whose event id is to be replaced."""

    place: slice
    """Of the id, with its quotes."""
    rewritten: bytes | None = None
    """What to replace it in, where the recorded bytes cannot be kept."""

    def fill(self, value: bytes, event_id: str) -> bytes:
        value = value if self.rewritten is None else self.rewritten
        return b"".join((value[: self.place.start], orjson.dumps(event_id), value[self.place.stop :]))


@dataclass(frozen=True, slots=True)
class _Insight:
    """What is the same each time a record is sent."""

    form: _Form | None
    item_ids: tuple[str, ...]


class Stamper:
    """Stamps the records of one recording; partition and offset name a record in it.

    To know which items a record asks for it must be decoded, which takes longer than all the rest of sending it. So
    what was found is remembered: a recording that is repeated, and one that was shown to `learn`, costs that once.
    """

    def __init__(self, remembered_records: int = REMEMBERED_RECORDS) -> None:
        self._limit = remembered_records
        self._insights: dict[tuple[int, int], _Insight] = {}

    def learn(self, records: Iterable[RecordedRecord]) -> int:
        """Look at records ahead of the run; returns how many are known, and stops when there is room for no more."""
        for record in records:
            if len(self._insights) >= self._limit:
                break
            self._inspect(record)
        return len(self._insights)

    def stamp(self, record: RecordedRecord, run_id: str, number: int) -> Stamped:
        """Make a recorded record one of this run; see `stamp`."""
        event_id = build_event_id(run_id, number)
        insight = self._inspect(record)
        outgoing = _build_outgoing(record, insight.form, run_id, event_id)
        # The new id can make a record too long for a worker that was not before.
        is_too_long = outgoing.value is not None and len(outgoing.value) > MAX_RECORD_BYTES
        return Stamped(event_id, UNREADABLE if is_too_long else insight.item_ids, outgoing)

    def _inspect(self, record: RecordedRecord) -> _Insight:
        key = (record.partition, record.offset)
        insight = self._insights.get(key)
        if insight is None:
            insight = _Insight(_find_form(record.value), _list_items(record.value))
            if len(self._insights) < self._limit:
                self._insights[key] = insight
        return insight


def stamp(record: RecordedRecord, run_id: str, number: int) -> OutgoingReplay:
    """Make a recorded record one of this run: everything stays byte for byte, apart from two things.

    The value's `event_id` becomes "<run id>-<number>" if it is a good one: a record that must fail goes on failing for
    its own reason. Two headers say the same where the value cannot, in place of those of an earlier replay.
    """
    return _build_outgoing(record, _find_form(record.value), run_id, build_event_id(run_id, number))


def _build_outgoing(record: RecordedRecord, form: _Form | None, run_id: str, event_id: str) -> OutgoingReplay:
    value = record.value if record.value is None or form is None else form.fill(record.value, event_id)
    kept = tuple(header for header in record.headers if not header[0].startswith(HEADER_PREFIX))
    headers = (*kept, (HEADER_RUN, run_id.encode()), (HEADER_EVENT, event_id.encode()))
    return OutgoingReplay(record.key, value, headers, record.partition)


def _find_form(value: bytes | None) -> _Form | None:
    """Find how to replace the event id of a value; None: it has none that is a good one."""
    document = _parse_object(value)
    if value is None or document is None or not _is_identifier(document.get("event_id")):
        return None
    found = _ID_FIELD.search(value)
    if found is not None:
        form = _Form(slice(*found.span(1)))
        # The first field of that name may stand deeper in the event, or twice: then the new id would not be read.
        if (_parse_object(form.fill(value, PROBE)) or {}).get("event_id") == PROBE:
            return form
    return _rewrite(document)


def _rewrite(document: dict[str, object]) -> _Form | None:
    start = len(b'{"event_id":')
    try:
        # The first key of a union is the first key of the result.
        rewritten = orjson.dumps({"event_id": PROBE} | document | {"event_id": PROBE})
    except orjson.JSONEncodeError:
        return None  # Nested deeper than it writes, and far deeper than a worker reads.
    return _Form(slice(start, start + len(orjson.dumps(PROBE))), rewritten)


def _parse_object(value: bytes | None) -> dict[str, object] | None:
    try:
        document = orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None
    return document if isinstance(document, dict) else None


def _is_identifier(text: object) -> bool:
    try:
        _IDENTIFIER.validate_python(text, strict=True)
    except ValidationError:
        return False
    return True


def _list_items(value: bytes | None) -> tuple[str, ...]:
    try:
        event = decode_event(value)
    except RecordError:
        return UNREADABLE
    return tuple(event.items[index].item_id for index in event.items_to_explain)
