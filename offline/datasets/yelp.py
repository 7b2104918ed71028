"""The Yelp Open Dataset: JSON lines of businesses, users and reviews, several gigabytes, read as streams.

A review's text is never used: it was written after the visit that the event precedes. Nor is a business's average of
stars, which the explained review is part of.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from offline.datasets.interaction_store import Interaction, InteractionData, order_user, parse_interaction
from offline.datasets.lines import BAD_LINE, Place, ensure_any, read_json_lines
from offline.datasets.rows import DropLog, ensure_files, parse_item
from offline.datasets.sources import YelpSource
from stream_app.core.events import RankedItem, RatingScale

BUSINESS_FILE: Final = "yelp_academic_dataset_business.json"
USER_FILE: Final = "yelp_academic_dataset_user.json"
REVIEW_FILE: Final = "yelp_academic_dataset_review.json"


def read_yelp(source: YelpSource, folder: Path, kind: str, seed: int, drops: DropLog) -> InteractionData:
    """Open the data set's folder. The file of users only saves work: users with too few reviews are passed over.

    Raises:
        SourceError: a file is missing; later, while reading: a file is another one.
    """
    ensure_files("the Yelp Open Dataset's JSON files", folder / BUSINESS_FILE, folder / REVIEW_FILE)
    scale = source.choose_scale(RatingScale(minimum=1, maximum=5))
    has_users = (folder / USER_FILE).is_file()
    return InteractionData(
        items=_read_businesses(folder / BUSINESS_FILE, kind, drops),
        interactions=_read_reviews(folder / REVIEW_FILE, source, scale, kind, seed, drops),
        scale=scale,
        users=_read_users(folder / USER_FILE, source.history_min + 1, kind, drops) if has_users else None,
    )


def _read_businesses(path: Path, kind: str, drops: DropLog) -> Iterator[RankedItem]:
    for place, document in _read_documents(path, ("business_id", "name"), drops):
        attributes: dict[str, str | list[str]] = {
            "category": _split_categories(document.get("categories")),
            "city": _take_text(document.get("city")),
        }
        name = document["name"]
        item = parse_item(f"{kind}-{document['business_id']}", name, attributes, None, str(place), drops)
        if item is not None:
            yield item


def _take_text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _split_categories(value: object) -> list[str]:
    parts = (part.strip() for part in _take_text(value).split(","))
    return list(dict.fromkeys(part for part in parts if part))


def _read_users(path: Path, min_reviews: int, kind: str, drops: DropLog) -> Iterator[str]:
    for place, document in _read_documents(path, ("user_id",), drops):
        count = document.get("review_count")
        if not isinstance(count, int):
            drops.note(BAD_LINE, f"{place}: review_count is not a number")
        elif count >= min_reviews:
            yield f"{kind}-u{document['user_id']}"


def _read_reviews(
    path: Path, source: YelpSource, scale: RatingScale, kind: str, seed: int, drops: DropLog
) -> Iterator[Interaction]:
    limit = source.user_share * 2**63
    for place, document in _read_documents(path, ("user_id", "business_id", "date"), drops):
        user_id = f"{kind}-u{document['user_id']}"
        if order_user(user_id, seed, "share") >= limit:
            continue
        try:
            at = datetime.fromisoformat(document["date"]).replace(tzinfo=UTC).timestamp()
            stars = _take_number(document.get("stars"))
            yield parse_interaction(user_id, f"{kind}-{document['business_id']}", stars, at, scale)
        except ValueError as error:
            drops.note(BAD_LINE, f"{place}: {error}")


def _take_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("stars is not a number")
    return float(value)


def _read_documents(path: Path, texts: tuple[str, ...], drops: DropLog) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Read the documents that have all of these fields as text."""

    def read() -> Iterator[tuple[Place, dict[str, Any]]]:
        for place, document in read_json_lines(path, drops):
            missing = [name for name in texts if not isinstance(document.get(name), str)]
            if missing:
                drops.note(BAD_LINE, f"{place}: no {', '.join(missing)}")
            else:
                yield place, document

    yield from ensure_any(read(), path, f"JSON lines with {', '.join(texts)}")
