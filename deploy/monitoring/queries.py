"""The queries of the dashboard, in the variables that its top offers: data source, job, instance."""

from dataclasses import dataclass
from typing import Final

MINE: Final = 'job=~"$job", instance=~"$instance"'
"""The targets that the variables at the top choose."""


@dataclass(frozen=True, slots=True)
class Query:
    """One expression, and how its series are called."""

    expr: str
    legend: str = ""


def rate(metric: str, by: str = "", more: str = "") -> str:
    """Write the rate per second of a counter, added up over the workers."""
    return f"sum{_by(by)} (rate({metric}{{{MINE}{more}}}[$__rate_interval]))"


def total(metric: str, by: str = "", function: str = "sum", more: str = "") -> str:
    """Write a gauge, added up (or the largest, or the smallest) over the workers."""
    return f"{function}{_by(by)} ({metric}{{{MINE}{more}}})"


def quantiles(histogram: str) -> tuple[Query, ...]:
    """Write the median, the 95th and the 99th percentile of a histogram."""
    buckets = rate(f"{histogram}_bucket", "le")
    return tuple(Query(f"histogram_quantile({share}, {buckets})", f"p{share * 100:.0f}") for share in (0.5, 0.95, 0.99))


def mean(histogram: str) -> str:
    """Write the mean of what a histogram has seen."""
    return f"{rate(f'{histogram}_sum')} / {rate(f'{histogram}_count')}"


def _by(labels: str) -> str:
    return f" by ({labels})" if labels else ""
