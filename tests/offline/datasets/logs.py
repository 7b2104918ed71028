"""Random interaction logs, written in the format of each data set, and what must hold of the rows made of them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import strategies as st

from offline.datasets.interaction_store import InteractionData, read_rows
from offline.datasets.interactions import InteractionRules
from offline.datasets.rows import DropLog, SourceRow
from offline.datasets.yelp import BUSINESS_FILE, REVIEW_FILE, USER_FILE
from stream_app.core.events import RatingScale

TITLES = {
    "1": "Harbour Lights",
    "2": "The Lock House",
    "3": "Nine Lanterns",
    "4": "Salt & Slate",
    "5": "Harbour Lights",  # The same thing under another id, as catalogues have it.
    "6": "Orrery",
}
YEAR = "1995"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a log."""

    user: str
    item: str
    rating: int
    at: int


LOGS = st.lists(
    st.builds(
        Entry,
        user=st.sampled_from(("1", "2", "3")),
        item=st.sampled_from(tuple(TITLES)),
        rating=st.integers(1, 5),
        at=st.integers(978_300_000, 978_300_008),  # Few times for many entries: the same time is common.
    ),
    min_size=1,
    max_size=40,
)


def build_rules(**overrides: object) -> InteractionRules:
    """Rules that let as much through as they can."""
    rules: dict[str, object] = {
        "kind": "film",
        "scale": RatingScale(minimum=1, maximum=5),
        "liked_from": 4.0,
        "rows_per_user": 100,
        "history_min": 0,
        "history_max": 8,
        "seed": 0,
    }
    return InteractionRules(**(rules | overrides))  # type: ignore[arg-type]


def collect_rows(data: InteractionData, scratch: Path, drops: DropLog, **overrides: object) -> list[SourceRow]:
    """All rows of a data set."""
    return list(read_rows(data, build_rules(**overrides), scratch / "store.sqlite3", drops))


def count_drops(drops: DropLog) -> dict[str, int]:
    """How often each reason was noted."""
    return {drop.reason: drop.count for drop in drops}


def write_dat(folder: Path, log: Iterable[Entry]) -> None:
    """MovieLens 1M."""
    films = "".join(f"{item}::{title} ({YEAR})::Drama|Sci-Fi\n" for item, title in TITLES.items())
    (folder / "movies.dat").write_text(films, encoding="latin-1")
    ratings = "".join(f"{entry.user}::{entry.item}::{entry.rating}::{entry.at}\n" for entry in log)
    (folder / "ratings.dat").write_text(ratings, encoding="latin-1")


def write_csv(folder: Path, log: Iterable[Entry]) -> None:
    """MovieLens latest."""
    films = "".join(f'{item},"{title} ({YEAR})",Drama|Children\n' for item, title in TITLES.items())
    (folder / "movies.csv").write_text("movieId,title,genres\n" + films, encoding="utf-8")
    ratings = "".join(f"{entry.user},{entry.item},{entry.rating}.0,{entry.at}\n" for entry in log)
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n" + ratings, encoding="utf-8")


def write_first_100k(folder: Path, log: Iterable[Entry]) -> None:
    """MovieLens 100k as it was first shipped."""
    flags = "|".join("1" if place in (5, 15) else "0" for place in range(19))
    films = "".join(
        f"{item}|{title} ({YEAR})|01-Jan-1995||http://example.org|{flags}\n" for item, title in TITLES.items()
    )
    (folder / "u.item").write_text(films, encoding="latin-1")
    ratings = "".join(f"{entry.user}\t{entry.item}\t{entry.rating}\t{entry.at}\n" for entry in log)
    (folder / "u.data").write_text(ratings, encoding="utf-8")


def write_recbole(folder: Path, log: Iterable[Entry]) -> None:
    """RecBole atomic files."""
    films = "".join(f"{item}\t{title}\t{YEAR}\tDrama Sci-Fi\n" for item, title in TITLES.items())
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    (folder / "tiny.item").write_text(header + films, encoding="utf-8")
    ratings = "".join(f"{entry.user}\t{entry.item}\t{entry.rating}\t{entry.at}\n" for entry in log)
    header = "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    (folder / "tiny.inter").write_text(header + ratings, encoding="utf-8")


def write_yelp(folder: Path, log: Iterable[Entry]) -> None:
    """The Yelp Open Dataset."""
    businesses = [
        {"business_id": item, "name": title, "city": "Tampa", "stars": 4.5, "categories": "Bars, Coffee & Tea"}
        for item, title in TITLES.items()
    ]
    reviews = [
        {
            "review_id": f"r{number}",
            "user_id": entry.user,
            "business_id": entry.item,
            "stars": float(entry.rating),
            "text": "SECRET REVIEW",
            "date": datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%S"),
        }
        for number, entry in enumerate(log)
    ]
    users = [{"user_id": user, "review_count": 50} for user in sorted({str(review["user_id"]) for review in reviews})]
    for name, documents in ((BUSINESS_FILE, businesses), (REVIEW_FILE, reviews), (USER_FILE, users)):
        (folder / name).write_text("".join(json.dumps(document) + "\n" for document in documents), encoding="utf-8")


def ensure_no_leak(rows: Iterable[SourceRow], log: Iterable[Entry]) -> None:
    """Check each row against the log: liked, met for the first time, and only older things of the same user."""
    entries = list(log)
    for row in rows:
        (item,) = row.event.items
        user, now = row.event.user, row.event.occurred_at.timestamp()
        own = [entry for entry in entries if f"film-u{entry.user}" == user.user_id]
        same = [entry for entry in own if TITLES[entry.item] == item.title]
        assert min(entry.at for entry in same) == now
        assert any(entry.rating >= 4 and entry.at == now for entry in same)
        assert item.title not in [seen.title for seen in user.history]
        for seen in user.history:
            assert any(
                entry.at < now and f"film-{entry.item}" == seen.item_id and entry.rating == seen.rating for entry in own
            )
