"""What an event says, in lines that a person can read: for the page, the rating form and the judge's prompt."""

from dataclasses import dataclass

from stream_app.core.events import Attributes, RankingEvent
from stream_app.core.shared_facts import list_values
from stream_app.core.slots import Liking, label_liking

_LIKING_WORDS = {
    Liking.LOVED: "loved",
    Liking.LIKED: "liked",
    Liking.UNRATED: "seen",
    Liking.OTHER: "not liked",
}


@dataclass(frozen=True, slots=True)
class FactLine:
    """A label and what it labels, both plain text from outside: escape them."""

    label: str
    text: str


def list_fact_lines(event: RankingEvent) -> list[FactLine]:
    """List the facts of an event's first item and of its user."""
    item = event.items[0]
    lines = [FactLine("Item", _describe(item.title, item.attributes))]
    if item.summary:
        lines.append(FactLine("About", item.summary))
    lines += [FactLine("Preference", text) for text in event.user.preferences]
    for entry in event.user.history:
        liking = _LIKING_WORDS[label_liking(entry.rating, event.user.rating_scale)]
        rating = "" if entry.rating is None else f" ({entry.rating:g} of {event.user.rating_scale.maximum:g})"
        lines.append(FactLine(f"History, {liking}{rating}", _describe(entry.title, entry.attributes)))
    return lines


def _describe(title: str, attributes: Attributes) -> str:
    values = (f"{name}: {', '.join(value for _, value in list_values(value))}" for name, value in attributes.items())
    return "; ".join([title, *values])
