"""Two runs side by side: the same figures of both, and by how much the second differs."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from stream_app.replay.figures import (
    NOTHING,
    render_bytes,
    render_change,
    render_count,
    render_seconds,
    render_share,
)
from stream_app.replay.measurements import Report

NOTABLE_SHARE: Final = 0.05

Unit = Literal["count", "seconds", "share", "bytes"]
_RENDERERS: Final = {"count": render_count, "seconds": render_seconds, "share": render_share, "bytes": render_bytes}


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a run."""

    name: str
    value: float | None
    unit: Unit = "count"
    better: Literal["higher", "lower"] | None = None

    def render(self) -> str:
        """Render the value with its unit."""
        return _RENDERERS[self.unit](self.value)


@dataclass(frozen=True, slots=True)
class Difference:
    """One figure of two runs."""

    first: Figure
    second: Figure

    @property
    def relative(self) -> float | None:
        """How much larger the second is, as a share of the first; None where there is nothing to divide by."""
        if self.first.value is None or self.second.value is None:
            return None
        if self.first.value == 0:
            return 0.0 if self.second.value == 0 else None
        return self.second.value / self.first.value - 1

    @property
    def is_worse(self) -> bool:
        """Whether the second run is worse in this, by more than two runs of one system differ anyway."""
        if self.first.value is None or self.second.value is None or self.first.better is None:
            return False
        loss = self.second.value - self.first.value
        return (-loss if self.first.better == "higher" else loss) > NOTABLE_SHARE * abs(self.first.value)

    def render_change(self) -> str:
        """Render the relative difference; from zero, what it became."""
        if self.relative is None and self.first.value == 0 and self.second.value is not None:
            return f"from 0 to {self.second.render()}"
        return render_change(self.relative)


@dataclass(frozen=True, slots=True)
class Condition:
    """Something that was asked for in two ways: the runs differ in more than the system."""

    name: str
    first: str
    second: str


def compare(first: Report, second: Report) -> list[Difference]:
    """Pair the figures of two runs."""
    return [Difference(a, b) for a, b in zip(list_figures(first), list_figures(second), strict=True)]


def list_conditions(first: Report, second: Report) -> list[Condition]:
    """List where the setups of two runs differ."""
    pairs = zip(list_setup(first), list_setup(second), strict=True)
    found = [Condition(name, a, b) for (name, a), (_, b) in pairs if a != b]
    names = sorted({*first.setup.versions, *second.setup.versions})
    versions = [(name, *(r.setup.versions.get(name, NOTHING) for r in (first, second))) for name in names]
    return found + [Condition(f"version of {name}", a, b) for name, a, b in versions if a != b]


def list_setup(report: Report) -> list[tuple[str, str]]:
    """List what was asked for, without the versions."""
    setup = report.setup
    return [
        ("recording", setup.recording),
        ("profile", setup.profile),
        ("rate", "as recorded" if setup.rate is None else f"{render_count(setup.rate)} events/s"),
        ("speed", f"{setup.speed:g}x"),
        ("duration", "all of the recording" if setup.duration_seconds is None else f"{setup.duration_seconds:g} s"),
        ("lateness allowed (p99)", render_seconds(setup.max_lateness_seconds)),
        ("workers started", str(setup.workers) if setup.workers else "none: the system was there"),
        ("cores", str(setup.cores)),
        ("isolation level", setup.isolation_level),
        ("bootstrap servers", setup.bootstrap_servers),
        ("topics", f"{setup.input_topic} to {setup.output_topic}, {setup.dead_letter_topic}"),
    ]


def list_figures(report: Report) -> list[Figure]:
    """List the figures by which runs are compared, in the order in which they are shown."""
    counts, seconds = report.counts, report.duration_seconds
    answered = counts.explained + counts.template + counts.dead_letter
    return [
        Figure("capacity (events/s)", report.capacity_events_per_second, "count", "higher"),
        Figure("events sent per second", _divide(counts.events, seconds)),
        Figure("items answered per second", _divide(answered, seconds), "count", "higher"),
        *_list_latencies(report),
        Figure("largest backlog (events)", _find_peak_backlog(report), "count", "lower"),
        Figure("events sent", counts.events),
        Figure("items asked for", counts.items),
        Figure("explained by the model", counts.explained),
        Figure("explained by the template", counts.template),
        Figure("share of the template", _divide(counts.template, counts.items), "share", "lower"),
        Figure("dead letters", counts.dead_letter, "count", "lower"),
        Figure("missing", counts.missing, "count", "lower"),
        Figure("duplicates, identical", counts.duplicates_identical, "count", "lower"),
        Figure("duplicates, different", counts.duplicates_different, "count", "lower"),
        Figure("out of order", counts.out_of_order, "count", "lower"),
        Figure("unexpected", counts.unexpected, "count", "lower"),
        Figure("lateness of the generator p99", report.lateness.p99, "seconds", "lower"),
        Figure("cores used, on average", measure_cores(report), "count", "lower"),
        Figure("memory of all processes, at most", _find_peak_memory(report), "bytes", "lower"),
    ]


def measure_cores(report: Report) -> float | None:
    """Measure how many cores all processes used, averaged over the sampled seconds."""
    seconds = {sample.second for sample in report.processes}
    return sum(sample.cpu_share for sample in report.processes) / len(seconds) if seconds else None


def render_comparison(first: Report, second: Report) -> str:
    """Render both runs as a table of plain text, and where their setups differ."""
    rows = [("", "A", "B", "B against A")]
    rows += [("run", first.run_id, second.run_id, "")]
    rows += [(d.first.name, d.first.render(), d.second.render(), d.render_change()) for d in compare(first, second)]
    lines = _align(rows)
    conditions = list_conditions(first, second)
    if conditions:
        lines += ["", "These were not asked for alike:"]
        lines += [f"  {condition.name}: {condition.first} / {condition.second}" for condition in conditions]
    return "\n".join(lines)


def _list_latencies(report: Report) -> list[Figure]:
    latency = report.latency
    values = [latency.p50, latency.p90, latency.p99, latency.p999, latency.maximum]
    names = ["p50", "p90", "p99", "p99.9", "maximum"]
    return [Figure(f"latency {name}", value, "seconds", "lower") for name, value in zip(names, values, strict=True)]


def _find_peak_backlog(report: Report) -> int | None:
    return max((second.backlog_events for second in report.seconds), default=None)


def _find_peak_memory(report: Report) -> int | None:
    totals: defaultdict[int, int] = defaultdict(int)
    for sample in report.processes:
        totals[sample.second] += sample.resident_bytes
    return max(totals.values(), default=None)


def _divide(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _align(rows: Sequence[tuple[str, str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return [
        "  ".join((row[0].ljust(widths[0]), *(row[column].rjust(widths[column]) for column in (1, 2, 3)))).rstrip()
        for row in rows
    ]
