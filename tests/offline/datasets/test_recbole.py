"""RecBole atomic files: columns by name and type, attributes under the names that texts were learned with."""

from pathlib import Path

import pytest

from offline.datasets.recbole import read_recbole
from offline.datasets.rows import DropLog, SourceError
from offline.datasets.sources import RecBoleSource
from stream_app.core.events import RankedItem
from tests.offline.datasets.logs import collect_rows, count_drops

ITEMS = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\tprice:float\tvector:float_seq\n"
    "1\tLong Harbour, The\t1991\tDrama Sci-Fi\t9.5\t0.1 0.2\n"
    "2\tLost Tape\tunknown\tunknown\t\t0.3\n"
    "3\tunknown\t1990\tDrama\t1.0\t0.3\n"
)
RATINGS = (
    "timestamp:float\tuser_id:token\titem_id:token\trating:float\n"
    "881250949\t7\t1\t4\n"
    "881250960\t7\t2\t5\n"
    "881250970\t7\t3\t5\n"
)


def write_files(folder: Path, items: str = ITEMS, ratings: str = RATINGS) -> Path:
    (folder / "tiny.item").write_text(items, encoding="utf-8")
    path = folder / "tiny.inter"
    path.write_text(ratings, encoding="utf-8")
    return path


def read_items(path: Path, **options: object) -> dict[str, RankedItem]:
    source = RecBoleSource.model_validate({"adapter": "recbole", "path": path} | options)
    return {item.item_id: item for item in read_recbole(source, path, "film", DropLog()).items}


def test_items_have_plain_attributes_and_no_vectors_or_unknowns(tmp_path: Path) -> None:
    items = read_items(write_files(tmp_path))
    assert items["film-1"].title == "The Long Harbour"
    assert items["film-1"].attributes == {"year": "1991", "genre": ["drama", "science fiction"], "price": "9.5"}
    assert items["film-2"].attributes == {}
    assert "film-3" not in items


def test_the_recipe_may_name_columns(tmp_path: Path) -> None:
    items = read_items(
        write_files(tmp_path, ITEMS.replace("movie_title", "label").replace("Drama Sci-Fi", "Slow Drama|War")),
        title_column="label",
        attributes={"class": "topics"},
        sequence_separator="|",
    )
    assert items["film-1"].attributes == {"topics": ["Slow Drama", "War"]}


def test_a_folder_and_its_inter_file_mean_the_same(tmp_path: Path) -> None:
    assert read_items(write_files(tmp_path)) == read_items(tmp_path)


def test_interactions_without_ratings_count_as_liked(tmp_path: Path) -> None:
    ratings = "user_id:token\titem_id:token\ttimestamp:float\n7\t1\t881250949\n7\t2\t881250960\n7\t2\n7\t2\tsoon\n"
    path = write_files(tmp_path, ratings=ratings)
    drops = DropLog()
    data = read_recbole(RecBoleSource(adapter="recbole", path=path), path, "film", drops)
    rows = collect_rows(data, tmp_path, drops, history_min=1)
    assert [row.event.items[0].title for row in rows] == ["Lost Tape"]
    assert [(item.title, item.rating) for item in rows[0].event.user.history] == [("The Long Harbour", None)]
    assert count_drops(drops) == {"bad line": 2, "item without a title": 1}


@pytest.mark.parametrize(
    ("items", "ratings", "message"),
    [
        (ITEMS, "user_id\titem_id\ttimestamp\n7\t1\t1\n", r"tiny\.inter: expected a header .* such as user_id:token"),
        (
            ITEMS,
            "user_id:token\titem_id:token\n7\t1\n",
            r"tiny\.inter: no column timestamp; there are user_id",
        ),
        (ITEMS, RATINGS.splitlines()[0] + "\n1\t2\n", r"tiny\.inter: nothing in it could be read"),
        (ITEMS.replace("movie_title", "label"), RATINGS, r"tiny\.item: no title column; set title_column to one of"),
        ("", RATINGS, r"tiny\.item: expected a header"),
    ],
)
def test_a_wrong_header_is_named_with_what_was_expected(tmp_path: Path, items: str, ratings: str, message: str) -> None:
    path = write_files(tmp_path, items, ratings)
    drops = DropLog()
    with pytest.raises(SourceError, match=message):
        collect_rows(read_recbole(RecBoleSource(adapter="recbole", path=path), path, "film", drops), tmp_path, drops)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"expected one \.inter file, found 0"):
        read_items(tmp_path)
    write_files(tmp_path)
    (tmp_path / "tiny.item").unlink()
    with pytest.raises(SourceError, match=r"tiny\.item is missing"):
        read_items(tmp_path)
