import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.replay import series
from stream_app.replay.measurements import Percentiles
from tests.replay.reporting import build_percentiles, build_report, build_samples, build_second


def test_a_short_run_has_a_point_for_each_second() -> None:
    report = build_report()
    line = series.trace(report, "sent", series.measure_sent, series.choose_step([report]))
    assert line.points == tuple((second, 20.0) for second in range(40))


@settings(deadline=None)  # Pydantic checks thousands of seconds.
@given(st.integers(0, 5000), st.integers(0, 5000))
def test_no_line_has_more_points_than_a_chart_can_show(first: int, second: int) -> None:
    reports = [build_report(seconds=[build_second(0)] * length) for length in (first, second)]
    step = series.choose_step(reports)
    assert max(first, second) / step <= series.POINTS
    assert step == 1 or max(first, second) / (step - 1) > series.POINTS


def test_a_point_of_several_seconds_has_the_mean_of_rates_and_the_peak_of_backlog_and_latency() -> None:
    seconds = [build_second(0, sent_events=10, backlog_events=9, p99=None), build_second(1, backlog_events=2, p99=0.7)]
    report = build_report(seconds=seconds)
    measures = (series.measure_sent, series.measure_backlog, series.measure_p99)
    assert [series.trace(report, "", measure, 2).points for measure in measures] == [
        ((0, 15.0),),
        ((0, 9.0),),
        ((0, 0.7),),
    ]


def test_seconds_without_an_outcome_leave_a_gap_in_the_latency() -> None:
    report = build_report(seconds=[build_second(0), build_second(1, p99=None)])
    assert series.trace(report, "", series.measure_p99, 1).points == ((0, 0.9), (1, None))


@settings(deadline=None)  # The first example pays for what is loaded.
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=60), st.integers(1, 7))
def test_what_was_answered_is_what_was_sent_less_what_is_left_however_it_is_cut(
    flows: list[tuple[int, int]], step: int
) -> None:
    seconds, backlog = [], 0
    for number, (sent, capacity) in enumerate(flows):
        backlog = max(0, backlog + sent - capacity)
        seconds.append(build_second(number, sent_events=sent, backlog_events=backlog))
    points = series.trace(build_report(seconds=seconds), "", series.measure_answered, step).points
    lengths = [min(step, len(seconds) - int(start)) for start, _ in points]
    answered = sum((rate or 0.0) * length for (_, rate), length in zip(points, lengths, strict=True))
    assert answered == pytest.approx(sum(sent for sent, _ in flows) - backlog)


def test_outcomes_are_split_without_remainder() -> None:
    report = build_report(seconds=[build_second(0, outcomes=100, templates=30, dead_letters=20)])
    measures = (series.measure_model, series.measure_template, series.measure_dead_letters)
    assert [series.trace(report, "", measure, 1).points[0][1] for measure in measures] == [50, 30, 20]


def test_each_process_has_its_line() -> None:
    report = build_report(processes=build_samples("worker-1", 0.5) + build_samples("worker-0", 0.25))
    lines = series.trace_processes(report, lambda sample: sample.cpu_share, 20)
    assert [(line.name, line.points) for line in lines] == [
        ("worker-0", ((0, 0.25), (20, 0.25))),
        ("worker-1", ((0, 0.5), (20, 0.5))),
    ]


def test_the_curve_passes_through_the_percentiles_and_ends_with_the_maximum() -> None:
    percentiles = build_percentiles([number / 1000 for number in range(1, 1025)])
    points = series.trace_curve(percentiles, "latency").points
    curve = dict(points)
    assert curve[2.0] == pytest.approx(0.512, rel=0.002)
    assert curve[4.0] == pytest.approx(0.768, rel=0.002)
    assert points[-1] == (1024.0, percentiles.maximum)


@settings(deadline=None)  # The histogram is read by a library of plain Python.
@given(st.lists(st.floats(1e-6, 3000), min_size=1, max_size=200))
def test_the_curve_never_falls(values: list[float]) -> None:
    points = series.trace_curve(build_percentiles(values), "latency").points
    assert list(points) == sorted(points)
    assert all(latency is not None for _, latency in points)


def test_without_the_histogram_the_curve_has_the_named_percentiles_that_so_few_values_allow() -> None:
    percentiles = Percentiles(count=150, p50=0.1, p90=0.2, p99=0.3, p999=0.4, maximum=0.4)
    points = series.trace_curve(percentiles, "latency").points
    assert points == ((2.0, 0.1), (10.0, 0.2), (100.0, 0.3), (150.0, 0.4))


def test_a_run_without_outcomes_has_an_empty_curve() -> None:
    nothing = Percentiles(count=0, p50=None, p90=None, p99=None, p999=None, maximum=None)
    assert series.trace_curve(nothing, "latency").points == ()
