"""Where a run takes place: the two ends of the system under test, its workers, and one leg of the run played on it."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from stream_app.replay.driver import LINGER_SECONDS, Clock, Sleep, replay
from stream_app.replay.fleet import Fleet
from stream_app.replay.ledger import Ledger
from stream_app.replay.link import Arrival, Reader, Sender
from stream_app.replay.logbook import Logbook, Stretch
from stream_app.replay.plan import Leg, RunPlan
from stream_app.replay.scrape import MetricsTally, Scrape, scrape_processes
from stream_app.replay.stamp import HEADER_RUN, Stamper

SETTLE_SECONDS: Final = 10.0
"""How long workers may take to count what has been read already: they count after they commit."""
SCRAPE_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a run needs."""

    plan: RunPlan
    book: Logbook
    sender: Sender
    reader: Reader
    fleet: Fleet | None = None
    stamper: Stamper = field(default_factory=Stamper)
    sleep: Sleep = asyncio.sleep
    linger_seconds: float = LINGER_SECONDS

    @property
    def clock(self) -> Clock:
        """The one clock of the run, by which arrivals are dated too."""
        return self.book.clock


async def play(stage: Stage, leg: Leg) -> Stretch:
    """Play one leg to its end: until everything has an outcome, or the patience is over.

    What is measured stands in the logbook, whether it ends well or not. Being cancelled ends it early, in order; the
    logbook tells.
    """
    book = stage.book
    stretch = Stretch(Ledger(leg.run_id))
    stretch.ledger.begin(stage.clock())
    reader = LateReader(stage.reader, {one.ledger.run_id.encode(): one.ledger for one in book.stretches})
    book.stretches.append(stretch)
    # What is there now stays: the collector would walk through it again and again, and make the generator late.
    gc.collect()
    gc.freeze()
    stretch.driven = await replay(
        stage.plan.open_records(leg.profile),
        stage.plan.plan_times(leg.profile),
        stage.sender,
        reader,
        ledger=stretch.ledger,
        lateness=stretch.lateness,
        stamper=stage.stamper,
        clock=stage.clock,
        sleep=stage.sleep,
        patience_seconds=leg.patience_seconds,
        linger_seconds=stage.linger_seconds,
    )
    book.is_interrupted = book.is_interrupted or stretch.driven.is_interrupted
    return stretch


class LateReader:
    """Gives what belongs to an earlier leg to that one's ledger: something that comes twice may come late."""

    def __init__(self, reader: Reader, earlier: dict[bytes, Ledger]) -> None:
        self._reader = reader
        self._earlier = earlier

    async def read(self, seconds: float) -> list[Arrival]:
        """Read outcomes that belong to no earlier leg."""
        arrivals = await self._reader.read(seconds)
        if not self._earlier:
            return arrivals
        return [arrival for arrival in arrivals if not self._give_away(arrival)]

    def _give_away(self, arrival: Arrival) -> bool:
        ledger = self._earlier.get(dict(arrival.headers).get(HEADER_RUN) or b"")
        if ledger is not None:
            ledger.note_arrival(arrival)
        return ledger is not None


@asynccontextmanager
async def accompany(*works: Coroutine[object, object, None]) -> AsyncIterator[None]:
    """Do other work beside a block, until that ends; what failed is raised then."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def count_metrics(stage: Stage) -> AsyncIterator[None]:
    """Follow what the workers count during a block; at its end, until they have counted all that they received."""
    if stage.fleet is None:
        yield
        return
    scrape = _build_scrape(stage.fleet)
    tally = MetricsTally(await asyncio.to_thread(scrape))
    try:
        # What a killed worker counted since the last scrape is lost with it.
        async with accompany(*([_scrape_often(tally, scrape, stage.sleep)] if stage.plan.faults else [])):
            yield
    finally:
        deadline = stage.clock() + SETTLE_SECONDS
        while True:
            tally.note(await asyncio.to_thread(scrape))
            stage.book.rises = tally.sum_up()
            if stage.book.rises.is_settled or stage.clock() >= deadline:
                break
            await stage.sleep(SCRAPE_SECONDS)


def _build_scrape(fleet: Fleet) -> Callable[[], list[Scrape]]:
    return lambda: scrape_processes(fleet.list_processes())


async def _scrape_often(
    tally: MetricsTally, scrape: Callable[[], list[Scrape]], sleep: Callable[[float], Awaitable[None]]
) -> None:
    while True:
        await sleep(SCRAPE_SECONDS)
        tally.note(await asyncio.to_thread(scrape))
