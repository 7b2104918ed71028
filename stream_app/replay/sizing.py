"""`prism capacity`: from a measured run to replicas, partitions, KEDA's threshold and the price. Pure.

What is measured is explanations (items) per second of one worker, because events ask for different numbers of them.
"""

import math
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.figures import render_bytes, render_count, render_seconds, render_share
from stream_app.replay.measurements import Report

DEFAULT_HEADROOM: Final = 0.3
DEFAULT_WAITING_SECONDS: Final = 10.0
"""What a record may wait where no target for p99 was given."""
PARTITIONS_PER_REPLICA: Final = 2
WORKER_PREFIX: Final = "worker"
"""How the names of the workers' processes begin in a report."""
_MILLION: Final = 1_000_000
_HOUR_SECONDS: Final = 3600


class SizingError(PrismError):
    """The report, or what is asked for, allows no sizing."""

    exit_code = LoadTestCode.USAGE


@dataclass(frozen=True, slots=True)
class Capacity:
    """What one worker was measured to do."""

    explanations_per_second: float
    is_found: bool
    """By a search. Otherwise it is what the run happened to ask for, and a worker may do more."""
    p99_seconds: float | None = None
    """At the lowest rate that the search tried, where hardly anything waits."""
    core_seconds_per_explanation: float | None = None
    """Of the workers' processes, as measured."""
    resident_bytes: int | None = None
    """The most that one worker had."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a deployment must carry at its peak."""

    events_per_second: float
    items_per_event: float
    headroom: float = DEFAULT_HEADROOM
    """Share on top of the peak, for restarts, rebalances and nodes slower than the measured one."""
    p99_seconds: float | None = None
    """Target for the latency."""
    threads: int = 1
    """Cores that one worker asks for."""


class Sizing(BaseModel):
    """How a deployment should be laid out. Each figure tells how it was computed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    replicas: int
    """The peak with its headroom, divided by what one worker does, rounded up."""
    partitions: int
    """PARTITIONS_PER_REPLICA for each replica: a multiple, so that all have equally many, and room to double, because a
    topic that is ordered by key cannot be given more partitions later without breaking that order."""
    keda_lag_threshold: int
    """Events that one worker explains in the time that a record may wait: KEDA starts as many replicas as the whole lag
    holds multiples of it."""
    waiting_seconds: float
    """The target for p99 less the p99 that was measured at low load; DEFAULT_WAITING_SECONDS without a target."""
    events_per_second_per_worker: float
    """Its explanations per second, divided by the items that an event asks for."""
    utilisation: float
    """Share of what all replicas can do that the peak asks for."""
    core_hours_per_million_reserved: float
    """Cores that the replicas ask for, for as long as the peak takes to make a million explanations."""
    core_hours_per_million_used: float | None
    """CPU time that the workers took in the run, idle seconds included, for each million of its explanations."""
    memory_bytes_per_worker: int | None
    """The most that one worker had in memory."""
    is_lower_bound: bool
    """Whether no search found the capacity, so that fewer replicas might do."""


def read_capacity(report: Report, workers: int | None = None) -> Capacity:
    """Read what one worker does from a report.

    Args:
        report: a valid one; best of `--find-capacity`.
        workers: how many there were; None: as many as the tool started.

    Raises:
        SizingError: the run is no result, or nobody knows how many workers there were.
    """
    workers = report.setup.workers if workers is None else workers
    _ensure_usable(report, workers)
    answered = report.counts.explained + report.counts.template
    found = report.capacity_events_per_second
    per_second = answered / report.duration_seconds if found is None else found * _count_items_per_event(report)
    low = min((step for step in report.search if step.p99 is not None), key=lambda step: step.rate, default=None)
    own = [sample for sample in report.processes if sample.process.startswith(WORKER_PREFIX)]
    return Capacity(
        explanations_per_second=per_second / workers,
        is_found=found is not None,
        p99_seconds=low.p99 if low else None,
        # One sample a second: the sum of the shares is core-seconds.
        core_seconds_per_explanation=sum(sample.cpu_share for sample in own) / answered if own else None,
        resident_bytes=max((sample.resident_bytes for sample in own), default=None),
    )


def size(capacity: Capacity, demand: Demand) -> Sizing:
    """Lay out a deployment; how each figure is computed stands in Sizing.

    Raises:
        SizingError: the demand is not above zero, or no number of replicas would meet its target for p99.
    """
    _ensure_possible(capacity, demand)
    items_per_second = demand.events_per_second * demand.items_per_event
    # Rounded first: 1.3 times 100 must not need a replica for the last bit of a float.
    replicas = math.ceil(round(items_per_second * (1 + demand.headroom) / capacity.explanations_per_second, 9))
    waiting = _measure_waiting(capacity, demand)
    events_per_worker = capacity.explanations_per_second / demand.items_per_event
    used = capacity.core_seconds_per_explanation
    return Sizing(
        replicas=replicas,
        partitions=PARTITIONS_PER_REPLICA * replicas,
        keda_lag_threshold=max(1, math.floor(events_per_worker * waiting)),
        waiting_seconds=waiting,
        events_per_second_per_worker=events_per_worker,
        utilisation=items_per_second / (replicas * capacity.explanations_per_second),
        core_hours_per_million_reserved=replicas * demand.threads / items_per_second * _MILLION / _HOUR_SECONDS,
        core_hours_per_million_used=None if used is None else used * _MILLION / _HOUR_SECONDS,
        memory_bytes_per_worker=capacity.resident_bytes,
        is_lower_bound=not capacity.is_found,
    )


def render_sizing(sizing: Sizing, demand: Demand) -> str:
    """Render as lines for a terminal; for programs there is `sizing.model_dump_json()`."""
    peak = demand.events_per_second * demand.items_per_event
    rows = [
        ("replicas", f"{sizing.replicas}", f"at the peak they are busy to {render_share(sizing.utilisation)}"),
        ("partitions", f"{sizing.partitions}", f"{PARTITIONS_PER_REPLICA} for each replica"),
        (
            "KEDA lagThreshold",
            f"{sizing.keda_lag_threshold}",
            f"events that one worker explains in {render_seconds(sizing.waiting_seconds)}",
        ),
        ("one worker", f"{render_count(sizing.events_per_second_per_worker)} events/s", "as measured"),
        (
            "core-hours per million",
            render_count(sizing.core_hours_per_million_reserved),
            f"reserved; used in the run: {render_count(sizing.core_hours_per_million_used)}",
        ),
        ("memory of one worker", render_bytes(sizing.memory_bytes_per_worker), "at most, in the run"),
    ]
    head = (
        f"For {render_count(demand.events_per_second)} events/s of {render_count(demand.items_per_event)} items "
        f"({render_count(peak)} explanations/s) and {render_share(demand.headroom)} headroom:"
    )
    lines = [head, *(f"  {name:<23}{figure:>14}  {why}" for name, figure, why in rows)]
    if sizing.is_lower_bound:
        lines.append("The run did not search for its capacity: a worker may do more, and fewer replicas might do.")
    return "\n".join(lines)


def _ensure_usable(report: Report, workers: int) -> None:
    if report.invalid:
        raise SizingError(f"run {report.run_id} is invalid and sizes nothing: {report.invalid[0]}")
    if report.status == "interrupted" and report.capacity_events_per_second is None:
        raise SizingError(f"run {report.run_id} was interrupted before its capacity was known")
    if workers < 1:
        raise SizingError(f"run {report.run_id} started no workers itself: say how many there were")
    if report.counts.explained + report.counts.template == 0 or report.duration_seconds <= 0:
        raise SizingError(f"run {report.run_id} has no explanations to size by")


def _ensure_possible(capacity: Capacity, demand: Demand) -> None:
    if min(demand.events_per_second, demand.items_per_event, demand.threads) <= 0:
        raise SizingError("events per second, items per event and threads must be above 0")
    if not 0 <= demand.headroom < math.inf:
        raise SizingError("the headroom must not be negative")
    if capacity.explanations_per_second <= 0:
        raise SizingError("a worker that explains nothing cannot be multiplied")
    if _measure_waiting(capacity, demand) <= 0:
        raise SizingError(
            f"p99 was {render_seconds(capacity.p99_seconds)} at low load already: no number of replicas brings it to "
            f"{render_seconds(demand.p99_seconds)}"
        )


def _measure_waiting(capacity: Capacity, demand: Demand) -> float:
    if demand.p99_seconds is None:
        return DEFAULT_WAITING_SECONDS
    return demand.p99_seconds - (capacity.p99_seconds or 0.0)


def _count_items_per_event(report: Report) -> float:
    return report.counts.items / report.counts.events
