"""Which items of the history a text may use."""

from dataclasses import dataclass
from typing import Final

from stream_app.core.events import HistoryItem, RankingEvent
from stream_app.core.names import Mention, find_shown_title
from stream_app.core.per_event import PerEvent
from stream_app.core.shared_facts import Fact, list_facts
from stream_app.core.slots import Liking, label_liking

MAX_CANDIDATES: Final = 5


@dataclass(frozen=True, slots=True)
class Candidate:
    """An item of the history that a text may name."""

    index: int
    """Its place in the history."""
    item: HistoryItem
    title: Mention
    """The part of its title that is shown."""
    liking: Liking
    shared: int
    """How many values it has in common with the item that is explained."""


def select_candidates(event: RankingEvent, item_index: int) -> list[Candidate]:
    """Choose what of the history a text may use: what was liked, or else unrated, the most like the item first."""
    own = list_facts(event.items[item_index].attributes)
    scale = event.user.rating_scale
    entries = [
        Candidate(index, item, title, label_liking(item.rating, scale), len(own & facts))
        for (index, item), title, facts in _list_nameable(event)
    ]
    by_relevance = sorted(entries, key=lambda entry: (-entry.shared, _RANK[entry.liking], entry.index))
    liked = [entry for entry in by_relevance if entry.liking in (Liking.LOVED, Liking.LIKED)]
    unrated = [entry for entry in by_relevance if entry.liking is Liking.UNRATED]
    return (liked or unrated)[:MAX_CANDIDATES]


@PerEvent
def _list_nameable(event: RankingEvent) -> list[tuple[tuple[int, HistoryItem], Mention, set[Fact]]]:
    """List the entries of the history whose titles can be shown: place and entry, what is shown, comparable facts."""
    return [
        ((index, item), title, list_facts(item.attributes))
        for index, item in enumerate(event.user.history)
        if (title := find_shown_title(item.title)) is not None
    ]


def find_related(candidates: list[Candidate]) -> list[bool]:
    """Say which may be named as a reason: those that share something, or else those of which nothing is known."""
    shares = [candidate.shared > 0 for candidate in candidates]
    return shares if any(shares) else [not candidate.item.attributes for candidate in candidates]


_RANK: Final = {liking: rank for rank, liking in enumerate(Liking)}
