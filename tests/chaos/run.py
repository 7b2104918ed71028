"""Runs one row of the matrix with one guarantee, and judges it."""

import dataclasses
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from confluent_kafka import KafkaException

from tests.chaos.check import Findings
from tests.chaos.cluster import ClusterError
from tests.chaos.rows import Row
from tests.chaos.stage import Delivery, Lane, Setting, Stage, open_stage
from tests.chaos.supervisor import NotInTimeError

EVENTS: Final = 5_000
DEFAULT_BATCH_RECORDS: Final = 32


@dataclass(frozen=True)
class Result:
    """What came of all runs of a row; counts are of (event, item) pairs, over all runs."""

    fault: str
    delivery: Delivery
    runs: int
    events: int
    """Per run, of the shortest one."""
    lost: int
    duplicates: int
    duplicates_differ: int
    out_of_order: int
    kills: int
    """How often a worker was killed, told to end or frozen, or a broker ended."""
    worker_exits: int
    """How often a worker ended by itself."""
    recovery_seconds: float
    """The longest gap from broker and worker ready to the next new output."""
    duplicates_allowed: int
    """A batch for each kill and exit, none with `exactly-once`."""
    problems: list[str]
    """What was not as expected; empty where the row passes."""


def run_row(row: Row, delivery: Delivery, folder: Path, events: int = EVENTS, runs: int | None = None) -> Result:
    """Run a row with at least so many events in each run; logs are left in the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    setting = Setting(
        name=row.name,
        delivery=delivery,
        runs=runs or row.runs,
        plan=row.plan,
        events=events,
        brokers=row.brokers,
        is_proxied=row.is_proxied,
        properties=row.properties,
        environment={"CHAOS_DELAY_SECONDS": str(row.delay_seconds), **row.environment},
        command=row.command,
    )
    with open_stage(setting, folder) as stage:
        _play(row, stage)
        stage.each(Lane.stop)
        findings = [lane.check() for lane in stage.lanes]
        codes = {code for lane in stage.lanes for code in lane.supervisor.exits}
        return _judge(row, events, _add_up(row, delivery, stage, findings), codes)


def _play(row: Row, stage: Stage) -> None:
    """Load, workers, fault; then until everything is settled. What does not happen in time is a problem of each run."""
    if row.topics is not None:
        for lane in stage.lanes:
            lane.make_topics(row.topics)
            lane.loader.start()
    if row.starts_worker:
        for lane in stage.lanes:
            lane.supervisor.add()
    try:
        row.act(stage)
    except (NotInTimeError, ClusterError, KafkaException) as error:
        stage.lanes[0].problems.append(str(error))
        stage.each(lambda lane: lane.loader.finish())
        return
    stage.each(lambda lane: _finish(lane, row.settle_seconds))


def _finish(lane: Lane, settle_seconds: float) -> None:
    lane.loader.finish()
    lane.wait_until_settled(settle_seconds)


def _judge(row: Row, events: int, result: Result, codes: set[int]) -> Result:
    """Add what is not as expected to what the runs have noted themselves."""
    checks = {
        f"lost: {result.lost}": result.lost,
        f"duplicates_differ: {result.duplicates_differ}": result.duplicates_differ,
        f"out_of_order: {result.out_of_order}": result.out_of_order,
        f"{result.duplicates} duplicates, {result.duplicates_allowed} are allowed": (
            result.duplicates > result.duplicates_allowed
        ),
        f"{result.events} events, fewer than {events}": result.events < events,
        f"workers ended with {sorted(codes)}, expected only {sorted(row.exits)}": codes - row.exits,
        "no worker ended by itself": row.must_exit and not result.worker_exits,
    }
    return dataclasses.replace(result, problems=[*result.problems, *(what for what, is_so in checks.items() if is_so)])


def _add_up(row: Row, delivery: Delivery, stage: Stage, findings: list[Findings]) -> Result:
    lanes = stage.lanes
    for lane, one in zip(lanes, findings, strict=True):
        lane.expect(row.may_cut_letters or not one.cut_letters, f"{one.cut_letters} dead letters were cut")
    kills = stage.broker_kills + sum(lane.supervisor.kills for lane in lanes)
    exits = sum(lane.supervisor.exits.total() for lane in lanes)
    batch_records = int(row.environment.get("PRISM_BATCH_RECORDS", DEFAULT_BATCH_RECORDS))
    repeated = (kills + exits) * batch_records * row.plan.max_items
    return Result(
        fault=row.fault,
        delivery=delivery,
        runs=len(lanes),
        events=min(one.events for one in findings),
        lost=sum(one.lost for one in findings),
        duplicates=sum(one.duplicates for one in findings),
        duplicates_differ=sum(one.duplicates_differ for one in findings),
        out_of_order=sum(one.out_of_order for one in findings),
        kills=kills,
        worker_exits=exits,
        recovery_seconds=round(max(map(stage.measure_recovery, lanes, findings)), 2),
        duplicates_allowed=0 if delivery == "exactly-once" else repeated,
        problems=[f"run {number}: {problem}" for number, lane in enumerate(lanes, 1) for problem in lane.problems],
    )


def describe(result: Result) -> str:
    """Describe a result in one line."""
    numbers = {name: value for name, value in asdict(result).items() if name not in ("fault", "delivery", "problems")}
    return " ".join(f"{name}={value}" for name, value in numbers.items())
