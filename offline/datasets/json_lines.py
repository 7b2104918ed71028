"""JSON lines in the project's own shape: ranking events, and events with an explanation that an Oracle wrote before."""

from collections.abc import Iterator
from pathlib import Path

import orjson

from offline.datasets.lines import BAD_LINE, ensure_any, read_json_lines, read_raw_lines
from offline.datasets.rows import DropLog, SourceRow, ensure_files
from stream_app.core.errors import DecodeError, RecordError
from stream_app.core.events import RankingEvent, decode_event

DEFAULT_KIND = "event"


def read_events(path: Path, kind: str | None, drops: DropLog) -> Iterator[SourceRow]:
    """Read ranking events; each item to explain gives a row of its own.

    Raises:
        SourceError: the file is missing, or no line is a ranking event.
    """
    ensure_files("JSON lines of ranking events", path)

    def read() -> Iterator[SourceRow]:
        for place, line in read_raw_lines(path, drops):
            event = _decode(line, str(place), drops)
            if event is not None:
                for index in event.items_to_explain:
                    yield SourceRow(kind or DEFAULT_KIND, _keep_item(event, index))

    yield from ensure_any(read(), path, "ranking events, one a line")


def read_recorded(path: Path, kind: str | None, drops: DropLog) -> Iterator[SourceRow]:
    """Read recorded Oracle output: lines of kind, event, explanation; the explanation is of the first item.

    Raises:
        SourceError: the file is missing, or no line is such a row.
    """
    ensure_files("JSON lines of kind, event, explanation", path)

    def read() -> Iterator[SourceRow]:
        for place, document in read_json_lines(path, drops):
            own_kind, explanation = document.get("kind"), document.get("explanation")
            if not isinstance(own_kind, str) or not isinstance(explanation, str) or "event" not in document:
                drops.note(BAD_LINE, f"{place}: expected kind, event and explanation")
                continue
            event = _decode(orjson.dumps(document["event"]), str(place), drops)
            if event is not None:
                yield SourceRow(kind or own_kind, _keep_item(event, 0), explanation)

    yield from ensure_any(read(), path, "rows of kind, event, explanation")


def _decode(value: bytes, place: str, drops: DropLog) -> RankingEvent | None:
    try:
        return decode_event(value)
    except DecodeError as error:
        drops.note(BAD_LINE, f"{place}: {error}")
    except RecordError as error:
        drops.note("event refused by the event contract", f"{place}: {error}")
    return None


def _keep_item(event: RankingEvent, index: int) -> RankingEvent:
    return event.model_copy(update={"items": [event.items[index]], "explain_top_k": None})
