import asyncio
from pathlib import Path

import pytest

from stream_app.replay.plan import RunPlan, SearchPlan
from stream_app.replay.results import build_report
from stream_app.replay.search_run import find_p99_limit, render_step, take_window
from stream_app.replay.slo import parse_objectives
from stream_app.replay.verdict import judge
from tests.replay.linked import SETTINGS, Played, QueuedSystem, build_run, play_plan
from tests.replay.reporting import build_second, build_step
from tests.replay.simulated import START, Published, SimulatedLoop

SEARCH = SearchPlan(start_rate=4, max_rate=1_000, step_seconds=30, warm_up_seconds=5, tolerance=0.05)


def plan_search(folder: Path, search: SearchPlan = SEARCH, slo: tuple[str, ...] = ()) -> RunPlan:
    return build_run(folder, search=search, objectives=parse_objectives(slo, max_lost="0"))


def test_a_search_finds_what_the_system_can_do_and_accounts_for_every_step(tmp_path: Path) -> None:
    plan = plan_search(tmp_path)
    played = play_plan(plan, QueuedSystem)
    report = build_report(plan, SETTINGS, played.book)
    assert report.capacity_events_per_second == pytest.approx(20, rel=0.06)
    assert judge(report).name == "PASS"
    assert report.counts.events == len(played.link.system.sent)
    assert report.counts.explained == report.counts.items
    assert [stretch.ledger.run_id for stretch in played.book.stretches] == [
        f"evening-s{number}" for number in range(1, len(report.search) + 1)
    ]
    assert played.screen.notes == [render_step(step) for step in report.search]
    assert [second.second for second in report.seconds] == sorted({second.second for second in report.seconds})


def test_the_latency_of_a_search_is_that_of_the_highest_rate_that_was_sustained(tmp_path: Path) -> None:
    plan = plan_search(tmp_path)
    report = build_report(plan, SETTINGS, play_plan(plan, QueuedSystem).book)
    assert any(step.p99 is not None and step.p99 > 3 for step in report.search)
    assert report.latency.p99 is not None
    assert report.latency.p99 < 1


def test_a_limit_on_p99_lowers_the_capacity(tmp_path: Path) -> None:
    def build(loop: SimulatedLoop) -> QueuedSystem:
        return QueuedSystem(loop, items_per_second=20.0)

    plan = plan_search(tmp_path, slo=("p99=100ms",))
    report = build_report(plan, SETTINGS, play_plan(plan, build).book)
    assert find_p99_limit(plan.objectives) == 0.1
    assert all(step.p99 is not None and step.p99 <= 0.1 for step in report.search if step.is_sustained)


def test_a_search_that_ctrl_c_ends_keeps_its_steps_as_a_lower_bound(tmp_path: Path) -> None:
    def prepare(played: Played) -> None:
        task = asyncio.current_task()
        assert task is not None
        played.loop.call_at(START + 90, task.cancel)

    plan = plan_search(tmp_path)
    report = build_report(plan, SETTINGS, play_plan(plan, QueuedSystem, prepare).book)
    assert report.capacity_events_per_second == 8
    assert len(report.search) == 2
    assert judge(report).name == "INTERRUPTED"


def test_a_step_that_never_drains_ends_the_search(tmp_path: Path) -> None:
    plan = plan_search(tmp_path, SearchPlan(start_rate=400, step_seconds=30, warm_up_seconds=5))
    report = build_report(plan, SETTINGS, play_plan(plan, QueuedSystem).book)
    assert "--start-rate" in report.invalid[0]
    assert judge(report).name == "INVALID"
    assert report.capacity_events_per_second is None


def test_what_comes_twice_after_its_step_is_counted_for_that_step(tmp_path: Path) -> None:
    def repeat_late(number: int, published: Published) -> list[Published]:
        # Long after the first step has ended.
        return (
            [published, Published(published.ready_at + 60, False, 0, published.record)] if number == 3 else [published]
        )

    plan = plan_search(tmp_path)
    report = build_report(plan, SETTINGS, play_plan(plan, lambda loop: QueuedSystem(loop, alter=repeat_late)).book)
    assert report.counts.duplicates_identical == 1


def test_seconds_in_which_nothing_happened_any_more_belong_to_the_window() -> None:
    seconds = [build_second(number, backlog_events=7) for number in range(4)]
    window = take_window(seconds, 2, 5)
    assert [second.second for second in window] == [2, 3, 4, 5]
    assert [second.sent_events for second in window] == [20, 20, 0, 0]
    assert window[-1].backlog_events == 7
    assert take_window([], 0, 3) == []


def test_a_line_tells_why_a_step_failed() -> None:
    assert "holds" in render_step(build_step(10))
    assert render_step(build_step(10, is_sustained=False)).endswith("; the backlog grew")
