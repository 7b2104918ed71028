"""Words that claim a genre, in the forms in which English uses them ('dramatic' claims drama)."""

import re
from typing import Final

GENRE_FORMS: Final = {
    "action": "action",
    "adventure": "adventure adventures adventurous",
    "animation": "animation animated animations cartoon cartoons",
    "biography": "biopic biopics biography biographical",
    "children": "children's",
    "comedy": "comedy comedies comic comedic comical",
    "crime": "crime crimes",
    "documentary": "documentary documentaries",
    "drama": "drama dramas dramatic",
    "fantasy": "fantasy fantasies fantastical",
    "history": "historical",
    "horror": "horror horrors",
    "imax": "imax",
    "musical": "musical musicals",
    "mystery": "mystery mysteries",
    "noir": "film-noir film_noir noir noirs",
    "romance": "romance romances romantic rom-com romcom",
    "science_fiction": "science_fiction science-fiction sci-fi scifi",
    "thriller": "thriller thrillers",
    "war": "war wars wartime",
    "western": "western westerns",
}
"""Canonical genre -> forms; an underscore inside a form stands for white space."""

_OF_FORM: Final = {form.replace("_", " "): genre for genre, forms in GENRE_FORMS.items() for form in forms.split()}
_FORMS: Final = sorted(_OF_FORM, key=len, reverse=True)
GENRE_PATTERN: Final = r"(?<!\w)(?:" + "|".join(form.replace(" ", r"\s+") for form in _FORMS) + r")(?!\w|['’]s)"
_GENRE: Final = re.compile(GENRE_PATTERN, re.IGNORECASE)

# Too common outside of genres ('fit for children of 3 to 5 years') to count as a claim of one.
_MENTIONS_CHILDREN: Final = re.compile(r"\b(?:children|kids|family)\b", re.IGNORECASE)


def name_genre(form: str) -> str | None:
    """Name the genre that a word or pair of words claims, or None if it claims none."""
    return _OF_FORM.get(" ".join(form.lower().replace("’", "'").split()))


def find_genres(text: str) -> frozenset[str]:
    """Find all genres that a field mentions; one that mentions children supports 'children's'."""
    found = {name_genre(match[0]) for match in _GENRE.finditer(text.replace("’", "'"))}
    if _MENTIONS_CHILDREN.search(text):
        found.add("children")
    return frozenset(genre for genre in found if genre)
