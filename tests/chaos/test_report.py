"""The table says what was measured, and what was not as expected."""

import json
from dataclasses import asdict
from typing import Any, Final

from tests.chaos.report import (
    FOLDER,
    README,
    SUMMARY_END,
    SUMMARY_START,
    describe_surroundings,
    render_summary,
    render_table,
)
from tests.chaos.rows import ROWS
from tests.chaos.run import Result
from tests.chaos.stage import Delivery

DELIVERIES: Final[tuple[Delivery, ...]] = ("at-least-once", "exactly-once")


def build_row(problems: list[str], fault: str = "worker killed", delivery: Delivery = "exactly-once") -> dict[str, Any]:
    result = Result(fault, delivery, 3, 5_000, 1, 2, 3, 4, 5, 6, 7.5, 8, problems)
    return {**asdict(result), "commit": "abc1234"}


def test_a_row_shows_every_number_in_its_column() -> None:
    table = render_table([build_row([])], describe_surroundings())
    assert "| worker killed | exactly-once | 3 | 5000 | 1 | 2 | 8 | 3 | 4 | 5 | 6 | 7.5 | abc1234 |" in table
    assert "Not as expected" not in table


def test_what_was_not_as_expected_stands_below_the_table() -> None:
    table = render_table([build_row(["lost: 1"])], describe_surroundings())
    assert "- worker killed, exactly-once: lost: 1" in table.partition("Not as expected")[2]


def test_the_summary_has_a_line_for_each_fault_and_both_guarantees_in_it() -> None:
    rows = [build_row([], fault, delivery) for fault in ("a", "b") for delivery in DELIVERIES]
    summary = render_summary(rows)
    assert "| a | 30,000 | 1 / 1 | 2 / 2 | 7.5 / 7.5 |\n| b | 30,000 |" in summary


def test_the_readme_shows_what_was_published() -> None:
    rows = json.loads((FOLDER / "RESULTS.json").read_text())["rows"]
    assert f"{SUMMARY_START}{render_summary(rows)}{SUMMARY_END}" in README.read_text(encoding="utf-8")
    assert {row["fault"] for row in rows} == {row.fault for row in ROWS}


def test_rows_have_names_and_faults_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len({row.fault for row in ROWS}) == len(ROWS)
