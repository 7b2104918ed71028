"""Reports of invented runs, small and made of figures that a test can recognise."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from stream_app.replay.histograms import Histogram
from stream_app.replay.measurements import (
    Counts,
    Incident,
    Objective,
    Percentiles,
    ProcessSample,
    Report,
    SearchStep,
    Second,
    Setup,
)

DURATION = 40


def build_second(number: int, **overrides: Any) -> Second:
    """A second in which 20 events were sent and answered, with 5 items each."""
    figures: dict[str, Any] = {
        "second": number,
        "intended_events": 20,
        "sent_events": 20,
        "outcomes": 100,
        "templates": 3,
        "dead_letters": 1,
        "backlog_events": 4,
        "p50": 0.2,
        "p99": 0.9,
    }
    return Second(**figures | overrides)


def build_percentiles(seconds: Sequence[float]) -> Percentiles:
    """The percentiles of times."""
    histogram = Histogram()
    for value in seconds:
        histogram.record(value)
    return histogram.to_percentiles()


def build_setup(**overrides: Any) -> Setup:
    """A run of the tool with one worker of its own."""
    figures: dict[str, Any] = {
        "recording": "evening.jsonl.zst",
        "bootstrap_servers": "localhost:9092",
        "input_topic": "events",
        "output_topic": "explanations",
        "dead_letter_topic": "events.dead",
        "isolation_level": "read_committed",
        "profile": "constant",
        "rate": 20.0,
        "speed": 1.0,
        "duration_seconds": float(DURATION),
        "max_lateness_seconds": 0.05,
        "workers": 1,
        "versions": {"prism": "0.3.0"},
        "cores": 2,
    }
    return Setup(**figures | overrides)


def build_counts(**overrides: int) -> Counts:
    """All of 800 events came back."""
    figures = {
        "events": 800,
        "items": 4000,
        "explained": 3837,
        "template": 120,
        "dead_letter": 43,
        "missing": 0,
        "duplicates_identical": 0,
        "duplicates_different": 0,
        "out_of_order": 0,
        "unexpected": 0,
    }
    return Counts(**figures | overrides)


def build_samples(process: str, cpu_share: float, resident_bytes: int = 300 * 2**20) -> list[ProcessSample]:
    """The samples of a process that does the same in each second."""
    return [
        ProcessSample(second=second, process=process, cpu_share=cpu_share, resident_bytes=resident_bytes)
        for second in range(DURATION)
    ]


def build_step(rate: float, *, is_sustained: bool = True, p99: float | None = 0.5) -> SearchStep:
    """A step of a search."""
    return SearchStep(
        rate=rate,
        outcomes_per_second=5 * rate,
        backlog_slope=0.0 if is_sustained else 3.25,
        p99=p99,
        max_lateness_p99=0.001,
        is_sustained=is_sustained,
        reason="held" if is_sustained else "the backlog grew",
    )


def build_report(**overrides: Any) -> Report:
    """A complete and valid run of which there is something in each chart and table."""
    figures: dict[str, Any] = {
        "run_id": "run-1",
        "started_at": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "duration_seconds": float(DURATION),
        "status": "complete",
        "setup": build_setup(),
        "counts": build_counts(),
        "lateness": build_percentiles([0.001] * 800),
        "latency": build_percentiles([0.2] * 3900 + [0.9] * 100),
        "seconds": [build_second(number) for number in range(DURATION)],
        "processes": build_samples("prism replay", 0.1) + build_samples("worker-0", 0.8),
        "batch_sizes": {"1": 3, "16": 40, "+Inf": 2},
        "worker_metrics": {"prism_explanations_total": 3957.0},
        "incidents": [Incident(second=12.5, what="worker-0 killed")],
        "objectives": [Objective(name="p99", limit=2.0, measured=0.9, is_met=True)],
        "search": [build_step(10), build_step(20), build_step(40, is_sustained=False, p99=7.0)],
        "capacity_events_per_second": 24.5,
    }
    return Report(**figures | overrides)
