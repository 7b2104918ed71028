"""Plans: what a text begins with, how long it is, and which items of the history it uses.

They are asked for in the prompt, so that texts vary without random sampling; a hash is the only source of chance.
"""

import hashlib
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Opening(StrEnum):
    """What a text begins with. Asked for in the prompt, so that texts vary without random sampling."""

    ITEM = "<by-item>"
    HISTORY = "<by-history>"
    NAME = "<by-name>"
    USER = "<by-you>"
    LINK = "<by-link>"
    DETERMINER = "<by-the>"
    FACT = "<by-fact>"


_OPENING_WEIGHTS: Final = {
    Opening.ITEM: 4,
    Opening.HISTORY: 3,
    Opening.NAME: 2.5,
    Opening.USER: 4,
    Opening.LINK: 2,
    Opening.DETERMINER: 0.2,
    Opening.FACT: 2,
}
"""By how often readers found no fault with a text that begins so (models/EXPERIMENTS.md)."""


class Length(StrEnum):
    """How long a text should be: up to 24 words and punctuation marks, or more."""

    SHORT = "<short>"
    LONG = "<long>"


class Manner(StrEnum):
    """Whether a text keeps to the words of its prompt and sets nothing against anything.

    The student learns from texts of both manners and is asked for plain ones: it gets a contrast or a paraphrase wrong
    far more often than a fact that it repeats.
    """

    PLAIN = "<plain>"
    FREE = "<free>"


_LENGTH_WEIGHTS: Final = {Length.SHORT: 1, Length.LONG: 0.15}
"""Readers find more faults in long texts."""


@dataclass(frozen=True, slots=True)
class Style:
    """The shape that is asked for."""

    opening: Opening
    length: Length
    manner: Manner = Manner.PLAIN

    @property
    def words(self) -> tuple[str, str, str]:
        """The tokens, as plain text."""
        return self.opening.value, self.length.value, self.manner.value


@dataclass(frozen=True, slots=True)
class Plan:
    """One text that may be asked for: its style, and the slot tokens of the items of the history that it is shown."""

    style: Style
    history: tuple[str, ...]


_SHARE_OF_TWO: Final = {Length.SHORT: 0.03, Length.LONG: 0.1}
_SHARE_OF_NONE_WITH_PREFERENCES: Final = 0.3
"""Where there are preferences too. The Oracle does so in 40 % of its texts, and uses two items of the history in 42 %
of those on films; but of the student's texts readers find those with one such item right most often."""
_RELEVANCE_WEIGHTS: Final = (6, 3, 2, 1, 1)


def choose_history(style: Style, key: bytes, related: Sequence[bool], *, has_preferences: bool) -> tuple[int, ...]:
    """Choose the items of the history that a text is to use.

    Args:
        style: the style of the text.
        key: what identifies event and item.
        related: for each candidate, the most relevant first, whether it may be a reason for the item.
        has_preferences: whether the text may speak of the preferences instead.

    Returns:
        Indexes into `related`, ascending: none, one or two.
    """
    is_needed = style.opening is Opening.HISTORY or not has_preferences
    usable = [index for index, is_related in enumerate(related) if is_related]
    if not usable or not (is_needed or _uniform(key, style, "none") > _SHARE_OF_NONE_WITH_PREFERENCES):
        return ()
    weights = _RELEVANCE_WEIGHTS
    drawn = sorted(usable, key=lambda index: -math.log(_uniform(key, style, str(index))) / weights[index])
    is_pair = _uniform(key, style, "two") < _SHARE_OF_TWO[style.length]
    return tuple(sorted(drawn[: 2 if is_pair else 1]))


def order_styles(suitable: Collection[Opening], key: bytes) -> tuple[Style, ...]:
    """Order all styles with a suitable opening; a function of the key, frequent openings mostly first."""
    styles = [Style(opening, length) for opening in Opening if opening in suitable for length in Length]
    return tuple(sorted(styles, key=lambda style: _draw(key, style)))


def _draw(key: bytes, style: Style) -> float:
    """Draw a place in a weighted random order (Efraimidis & Spirakis 2006)."""
    weight = _OPENING_WEIGHTS[style.opening] * _LENGTH_WEIGHTS[style.length]
    return -math.log(_uniform(key, style, "")) / weight


def _uniform(key: bytes, style: Style, purpose: str) -> float:
    """Draw from (0, 1]."""
    digest = hashlib.sha256(key + "".join((*style.words, purpose)).encode()).digest()
    return (int.from_bytes(digest[:7]) + 1) / 2**56
