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
from stream_app.core.lexicon import FUNCTION_WORDS
from stream_app.core.names import is_displayable
from stream_app.core.outline import Outline
from stream_app.core.relations import find_wrong_relations

MIN_WORDS: Final = 8
MAX_WORDS: Final = 40

_LEFTOVER: Final = re.compile(r"##|\b(?:unk|eos|bos)\b|[a-z]{3,}\.[a-z]{3,}|\w\.\w{2,}/|\w\(", re.IGNORECASE)
"""Tokens of a tokenizer, addresses without a scheme, calls: beyond what `is_displayable` finds."""

_THIRD_PERSON: Final = re.compile(r"\b(?:(?:this|the|a|our) (?:user|customer|viewer)|users|fans)\b", re.IGNORECASE)
MAX_CHARACTERS: Final = 1_000
"""Longer texts are turned down unread: no pattern may be made to work hard by a model that runs on."""

_NEARBY_TOKENS: Final = 3
_MIN_RUN_CONTENT: Final = 2
_MAX_NAME_MENTIONS: Final = 1
_MAX_WORD_MENTIONS: Final = 2
_RELATIVE_CLAUSE: Final = re.compile(r"\bwhich you\b|\byou (?:also )?(?:liked|loved|enjoyed|rated)\b")
_MAX_RELATIVE_CLAUSES: Final = 2
_NEAR_WORDS: Final = 7
_MIN_CONTENT_LETTERS: Final = 4


_REPEATABLE: Final = frozenset(
    "part same through over more on half some many much year years week weeks time times side hand that had".split()
)
"""Words that English repeats on purpose: 'part drama, part romance', 'year after year'."""

_DOUBLED: Final = frozenset(("that", "had"))
"""The only words that may stand twice in a row."""

_DOUBLED_WORD: Final = re.compile(r"\b(\w+) \1\b|\b[Tt]he [Tt]he\b")


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


def check_faithfulness(text: str, event: RankingEvent, item_index: int, cited: Sequence[Evidence] = ()) -> Verdict:
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
    if len(text) > MAX_CHARACTERS:
        return Verdict((Violation("length", f"{len(text)} characters"),), ())
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
        if _is_word(token) and _is_repeated(tokens, index):
            yield Violation("repetition", token)
    yield from (Violation("repetition", word) for word in _find_doubled_words(outline))
    words = [token for token in tokens if _is_word(token)]
    for run, count in Counter(zip(words, words[1:], words[2:], strict=False)).items():
        if count > 1 and sum(_is_content(word) and word not in _REPEATABLE for word in run) >= _MIN_RUN_CONTENT:
            yield Violation("repetition", " ".join(run))
    yield from (Violation("repetition", word) for word in _find_overused_words(words))
    if len(_RELATIVE_CLAUSE.findall(outline.text)) > _MAX_RELATIVE_CLAUSES or outline.text.count("which you") > 1:
        yield Violation("repetition", "which you")
    for name, count in Counter(outline.source[mark.start : mark.end] for mark in outline.marks).items():
        if count > _MAX_NAME_MENTIONS:
            yield Violation("repetition", name)


def _find_overused_words(words: list[str]) -> Iterator[str]:
    """Find content words used three times, or twice within a few words: rare in good texts, common in weak ones."""
    content = [(index, word.strip("{}")) for index, word in enumerate(words) if word not in _REPEATABLE]
    content = [(index, word) for index, word in content if _is_content(word)]
    last: dict[str, int] = {}
    counts = Counter(word for _, word in content)
    for index, word in content:
        if counts[word] > _MAX_WORD_MENTIONS or index - last.get(word, -_NEAR_WORDS) < _NEAR_WORDS:
            yield word
        last[word] = index


def _find_doubled_words(outline: Outline) -> Iterator[str]:
    """Find 'the The Matrix', which the outline hides; 'Duran Duran' inside one name is left alone."""
    for match in _DOUBLED_WORD.finditer(outline.source):
        is_name = any(mark.start <= match.start() and match.end() <= mark.end for mark in outline.marks)
        if not is_name and match[1] not in _DOUBLED:
            yield match[0]


def _is_repeated(tokens: list[str], index: int) -> bool:
    token, *after = tokens[index : index + 1 + _NEARBY_TOKENS]
    if after[:1] == [token] and token not in _DOUBLED:
        return True
    if token in _REPEATABLE:
        return False
    if after[:2] == ["and", token]:
        return True
    is_phrase = after[:1] in (["by"], ["to"], ["after"]) and after[1:2] == [token]
    return _is_content(token) and not is_phrase and token in _cut_at_stop(after)


def _cut_at_stop(tokens: list[str]) -> list[str]:
    stop = next((place for place, token in enumerate(tokens) if token in (".", ";", ":", "?", "!")), len(tokens))
    return tokens[:stop]


def _is_word(token: str) -> bool:
    return token[0].isalnum() or token[0] in "{<"


def _is_content(word: str) -> bool:
    return word[0] == "{" or (len(word) >= _MIN_CONTENT_LETTERS and word not in FUNCTION_WORDS)
