import pytest

from stream_app.replay.compare import Difference, Figure, compare, list_conditions, measure_cores, render_comparison
from stream_app.replay.measurements import Report
from tests.replay.reporting import build_counts, build_percentiles, build_report, build_samples, build_setup


def find(first: Report, second: Report, name: str) -> Difference:
    return next(difference for difference in compare(first, second) if difference.first.name == name)


def test_a_run_does_not_differ_from_itself() -> None:
    differences = compare(build_report(), build_report())
    assert not any(difference.is_worse for difference in differences)
    assert {difference.relative for difference in differences} == {0.0}
    assert list_conditions(build_report(), build_report()) == []


def test_a_difference_is_relative_to_the_first_run() -> None:
    slower = build_report(latency=build_percentiles([0.4] * 100))
    difference = find(build_report(), slower, "latency p50")
    assert difference.relative == pytest.approx(1.0, rel=0.01)
    assert difference.is_worse
    assert not find(slower, build_report(), "latency p50").is_worse


def test_of_what_should_be_high_less_is_worse() -> None:
    weaker = build_report(capacity_events_per_second=12.25)
    assert find(build_report(), weaker, "capacity (events/s)").is_worse
    assert not find(weaker, build_report(), "capacity (events/s)").is_worse


def test_what_differs_by_chance_is_not_called_worse() -> None:
    assert not Difference(Figure("p99", 1.0, "seconds", "lower"), Figure("p99", 1.04, "seconds", "lower")).is_worse


def test_the_first_loss_is_worse_although_nothing_can_be_divided_by_none() -> None:
    lossy = build_report(counts=build_counts(missing=2))
    difference = find(build_report(), lossy, "missing")
    assert difference.is_worse
    assert difference.relative is None
    assert difference.render_change() == "from 0 to 2"


def test_figures_that_a_run_does_not_have_are_dashes() -> None:
    bare = build_report(capacity_events_per_second=None, processes=[], seconds=[])
    text = render_comparison(build_report(), bare)
    assert text.splitlines()[2].split() == ["capacity", "(events/s)", "24.5", "–", "–"]
    assert measure_cores(bare) is None


def test_cores_are_those_of_all_processes() -> None:
    assert measure_cores(build_report(processes=build_samples("a", 0.5) + build_samples("b", 0.75))) == 1.25


def test_the_table_is_aligned_and_says_what_was_not_asked_for_alike() -> None:
    other = build_report(run_id="run-2", setup=build_setup(rate=40.0, versions={"prism": "0.4.0"}))
    lines = render_comparison(build_report(), other).splitlines()
    table = lines[: lines.index("")]
    assert len({len(line) for line in table[2:]}) == 1
    assert table[1].split() == ["run", "run-1", "run-2"]
    assert lines[-2:] == ["  rate: 20 events/s / 40 events/s", "  version of prism: 0.3.0 / 0.4.0"]
