"""`prism replay run`: the system is looked at, workers are started, the run takes place, everything is ended in order.

```text
 run_plan ─> inspect ─> workers ready ─> reader and sender open ─> play, or search ─> metrics ─> all closed ─> Logbook
                                          beside it: samples, faults, progress, the embedded broker's limit
```
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.local.worker_process import WORKER_COMMAND
from stream_app.replay.faults import ensure_within
from stream_app.replay.figures import render_count
from stream_app.replay.fleet import Fleet, supervise
from stream_app.replay.link import Link, OutgoingReplay, Sender
from stream_app.replay.logbook import Logbook
from stream_app.replay.plan import RunPlan, ensure_local, find_duration, survey_recording
from stream_app.replay.progress import Screen, show_progress
from stream_app.replay.sampler import Sampler, sample_each_second
from stream_app.replay.search_run import CapacitySearch
from stream_app.replay.stage import Stage, accompany, count_metrics, play
from stream_app.replay.stamp import Stamper

LOG_FOLDER: Final = "workers"
EMBEDDED_BYTES: Final = 4_000_000
"""The embedded broker keeps about 5 MB of a partition and drops older records in silence."""
GUARD_SECONDS: Final = 0.5

BuildFleet = Callable[[RunPlan], Fleet]


def build_fleet(plan: RunPlan) -> Fleet:
    """Build the workers of a run: with this process's environment, and the threads that were asked for."""
    environment = dict(os.environ)
    # Two members of one id would throw each other out.
    environment.pop("PRISM_INSTANCE_ID", None)
    if plan.threads:
        environment["PRISM_INFERENCE_THREADS"] = str(plan.threads)
    folder = plan.folder / LOG_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    return Fleet(WORKER_COMMAND, environment, folder, plan.workers)


async def run_plan(
    plan: RunPlan,
    link: Link,
    screen: Screen,
    *,
    is_remote_allowed: bool = False,
    build_fleet: BuildFleet = build_fleet,
    book: Logbook | None = None,
) -> Logbook:
    """Do what was planned.

    Being cancelled (Ctrl-C) once there is something to keep ends the run early, in order.

    Returns:
        All that was measured; with the error that ended the run early, if there was one.

    Raises:
        PrismError: the run could not begin.
        asyncio.CancelledError: it was cancelled before it began.
    """
    book = book or Logbook()
    try:
        async with _set_up(plan, link, book, screen, is_remote_allowed, build_fleet) as stage:
            await perform(stage, screen)
    except PrismError as error:
        if not book.stretches:
            raise
        book.failure = error
        book.doubt(f"the run failed: {error}")
    except asyncio.CancelledError:
        if not book.stretches:
            raise
        if (task := asyncio.current_task()) is not None:
            task.uncancel()
        book.is_interrupted = True
    return book


@asynccontextmanager
async def _set_up(
    plan: RunPlan, link: Link, book: Logbook, screen: Screen, is_remote_allowed: bool, build_fleet: BuildFleet
) -> AsyncIterator[Stage]:
    survey = survey_recording(plan)
    if plan.faults:
        ensure_within(plan.faults, find_duration(plan))
    stamper = Stamper()
    stamper.learn(plan.open_part())
    target = await link.inspect()
    ensure_local(",".join(target.brokers), is_remote_allowed=is_remote_allowed)
    async with AsyncExitStack() as stack:
        fleet = await stack.enter_async_context(_employ(plan, book, screen, build_fleet)) if plan.workers else None
        reader = await stack.enter_async_context(link.open_outcomes())
        # A recording of more partitions than there are was made elsewhere: the keys keep the order of each user.
        keeps_partitions = survey.partitions <= target.partitions
        sender = await stack.enter_async_context(link.open_sender(target, keeps_partitions=keeps_partitions))
        guard = EmbeddedGuard(sender, book) if target.is_embedded else None
        stage = Stage(plan, book, guard or sender, reader, fleet, stamper)
        async with accompany(*([guard.watch()] if guard else [])):
            yield stage


@asynccontextmanager
async def _employ(plan: RunPlan, book: Logbook, screen: Screen, build_fleet: BuildFleet) -> AsyncIterator[Fleet]:
    fleet = build_fleet(plan)
    try:
        screen.note(f"starting {plan.workers} worker{'s' if plan.workers > 1 else ''}; logs in {fleet.folder}")
        await asyncio.to_thread(fleet.start)
        yield fleet
    finally:
        await asyncio.to_thread(fleet.stop)
        book.incidents = list(fleet.incidents)


async def perform(stage: Stage, screen: Screen) -> None:
    """Play the run, or search for the capacity, with all that goes on beside it."""
    plan, book = stage.plan, stage.book
    sampler = Sampler(stage.fleet.list_processes if stage.fleet else lambda: (), clock=stage.clock)
    book.samples = sampler.samples
    async with count_metrics(stage):
        book.begin()
        async with accompany(*_list_companions(stage, sampler, screen)):
            if plan.search is None:
                await play(stage, plan.leg)
            else:
                await CapacitySearch(stage, plan.search, screen.note).run()


def _list_companions(stage: Stage, sampler: Sampler, screen: Screen) -> list[Coroutine[object, object, None]]:
    now, sleep = stage.book.now, stage.sleep
    companions = [
        sample_each_second(sampler, now=now, sleep=sleep),
        show_progress(stage.book, screen, sleep),
    ]
    if stage.fleet is not None:
        companions.append(supervise(stage.fleet, stage.plan.faults, now=now, sleep=sleep))
    return companions


class EmbeddedGuard:
    """Sends on, and notes when the embedded broker may have dropped what nobody had read yet.

    It cannot tell which partition a record is in: all that is open counts as if it were in one.
    """

    def __init__(self, sender: Sender, book: Logbook) -> None:
        self._sender = sender
        self._book = book
        self._events = 0
        self._bytes = 0

    def send(self, record: OutgoingReplay) -> None:
        """Count a record and send it."""
        self._events += 1
        self._bytes += len(record.key or b"") + len(record.value or b"")
        self._sender.send(record)

    async def flush(self, seconds: float) -> int:
        """Wait as the sender does."""
        return await self._sender.flush(seconds)

    def check(self) -> None:
        """Note a backlog that is too large."""
        if not self._events or not self._book.stretches:
            return
        open_bytes = self._book.stretches[-1].ledger.open_events * self._bytes / self._events
        if open_bytes > EMBEDDED_BYTES:
            self._book.doubt(
                "the backlog was too large for the embedded broker, which drops records in silence once one partition "
                f"has more than {render_count(EMBEDDED_BYTES)} bytes of them: use Apache Kafka"
            )

    async def watch(self) -> None:
        """Check again and again, until cancelled."""
        while True:
            await asyncio.sleep(GUARD_SECONDS)
            self.check()
