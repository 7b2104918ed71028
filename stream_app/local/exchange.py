"""The demo's traffic on its way: sends events at a steady pace, reads what comes back, looks after the worker."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, Protocol

import orjson

from stream_app.core.events import Explanation, RankingEvent, encode_contract
from stream_app.kafka.counterparts import EventSender, OutputTail, ReadRecord
from stream_app.local.ledger import Arrival, Ledger
from stream_app.local.screen import Screen
from stream_app.local.worker_process import WorkerFailedError

EVENTS_PER_SECOND: Final = 4.0
"""40 explanations/s: what a small model writes on two cores that it shares with broker, sender and reader."""

MAX_EVENTS_IN_FLIGHT: Final = 256
"""With about 3 kB an event and 8 kB for its explanations, far less than what the embedded broker keeps."""

STALL_SECONDS: Final = 120.0
"""Longer than a worker needs to start again on a busy machine and to get its partitions back."""
READ_SECONDS: Final = 0.2
MAX_RESTARTS: Final = 3
RUN_HEADER: Final = "prism-demo-run"
"""Tells this run's records from those of another on the same broker; the worker carries input headers over."""


class Restartable(Protocol):
    """What the exchange needs of a worker process."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        ...

    @property
    def restarts(self) -> int:
        """How often it was started again."""
        ...

    def restart(self) -> None:
        """Start it again."""
        ...

    def read_log_tail(self) -> str:
        """Read its last words."""
        ...


class Exchange:
    """Sends the events of a list once, until each has its outcome or nothing moves any more."""

    def __init__(
        self,
        events: Sequence[RankingEvent],
        run_id: str,
        worker: Restartable,
        screen: Screen,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare, without sending."""
        self.ledger = Ledger(events)
        self._events = events
        self._run_id = run_id.encode()
        self._worker = worker
        self._screen = screen
        self._clock = clock
        self._waiting: dict[str, list[Arrival]] = {}

    async def run(self, sender: EventSender, tail: OutputTail, output_topic: str) -> None:
        """Run to the end.

        Raises:
            WorkerFailedError: the worker died again after several restarts.
        """
        sending = asyncio.create_task(self._send_all(sender))
        try:
            await self._read_all(tail, output_topic, sending)
        finally:
            sending.cancel()
            with suppress(asyncio.CancelledError):
                await sending

    async def _send_all(self, sender: EventSender) -> None:
        start = self._clock()
        for index, event in enumerate(self._events):
            due_at = start + index / EVENTS_PER_SECOND
            await asyncio.sleep(max(0.0, due_at - self._clock()))
            while self.ledger.events_in_flight >= MAX_EVENTS_IN_FLIGHT:
                await asyncio.sleep(READ_SECONDS)
            self.ledger.note_sent(event.event_id, due_at)
            headers = ((RUN_HEADER, self._run_id),)
            await sender.send(event.user.user_id.encode(), encode_contract(event), headers)

    async def _read_all(self, tail: OutputTail, output_topic: str, sending: "asyncio.Task[None]") -> None:
        progress, moved_at = (0, 0), self._clock()
        while not self.ledger.is_settled:
            for record in await tail.read(READ_SECONDS):
                self._take(record, output_topic)
            if sending.done():
                sending.result()
            self._look_after_worker()
            if (now := (self.ledger.settled, self._worker.restarts)) != progress:
                progress, moved_at = now, self._clock()
            elif self._clock() - moved_at > STALL_SECONDS:
                self._screen.note(f"nothing has come back for {STALL_SECONDS:.0f} s; giving up")
                return

    def _take(self, record: ReadRecord, output_topic: str) -> None:
        headers = dict(record.headers)
        if headers.get(RUN_HEADER) != self._run_id or record.value is None:
            return
        if record.topic != output_topic:
            # A dead letter keeps the record as it was sent, and this run sent nothing but JSON.
            self.ledger.note_dead_letter(orjson.loads(record.value)["event_id"])
            return
        explanation = Explanation.model_validate_json(record.value)
        texts = {name: (value or b"").decode(errors="replace") for name, value in record.headers}
        arrival = self.ledger.note_explanation(explanation, texts, self._clock())
        if arrival is not None:
            self._show(arrival)

    def _show(self, arrival: Arrival) -> None:
        event = arrival.event
        arrivals = self._waiting.setdefault(event.event_id, [])
        arrivals.append(arrival)
        self._screen.show_arrival(arrival)
        if self.ledger.is_event_settled(event.event_id):
            ordered = sorted(arrivals, key=lambda known: known.explanation.rank)
            self._screen.show_event(event, ordered)
            del self._waiting[event.event_id]

    def _look_after_worker(self) -> None:
        code = self._worker.exit_code
        if code is None:
            return
        if self._worker.restarts >= MAX_RESTARTS:
            raise WorkerFailedError(
                f"the worker ended with {describe_exit(code)} again:\n{self._worker.read_log_tail()}"
            )
        self._screen.note(f"the worker ended with {describe_exit(code)}; starting it again")
        self._worker.restart()


def describe_exit(code: int) -> str:
    """Describe an exit code of subprocess in words."""
    return f"signal {-code}" if code < 0 else f"exit code {code}"
