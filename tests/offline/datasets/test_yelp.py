"""The Yelp Open Dataset: streamed, without the review's text, and with memory that does not grow with the file."""

import json
import tracemalloc
from pathlib import Path

import pytest

from offline.datasets import interaction_store
from offline.datasets.interaction_store import read_rows
from offline.datasets.rows import DropLog, SourceError
from offline.datasets.sources import YelpSource
from offline.datasets.yelp import BUSINESS_FILE, REVIEW_FILE, USER_FILE, read_yelp
from tests.offline.datasets.logs import Entry, build_rules, collect_rows, count_drops, write_yelp

LOG = [Entry("1", "2", 3, 978_300_000), Entry("1", "3", 5, 978_300_001), Entry("2", "3", 5, 978_300_002)]


def open_source(folder: Path, **options: object) -> YelpSource:
    return YelpSource.model_validate({"adapter": "yelp", "path": folder} | options)


def test_events_have_categories_and_city_but_never_a_review(tmp_path: Path) -> None:
    write_yelp(tmp_path, LOG)
    rows = collect_rows(read_yelp(open_source(tmp_path), tmp_path, "yelp", 0, DropLog()), tmp_path, DropLog())
    (row,) = (row for row in rows if row.event.user.history)
    assert row.event.items[0].attributes == {"category": ["Bars", "Coffee & Tea"], "city": "Tampa"}
    assert row.event.user.history[0].attributes == row.event.items[0].attributes
    assert row.event.user.history[0].rating == 3
    assert all(row.recorded is None and "SECRET" not in row.event.model_dump_json() for row in rows)


def test_users_with_too_few_reviews_are_passed_over_where_the_file_of_users_is_there(tmp_path: Path) -> None:
    write_yelp(tmp_path, LOG)
    (tmp_path / USER_FILE).write_text(
        '{"user_id": "1", "review_count": 2}\n{"user_id": "2", "review_count": 1}\n', encoding="utf-8"
    )
    source = open_source(tmp_path, history_min=1)
    drops = DropLog()
    rows = collect_rows(read_yelp(source, tmp_path, "yelp", 0, drops), tmp_path, drops, history_min=1)
    assert {row.event.user.user_id for row in rows} == {"yelp-u1"}
    assert count_drops(drops) == {}
    (tmp_path / USER_FILE).unlink()
    collect_rows(read_yelp(source, tmp_path, "yelp", 0, drops), tmp_path, drops, history_min=1)
    assert count_drops(drops) == {"user with too little history": 1}


def test_a_share_of_users_is_the_same_for_the_same_seed(tmp_path: Path) -> None:
    write_yelp(tmp_path, [Entry(str(user), "2", 5, 978_300_000) for user in range(400)])

    def choose(share: float, seed: int) -> set[str]:
        data = read_yelp(open_source(tmp_path, user_share=share), tmp_path, "yelp", seed, DropLog())
        return {row.event.user.user_id for row in collect_rows(data, tmp_path, DropLog())}

    assert len(choose(1, 0)) == 400
    assert 60 < len(choose(0.25, 0)) < 140
    assert choose(0.25, 0) == choose(0.25, 0) != choose(0.25, 1)


def test_bad_documents_are_noted_with_their_line(tmp_path: Path) -> None:
    write_yelp(tmp_path, LOG)
    with (tmp_path / REVIEW_FILE).open("a") as reviews:
        reviews.write('{"user_id": "1"}\n')
        for stars, date in (('"5"', "2018-07-07 22:09:11"), ("true", "2018-07-07 22:09:11"), ("5", "yesterday")):
            reviews.write(f'{{"user_id": "1", "business_id": "2", "stars": {stars}, "date": "{date}"}}\n')
    with (tmp_path / BUSINESS_FILE).open("a") as businesses:
        businesses.write('{"business_id": "9", "name": " ", "categories": null}\n')
    drops = DropLog()
    collect_rows(read_yelp(open_source(tmp_path), tmp_path, "yelp", 0, drops), tmp_path, drops)
    assert count_drops(drops) == {"bad line": 4, "item without a title": 1}
    (first, *_) = (drop for drop in drops if drop.reason == "bad line")
    assert first.places[0] == f"{REVIEW_FILE}, line 4: no business_id, date"


def test_another_file_under_the_name_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"business\.json is missing"):
        read_yelp(open_source(tmp_path), tmp_path, "yelp", 0, DropLog())
    write_yelp(tmp_path, LOG)
    (tmp_path / REVIEW_FILE).write_text('{"tip": 1}\n', encoding="utf-8")
    with pytest.raises(SourceError, match=r"review\.json: .* expected JSON lines with user_id, business_id, date"):
        collect_rows(read_yelp(open_source(tmp_path), tmp_path, "yelp", 0, DropLog()), tmp_path, DropLog())


def write_large(folder: Path, users: int) -> int:
    """Twenty reviews a user, each with a long text; returns the bytes of the review file."""
    businesses = (
        {"business_id": f"b{number}", "name": f"Place {number}", "city": "Tampa", "categories": "Bars, Bakeries"}
        for number in range(users)
    )
    with (folder / BUSINESS_FILE).open("w") as file:
        file.writelines(json.dumps(business) + "\n" for business in businesses)
    text = "x" * 1_000
    with (folder / REVIEW_FILE).open("w") as file:
        for number in range(users * 20):
            date = f"2018-01-{number // users + 1:02} 12:00:00"
            review = {"user_id": f"u{number % users}", "business_id": f"b{number * 7 % users}", "stars": 4.0}
            file.write(json.dumps(review | {"date": date, "text": text}) + "\n")
    return (folder / REVIEW_FILE).stat().st_size


def measure_peak_bytes(folder: Path) -> int:
    source = open_source(folder)
    tracemalloc.start()
    try:
        data = read_yelp(source, folder, "yelp", 0, DropLog())
        count = sum(1 for _ in read_rows(data, build_rules(rows_per_user=1), folder / "store.sqlite3", DropLog()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count >= 50
    return peak


def test_memory_does_not_grow_with_the_number_of_reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interaction_store, "CACHED_ITEMS", 20)
    sizes, peaks = [], []
    for users in (50, 300):
        folder = tmp_path / str(users)
        folder.mkdir()
        sizes.append(write_large(folder, users))
        peaks.append(measure_peak_bytes(folder))
    assert sizes[1] > 5 * sizes[0]
    assert peaks[1] < 2 * peaks[0]
