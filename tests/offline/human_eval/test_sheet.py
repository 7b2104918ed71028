from pathlib import Path

import pytest

from offline.human_eval.sheet import SheetError, analyse_sheet
from offline.human_eval.table import render_sheet


def write(folder: Path, *lines: str) -> Path:
    path = folder / "sheet.jsonl"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_shares_of_yes_and_of_yes_in_every_field(tmp_path: Path) -> None:
    lines = ['{"event_id":"a","true":true,"sensible":true}'] * 3 + ['{"event_id":"b","true":true,"sensible":false}']
    evaluation = analyse_sheet(write(tmp_path, *lines))
    assert evaluation.rows == 4
    assert evaluation.systems["all"]["true"].mean == 1
    assert evaluation.systems["all"]["sensible"].mean == 0.75
    assert evaluation.all_yes is not None
    assert evaluation.all_yes["all"].mean == 0.75
    assert "4 rows" in render_sheet(evaluation)


def test_grades_are_averaged_for_each_system(tmp_path: Path) -> None:
    lines = ['{"system":"student","grade":4,"text":"t"}', '{"system":"template","grade":1,"text":"t"}'] * 2
    evaluation = analyse_sheet(write(tmp_path, *lines))
    assert {name: fields["grade"].mean for name, fields in evaluation.systems.items()} == {"student": 4, "template": 1}
    assert evaluation.all_yes is None
    assert render_sheet(evaluation).splitlines()[1] == "student   4.00 (4.00 to 4.00)"


def test_rating_fields_can_be_named(tmp_path: Path) -> None:
    evaluation = analyse_sheet(write(tmp_path, '{"number":7,"true":true}', '{"number":8,"true":false}'), ("true",))
    assert evaluation.systems["all"].keys() == {"true"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "no lines"),
        (['{"text":"t"}'], "no rating"),
        (['{"true":true}', '{"text":"t"}'], "line 2 has no rating 'true'"),
        (['{"true":true}', "[1]"], "line 2 is not an object"),
    ],
)
def test_a_sheet_that_cannot_be_read_names_the_line(lines: list[str], message: str, tmp_path: Path) -> None:
    with pytest.raises(SheetError, match=message):
        analyse_sheet(write(tmp_path, *lines))
