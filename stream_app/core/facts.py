"""What one event knows about one item and its user, indexed for the faithfulness check.

Everything is computed when first asked for: most texts name two titles, and a user may have rated five hundred.
"""

import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

from stream_app.core.events import HistoryItem, RankedItem, RankingEvent
from stream_app.core.genres import find_genres
from stream_app.core.lexicon import CATEGORY_ATTRIBUTES, is_common
from stream_app.core.per_event import PerEvent
from stream_app.core.shared_facts import escape_pointer, list_values
from stream_app.core.slots import Liking, label_liking

_BRACKETED_NOTE: Final = re.compile(r"\s*[(\[][^()\[\]]*[)\]]\s*\Z")
_SUBTITLE: Final = re.compile(r":\s|\s[-–—]\s")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_MIN_SHORT_TITLE: Final = 5


def fold_case(text: str) -> str:
    """Lower the case of each character that keeps its length, so that spans count in both texts alike."""
    lowered = text.lower()
    if len(lowered) == len(text):
        return lowered
    return "".join(low if len(low := character.lower()) == 1 else character for character in text)


def find_whole(needle: str, text: str) -> Iterator[int]:
    """Find where a piece of text stands and neither begins nor ends inside a word."""
    start = text.find(needle) if needle else -1
    while start >= 0:
        end = start + len(needle)
        is_cut = (start > 0 and text[start - 1].isalnum() and needle[0].isalnum()) or (
            end < len(text) and text[end].isalnum() and needle[-1].isalnum()
        )
        if not is_cut:
            yield start
        start = text.find(needle, start + 1)


def contains_whole(needle: str, text: str) -> bool:
    """Say whether a piece of text stands in another as whole words."""
    return next(find_whole(needle, text), None) is not None


def _is_name(attribute: str, value: str) -> bool:
    if not value or value == value.lower() or value[0].isdigit():
        return False
    return attribute not in CATEGORY_ATTRIBUTES or not all(is_common(word) for word in value.split())


class Subject:
    """The item or one entry of the history: its title, its attributes, and where they stand in the event."""

    def __init__(self, source: RankedItem | HistoryItem, pointer: str, liking: Liking | None) -> None:
        self.title = source.title
        self.attributes = source.attributes
        self.summary = source.summary if isinstance(source, RankedItem) else None
        self.pointer = pointer
        self.liking = liking

    @property
    def is_liked(self) -> bool:
        """Whether the user rated it as liked or loved."""
        return self.liking in (Liking.LIKED, Liking.LOVED)

    @cached_property
    def values(self) -> list[tuple[str, str, str]]:
        """All attribute values: folded attribute name, value, JSON pointer."""
        return [
            (fold_case(name), value, f"{self.pointer}/attributes/{escape_pointer(name)}{suffix}")
            for name, values in self.attributes.items()
            for suffix, value in list_values(values)
        ]

    @cached_property
    def names(self) -> list[tuple[str, str]]:
        """The attribute values that are names: value, JSON pointer."""
        return [(value, pointer) for name, value, pointer in self.values if _is_name(name, value)]

    @cached_property
    def words(self) -> str:
        """Everything that is said of it, folded, one field a line."""
        return fold_case("\n".join([self.title, *(value for _, value, _ in self.values), self.summary or ""]))

    @cached_property
    def genres(self) -> frozenset[str]:
        """Genres that its title, attributes or summary mention."""
        return find_genres(self.words)

    @cached_property
    def numbers(self) -> frozenset[str]:
        """Numbers that its title, attributes or summary mention."""
        return frozenset(_NUMBER.findall(self.words))

    def find_attribute_values(self, name: str) -> frozenset[str]:
        """Find the folded values of an attribute by its name, singular or plural."""
        names = {name, name.rstrip("s"), f"{name}s"}
        return frozenset(fold_case(value) for attribute, value, _ in self.values if attribute in names)

    def list_title_variants(self) -> list[str]:
        """List the forms in which people write the title: whole, without notes, before or after a colon."""
        variants = [self.title.strip()]
        while (shorter := _BRACKETED_NOTE.sub("", variants[-1])) and shorter != variants[-1]:
            variants.append(shorter)
        parts = _SUBTITLE.split(variants[-1])
        if len(parts) > 1:
            variants += [part for part in map(str.strip, parts) if len(part) >= _MIN_SHORT_TITLE]
        return [variant for variant in variants if variant]


@PerEvent
def _list_history(event: RankingEvent) -> list[Subject]:
    """List the entries of the history; what they compute when asked serves all items and texts of the event."""
    return [
        Subject(entry, f"/user/history/{index}", label_liking(entry.rating, event.user.rating_scale))
        for index, entry in enumerate(event.user.history)
    ]


class EventFacts:
    """One event seen from one of its items."""

    def __init__(self, event: RankingEvent, item_index: int) -> None:
        user = event.user
        self.item = Subject(event.items[item_index], f"/items/{item_index}", None)
        self.history = _list_history(event)
        self.preferences = user.preferences

    @cached_property
    def liked(self) -> list[Subject]:
        """What the user liked or loved."""
        return [entry for entry in self.history if entry.is_liked]

    @cached_property
    def preference_words(self) -> str:
        """All preferences, folded."""
        return fold_case("\n".join(self.preferences))

    @cached_property
    def preference_genres(self) -> frozenset[str]:
        """Genres that the preferences mention."""
        return find_genres(self.preference_words)

    @property
    def knows_taste(self) -> bool:
        """Whether anything is known of what the user likes."""
        return bool(self.liked) or any(preference.strip() for preference in self.preferences)

    @cached_property
    def words(self) -> str:
        """All that the event says of the item and the user, folded, one field a line."""
        return "\n".join([self.item.words, *(entry.words for entry in self.history), self.preference_words])

    @cached_property
    def numbers(self) -> frozenset[str]:
        """All whole numbers of the event's texts."""
        return frozenset(_NUMBER.findall(self.words))
