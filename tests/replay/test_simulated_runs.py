"""Does the verdict catch what a system does wrong, and are the latencies right? Against systems known exactly."""

import math
import random
from collections.abc import Callable
from dataclasses import replace

import orjson
import pytest

from stream_app.replay.link import OutgoingReplay
from stream_app.replay.slo import check_objectives, parse_objectives
from tests.replay.simulated import (
    START,
    Alter,
    Published,
    Run,
    SimulatedSystem,
    leave_as_is,
    simulate,
)


def list_missed(run: Run) -> list[str]:
    """Name the objectives that a run has missed, of strict ones."""
    strict = parse_objectives(
        ["p50=100ms", "p99=200ms"],
        max_lost="0",
        max_template="0%",
        max_dead_letters="0",
        max_duplicates="0",
        max_out_of_order="0",
    )
    checked = check_objectives(strict, run.ledger.count(), run.ledger.latency.to_percentiles())
    return [objective.name for objective in checked if not objective.is_met]


def simulate_fault(alter: Alter, items: int = 2) -> Run:
    return simulate(lambda loop: SimulatedSystem(loop, alter=alter), rate=200, items=items)


def every(number: int, act: Callable[[Published], list[Published]]) -> Alter:
    return lambda index, published: act(published) if index % number == number - 1 else [published]


def wait(seconds: float, published: Published) -> Published:
    return replace(published, ready_at=published.ready_at + seconds)


def rephrase(published: Published) -> Published:
    value = orjson.dumps(orjson.loads(published.record.value or b"") | {"text": "Other words."})
    return replace(published, record=replace(published.record, value=value))


def test_a_good_system_passes() -> None:
    run = simulate_fault(leave_as_is)
    counts = run.ledger.count()
    assert (counts.events, counts.items, counts.explained) == (2000, 4000, 4000)
    assert counts.missing + counts.duplicates_identical + counts.duplicates_different + counts.unexpected == 0
    assert list_missed(run) == []


def test_a_system_that_is_slow_is_caught() -> None:
    run = simulate(lambda loop: SimulatedSystem(loop, find_latency=lambda number: 0.3))
    assert list_missed(run) == ["p50", "p99"]


def test_a_system_that_is_slow_with_two_in_a_hundred_is_caught() -> None:
    run = simulate_fault(every(50, lambda published: [wait(0.3, published)]))
    assert "p99" in list_missed(run)
    assert "p50" not in list_missed(run)


def test_a_system_that_drops_one_in_a_thousand_is_caught() -> None:
    run = simulate_fault(every(1000, lambda published: []))
    assert list_missed(run) == ["lost"]
    assert run.ledger.count().missing == 4
    assert [item.event_id for item in run.ledger.list_missing()] == [
        "run-1-499",
        "run-1-999",
        "run-1-1499",
        "run-1-1999",
    ]


def test_a_system_that_publishes_twice_is_caught() -> None:
    run = simulate_fault(every(1000, lambda published: [published, wait(0.1, published)]))
    assert list_missed(run) == ["duplicates"]
    assert (run.ledger.count().duplicates_identical, run.ledger.count().duplicates_different) == (4, 0)


def test_a_second_text_for_the_same_item_is_told_from_a_repetition() -> None:
    run = simulate_fault(every(1000, lambda published: [published, rephrase(wait(0.1, published))]))
    assert list_missed(run) == ["duplicates"]
    assert (run.ledger.count().duplicates_identical, run.ledger.count().duplicates_different) == (0, 4)


def test_a_duplicate_of_the_very_last_item_is_caught_although_nothing_is_missing_any_more() -> None:
    run = simulate_fault(every(4000, lambda published: [published, wait(1.0, published)]))
    assert run.ledger.count().duplicates_identical == 1


def test_a_system_that_reorders_is_caught() -> None:
    # Early by a millisecond would not overtake anything; early is what comes before the record in front of it.
    run = simulate_fault(every(1000, lambda published: [wait(-0.045, published)]))
    assert list_missed(run) == ["out of order"]
    assert 4 <= run.ledger.count().out_of_order <= 8


def test_a_system_that_answers_with_templates_is_caught() -> None:
    run = simulate(
        lambda loop: SimulatedSystem(loop, find_source=lambda number: "model" if number % 10 else "template")
    )
    assert list_missed(run) == ["template share"]
    assert run.ledger.count().template == 100


def test_a_system_that_gives_items_up_is_caught() -> None:
    run = simulate(lambda loop: SimulatedSystem(loop, find_source=lambda number: "none" if number == 7 else "model"))
    assert list_missed(run) == ["dead letters"]
    assert run.ledger.count().dead_letter == 1


def test_a_dead_letter_for_some_items_answers_for_them_only() -> None:
    run = simulate(
        lambda loop: SimulatedSystem(loop, find_source=lambda number: "model" if number % 3 else "none"), items=3
    )
    counts = run.ledger.count()
    assert (counts.items, counts.explained, counts.dead_letter, counts.missing) == (3000, 2000, 1000, 0)
    assert counts.duplicates_different == counts.unexpected == 0


def draw_log_normal(seed: int) -> list[float]:
    randomness = random.Random(seed)
    return [randomness.lognormvariate(math.log(0.2), 0.8) for _ in range(20_000)]


def draw_bimodal(seed: int) -> list[float]:
    randomness = random.Random(seed)
    return [
        abs(randomness.gauss(4.0, 0.3) if randomness.random() < 0.015 else randomness.gauss(0.02, 0.003))
        for _ in range(20_000)
    ]


def find_true(latencies: list[float], percentile: float) -> float:
    return sorted(latencies)[math.ceil(percentile / 100 * len(latencies)) - 1]


@pytest.mark.parametrize("draw", [draw_log_normal, draw_bimodal])
def test_latencies_are_right_to_five_percent_or_a_millisecond(draw: Callable[[int], list[float]]) -> None:
    latencies = draw(7)
    run = simulate(
        lambda loop: SimulatedSystem(loop, find_latency=latencies.__getitem__), rate=200, items=10, patience_seconds=60
    )
    measured = run.ledger.latency.to_percentiles()
    assert measured.count == 20_000
    for percentile, value in ((50, measured.p50), (90, measured.p90), (99, measured.p99), (99.9, measured.p999)):
        true = find_true(latencies, percentile)
        assert value == pytest.approx(true, rel=0.05, abs=0.001)
    assert measured.maximum == pytest.approx(max(latencies), rel=0.001)


def test_a_stall_of_ten_seconds_shows_in_the_latency_of_every_event_that_was_due_in_it() -> None:
    stall = (START + 10, START + 20)
    run = simulate(lambda loop: SimulatedSystem(loop, stall=stall), rate=100, seconds=30)
    # 100 events a second were due: those at the beginning of the stall waited 10 s, the others evenly less.
    assert sorted(run.system.latencies)[-1000:] == pytest.approx([0.06 + index / 100 for index in range(1000)])
    measured = run.ledger.latency
    assert measured.find(100 * 2000 / 3000) == pytest.approx(0.05, abs=0.01)
    assert measured.find(100 * 2500 / 3000) == pytest.approx(5.05, rel=0.01)
    assert measured.find(99.9) == pytest.approx(10.0, rel=0.01)
    assert run.lateness.find(100) == 0


class BlockingSystem(SimulatedSystem):
    """One whose client blocks for ten seconds, once, as a full buffer does."""

    def send(self, record: OutgoingReplay) -> None:
        super().send(record)
        if len(self.sent) == 1000:
            self.loop.pass_time(10.0)


def test_a_client_that_blocks_makes_nothing_look_faster_and_the_generator_late() -> None:
    run = simulate(BlockingSystem, rate=100, seconds=30)
    # What was due while it blocked left late, at once; its latency still counts from when it was due.
    assert run.ledger.latency.find(99.9) == pytest.approx(10.0, rel=0.01)
    assert run.ledger.latency.find(50) == pytest.approx(0.05, abs=0.001)
    assert run.lateness.find(99) == pytest.approx(9.7, rel=0.01)
    assert run.lateness.find(50) == 0


class ToilingSystem(SimulatedSystem):
    """One whose client needs 12 ms a record, where 10 ms are there for it."""

    def send(self, record: OutgoingReplay) -> None:
        super().send(record)
        self.loop.pass_time(0.012)


def test_a_late_generator_is_seen_in_its_lateness() -> None:
    run = simulate(ToilingSystem, rate=100, seconds=30)
    p99 = run.lateness.to_percentiles().p99
    assert p99 is not None
    assert p99 == pytest.approx(0.002 * 3000 * 0.99, rel=0.02)
    assert p99 > 0.05
