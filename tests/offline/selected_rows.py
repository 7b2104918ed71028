"""Rows as the select step leaves them: films with a genre and a director, each with its own title and user."""

from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any, Final

import orjson

from tests.factories import build_document, build_history_item, build_item

TITLES: Final = tuple(
    f"{first} {second}"
    for first, second in product(
        "Harbour Quiet Amber Northern Hollow".split(), "Lights Pier Road Winter Orchard Lantern".split()
    )
)
GENRES: Final = ("crime", "drama", "comedy")


def build_row(number: int) -> dict[str, Any]:
    """Build a selected row; rows with different numbers have different titles and users."""
    title, seen, genre = TITLES[number], TITLES[-1 - number], GENRES[number % len(GENRES)]
    facts = {"genre": genre, "director": "Ada Lund"}
    event = build_document(
        event_id=f"event-{number}",
        history=[build_history_item(seen, attributes=facts)],
        items=[build_item(title, attributes=facts)],
    )
    event["user"]["user_id"] = f"user-{number}"
    text = f"{title} is a {genre} by Ada Lund, and so is {seen}, which you loved."
    rejected = [{"text": f"{title} is a film of hers, like {seen}.", "reasons": ["generic"]}]
    return {"kind": "film_thin", "event": event, "explanation": text, "rejected": rejected}


def write_rows(path: Path, numbers: Iterable[int]) -> Path:
    """Write rows as the select step does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(orjson.dumps(build_row(number)) + b"\n" for number in numbers))
    return path
