"""A text with its names replaced by markers, so that rules can be written as short patterns.

'Like Heat, which you loved, Fargo is a crime drama by Joel Coen.' becomes
'like <h0> , which you loved , <t> is a {crime} {drama} by <n0> .'; `<h0>` is the first entry of the history.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from stream_app.core.events import Evidence
from stream_app.core.facts import EventFacts, Subject, find_whole, fold_case
from stream_app.core.genres import GENRE_PATTERN, name_genre
from stream_app.core.lexicon import FUNCTION_WORDS, is_common

_TITLE_POINTER: Final = re.compile(r"/(items|user/history)/(\d+)/title\Z")
_TOKEN: Final = re.compile(
    rf"(?P<genre>{GENRE_PATTERN})|(?P<possessive>['’]s?(?!\w))|(?P<word>[^\W_](?:[^\W_]|[-'’.](?=[^\W_]))*)|[.,;:!?()]",
    re.IGNORECASE,
)
_MIN_SURNAME: Final = 4
_GENRE_TOKEN: Final = re.compile(r"\{(\w+)\}")
_HISTORY_TOKEN: Final = re.compile(r"<h(\d+)>")


@dataclass(frozen=True, slots=True)
class Mark:
    """A span of the text that names a title or a value, its marker, and the evidence for it."""

    start: int
    end: int
    marker: str
    evidence: Evidence


class Outline:
    """One text, its marks in order, and its outline."""

    def __init__(self, text: str, facts: EventFacts, cited: Sequence[Evidence]) -> None:
        self.source = text
        self.facts = facts
        self.names: list[str] = []
        self._taken = bytearray(len(text))
        self._marks: list[Mark] = []
        self._mark_cited_titles(cited)
        self._mark_titles()
        self._mark_names(cited)
        self.marks = sorted(self._marks, key=lambda mark: mark.start)
        self.text = self._render()

    @cached_property
    def sentences(self) -> list[str]:
        """The outline's sentences, cut at full stops and semicolons."""
        return [part.strip() for part in re.split(r" [.;!?](?: |\Z)", self.text) if part.strip()]

    @cached_property
    def masked(self) -> str:
        """The text, as long as before, with its titles and names blanked."""
        return "".join("\0" if taken else character for character, taken in zip(self.source, self._taken, strict=True))

    @cached_property
    def named(self) -> list[Subject]:
        """The entries of the history that the text names, in order of first mention."""
        indices = dict.fromkeys(int(index) for index in _HISTORY_TOKEN.findall(self.text))
        return [self.facts.history[index] for index in indices]

    @cached_property
    def companions(self) -> list[Subject]:
        """What the text may compare the item with: the titles it names or else all that the user liked."""
        return self.named or self.facts.liked

    def find_subjects(self, outline: str) -> list[Subject]:
        """Find the subjects whose markers stand in a piece of outline."""
        found = [self.facts.item] if "<t>" in outline else []
        return found + [self.facts.history[int(index)] for index in _HISTORY_TOKEN.findall(outline)]

    def _mark_cited_titles(self, cited: Iterable[Evidence]) -> None:
        for evidence in cited:
            match = _TITLE_POINTER.match(evidence.pointer)
            if match is not None:
                marker = "<t>" if match[1] == "items" else f"<h{match[2]}>"
                self._mark(evidence.start, evidence.end, marker, evidence)

    def _mark_titles(self) -> None:
        subjects = [
            ("<t>", self.facts.item),
            *((f"<h{index}>", entry) for index, entry in enumerate(self.facts.history)),
        ]
        found = [
            (variant, marker, subject)
            for marker, subject in subjects
            for variant in subject.list_title_variants()
            # A title without a letter or digit, such as '...', cannot be told from punctuation.
            if variant in self.source and any(character.isalnum() for character in variant)
        ]
        # Stable: of two equal titles the item's comes first, so nothing is claimed of the history by accident.
        for variant, marker, subject in sorted(found, key=lambda entry: (-len(entry[0]), entry[0] != entry[2].title)):
            self._mark_all(variant, variant, marker, subject.title, f"{subject.pointer}/title")

    def _mark_names(self, cited: Iterable[Evidence]) -> None:
        for evidence in cited:
            surface = self.source[evidence.start : evidence.end]
            marker = surface.lower() if surface[:1].isdigit() else self._register(surface)
            self._mark(evidence.start, evidence.end, marker, evidence)
        subjects = (self.facts.item, *self.facts.history)
        values = [name for subject in subjects for name in subject.names]
        for value, pointer in sorted(values, key=lambda pair: -len(pair[0])):
            if value in self.source:
                self._mark_all(value, value, None, value, pointer)
        for value, pointer in values:
            surname = value.rpartition(" ")[2]
            if surname != value and surname in self.source and _is_surname(surname):
                self._mark_all(surname, value, None, value, pointer)

    def _register(self, name: str) -> str:
        folded = fold_case(name)
        if folded not in self.names:
            self.names.append(folded)
        return f"<n{self.names.index(folded)}>"

    def _mark_all(self, surface: str, name: str, marker: str | None, field: str, pointer: str) -> None:
        field_start = field.rindex(surface)
        for start in find_whole(surface, self.source):
            end = start + len(surface)
            if marker is not None and self._may_be_a_word(surface, start):
                continue
            if not any(self._taken[start:end]):
                span = {"field_start": field_start, "field_end": field_start + len(surface)}
                evidence = Evidence(start=start, end=end, pointer=pointer, **span)
                self._mark(start, end, marker or self._register(name), evidence)

    def _may_be_a_word(self, surface: str, start: int) -> bool:
        # 'It' and 'Up' are films; at the start of a sentence they are words unless a slot says otherwise.
        starts_sentence = not self.source[:start].rstrip(" \"'(").strip() or self.source[:start].rstrip()[-1] in ".!?:"
        return starts_sentence and " " not in surface and fold_case(surface) in FUNCTION_WORDS

    def _mark(self, start: int, end: int, marker: str, evidence: Evidence) -> None:
        if not any(self._taken[start:end]):
            self._taken[start:end] = b"\1" * (end - start)
            self._marks.append(Mark(start, end, marker, evidence))

    def _render(self) -> str:
        parts: list[str] = []
        position = 0
        for mark in self.marks:
            parts += _list_tokens(self.source[position : mark.start])
            parts.append(mark.marker)
            position = mark.end
        return " ".join([*parts, *_list_tokens(self.source[position:])])


def _is_surname(word: str) -> bool:
    return len(word) >= _MIN_SURNAME and word[0].isupper() and not is_common(word)


def _list_tokens(text: str) -> list[str]:
    tokens: list[str] = []
    for match in _TOKEN.finditer(text):
        genre = name_genre(match[0]) if match["genre"] else None
        tokens.append(f"{{{genre}}}" if genre else match[0].lower().replace("’", "'"))
    return tokens


def list_genres(outline: str) -> list[str]:
    """List the genres that a piece of outline claims, in order."""
    return _GENRE_TOKEN.findall(outline)
