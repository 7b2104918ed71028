"""Facts and wishes that a text puts in the wrong place: 'A sauna made Elm House a stay that you loved'.

Only a student mixes up what it has just read; a person or a template does not. So this looks at the student's texts, by
words. A clause about an item of the history, or a sentence that compares the item with it, may say only what the event
says of that item too; and what a text repeats of the user has to meet something of the item.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from stream_app.core.events import Evidence, HistoryItem, RankingEvent
from stream_app.core.lexicon import FUNCTION_WORDS, is_connecting
from stream_app.core.per_event import PerEvent
from stream_app.core.shared_facts import list_all_values
from stream_app.core.vocabulary import MIN_LETTERS, STEM_LETTERS

_WORD: Final = re.compile(r"[^\W\d_]+")
_TITLE: Final = re.compile(r"/user/history/(\d+)/title")
_CLAUSE_END: Final = re.compile(r"[,;:.!?](?=\s|$)|\band (?=(?:here|this|it|its|now|you|the same|both)\b)")
_SENTENCE_END: Final = re.compile(r"[;.!?](?=\s|$)")
_COMPARISON: Final = re.compile(r"\b(?:[Ll]ike|[Aa]nother|as was|as were|one too|the same)\b")
_LINK: Final = re.compile(r"\b(?:[Ll]ike|alike|likewise|another|both|same|shared?|too|also|again|one|them|as well)\b")
"""Words that say by themselves that two items have something in common."""
_SAID_OF_ANY: Final = FUNCTION_WORDS | frozenset(
    "film films movie book books novel game games album record podcast series show recipe dish restaurant place hotel "
    "stay course class event concert article piece story stories app brand maker about like made make over down turn "
    "mark something".split()
)
"""Words that a sentence about any item may have."""
_LEAST_FACTS: Final = 3
"""With less, a text that likens one item to another says little more than a genre: 'Like Heat, Fargo is a drama.'"""
Span = tuple[int, int]


class Reasons(NamedTuple):
    """How well a text gives a reason."""

    is_related: bool
    """What it says of the user meets something of the item."""
    is_personal: bool
    """It says something of the user, unless nothing of them has to do with the item."""
    is_telling: bool
    """If it likens the item to another, it says at least three things of it, unless less is known."""


def find_misplaced_facts(text: str, event: RankingEvent, item_index: int, cited: Collection[Evidence]) -> Iterator[str]:
    """Find words that state a fact of the explained item, said of an item of the history that lacks it.

    Args:
        text: the readable text.
        event: the ranking event.
        item_index: which of the event's items the text is about.
        cited: the spans of names in the text, from its slots.
    """
    yield from dict.fromkeys(_Reader(text, event, item_index, cited).find_misplaced())


def find_unrelated_reasons(
    text: str, event: RankingEvent, item_index: int, cited: Collection[Evidence]
) -> Iterator[str]:
    """Find a wish, or items of the history, that nothing in the text connects with the explained item.

    Args:
        text: the readable text.
        event: the ranking event.
        item_index: which of the event's items the text is about.
        cited: the spans of names in the text, from its slots.
    """
    yield from _Reader(text, event, item_index, cited).find_unrelated()


def read_reasons(
    text: str, event: RankingEvent, item_index: int, cited: Collection[Evidence], *, shares_history: bool
) -> Reasons:
    """Say how well a text gives a reason; two texts about the same item may differ in it, and both be true.

    Args:
        text: the readable text.
        event: the ranking event.
        item_index: which of the event's items the text is about.
        cited: the spans of names in the text, from its slots.
        shares_history: whether the item has something in common with an item of the history that a text may name.
    """
    reader = _Reader(text, event, item_index, cited)
    is_personal = not reader.lacks_reason(shares_history=shares_history)
    return Reasons(not any(reader.find_unrelated()), is_personal, not reader.is_bland())


@dataclass(frozen=True, slots=True)
class _Word:
    start: int
    text: str
    stems: frozenset[str]
    is_name: bool


class _Reader:
    def __init__(self, text: str, event: RankingEvent, item_index: int, cited: Collection[Evidence]) -> None:
        item = event.items[item_index]
        self._text = text
        self._own = _stem_all([*list_all_values(item.attributes), item.summary or ""])
        self._own_with_title = self._own | _stem_all([item.title])
        self._wishes = _stem_wishes(event)
        self._names = [(span.start, span.end) for span in cited]
        self._entries: dict[Span, HistoryItem] = {
            (span.start, span.end): event.user.history[int(match[1])]
            for span in cited
            if (match := _TITLE.fullmatch(span.pointer))
        }
        self._words = [
            _Word(match.start(), match[0], _stem_all([match[0]]), self._is_in_name(match.start()))
            for match in _WORD.finditer(text)
        ]
        own_values = f"/items/{item_index}/attributes/"
        self._values = {
            (span.start, span.end): text[span.start : span.end] for span in cited if span.pointer.startswith(own_values)
        }

    def find_misplaced(self) -> Iterator[str]:
        for end, is_comparison in ((_CLAUSE_END, False), (_SENTENCE_END, True)):
            for start, stop in self._cut(end):
                entries = [entry for (at, _), entry in self._entries.items() if start <= at < stop]
                if entries and (not is_comparison or _COMPARISON.search(self._text, start, stop)):
                    yield from self._find_foreign(start, stop, entries, has_names=not is_comparison)

    def _find_foreign(self, start: int, stop: int, entries: list[HistoryItem], *, has_names: bool) -> Iterator[str]:
        allowed = self._wishes.union(*(_stem_entry(entry) for entry in entries))
        for word in self._words:
            is_own = word.stems and word.stems <= self._own and not word.is_name
            if start <= word.start < stop and is_own and not word.stems & allowed:
                yield word.text
        if has_names:
            known = {value for entry in entries for value in list_all_values(entry.attributes)}
            yield from (
                name
                for (at, _), name in self._values.items()
                if start <= at < stop and not any(name in value for value in known)
            )

    def find_unrelated(self) -> Iterator[str]:
        stated = [word for word in self._words if not word.is_name and not is_connecting(word.text.lower())]
        wishes = [word for word in stated if word.stems & self._wishes]
        if wishes and not any(word.stems & self._own_with_title for word in wishes) and not self._entries:
            yield wishes[0].text
        for span, entry in self._entries.items():
            if list_all_values(entry.attributes) and not self._is_connected(span, entry, stated):
                yield self._text[slice(*span)]

    def is_bland(self) -> bool:
        said = {stem for word in self._words if not word.is_name for stem in word.stems & self._own}
        return bool(self._entries) and len(said) + len(self._values) < min(_LEAST_FACTS, len(self._own))

    def lacks_reason(self, *, shares_history: bool) -> bool:
        says_wish = any(word.stems & self._wishes for word in self._words)
        return not self._entries and not says_wish and (shares_history or bool(self._wishes & self._own))

    def _is_connected(self, span: Span, entry: HistoryItem, stated: list[_Word]) -> bool:
        """Whether the text says what the item shares with an entry: of the item, or with a word that links the two."""
        known = list_all_values(entry.attributes)
        # A shared year alone is no reason.
        names = [name for name in self._values.values() if not name.isdigit()]
        if any(name in value for name in names for value in known):
            return True
        shared = _stem_entry(entry) & self._own
        if _LINK.search(self._text):
            return any(word.stems & shared for word in stated)
        (start, stop), *_ = [clause for clause in self._cut(_CLAUSE_END) if clause[0] <= span[0] < clause[1]]
        is_whole = stop - start >= len(self._text.rstrip(".!?"))
        return any(word.stems & shared for word in stated if is_whole or not start <= word.start < stop)

    def _cut(self, end: re.Pattern[str]) -> Iterator[Span]:
        start = 0
        for match in end.finditer(self._text):
            if not self._is_in_name(match.start()):
                yield start, match.start()
                start = match.end()
        yield start, len(self._text)

    def _is_in_name(self, position: int) -> bool:
        return any(start <= position < stop for start, stop in self._names)


def _stem_entry(entry: HistoryItem) -> frozenset[str]:
    return _stem_all([entry.title, *entry.attributes, *list_all_values(entry.attributes)])


@PerEvent
def _stem_wishes(event: RankingEvent) -> frozenset[str]:
    """Stem all words of the preferences."""
    return _stem_all(event.user.preferences)


def _stem_all(texts: Iterable[str]) -> frozenset[str]:
    words = (match[0].lower() for text in texts for match in _WORD.finditer(text))
    return frozenset(word[:STEM_LETTERS] for word in words if len(word) >= MIN_LETTERS and word not in _SAID_OF_ANY)
