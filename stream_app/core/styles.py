"""Styles: what a text begins with and how long it is. Asked for in the prompt, so that texts vary without sampling."""

import hashlib
import math
from collections.abc import Collection
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


def order_styles(suitable: Collection[Opening], key: bytes) -> tuple[Style, ...]:
    """Order all styles with a suitable opening; a function of the key, frequent openings mostly first."""
    styles = [Style(opening, length) for opening in Opening if opening in suitable for length in Length]
    return tuple(sorted(styles, key=lambda style: _draw(key, style)))


def _draw(key: bytes, style: Style) -> float:
    """Draw a place in a weighted random order (Efraimidis & Spirakis 2006): the hash is the only source of chance."""
    digest = hashlib.sha256(key + "".join(style.words).encode()).digest()
    uniform = (int.from_bytes(digest[:7]) + 1) / 2**56
    return -math.log(uniform) / _OPENING_WEIGHTS[style.opening]
