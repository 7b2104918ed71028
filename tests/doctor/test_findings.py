"""A report says how bad it is, for people and for scripts."""

import json

from stream_app.doctor.findings import approve, build_report, refuse, render_report, warn

FINE, ODD, BAD = approve("cpu", "fast"), warn("threads", "too many", "fewer"), refuse("topics", "gone", "create them")


def test_warnings_leave_a_report_ok_and_a_problem_does_not() -> None:
    assert build_report("1", [FINE, ODD]).ok
    assert not build_report("1", [FINE, ODD, BAD]).ok


def test_the_text_has_a_line_for_each_finding_and_the_advice_under_it() -> None:
    assert render_report(build_report("1", [FINE, ODD, BAD])).splitlines() == [
        "ok       cpu      fast",
        "warning  threads  too many",
        "                  -> fewer",
        "problem  topics   gone",
        "                  -> create them",
        "1 problem, 1 warning",
    ]
    assert render_report(build_report("1", [FINE])).splitlines()[-1] == "no problems, no warnings"


def test_the_document_holds_everything() -> None:
    document = json.loads(build_report("1.2", [BAD]).model_dump_json())
    finding = {"check": "topics", "level": "problem", "message": "gone", "advice": "create them"}
    assert document == {"version": "1.2", "ok": False, "findings": [finding]}
