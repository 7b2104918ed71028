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
    Opening.ITEM: 2,
    Opening.HISTORY: 2,
    Opening.NAME: 2,
    Opening.USER: 1,
    Opening.LINK: 2,
    Opening.DETERMINER: 1,
    Opening.FACT: 3,
}
"""Roughly how often the Oracle begins so: a shape that it rarely used is one that the student knows less well."""


class Length(StrEnum):
    """How long a text should be: up to 24 words and punctuation marks, or more."""

    SHORT = "<short>"
    LONG = "<long>"


@dataclass(frozen=True, slots=True)
class Style:
    """The shape that is asked for."""

    opening: Opening
    length: Length

    @property
    def words(self) -> tuple[str, str]:
        """Both tokens, as plain text."""
        return self.opening.value, self.length.value


@dataclass(frozen=True, slots=True)
class Plan:
    """One text that may be asked for: its style, and the slot tokens of the items of the history that it is shown."""

    style: Style
    history: tuple[str, ...]


_SHARE_OF_TWO: Final = {Length.SHORT: 0.2, Length.LONG: 0.45}
_SHARE_OF_NONE_WITH_PREFERENCES: Final = 0.4
"""As often as the Oracle does so: of its texts on films, 42 % use two of the history; where there are preferences too,
44 % use none."""
_RELEVANCE_WEIGHTS: Final = (6, 3, 2, 1, 1)


def choose_history(style: Style, key: bytes, shared: Sequence[int], *, has_preferences: bool) -> tuple[int, ...]:
    """Choose the items of the history that a text is to use.

    Args:
        style: the style of the text.
        key: what identifies event and item.
        shared: for each candidate the number of values that it shares with the item, the most relevant first.
        has_preferences: whether the text may speak of the preferences instead.

    Returns:
        Indexes into `shared`, ascending: none, one or two.
    """
    is_needed = style.opening is Opening.HISTORY or not has_preferences
    if not shared or not (is_needed or _uniform(key, style, "none") > _SHARE_OF_NONE_WITH_PREFERENCES):
        return ()
    # Beside a candidate that shares something, one that shares nothing has no business in the text.
    related = [index for index, count in enumerate(shared) if count] or list(range(len(shared)))
    weights = _RELEVANCE_WEIGHTS
    drawn = sorted(related, key=lambda index: -math.log(_uniform(key, style, str(index))) / weights[index])
    is_pair = any(shared) and _uniform(key, style, "two") < _SHARE_OF_TWO[style.length]
    return tuple(sorted(drawn[: 2 if is_pair else 1]))


def order_styles(suitable: Collection[Opening], key: bytes) -> tuple[Style, ...]:
    """Order all styles with a suitable opening; a function of the key, frequent openings mostly first."""
    styles = [Style(opening, length) for opening in Opening if opening in suitable for length in Length]
    return tuple(sorted(styles, key=lambda style: _draw(key, style)))


def _draw(key: bytes, style: Style) -> float:
    """Draw a place in a weighted random order (Efraimidis & Spirakis 2006)."""
    return -math.log(_uniform(key, style, "")) / _OPENING_WEIGHTS[style.opening]


def _uniform(key: bytes, style: Style, purpose: str) -> float:
    """Draw from (0, 1]."""
    digest = hashlib.sha256(key + "".join((*style.words, purpose)).encode()).digest()
    return (int.from_bytes(digest[:7]) + 1) / 2**56
