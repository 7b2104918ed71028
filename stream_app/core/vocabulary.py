"""Words that a student may write: known English, or words of the event. The check that its texts pass before the gate.

A student that composes words from pieces now and then writes one that does not exist ('permison'), or a fact of another
event ('silk' where the event says wool). A template or a person does neither, so the gate itself does not ask.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

from stream_app.core.events import Evidence, HistoryItem, RankedItem, RankingEvent
from stream_app.core.lexicon import is_common, is_connecting, load_common_words, load_words
from stream_app.core.per_event import PerEvent
from stream_app.core.shared_facts import list_all_values

MIN_LETTERS: Final = 4
STEM_LETTERS: Final = 5
_WORD: Final = re.compile(r"[^\W\d_]+")
_UNNATURAL: Final = re.compile(
    r"\bfor you who\b|\bone too, with\b|\badds (?:[\w-]+ ){1,4}to (?:its?|these|this|that|them)\b|\bfor interest\b|"
    r"\bfor its (?:documentary|imax|musical|thriller|western)\b|\bwas (?:what you|part of|the format of)\b|\bis its\b|"
    r"\b(?:has|have) \w+ (?:too|as well)\b|\b(?:is|was) (?:both )?too\b|\bof this (?!kind|sort|type)\w|\bof card\b|"
    r"\b(?i:is|are) at (?-i:[A-Z])|, so\b|\A(?:so|for (?-i:[a-z]))\b|\bto up\b|"
    r"\b(?:above|in) (?:over|under) \d+\b(?! [dhmwy])|"
    r"\bis one that you\b|\bwho needs?\.|\b(?:liked|loved) the (?:\w+ )?prices?\b|\bthe same year\b",
    re.IGNORECASE,
)
"""What the student likes to write and readers do not like to read: of 45 such texts they found 11 faultless."""
_MADE: Final = re.compile(
    r"/attributes/(?:artist|author|brand|composer|designer|developer|director|writer)s?(?:/\d+)?\Z"
)
"""Whoever made something is 'by' or 'from', not 'with'."""
_SUFFIX: Final = re.compile(r"(?:ing|ies|ed|es|er|ly|s|d|y|e)\Z")


@cache
def load_known_words() -> frozenset[str]:
    """Load all words of four letters and more that the recorded explanations use, common words included."""
    return load_common_words() | load_words("known_words.txt")


@cache
def load_attribute_words() -> frozenset[str]:
    """Load words that state a fact ('silk', 'vegan', 'jazz'): values that are used only where given."""
    return load_words("attribute_words.txt")


def find_strange_words(
    text: str, event: RankingEvent, item_index: int, cited: tuple[Evidence, ...]
) -> Iterator[tuple[str, str]]:
    """Find words that a student should not have written, as pairs of rule and word.

    `unnatural_phrase`: a turn of phrase that readers stumble over.
    `unknown_word`: neither English as recorded explanations use it, nor a word of the event (in any inflection).
    `unsupported_word`: states a fact that the event does not have. Names that came through slots are not looked at.
    """
    yield from (("unnatural_phrase", match[0]) for match in _UNNATURAL.finditer(text))
    for span in cited:
        if _MADE.search(span.pointer) and text[: span.start].endswith("with "):
            yield "unnatural_phrase", text[span.start - len("with ") : span.end]
    stems, roots = _read_event(event, item_index)
    for word in _list_own_words(text, cited):
        if word[:STEM_LETTERS] not in stems and word in load_attribute_words():
            yield "unsupported_word", word
        elif word not in load_known_words() and not is_common(word) and _SUFFIX.sub("", word) not in roots:
            yield "unknown_word", word


def find_added_words(text: str, event: RankingEvent, item_index: int, cited: tuple[Evidence, ...]) -> Iterator[str]:
    """Find words that state something and stand nowhere in the event, in any inflection: what a plain text lacks."""
    stems, roots = _read_event(event, item_index)
    for word in _list_own_words(text, cited):
        if not is_connecting(word) and word[:STEM_LETTERS] not in stems and _SUFFIX.sub("", word) not in roots:
            yield word


def _list_own_words(text: str, cited: tuple[Evidence, ...]) -> Iterator[str]:
    """List the longer words of a text, in lower case, without the names that came through slots."""
    for match in _WORD.finditer(text):
        is_name = any(evidence.start <= match.start() < evidence.end for evidence in cited)
        if not is_name and len(match[0]) >= MIN_LETTERS:
            yield match[0].lower()


def _read_event(event: RankingEvent, item_index: int) -> tuple[set[str], set[str]]:
    """Collect the first letters of an event's words, and the words without their endings."""
    item = event.items[item_index]
    stems, roots = _read_texts([item.summary or "", *_list_texts(item)])
    user_stems, user_roots = _read_user(event)
    return stems | user_stems, roots | user_roots


@PerEvent
def _read_user(event: RankingEvent) -> tuple[set[str], set[str]]:
    """Collect the same of what is known of the user."""
    return _read_texts([*event.user.preferences, *(text for one in event.user.history for text in _list_texts(one))])


def _list_texts(entry: RankedItem | HistoryItem) -> list[str]:
    return [entry.title, *entry.attributes, *list_all_values(entry.attributes)]


def _read_texts(texts: list[str]) -> tuple[set[str], set[str]]:
    known = {match[0].lower() for text in texts for match in _WORD.finditer(text)}
    return {word[:STEM_LETTERS] for word in known}, {_SUFFIX.sub("", word) for word in known}
