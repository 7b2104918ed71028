"""What every adapter gives: rows, and an account of what it left out."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from stream_app.core.errors import PrismError
from stream_app.core.events import RankedItem, RankingEvent

SHOWN_PLACES: Final = 3
"""Places remembered for each reason; the count goes on."""


class SourceError(PrismError):
    """A source cannot be read at all; the message names the file and what was expected of it."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One event to explain: exactly one item, and the explanation that the source brings with it, if any."""

    kind: str
    event: RankingEvent
    recorded: str | None = None


@dataclass(frozen=True, slots=True)
class Drop:
    """How often something was left out for one reason, and where the first ones were."""

    reason: str
    count: int
    places: tuple[str, ...]


class DropLog:
    """Counts what a source leaves out, by reason; memory does not grow with the number of drops."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._places: dict[str, list[str]] = {}

    def note(self, reason: str, place: str) -> None:
        """Note one thing left out, and where: a file with its line, a user or an event."""
        self._counts[reason] += 1
        places = self._places.setdefault(reason, [])
        if len(places) < SHOWN_PLACES:
            places.append(place)

    def __iter__(self) -> Iterator[Drop]:
        for reason, count in sorted(self._counts.items()):
            yield Drop(reason, count, tuple(self._places[reason]))


def parse_item(
    item_id: str,
    title: str,
    attributes: Mapping[str, str | list[str]],
    summary: str | None,
    place: str,
    drops: DropLog,
) -> RankedItem | None:
    """Build an item as events carry it; attributes without a value are left out.

    Returns:
        The item, or None after noting why there is none: no title, or beyond the bounds of the event contract.
    """
    if not title.strip():
        drops.note("item without a title", place)
        return None
    known = {name: value for name, value in attributes.items() if value}
    try:
        return RankedItem(item_id=item_id, title=title.strip(), rank=1, attributes=known, summary=summary or None)
    except ValidationError as error:
        drops.note("item refused by the event contract", f"{place}: {describe_refusal(error)}")
        return None


def describe_refusal(error: ValidationError) -> str:
    """Say which field was refused and why, without its content."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'event'}: {first['msg']}"


def ensure_files(expected: str, *paths: Path) -> None:
    """Make sure that all files of a data set are there.

    Raises:
        SourceError: one is missing.
    """
    for path in paths:
        if not path.is_file():
            raise SourceError(f"{path} is missing: expected {expected}")
