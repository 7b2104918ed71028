"""Relations that a text claims between names, genres and titles, held against the event.

The patterns read the outline of the text. They are made to be precise: what they cannot read they let pass.
"""

import re
from collections.abc import Iterator
from typing import Final

from stream_app.core.facts import Subject, contains_whole, fold_case
from stream_app.core.genres import find_genres
from stream_app.core.liking import GROUP, TITLE, find_taste_genres, find_unfit_titles, find_wrong_likings
from stream_app.core.outline import Outline, list_genres

_PEOPLE: Final = frozenset(
    "director directors actor actors actress cast stars starring performer performers author authors writer writers artist artists "
    "band host hosts chef chefs designer designers teacher teachers instructor developer developers publisher operator brand label "
    "network magazine composer".split()
)
_ROLES: Final = (
    ("directed by|director", "directs|directed|directing|'s direction", "director directors directed creator"),
    (
        "starring|stars|starred|actor|actress|played by|features|featuring",
        "stars|starred|plays|acts|in the cast",
        "actors actor actress cast stars star starring performer performers artist host hosts",
    ),
    ("written by|author|penned by", "writes|wrote", "author authors writer writers screenwriter artist creator magazine"),
    ("hosted by|host", "hosts", "host hosts presenter teacher operator"),
    ("designed by|designer", "designed", "designer designers brand developer artist publisher"),
    ("taught by|teacher", "teaches", "teacher teachers instructor author host"),
    ("chef|cooked by", "cooks", "chef chefs author host teacher"),
    ("developed by|developer", "developed", "developer developers publisher"),
    ("published by|publisher", "publishes|published", "publisher publishers label magazine brand developer"),
)
"""Words before a name, words after it, and the attributes that give somebody this role."""

_ROLE_PATTERNS: Final = [
    (re.compile(rf"(?<!\S)(?:{before}) <n(\d+)>|<n(\d+)> (?:also )?(?:{after})(?!\S)"), frozenset(names.split()))
    for before, after, names in _ROLES
]
_ADJECTIVE: Final = (
    r"(?!(?:with|about|by|from|that|which|who|of|in|for|on|like|as|and|but|or|to|where|is|was|than|set|too|also|not|rather|if|after|into|at|by|has|you|your|through|made|the|beyond|instead|between|its|,|\.|:|\(|!|\?)(?!\S)|<)\S+"
)
_NOUN_PHRASE: Final = rf"{_ADJECTIVE}(?: {_ADJECTIVE}| (?:, and|,|and)(?= (?:\w+ )?\{{)){{0,7}}"
_SIMPLE_PHRASE: Final = rf"{_ADJECTIVE}(?: {_ADJECTIVE}){{0,4}}"
_DATED: Final = r"(?:(?:from|in|of) \d{4} (?:, )?)?"
_GENRES: Final = r"\{\w+\}(?:(?: ,)? (?:and |, )?\{\w+\})*"
_COPULA: Final = re.compile(
    rf"({GROUP}) (?:, )?{_DATED}(?:(?:which|who|itself|here|too) )?(?:, )?(?:(?:is|was|are|were|both|also|still|itself|as|all|remains|counts) )*"
    rf"(?:an? |another |both |two )(?P<phrase>{_NOUN_PHRASE})"
)
_MIX: Final = re.compile(
    rf"({TITLE}) (?:, )?{_DATED}(?:also )?(?:mixes|blends|combines|pairs|joins|unites|offers|has|is|was|mixed|blended|combined|paired|had|brings|brought|adds)"
    rf" (?:all )?(?P<phrase>{_GENRES})"
)
_ATTRIBUTIVE: Final = re.compile(rf"(?P<phrase>{_GENRES}) (?:(?:film|movie|favou?rite|hit|series|of) )?({TITLE})")
_OF_TITLE: Final = re.compile(
    rf"(?P<phrase>{_GENRES}) (?:of|(?:that |which )?you (?:loved|liked|enjoyed|rated highly)(?: so much)? (?:in|about|of)) (?:both )?({GROUP})"
)
_POSSESSIVE: Final = re.compile(rf"({TITLE}) 's (?P<phrase>{_GENRES})")
_INITIAL: Final = re.compile(rf"\Aan? (?P<phrase>{_NOUN_PHRASE})[^<]*? , (<t>)")
_THIS: Final = re.compile(rf"(?:\bthis(?: is an?| is| one is an?)?) (?P<phrase>{_NOUN_PHRASE})")
_ALSO: Final = re.compile(
    rf"\b(?:another|(?<!that is )also an?|one more|shares?(?: the| an?)?|same|both) (?P<phrase>{_SIMPLE_PHRASE})"
)
_LIKE_ITEM: Final = re.compile(
    rf"(?:\A|, )(?:much |just )?like (?:both )?({GROUP})(?: , (?:which|both|two)[^,<]*)? , <t> (?:is|was)(?: also)? an? (?P<phrase>{_NOUN_PHRASE})"
)
_ITEM_LIKE: Final = re.compile(rf"<t> (?:is|was) (?:also )?an? (?P<phrase>{_NOUN_PHRASE})(?: ,)? (?:much |just )?like ({GROUP})")
_NEGATED: Final = re.compile(r"\b(?:no|without(?: the| any)?|not an?|isn't an?|lacks)(?P<phrase>(?: (?!just|only|merely)[\w-]+){0,2} \{\w+\})")
_SAME: Final = re.compile(r"\bsame (?:very )?([a-z]+)")
_YEAR: Final = re.compile(r"\b(?:also|too|likewise|both) from (\d{4})\b")
_TITLE_YEAR: Final = re.compile(rf"({TITLE}) (?:, )?(?:(?:is )?from|of|in) (\d{{4}})\b")
_MAKER: Final = re.compile(rf"({TITLE}) (?:, )?(?:\w+ )?by <n(\d+)>(?! ,? (?:and )?<[th])|<n(?P<owner>\d+)> 's (?:\S+ ){{0,2}}?(?P<owned>{TITLE})")
_SHARED_NAME: Final = re.compile(
    r"\b(?:shares|share|also (?:has|stars|features|by|from|with|directed by)|another (?:(?!,)\S+ ){0,3}?(?:by|with|from|of)) <n(\d+)>|<n(?P<again>\d+)>(?: \w+)? again\b"
)


def find_wrong_relations(outline: Outline) -> Iterator[str]:
    """Find relations that do not hold: liking, shared facts, roles, genres of one title claimed of another."""
    yield from find_wrong_likings(outline)
    yield from find_unfit_titles(outline)
    yield from find_taste_genres(outline)
    yield from _find_wrong_genres(outline)
    yield from _find_wrong_shared_genres(outline)
    yield from _find_wrong_negations(outline)
    yield from _find_wrong_names(outline)
    yield from _find_wrong_roles(outline)
    yield from _find_wrong_sameness(outline)
    yield from _find_wrong_years(outline)


def _find_wrong_genres(outline: Outline) -> Iterator[str]:
    for sentence in outline.sentences:
        for pattern in (_COPULA, _MIX, _ATTRIBUTIVE, _OF_TITLE, _POSSESSIVE, _INITIAL):
            for match in pattern.finditer(sentence):
                for subject in _find_bearers(outline, pattern, match):
                    yield from _list_lacking(match["phrase"], subject)
        for match in _THIS.finditer(sentence):
            yield from _list_lacking(match["phrase"], outline.facts.item)


def _find_bearers(outline: Outline, pattern: re.Pattern[str], match: re.Match[str]) -> list[Subject]:
    rest = match[0].replace(match["phrase"], "")
    subjects = outline.find_subjects(rest)
    if pattern is not _COPULA or re.search(r" (?:are|were|both|two|all)\b", rest):
        return subjects
    # 'For those who liked Heat, Fargo is a ...' says it of the nearest title only.
    return outline.find_subjects(match[1].split()[-1])


def _list_lacking(phrase: str, subject: Subject) -> Iterator[str]:
    yield from (f"{genre}: {subject.title}" for genre in list_genres(phrase) if genre not in subject.genres)


def _find_wrong_shared_genres(outline: Outline) -> Iterator[str]:
    facts = outline.facts
    for sentence in outline.sentences:
        for pattern in (_LIKE_ITEM, _ITEM_LIKE):
            for match in pattern.finditer(sentence):
                for subject in outline.find_subjects(match[1] if pattern is _LIKE_ITEM else match[2]):
                    yield from _list_lacking(match["phrase"], subject)
        for match in _ALSO.finditer(sentence):
            for genre in list_genres(match["phrase"]):
                is_shared = genre in facts.preference_genres or any(genre in other.genres for other in outline.companions)
                if genre not in facts.item.genres or (outline.companions and not is_shared):
                    yield f"not shared: {genre}"


def _find_wrong_negations(outline: Outline) -> Iterator[str]:
    for match in _NEGATED.finditer(outline.text):
        for genre in list_genres(match["phrase"]):
            if any(genre in find_genres(value) for _, value, _ in outline.facts.item.values):
                yield f"not {genre}"


def _find_wrong_names(outline: Outline) -> Iterator[str]:
    for match in _MAKER.finditer(outline.text):
        name = outline.names[int(match[2] or match["owner"])]
        for subject in outline.find_subjects(match[1] or match["owned"]):
            if not contains_whole(name, subject.words):
                yield f"{name}: {subject.title}"
    for match in _SHARED_NAME.finditer(outline.text):
        name = outline.names[int(match[1] or match["again"])]
        is_shared = any(contains_whole(name, other.words) for other in [*outline.named, *outline.facts.liked])
        is_preferred = contains_whole(name, outline.facts.preference_words)
        if not contains_whole(name, outline.facts.item.words) or not (is_shared or is_preferred):
            yield f"not shared: {name}"


def _find_wrong_roles(outline: Outline) -> Iterator[str]:
    subjects = [outline.facts.item, *outline.companions]
    for pattern, accepted in _ROLE_PATTERNS:
        for match in pattern.finditer(outline.text):
            name = outline.names[int(match[1] or match[2])]
            held = {attribute for subject in subjects for attribute in _list_roles(name, subject)}
            if held and not held & accepted and held <= _PEOPLE:
                yield f"{match[0]}: {name} is {', '.join(sorted(held))}"


def _list_roles(name: str, subject: Subject) -> Iterator[str]:
    """Attributes that hold a name; the empty one stands for a summary or a title, which may mean any role."""
    yield from (attribute for attribute, value, _ in subject.values if contains_whole(name, fold_case(value)))
    if contains_whole(name, fold_case(f"{subject.title}\n{subject.summary or ''}")):
        yield ""


def _find_wrong_sameness(outline: Outline) -> Iterator[str]:
    item = outline.facts.item
    for match in _SAME.finditer(outline.text):
        own = item.find_attribute_values(match[1])
        is_person = match[1] in _PEOPLE
        if not own and not is_person and match[1] != "year":
            continue
        if not any(own & _list_folded(other) for other in [*outline.named, *outline.facts.liked]):
            yield match[0]


def _list_folded(subject: Subject) -> set[str]:
    return {fold_case(value) for _, value, _ in subject.values}


def _find_wrong_years(outline: Outline) -> Iterator[str]:
    item = outline.facts.item
    for match in _YEAR.finditer(outline.text):
        if match[1] not in item.numbers or not any(match[1] in other.numbers for other in outline.companions):
            yield match[0]
    for match in _TITLE_YEAR.finditer(outline.text):
        for subject in outline.find_subjects(match[1]):
            if match[2] not in subject.numbers:
                yield f"{match[2]}: {subject.title}"
    years = item.find_attribute_values("year")
    if re.search(r"\bthat (?:same |very )?year\b", outline.text) and years:
        if not any(years & other.numbers for other in outline.companions):
            yield "that year"
