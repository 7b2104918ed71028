import asyncio
from pathlib import Path

import pytest

from stream_app.replay.link import Arrival
from stream_app.replay.measurements import Report
from stream_app.replay.plan import RunPlan
from stream_app.replay.results import build_report
from stream_app.replay.sent_log import list_sent
from stream_app.replay.slo import Objectives, parse_objectives, restore_objectives
from stream_app.replay.verdict import judge
from stream_app.replay.verify import CLOCK_SECONDS, STALL_SECONDS, Verification, render_verification, verify
from tests.replay.linked import SETTINGS, Played, QueuedSystem, SimulatedArchive, build_run, play_plan
from tests.replay.simulated import Published, SimulatedSystem, run_simulated

LATE_SECONDS = 100.0


def delay(number: int, published: Published) -> list[Published]:
    """Publish one long after the run has ended."""
    if number != 11:
        return [published]
    return [Published(published.ready_at + LATE_SECONDS, False, published.partition, published.record)]


def drop(number: int, published: Published) -> list[Published]:
    return [] if number == 11 else [published]


def judge_again(plan: RunPlan, played: Played, objectives: Objectives) -> tuple[Report, Verification]:
    report = build_report(plan, SETTINGS, played.book)

    async def work() -> Verification:
        # What came after the run had ended.
        system = played.link.system
        played.link.arrivals += [system._deliver(published) for _, _, published in sorted(system._queue)]
        return await verify(report, list_sent(played.book), played.link, objectives)

    return report, asyncio.run(work())


def test_what_was_complete_is_complete_again(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    report, again = judge_again(plan, play_plan(plan), plan.objectives)
    assert again.report == report
    assert (again.missing, again.late_items) == ((), 0)


def test_an_outcome_that_came_late_counts_with_the_time_it_took(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    played = play_plan(plan, lambda loop: SimulatedSystem(loop, alter=delay))
    report, again = judge_again(plan, played, plan.objectives)
    assert (report.counts.missing, again.report.counts.missing, again.late_items) == (1, 0, 1)
    assert judge(report).name == "SLO MISSED"
    assert again.report.latency.count == report.latency.count + 1
    assert again.report.latency.maximum == pytest.approx(LATE_SECONDS, rel=0.01)
    assert again.report.latency.p50 == report.latency.p50


def test_what_never_came_is_listed(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    played = play_plan(plan, lambda loop: SimulatedSystem(loop, alter=drop))
    _, again = judge_again(plan, played, plan.objectives)
    assert [item.event_id for item in again.missing] == ["evening-11"]
    assert "evening-11" in render_verification(again)
    assert judge(again.report).name == "SLO MISSED"


def test_a_search_is_judged_again_step_by_step(tmp_path: Path) -> None:
    from tests.replay.test_search_run import plan_search

    plan = plan_search(tmp_path)
    report, again = judge_again(plan, play_plan(plan, QueuedSystem), plan.objectives)
    assert again.report.counts == report.counts


def test_topics_are_read_from_before_the_run_by_what_clocks_may_differ(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    played = play_plan(plan)
    judge_again(plan, played, plan.objectives)
    assert played.link.since_ms == int((played.book.started_at.timestamp() - CLOCK_SECONDS) * 1000)


def test_topics_that_have_no_end_make_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def read_nothing(archive: SimulatedArchive, seconds: float) -> list[Arrival]:
        await asyncio.sleep(seconds)
        return []

    plan = build_run(tmp_path)
    played = play_plan(plan)
    report = build_report(plan, SETTINGS, played.book)
    monkeypatch.setattr(SimulatedArchive, "read", read_nothing)

    async def work(loop: object) -> Verification:
        return await verify(report, list_sent(played.book), played.link, plan.objectives)

    again = run_simulated(work)
    assert STALL_SECONDS > 0
    assert "not read to their ends" in again.report.invalid[0]


def test_objectives_are_restored_from_how_they_went(tmp_path: Path) -> None:
    asked = parse_objectives(
        ["p99=2s", "p99.9=3s", "max=1m"],
        max_lost="0",
        max_template="5%",
        max_dead_letters="1",
        max_duplicates="2",
        max_out_of_order="1%",
    )
    plan = build_run(tmp_path, objectives=asked)
    report = build_report(plan, SETTINGS, play_plan(plan).book)
    restored = restore_objectives(report.objectives)
    assert [limit.name for limit in restored.latencies] == ["p99", "p99.9", "max"]
    assert [limit.percentile for limit in restored.latencies] == pytest.approx([99, 99.9, 100])
    assert (restored.lost, restored.template, restored.dead_letters) == (asked.lost, asked.template, asked.dead_letters)
    assert (restored.duplicates, restored.out_of_order) == (asked.duplicates, asked.out_of_order)
