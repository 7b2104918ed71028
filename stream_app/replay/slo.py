"""Objectives: what a run must have kept, from the flags of the command line, and how it went."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.figures import read_percentile
from stream_app.replay.histograms import Histogram
from stream_app.replay.measurements import Counts, Objective, Percentiles

UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}

_LATENCY = re.compile(r"(?:p(\d{1,2})(?:\.(\d+))?|p99(9+)|(max))=(\d+(?:\.\d+)?)(us|ms|s|m)")
_LIMIT = re.compile(r"(\d+(?:\.\d+)?)%|(\d+)")


class ObjectiveError(PrismError):
    """A flag does not say what must be kept."""

    exit_code = LoadTestCode.USAGE


@dataclass(frozen=True, slots=True)
class LatencyLimit:
    """So many percent of all items must have their outcome within so many seconds."""

    name: str
    percentile: float
    seconds: float


@dataclass(frozen=True, slots=True)
class CountLimit:
    """No more items than this may end so: a number of them, or a share of all that were asked for."""

    name: str
    limit: float
    is_share: bool


@dataclass(frozen=True, slots=True)
class Objectives:
    """All that was asked for."""

    latencies: tuple[LatencyLimit, ...]
    lost: CountLimit | None = None
    template: CountLimit | None = None
    dead_letters: CountLimit | None = None
    duplicates: CountLimit | None = None
    out_of_order: CountLimit | None = None


def parse_objectives(
    slo: Iterable[str] = (),
    *,
    max_lost: str | None = None,
    max_template: str | None = None,
    max_dead_letters: str | None = None,
    max_duplicates: str | None = None,
    max_out_of_order: str | None = None,
) -> Objectives:
    """Parse the flags.

    Args:
        slo: `p99=2s`, `p50=300ms`, `p99.9=5s` (or `p999=5s`), `max=1m`; several in one text with commas.
        max_lost: items without any outcome: a number (`0`) or a share of all items (`0.1%`); as the others.
        max_template: items that the template answered.
        max_dead_letters: items that a dead letter answers for.
        max_duplicates: further outcomes, identical or not.
        max_out_of_order: items whose outcome came too early.

    Raises:
        ObjectiveError: a flag is something else.
    """
    texts = [text.strip() for several in slo for text in several.split(",")]
    return Objectives(
        latencies=tuple(_parse_latency(text) for text in texts),
        lost=_parse_limit("lost", max_lost),
        template=_parse_limit("template", max_template),
        dead_letters=_parse_limit("dead letters", max_dead_letters),
        duplicates=_parse_limit("duplicates", max_duplicates),
        out_of_order=_parse_limit("out of order", max_out_of_order),
    )


def restore_objectives(checked: Iterable[Objective]) -> Objectives:
    """Restore what was asked for from how it went, as a report has it."""
    latencies: list[LatencyLimit] = []
    counts: dict[str, CountLimit] = {}
    for objective in checked:
        share = 1.0 if objective.name == "max" else read_percentile(objective.name)
        name = objective.name.removesuffix(" share")
        if share is not None:
            latencies.append(LatencyLimit(objective.name, share * 100, objective.limit))
        else:
            counts[name.replace(" ", "_")] = CountLimit(name, objective.limit, name != objective.name)
    return Objectives(tuple(latencies), **counts)


def check_objectives(objectives: Objectives, counts: Counts, latency: Percentiles) -> list[Objective]:
    """Check what was measured against what was asked for; one answer for each objective, in their order."""
    histogram = Histogram.from_percentiles(latency)
    checked = [_check_latency(limit, histogram, counts) for limit in objectives.latencies]
    measured = (
        (objectives.lost, counts.missing),
        (objectives.template, counts.template),
        (objectives.dead_letters, counts.dead_letter),
        (objectives.duplicates, counts.duplicates_identical + counts.duplicates_different),
        (objectives.out_of_order, counts.out_of_order),
    )
    return checked + [_check_count(limit, number, counts.items) for limit, number in measured if limit is not None]


def _parse_latency(text: str) -> LatencyLimit:
    found = _LATENCY.fullmatch(text)
    if found is None:
        raise ObjectiveError(f"{text!r} is no latency objective; one looks like p99=2s, p99.9=500ms or max=1m")
    whole, decimals, nines, maximum, amount, unit = found.groups()
    percentile = 100.0 if maximum else float(f"{whole or 99}.{decimals or nines or 0}")
    return LatencyLimit(text.split("=")[0], percentile, float(amount) * UNITS[unit])


def _parse_limit(name: str, text: str | None) -> CountLimit | None:
    if text is None:
        return None
    found = _LIMIT.fullmatch(text.strip())
    if found is None:
        raise ObjectiveError(f"{text!r} is no limit for {name}; one is a number of items, or a share such as 5%")
    share, number = found.groups()
    return CountLimit(name, float(number), False) if share is None else CountLimit(name, float(share) / 100, True)


def _check_latency(limit: LatencyLimit, histogram: Histogram, counts: Counts) -> Objective:
    """Check a percentile of all items that were asked for: those without an outcome are slower than any other.

    Otherwise a system that loses what takes long would keep every limit.
    """
    missing_share = counts.missing / histogram.count if histogram.count else float("inf")
    percentile = limit.percentile * (1 + missing_share)
    measured = histogram.find(percentile) if percentile <= 100 else None
    is_met = measured is not None and measured <= limit.seconds
    return Objective(name=limit.name, limit=limit.seconds, measured=measured, is_met=is_met)


def _check_count(limit: CountLimit, number: int, items: int) -> Objective:
    measured = number / items if limit.is_share and items else float(number)
    name = f"{limit.name} share" if limit.is_share else limit.name
    return Objective(name=name, limit=limit.limit, measured=measured, is_met=measured <= limit.limit)
