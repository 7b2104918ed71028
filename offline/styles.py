"""Which style a slotted text has: the label that the student is trained with and asked for."""

from typing import Final

from stream_app.core.slots import HISTORY_SLOTS, ITEM_SLOT, NAME_SLOTS
from stream_app.core.styles import Length, Opening, Style

MAX_SHORT_WORDS: Final = 24
_LINKS: Final = frozenset(
    "if since because after like with for from much as when while where beside unlike instead having given "
    "at in both two".split()
)
_DETERMINERS: Final = frozenset("the a an this these that another it there here".split())


def classify_style(slotted: str) -> Style:
    """Classify a slotted text by its first word and its number of words."""
    words = slotted.split()
    return Style(_classify_opening(words[0]), Length.SHORT if len(words) <= MAX_SHORT_WORDS else Length.LONG)


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
