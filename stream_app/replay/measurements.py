"""The result of a run, as `report.json` holds it: every field typed and explained. Nothing here computes anything."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Percentiles(_Document):
    """Of one distribution, in seconds; None where nothing was counted."""

    count: int
    """How many values."""
    p50: float | None
    """Half of the values are at most this."""
    p90: float | None
    """90 % are."""
    p99: float | None
    """99 % are."""
    p999: float | None
    """99.9 % are."""
    maximum: float | None
    """The largest."""
    encoded: str = ""
    """The whole histogram (HdrHistogram V2, compressed, base64; unit: microseconds): mergeable between processes."""


class Setup(_Document):
    """What was asked for."""

    recording: str
    """File name, without its folder."""
    bootstrap_servers: str
    """Brokers that the tool started from."""
    input_topic: str
    """Where events were sent."""
    output_topic: str
    """Where explanations were read."""
    dead_letter_topic: str
    """Where dead letters were read."""
    isolation_level: Literal["read_committed", "read_uncommitted"]
    """read_committed where the workers run exactly-once."""
    profile: str
    """How the rate changes over time: constant, step, ramp, spike or recorded."""
    rate: float | None
    """Events per second; None: the recording's own timing."""
    speed: float
    """Factor on the recording's own timing."""
    duration_seconds: float | None
    """How long sending was to last; None: as long as the recording."""
    max_lateness_seconds: float
    """Bound for the p99 of the generator's lateness; above it the run is invalid."""
    workers: int
    """Workers that the tool started itself; 0: the system was there."""
    versions: dict[str, str]
    """Versions of what measured and was measured, by name."""
    cores: int
    """Usable cores of the machine that measured."""


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
    """Further outcomes of an item, of other bytes."""
    out_of_order: int
    """Items whose first outcome came before that of an earlier record of the same source partition, within one output
    partition."""
    unexpected: int
    """Outcomes for an item that nobody asked for."""


class Second(_Document):
    """One second of the run, counted from its start."""

    second: int
    """Number of the second, from 0."""
    intended_events: int
    """Events that were due."""
    sent_events: int
    """Events that were sent."""
    outcomes: int
    """Items that got their first outcome."""
    templates: int
    """Of the outcomes, those of the template."""
    dead_letters: int
    """Of the outcomes, those that are dead letters."""
    backlog_events: int
    """Sent, and not all items have an outcome, at the end of the second."""
    p50: float | None
    """Median latency of the outcomes of this second, in seconds."""
    p99: float | None
    """99 % of them were at most so late, in seconds."""


class ProcessSample(_Document):
    """One second of one process that the tool started, or of the tool itself."""

    second: int
    """Number of the second, from 0."""
    process: str
    """`worker-0` and so on; `prism replay` is the tool itself."""
    cpu_share: float
    """Of one core: 1.0 is one core, fully used."""
    resident_bytes: int
    """Memory that it holds."""


class Incident(_Document):
    """A fault that was caused, or a process that ended."""

    second: float
    """Since the start of the run."""
    what: str
    """In words."""


class Objective(_Document):
    """One SLO flag, and how it went."""

    name: str
    """The flag, such as `p99` or `max-lost`."""
    limit: float
    """What it allows: seconds, items, or a share of them."""
    measured: float | None
    """What was measured, in the same unit; None: nothing."""
    is_met: bool
    """Whether the limit was kept."""


class SearchStep(_Document):
    """One rate that the search for the capacity tried."""

    rate: float
    """Events per second."""
    outcomes_per_second: float
    """Items."""
    backlog_slope: float
    """Events per second, over the measured window: what the backlog grew by."""
    p99: float | None
    """Latency, in seconds."""
    max_lateness_p99: float
    """Of the generator, in seconds."""
    is_sustained: bool
    """Whether the backlog did not grow, p99 held, and the generator was in time."""
    reason: str
    """Why not; empty where it was."""


class Report(_Document):
    """`report.json`."""

    format: Literal[1] = 1
    """Version of this document."""
    run_id: str
    """Begins every event id of the run."""
    started_at: datetime
    """Wall clock, UTC."""
    duration_seconds: float
    """From the first intended event to the last outcome that was waited for."""
    status: Literal["complete", "interrupted"]
    """interrupted: what was measured until then."""
    invalid: list[str] = Field(default_factory=list)
    """Why this is no result: a generator that was late, for example. Empty: valid."""
    setup: Setup
    """Recording, brokers, topics, profile: all that decides what was sent."""
    counts: Counts
    """Of the whole run; of a search, all its steps together."""
    lateness: Percentiles
    """Of the generator: from the intended time to the call that sent."""
    latency: Percentiles
    """From the intended time of an event to when the first outcome of an item was readable. Of a search: at the highest
    rate that was sustained, or else at the last one that was tried."""
    seconds: list[Second]
    """The run, second by second."""
    processes: list[ProcessSample] = Field(default_factory=list)
    """CPU and memory of each process, second by second."""
    batch_sizes: dict[str, int] = Field(default_factory=dict)
    """Batches of the workers by upper bound of their records, from the workers' metrics."""
    worker_metrics: dict[str, float] = Field(default_factory=dict)
    """Sums over the workers of what their counters rose by during the run."""
    incidents: list[Incident] = Field(default_factory=list)
    """Faults, ends and restarts, by time."""
    objectives: list[Objective] = Field(default_factory=list)
    """The SLO flags and how they went."""
    search: list[SearchStep] = Field(default_factory=list)
    """The steps of `--find-capacity`, in order."""
    capacity_events_per_second: float | None = None
    """The highest rate that was sustained, in events per second; None: none was searched for, or found."""
