"""What can be counted in one candidate: what of the user and of the item it uses, and how it reads."""

from dataclasses import dataclass
from functools import cached_property

from offline.content_words import (
    list_content_stems,
    list_item_texts,
    list_user_texts,
    stem_all,
    stem_event,
)
from stream_app.core.events import LIKED_SHARE_OF_MAXIMUM, HistoryItem, RankingEvent
from stream_app.core.facts import EventFacts, contains_whole, fold_case
from stream_app.core.shared_facts import list_all_values


@dataclass(frozen=True, slots=True)
class Measures:
    """Figures of one text for one event; counts are of different titles, values or stems."""

    words: int
    titles_used: int
    """Titles of the user's history."""
    user_stems_used: int
    """Content words of the preferences, and of values that the item shares with something the user liked."""
    item_stems_used: int
    """Content words of the item's attributes and summary; its title does not count."""
    supported_share: float
    """Of the content words, those that stand in the event; 1 for a text without content words."""
    copied_words: int
    """Length of the longest run of words that stands in the summary or the preferences in the same order."""
    distinct_share: float
    """Different words / words."""


class EventMeasurer:
    """Measures texts for one event, whose own words are computed once."""

    def __init__(self, event: RankingEvent) -> None:
        self._event = event
        self._facts = EventFacts(event, 0)

    def measure(self, text: str) -> Measures:
        """Measure one text."""
        words = [word.strip(".,;:!?\"'()").lower() for word in text.split()]
        stems = list_content_stems(text)
        found = frozenset(stems)
        return Measures(
            words=len(words),
            titles_used=self._count_titles(fold_case(text)),
            user_stems_used=len(found & self.user_stems),
            item_stems_used=len(found & self.item_stems),
            supported_share=sum(stem in self._stems for stem in stems) / len(stems) if stems else 1.0,
            copied_words=max((find_longest_run(words, source) for source in self._sources), default=0),
            distinct_share=len(set(words)) / max(len(words), 1),
        )

    @cached_property
    def user_stems(self) -> frozenset[str]:
        """Stems that are special to this user: of the preferences, and of what the item shares with liked things."""
        own = stem_all(list_all_values(self._event.items[0].attributes))
        liked = stem_all(value for entry in self._liked for value in list_all_values(entry.attributes))
        return stem_all(self._event.user.preferences) | (own & liked)

    @cached_property
    def item_stems(self) -> frozenset[str]:
        """Stems of what is known of the item beyond its title."""
        _, *known = list_item_texts(self._event.items[0])
        return stem_all(known)

    @cached_property
    def has_link(self) -> bool:
        """Whether the item has something in common with what the user likes, so that a text can speak of it."""
        item = self.item_stems | stem_all([self._event.items[0].title])
        return bool(item & self.user_stems)

    @cached_property
    def knows_user(self) -> bool:
        """Whether anything is known of the user at all."""
        return any(stem_all([text]) for text in list_user_texts(self._event.user))

    @cached_property
    def _stems(self) -> frozenset[str]:
        return stem_event(self._event)

    @cached_property
    def _liked(self) -> list[HistoryItem]:
        lowest = LIKED_SHARE_OF_MAXIMUM * self._event.user.rating_scale.maximum
        return [entry for entry in self._event.user.history if entry.rating is None or entry.rating >= lowest]

    @cached_property
    def _sources(self) -> list[list[str]]:
        texts = (self._event.items[0].summary or "", *self._event.user.preferences)
        return [[word.strip(".,;:!?\"'()").lower() for word in text.split()] for text in texts]

    def _count_titles(self, folded: str) -> int:
        return sum(
            any(contains_whole(fold_case(variant), folded) for variant in entry.list_title_variants())
            for entry in self._facts.history
        )


def find_longest_run(words: list[str], source: list[str]) -> int:
    """Find the length of the longest run of words that both lists have (longest common substring, by words)."""
    longest = 0
    row = [0] * (len(source) + 1)
    for word in words:
        before = row
        row = [0] * (len(source) + 1)
        for index, other in enumerate(source, start=1):
            if word == other:
                row[index] = before[index - 1] + 1
                longest = max(longest, row[index])
    return longest
