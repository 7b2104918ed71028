"""Sorts interactions by user and time on disk: data sets of any size pass through bounded memory."""

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Final

from offline.datasets.interactions import Encounter, InteractionRules, KnownItem, build_rows
from offline.datasets.rows import DropLog, SourceRow
from stream_app.core.events import RankedItem, RatingScale

CACHE_KIBIBYTES: Final = 65_536
"""Of SQLite's pages; sorting spills to disk beyond it."""

CACHED_ITEMS: Final = 10_000
"""Items kept parsed; popular ones come again with every user."""

_SCHEMA: Final = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -{CACHE_KIBIBYTES};
CREATE TABLE item (item_id TEXT PRIMARY KEY, facts BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE known_user (user_id TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE interaction (place INTEGER, user_id TEXT, item_id TEXT, rating REAL, at REAL);
"""
_INSERT: Final = "INSERT INTO interaction SELECT ?1, ?2, ?3, ?4, ?5"
_ONLY_KNOWN: Final = " WHERE EXISTS (SELECT 1 FROM known_user WHERE user_id = ?2)"
_BY_USER: Final = """
SELECT user_id, interaction.item_id, rating, at, facts
FROM interaction LEFT JOIN item USING (item_id)
ORDER BY place, user_id, at, interaction.item_id, rating
"""


@dataclass(frozen=True, slots=True)
class Interaction:
    """One user met one item, at a time in seconds since 1970."""

    user_id: str
    item_id: str
    rating: float | None
    at: float


@dataclass(frozen=True, slots=True)
class InteractionData:
    """What an adapter reads, as streams; ids as they shall stand in events."""

    items: Iterable[RankedItem]
    interactions: Iterable[Interaction]
    scale: RatingScale
    users: Iterable[str] | None = None
    """Whose interactions to use; None: everyone's."""


def order_user(user_id: str, seed: int, purpose: str) -> int:
    """Place a user at random in 0 to 2**63 - 1, the same for the same seed and purpose."""
    digest = hashlib.sha256(f"{purpose}\0{seed}\0{user_id}".encode()).digest()
    return int.from_bytes(digest[:8]) >> 1


def parse_interaction(
    user_id: str, item_id: str, rating: str | float | None, at: str | float, scale: RatingScale
) -> Interaction:
    """Build an interaction from what stands in a file.

    Raises:
        ValueError: a number is none, the rating lies outside the scale, or the time is none that a calendar knows.
    """
    seconds = float(at)
    try:
        datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError, ValueError):
        raise ValueError(f"{at!r} is not a time in seconds since 1970") from None
    value = None if rating is None else float(rating)
    if value is not None and not scale.minimum <= value <= scale.maximum:
        raise ValueError(f"the rating {value} lies outside {scale.minimum} to {scale.maximum}")
    return Interaction(user_id, item_id, value, seconds)


def read_rows(data: InteractionData, rules: InteractionRules, scratch: Path, drops: DropLog) -> Iterator[SourceRow]:
    """Build the rows of all users, in an order that depends on the seed: the first N are a random sample of users.

    Args:
        data: streams of items and interactions; read once.
        rules: what is explained.
        scratch: a file for SQLite; overwritten, and deleted at the end.
        drops: takes what gives no row.
    """
    scratch.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(scratch)) as store:
            _fill(store, data, rules.seed, drops)
            for user_id, encounters in _read_users(store, drops):
                yield from build_rows(user_id, encounters, rules, drops)
    finally:
        scratch.unlink(missing_ok=True)


def _fill(store: sqlite3.Connection, data: InteractionData, seed: int, drops: DropLog) -> None:
    store.executescript(_SCHEMA)
    for item in data.items:
        added = store.execute(
            "INSERT OR IGNORE INTO item VALUES (?, ?)", (item.item_id, item.model_dump_json().encode())
        )
        if added.rowcount == 0:
            drops.note("item listed twice", item.item_id)
    insert = _INSERT
    if data.users is not None:
        insert += _ONLY_KNOWN
        store.executemany("INSERT OR IGNORE INTO known_user VALUES (?)", ((user_id,) for user_id in data.users))
    store.executemany(
        insert,
        ((order_user(one.user_id, seed, "sample"), one.user_id, one.item_id, one.rating, one.at)
         for one in data.interactions),
    )  # fmt: skip


def _read_users(store: sqlite3.Connection, drops: DropLog) -> Iterator[tuple[str, list[Encounter]]]:
    load = lru_cache(CACHED_ITEMS)(_load_item)
    for user_id, rows in groupby(store.execute(_BY_USER), key=lambda row: str(row[0])):
        encounters: list[Encounter] = []
        for _, item_id, rating, at, facts in rows:
            if facts is None:
                drops.note("interaction with an item that has no title", f"{user_id}/{item_id}")
            else:
                encounters.append(Encounter(load(facts), rating, at))
        yield user_id, encounters


def _load_item(facts: bytes) -> KnownItem:
    return KnownItem.from_item(RankedItem.model_validate_json(facts))
