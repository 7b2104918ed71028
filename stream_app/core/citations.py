"""Evidence: which words of a text stand in which field of the event."""

import re
from collections.abc import Iterator
from typing import Final

from stream_app.core.events import Evidence
from stream_app.core.facts import find_whole, fold_case
from stream_app.core.lexicon import FUNCTION_WORDS
from stream_app.core.outline import Outline

_WORD: Final = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_MIN_CONTENT_LETTERS: Final = 4


def cite_event(outline: Outline) -> tuple[Evidence, ...]:
    """Cite names first, then values of attributes, then what summary and preferences say in the same words."""
    citations = _Citations(outline)
    citations.cite_values()
    citations.cite_capitals_and_numbers()
    citations.cite_phrases()
    return tuple(sorted(citations.evidence, key=lambda evidence: evidence.start))


class _Citations:
    def __init__(self, outline: Outline) -> None:
        self._outline = outline
        self._text = fold_case(outline.source)
        self._taken = bytearray(len(self._text))
        self.evidence: list[Evidence] = []
        for mark in outline.marks:
            self._add(mark.evidence)

    def _add(self, evidence: Evidence) -> None:
        span = slice(evidence.start, evidence.end)
        if not any(self._taken[span]):
            self._taken[span] = b"\1" * (evidence.end - evidence.start)
            self.evidence.append(evidence)

    def cite_values(self) -> None:
        subjects = [self._outline.facts.item, *self._outline.companions]
        values = [(fold_case(value), pointer) for subject in subjects for _, value, pointer in subject.values]
        for value, pointer in sorted(values, key=lambda pair: -len(pair[0])):
            if value not in self._text:
                continue
            for start in find_whole(value, self._text):
                self._add(
                    Evidence(start=start, end=start + len(value), pointer=pointer, field_start=0, field_end=len(value))
                )

    def cite_capitals_and_numbers(self) -> None:
        for match in _WORD.finditer(self._outline.source):
            word = match[0]
            if self._taken[match.start()] or (word == word.lower() and not word[0].isdigit()):
                continue
            if not _is_content(word) and not word[0].isdigit():
                continue
            for pointer, field in self._list_fields():
                start = next(find_whole(fold_case(word), field), None)
                if start is not None:
                    span = {"field_start": start, "field_end": start + len(word)}
                    self._add(Evidence(start=match.start(), end=match.end(), pointer=pointer, **span))
                    break

    def _list_fields(self) -> Iterator[tuple[str, str]]:
        facts = self._outline.facts
        yield from self._list_texts()
        for subject in (facts.item, *self._outline.companions):
            yield f"{subject.pointer}/title", fold_case(subject.title)
            yield from ((pointer, fold_case(value)) for _, value, pointer in subject.values)

    def _list_texts(self) -> Iterator[tuple[str, str]]:
        facts = self._outline.facts
        if facts.item.summary:
            yield f"{facts.item.pointer}/summary", fold_case(facts.item.summary)
        yield from ((f"/user/preferences/{index}", fold_case(text)) for index, text in enumerate(facts.preferences))

    def cite_phrases(self) -> None:
        for pointer, field in self._list_texts():
            words = [match.span() for match in _WORD.finditer(field)]
            places: dict[str, list[int]] = {}
            for index, (start, end) in enumerate(words):
                places.setdefault(field[start:end], []).append(index)
            self._cite_runs(pointer, field, words, places)

    def _cite_runs(self, pointer: str, field: str, words: list[tuple[int, int]], places: dict[str, list[int]]) -> None:
        end_of_last = 0
        for match in _WORD.finditer(self._text):
            start = match.start()
            if start < end_of_last or self._taken[start] or match[0] not in places or not _is_content(match[0]):
                continue
            runs = [(self._find_run_end(match, field, words, place), words[place][0]) for place in places[match[0]]]
            length, field_start = max(runs, key=lambda run: run[0])
            end_of_last = start + length
            span = {"field_start": field_start, "field_end": field_start + length}
            self._add(Evidence(start=start, end=end_of_last, pointer=pointer, **span))

    def _find_run_end(self, match: re.Match[str], field: str, words: list[tuple[int, int]], place: int) -> int:
        """Length of the longest run from here that both texts share and that ends with a content word."""
        first = words[place][0]
        length = words[place][1] - first
        for start, end in words[place + 1 :]:
            span = slice(match.start(), match.start() + end - first)
            if self._text[span] != field[first:end] or any(self._taken[span]) or self._is_cut(span.stop):
                break
            if _is_content(field[start:end]):
                length = end - first
        return length

    def _is_cut(self, end: int) -> bool:
        return end < len(self._text) and (self._text[end].isalnum() or self._text[end] in "'’-")


def _is_content(word: str) -> bool:
    return len(word) >= _MIN_CONTENT_LETTERS and word not in FUNCTION_WORDS
