"""A link to a simulated system, and runs of it as `prism replay run` does them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from stream_app.replay.link import Arrival, Target
from stream_app.replay.logbook import Logbook
from stream_app.replay.plan import RunPlan
from stream_app.replay.progress import Progress
from stream_app.replay.recording import RecordingWriter
from stream_app.replay.runner import run_plan
from stream_app.replay.schedule import Profile
from stream_app.replay.slo import parse_objectives
from stream_app.settings import Settings
from tests.replay.simulated import SimulatedLoop, SimulatedSystem, record_events, run_simulated

LOCAL = Target(partitions=4, max_record_bytes=1_000_000, brokers=("localhost:9092",))
SETTINGS = Settings(bootstrap_servers="localhost:9092")


@dataclass
class QueuedSystem(SimulatedSystem):
    """Explains one item after the other, as fast as it can."""

    items_per_second: float = 20.0
    free_at: float = 0.0

    def _plan_ready(self) -> float:
        self.free_at = max(self.loop.time(), self.free_at) + 1 / self.items_per_second
        self.latencies.append(self.free_at - self.loop.time())
        return self.free_at


@dataclass
class ListScreen:
    """Keeps what it is told."""

    period_seconds: float = 5.0
    shown: list[Progress] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def show(self, progress: Progress) -> None:
        self.shown.append(progress)

    def note(self, line: str) -> None:
        self.notes.append(line)


class SimulatedArchive:
    """All that a system has published, dated by the wall."""

    def __init__(self, arrivals: list[Arrival]) -> None:
        self._arrivals = arrivals

    @property
    def is_exhausted(self) -> bool:
        return not self._arrivals

    async def read(self, seconds: float) -> list[Arrival]:
        arrivals, self._arrivals = self._arrivals[:7], self._arrivals[7:]
        return arrivals


@dataclass
class SimulatedLink:
    """Keeps all that was read, for the archive."""

    system: SimulatedSystem
    book: Logbook
    target: Target = LOCAL
    kept_partitions: bool | None = None
    arrivals: list[Arrival] = field(default_factory=list)
    since_ms: int | None = None

    async def inspect(self) -> Target:
        await asyncio.sleep(0)  # As anything that asks a broker.
        return self.target

    @asynccontextmanager
    async def open_sender(self, target: Target, *, keeps_partitions: bool) -> AsyncIterator[SimulatedSystem]:
        self.kept_partitions = keeps_partitions
        yield self.system

    @asynccontextmanager
    async def open_outcomes(self) -> AsyncIterator["SimulatedLink"]:
        yield self

    async def read(self, seconds: float) -> list[Arrival]:
        arrivals = await self.system.read(seconds)
        self.arrivals += arrivals
        return arrivals

    @asynccontextmanager
    async def open_archive(self, since_ms: int) -> AsyncIterator[SimulatedArchive]:
        self.since_ms = since_ms
        wall = self.book.find_wall_time
        yield SimulatedArchive([replace(one, read_at=wall(one.read_at).timestamp()) for one in self.arrivals])


def write_recording(folder: Path, events: int = 20, items: int = 1) -> Path:
    """Record some events, all of the same time, in two partitions."""
    path = folder / "evening.jsonl.zst"
    with RecordingWriter(path) as writer:
        for number, record in enumerate(islice(record_events(items), events)):
            writer.write(replace(record, timestamp_ms=1_000 * number))
    return path


def build_run(folder: Path, **overrides: Any) -> RunPlan:
    """Plan a constant load of 10 events/s for 20 s."""
    chosen: dict[str, Any] = {
        "recording": write_recording(folder),
        "run_id": "evening",
        "folder": folder / "result",
        "profile": Profile("constant", 10.0, 20.0),
        "objectives": parse_objectives(["p99=1s"], max_lost="0"),
    }
    return RunPlan(**chosen | overrides)


@dataclass
class Played:
    """A run that is over."""

    book: Logbook
    link: SimulatedLink
    screen: ListScreen
    loop: SimulatedLoop


def play_plan(
    plan: RunPlan,
    build_system: Callable[[SimulatedLoop], SimulatedSystem] = SimulatedSystem,
    prepare: Callable[[Played], object] = lambda played: None,
) -> Played:
    """Do what was planned, in simulated time."""

    async def work(loop: SimulatedLoop) -> Played:
        book = Logbook(clock=loop.time)
        played = Played(book, SimulatedLink(build_system(loop), book), ListScreen(), loop)
        prepare(played)
        await run_plan(plan, played.link, played.screen, book=book)
        return played

    return run_simulated(work)
