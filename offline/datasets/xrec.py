"""XRec's data (HKUDS/XRec): user profiles, item summaries, and explanations that a large model wrote from reviews.

Its pickles hold a table of `uid`, `iid`, `title`, `user_summary`, `item_summary`, `explanation`. JSON lines with these
fields, or with `user_id`, `item_id`, `item_title`, `user_profile`, are read as well.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from offline.datasets.lines import BAD_LINE, read_json_lines
from offline.datasets.rows import DropLog, SourceError, SourceRow, describe_refusal, ensure_files, parse_item
from offline.datasets.safe_pickle import read_table
from stream_app.core.events import RankedItem, RankingEvent, User

_FIELDS: Final = {
    "user": ("uid", "user_id"),
    "item": ("iid", "item_id"),
    "title": ("title", "item_title"),
    "profile": ("user_summary", "user_profile"),
    "summary": ("item_summary",),
    "explanation": ("explanation",),
}
"""What each field means, and the names that it has in files."""

_NO_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""The data set gives no times; the same one in all events keeps them reproducible."""


def read_xrec(path: Path, kind: str | None, drops: DropLog) -> Iterator[SourceRow]:
    """Read a `.pkl` file, or JSON lines under any other name.

    Args:
        path: the file.
        kind: of all rows; None: each row's own `domain`, or else `review`.
        drops: takes what gives no row.

    Raises:
        SourceError: the file is missing, holds something else, or is a pickle that would run code.
    """
    ensure_files("XRec's trn.pkl, val.pkl or tst.pkl, or JSON lines with the same fields", path)
    records = _read_pickle(path) if path.suffix in (".pkl", ".pickle") else _read_json(path, drops)
    for place, record in records:
        row = _build_row(record, kind or str(record.get("domain") or "review"), place, drops)
        if row is not None:
            yield row


def _read_json(path: Path, drops: DropLog) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for place, document in read_json_lines(path, drops):
        yield str(place), document


def _read_pickle(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    table = read_table(path)
    missing = [names[0] for names in _FIELDS.values() if not set(names) & set(table)]
    if missing:
        raise SourceError(f"{path}: no column {', '.join(missing)}; there are {', '.join(table)}")
    for number, values in enumerate(zip(*table.values(), strict=True), start=1):
        yield f"{path.name}, row {number}", dict(zip(table, values, strict=True))


def _build_row(record: Mapping[str, Any], kind: str, place: str, drops: DropLog) -> SourceRow | None:
    fields = {meaning: _find_text(record, names) for meaning, names in _FIELDS.items()}
    missing = [meaning for meaning, text in fields.items() if not text and meaning != "title"]
    if missing:
        drops.note(BAD_LINE, f"{place}: no {', '.join(missing)}")
        return None
    item_id = _build_id(kind, "i", fields["item"])
    item = parse_item(item_id, fields["title"], {}, fields["summary"], place, drops)
    return None if item is None else _build_event(kind, fields, item, place, drops)


def _build_event(
    kind: str, fields: Mapping[str, str], item: RankedItem, place: str, drops: DropLog
) -> SourceRow | None:
    user_id = _build_id(kind, "u", fields["user"])
    try:
        user = User(user_id=user_id, preferences=[fields["profile"]])
        event_id = f"{user_id}/{item.item_id}"
        event = RankingEvent(event_id=event_id, occurred_at=_NO_TIME, user=user, items=[item])
    except ValidationError as error:
        drops.note("event refused by the event contract", f"{place}: {describe_refusal(error)}")
        return None
    return SourceRow(kind, event, fields["explanation"])


def _find_text(record: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = record.get(name)
        if isinstance(value, str | int) and not isinstance(value, bool):
            return str(value).strip()
    return ""


def _build_id(kind: str, letter: str, number: str) -> str:
    # Ids that are only numbers mean someone else in each data set.
    return f"{kind}-{letter}{number}" if number.isdecimal() else number
