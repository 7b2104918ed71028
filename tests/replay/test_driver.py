import asyncio
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, pairwise

import pytest

from stream_app.replay.driver import (
    INTERRUPTED_PATIENCE_SECONDS,
    LINGER_SECONDS,
    READ_SECONDS,
    Driven,
    drive,
    observe,
    replay,
)
from stream_app.replay.histograms import Histogram
from stream_app.replay.ledger import Ledger
from stream_app.replay.link import Arrival, OutgoingReplay
from stream_app.replay.recording import RecordedRecord, RecordingError
from stream_app.replay.stamp import HEADER_EVENT
from tests.replay.simulated import RUN, START, SimulatedLoop, SimulatedSystem, record_events, run_simulated, simulate


async def start(
    loop: SimulatedLoop,
    system: SimulatedSystem,
    ledger: Ledger,
    times: Iterator[float],
    records: Iterator[RecordedRecord] | None = None,
    patience_seconds: float = 30.0,
) -> Driven:
    return await replay(
        record_events() if records is None else records,
        times,
        system,
        system,
        ledger=ledger,
        lateness=Histogram(),
        clock=loop.time,
        patience_seconds=patience_seconds,
    )


async def interrupt(loop: SimulatedLoop, system: SimulatedSystem, ledger: Ledger, *moments: float) -> Driven:
    """Run 60 seconds of load, and press Ctrl-C at these moments."""
    task = asyncio.create_task(start(loop, system, ledger, (number / 10 for number in range(600))))
    for moment in moments:
        loop.call_at(START + moment, task.cancel)
    driven = await task
    assert task.cancelling() == 0  # Otherwise asyncio takes what went well for a cancellation.
    return driven


def test_every_record_leaves_at_its_intended_time_and_is_noted() -> None:
    run = simulate(rate=3, seconds=20)
    expected = [START + number / 3 for number in range(60)]
    assert [at for at, _ in run.system.sent] == pytest.approx(expected)
    assert [dict(record.headers)[HEADER_EVENT] for _, record in run.system.sent] == [
        f"{RUN}-{number}".encode() for number in range(60)
    ]
    assert (run.driven.events, run.driven.started_at) == (60, START)
    assert run.driven.last_sent_at == pytest.approx(expected[-1])
    assert run.ledger.count().explained == 60
    assert (run.lateness.count, run.lateness.find(100)) == (60, 0)


def test_it_sends_on_schedule_although_nothing_comes_back() -> None:
    run = simulate(lambda loop: SimulatedSystem(loop, find_latency=lambda number: 1e6), rate=50, patience_seconds=5)
    assert run.driven.events == 500
    assert run.driven.last_sent_at - START == pytest.approx(9.98)
    assert run.ledger.count().missing == 500


def test_the_shorter_of_records_and_times_ends_the_run() -> None:
    assert simulate(records=islice(record_events(), 5)).driven.events == 5
    assert simulate(rate=1, seconds=4).driven.events == 4


def test_a_run_of_nothing_ends() -> None:
    run = simulate(records=iter(()))
    assert run.driven == Driven(0, START, START, False)
    assert run.ended_at - START <= LINGER_SECONDS + 2 * READ_SECONDS


def test_it_ends_soon_after_everything_has_an_outcome() -> None:
    run = simulate(patience_seconds=1000)
    assert run.ended_at - run.driven.last_sent_at <= 0.05 + LINGER_SECONDS + 2 * READ_SECONDS


def test_what_is_missing_is_waited_for_as_long_as_the_patience_lasts() -> None:
    late = simulate(lambda loop: SimulatedSystem(loop, find_latency=lambda number: 19.0), patience_seconds=20)
    assert late.ledger.count().missing == 0
    lost = simulate(lambda loop: SimulatedSystem(loop, find_latency=lambda number: 21.0), patience_seconds=20)
    assert lost.ledger.count().missing > 0
    assert lost.ended_at - lost.driven.last_sent_at == pytest.approx(20, abs=2 * READ_SECONDS)


def test_poison_is_expected_to_end_as_one_dead_letter() -> None:
    poison = (replace(record, value=b"\xffpoison") for record in record_events())
    run = simulate(records=poison, rate=10, seconds=2)
    counts = run.ledger.count()
    assert (counts.items, counts.dead_letter, counts.missing, counts.unexpected) == (20, 20, 0, 0)


def test_only_the_best_ranks_are_expected_where_only_they_are_asked_for() -> None:
    records = (
        replace(record, value=(record.value or b"")[:-1] + b',"explain_top_k":2}') for record in record_events(items=5)
    )
    run = simulate(records=records, rate=10, seconds=2)
    counts = run.ledger.count()
    assert (counts.items, counts.explained, counts.unexpected) == (40, 40, 0)


def test_until_ends_the_sending_even_while_it_waits_for_a_far_time() -> None:
    async def work(loop: SimulatedLoop) -> tuple[Driven, float]:
        system = SimulatedSystem(loop)
        driven = await drive(
            record_events(),
            iter([0.0, 1.0, 3600.0]),
            system,
            clock=loop.time,
            sleep=asyncio.sleep,
            run_id=RUN,
            ledger=Ledger(RUN),
            lateness=Histogram(),
            until=lambda: loop.time() >= START + 10,
        )
        return driven, loop.time()

    driven, ended_at = run_simulated(work)
    assert (driven.events, driven.is_interrupted) == (2, False)
    assert ended_at == pytest.approx(START + 10, abs=0.3)


class TakingTime(SimulatedSystem):
    """A sender that needs a millisecond for each record."""

    def send(self, record: OutgoingReplay) -> None:
        super().send(record)
        self.loop.pass_time(0.001)


def test_a_sender_that_is_late_gives_the_event_loop_its_turn_within_ten_milliseconds() -> None:
    turns = []

    async def watch(loop: SimulatedLoop) -> None:
        while True:
            turns.append(loop.time())
            await asyncio.sleep(0)

    async def work(loop: SimulatedLoop) -> Driven:
        watcher = asyncio.create_task(watch(loop))
        try:
            return await drive(
                record_events(),
                iter([0.0] * 1000),
                TakingTime(loop),
                clock=loop.time,
                sleep=asyncio.sleep,
                run_id=RUN,
                ledger=Ledger(RUN),
                lateness=Histogram(),
                until=lambda: False,
            )
        finally:
            watcher.cancel()

    assert run_simulated(work).last_sent_at == pytest.approx(START + 0.999)
    assert max(after - before for before, after in pairwise(turns)) <= 0.01


class Hoard:
    """A reader that has many outcomes at once, and a clock that each of them moves by a millisecond."""

    def __init__(self, arrivals: int) -> None:
        self.now = 0.0
        self.arrivals = arrivals

    async def read(self, seconds: float) -> list[Arrival]:
        taken, self.arrivals = self.arrivals, 0
        return [Arrival(False, 0, 0, None, None, (), 0.0)] * taken

    def read_clock(self) -> float:
        self.now += 0.001
        return self.now


def test_reading_much_at_once_gives_the_event_loop_its_turn_within_ten_milliseconds() -> None:
    hoard, turns = Hoard(1000), []

    async def sleep(seconds: float) -> None:
        turns.append(hoard.now)

    async def work(loop: SimulatedLoop) -> None:
        await observe(hoard, Ledger(RUN), is_over=lambda: not hoard.arrivals, clock=hoard.read_clock, sleep=sleep)

    run_simulated(work)
    assert len(turns) > 100
    assert max(after - before for before, after in pairwise(turns)) <= 0.01


def test_an_interruption_ends_the_sending_keeps_what_was_measured_and_says_so() -> None:
    async def work(loop: SimulatedLoop) -> tuple[Driven, Ledger, float]:
        ledger = Ledger(RUN)
        driven = await interrupt(loop, SimulatedSystem(loop), ledger, 5.05)
        return driven, ledger, loop.time()

    driven, ledger, ended_at = run_simulated(work)
    assert (driven.events, driven.is_interrupted) == (51, True)
    assert ledger.count().explained == 51
    assert ended_at - START <= 5.05 + INTERRUPTED_PATIENCE_SECONDS + 2 * READ_SECONDS


def test_an_interruption_does_not_wait_out_the_patience() -> None:
    async def work(loop: SimulatedLoop) -> float:
        driven = await interrupt(loop, SimulatedSystem(loop, find_latency=lambda number: 1e6), Ledger(RUN), 20.0)
        assert driven.is_interrupted
        return loop.time()

    assert run_simulated(work) - START <= 20 + INTERRUPTED_PATIENCE_SECONDS + 2 * READ_SECONDS


def test_what_comes_within_a_moment_of_an_interruption_is_still_read() -> None:
    async def work(loop: SimulatedLoop) -> Ledger:
        ledger, system = Ledger(RUN), SimulatedSystem(loop, find_latency=lambda number: 10.5)
        task = asyncio.create_task(start(loop, system, ledger, iter([0.0, 3600.0])))
        loop.call_at(START + 10, task.cancel)
        await task
        return ledger

    assert run_simulated(work).is_settled


def test_a_second_interruption_ends_everything_at_once() -> None:
    async def work(loop: SimulatedLoop) -> float:
        system = SimulatedSystem(loop, find_latency=lambda number: 1e6)
        driven = await interrupt(loop, system, Ledger(RUN), 20.0, 20.1)
        assert driven.is_interrupted
        return loop.time()

    assert run_simulated(work) == pytest.approx(START + 20.1)


def test_an_interruption_while_it_waits_for_the_last_outcomes_counts_as_one() -> None:
    async def work(loop: SimulatedLoop) -> tuple[Driven, float]:
        system = SimulatedSystem(loop, find_latency=lambda number: 1e6)
        task = asyncio.create_task(start(loop, system, Ledger(RUN), iter([0.0, 1.0])))
        loop.call_at(START + 3, task.cancel)
        return await task, loop.time()

    driven, ended_at = run_simulated(work)
    assert (driven.events, driven.is_interrupted) == (2, True)
    assert ended_at == pytest.approx(START + 3)


class BrokenReader(SimulatedSystem):
    async def read(self, seconds: float) -> list[Arrival]:
        await asyncio.sleep(2.0)
        raise ConnectionError("the broker is gone")


def test_a_reader_that_fails_ends_the_sending() -> None:
    systems = []

    async def work(loop: SimulatedLoop) -> None:
        systems.append(BrokenReader(loop))
        await start(loop, systems[0], Ledger(RUN), (number / 10 for number in range(600)))

    with pytest.raises(ConnectionError):
        run_simulated(work)
    assert len(systems[0].sent) == pytest.approx(20, abs=3)


def test_a_recording_that_turns_out_damaged_ends_the_run_with_its_error() -> None:
    def read_damaged() -> Iterator[RecordedRecord]:
        yield from islice(record_events(), 3)
        raise RecordingError("line 4 is damaged")

    async def work(loop: SimulatedLoop) -> None:
        await start(loop, SimulatedSystem(loop), Ledger(RUN), (float(number) for number in range(9)), read_damaged())

    with pytest.raises(RecordingError, match="line 4"):
        run_simulated(work)


class Refusing(SimulatedSystem):
    async def flush(self, seconds: float) -> int:
        await asyncio.sleep(1.0)
        return 7


def test_what_the_broker_did_not_take_is_told() -> None:
    assert simulate(Refusing, rate=1, seconds=3).driven.unaccepted == 7
