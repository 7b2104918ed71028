"""Intervals and paired tests over rows."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from offline.evaluation.models import Matrix, Vector

LEVEL: Final = 0.95
_TAIL: Final = 100 * (1 - LEVEL) / 2


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean and its 95 % percentile bootstrap interval, over rows that have a value."""

    mean: float
    low: float
    high: float
    rows: int


def draw_resamples(rows: int, resamples: int, seed: int) -> Matrix:
    """Draw how often each row stands in each bootstrap resample (Efron 1979): shape (resamples, rows)."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(rows, np.full(rows, 1 / rows), size=resamples).astype(np.float64)


def estimate_mean(values: Vector, resamples: Matrix) -> Interval | None:
    """Estimate the mean of the values that are not NaN; None where there are none.

    Args:
        values: one a row.
        resamples: from `draw_resamples` for as many rows; the same for all systems, so that differences are paired.
    """
    is_known = ~np.isnan(values)
    if not is_known.any():
        return None
    counts = resamples[:, is_known]
    totals = counts.sum(1)
    means = (counts @ values[is_known])[totals > 0] / totals[totals > 0]
    low, high = np.percentile(means, [_TAIL, 100 - _TAIL])
    return Interval(float(values[is_known].mean()), float(low), float(high), int(is_known.sum()))


def compare_paired(left: Vector, right: Vector, resamples: int, seed: int) -> float | None:
    """Test whether two systems differ on the same rows: a paired permutation test of the mean difference, two-sided.

    Returns:
        The p-value, by `scipy.stats.permutation_test`; None where no row has both values.
    """
    from scipy.stats import permutation_test

    difference = left - right
    difference = difference[~np.isnan(difference)]
    if not len(difference):
        return None
    changed = difference[difference != 0]
    # Equal pairs contribute nothing under any permutation; fewer than two others cannot be tested.
    if len(changed) < 2:
        return 1.0
    result = permutation_test(
        (changed,),
        lambda sample, axis: np.sum(sample, axis=axis),
        permutation_type="samples",
        n_resamples=resamples,
        vectorized=True,
        batch=256,
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)
