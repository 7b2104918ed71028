from pathlib import Path

import pytest

from stream_app.exit_codes import LoadTestCode
from stream_app.replay.folder import FolderError, draw_report, ensure_new, load_report, save_report, save_run
from stream_app.replay.results import build_report
from stream_app.replay.summary import find_code, render_summary
from tests.replay.linked import SETTINGS, build_run, play_plan
from tests.replay.reporting import build_report as invent_report


def test_a_run_is_saved_whole_and_read_again(tmp_path: Path) -> None:
    plan = build_run(tmp_path)
    book = play_plan(plan).book
    report = build_report(plan, SETTINGS, book)
    ensure_new(plan.folder)
    save_run(plan.folder, report, book)
    assert load_report(plan.folder) == load_report(plan.folder / "report.json") == report
    names = {path.name for path in plan.folder.iterdir()}
    assert {"report.json", "report.html", "sent.jsonl.zst"} <= names
    assert [name for name in names if name.endswith(".png")]


def test_a_folder_with_a_report_is_not_written_over(tmp_path: Path) -> None:
    save_report(tmp_path, invent_report())
    with pytest.raises(FolderError, match="another run"):
        ensure_new(tmp_path)


def test_what_is_no_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match="cannot read"):
        load_report(tmp_path)
    (tmp_path / "report.json").write_text('{"format": 2}')
    with pytest.raises(FolderError, match="no report of this version"):
        load_report(tmp_path)


def test_a_comparison_is_a_page_without_images(tmp_path: Path) -> None:
    page = draw_report(tmp_path / "both", invent_report(), invent_report(run_id="run-2"))
    assert [path.name for path in page.parent.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({}, LoadTestCode.PASS),
        ({"invalid": ["the generator was late"]}, LoadTestCode.NO_RESULT),
        ({"status": "interrupted"}, LoadTestCode.NO_RESULT),
        (
            {"objectives": [invent_report().objectives[0].model_copy(update={"is_met": False})]},
            LoadTestCode.SLO_MISSED,
        ),
    ],
)
def test_the_exit_code_is_the_verdict(changes: dict[str, object], code: LoadTestCode) -> None:
    assert find_code(invent_report(**changes)) == code


def test_the_summary_names_the_verdict_its_reasons_and_the_figures() -> None:
    text = render_summary(invent_report(invalid=["the generator was late"]))
    assert text.splitlines()[:2] == ["run-1: INVALID", "  - the generator was late"]
    assert "items asked for" in text
    assert "4,000" in text
