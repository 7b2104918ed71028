"""What a run is to do: which records, when, against what, and what must hold. Nothing here connects to anything."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from stream_app.core.errors import PrismError
from stream_app.exit_codes import LoadTestCode
from stream_app.replay.driver import PATIENCE_SECONDS
from stream_app.replay.faults import Fault
from stream_app.replay.recording import RecordedRecord, open_recording
from stream_app.replay.schedule import Profile, plan_times, read_seconds, repeat_records
from stream_app.replay.search import MAX_LATENESS_SECONDS
from stream_app.replay.slo import Objectives
from stream_app.replay.stamp import UNREADABLE, Stamper, ensure_run_id

SHOWN_EVENTS: Final = 3


class PlanError(PrismError):
    """What was asked for does not go together, or is not allowed."""

    exit_code = LoadTestCode.USAGE


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a recording, in seconds since its first record; the end is not included."""

    begin_seconds: float = 0.0
    end_seconds: float = math.inf

    def select(self, records: Iterator[RecordedRecord]) -> Iterator[RecordedRecord]:
        """Select the records of the part; not in the order of time, as partitions are not."""
        first_ms: int | None = None
        for record in records:
            first_ms = record.timestamp_ms if first_ms is None else first_ms
            if self.begin_seconds <= (record.timestamp_ms - first_ms) / 1000 < self.end_seconds:
                yield record


AS_RECORDED: Final = Profile("recorded")
EVERYTHING: Final = Part()
NO_OBJECTIVES: Final = Objectives(())


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How to search for the capacity; rates in events per second."""

    start_rate: float = 10.0
    max_rate: float = 10_000.0
    step_seconds: float = 30.0
    warm_up_seconds: float = 10.0
    tolerance: float = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.start_rate <= self.max_rate < math.inf:
            raise PlanError("the rates must be above 0, and the first one not above the highest")
        if self.step_seconds < 2 or self.warm_up_seconds < 0 or not 0 < self.tolerance < 1:
            raise PlanError("a step takes at least 2 s, a warm-up at least none, and the tolerance is below 1")
        # What is judged is counted by whole seconds.
        if self.step_seconds != round(self.step_seconds) or self.warm_up_seconds != round(self.warm_up_seconds):
            raise PlanError("step and warm-up must be whole seconds")


@dataclass(frozen=True, slots=True)
class Leg:
    """A part of a run that has a schedule and an id of its own: the whole run, or one step of a search."""

    run_id: str
    profile: Profile
    patience_seconds: float


@dataclass(frozen=True, slots=True)
class RunPlan:
    """All that was asked for.

    Raises:
        PlanError: the parts do not go together.
        RunIdError: the run id cannot be part of event ids.
    """

    recording: Path
    run_id: str
    folder: Path
    profile: Profile = AS_RECORDED
    """With a search it says nothing: the search sets the rates."""
    part: Part = EVERYTHING
    objectives: Objectives = NO_OBJECTIVES
    max_lateness_seconds: float = MAX_LATENESS_SECONDS
    patience_seconds: float = PATIENCE_SECONDS
    workers: int = 0
    threads: int | None = None
    faults: tuple[Fault, ...] = ()
    search: SearchPlan | None = None

    def __post_init__(self) -> None:
        ensure_run_id(self.run_id)
        if not self.workers and (self.faults or self.threads):
            raise PlanError("faults and threads are for workers that the run starts itself: give --workers too")
        if self.search and self.faults:
            raise PlanError("a search finds the capacity of a system without faults: leave one of the two out")

    @property
    def leg(self) -> Leg:
        """The whole run, as one leg."""
        return Leg(self.run_id, self.profile, self.patience_seconds)

    @property
    def mean_rate(self) -> float | None:
        """The rate that was asked for; None: as recorded."""
        return None if self.search else self.profile.rate

    def open_part(self) -> Iterator[RecordedRecord]:
        """Open the part of the recording that is to be sent, once."""
        return self.part.select(open_recording(self.recording))

    def open_records(self, profile: Profile) -> Iterator[RecordedRecord]:
        """Open what is to be sent: as often as the profile needs it, where that has its own times and a duration."""
        if profile.kind == "recorded" or profile.duration_seconds is None:
            return self.open_part()
        return repeat_records(self.open_part)

    def plan_times(self, profile: Profile) -> Iterator[float]:
        """Plan when each record is to leave."""
        recorded = read_seconds(self.open_part()) if profile.kind == "recorded" else iter(())
        return plan_times(profile, recorded)


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a recording, or the part of it that is to be sent."""

    records: int
    partitions: int
    """One more than the highest."""


def survey_recording(plan: RunPlan) -> Survey:
    """Read the part of a recording once.

    Raises:
        RecordingError: it cannot be read.
        PlanError: there is nothing in it.
    """
    records, highest = 0, 0
    for record in plan.open_part():
        records += 1
        highest = max(highest, record.partition)
    if not records:
        raise PlanError(f"{plan.recording.name} has no records in the part that was asked for")
    return Survey(records, highest + 1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a run would send."""

    events: int
    items: int
    unreadable: int
    """Records that are no ranking events."""
    seconds: float
    """From the first to the last."""
    first_event_ids: tuple[str, ...]


def forecast(plan: RunPlan, profile: Profile) -> Forecast:
    """Go through everything that a profile would send, without sending it."""
    events, items, unreadable, last = 0, 0, 0, 0.0
    shown: list[str] = []
    stamper = Stamper()
    for number, (record, seconds) in enumerate(zip(plan.open_records(profile), plan.plan_times(profile), strict=False)):
        stamped = stamper.stamp(record, plan.run_id, number)
        events, last = number + 1, seconds
        items += len(stamped.item_ids)
        unreadable += stamped.item_ids == UNREADABLE
        shown += [stamped.event_id] if number < SHOWN_EVENTS else []
    return Forecast(events, items, unreadable, last, tuple(shown))


def find_duration(plan: RunPlan) -> float:
    """Find how long the sending will take."""
    if plan.profile.duration_seconds is not None and plan.profile.kind != "recorded":
        return plan.profile.duration_seconds
    times = plan.plan_times(plan.profile)
    return max((seconds for _, seconds in zip(plan.open_part(), times, strict=False)), default=0.0)


def build_run_id(now: datetime) -> str:
    """Build the id of a run that was given none: when it began."""
    return now.strftime("run-%Y%m%dT%H%M%SZ")


def ensure_local(bootstrap_servers: str, *, is_remote_allowed: bool) -> None:
    """Keep a load test away from brokers that are not on this machine, unless that is what is wanted.

    Raises:
        PlanError: one of them is elsewhere.
    """
    remote = [server for server in bootstrap_servers.split(",") if not _is_loopback(server)]
    if remote and not is_remote_allowed:
        raise PlanError(f"{remote[0]} is not this machine: a load test on other brokers needs --allow-remote")


def _is_loopback(server: str) -> bool:
    host = urlsplit(f"//{server.strip()}").hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"  # No other name: what it leads to, only a resolver knows, and it may change.
