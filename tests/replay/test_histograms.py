import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_app.replay.histograms import Histogram, HistogramError
from stream_app.replay.measurements import Percentiles

TIMES = st.lists(st.floats(0, 3600), max_size=50)


def build_histogram(times: list[float]) -> Histogram:
    histogram = Histogram()
    for seconds in times:
        histogram.record(seconds)
    return histogram


def test_nothing_has_no_percentiles() -> None:
    percentiles = Histogram().to_percentiles()
    assert (percentiles.count, percentiles.p50, percentiles.maximum) == (0, None, None)


def test_percentiles_are_right_to_a_thousandth() -> None:
    measured = build_histogram([number / 1000 for number in range(1, 10_001)]).to_percentiles()
    assert (measured.p50, measured.p90, measured.p99, measured.p999, measured.maximum) == pytest.approx(
        (5.0, 9.0, 9.9, 9.99, 10.0), rel=0.001
    )


def test_times_outside_the_range_count_at_its_ends() -> None:
    histogram = build_histogram([-5.0, 1e9])
    assert histogram.find(50) == 0
    assert histogram.find(100) == pytest.approx(3600, rel=0.001)


def test_one_time_can_be_recorded_for_many() -> None:
    histogram = Histogram()
    histogram.record(2.0, 99)
    histogram.record(0.5)
    assert histogram.count == 100
    assert [histogram.find(1), histogram.find(2)] == pytest.approx([0.5, 2.0], rel=0.001)


@settings(max_examples=30, deadline=None)  # Each looks through some 20,000 buckets a few times.
@given(TIMES, TIMES)
def test_merging_is_the_same_as_recording_in_one(first: list[float], second: list[float]) -> None:
    merged = build_histogram(first)
    merged.merge(build_histogram(second))
    assert merged.to_percentiles() == build_histogram(first + second).to_percentiles()


@settings(max_examples=30, deadline=None)  # Each looks through some 20,000 buckets a few times.
@given(TIMES, TIMES)
def test_a_report_holds_the_whole_histogram_and_it_can_be_merged_with_others(
    first: list[float], second: list[float]
) -> None:
    read = Histogram.from_percentiles(build_histogram(first).to_percentiles())
    assert read.to_percentiles() == build_histogram(first).to_percentiles()
    read.merge(Histogram.from_percentiles(build_histogram(second).to_percentiles()))
    assert read.to_percentiles() == build_histogram(first + second).to_percentiles()


@pytest.mark.parametrize("encoded", ["x", "????", "SElTVEZBQUE=", "HISTFAAAABx4nJNpmSzMgADMUJoRRFybvITB/gNEAABQ2gAA"])
def test_a_damaged_histogram_is_named(encoded: str) -> None:
    percentiles = Percentiles(count=1, p50=1, p90=1, p99=1, p999=1, maximum=1, encoded=encoded)
    with pytest.raises(HistogramError, match="cannot be read"):
        Histogram.from_percentiles(percentiles)
