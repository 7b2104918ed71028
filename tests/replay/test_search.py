import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay.measurements import SearchStep, Second
from stream_app.replay.search import SearchResult, StepLimits, find_capacity, judge_step, measure_slope

WARM_UP_SECONDS = 10
WINDOW_SECONDS = 30


def make_second(second: int, backlog_events: int = 0, outcomes: int = 0) -> Second:
    return Second(
        second=second,
        intended_events=0,
        sent_events=0,
        outcomes=outcomes,
        templates=0,
        dead_letters=0,
        backlog_events=backlog_events,
        p50=None,
        p99=None,
    )


def make_seconds(backlog: Sequence[int], first: int = 0) -> list[Second]:
    return [make_second(first + number, events) for number, events in enumerate(backlog)]


def make_step(rate: float, is_sustained: bool, lateness: float = 0.0) -> SearchStep:
    return SearchStep(
        rate=rate,
        outcomes_per_second=rate,
        backlog_slope=0.0,
        p99=0.1,
        max_lateness_p99=lateness,
        is_sustained=is_sustained,
        reason="as simulated",
    )


def search(
    judge: Callable[[float], SearchStep], start: float, ceiling: float, tolerance: float = 0.05
) -> tuple[SearchResult, list[float]]:
    """Search through a simulated system; returns the result and the rates in the order tried, as reported."""
    reported: list[SearchStep] = []

    async def measure(rate: float) -> SearchStep:
        return judge(rate)

    result = asyncio.run(
        find_capacity(measure, start=start, ceiling=ceiling, tolerance=tolerance, report_step=reported.append)
    )
    assert tuple(reported) == result.steps
    return result, [step.rate for step in reported]


class Queue:
    """An M/D/1 queue: Poisson arrivals, one worker that takes the same time for each event."""

    def __init__(self, capacity: float, seed: int) -> None:
        self._service_seconds = 1 / capacity
        self._random = random.Random(seed)

    def run(self, rate: float, limits: StepLimits) -> SearchStep:
        arrivals, departures, now, free_at = Counter[int](), Counter[int](), 0.0, 0.0
        latencies = []
        end = WARM_UP_SECONDS + WINDOW_SECONDS
        while (now := now + self._random.expovariate(rate)) < end:
            free_at = max(now, free_at) + self._service_seconds
            arrivals[int(now)] += 1
            departures[int(free_at)] += 1
            if WARM_UP_SECONDS <= free_at < end:
                latencies.append(free_at - now)
        backlog, seconds = 0, []
        for second in range(end):
            backlog += arrivals[second] - departures[second]
            seconds.append(make_second(second, backlog, departures[second]))
        p99 = sorted(latencies)[int(0.99 * len(latencies))]
        return judge_step(rate, seconds[WARM_UP_SECONDS:], p99=p99, lateness_p99=0.0, limits=limits)


@given(st.integers(-50, 50), st.integers(0, 5_000), st.integers(2, 60), st.integers(0, 1_000))
def test_the_slope_of_a_straight_line_is_found_wherever_it_begins(
    slope: int, backlog: int, length: int, first: int
) -> None:
    seconds = make_seconds([backlog + slope * number for number in range(length)], first)
    assert measure_slope(seconds) == pytest.approx(slope)


def test_a_backlog_that_goes_up_and_down_has_no_slope() -> None:
    assert measure_slope(make_seconds([0, 8, 8, 0] * 8)) == pytest.approx(0)


def test_one_second_has_no_slope() -> None:
    with pytest.raises(ValueError, match="at least two seconds"):
        measure_slope(make_seconds([4]))


def test_a_step_is_sustained_while_the_backlog_grows_by_a_hundredth_of_the_rate_at_most() -> None:
    limits = StepLimits(max_p99_seconds=2.0)
    grown = make_seconds(range(0, 60, 2))
    step = judge_step(200, grown, p99=2.0, lateness_p99=0.05, limits=limits)
    assert (step.is_sustained, step.reason) == (True, "sustained")
    assert step.backlog_slope == pytest.approx(2.0)
    step = judge_step(199, grown, p99=0.1, lateness_p99=0.0, limits=limits)
    assert not step.is_sustained
    assert step.reason == "the backlog grew by 2.00 events/s, above 2"


def test_less_than_one_event_in_the_window_is_no_growth() -> None:
    one_more = make_seconds([0] * 15 + [1] * 15)
    step = judge_step(0.75, one_more, p99=2.0, lateness_p99=0.0, limits=StepLimits())
    assert step.backlog_slope > 0.01 * 0.75
    assert not step.is_sustained, "a step up in the middle is a growth by more than one over the window"
    step = judge_step(0.75, make_seconds([0] * 25 + [1] * 5), p99=2.0, lateness_p99=0.0, limits=StepLimits())
    assert step.backlog_slope > 0.01 * 0.75
    assert step.is_sustained


def test_a_step_with_a_slow_p99_is_not_sustained_though_the_backlog_stands_still() -> None:
    step = judge_step(10, make_seconds([3] * 30), p99=2.001, lateness_p99=0.0, limits=StepLimits(2.0))
    assert not step.is_sustained
    assert step.reason == "p99 was 2.001 s, above 2 s"
    assert judge_step(10, make_seconds([3] * 30), p99=9.0, lateness_p99=0.0, limits=StepLimits()).is_sustained


def test_a_step_in_which_nothing_came_out_is_not_sustained() -> None:
    step = judge_step(1, make_seconds([0] * 30), p99=None, lateness_p99=0.0, limits=StepLimits())
    assert (step.is_sustained, step.reason) == (False, "nothing came out")


def test_a_step_of_a_late_generator_is_invalid_whatever_else_it_was() -> None:
    step = judge_step(100, make_seconds(range(0, 900, 30)), p99=9.0, lateness_p99=0.051, limits=StepLimits(2.0))
    assert not step.is_sustained
    assert step.reason == "invalid: the generator was late, p99 0.051 s, above 0.05 s"


def test_a_step_tells_how_many_outcomes_a_second_there_were() -> None:
    seconds = [make_second(number, 0, outcomes) for number, outcomes in enumerate([10, 20, 30])]
    assert judge_step(5, seconds, p99=0.1, lateness_p99=0.0, limits=StepLimits()).outcomes_per_second == 20


def test_the_rate_is_doubled_until_it_is_not_sustained_and_then_bisected() -> None:
    result, rates = search(lambda rate: make_step(rate, rate <= 70), start=10, ceiling=1_000, tolerance=0.1)
    assert rates == [10, 20, 40, 80, 60, 70, 75]
    assert result.capacity_events_per_second == 70
    assert result.limit == "system"
    assert result.explanation == "70 events/s are sustained, which is what the system can do"


@given(st.floats(0.5, 5_000), st.floats(0.5, 400), st.floats(0.01, 0.3))
def test_a_known_capacity_is_found_within_the_tolerance(capacity: float, start: float, tolerance: float) -> None:
    result, rates = search(lambda rate: make_step(rate, rate <= capacity), start, 10_000, tolerance)
    found = result.capacity_events_per_second
    if result.limit == "floor":
        assert found is None
        assert capacity < min(rates) <= start / 64
    else:
        assert result.limit == "system"
        assert found is not None
        assert capacity * (1 - tolerance) <= found <= capacity
    assert len(rates) == len(set(rates)) <= 30


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("start", [10, 100, 700])
def test_the_capacity_of_a_queue_with_random_arrivals_is_found(start: float, seed: int) -> None:
    capacity = 300.0
    queue = Queue(capacity, seed)
    result, _ = search(lambda rate: queue.run(rate, StepLimits()), start, 10_000)
    assert result.limit == "system"
    assert result.capacity_events_per_second == pytest.approx(capacity, rel=0.05)


def test_a_bound_on_p99_gives_a_lower_capacity_than_the_backlog_does() -> None:
    # At 90 % of its capacity the 99th percentile of such a queue lies at some 20 service times, at 50 % at 5.
    limits = StepLimits(max_p99_seconds=8 / 300)
    queue = Queue(300.0, seed=1)
    result, _ = search(lambda rate: queue.run(rate, limits), 50, 10_000)
    assert result.capacity_events_per_second is not None
    assert 150 < result.capacity_events_per_second < 270
    assert any("p99 was" in step.reason for step in result.steps)


def test_a_late_generator_ends_the_search_and_is_named_as_the_limit() -> None:
    result, rates = search(lambda rate: make_step(rate, rate < 300, lateness=rate / 4_000), start=50, ceiling=1_000)
    assert rates == [50, 100, 200, 400]
    assert result.limit == "generator"
    assert result.capacity_events_per_second == 200
    assert result.explanation == (
        "the generator was late at 400 events/s (p99 0.100 s): it is the limit here, not the system; "
        "at least 200 events/s are sustained"
    )


def test_a_generator_that_is_late_at_once_gives_no_capacity() -> None:
    result, rates = search(lambda rate: make_step(rate, True, lateness=1.0), start=50, ceiling=1_000)
    assert rates == [50]
    assert result.capacity_events_per_second is None
    assert result.explanation.endswith("no rate was sustained")


def test_a_system_that_sustains_the_ceiling_may_do_more() -> None:
    result, rates = search(lambda rate: make_step(rate, True), start=40, ceiling=100)
    assert rates == [40, 80, 100]
    assert (result.capacity_events_per_second, result.limit) == (100, "ceiling")
    assert "may do more" in result.explanation


def test_a_system_that_sustains_nothing_is_given_up() -> None:
    result, rates = search(lambda rate: make_step(rate, False), start=64, ceiling=100)
    assert rates == [64, 32, 16, 8, 4, 2, 1]
    assert (result.capacity_events_per_second, result.limit) == (None, "floor")
    assert result.explanation == "no rate was sustained, not even 1 events/s: as simulated"


@pytest.mark.parametrize(
    ("start", "ceiling", "tolerance"), [(0, 10, 0.1), (20, 10, 0.1), (1, 10, 0), (1, float("inf"), 0.1)]
)
def test_bounds_that_make_no_sense_are_refused(start: float, ceiling: float, tolerance: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        search(lambda rate: make_step(rate, True), start, ceiling, tolerance)
