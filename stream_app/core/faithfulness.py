"""The gate: whether a text may be emitted for one item of one event, and which fields of the event support it.

Pure rules, no model: the same text and event always give the same verdict. The rules look for what a text must not
do; a text that breaks none of them can still be odd, but its names, numbers, genres and ratings come from the event.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from stream_app.core.citations import cite_event
from stream_app.core.claims import find_unsupported_claims
from stream_app.core.events import Evidence, RankingEvent
from stream_app.core.facts import EventFacts
from stream_app.core.names import is_displayable
from stream_app.core.outline import Outline
from stream_app.core.relations import find_wrong_relations
from stream_app.core.lexicon import FUNCTION_WORDS

MIN_WORDS: Final = 8
MAX_WORDS: Final = 40

_LEFTOVER: Final = re.compile(r"##|\[(?:unk|sep|cls|pad|mask)\]|\b(?:unk|eos|bos)\b", re.IGNORECASE)
_THIRD_PERSON: Final = re.compile(r"\b(?:(?:this|the|a|our) (?:user|customer|viewer)|users|fans)\b", re.IGNORECASE)
_NEARBY_TOKENS: Final = 3
_MIN_RUN_CONTENT: Final = 2
_MAX_NAME_MENTIONS: Final = 2
_MIN_CONTENT_LETTERS: Final = 4


_REPEATABLE: Final = frozenset(
    "part same through over more half some many much year years week weeks time times side hand that had which".split()
)
"""Words that English repeats on purpose: 'part drama, part romance', 'year after year'."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule (snake case, also a metric's label) and what broke it; the detail may hold text and is never logged."""

    rule: str
    detail: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with a text; and if nothing is, the fields that support it, by position, without overlaps."""

    violations: tuple[Violation, ...]
    evidence: tuple[Evidence, ...]


def check_faithfulness(
    text: str, event: RankingEvent, item_index: int, cited: Sequence[Evidence] = ()
) -> Verdict:
    """Check a text against the event that it explains.

    Args:
        text: the readable text.
        event: the ranking event.
        item_index: which of the event's items the text is about.
        cited: evidence known from the slots: spans of names in the text.

    Returns:
        The violations; or, for a text without any, its evidence: `cited` and what the check itself located.
    """
    if not is_displayable(text) or _LEFTOVER.search(text):
        # Nothing else is worth looking at in a text that could not be printed.
        return Verdict((Violation("unsafe_characters", text),), ())
    facts = EventFacts(event, item_index)
    outline = Outline(text, facts, cited)
    found = [
        *_check_shape(text),
        *_check_repetition(outline),
        *(Violation("third_person", match[0]) for match in _THIRD_PERSON.finditer(outline.masked)),
        *(Violation(rule, detail) for rule, detail in find_unsupported_claims(outline)),
        *(Violation("wrong_relation", detail) for detail in find_wrong_relations(outline)),
    ]
    violations = tuple(dict.fromkeys(found))
    return Verdict(violations, () if violations else cite_event(outline))


def _check_shape(text: str) -> Iterator[Violation]:
    words = len(text.split())
    if not MIN_WORDS <= words <= MAX_WORDS:
        yield Violation("length", f"{words} words")
    first = text[:1]
    if not (first.isupper() or first.isdigit() or first in "'’\"(") or text[-1:] not in (".", "!", "?"):
        yield Violation("sentence_shape", text)


def _check_repetition(outline: Outline) -> Iterator[Violation]:
    tokens = outline.text.split()
    for index, token in enumerate(tokens):
        if not _is_word(token) or token in _REPEATABLE:
            continue
        is_phrase = tokens[index + 1 : index + 2] in (["by"], ["to"], ["after"]) and tokens[index + 2 : index + 3] == [token]
        if tokens[index + 1 : index + 2] == [token] or tokens[index + 1 : index + 3] == ["and", token]:
            yield Violation("repetition", token)
        elif _is_content(token) and not is_phrase and token in _list_near(tokens, index):
            yield Violation("repetition", token)
    words = [token for token in tokens if _is_word(token)]
    runs = Counter(zip(words, words[1:], words[2:], strict=False))
    for run, count in runs.items():
        if count > 1 and sum(_is_content(word) and word not in _REPEATABLE for word in run) >= _MIN_RUN_CONTENT:
            yield Violation("repetition", " ".join(run))
    for name, count in Counter(outline.source[mark.start : mark.end] for mark in outline.marks).items():
        if count > _MAX_NAME_MENTIONS:
            yield Violation("repetition", name)


def _list_near(tokens: list[str], index: int) -> list[str]:
    near = tokens[index + 1 : index + 1 + _NEARBY_TOKENS]
    stop = next((place for place, token in enumerate(near) if token in (".", ";", ":", "?", "!")), len(near))
    return near[:stop]


def _is_word(token: str) -> bool:
    return token[0].isalnum() or token[0] in "{<"


def _is_content(word: str) -> bool:
    return word[0] == "{" or (len(word) >= _MIN_CONTENT_LETTERS and word not in FUNCTION_WORDS)
