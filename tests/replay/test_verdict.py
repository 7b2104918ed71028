from stream_app.replay.measurements import Objective
from stream_app.replay.verdict import judge
from tests.replay.reporting import build_report

MISSED = Objective(name="p99", limit=0.5, measured=0.9, is_met=False)
UNMEASURED = Objective(name="p99", limit=0.5, measured=None, is_met=False)


def test_a_run_that_met_all_objectives_passes() -> None:
    assert judge(build_report()).name == "PASS"


def test_a_run_without_objectives_passes_and_says_that_there_were_none() -> None:
    verdict = judge(build_report(objectives=[]))
    assert verdict.name == "PASS"
    assert verdict.reasons == ("no objective was set, so none was missed",)


def test_a_missed_objective_is_told_with_its_figure_and_its_limit() -> None:
    verdict = judge(build_report(objectives=[MISSED, *build_report().objectives]))
    assert verdict.name == "SLO MISSED"
    assert verdict.reasons == ("p99 was 900 ms (limit 500 ms)",)


def test_an_objective_that_could_not_be_measured_is_missed_and_says_so() -> None:
    assert judge(build_report(objectives=[UNMEASURED])).reasons == ("p99 could not be measured (limit 500 ms)",)


def test_an_invalid_run_is_no_result_even_where_it_met_its_objectives() -> None:
    verdict = judge(build_report(invalid=["the generator was late"]))
    assert verdict.name == "INVALID"
    assert verdict.reasons == ("the generator was late",)


def test_an_interrupted_run_is_marked_as_such_and_tells_everything_else_too() -> None:
    verdict = judge(build_report(status="interrupted", invalid=["the generator was late"], objectives=[MISSED]))
    assert verdict.name == "INTERRUPTED"
    assert len(verdict.reasons) == 3
