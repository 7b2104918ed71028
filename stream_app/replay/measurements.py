"""The result of a run, as `report.json` holds it: every field typed and explained. Nothing here computes anything."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Percentiles(_Document):
    """Of one distribution, in seconds; None where nothing was counted."""

    count: int
    p50: float | None
    p90: float | None
    p99: float | None
    p999: float | None
    maximum: float | None
    encoded: str = ""
    """The whole histogram (HdrHistogram V2, compressed, base64; unit: microseconds): mergeable between processes."""


class Setup(_Document):
    """What was asked for."""

    recording: str
    """File name, without its folder."""
    bootstrap_servers: str
    input_topic: str
    output_topic: str
    dead_letter_topic: str
    isolation_level: Literal["read_committed", "read_uncommitted"]
    profile: str
    rate: float | None
    """Events per second; None: the recording's own timing."""
    speed: float
    duration_seconds: float | None
    max_lateness_seconds: float
    workers: int
    """Workers that the tool started itself; 0: the system was there."""
    versions: dict[str, str]
    cores: int


class Counts(_Document):
    """The verdict, in numbers. Items are (event, item) pairs."""

    events: int
    """Sent in this run."""
    items: int
    """Asked for by them."""
    explained: int
    """Items with a text of the model."""
    template: int
    """Items with a text of the template."""
    dead_letter: int
    """Items that a dead letter answers for."""
    missing: int
    """Items without any outcome."""
    duplicates_identical: int
    """Further outcomes of an item, of the same bytes."""
    duplicates_different: int
    out_of_order: int
    """Items whose first outcome came before that of an earlier record of the same source partition, within one output
    partition."""
    unexpected: int
    """Outcomes for an item that nobody asked for."""


class Second(_Document):
    """One second of the run, counted from its start."""

    second: int
    intended_events: int
    sent_events: int
    outcomes: int
    """Items that got their first outcome."""
    templates: int
    dead_letters: int
    backlog_events: int
    """Sent, and not all items have an outcome, at the end of the second."""
    p50: float | None
    p99: float | None
    """Latency in seconds of the outcomes of this second."""


class ProcessSample(_Document):
    """One second of one process that the tool started, or of the tool itself."""

    second: int
    process: str
    cpu_share: float
    """Of one core: 1.0 is one core, fully used."""
    resident_bytes: int


class Incident(_Document):
    """A fault that was caused, or a process that ended."""

    second: float
    what: str


class Objective(_Document):
    """One SLO flag, and how it went."""

    name: str
    limit: float
    measured: float | None
    is_met: bool


class SearchStep(_Document):
    """One rate that the search for the capacity tried."""

    rate: float
    """Events per second."""
    outcomes_per_second: float
    """Items."""
    backlog_slope: float
    """Events per second, over the measured window: what the backlog grew by."""
    p99: float | None
    max_lateness_p99: float
    is_sustained: bool
    reason: str


class Report(_Document):
    """`report.json`."""

    format: Literal[1] = 1
    run_id: str
    started_at: datetime
    duration_seconds: float
    status: Literal["complete", "interrupted"]
    invalid: list[str] = Field(default_factory=list)
    """Why this is no result: a generator that was late, for example. Empty: valid."""
    setup: Setup
    counts: Counts
    """Of the whole run; of a search, all its steps together."""
    lateness: Percentiles
    """Of the generator: from the intended time to the call that sent."""
    latency: Percentiles
    """From the intended time of an event to when the first outcome of an item was readable. Of a search: at the highest
    rate that was sustained, or else at the last one that was tried."""
    seconds: list[Second]
    processes: list[ProcessSample] = Field(default_factory=list)
    batch_sizes: dict[str, int] = Field(default_factory=dict)
    """Batches of the workers by upper bound of their records, from the workers' metrics."""
    worker_metrics: dict[str, float] = Field(default_factory=dict)
    """Sums over the workers of what their counters rose by during the run."""
    incidents: list[Incident] = Field(default_factory=list)
    objectives: list[Objective] = Field(default_factory=list)
    search: list[SearchStep] = Field(default_factory=list)
    capacity_events_per_second: float | None = None
