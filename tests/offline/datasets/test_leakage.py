"""Whatever a log looks like: a history holds nothing of the explained item, and nothing of its time or later."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings

from offline.datasets.interaction_store import InteractionData
from offline.datasets.movielens import read_movielens
from offline.datasets.recbole import read_recbole
from offline.datasets.rows import DropLog
from offline.datasets.sources import MovieLensSource, RecBoleSource, YelpSource
from offline.datasets.yelp import read_yelp
from tests.offline.datasets.logs import (
    LOGS,
    Entry,
    collect_rows,
    ensure_no_leak,
    write_csv,
    write_dat,
    write_first_100k,
    write_recbole,
    write_yelp,
)


def _open_movielens(folder: Path, drops: DropLog) -> InteractionData:
    return read_movielens(MovieLensSource(adapter="movielens", path=folder), folder, None, "film", drops)


def _open_recbole(folder: Path, drops: DropLog) -> InteractionData:
    return read_recbole(RecBoleSource(adapter="recbole", path=folder), folder, "film", drops)


def _open_yelp(folder: Path, drops: DropLog) -> InteractionData:
    return read_yelp(YelpSource(adapter="yelp", path=folder), folder, "film", 0, drops)


FORMATS = pytest.mark.parametrize(
    ("write", "read"),
    [
        (write_dat, _open_movielens),
        (write_csv, _open_movielens),
        (write_first_100k, _open_movielens),
        (write_recbole, _open_recbole),
        (write_yelp, _open_yelp),
    ],
    ids=["dat", "csv", "first-100k", "recbole", "yelp"],
)
Write = Callable[[Path, list[Entry]], None]
Read = Callable[[Path, DropLog], InteractionData]


@FORMATS
def test_no_history_knows_the_explained_item_or_anything_later(write: Write, read: Read) -> None:
    @settings(max_examples=25, deadline=None, database=None)
    @given(log=LOGS)
    def check(log: list[Entry]) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write(folder, log)
            ensure_no_leak(collect_rows(read(folder, DropLog()), folder, DropLog()), log)

    check()


@FORMATS
def test_what_was_met_before_stands_in_the_history(tmp_path: Path, write: Write, read: Read) -> None:
    log = [Entry("1", "2", 3, 978_300_000), Entry("1", "3", 5, 978_300_001), Entry("1", "4", 5, 978_300_002)]
    write(tmp_path, log)
    rows = collect_rows(read(tmp_path, DropLog()), tmp_path, DropLog(), history_min=2)
    assert [row.event.items[0].title for row in rows] == ["Salt & Slate"]
    seen = [(item.title, item.rating) for item in rows[0].event.user.history]
    assert seen == [("The Lock House", 3.0), ("Nine Lanterns", 5.0)]


@FORMATS
def test_the_order_of_lines_makes_no_difference(tmp_path: Path, write: Write, read: Read) -> None:
    log = [Entry(user, item, 5, 978_300_000 + int(item)) for user in "12" for item in "1234"]
    results = []
    for lines in (log, log[::-1]):
        write(tmp_path, lines)
        results.append(collect_rows(read(tmp_path, DropLog()), tmp_path, DropLog()))
    assert results[0] == results[1]
    assert len(results[0]) == 8
