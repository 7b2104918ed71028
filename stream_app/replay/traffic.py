"""Synthetic traffic with the shapes of real traffic: a few users and items make most of it, and it comes in waves."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Final
from zlib import crc32

from stream_app.core.events import (
    MAX_HISTORY,
    MAX_ITEMS,
    MAX_PREFERENCES,
    HistoryItem,
    RankedItem,
    RankingEvent,
    User,
    encode_contract,
)
from stream_app.replay.catalogue import KINDS, PLACES, Kind, Offer, build_catalogue, compose_text
from stream_app.replay.dice import Dice, Zipf
from stream_app.replay.recording import RecordedRecord, RecordingError

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
RANKER_NAME: Final = "synthetic"
HEADERS: Final = (("content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class TrafficShape:
    """What traffic looks like.

    Raises:
        RecordingError: a number that makes no sense, or more items in a list than the contract or the catalogue has.
    """

    events: int = 10_000
    partitions: int = 4
    begin_ms: int = 1_767_225_600_000
    """When the traffic begins, in milliseconds of Unix time: 2026-01-01T00:00:00Z."""
    rate: float = 50.0
    """Events per second, in the long run."""
    diurnal_share: float = 0.6
    """How far the rate rises above and falls below its mean in the course of a day: 0 not at all, 1 down to nothing."""
    day_seconds: float = 86_400.0
    """The length of a day. It begins in the middle of the rise; a short one shows the curve in a short run."""
    bursts_per_hour: float = 12.0
    burst_seconds: float = 15.0
    """The mean length of a burst."""
    burst_factor: float = 3.0
    """How much higher the rate is in a burst."""
    users: int = 2_000
    user_exponent: float = 0.8
    """Of Zipf's law: the higher, the more of all events come from few users."""
    items: int = 3_000
    item_exponent: float = 1.0
    mean_list: float = 5.0
    """Items of an event: at least one, few are likely."""
    max_list: int = 50
    explain_top_k: int | None = None
    max_history: int = 60
    history_exponent: float = 1.0
    mean_preferences: float = 0.5
    median_characters: float = 140.0
    """Of summaries and preferences."""
    characters_sigma: float = 0.6
    """Of the natural logarithm of their lengths: 0 makes them nearly equal."""

    def __post_init__(self) -> None:
        zero_is_fine = {"diurnal_share", "bursts_per_hour", "mean_preferences", "begin_ms", "max_history", "events"}
        zero_is_fine |= {field.name for field in fields(self) if field.name.endswith(("_exponent", "_sigma"))}
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not (0 < value < math.inf or (value == 0 and field.name in zero_is_fine)):
                raise RecordingError(f"{field.name} is {value}: it must be a finite number above 0")
        self._ensure_bounds()

    @property
    def burst_share(self) -> float:
        """The share of all time that is part of a burst."""
        return self.bursts_per_hour * self.burst_seconds / 3_600

    def _ensure_bounds(self) -> None:
        if self.burst_share >= 1:
            raise RecordingError("bursts_per_hour times burst_seconds leaves nothing of the hour")
        if self.diurnal_share > 1 or self.burst_factor < 1 or self.mean_list < 1:
            raise RecordingError("diurnal_share is at most 1, burst_factor and mean_list are at least 1")
        if self.max_list > MAX_ITEMS or self.max_history > MAX_HISTORY:
            raise RecordingError(f"an event has at most {MAX_ITEMS} items and {MAX_HISTORY} entries of history")
        if self.items < len(KINDS) * (self.max_list + self.max_history):
            wanted = len(KINDS) * (self.max_list + self.max_history)
            raise RecordingError(f"{self.items} items are too few for lists and histories so long: {wanted} at least")


def generate(shape: TrafficShape, seed: int) -> Iterator[RecordedRecord]:
    """Generate traffic: valid ranking events keyed by user, in the order of time; the same for the same seed."""
    audience, dice = Audience(shape, seed), Dice(seed, "events")
    offsets = [0] * shape.partitions
    for number, seconds in enumerate(islice(draw_arrivals(shape, Dice(seed, "arrivals")), shape.events)):
        timestamp_ms = shape.begin_ms + int(seconds * 1_000)
        event = audience.build_event(f"synthetic-{seed}-{number}", timestamp_ms, dice)
        key = event.user.user_id.encode()
        # As librdkafka distributes keys, whose users are most likely to record elsewhere.
        partition = crc32(key) % shape.partitions
        yield RecordedRecord(partition, offsets[partition], timestamp_ms, key, encode_contract(event), HEADERS)
        offsets[partition] += 1


def draw_arrivals(shape: TrafficShape, dice: Dice) -> Iterator[float]:
    """Draw when events arrive, in seconds from the start, for ever: a Poisson process whose rate changes.

    Candidates come at the highest rate that ever is; each is kept with the share that the rate has of it at its moment.
    """
    gap_seconds = 3_600 / shape.bursts_per_hour - shape.burst_seconds if shape.bursts_per_hour else math.inf
    quiet_rate = shape.rate / (1 + shape.burst_share * (shape.burst_factor - 1))
    highest = quiet_rate * (1 + shape.diurnal_share) * shape.burst_factor
    is_burst, turns_at, now = False, dice.draw_wait(gap_seconds), 0.0
    while True:
        now += dice.draw_wait(1 / highest)
        while now >= turns_at:
            is_burst = not is_burst
            turns_at += dice.draw_wait(shape.burst_seconds if is_burst else gap_seconds)
        curve = 1 + shape.diurnal_share * math.sin(2 * math.pi * now / shape.day_seconds)
        if dice.roll() * highest < quiet_rate * curve * (shape.burst_factor if is_burst else 1):
            yield now


@dataclass(frozen=True, slots=True)
class _Person:
    user: User
    kind: Kind
    seen: frozenset[int]
    """What stands in the history, as places in the list of the kind's offers."""


class Audience:
    """Users and what is recommended to them. Each user likes one kind of item, and some sorts of it."""

    def __init__(self, shape: TrafficShape, seed: int) -> None:
        self._shape = shape
        self._seed = seed
        catalogue = build_catalogue(shape.items, shape.median_characters, shape.characters_sigma, seed)
        self._offers = {kind: [offer for offer in catalogue if offer.kind == kind] for kind in KINDS}
        self._popularity = {kind: Zipf(len(offers), shape.item_exponent) for kind, offers in self._offers.items()}
        self._activity = Zipf(shape.users, shape.user_exponent)
        self._lengths = Zipf(shape.max_history + 1, shape.history_exponent)
        self._people: dict[int, _Person] = {}

    def build_event(self, event_id: str, timestamp_ms: int, dice: Dice) -> RankingEvent:
        """Build the next event: a user, by activity, and items that are new to them, by popularity."""
        person = self._find_person(self._activity.draw(dice))
        number = min(1 + dice.draw_count(self._shape.mean_list - 1), self._shape.max_list)
        chosen = self._popularity[person.kind].draw_distinct(dice, number, set(person.seen))
        offers = [self._offers[person.kind][place] for place in chosen]
        return RankingEvent(
            event_id=event_id,
            occurred_at=EPOCH + timedelta(milliseconds=timestamp_ms),
            user=person.user,
            items=[_rank(offer, rank) for rank, offer in enumerate(offers, start=1)],
            ranker=RANKER_NAME,
            locale="en-GB",
            explain_top_k=self._shape.explain_top_k,
        )

    def _find_person(self, number: int) -> _Person:
        if number not in self._people:
            self._people[number] = self._invent_person(number)
        return self._people[number]

    def _invent_person(self, number: int) -> _Person:
        dice = Dice(self._seed, f"user {number}")
        kind = dice.pick(KINDS)
        offers = self._offers[kind]
        tastes = {taste for offer in dice.pick_some(offers[:20], 3) for taste in offer.tastes}
        seen = self._popularity[kind].draw_distinct(dice, self._lengths.draw(dice), set())
        history = [_rate(offers[place], tastes, dice) for place in seen]
        preferences = [self._invent_preference(dice, kind, sorted(tastes)) for _ in range(self._draw_preferences(dice))]
        user = User(user_id=f"user-{number}", history=history, preferences=preferences)
        return _Person(user, kind, frozenset(seen))

    def _draw_preferences(self, dice: Dice) -> int:
        return min(dice.draw_count(self._shape.mean_preferences), MAX_PREFERENCES)

    def _invent_preference(self, dice: Dice, kind: Kind, tastes: list[str]) -> str:
        length = dice.draw_length(self._shape.median_characters, self._shape.characters_sigma)
        wish = f"Likes {dice.pick(tastes)} {kind}s, most of all from {dice.pick(PLACES)}."
        if length < 2 * len(wish):
            return wish
        return f"{wish} For example: {compose_text(dice, kind, length - len(wish))}"


def _rank(offer: Offer, rank: int) -> RankedItem:
    return RankedItem(
        item_id=offer.item_id,
        title=offer.title,
        rank=rank,
        score=round(1 / (1 + 0.1 * rank), 4),
        attributes=offer.attributes,
        summary=offer.summary,
    )


def _rate(offer: Offer, tastes: set[str], dice: Dice) -> HistoryItem:
    is_liked = bool(tastes.intersection(offer.tastes))
    half_stars = (6 if is_liked else 2) + dice.draw_below(5)
    # One in ten was met without being rated.
    rating = half_stars / 2 if dice.roll() < 0.9 else None
    return HistoryItem(item_id=offer.item_id, title=offer.title, rating=rating, attributes=offer.attributes)
