"""What a load test's report says, against what the workers counted themselves."""

import re
from dataclasses import dataclass
from math import inf
from statistics import fmean
from typing import Final

from stream_app.replay.measurements import Report
from stream_app.replay.scrape import Count, Rises

MAX_RATE_SHARE: Final = 0.1
LATENCY: Final = "prism_end_to_end_seconds"

_NAME = re.compile(r"(\w+)(?:\{(.*)\})?")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def restore_rises(report: Report) -> Rises:
    """Restore the workers' counts from a report."""
    counts = []
    for rendered, value in report.worker_metrics.items():
        found = _NAME.fullmatch(rendered)
        assert found is not None, rendered
        counts.append(Count(found[1], tuple(_LABEL.findall(found[2] or "")), value))
    return Rises(tuple(counts), ())


def check_counts(report: Report) -> list[str]:
    """Check that every event and every item was counted alike on both sides: exactly."""
    rises, counts = restore_rises(report), report.counts
    pairs = {
        "events": (counts.events, rises.add_up("prism_records_settled_total")),
        "texts of the model": (counts.explained, rises.add_up("prism_explanations_total", source="model")),
        "texts of the template": (counts.template, rises.add_up("prism_explanations_total", source="template")),
        "dead letters": (counts.dead_letter, rises.add_up("prism_dead_letters_total")),
    }
    problems = [
        f"{name}: {ours} here, {theirs:g} in the metrics" for name, (ours, theirs) in pairs.items() if ours != theirs
    ]
    spoiled = counts.missing + counts.duplicates_identical + counts.duplicates_different + counts.out_of_order
    return problems + ([f"{spoiled} items are missing, doubled or out of order"] if spoiled else [])


def check_throughput(report: Report) -> list[str]:
    """Check the rate of explanations that were read, second by second, against what the workers wrote in all."""
    if not report.seconds:
        return ["nothing was measured"]
    ours = fmean(second.outcomes - second.dead_letters for second in report.seconds)
    theirs = restore_rises(report).add_up("prism_explanations_total") / report.duration_seconds
    is_near = theirs > 0 and abs(ours / theirs - 1) <= MAX_RATE_SHARE
    return [] if is_near else [f"{ours:.1f} items/s here, {theirs:.1f} by the metrics"]


def check_latency(report: Report) -> list[str]:
    """Check the latency against the workers' histogram, to the width of the bucket that the quantile is in."""
    problems = []
    for share, ours in ((0.5, report.latency.p50), (0.99, report.latency.p99)):
        estimate = _estimate(restore_rises(report), share)
        if estimate is None or ours is None:
            problems.append(f"p{share * 100:g} was not measured")
        elif abs(ours - estimate.seconds) > estimate.width_seconds:
            theirs = f"{estimate.seconds:.3f} s by the metrics, whose bucket is {estimate.width_seconds:g} s wide"
            problems.append(f"p{share * 100:g}: {ours:.3f} s here, {theirs}")
    return problems


@dataclass(frozen=True)
class Estimate:
    """A quantile by a histogram."""

    seconds: float
    width_seconds: float


def _estimate(rises: Rises, share: float) -> Estimate | None:
    """Estimate a quantile as Prometheus does: evenly between the bounds of its bucket."""
    bounds, buckets = rises.find_quantile_bounds(LATENCY, share), dict(rises.list_buckets(LATENCY))
    if bounds is None or bounds[1] == inf:
        return None
    below, upto = buckets.get(bounds[0], 0.0), buckets[bounds[1]]
    part = (share * buckets[inf] - below) / (upto - below)
    width = bounds[1] - bounds[0]
    return Estimate(bounds[0] + part * width, width)
