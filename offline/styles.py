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
    if _CONTRAST.search(slotted):
        return Manner.FREE
    claimed = list_content_stems(SLOT.sub(" ", slotted))
    return Manner.PLAIN if set(claimed) <= set(list_content_stems(source)) else Manner.FREE
