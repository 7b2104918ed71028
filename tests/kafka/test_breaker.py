from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.core.events import DeadLetter
from stream_app.core.pipeline import Explained, ExplanationPipeline, Rejected
from stream_app.kafka.breaker import SLICES, BreakerState, CircuitBreaker, count_failures
from stream_app.kafka.overload import OverloadPolicy
from tests.factories import build_item, build_record
from tests.fakes import ScriptedGenerator, read_title


@dataclass
class FakeClock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


def build_breaker(clock: FakeClock, share: float = 0.5, min_records: int = 100) -> CircuitBreaker:
    return CircuitBreaker(share, min_records, window_seconds=60, pause_seconds=30, clock=clock)


def is_open(breaker: CircuitBreaker) -> bool:
    return breaker.state is BreakerState.OPEN


def open_breaker(clock: FakeClock) -> CircuitBreaker:
    breaker = build_breaker(clock)
    breaker.note(100, 100)
    assert is_open(breaker)
    return breaker


def test_it_begins_closed_without_a_reason_and_without_waiting() -> None:
    breaker = build_breaker(FakeClock())
    assert (breaker.state, breaker.reason, breaker.seconds_until_probe()) == (BreakerState.CLOSED, None, 0)


def test_it_opens_with_enough_records_and_more_failures_than_the_share() -> None:
    breaker = build_breaker(FakeClock())
    breaker.note(99, 99)
    assert breaker.state is BreakerState.CLOSED
    breaker.note(1, 0)
    assert is_open(breaker)
    assert breaker.reason == "circuit breaker open: 99 of 100 records failed within 60 s, more than 50%"
    assert breaker.openings == 1


@pytest.mark.parametrize(
    ("share", "records", "failures", "opens"),
    [
        (0.5, 100, 50, False),
        (0.5, 100, 51, True),
        # 0.57 * 100 is less than 57 in binary fractions.
        (0.57, 100, 57, False),
        (0.0, 100, 0, False),
        (0.0, 100, 1, True),
        (1.0, 100, 100, False),
    ],
)
def test_the_share_itself_is_still_well_and_a_share_of_one_never_opens(
    share: float, records: int, failures: int, opens: bool
) -> None:
    breaker = build_breaker(FakeClock(), share)
    breaker.note(records, failures)
    assert is_open(breaker) is opens


def test_failures_before_the_window_are_forgotten() -> None:
    clock = FakeClock()
    breaker = build_breaker(clock)
    breaker.note(99, 99)
    clock.now += 60
    breaker.note(99, 99)
    assert breaker.state is BreakerState.CLOSED
    clock.now += 59
    breaker.note(1, 1)
    assert is_open(breaker)


def test_it_says_how_long_to_wait_and_then_tries_one_batch() -> None:
    clock = FakeClock()
    breaker = open_breaker(clock)
    assert breaker.seconds_until_probe() == 30
    clock.now += 29
    assert (breaker.seconds_until_probe(), breaker.state) == (1, BreakerState.OPEN)
    clock.now += 1
    assert (breaker.seconds_until_probe(), breaker.state) == (0, BreakerState.PROBING)
    assert breaker.reason is not None
    assert "probing" in breaker.reason


def test_a_good_probe_closes_and_the_window_begins_anew() -> None:
    clock = FakeClock()
    breaker = open_breaker(clock)
    clock.now += 30
    breaker.note(2, 1)
    assert (breaker.state, breaker.reason) == (BreakerState.CLOSED, None)
    # Neither the failures before it opened nor the probe are in the window any more.
    breaker.note(99, 99)
    assert breaker.state is BreakerState.CLOSED
    breaker.note(1, 1)
    assert is_open(breaker)


def test_a_bad_probe_opens_again_for_the_whole_pause_however_few_its_records() -> None:
    clock = FakeClock()
    breaker = open_breaker(clock)
    clock.now += 31
    breaker.note(1, 1)
    assert (breaker.state, breaker.seconds_until_probe(), breaker.openings) == (BreakerState.OPEN, 30, 2)
    assert breaker.reason is not None
    assert "1 of 1 records of the last probe" in breaker.reason


def test_a_batch_without_records_decides_nothing() -> None:
    clock = FakeClock()
    breaker = open_breaker(clock)
    clock.now += 30
    breaker.note(0, 0)
    assert breaker.state is BreakerState.PROBING


def test_a_batch_that_was_at_work_when_it_opened_changes_nothing() -> None:
    clock = FakeClock()
    breaker = open_breaker(clock)
    breaker.note(50, 0)
    assert is_open(breaker)
    breaker.note(50, 50)
    assert (breaker.seconds_until_probe(), breaker.openings) == (30, 1)


def test_a_clock_that_goes_back_makes_no_pause_longer() -> None:
    clock = FakeClock()
    breaker = open_breaker(clock)
    clock.now -= 86_400
    assert breaker.seconds_until_probe() == 30
    clock.now += 30
    assert breaker.state is BreakerState.PROBING


def test_a_clock_that_jumps_ahead_costs_one_batch() -> None:
    clock = FakeClock()
    breaker = open_breaker(clock)
    clock.now += 1e9
    assert breaker.state is BreakerState.PROBING
    breaker.note(10, 10)
    assert (breaker.state, breaker.seconds_until_probe()) == (BreakerState.OPEN, 30)


@pytest.mark.parametrize(("records", "failures"), [(1, 2), (-1, 0), (1, -1)])
def test_impossible_numbers_are_refused(records: int, failures: int) -> None:
    with pytest.raises(ValueError, match="failures among"):
        build_breaker(FakeClock()).note(records, failures)


def test_memory_is_bounded_however_many_small_batches_there_are() -> None:
    clock = FakeClock()
    breaker = build_breaker(clock)
    for _ in range(10_000):
        clock.now += 0.01
        breaker.note(1, 0)
    assert len(breaker._slices) <= SLICES + 1


def simulate(
    batches: list[tuple[int, int, int]], share: float, min_records: int, slices_a_window: int
) -> list[BreakerState]:
    """A breaker written plainly: it keeps every batch, and counts in whole slices of time."""
    kept: list[tuple[int, int, int]] = []
    states, now, probe_at = [], 0, None
    for steps, records, failures in batches:
        now += steps
        if probe_at is not None and now < probe_at:
            pass
        elif probe_at is not None and records:
            probe_at = now + 30 if failures / records > share else None
            kept = []
        elif records:
            kept.append((now, records, failures))
            window = [one for one in kept if now - one[0] < slices_a_window]
            total, failed = sum(one[1] for one in window), sum(one[2] for one in window)
            probe_at = now + 30 if total >= min_records and failed / total > share else None
        waiting = probe_at is not None and now < probe_at
        states.append(
            BreakerState.OPEN if waiting else BreakerState.CLOSED if probe_at is None else BreakerState.PROBING
        )
    return states


batches = st.tuples(st.integers(0, 40), st.integers(0, 60), st.floats(0, 1)).map(
    lambda batch: (batch[0], batch[1], round(batch[1] * batch[2]))
)


@given(
    batches=st.lists(batches, max_size=60),
    share=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
    min_records=st.integers(1, 200),
    jumps=st.sets(st.integers(0, 60), max_size=5),
)
def test_it_does_what_its_plain_description_does_whenever_the_clock_goes_back(
    batches: list[tuple[int, int, int]], share: float, min_records: int, jumps: set[int]
) -> None:
    clock = FakeClock()
    breaker = build_breaker(clock, share, min_records)
    states = []
    for index, (seconds, records, failures) in enumerate(batches):
        clock.now += seconds
        if index in jumps:
            assert breaker.seconds_until_probe() <= 30
            clock.now -= 5_000
        breaker.note(records, failures)
        assert 0 <= breaker.seconds_until_probe() <= 30
        assert (breaker.reason is None) is (breaker.state is BreakerState.CLOSED)
        assert (breaker.seconds_until_probe() > 0) is (breaker.state is BreakerState.OPEN)
        states.append(breaker.state)
    assert states == simulate(batches, share, min_records, slices_a_window=60)


def test_expired_records_count_neither_as_records_nor_as_failures() -> None:
    expired = OverloadPolicy("skip", 60).build_expired()
    rejected = Rejected(DeadLetter(stage="schema", error="SchemaError", message="m"))
    (explained,) = ExplanationPipeline(ScriptedGenerator()).explain([build_record()])
    assert count_failures([expired, rejected, explained, expired]) == (2, 1)
    assert count_failures([expired]) == (0, 0)


def test_what_the_template_answered_at_once_says_nothing_of_the_model() -> None:
    late, rejected = ExplanationPipeline(ScriptedGenerator()).explain_with_template([build_record(), b"{"])
    assert count_failures([late]) == (0, 0)
    assert count_failures([late, rejected]) == (1, 1)


@pytest.mark.parametrize(("failing", "failed"), [("", 0), ("ab", 0), ("abc", 1), ("abcd", 1)])
def test_a_record_failed_if_generation_did_for_most_of_its_items(failing: str, failed: int) -> None:
    generator = ScriptedGenerator(fails_on=lambda prompt: read_title(prompt) in [f"lantern {one}" for one in failing])
    record = build_record(items=[build_item(f"lantern {one}") for one in "abcd"])
    outcomes = ExplanationPipeline(generator).explain([record])
    assert isinstance(outcomes[0], Explained)
    assert outcomes[0].generation_failures == len(failing)
    assert count_failures(outcomes) == (1, failed)


def test_texts_that_the_gate_turned_down_are_no_failures() -> None:
    outcomes = ExplanationPipeline(ScriptedGenerator(write=lambda _: "no .")).explain([build_record()])
    assert isinstance(outcomes[0], Explained)
    assert outcomes[0].violations == Counter(length=5)
    assert count_failures(outcomes) == (1, 0)
