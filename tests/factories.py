"""Small factories: a valid event, item or entry of a history, with what a test cares about given by name."""

from typing import Any

import orjson

from stream_app.core.events import HistoryItem, RankedItem, RankingEvent


def build_history_item(title: str = "Northern Lines", **overrides: Any) -> dict[str, Any]:
    """Build an entry of a history as it stands in a record; loved unless the rating is given."""
    return {"item_id": f"seen-{title}"[:200], "title": title, "rating": 5.0, "attributes": {}} | overrides


def build_item(title: str = "Harbour Lights", **overrides: Any) -> dict[str, Any]:
    """Build a ranked item as it stands in a record, without attributes."""
    return {"item_id": f"item-{title}"[:200], "title": title, "rank": 1, "attributes": {}} | overrides


def build_document(**overrides: Any) -> dict[str, Any]:
    """Build the JSON document of a record; `history` and `preferences` may be given without their user."""
    user: dict[str, Any] = {"user_id": "user-1"}
    user |= {name: overrides.pop(name) for name in ("history", "preferences", "rating_scale") if name in overrides}
    document = {"event_id": "event-1", "occurred_at": "2026-01-01T00:00:00Z", "user": user, "items": [build_item()]}
    return document | overrides


def build_record(**overrides: Any) -> bytes:
    """Build the bytes of a record."""
    return orjson.dumps(build_document(**overrides))


def build_event(**overrides: Any) -> RankingEvent:
    """Build a ranking event."""
    return RankingEvent.model_validate(build_document(**overrides))


def parse_item(**overrides: Any) -> RankedItem:
    """Build a ranked item as the core sees it."""
    return RankedItem.model_validate(build_item(**overrides))


def parse_history_item(**overrides: Any) -> HistoryItem:
    """Build an entry of a history as the core sees it."""
    return HistoryItem.model_validate(build_history_item(**overrides))
