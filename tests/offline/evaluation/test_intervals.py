import numpy as np

from offline.evaluation.intervals import compare_paired, draw_resamples, estimate_mean


def test_the_interval_holds_the_mean_and_narrows_with_more_rows() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for rows in (50, 800):
        values = rng.normal(3, 1, rows)
        interval = estimate_mean(values, draw_resamples(rows, 500, 0))
        assert interval is not None
        assert interval.low < interval.mean < interval.high
        widths.append(interval.high - interval.low)
    # The standard error times 2 * 1.96.
    assert abs(widths[0] - 3.92 / 50**0.5) < 0.2
    assert widths[1] < widths[0] / 2


def test_rows_without_a_value_are_left_out() -> None:
    interval = estimate_mean(np.array([1.0, np.nan, 1.0, np.nan]), draw_resamples(4, 200, 0))
    assert interval is not None
    assert (interval.mean, interval.low, interval.high, interval.rows) == (1, 1, 1, 2)


def test_without_any_value_there_is_no_interval() -> None:
    assert estimate_mean(np.array([np.nan, np.nan]), draw_resamples(2, 200, 0)) is None


def test_each_resample_has_as_many_rows_as_there_are() -> None:
    assert set(draw_resamples(7, 100, 0).sum(1)) == {7}


def test_equal_systems_are_not_told_apart() -> None:
    values = np.arange(10.0)
    assert compare_paired(values, values, 500, 0) == 1


def test_a_small_difference_on_every_row_is_found_where_unpaired_noise_would_hide_it() -> None:
    noise = np.random.default_rng(0).normal(0, 5, 40)
    p_value = compare_paired(noise + 0.5 + np.linspace(0, 0.1, 40), noise, 1_000, 0)
    assert p_value is not None
    assert p_value < 0.01


def test_systems_without_a_common_row_cannot_be_compared() -> None:
    assert compare_paired(np.array([1.0, np.nan]), np.array([np.nan, 1.0]), 500, 0) is None
