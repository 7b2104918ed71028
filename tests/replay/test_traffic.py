"""Synthetic traffic: every record valid, the shapes that were asked for, and the same for the same seed for ever."""

import hashlib
from collections import Counter, defaultdict
from dataclasses import replace
from itertools import islice, takewhile
from pathlib import Path
from statistics import fmean
from typing import Any
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.core.events import MAX_HISTORY, MAX_ITEMS, RankingEvent, decode_event
from stream_app.replay.dice import Dice
from stream_app.replay.recording import RecordedRecord, RecordingError, RecordingWriter, open_recording
from stream_app.replay.traffic import TrafficShape, draw_arrivals, generate

SHAPE = TrafficShape(events=2_000)


@pytest.fixture(scope="module")
def records() -> list[RecordedRecord]:
    return list(generate(SHAPE, seed=1))


@pytest.fixture(scope="module")
def events(records: list[RecordedRecord]) -> list[RankingEvent]:
    return [decode_event(record.value) for record in records]


def test_each_record_is_an_event_keyed_by_its_user(records: list[RecordedRecord], events: list[RankingEvent]) -> None:
    assert len(records) == 2_000
    assert len({event.event_id for event in events}) == 2_000
    for record, event in zip(records, events, strict=True):
        assert record.key == event.user.user_id.encode()
        assert record.timestamp_ms == round(event.occurred_at.timestamp() * 1_000)
        assert [item.rank for item in event.items] == list(range(1, len(event.items) + 1))
        assert not {item.item_id for item in event.items} & {item.item_id for item in event.user.history}


def test_partitions_go_by_key_and_their_offsets_count_up(records: list[RecordedRecord]) -> None:
    offsets = defaultdict[int, list[int]](list)
    for record in records:
        assert record.partition == crc32(record.key or b"") % 4
        offsets[record.partition].append(record.offset)
    assert sorted(offsets) == [0, 1, 2, 3]
    assert all(own == list(range(len(own))) for own in offsets.values())


def test_time_begins_where_it_should_and_never_falls(records: list[RecordedRecord]) -> None:
    times = [record.timestamp_ms for record in records]
    assert times == sorted(times)
    assert 0 <= times[0] - SHAPE.begin_ms < 1_000


def test_few_users_and_items_make_most_of_the_traffic(events: list[RankingEvent]) -> None:
    users = Counter(event.user.user_id for event in events)
    items = Counter(item.item_id for event in events for item in event.items)
    assert sum(number for _, number in users.most_common(len(users) // 10)) > 0.3 * len(events)
    assert sum(number for _, number in items.most_common(len(items) // 10)) > 0.4 * items.total()
    assert len(items) > 1_000


def test_a_user_is_the_same_in_each_of_their_events(events: list[RankingEvent]) -> None:
    users = defaultdict[str, set[str]](set)
    for event in events:
        users[event.user.user_id].add(event.user.model_dump_json())
    assert {len(forms) for forms in users.values()} == {1}


def test_lists_and_histories_are_mostly_short_and_sometimes_long(events: list[RankingEvent]) -> None:
    lists = [len(event.items) for event in events]
    histories = [len(event.user.history) for event in events]
    assert fmean(lists) == pytest.approx(5, rel=0.1)
    assert min(lists) == 1
    assert max(lists) > 20
    assert 0 in histories
    assert max(histories) > 40
    assert sorted(histories)[1_000] < 10


def test_history_tells_likes_and_dislikes_and_some_users_have_words_for_them(events: list[RankingEvent]) -> None:
    ratings = [item.rating for event in events for item in event.user.history]
    given_ratings = [rating for rating in ratings if rating is not None]
    assert len(given_ratings) / len(ratings) == pytest.approx(0.9, abs=0.03)
    assert 0.2 < sum(rating >= 4 for rating in given_ratings) / len(given_ratings) < 0.8
    assert 0.1 < sum(bool(event.user.preferences) for event in events) / len(events) < 0.6


def test_the_shape_says_how_long_lists_histories_and_texts_are() -> None:
    shape = TrafficShape(
        events=300, mean_list=30, max_list=12, max_history=0, mean_preferences=3, median_characters=600, explain_top_k=2
    )
    events = [decode_event(record.value) for record in generate(shape, seed=1)]
    assert max(len(event.items) for event in events) == 12
    assert not any(event.user.history for event in events)
    assert fmean(len(event.user.preferences) for event in events) > 2
    assert fmean(len(item.summary or "") for event in events for item in event.items) > 500
    assert {event.explain_top_k for event in events} == {2}


def count_arrivals(shape: TrafficShape, window_seconds: float, windows: int) -> list[int]:
    arrivals = draw_arrivals(shape, Dice(1, "arrivals"))
    counts = Counter(int(s // window_seconds) for s in takewhile(lambda s: s < window_seconds * windows, arrivals))
    return [counts[window] for window in range(windows)]


STEADY = TrafficShape(rate=10, diurnal_share=0, bursts_per_hour=0)


def test_without_waves_arrivals_are_a_poisson_process() -> None:
    counts = count_arrivals(STEADY, 10, 1_000)
    mean = fmean(counts)
    assert mean == pytest.approx(100, rel=0.02)
    assert fmean((count - mean) ** 2 for count in counts) == pytest.approx(mean, rel=0.15)


def test_the_day_has_its_peak_after_a_quarter_and_its_trough_after_three() -> None:
    counts = count_arrivals(replace(STEADY, diurnal_share=0.8, day_seconds=4_000), 400, 10)
    assert counts[2] == pytest.approx(4_000 * 1.78, rel=0.05)
    assert counts[7] == pytest.approx(4_000 * 0.22, rel=0.15)
    assert sum(counts) == pytest.approx(40_000, rel=0.02)


def test_bursts_multiply_the_rate_for_their_share_of_time_and_keep_the_mean() -> None:
    shape = replace(STEADY, rate=20, bursts_per_hour=36, burst_seconds=20, burst_factor=5)
    assert shape.burst_share == pytest.approx(0.2)
    counts = count_arrivals(shape, 2, 20_000)
    quiet = 40 / (1 + 0.2 * 4)
    assert fmean(counts) == pytest.approx(40, rel=0.05)
    assert sum(count > 3 * quiet for count in counts) / len(counts) == pytest.approx(0.2, abs=0.03)


def test_the_default_shape_has_its_rate_in_the_long_run() -> None:
    shape = TrafficShape(rate=5)
    assert sum(count_arrivals(shape, shape.day_seconds, 3)) / (3 * 86_400) == pytest.approx(5, rel=0.03)


def test_what_comes_first_does_not_depend_on_how_much_follows(records: list[RecordedRecord]) -> None:
    assert list(generate(replace(SHAPE, events=10), seed=1)) == records[:10]
    assert list(islice(generate(replace(SHAPE, events=1_000_000_000), seed=1), 10)) == records[:10]
    assert list(generate(replace(SHAPE, events=10), seed=2)) != records[:10]


def test_the_same_seed_gives_these_bytes_for_ever(records: list[RecordedRecord]) -> None:
    # Changes only with the contract's fields or the word lists: load tests with older traffic are then another test.
    digest = hashlib.sha256(repr(records).encode()).hexdigest()
    assert digest == "17528907a9ba4e370e16374f3f6d84c500995f42d1099ee17fa40ce691905887"


def test_traffic_can_be_recorded(records: list[RecordedRecord], tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "traffic.parquet") as writer:
        for record in records[:100]:
            writer.write(record)
    assert list(open_recording(tmp_path / "traffic.parquet")) == records[:100]


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**64),
    users=st.integers(1, 50),
    max_list=st.integers(1, 20),
    max_history=st.integers(0, 20),
    exponent=st.floats(0, 4),
    characters=st.floats(1, 1_000),
)
def test_traffic_of_any_shape_is_valid(
    seed: int, users: int, max_list: int, max_history: int, exponent: float, characters: float
) -> None:
    shape = TrafficShape(
        events=3,
        users=users,
        items=3 * (max_list + max_history),
        item_exponent=exponent,
        user_exponent=exponent,
        history_exponent=exponent,
        mean_list=max_list,
        max_list=max_list,
        max_history=max_history,
        median_characters=characters,
    )
    for record in generate(shape, seed):
        decode_event(record.value)


def test_even_the_largest_events_are_valid() -> None:
    shape = TrafficShape(
        events=3,
        users=3,
        items=2_100,
        mean_list=1e9,
        max_list=MAX_ITEMS,
        max_history=MAX_HISTORY,
        history_exponent=0,
        mean_preferences=1e9,
        median_characters=1e9,
    )
    values = [record.value or b"" for record in generate(shape, seed=1)]
    assert {len(decode_event(value).items) for value in values} == {MAX_ITEMS}
    assert max(map(len, values)) > 800_000


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"rate": 0}, "rate is 0"),
        ({"rate": float("nan")}, "rate is nan"),
        ({"events": -1}, "events is -1"),
        ({"partitions": 0}, "partitions is 0"),
        ({"explain_top_k": 0}, "explain_top_k is 0"),
        ({"diurnal_share": 1.5}, "diurnal_share is at most 1"),
        ({"burst_factor": 0.5}, "burst_factor and mean_list are at least 1"),
        ({"bursts_per_hour": 60, "burst_seconds": 60}, "leaves nothing of the hour"),
        ({"max_list": 201}, "at most 200 items"),
        ({"max_history": 501}, "500 entries of history"),
        ({"items": 329}, "329 items are too few for lists and histories so long: 330 at least"),
    ],
)
def test_shapes_that_make_no_sense_are_refused(wrong: dict[str, Any], problem: str) -> None:
    with pytest.raises(RecordingError, match=problem):
        TrafficShape(**wrong)
