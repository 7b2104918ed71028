"""The run itself: send every record at its time whatever the system does, and read beside it what comes out.

```text
 replay ─┬─> drive    record ─> stamp ─> wait for its time ─> send ─> ledger
         └─> observe  read ─> ledger, until everything has an outcome or the patience is over
```
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from stream_app.replay.histograms import Histogram
from stream_app.replay.ledger import Ledger
from stream_app.replay.link import Reader, Sender
from stream_app.replay.recording import RecordedRecord
from stream_app.replay.stamp import Stamper

TURN_SECONDS: Final = 0.005
"""After so long without a break the sender, and the reader, let the event loop have its turn: together within 10 ms."""
GLANCE_SECONDS: Final = 0.25
"""How often a sender that waits for a far time looks whether it should end."""
READ_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 60.0
LINGER_SECONDS: Final = 2.0
"""How long reading goes on after everything has an outcome: what comes twice comes after it came once."""
INTERRUPTED_PATIENCE_SECONDS: Final = 1.0

Clock = Callable[[], float]
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Driven:
    """How the sending went."""

    events: int
    started_at: float
    last_sent_at: float
    """As `started_at` if nothing was sent."""
    is_interrupted: bool
    """Whether it was cancelled before its end."""
    unaccepted: int = 0
    """Records that the broker had not taken when the run ended."""


def _never() -> bool:
    return False


async def replay(
    records: Iterator[RecordedRecord],
    times: Iterator[float],
    sender: Sender,
    reader: Reader,
    *,
    ledger: Ledger,
    lateness: Histogram,
    stamper: Stamper | None = None,
    clock: Clock = time.monotonic,
    sleep: Sleep = asyncio.sleep,
    until: Callable[[], bool] = _never,
    patience_seconds: float = PATIENCE_SECONDS,
    linger_seconds: float = LINGER_SECONDS,
) -> Driven:
    """Send records and read their outcomes, until all have one or the patience after the last record is over.

    Cancelling (Ctrl-C) ends the sending and, a moment later, the reading. No exception leaves: the ledger keeps
    what was measured, and the result says that it was interrupted. Cancelling again ends the reading at once.

    Args:
        records: what to send.
        times: when, in seconds from the start; the shorter of the two ends the run.
        sender: where records leave.
        reader: where outcomes come in.
        ledger: fresh; it names the run.
        lateness: takes the lateness of each record; see `drive`.
        stamper: one that knows the recording; a new one by default.
        clock: monotonic seconds; the one that the reader dates arrivals by.
        sleep: as `asyncio.sleep`, by that clock.
        until: asked again and again; True ends the sending early.
        patience_seconds: how long after the last record outcomes are waited for.
        linger_seconds: how long reading goes on after everything has an outcome.

    Raises:
        Exception: what the records, the sender or the reader raised; a reader that fails ends the sending.
    """
    ending = _Ending(ledger, clock, patience_seconds, linger_seconds)
    observer = asyncio.create_task(observe(reader, ledger, is_over=ending.is_over, clock=clock, sleep=sleep))
    try:
        driven = await drive(
            records,
            times,
            sender,
            clock=clock,
            sleep=sleep,
            run_id=ledger.run_id,
            ledger=ledger,
            lateness=lateness,
            until=lambda: observer.done() or until(),
            stamper=stamper,
        )
        return await _finish(driven, sender, observer, ending)
    finally:
        observer.cancel()


async def drive(
    records: Iterator[RecordedRecord],
    times: Iterator[float],
    sender: Sender,
    *,
    clock: Clock,
    sleep: Sleep,
    run_id: str,
    ledger: Ledger,
    lateness: Histogram,
    until: Callable[[], bool],
    stamper: Stamper | None = None,
) -> Driven:
    """Send each record at its intended time, and all that are due at once when it is late: an open loop.

    Lateness is the time of the call that sends minus the intended time. The first record is stamped before the start,
    each other one before its time, so that stamping makes late only what leaves no time for it.
    """
    stamper = stamper or Stamper()
    started_at = last_sent_at = turn_at = clock()
    ledger.begin(started_at)
    first_number = ledger.events
    is_interrupted = False
    try:
        for record, seconds in zip(records, times, strict=False):
            stamped = stamper.stamp(record, run_id, ledger.events)
            intended_at = started_at + seconds
            turn_at = await _wait_for(intended_at, turn_at, clock, sleep, until)
            if until():
                break
            last_sent_at = clock()
            sender.send(stamped.outgoing)
            lateness.record(last_sent_at - intended_at)
            ledger.note_sent(stamped.event_id, stamped.item_ids, intended_at, last_sent_at)
    except asyncio.CancelledError:
        _take_back_cancellation()
        is_interrupted = True
    return Driven(ledger.events - first_number, started_at, last_sent_at, is_interrupted)


async def observe(reader: Reader, ledger: Ledger, *, is_over: Callable[[], bool], clock: Clock, sleep: Sleep) -> None:
    """Read outcomes into the ledger until it is over, which is asked after each reading."""
    while not is_over():
        arrivals = await reader.read(READ_SECONDS)
        turn_at = clock()
        for arrival in arrivals:
            ledger.note_arrival(arrival)
            if clock() - turn_at >= TURN_SECONDS:
                await sleep(0)
                turn_at = clock()
        # A reader that always has something at hand must not keep the sender from its turn.
        await sleep(0)


async def _wait_for(at: float, turn_at: float, clock: Clock, sleep: Sleep, until: Callable[[], bool]) -> float:
    """Wait for a moment, or at least give the event loop its turn when it is time; returns when it last had it."""
    while (seconds := at - clock()) > 0 and not until():
        await sleep(min(seconds, GLANCE_SECONDS))
        turn_at = clock()
    if clock() - turn_at >= TURN_SECONDS:
        await sleep(0)
        turn_at = clock()
    return turn_at


async def _finish(driven: Driven, sender: Sender, observer: "asyncio.Task[None]", ending: "_Ending") -> Driven:
    ending.begin(driven)
    try:
        if not observer.done():
            driven = replace(driven, unaccepted=await sender.flush(ending.patience_seconds))
        await observer
    except asyncio.CancelledError:
        _take_back_cancellation()
        return replace(driven, is_interrupted=True)
    return driven


class _Ending:
    """Decides when there is nothing more to wait for."""

    def __init__(self, ledger: Ledger, clock: Clock, patience_seconds: float, linger_seconds: float) -> None:
        self._ledger = ledger
        self._clock = clock
        self._linger_seconds = linger_seconds
        self._settled_at: float | None = None
        self._waits_from: float | None = None
        self.patience_seconds = patience_seconds

    def begin(self, driven: Driven) -> None:
        """Begin to wait: everything is sent that will be."""
        self._waits_from = driven.last_sent_at
        if driven.is_interrupted:
            # Someone pressed Ctrl-C, and is waiting too.
            self._waits_from = self._clock()
            self.patience_seconds = min(self.patience_seconds, INTERRUPTED_PATIENCE_SECONDS)

    def is_over(self) -> bool:
        if self._waits_from is None:
            return False
        now = self._clock()
        if self._settled_at is None and self._ledger.is_settled:
            self._settled_at = now
        is_quiet = self._settled_at is not None and now - self._settled_at >= self._linger_seconds
        return is_quiet or now - self._waits_from >= self.patience_seconds


def _take_back_cancellation() -> None:
    # Otherwise whoever waits for this task takes it for cancelled, although it ends in order.
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
