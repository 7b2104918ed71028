"""Turns one user's interactions into events: what is explained, and only what came strictly before it.

The explained item was liked, and met for the first time. Its history holds nothing of the same or a later time, and
never the item itself, also not under another id.
"""

import math
import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from pydantic import ValidationError

from offline.datasets.rows import DropLog, SourceRow, describe_refusal
from offline.datasets.sources import InteractionSource
from stream_app.core.events import HistoryItem, RankedItem, RankingEvent, RatingScale, User

RELEVANT_SHARE: Final = 0.75
"""Of a history. The rest is drawn at random: rankers send what does not fit, too."""

NOT_LIKED_WEIGHT: Final = 0.3
"""Of a shared fact, where the user did not like the earlier item: a worse reason, but also a contrast to write of."""


@dataclass(frozen=True, slots=True)
class KnownItem:
    """An item with what is compared again and again: its facts, and the description by which it is the same thing."""

    item: RankedItem
    facts: frozenset[tuple[str, str]]
    description: tuple[str, frozenset[tuple[str, str]]]
    """Not the id: catalogues list the same thing twice, and 'because you liked X, try X' would be learned."""

    @classmethod
    def from_item(cls, item: RankedItem) -> "KnownItem":
        """Look at an item once; letter case makes no difference."""
        facts = frozenset(
            (name, value.casefold())
            for name, values in item.attributes.items()
            for value in ([values] if isinstance(values, str) else values)
        )
        return cls(item, facts, (item.title.casefold(), facts))


@dataclass(frozen=True, slots=True)
class Encounter:
    """A user met an item, at a time in seconds since 1970; without a rating they chose it, and that is all we know."""

    known: KnownItem
    rating: float | None
    at: float


@dataclass(frozen=True, slots=True)
class InteractionRules:
    """What is explained, and with how much history."""

    kind: str
    scale: RatingScale
    liked_from: float
    rows_per_user: int
    history_min: int
    history_max: int
    seed: int

    @classmethod
    def from_source(cls, source: InteractionSource, kind: str, scale: RatingScale, seed: int) -> "InteractionRules":
        """Take the rules from a recipe's source."""
        liked_from = scale.liked_from if source.liked_from is None else source.liked_from
        return cls(kind, scale, liked_from, source.rows_per_user, source.history_min, source.history_max, seed)

    def is_liked(self, encounter: Encounter) -> bool:
        """Whether an encounter may be explained as a good recommendation."""
        return encounter.rating is None or encounter.rating >= self.liked_from


def build_rows(
    user_id: str, encounters: Sequence[Encounter], rules: InteractionRules, drops: DropLog
) -> Iterator[SourceRow]:
    """Build the rows of one user; the same seed chooses the same ones.

    Args:
        user_id: as it shall stand in the events.
        encounters: all of the user's, in any order.
        rules: what is explained.
        drops: takes users and events that give no row.
    """
    ordered = sorted(encounters, key=_order)
    liked = [encounter for encounter in _find_first(ordered) if rules.is_liked(encounter)]
    if not liked:
        drops.note("user who liked nothing", user_id)
        return
    rng = random.Random(f"{rules.seed} {user_id}")
    count = 0
    for explained in rng.sample(liked, len(liked)):
        earlier = _find_earlier(explained, ordered)
        if len(earlier) < rules.history_min:
            continue
        row = _build_row(user_id, explained, _choose_history(explained.known, earlier, rules, rng), rules, drops)
        if row is not None:
            yield row
            count += 1
        if count == rules.rows_per_user:
            return
    if count == 0:
        drops.note("user with too little history", user_id)


def _order(encounter: Encounter) -> tuple[float, str, float]:
    return encounter.at, encounter.known.item.item_id, -1.0 if encounter.rating is None else encounter.rating


def _find_first(ordered: Sequence[Encounter]) -> list[Encounter]:
    first: dict[object, Encounter] = {}
    for encounter in ordered:
        first.setdefault(encounter.known.description, encounter)
    return list(first.values())


def _find_earlier(explained: Encounter, ordered: Sequence[Encounter]) -> list[Encounter]:
    """Find what the user met strictly before; of an item met several times the latest of these meetings.

    The explained item is not among them: it is explained at the first meeting only.
    """
    end = bisect_left(ordered, explained.at, key=lambda encounter: encounter.at)
    latest = {encounter.known.description: encounter for encounter in ordered[:end]}
    return sorted(latest.values(), key=_order)


def _choose_history(
    explained: KnownItem, earlier: Sequence[Encounter], rules: InteractionRules, rng: random.Random
) -> list[Encounter]:
    size = min(rng.randint(max(rules.history_min, 1), rules.history_max), len(earlier))
    weights = weigh_shared_facts(explained, [encounter.known for encounter in earlier])
    places = sorted(
        range(len(earlier)),
        key=lambda place: weights[place] * (1 if rules.is_liked(earlier[place]) else NOT_LIKED_WEIGHT),
    )
    places.reverse()  # Not `reverse=True`: among equals the latest shall come first.
    relevant = math.ceil(RELEVANT_SHARE * size)
    chosen = places[:relevant] + rng.sample(places[relevant:], size - relevant)
    return [earlier[place] for place in sorted(chosen)]


def weigh_shared_facts(item: KnownItem, others: Sequence[KnownItem]) -> list[float]:
    """Weigh how much each of the others has in common with an item: what is rare among them counts for more."""
    shared = [item.facts & other.facts for other in others]
    frequencies = Counter(fact for facts in shared for fact in facts)
    # Sorted, because the order of a set of text differs from run to run and floating-point sums with it.
    return [sum(math.log1p(len(others) / frequencies[fact]) for fact in sorted(facts)) for facts in shared]


def _build_row(
    user_id: str, explained: Encounter, history: Sequence[Encounter], rules: InteractionRules, drops: DropLog
) -> SourceRow | None:
    item = explained.known.item
    event_id = f"{user_id}/{item.item_id}"
    try:
        user = User(user_id=user_id, rating_scale=rules.scale, history=[_show(encounter) for encounter in history])
        event = RankingEvent(
            event_id=event_id, occurred_at=datetime.fromtimestamp(explained.at, UTC), user=user, items=[item]
        )
    except ValidationError as error:
        drops.note("event refused by the event contract", f"{event_id}: {describe_refusal(error)}")
        return None
    return SourceRow(rules.kind, event)


def _show(encounter: Encounter) -> HistoryItem:
    item = encounter.known.item
    return HistoryItem(item_id=item.item_id, title=item.title, rating=encounter.rating, attributes=item.attributes)
