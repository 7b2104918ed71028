"""Which style a slotted text has: the label that the student is trained with and asked for."""

import re
from typing import Final

from offline.content_words import list_content_stems
from stream_app.core.slots import HISTORY_SLOTS, ITEM_SLOT, NAME_SLOTS, SLOT
from stream_app.core.styles import Length, Manner, Opening, Style

MAX_SHORT_WORDS: Final = 24
_LINKS: Final = frozenset(
    "if since because after like with for from much as when while where beside unlike instead having given "
    "at in both two".split()
)
_DETERMINERS: Final = frozenset("the a an this these that another it there here".split())
_CONTRAST: Final = re.compile(
    r"\b(?:not|no|nor|neither|never|without|rather than|instead|although|though|but|yet|while|despite|even if|even so|"
    r"still|unlike|aside|apart|away|far|different|change|break|swap|turn|lacks?|cannot|n ' t|isn|doesn|less|only)\b"
)
_STAND_IN: Final = re.compile(
    r"\b(?:ones?|so (?:is|was|does|do|are)|(?:has|have|had) (?:both|it|them)|with (?:it|them)|(?:it|them) too|"
    r"(?:is|are) what you|(?:to|suits?) your liking|won you over|(?:was|were) part of|same year|year of)\b"
)
"""Turns in which a word stands for a phrase of another clause. Of the faulty texts of prism-small 0.3.0 four in ten had
one: 'Drama for children was what you liked in Babe, and Snow White is an animated one'."""
_PREFERENCES: Final = re.compile(r"<pref>([^<]*(?:<(?:t|[a-z]\d+)>[^<]*)*)")


def classify_style(slotted: str, source: str) -> Style:
    """Classify a slotted text by its first word, its number of words, and how it keeps to its source."""
    words = slotted.split()
    length = Length.SHORT if len(words) <= MAX_SHORT_WORDS else Length.LONG
    return Style(_classify_opening(words[0]), length, _classify_manner(slotted, source))


def _classify_opening(first: str) -> Opening:
    if first == ITEM_SLOT:
        return Opening.ITEM
    if first in HISTORY_SLOTS:
        return Opening.HISTORY
    if first in NAME_SLOTS:
        return Opening.NAME
    word = first.lower().strip(",")
    if word in ("you", "your"):
        return Opening.USER
    if word in _DETERMINERS:
        return Opening.DETERMINER
    return Opening.LINK if word in _LINKS else Opening.FACT


def _classify_manner(slotted: str, source: str) -> Manner:
    if _CONTRAST.search(slotted) or _STAND_IN.search(slotted):
        return Manner.FREE
    claimed = set(list_content_stems(SLOT.sub(" ", slotted)))
    is_plain = claimed <= set(list_content_stems(source)) and _is_personal(slotted, claimed, source)
    return Manner.PLAIN if is_plain else Manner.FREE


def _is_personal(slotted: str, claimed: set[str], source: str) -> bool:
    preferences = _PREFERENCES.search(source)
    if preferences is None or any(slot in slotted for slot in HISTORY_SLOTS):
        return True
    return not claimed.isdisjoint(list_content_stems(preferences[1]))
