"""MovieLens as GroupLens ships it: three generations of files with the same contents."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from offline.datasets.interaction_store import Interaction, InteractionData, parse_interaction
from offline.datasets.lines import BAD_LINE, Record, read_csv, read_separated
from offline.datasets.rows import DropLog, SourceError, ensure_files, parse_item
from offline.datasets.sources import MovieLensSource
from stream_app.core.events import RankedItem, RatingScale
from stream_app.core.film_titles import name_genre, split_title

MAX_ACTORS: Final = 3
MAX_TAGS: Final = 3
MIN_TAG_USERS: Final = 2
"""A tag of one user is that user's opinion; if two agree it is a fact of the film."""

_EXPECTED: Final = "a MovieLens folder: ratings.dat and movies.dat, or ratings.csv and movies.csv, or u.data and u.item"
_NO_GENRES: Final = frozenset({"", "(no genres listed)", "unknown"})
_NOT_KNOWN: Final = "N/A"
_FLAGS: Final = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The last columns of u.item, in the order of u.genre."""

Content = Mapping[str, Mapping[str, str]]
"""Columns of the content file, by the film's id."""

FilmFacts = tuple[str, str, list[str], Record]
"""A film's id, its entry ('Matrix, The (1999)'), its genres as the data set labels them, and where it stands."""


def read_movielens(
    source: MovieLensSource, folder: Path, content: Path | None, kind: str, drops: DropLog
) -> InteractionData:
    """Open a MovieLens folder, with facts from a content file where there is one.

    Raises:
        SourceError: the folder holds none of the known sets of files; later, while reading: a file is another one.
    """
    if (folder / "ratings.dat").is_file():
        return _read_dat(source, folder, content, kind, drops)
    if (folder / "ratings.csv").is_file():
        return _read_latest(source, folder, content, kind, drops)
    if (folder / "u.data").is_file():
        return _read_first_100k(source, folder, content, kind, drops)
    raise SourceError(f"{folder}: expected {_EXPECTED}")


def _read_dat(
    source: MovieLensSource, folder: Path, content: Path | None, kind: str, drops: DropLog
) -> InteractionData:
    ensure_files(_EXPECTED, folder / "movies.dat")
    scale = source.choose_scale(RatingScale(minimum=1, maximum=5))
    films = read_separated(folder / "movies.dat", "::", ("MovieID", "Title", "Genres"), drops, "latin-1")
    ratings = read_separated(
        folder / "ratings.dat", "::", ("UserID", "MovieID", "Rating", "Timestamp"), drops, "latin-1"
    )
    facts = ((film.fields["MovieID"], film.fields["Title"], film.fields["Genres"].split("|"), film) for film in films)
    return InteractionData(
        _build_films(facts, _read_content(content, drops), {}, kind, drops),
        _build_ratings(ratings, ("UserID", "MovieID", "Rating", "Timestamp"), scale, kind, drops),
        scale,
    )


def _read_latest(
    source: MovieLensSource, folder: Path, content: Path | None, kind: str, drops: DropLog
) -> InteractionData:
    ensure_files(_EXPECTED, folder / "movies.csv")
    scale = source.choose_scale(RatingScale(minimum=0.5, maximum=5))
    columns = ("userId", "movieId", "rating", "timestamp")
    films = read_csv(folder / "movies.csv", ("movieId", "title", "genres"), drops)
    facts = ((film.fields["movieId"], film.fields["title"], film.fields["genres"].split("|"), film) for film in films)
    return InteractionData(
        _build_films(facts, _read_content(content, drops), _read_tags(folder / "tags.csv", drops), kind, drops),
        _build_ratings(read_csv(folder / "ratings.csv", columns, drops), columns, scale, kind, drops),
        scale,
    )


def _read_first_100k(
    source: MovieLensSource, folder: Path, content: Path | None, kind: str, drops: DropLog
) -> InteractionData:
    ensure_files(_EXPECTED, folder / "u.item")
    scale = source.choose_scale(RatingScale(minimum=1, maximum=5))
    columns = ("user", "item", "rating", "timestamp")
    films = read_separated(
        folder / "u.item", "|", ("item", "title", "released", "video", "url", *_FLAGS), drops, "latin-1"
    )
    facts = (
        (film.fields["item"], film.fields["title"], [name for name in _FLAGS if film.fields[name] == "1"], film)
        for film in films
    )
    return InteractionData(
        _build_films(facts, _read_content(content, drops), {}, kind, drops),
        _build_ratings(read_separated(folder / "u.data", "\t", columns, drops), columns, scale, kind, drops),
        scale,
    )


def _build_ratings(
    records: Iterator[Record], columns: tuple[str, str, str, str], scale: RatingScale, kind: str, drops: DropLog
) -> Iterator[Interaction]:
    for record in records:
        user, item, rating, at = (record.fields[column] for column in columns)
        try:
            yield parse_interaction(f"{kind}-u{user}", f"{kind}-{item}", rating, at, scale)
        except ValueError as error:
            drops.note(BAD_LINE, f"{record.place}: {error}")


def _build_films(
    films: Iterator[FilmFacts], content: Content, tags: Mapping[str, list[str]], kind: str, drops: DropLog
) -> Iterator[RankedItem]:
    for film_id, entry, genres, record in films:
        title, year = split_title(entry)
        more = content.get(film_id, {})
        attributes: dict[str, str | list[str]] = {
            "genre": [name_genre(genre) for genre in genres if genre not in _NO_GENRES],
            "director": _split_people(more.get("director", "")),
            "actors": _split_people(more.get("actors", ""))[:MAX_ACTORS],
            "year": year or "",
            "tags": tags.get(film_id, []),
        }
        plot = more.get("plot", "")
        summary = None if plot == _NOT_KNOWN else plot
        known_title = "" if title == "unknown" else title
        item = parse_item(f"{kind}-{film_id}", known_title, attributes, summary, str(record.place), drops)
        if item is not None:
            yield item


def _split_people(names: str) -> list[str]:
    people = (name.strip() for name in names.split(","))
    return list(dict.fromkeys(name for name in people if name and name != _NOT_KNOWN))


def _read_content(path: Path | None, drops: DropLog) -> Content:
    if path is None:
        return {}
    ensure_files("a CSV file with the columns item, director, actors, plot", path)
    columns = ("director", "actors", "plot")
    rows = read_csv(path, ("item", *columns), drops)
    return {row.fields["item"]: {column: row.fields[column] for column in columns} for row in rows}


def _read_tags(path: Path, drops: DropLog) -> dict[str, list[str]]:
    """Read each film's most used tags, in lower case; the file is optional."""
    if not path.is_file():
        return {}
    users: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for record in read_csv(path, ("userId", "movieId", "tag"), drops):
        users[record.fields["movieId"], record.fields["tag"].strip().lower()].add(record.fields["userId"])
    counts = Counter({key: len(found) for key, found in users.items() if len(found) >= MIN_TAG_USERS})
    tags: defaultdict[str, list[str]] = defaultdict(list)
    for (film_id, tag), _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
        if len(tags[film_id]) < MAX_TAGS and tag:
            tags[film_id].append(tag)
    return tags
