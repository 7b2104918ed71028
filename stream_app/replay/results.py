"""A run becomes a report."""

import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Final, Literal

from stream_app import __version__
from stream_app.replay.figures import render_count, render_seconds
from stream_app.replay.histograms import Histogram
from stream_app.replay.logbook import Logbook, Stretch
from stream_app.replay.measurements import Counts, Report, Second, Setup
from stream_app.replay.plan import RunPlan
from stream_app.replay.slo import check_objectives
from stream_app.runtime.artifact import DEFAULT_MODEL
from stream_app.settings import Settings, count_usable_cores

LIBRARIES: Final = ("aiokafka", "ctranslate2", "hdrhistogram")


def build_report(plan: RunPlan, settings: Settings, book: Logbook) -> Report:
    """Build the report of a run, complete or not."""
    judged = _choose_stretch(book)
    counts = add_counts(stretch.ledger.count() for stretch in book.stretches)
    latency = judged.ledger.latency.to_percentiles()
    lateness = Histogram()
    for stretch in book.stretches:
        lateness.merge(stretch.lateness)
    late_p99 = lateness.find(99)
    return Report(
        run_id=plan.run_id,
        started_at=book.started_at,
        duration_seconds=round(max(stretch.ended_at for stretch in book.stretches) - book.origin, 6),
        status="interrupted" if book.is_interrupted or book.failure else "complete",
        invalid=[*book.doubts, *_list_doubts(plan, book, late_p99)],
        setup=build_setup(plan, settings),
        counts=counts,
        lateness=lateness.to_percentiles(),
        latency=latency,
        seconds=join_seconds(book),
        processes=book.samples,
        batch_sizes=book.rises.to_batch_sizes() if book.rises else {},
        worker_metrics=book.rises.to_worker_metrics() if book.rises else {},
        incidents=sorted(book.incidents, key=lambda incident: incident.second),
        objectives=check_objectives(plan.objectives, counts, latency),
        search=list(book.search.steps) if book.search else [],
        capacity_events_per_second=book.search.capacity_events_per_second if book.search else None,
    )


def build_setup(plan: RunPlan, settings: Settings) -> Setup:
    """Build what was asked for, as the report has it."""
    isolation: Literal["read_committed", "read_uncommitted"] = (
        "read_committed" if settings.delivery == "exactly-once" else "read_uncommitted"
    )
    return Setup(
        recording=plan.recording.name,
        bootstrap_servers=settings.bootstrap_servers,
        input_topic=settings.input_topic,
        output_topic=settings.output_topic,
        dead_letter_topic=settings.dead_letter_topic,
        isolation_level=isolation,
        profile="search" if plan.search else plan.profile.kind,
        rate=plan.mean_rate,
        speed=plan.profile.speed,
        duration_seconds=plan.profile.duration_seconds,
        max_lateness_seconds=plan.max_lateness_seconds,
        workers=plan.workers,
        versions=_list_versions(plan, settings),
        cores=count_usable_cores(),
    )


def add_counts(several: Iterator[Counts]) -> Counts:
    """Add up the counts of all legs of a run."""
    listed = [counts.model_dump() for counts in several]
    return Counts(**{name: sum(counts[name] for counts in listed) for name in Counts.model_fields})


def join_seconds(book: Logbook) -> list[Second]:
    """Put the seconds of all legs one after the other, each at its place in the run."""
    joined: list[Second] = []
    for stretch in book.stretches:
        place = int(stretch.ledger.started_at - book.origin)
        offset = max(place, joined[-1].second + 1 if joined else 0)
        joined += [
            second.model_copy(update={"second": second.second + offset}) for second in stretch.ledger.list_seconds()
        ]
    return joined


def _choose_stretch(book: Logbook) -> Stretch:
    """Choose the leg whose latency the report is about; legs and steps of a search are in the same order."""
    steps = book.search.steps if book.search else ()
    sustained = [(step.rate, number) for number, step in enumerate(steps) if step.is_sustained]
    return book.stretches[max(sustained)[1]] if sustained else book.stretches[-1]


def _list_doubts(plan: RunPlan, book: Logbook, late_p99: float | None) -> Sequence[str]:
    doubts = []
    # A search ends with the first step whose generator was late, and says so itself.
    if book.search is None and late_p99 is not None and late_p99 > plan.max_lateness_seconds:
        doubts.append(
            f"the generator was late: p99 {render_seconds(late_p99)}, above {render_seconds(plan.max_lateness_seconds)}"
        )
    unaccepted = sum(stretch.driven.unaccepted for stretch in book.stretches if stretch.driven)
    if unaccepted:
        doubts.append(f"the broker did not accept {render_count(unaccepted)} records")
    if not any(stretch.ledger.events for stretch in book.stretches):
        doubts.append("nothing was sent")
    return doubts


def _list_versions(plan: RunPlan, settings: Settings) -> dict[str, str]:
    versions = {"prism": __version__, "python": platform.python_version(), "system": f"{os.uname().sysname}"}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    # Of workers that were there already, nobody knows.
    return versions | ({"model": settings.model or DEFAULT_MODEL} if plan.workers else {})
