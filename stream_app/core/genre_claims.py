"""Which title a text gives a genre to, held against what the event says of that title."""

import re
from collections.abc import Iterator
from typing import Final

from stream_app.core.facts import Subject
from stream_app.core.genres import find_genres
from stream_app.core.liking import GROUP, TITLE
from stream_app.core.outline import Outline, list_genres

# A word of a noun phrase: anything but the words and marks that end one.
_ADJECTIVE: Final = (
    r"(?!(?:with|about|by|from|that|which|who|of|in|for|on|like|as|and|but|or|to|where|is|was|than|set|too|also|not|rather"
    r"|if|after|into|at|has|you|your|through|made|the|beyond|instead|between|its|,|\.|:|\(|!|\?)(?!\S)|<)\S+"
)
_PHRASE: Final = rf"(?P<phrase>{_ADJECTIVE}(?: {_ADJECTIVE}| (?:, and|,|and)(?= (?:\w+ )?\{{)){{0,7}})"
_SIMPLE_PHRASE: Final = rf"(?P<phrase>{_ADJECTIVE}(?: {_ADJECTIVE}){{0,4}})"
_GENRES: Final = r"(?P<phrase>\{\w+\}(?:(?: ,)? (?:and |, )?\{\w+\})*)"
_DATED: Final = r"(?:, )?(?:(?:from|in|of) \d{4} (?:, )?)?"
_BE: Final = r"(?:(?:is|was|are|were|both|also|still|itself|as|all|remains|counts) )*"
_MIXES: Final = (
    "(?:mixes|blends|combines|pairs|joins|unites|offers|has|is|was|"
    "mixed|blended|combined|paired|had|brings|brought|adds)"
)
_YOU_LIKED: Final = r"(?:that |which )?you (?:loved|liked|enjoyed|rated highly)(?: so much)? (?:in|about|of)"

_COPULA: Final = re.compile(
    rf"({GROUP}) {_DATED}(?:(?:which|who|itself|here|too) )?(?:, )?{_BE}(?:an? |another |both |two ){_PHRASE}"
)
_PATTERNS: Final = (
    _COPULA,
    re.compile(rf"{TITLE} {_DATED}(?:also )?{_MIXES} (?:all )?{_GENRES}"),
    re.compile(rf"{_GENRES} (?:(?:film|movie|favou?rite|hit|series|of) )?{TITLE}"),
    re.compile(rf"{_GENRES} (?:of|{_YOU_LIKED}) (?:both )?{GROUP}"),
    re.compile(rf"{TITLE} 's {_GENRES}"),
    re.compile(rf"\Aan? {_PHRASE}[^<]*? , <t>"),
)
_PLURAL: Final = re.compile(r" (?:are|were|both|two|all)\b")
_THIS: Final = re.compile(rf"\bthis(?: is an?| is| one is an?)? {_PHRASE}")
_LIKE: Final = (
    re.compile(
        rf"(?:\A|, )(?:much |just )?like (?:both )?(?P<others>{GROUP})(?: , (?:which|both|two)[^,<]*)? , "
        rf"<t> (?:is|was)(?: also)? an? {_PHRASE}"
    ),
    re.compile(rf"<t> (?:is|was) (?:also )?an? {_PHRASE}(?: ,)? (?:much |just )?like (?P<others>{GROUP})"),
)
_SHARED: Final = re.compile(
    rf"\b(?:another|(?<!that is )also an?|one more|shares?(?: the| an?)?|same|both) {_SIMPLE_PHRASE}"
)
_CLAUSE_END: Final = re.compile(
    r" [;:] | , (?:and|so|but|while|yet|which|where)(?= (?:\S+ ){0,4}(?:<t>|(?:this|here|it)\b))| , (?=<t>)"
)
_CONTRAST: Final = re.compile(
    r"\b(?:no|not|without|never|rather|instead|unlike|away|beyond|change|than|nor|apart|this|here|new|another)\b|n't"
)
_OF_EACH: Final = re.compile(rf"\bfrom {TITLE} to {TITLE}|\bthrough {TITLE} and {TITLE}|{TITLE} and {TITLE} are \{{")
_NEGATED: Final = re.compile(
    r"\b(?:no|without(?: the| any)?|not an?|isn't an?|lacks)(?P<phrase>(?: (?!just|only|merely)[\w-]+){0,2} \{\w+\})"
)


def find_wrong_genres(outline: Outline) -> Iterator[str]:
    """Find genres given to a title that does not have them, said to be shared, or denied, against the event."""
    if "{" not in outline.text:
        return
    for sentence in outline.sentences:
        yield from _find_misplaced(outline, sentence)
        yield from _find_unshared(outline, sentence)
        yield from _find_denied(outline, sentence)
        yield from _find_foreign(outline, sentence)


def _find_misplaced(outline: Outline, sentence: str) -> Iterator[str]:
    for pattern in _PATTERNS:
        for match in pattern.finditer(sentence):
            for subject in _find_bearers(outline, pattern, match):
                yield from _list_lacking(match["phrase"], subject)
    for match in _THIS.finditer(sentence):
        yield from _list_lacking(match["phrase"], outline.facts.item)


def _find_bearers(outline: Outline, pattern: re.Pattern[str], match: re.Match[str]) -> list[Subject]:
    rest = match[0].replace(match["phrase"], "")
    if pattern is not _COPULA or _PLURAL.search(rest):
        return outline.find_subjects(rest)
    # 'For those who liked Heat, Fargo is a ...' says it of the nearest title only.
    return outline.find_subjects(match[1].split()[-1])


def _list_lacking(phrase: str, subject: Subject) -> Iterator[str]:
    yield from (f"{genre}: {subject.title}" for genre in list_genres(phrase) if genre not in subject.genres)


def _find_unshared(outline: Outline, sentence: str) -> Iterator[str]:
    for pattern in _LIKE:
        for match in pattern.finditer(sentence):
            for subject in outline.find_subjects(match["others"]):
                yield from _list_lacking(match["phrase"], subject)
    facts, companions = outline.facts, outline.companions
    for match in _SHARED.finditer(sentence):
        for genre in list_genres(match["phrase"]):
            is_known = genre in facts.preference_genres or any(genre in other.genres for other in companions)
            if genre not in facts.item.genres or (companions and not is_known):
                yield f"not shared: {genre}"


def _find_foreign(outline: Outline, sentence: str) -> Iterator[str]:
    """Find genres of a clause that speaks of the history alone, and of titles of which none has that genre."""
    for clause in _CLAUSE_END.split(sentence):
        subjects = outline.find_subjects(clause)
        if not subjects or "<t>" in clause or _CONTRAST.search(clause):
            continue
        is_of_each = len(subjects) > 1 and _OF_EACH.search(clause) is not None
        for genre in list_genres(clause):
            bearers = [subject for subject in subjects if genre in subject.genres]
            if genre != "children" and (not bearers or (is_of_each and len(bearers) < len(subjects))):
                yield f"{genre}: {clause}"


def _find_denied(outline: Outline, sentence: str) -> Iterator[str]:
    for match in _NEGATED.finditer(sentence):
        for genre in list_genres(match["phrase"]):
            # The title alone proves nothing: 'A Civil Action' may well have no action in it.
            if any(genre in find_genres(value) for _, value, _ in outline.facts.item.values):
                yield f"not {genre}"
