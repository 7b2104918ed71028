"""Slots: the tokens that stand for the names of an event, and the way back from a slotted text to a readable one.

The student reads `<n1> Michael Mann` and writes `<n1>`; the worker puts the name back letter for letter and cites the
field that it came from. Training goes the other way: `extract_slots` turns names in the Oracle's text into tokens, and
a name that the event lacks makes the text unusable.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stream_app.core.events import Evidence, RatingScale
from stream_app.core.lexicon import is_common
from stream_app.core.names import WORD

ITEM_SLOT: Final = "<t>"
MAX_HISTORY_SLOTS: Final = 8
MAX_NAME_SLOTS: Final = 20
MAX_NUMBER_SLOTS: Final = 12
HISTORY_SLOTS: Final = tuple(f"<h{number}>" for number in range(1, MAX_HISTORY_SLOTS + 1))
NAME_SLOTS: Final = tuple(f"<n{number}>" for number in range(1, MAX_NAME_SLOTS + 1))
NUMBER_SLOTS: Final = tuple(f"<y{number}>" for number in range(1, MAX_NUMBER_SLOTS + 1))
SLOT_TOKENS: Final = (ITEM_SLOT, *HISTORY_SLOTS, *NAME_SLOTS, *NUMBER_SLOTS)

UNNAMED_ITEM: Final = "this item"
"""Stands for an item whose title cannot be shown safely."""

SLOT: Final = re.compile(r"<[thny]\d*>")
"""Anything that has the form of a slot token."""
_VOWEL_SOUND: Final = re.compile(r"(?!uni|use|usu|euro|one\b|once)[aeiou]|8|11(?!\d)|18(?!\d)|hour|honest|heir", re.I)
_SUFFIX_PARTS: Final = frozenset("s t re ve ll d m".split())


class Liking(StrEnum):
    """How a user liked an item of their history: the label that the prompt shows."""

    LOVED = "<love>"
    LIKED = "<like>"
    UNRATED = "<seen>"
    OTHER = "<meh>"


def label_liking(rating: float | None, scale: RatingScale) -> Liking:
    """Label a rating: the scale's maximum is loved, at least 80 % of it liked, anything below neither."""
    if rating is None:
        return Liking.UNRATED
    if rating >= scale.maximum:
        return Liking.LOVED
    return Liking.LIKED if rating >= scale.liked_from else Liking.OTHER


@dataclass(frozen=True, slots=True)
class Slot:
    """A token, the surface that replaces it, and the span of the field (JSON pointer) that the surface stands in."""

    token: str
    surface: str
    pointer: str
    field_start: int
    field_end: int


@dataclass(frozen=True, slots=True)
class SlotTable:
    """All slots of one (event, item); tokens are distinct."""

    slots: tuple[Slot, ...]

    def find(self, token: str) -> Slot | None:
        """Find the slot of a token, or None if this event has no such slot."""
        return next((slot for slot in self.slots if slot.token == token), None)


@dataclass(frozen=True, slots=True)
class FilledText:
    """A readable text, the evidence for each name in it, and the tokens that were filled, in order."""

    text: str
    evidence: tuple[Evidence, ...]
    used: tuple[str, ...]


class UnknownSlotError(ValueError):
    """The text uses a slot that the event does not have."""


class UnsupportedNameError(ValueError):
    """The text has a name or number that stands nowhere in the event."""


def fill_slots(slotted: str, table: SlotTable) -> FilledText:
    """Put names back, restore capitals and spacing, and cite each name.

    Args:
        slotted: lower-case words, punctuation and slot tokens, separated by single spaces.
        table: the slots of the event.

    Raises:
        UnknownSlotError: a token in the text is not in the table.
    """
    writer = _Writer()
    for part in slotted.split():
        if not SLOT.fullmatch(part):
            writer.add_word(part)
            continue
        slot = table.find(part)
        if slot is None:
            raise UnknownSlotError(part)
        writer.add_slot(slot)
    return FilledText(writer.text, tuple(writer.evidence), tuple(writer.used))


class _Writer:
    """Builds a sentence part by part; knows where English puts spaces and capitals."""

    def __init__(self) -> None:
        self.text = ""
        self.evidence: list[Evidence] = []
        self.used: list[str] = []
        self._starts_sentence = True
        self._glue = True

    def add_word(self, part: str) -> None:
        if part in ("-", "/"):
            self._append(part, space=False)
            self._glue = True
        elif part in ("'", "’"):
            self._append("'", space=False)
        elif self.text.endswith("'") and part in _SUFFIX_PARTS:
            self._append(part, space=False)
        elif part in (",", ".", ";", ":", "?", "!", ")", "%"):
            # A name may end the sentence with a full stop of its own: 'Smith & Co.'
            if part != "." or not self.text.endswith((".", "?", "!")):
                self._append(part, space=False)
            self._starts_sentence = part in (".", "?", "!")
        else:
            self._mend_article(part)
            self._append(self._capitalise(part), space=True)
            self._glue = part in ("(", "$", "€", "£")

    def add_slot(self, slot: Slot) -> None:
        is_unnamed = slot.surface == UNNAMED_ITEM
        surface = self._capitalise(slot.surface) if is_unnamed else slot.surface
        self._mend_article(surface)
        self._append(surface, space=True)
        self.used.append(slot.token)
        if not is_unnamed:
            start = len(self.text) - len(surface)
            span = {"start": start, "end": len(self.text)}
            field = {"field_start": slot.field_start, "field_end": slot.field_end}
            self.evidence.append(Evidence(pointer=slot.pointer, **span, **field))

    def _append(self, piece: str, *, space: bool) -> None:
        self.text += f" {piece}" if space and not self._glue else piece
        self._glue = False
        self._starts_sentence = False

    def _capitalise(self, word: str) -> str:
        if word == "i":
            return "I"
        return word[:1].upper() + word[1:] if self._starts_sentence else word

    def _mend_article(self, surface: str) -> None:
        """'a' or 'an' follows the name that was put in, and 'the The Matrix' loses one article."""
        match = re.search(r"(?:\A|\s)(an?|the)\Z", self.text, re.IGNORECASE)
        if match is None:
            return
        article = match[1]
        if article.lower() == "the":
            if surface.lower().startswith("the "):
                self.text = self.text[: match.start(1)].rstrip()
                self._glue = not self.text
            return
        mended = "an" if _VOWEL_SOUND.match(surface) else "a"
        self.text = self.text[: match.start(1)] + (mended.capitalize() if article[0].isupper() else mended)


def extract_slots(text: str, table: SlotTable) -> str:
    """Turn a readable text into slotted form: the inverse of `fill_slots`, for training.

    A title may be shortened to the part before or after a colon or dash, and a person to the surname, as people do.

    Raises:
        UnsupportedNameError: a capitalised word or a number is left that the event does not have.
    """
    slotted = text
    for surface, token in _list_surfaces(table.slots):
        slotted = re.sub(rf"(?<![\w<]){re.escape(surface)}(?![\w>])", f" {token} ", slotted)
    _ensure_no_names(slotted)
    return " ".join(slotted.split())


def _list_surfaces(slots: Iterable[Slot]) -> list[tuple[str, str]]:
    """All surfaces with their token: whole names before shortened ones, long before short, ambiguous ones left out."""
    whole: dict[str, str] = {}
    short: dict[str, set[str]] = {}
    for slot in slots:
        whole.setdefault(slot.surface, slot.token)
        for variant in _shorten(slot):
            short.setdefault(variant, set()).add(slot.token)
    unique = {variant: tokens.pop() for variant, tokens in short.items() if len(tokens) == 1 and variant not in whole}
    in_order = [sorted(part.items(), key=lambda pair: -len(pair[0])) for part in (whole, unique)]
    return [*in_order[0], *in_order[1]]


def _shorten(slot: Slot) -> list[str]:
    if slot.token in NUMBER_SLOTS:
        return []
    if slot.token in NAME_SLOTS:
        last = slot.surface.split()[-1]
        return [last] if len(last) >= 4 and last != slot.surface and not is_common(last) else []
    parts = re.split(r":\s|\s[-–]\s", slot.surface)
    return [part.strip() for part in (parts if len(parts) > 1 else []) if len(part.strip()) >= 5]


def _ensure_no_names(slotted: str) -> None:
    starts_sentence = True
    for match in re.finditer(rf"{SLOT.pattern}|{WORD.pattern}|[.!?:]", slotted):
        word = match[0]
        if word in (".", "!", "?", ":"):
            starts_sentence = True
            continue
        if SLOT.fullmatch(word):
            starts_sentence = False
            continue
        is_capitalised = word != word.lower() and word not in ("I", "I'd", "I'll", "I've")
        if any(character.isdigit() for character in word):
            raise UnsupportedNameError(word)
        if is_capitalised and not (starts_sentence and word[1:] == word[1:].lower() and _is_ordinary(word)):
            raise UnsupportedNameError(word)
        starts_sentence = False


def _is_ordinary(word: str) -> bool:
    # 'Light-hearted' is ordinary because 'light' is; so is 'Don't'.
    return is_common(word) or is_common(re.split(r"[-'’/]", word)[0])
