import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from stream_app.core.errors import PrismError
from stream_app.replay.faults import FaultError, Kill
from stream_app.replay.fleet import Fleet
from stream_app.replay.link import Arrival, Target
from stream_app.replay.logbook import Logbook
from stream_app.replay.plan import PlanError, RunPlan
from stream_app.replay.results import build_report
from stream_app.replay.runner import build_fleet, run_plan
from stream_app.replay.schedule import Profile
from stream_app.replay.verdict import judge
from tests.replay.linked import SETTINGS, ListScreen, Played, SimulatedLink, build_run, play_plan
from tests.replay.simulated import START, Published, SimulatedLoop, SimulatedSystem

STAND_IN = """
import http.server, os

class Answers(http.server.BaseHTTPRequestHandler):
    scrapes = 0
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        Answers.scrapes += self.path == "/metrics"
        count = 5 * Answers.scrapes
        for name in ("records_received", "records_settled"):
            self.wfile.write(f"# TYPE prism_{name}_total counter\\nprism_{name}_total {count}\\n".encode())
    def log_message(self, *_):
        pass

http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ["PRISM_HTTP_PORT"])), Answers).serve_forever()
"""
"""Counts five records each time it is asked."""


def set_target(played: Played, **changes: object) -> None:
    played.link.target = replace(played.link.target, **changes)  # type: ignore[arg-type]


def fail_at(played: Played, moment: float) -> None:
    """Make the reader fail."""
    read = played.link.read

    async def read_or_fail(seconds: float) -> list[Arrival]:
        if played.loop.time() >= START + moment:
            raise PrismError("the broker has gone")
        return await read(seconds)

    played.link.read = read_or_fail  # type: ignore[method-assign]


def press_ctrl_c(played: Played, *moments: float) -> None:
    task = asyncio.current_task()
    assert task is not None
    for moment in moments:
        played.loop.call_at(START + moment, task.cancel)


def test_a_run_sends_all_reads_all_and_passes(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    played = play_plan(plan)
    report = build_report(plan, SETTINGS, played.book)
    assert (report.counts.events, report.counts.explained, report.counts.missing) == (200, 200, 0)
    assert (report.status, report.invalid, judge(report).name) == ("complete", [], "PASS")
    assert report.duration_seconds == pytest.approx(19.9 + 0.05, abs=0.21)
    assert sum(second.sent_events for second in report.seconds) == 200
    assert {sample.process for sample in report.processes} == {"prism replay"}
    assert [sample.second for sample in report.processes] == list(range(len(report.processes)))


def test_progress_is_shown_while_it_runs(tmp_path: Path) -> None:
    shown = play_plan(build_run(tmp_path)).screen.shown
    assert [round(one.seconds) for one in shown] == [5, 10, 15, 20]
    assert all(one.rate_in == pytest.approx(10, abs=0.5) for one in shown[1:])
    assert all(one.rate_out == pytest.approx(10, abs=0.5) for one in shown[1:])
    assert "in 10" in shown[2].render()


def test_ctrl_c_keeps_what_was_measured_and_says_so(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    played = play_plan(plan, prepare=lambda played: press_ctrl_c(played, 5.05))
    report = build_report(plan, SETTINGS, played.book)
    assert (report.counts.events, report.counts.explained) == (51, 51)
    assert (report.status, judge(report).name) == ("interrupted", "INTERRUPTED")


def test_ctrl_c_before_there_is_anything_to_keep_ends_everything(tmp_path: Path) -> None:
    with pytest.raises(asyncio.CancelledError):
        play_plan(build_run(tmp_path), prepare=lambda played: asyncio.current_task().cancel())  # type: ignore[union-attr]


def test_a_failure_in_the_middle_keeps_what_was_measured(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    played = play_plan(plan, prepare=lambda played: fail_at(played, 8.0))
    report = build_report(plan, SETTINGS, played.book)
    assert isinstance(played.book.failure, PrismError)
    assert 70 < report.counts.events < 90
    assert report.status == "interrupted"
    assert report.invalid == ["the run failed: the broker has gone"]


def test_brokers_that_say_they_are_elsewhere_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    seen: list[Played] = []

    def prepare(played: Played) -> None:
        seen.append(played)
        set_target(played, brokers=("kafka-0.internal:9092",))

    with pytest.raises(PlanError, match=r"kafka-0\.internal:9092 is not this machine"):
        play_plan(build_run(tmp_path), prepare=prepare)
    assert seen[0].link.system.sent == []


@pytest.mark.parametrize(("partitions", "kept"), [(1, False), (2, True), (9, True)])
def test_recorded_partitions_are_kept_where_the_topic_has_them_all(tmp_path: Path, partitions: int, kept: bool) -> None:
    plan = build_run(tmp_path)
    played = play_plan(plan, prepare=lambda played: set_target(played, partitions=partitions))
    assert played.link.kept_partitions is kept


def test_the_embedded_broker_makes_a_run_with_a_large_backlog_invalid(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    embedded = Target(4, 1_000_000, ("localhost:9092",), is_embedded=True)

    def prepare(played: Played) -> None:
        played.link.target = embedded

    good = build_report(plan, SETTINGS, play_plan(plan, prepare=prepare).book)
    assert good.invalid == []

    def build_stalled(loop: SimulatedLoop) -> SimulatedSystem:
        return SimulatedSystem(loop, stall=(START, START + 30))

    huge = build_run(tmp_path, run_id="e" * 60)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stream_app.replay.runner.EMBEDDED_BYTES", 20_000)
        bad = build_report(huge, SETTINGS, play_plan(huge, build_stalled, prepare).book)
    assert "embedded broker" in bad.invalid[0]


def test_a_worker_that_drops_is_caught_by_the_whole_run(tmp_path: Path) -> None:
    def drop(number: int, published: Published) -> list[Published]:
        return [] if number == 77 else [published]

    plan = build_run(tmp_path)
    played = play_plan(plan, lambda loop: SimulatedSystem(loop, alter=drop))
    report = build_report(plan, SETTINGS, played.book)
    assert report.counts.missing == 1
    assert judge(report).name == "SLO MISSED"


def test_a_fault_after_the_end_of_the_run_is_refused(tmp_path: Path) -> None:
    plan = build_run(tmp_path, workers=1, faults=(Kill(30.0),))
    with pytest.raises(FaultError, match="not before the end of the run, 20 s"):
        play_plan(plan)


def test_workers_get_their_threads_and_no_shared_static_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISM_INSTANCE_ID", "one")
    monkeypatch.setenv("PRISM_INPUT_TOPIC", "events")
    fleet = build_fleet(build_run(tmp_path, workers=2, threads=3))
    assert fleet.environment["PRISM_INFERENCE_THREADS"] == "3"
    assert fleet.environment["PRISM_INPUT_TOPIC"] == "events"
    assert "PRISM_INSTANCE_ID" not in fleet.environment
    assert (fleet.count, fleet.folder) == (2, tmp_path / "result" / "workers")
    assert fleet.folder.is_dir()


def test_workers_of_its_own_are_started_sampled_hurt_counted_and_ended(tmp_path: Path) -> None:
    plan = build_run(tmp_path, workers=1, profile=Profile("constant", 20.0, 2.0), faults=(Kill(0.2),))

    def build(plan: RunPlan) -> Fleet:
        plan.folder.mkdir()
        return Fleet([sys.executable, "-c", STAND_IN], {}, plan.folder, plan.workers)

    async def work() -> Logbook:
        book = Logbook()
        # The simulated system answers on a real loop, too.
        system = SimulatedSystem(asyncio.get_running_loop())  # type: ignore[arg-type]
        return await run_plan(plan, SimulatedLink(system, book), ListScreen(), build_fleet=build, book=book)

    book = asyncio.run(work())
    report = build_report(plan, SETTINGS, book)
    assert report.counts.explained == 40
    names = [incident.what for incident in report.incidents]
    assert names[:3] == ["worker-0 killed", "worker-0 ended: SIGKILL", "worker-0 started again"]
    assert "worker-0" in {sample.process for sample in report.processes}
    assert report.worker_metrics["prism_records_settled_total"] > 0
    assert report.setup.workers == 1
