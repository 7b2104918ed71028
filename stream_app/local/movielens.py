"""MovieLens-100k for the demo: fetched inside the PyPI package `recbole`, which carries it as RecBole atomic files.

Nothing of it is committed or shipped: its licence (GroupLens) allows use, not redistribution. The steps are fetch the
wheel, extract two files, read them; each checks its result by SHA-256 and is skipped where that result already stands.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from stream_app.core.film_titles import name_genre, restore_article

RECBOLE_VERSION: Final = "1.2.1"
WHEEL_NAME: Final = f"recbole-{RECBOLE_VERSION}-py3-none-any.whl"
WHEEL_SHA256: Final = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
FOLDER_IN_WHEEL: Final = "recbole/dataset_example/ml-100k"
ITEM_FILE: Final = "ml-100k.item"
RATING_FILE: Final = "ml-100k.inter"
FILE_SHA256: Final = {
    ITEM_FILE: "51d7cdf777ce5c0f5b32c1d947a4a81fe07d75e78abbe761e0cd4d0756064532",
    RATING_FILE: "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff",
}
DOWNLOAD_TIMEOUT_SECONDS: Final = 300

NO_GENRE: Final = "unknown"

_YEAR: Final = re.compile(r"(?:18|19|20)\d\d\Z")


class DemoDataError(Exception):
    """The demo's data cannot be had, or is not what it should be; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Film:
    """A film as the events describe it: the title as people say it, genres in lower case, the year as text."""

    film_id: str
    title: str
    genres: tuple[str, ...]
    year: str | None

    @property
    def attributes(self) -> dict[str, str | list[str]]:
        """The facts of the film in the shape that ranking events carry; what is not known is left out."""
        attributes: dict[str, str | list[str]] = {}
        if self.genres:
            attributes["genre"] = list(self.genres)
        if self.year:
            attributes["year"] = self.year
        return attributes


@dataclass(frozen=True, slots=True)
class Rating:
    """What one user thought of one film, on a scale from 1 to 5."""

    user_id: str
    film_id: str
    value: float
    rated_at: datetime


@dataclass(frozen=True, slots=True)
class MovieLens:
    """All films by id, and all ratings of them, oldest first; at most one rating a user and film."""

    films: dict[str, Film]
    ratings: tuple[Rating, ...]


def find_cache_directory(environ: Mapping[str, str], current: Path) -> Path:
    """Find where the demo keeps its data: `PRISM_CACHE`, else a checkout's own `.cache`, else the user's cache."""
    if chosen := environ.get("PRISM_CACHE"):
        return Path(chosen).expanduser() / "demo"
    if (current / "pyproject.toml").is_file() and (current / "stream_app").is_dir():
        return current / ".cache" / "demo"
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").expanduser() / "prism" / "demo"


def ensure_movielens(directory: Path) -> Path:
    """Make sure that the verified files stand in a directory; go on from whatever an earlier try left there.

    Returns:
        The directory, for `read_movielens`.

    Raises:
        DemoDataError: the package cannot be downloaded (offline, no pip), or has other contents than expected.
    """
    if not all(_has_sha256(directory / name, expected) for name, expected in FILE_SHA256.items()):
        directory.mkdir(parents=True, exist_ok=True)
        wheel = directory / WHEEL_NAME
        if not _has_sha256(wheel, WHEEL_SHA256):
            wheel.unlink(missing_ok=True)
            _download_wheel(wheel)
        _extract_files(wheel, directory)
    return directory


def _has_sha256(path: Path, expected: str) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == expected


def _download_wheel(wheel: Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    command += ["--only-binary", ":all:", "--dest", str(wheel.parent), f"recbole=={RECBOLE_VERSION}"]
    try:
        result = subprocess.run(
            command,
            capture_output=True,
            text=True,
            check=False,
            timeout=DOWNLOAD_TIMEOUT_SECONDS,
            env=_pip_environment(),
        )
    except subprocess.TimeoutExpired as error:
        raise DemoDataError(_advise(wheel, f"the download took over {DOWNLOAD_TIMEOUT_SECONDS} seconds")) from error
    if result.returncode != 0:
        last_line = (result.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise DemoDataError(_advise(wheel, last_line))
    if not _has_sha256(wheel, WHEEL_SHA256):
        wheel.unlink(missing_ok=True)
        raise DemoDataError(_advise(wheel, "the downloaded file does not have the expected SHA-256"))


def _pip_environment() -> dict[str, str]:
    # Without a network pip retries for a long time; twice is enough to tell a hiccup from being offline.
    return {"PIP_RETRIES": "2", **os.environ}


def _advise(wheel: Path, reason: str) -> str:
    return (
        f"cannot download recbole {RECBOLE_VERSION}, which carries the demo's data: {reason}. "
        f"Without a network, put {wheel.name} (SHA-256 {WHEEL_SHA256}) into {wheel.parent} and try again."
    )


def _extract_files(wheel: Path, directory: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        for name, expected in FILE_SHA256.items():
            partial = directory / f"{name}.part"
            with archive.open(f"{FOLDER_IN_WHEEL}/{name}") as source, partial.open("wb") as target:
                shutil.copyfileobj(source, target)
            if not _has_sha256(partial, expected):
                raise DemoDataError(f"{name} in {wheel.name} does not have the expected SHA-256")
            partial.replace(directory / name)


def read_movielens(directory: Path) -> MovieLens:
    """Read the two atomic files of a directory.

    A film that the data set lists twice is kept once; films without a name (`unknown`) are left out.

    Raises:
        DemoDataError: a file is missing, is not UTF-8, or lacks a column.
    """
    films: dict[str, Film] = {}
    kept_ids: dict[str, str] = {}
    first_ids: dict[tuple[str, str | None], str] = {}
    for row in _read_rows(directory / ITEM_FILE):
        film = _build_film(row)
        if film.title == NO_GENRE:
            continue
        film_id = first_ids.setdefault((film.title, film.year), film.film_id)
        kept_ids[film.film_id] = film_id
        films.setdefault(film_id, film)
    return MovieLens(films, _read_ratings(directory / RATING_FILE, kept_ids))


def _read_ratings(path: Path, kept_ids: Mapping[str, str]) -> tuple[Rating, ...]:
    rows = (row for row in _read_rows(path) if row["item_id"] in kept_ids)
    ratings = sorted(
        (_build_rating(row, kept_ids[row["item_id"]]) for row in rows),
        key=lambda rating: (rating.rated_at, rating.user_id, rating.film_id),
    )
    latest = {(rating.user_id, rating.film_id): rating for rating in ratings}
    return tuple(latest.values())


def _read_rows(path: Path) -> Iterator[dict[str, str]]:
    """Read a RecBole atomic file: tab-separated, its header names each column as `name:type`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise DemoDataError(f"{path} is missing") from error
    except UnicodeDecodeError as error:
        raise DemoDataError(f"{path} is not UTF-8") from error
    names = [column.split(":")[0] for column in lines[0].split("\t")] if lines else []
    for number, line in enumerate(lines[1:], start=2):
        values = line.split("\t")
        if len(values) != len(names):
            raise DemoDataError(f"{path}, line {number}: {len(values)} columns instead of {len(names)}")
        yield dict(zip(names, values, strict=True))


def _build_film(row: Mapping[str, str]) -> Film:
    year = row["release_year"]
    return Film(
        film_id=row["item_id"],
        title=restore_article(row["movie_title"]),
        genres=tuple(name_genre(genre) for genre in row["class"].split() if genre != NO_GENRE),
        year=year if _YEAR.match(year) else None,
    )


def _build_rating(row: Mapping[str, str], film_id: str) -> Rating:
    rated_at = datetime.fromtimestamp(float(row["timestamp"]), UTC)
    return Rating(row["user_id"], film_id, float(row["rating"]), rated_at)
