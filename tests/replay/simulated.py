"""A system under test that exists in simulated time only: what the worker publishes, with latencies known exactly.

Time passes while everybody sleeps, and not otherwise: a minute of load takes as long as its computing does.
"""

import asyncio
import heapq
import selectors
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Final, TypeVar
from zlib import crc32

from stream_app.core.errors import RecordError
from stream_app.core.events import DeadLetter, Explanation, ModelIdentity, RankingEvent, decode_event
from stream_app.kafka.dead_letters import build_dead_letter_record
from stream_app.kafka.records import IncomingRecord, OutgoingRecord, Timing, build_explanation_record
from stream_app.replay.driver import Driven, replay
from stream_app.replay.histograms import Histogram
from stream_app.replay.ledger import Ledger
from stream_app.replay.link import Arrival, OutgoingReplay
from stream_app.replay.recording import RecordedRecord
from stream_app.replay.schedule import Profile, plan_times
from tests.factories import build_item, build_record

RUN: Final = "run-1"
START: Final = 1000.0
"""What the simulated clock shows at first."""
MODEL: Final = ModelIdentity(name="simulated", version="1")
TIMING: Final = Timing(datetime(2026, 1, 1, tzinfo=UTC), 0.01)
OUTPUT_PARTITIONS: Final = 3

Result = TypeVar("Result")


class _SkippingSelector(selectors.SelectSelector):
    """Where others wait, it moves the clock."""

    now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise AssertionError("everybody waits for what will never happen")
        self.now += 0.0 if ready else max(timeout or 0.0, 0.0)
        return ready


class SimulatedLoop(asyncio.SelectorEventLoop):
    """An event loop by whose clock only sleeping takes time, and `pass_time`."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass while nobody else can run, as a call that blocks does."""
        self._skipping.now += seconds


def run_simulated(work: Callable[[SimulatedLoop], Awaitable[Result]]) -> Result:
    """Run something in simulated time."""
    loop = SimulatedLoop()

    async def main() -> Result:
        return await work(loop)

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())


@dataclass(frozen=True, slots=True)
class Published:
    """A record that the simulated worker publishes, and when it can be read."""

    ready_at: float
    is_dead_letter: bool
    partition: int
    record: OutgoingRecord


Alter = Callable[[int, Published], list[Published]]


def leave_as_is(number: int, published: Published) -> list[Published]:
    """Publish what a good worker would."""
    return [published]


@dataclass
class SimulatedSystem:
    """Sender, worker and reader in one. Numbers count over the whole run, from 0."""

    loop: SimulatedLoop
    find_latency: Callable[[int], float] = lambda number: 0.05
    """By the number of the record that it publishes."""
    find_source: Callable[[int], str] = lambda number: "model"
    """`model`, `template`, or `none` where it fails; by the number of the item."""
    alter: Alter = leave_as_is
    """What is wrong with this worker; given the number of a record that it publishes, and the record."""
    stall: tuple[float, float] = (0.0, 0.0)
    """From when to when, on the simulated clock, it answers nothing."""
    sent: list[tuple[float, OutgoingReplay]] = field(default_factory=list)
    latencies: list[float] = field(default_factory=list)
    """Of each record that it publishes: from the sending of its event to when it can be read, if nothing is wrong."""
    sources: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._queue: list[tuple[float, int, Published]] = []
        self._order = count()
        self._offsets: Counter[tuple[bool, int]] = Counter()
        self._input_offsets: Counter[int] = Counter()

    def send(self, record: OutgoingReplay) -> None:
        self.sent.append((self.loop.time(), record))
        partition = record.partition or 0
        offset = self._input_offsets[partition]
        self._input_offsets[partition] += 1
        incoming = IncomingRecord("events", partition, offset, record.key, record.value, record.headers)
        for number, published in self._answer(incoming):
            for altered in self.alter(number, published):
                heapq.heappush(self._queue, (altered.ready_at, next(self._order), altered))

    async def flush(self, seconds: float) -> int:
        return 0

    async def read(self, seconds: float) -> list[Arrival]:
        await asyncio.sleep(seconds)
        arrivals = []
        while self._queue and self._queue[0][0] <= self.loop.time():
            arrivals.append(self._deliver(heapq.heappop(self._queue)[2]))
        return arrivals

    def _answer(self, incoming: IncomingRecord) -> Iterator[tuple[int, Published]]:
        try:
            event = decode_event(incoming.value)
        except RecordError as error:
            letter = DeadLetter(stage=error.stage, error=type(error).__name__, message=str(error))
            yield self._publish_letter(incoming, letter, ())
            return
        failed = []
        for index in event.items_to_explain:
            source = self.find_source(self.sources.total())
            self.sources[source] += 1
            if source == "none":
                failed.append(event.items[index].item_id)
            else:
                yield self._publish_text(incoming, event, index, source)
        if failed:
            letter = DeadLetter(stage="publish", error="TooLarge", message="too large")
            is_partial = len(failed) < len(event.items_to_explain)
            yield self._publish_letter(incoming, letter, tuple(failed) if is_partial else ())

    def _publish_text(
        self, incoming: IncomingRecord, event: RankingEvent, index: int, source: str
    ) -> tuple[int, Published]:
        explanation = build_explanation(event, index, source)
        record = build_explanation_record(incoming, explanation, "explanations", TIMING)
        partition = crc32(record.key or b"") % OUTPUT_PARTITIONS
        return len(self.latencies), Published(self._plan_ready(), False, partition, record)

    def _publish_letter(
        self, incoming: IncomingRecord, letter: DeadLetter, failed: tuple[str, ...]
    ) -> tuple[int, Published]:
        record = build_dead_letter_record(incoming, letter, "dead-letters", MODEL, failed_item_ids=failed)
        return len(self.latencies), Published(self._plan_ready(), True, 0, record)

    def _plan_ready(self) -> float:
        now = self.loop.time()
        works_from = self.stall[1] if self.stall[0] <= now < self.stall[1] else now
        ready_at = works_from + self.find_latency(len(self.latencies))
        self.latencies.append(ready_at - now)
        return ready_at

    def _deliver(self, published: Published) -> Arrival:
        lane = (published.is_dead_letter, published.partition)
        self._offsets[lane] += 1
        record = published.record
        return Arrival(*lane, self._offsets[lane], record.key, record.value, record.headers, published.ready_at)


def build_explanation(event: RankingEvent, index: int, source: str = "model") -> Explanation:
    """Build what a worker says about one item of an event."""
    item = event.items[index]
    return Explanation.model_validate(
        {
            "explanation_id": f"{event.event_id}/{item.item_id}",
            "event_id": event.event_id,
            "user_id": event.user.user_id,
            "item_id": item.item_id,
            "rank": item.rank,
            "text": f"You may like {item.title}.",
            "source": source,
            "evidence": [],
            "model": MODEL,
            "prompt_fingerprint": "0",
        }
    )


def record_events(items: int = 1, distinct: int = 20, partitions: int = 2) -> Iterator[RecordedRecord]:
    """Record valid events without end, over and over the same ones."""
    values = [
        build_record(
            event_id=f"recorded-{number}",
            user={"user_id": f"user-{number}"},
            items=[build_item(item_id=f"item-{number}-{index}", rank=index + 1) for index in range(items)],
        )
        for number in range(distinct)
    ]
    for number in count():
        place = number % distinct
        yield RecordedRecord(place % partitions, place // partitions, 0, f"user-{place}".encode(), values[place], ())


@dataclass(frozen=True, slots=True)
class Run:
    """A simulated run that is over."""

    driven: Driven
    ledger: Ledger
    lateness: Histogram
    system: SimulatedSystem
    ended_at: float


def simulate(
    build_system: Callable[[SimulatedLoop], SimulatedSystem] = SimulatedSystem,
    *,
    rate: float = 100.0,
    seconds: float = 10.0,
    items: int = 1,
    records: Iterator[RecordedRecord] | None = None,
    until: Callable[[], bool] = lambda: False,
    patience_seconds: float = 30.0,
) -> Run:
    """Run a constant load against a simulated system."""
    profile = Profile("constant", rate, seconds)

    async def work(loop: SimulatedLoop) -> Run:
        system, ledger, lateness = build_system(loop), Ledger(RUN), Histogram()
        driven = await replay(
            record_events(items) if records is None else records,
            plan_times(profile, iter(())),
            system,
            system,
            ledger=ledger,
            lateness=lateness,
            clock=loop.time,
            until=until,
            patience_seconds=patience_seconds,
        )
        return Run(driven, ledger, lateness, system, loop.time())

    return run_simulated(work)
