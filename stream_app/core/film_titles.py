"""Film titles and genres as MovieLens writes them, turned into what people say.

MovieLens moves an article to the end, appends alternative titles and the year in brackets, and has genre labels of
its own: `Usual Suspects, The (1995)`, `Sci-Fi`.
"""

import re
from typing import Final

GENRE_NAMES: Final = {"sci-fi": "science fiction", "film-noir": "film noir", "children": "children's"}
"""MovieLens' genres as the texts that the model learned from name them; all others only lose their capitals."""

_ARTICLES: Final = "The|A|An|Les|Le|La|L'|Il|Das|Der|Die|El|Los|Las|Det|O"
_MOVED_ARTICLE: Final = re.compile(rf"(?P<rest>.+), (?P<article>{_ARTICLES})\Z")
_NOTES: Final = re.compile(r"(?P<title>[^()]+?)(?P<notes>(?: \([^()]*\))+)\Z")
_NOTE: Final = re.compile(r"\(([^()]*)\)")
_TRAILING_YEAR: Final = re.compile(r"(?P<title>.*\S)\s*\((?P<year>(?:18|19|20)\d\d)(?:[-–](?:\d{4})?)?\)\s*\Z")


def restore_article(title: str) -> str:
    """Put a leading article back: 'Usual Suspects, The' becomes 'The Usual Suspects'; in bracketed notes too."""
    match = _NOTES.match(title)
    if match is None:
        return _move_article(title)
    notes = _NOTE.sub(lambda note: f"({_move_article(note[1])})", match["notes"])
    return _move_article(match["title"]) + notes


def _move_article(title: str) -> str:
    match = _MOVED_ARTICLE.match(title)
    if match is None:
        return title
    gap = "" if match["article"].endswith("'") else " "
    return f"{match['article']}{gap}{match['rest']}"


def split_title(entry: str) -> tuple[str, str | None]:
    """Split 'Matrix, The (1999)' into the title 'The Matrix' and the year '1999' (None where there is none).

    Alternative titles in brackets ('(a.k.a. Se7en)') are left out: a text that repeats them reads like a catalogue.
    """
    match = _TRAILING_YEAR.match(entry)
    title, year = (match["title"], match["year"]) if match else (entry.strip(), None)
    notes = _NOTES.match(title)
    return _move_article(notes["title"] if notes else title), year


def name_genre(genre: str) -> str:
    """Name a genre as the texts that the model learned from do: 'Sci-Fi' becomes 'science fiction'."""
    lowered = genre.lower()
    return GENRE_NAMES.get(lowered, lowered)
