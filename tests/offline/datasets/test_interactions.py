"""Which interactions are explained, and which earlier ones are shown beside them."""

from offline.datasets.interactions import Encounter, KnownItem, build_rows, weigh_shared_facts
from offline.datasets.rows import DropLog
from stream_app.core.events import RankedItem
from tests.offline.datasets.logs import build_rules, count_drops


def know(title: str, **attributes: str | list[str]) -> KnownItem:
    return KnownItem.from_item(RankedItem(item_id=f"id-{title}", title=title, rank=1, attributes=attributes))


def meet(title: str, at: float, rating: float | None = 5.0, **attributes: str | list[str]) -> Encounter:
    return Encounter(know(title, **attributes), rating, at)


def test_a_rare_shared_fact_weighs_more_than_a_common_one() -> None:
    others = [know("A", genre=["drama"], director="Ada Fenwick"), know("B", genre=["drama"]), know("C", genre=["war"])]
    weights = weigh_shared_facts(know("D", genre=["Drama"], director="Ada Fenwick"), others)
    assert weights[0] > weights[1] > weights[2] == 0


def test_what_fits_the_item_is_shown_before_what_does_not() -> None:
    older = [meet(f"Old {number}", number, genre="war") for number in range(40)]
    fitting = [meet(f"Fit {number}", 50 + number, genre="jazz") for number in range(6)]
    newer = [meet(f"New {number}", 60 + number, genre="war") for number in range(40)]
    explained = meet("Explained", 200, genre="jazz")
    ignored = [meet(f"Later {number}", 300 + number, rating=1.0) for number in range(3)]
    encounters = [*older, *fitting, *newer, explained, *ignored]
    rows = build_rows("u", encounters, build_rules(history_min=8, rows_per_user=1000), DropLog())
    row = next(row for row in rows if row.event.items[0].title == "Explained")
    assert sum(item.title.startswith("Fit") for item in row.event.user.history) == 6
    assert len(row.event.user.history) == 8


def test_a_history_is_oldest_first_and_no_longer_than_asked() -> None:
    encounters = [meet(f"T{number:02}", number) for number in range(30)]
    for row in build_rows("u", encounters, build_rules(history_max=4), DropLog()):
        titles = [item.title for item in row.event.user.history]
        assert titles == sorted(titles)
        assert len(titles) <= 4


def test_unrated_interactions_are_explained_and_shown_without_a_rating() -> None:
    (row,) = build_rows("u", [meet("A", 1, None), meet("B", 2, None)], build_rules(history_min=1), DropLog())
    assert row.event.items[0].title == "B"
    assert [item.rating for item in row.event.user.history] == [None]


def test_users_who_give_no_row_are_counted_by_reason() -> None:
    drops = DropLog()
    assert not list(build_rows("u1", [meet("A", 1, 2.0)], build_rules(), drops))
    assert not list(build_rows("u2", [meet("A", 1), meet("B", 1)], build_rules(history_min=1), drops))
    assert count_drops(drops) == {"user who liked nothing": 1, "user with too little history": 1}


def test_an_event_beyond_the_contract_is_counted_and_the_rest_goes_on() -> None:
    drops = DropLog()
    encounters = [meet("A", 1, 9.0), meet("B", 2, 5.0)]
    rows = list(build_rows("u", encounters, build_rules(), drops))
    assert [row.event.items[0].title for row in rows] == ["A"]
    assert count_drops(drops) == {"event refused by the event contract": 1}


def test_the_seed_decides_what_is_chosen() -> None:
    encounters = [meet(f"T{number:02}", number) for number in range(60)]

    def choose(seed: int) -> list[str]:
        rules = build_rules(seed=seed, rows_per_user=3, history_min=2)
        return [row.event.event_id for row in build_rows("u", encounters, rules, DropLog())]

    assert choose(1) == choose(1)
    assert len({tuple(choose(seed)) for seed in range(5)}) > 1
    assert len(choose(1)) == 3
