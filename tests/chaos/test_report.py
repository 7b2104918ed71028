"""The table says what was measured, and what was not as expected."""

from dataclasses import asdict

from tests.chaos.report import describe_surroundings, render_table
from tests.chaos.rows import ROWS
from tests.chaos.run import Result


def build_result(problems: list[str]) -> Result:
    return Result("worker killed", "exactly-once", 3, 5_000, 1, 2, 3, 4, 5, 6, 7.5, 0, problems)


def test_a_row_shows_every_number_in_its_column() -> None:
    table = render_table([asdict(build_result([]))], describe_surroundings())
    assert "| worker killed | exactly-once | 3 | 5000 | 1 | 2 | 3 | 4 | 5 | 6 | 7.5 |" in table
    assert "Not as expected" not in table


def test_what_was_not_as_expected_stands_below_the_table() -> None:
    table = render_table([asdict(build_result(["lost: 1"]))], describe_surroundings())
    assert "- worker killed, exactly-once: lost: 1" in table.partition("Not as expected")[2]


def test_rows_have_names_and_faults_of_their_own() -> None:
    assert len({row.name for row in ROWS}) == len({row.fault for row in ROWS}) == len(ROWS)
