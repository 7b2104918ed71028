"""What a record of the output or the dead-letter topic says about the run: of which event, which items, and what."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from hashlib import blake2b
from typing import Final

import orjson

from stream_app.kafka.dead_letters import HEADER_PREFIX
from stream_app.kafka.records import HEADER_SOURCE_OFFSET, HEADER_SOURCE_PARTITION, HEADER_SOURCE_TOPIC, Headers
from stream_app.replay.link import Arrival
from stream_app.replay.stamp import HEADER_EVENT, HEADER_RUN, parse_number

HEADER_FAILED_ITEMS: Final = f"{HEADER_PREFIX}failed-item-ids"

_EVENT_ID = re.compile(rb'"event_id"\s*:\s*"([A-Za-z0-9._-]+)"')


class Kind(IntEnum):
    """What became of an item."""

    MODEL = 1
    TEMPLATE = 2
    DEAD_LETTER = 3


@dataclass(frozen=True, slots=True)
class Source:
    """Where the record stood in the input topic."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one record says."""

    number: int
    """Of the event, in the run."""
    kind: Kind
    item_ids: tuple[str, ...] | None
    """None: all that the event asks for."""
    source: Source | None
    digest: int
    """64 bits of what must repeat: the value, and the topic that it is in."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A record of this run that is the outcome of nothing."""


@dataclass(slots=True)
class _Marks:
    """The headers that matter; the last of a name counts, since those of the input come first."""

    run: bytes | None = None
    event: bytes | None = None
    partition: bytes | None = None
    offset: bytes | None = None
    failed_items: bytes | None = None


def read_outcome(arrival: Arrival, run_id: str) -> Outcome | Unclear | None:
    """Read what a record says; None if it is of another run, or of none."""
    marks = _read_marks(arrival.headers)
    if marks.run is not None and marks.run != run_id.encode():
        return None
    number = _find_number(arrival, marks, run_id)
    if number is None:
        return None if marks.run is None else Unclear()
    if arrival.is_dead_letter:
        return _read_dead_letter(arrival, marks, number)
    return _read_explanation(arrival, marks, number, run_id)


def _read_marks(headers: Headers) -> _Marks:
    marks = _Marks()
    for name, value in headers:
        if not name.startswith("prism."):
            continue
        if name == HEADER_RUN:
            marks.run = value
        elif name == HEADER_EVENT:
            marks.event = value
        elif name == HEADER_SOURCE_TOPIC:
            # What stands before is the input's: an earlier dead letter, sent again, has its failed items there.
            marks.failed_items = None
        elif name == HEADER_SOURCE_PARTITION:
            marks.partition = value
        elif name == HEADER_SOURCE_OFFSET:
            marks.offset = value
        elif name == HEADER_FAILED_ITEMS:
            marks.failed_items = value
    return marks


def _find_number(arrival: Arrival, marks: _Marks, run_id: str) -> int | None:
    event_id = marks.event
    if marks.run is None:
        # A dead letter that was cut hard has lost the input's headers; its value, cut or not, may still have the id.
        found = _EVENT_ID.search(arrival.value or b"")
        event_id = found[1] if found else None
    return parse_number((event_id or b"").decode(errors="replace"), run_id)


def _read_dead_letter(arrival: Arrival, marks: _Marks, number: int) -> Outcome | Unclear:
    item_ids = None
    if marks.failed_items is not None:
        listed = _parse(marks.failed_items)
        if not isinstance(listed, list) or not listed:
            return Unclear()
        item_ids = tuple(str(item_id) for item_id in listed)
    return Outcome(number, Kind.DEAD_LETTER, item_ids, _read_source(marks), _compute_digest(arrival.value))


def _read_explanation(arrival: Arrival, marks: _Marks, number: int, run_id: str) -> Outcome | Unclear:
    document = _parse(arrival.value)
    if not isinstance(document, dict):
        return Unclear()
    event_id, item_id, source = (document.get(name) for name in ("event_id", "item_id", "source"))
    # Headers and value must agree: a text under another event's headers is an explanation of neither.
    is_of_event = isinstance(event_id, str) and parse_number(event_id, run_id) == number
    if not is_of_event or not isinstance(item_id, str) or source not in ("model", "template"):
        return Unclear()
    kind = Kind.MODEL if source == "model" else Kind.TEMPLATE
    return Outcome(number, kind, (item_id,), _read_source(marks), _compute_digest(arrival.value))


def _read_source(marks: _Marks) -> Source | None:
    numbers = list(_parse_numbers(marks.partition, marks.offset))
    return Source(*numbers) if len(numbers) == 2 else None


def _parse_numbers(*texts: bytes | None) -> Iterator[int]:
    for text in texts:
        if text is not None and text.isdigit() and len(text) < 15:
            yield int(text)


def _parse(value: bytes | None) -> object:
    try:
        return orjson.loads(value or b"")
    except orjson.JSONDecodeError:
        return None


def _compute_digest(value: bytes | None) -> int:
    return int.from_bytes(blake2b(value or b"", digest_size=8).digest(), "big")
