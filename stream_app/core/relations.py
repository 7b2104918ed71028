"""Relations that a text claims between names, years and titles, held against the event.

The patterns read the outline of the text. They are made to be precise: what they cannot read they let pass.
"""

import re
from collections.abc import Iterator
from typing import Final

from stream_app.core.facts import Subject, contains_whole, fold_case
from stream_app.core.genre_claims import find_wrong_genres
from stream_app.core.liking import TITLE, find_taste_genres, find_unfit_titles, find_wrong_likings
from stream_app.core.outline import Outline

_PEOPLE: Final = frozenset(
    "director directors actor actors actress cast stars starring performer performers author authors writer writers "
    "artist artists band host hosts chef chefs designer designers teacher teachers instructor developer developers "
    "publisher operator brand label network magazine composer".split()
)
"""Attributes that name who made something; only between these can a role be mistaken."""

_ROLES: Final = (
    ("directed by|director", "directs|directed|directing|'s direction", "director directors directed creator"),
    (
        "starring|stars|starred|actor|actress|played by|features|featuring",
        "stars|starred|plays|acts|in the cast",
        "actors actor actress cast stars star starring performer performers artist host hosts",
    ),
    (
        "written by|author|penned by",
        "writes|wrote",
        "author authors writer writers screenwriter artist creator magazine",
    ),
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
_SAME: Final = re.compile(rf"\bsame (?:very )?([a-z]+)(?: as (?:in )?({TITLE}(?: and {TITLE})*))?")
_SHARED_YEAR: Final = re.compile(r"\b(?:also|too|likewise|both) from (\d{4})\b")
_YEAR_OF: Final = re.compile(rf"\b(\d{{4}})(?: ,)? the (?:same )?year (?:of|as) ({TITLE}(?: and {TITLE})?)")
_THAT_YEAR: Final = re.compile(r"\bthat (?:same |very )?year\b")
_TITLE_YEAR: Final = re.compile(rf"({TITLE}) (?:, )?(?:(?:is )?from|of|in) (\d{{4}})\b")
_MAKER: Final = re.compile(
    rf"({TITLE}) (?:, )?(?:\w+ )?by <n(\d+)>(?! ,? (?:and )?<[th])"
    rf"|<n(?P<owner>\d+)> 's (?:\S+ ){{0,2}}?(?P<owned>{TITLE})"
)
_SHARED_NAME: Final = re.compile(
    r"\b(?:shares?|also (?:has|stars|features|by|from|with|directed by)"
    r"|another (?:(?!,)\S+ ){0,3}?(?:by|with|from|of)) <n(\d+)>|<n(?P<again>\d+)>(?: \w+)? again\b"
)


def find_wrong_relations(outline: Outline) -> Iterator[str]:
    """Find relations that do not hold: liking, shared facts, roles, genres of one title claimed of another."""
    yield from find_wrong_likings(outline)
    yield from find_unfit_titles(outline)
    yield from find_taste_genres(outline)
    yield from find_wrong_genres(outline)
    yield from _find_wrong_years(outline)
    yield from _find_wrong_sameness(outline)
    if outline.names:
        yield from _find_wrong_makers(outline)
        yield from _find_unshared_names(outline)
        yield from _find_wrong_roles(outline)


def _find_wrong_makers(outline: Outline) -> Iterator[str]:
    for match in _MAKER.finditer(outline.text):
        name = outline.names[int(match[2] or match["owner"])]
        for subject in outline.find_subjects(match[1] or match["owned"]):
            if not contains_whole(name, subject.words):
                yield f"{name}: {subject.title}"


def _find_unshared_names(outline: Outline) -> Iterator[str]:
    facts = outline.facts
    for match in _SHARED_NAME.finditer(outline.text):
        name = outline.names[int(match[1] or match["again"])]
        others = [facts.preference_words, *(entry.words for entry in _list_known(outline))]
        if not contains_whole(name, facts.item.words) or not any(contains_whole(name, words) for words in others):
            yield f"not shared: {name}"


def _list_known(outline: Outline) -> list[Subject]:
    return [*outline.named, *outline.facts.liked]


def _find_wrong_roles(outline: Outline) -> Iterator[str]:
    for pattern, accepted in _ROLE_PATTERNS:
        for match in pattern.finditer(outline.text):
            name = outline.names[int(match[1] or match[2])]
            subjects = [outline.facts.item, *outline.companions]
            held = {attribute for subject in subjects for attribute in _list_roles(name, subject)}
            if held and not held & accepted and held <= _PEOPLE:
                yield f"{match[0]}: {name} is {', '.join(sorted(held))}"


def _list_roles(name: str, subject: Subject) -> Iterator[str]:
    """List attributes that hold a name; the empty one stands for a summary or title, which may mean any role."""
    yield from (attribute for attribute, value, _ in subject.values if contains_whole(name, fold_case(value)))
    if contains_whole(name, fold_case(f"{subject.title}\n{subject.summary or ''}")):
        yield ""


def _find_wrong_sameness(outline: Outline) -> Iterator[str]:
    for match in _SAME.finditer(outline.text):
        attribute = match[1]
        own = outline.facts.item.find_attribute_values(attribute)
        is_checkable = own or attribute in _PEOPLE or attribute == "year"
        others = outline.find_subjects(match[2] or "") or _list_known(outline)
        if is_checkable and not any(own & _list_folded_values(other) for other in others):
            yield match[0]


def _list_folded_values(subject: Subject) -> set[str]:
    return {fold_case(value) for _, value, _ in subject.values}


def _find_wrong_years(outline: Outline) -> Iterator[str]:
    item, companions = outline.facts.item, outline.companions
    for match in _SHARED_YEAR.finditer(outline.text):
        if match[1] not in item.numbers or not any(match[1] in other.numbers for other in companions):
            yield match[0]
    for match in _TITLE_YEAR.finditer(outline.text):
        for subject in outline.find_subjects(match[1]):
            if match[2] not in subject.numbers:
                yield f"{match[2]}: {subject.title}"
    for match in _YEAR_OF.finditer(outline.text):
        for subject in outline.find_subjects(match[2]):
            if match[1] not in subject.numbers:
                yield f"{match[1]}: {subject.title}"
    years = item.find_attribute_values("year")
    is_claimed = years and _THAT_YEAR.search(outline.text)
    if is_claimed and not any(years & other.numbers for other in companions):
        yield "that year"
