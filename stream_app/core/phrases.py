"""Phrases of the template: the facts of an event in words, each remembering the field that it came from.

A phrase is a sequence of plain strings (our words) and quotes (the event's words). Only what a person may be shown is
ever quoted: a value with markup, links or instructions yields no phrase at all.
"""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from stream_app.core.events import Evidence
from stream_app.core.names import find_shown_title, find_value_mentions, is_displayable
from stream_app.core.slots import UNNAMED_ITEM

MAX_QUOTED_WORDS: Final = 6
MAX_QUOTED_WORD_CHARACTERS: Final = 30

_PUNCTUATION_IN_VALUES: Final = frozenset(" '’&/.,+%$€£#-–")
_PLACEHOLDER: Final = re.compile(r"\{(\w+)\}")
_INNER_PERIOD: Final = re.compile(r"([^\W\d_]+)\.\s")
_ABBREVIATIONS: Final = frozenset("dr mr mrs ms prof st sr jr sgt lt capt vol no".split())
_SAYING_NOTHING: Final = frozenset(
    "yes no true false none null unknown other others various n/a na nan tbd misc".split()
)


@dataclass(frozen=True, slots=True)
class Quote:
    """Words of the event: the text as shown, and the span of the field (JSON pointer) that it stands in."""

    text: str
    pointer: str
    field_start: int
    field_end: int
    is_title: bool = False


Phrase = tuple[str | Quote, ...]


@dataclass(frozen=True, slots=True)
class WrittenText:
    """A text for a reader, and where in the event each quoted part of it stands."""

    text: str
    evidence: tuple[Evidence, ...]


def compose(pattern: str, **parts: Phrase) -> Phrase:
    """Put phrases in the places that a pattern names: `compose("directed by {v}", v=name)`."""
    pieces: list[str | Quote] = []
    for position, piece in enumerate(_PLACEHOLDER.split(pattern)):
        if position % 2:
            pieces += parts[piece]
        elif piece:
            pieces.append(piece)
    return tuple(pieces)


def join(phrases: Sequence[Phrase], separator: str = " and ") -> Phrase:
    """Join phrases with a separator between each two."""
    first, *rest = phrases
    return tuple(piece for phrase in (first, *((separator, *phrase) for phrase in rest)) for piece in phrase)


def render_phrase(phrase: Phrase) -> WrittenText:
    """Render a phrase as a sentence: a capital in front, one period at an end, and evidence for each quote."""
    text = ""
    evidence: list[Evidence] = []
    for piece in phrase:
        shown = piece.text if isinstance(piece, Quote) else piece
        if text.endswith(".") and shown.startswith("."):
            shown = shown[1:]
        if not text and not (isinstance(piece, Quote) and piece.is_title):
            shown = _capitalise(shown)
        if isinstance(piece, Quote):
            field = {"field_start": piece.field_start, "field_end": piece.field_end}
            evidence.append(Evidence(start=len(text), end=len(text) + len(shown), pointer=piece.pointer, **field))
        text += shown
    return WrittenText(text, tuple(evidence))


def _capitalise(text: str) -> str:
    upper = text[:1].upper()
    return upper + text[1:] if len(upper) == 1 else text


def quote_title(title: str, pointer: str) -> Quote | None:
    """Quote the part of a title that people say, or None where nothing of it can be shown as words."""
    shown = find_shown_title(title)
    if shown is None or not any(character.isalnum() for character in title[shown.start : shown.end]):
        return None
    return Quote(title[shown.start : shown.end], pointer, shown.start, shown.end, is_title=True)


def name_item(title: str, pointer: str) -> Phrase:
    """Name the recommended item: by its title if that can be shown, else as `this item`."""
    return (quote_title(title, pointer) or UNNAMED_ITEM,)


def quote_value(attribute: str, value: str, pointer: str) -> Quote | None:
    """Quote a whole value of an attribute, or None where it cannot be shown or says nothing."""
    shown = value.strip()
    if not _is_quotable(shown):
        return None
    start = value.index(shown)
    is_name = any(mention.kind == "name" for mention in find_value_mentions(attribute, value))
    return Quote(shown if is_name else _lower(shown), pointer, start, start + len(shown))


def _is_quotable(value: str) -> bool:
    words = value.split(" ")
    return (
        any(character.isalnum() for character in value)
        and len(words) <= MAX_QUOTED_WORDS
        and all(0 < len(word) <= MAX_QUOTED_WORD_CHARACTERS for word in words)
        and value.casefold() not in _SAYING_NOTHING
        and all(_is_word_character(character) for character in value)
        and all(_is_abbreviation(match[1]) for match in _INNER_PERIOD.finditer(value))
        and is_displayable(value)
    )


def _is_word_character(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" or character in _PUNCTUATION_IN_VALUES


def _is_abbreviation(word: str) -> bool:
    return len(word) == 1 or word.casefold() in _ABBREVIATIONS


def _lower(value: str) -> str:
    # 'Science Fiction' is a common noun, 'TV' stays an abbreviation; a length that changed would move the spans.
    words = [word.lower() if word[:1].isupper() and word[1:] == word[1:].lower() else word for word in value.split(" ")]
    lowered = " ".join(words)
    return lowered if len(lowered) == len(value) else value
