"""The runbook speaks of every row of the fault matrix, and of nothing that is not there."""

import re
from pathlib import Path

from stream_app.exit_codes import ExitCode
from stream_app.settings import Settings
from stream_app.telemetry import Metrics
from tests.chaos.rows import ROWS

ROOT = Path(__file__).parents[1]
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")


def test_every_row_of_the_matrix_has_a_heading() -> None:
    headings = " ".join(line for line in RUNBOOK.splitlines() if line.startswith("#"))
    assert {row.name for row in ROWS} <= set(re.findall(r"`([^`]+)`", headings))


def test_every_metric_and_setting_that_it_names_exists() -> None:
    metrics = Metrics().render().decode()
    for name in set(re.findall(r"\bprism_[a-z_]+", RUNBOOK)):
        assert re.search(rf"^# TYPE {name.removesuffix('_total')}(_total)? ", metrics, re.MULTILINE), name
    for name in set(re.findall(r"\bPRISM_[A-Z0-9_]+", RUNBOOK)):
        assert name.removeprefix("PRISM_").lower() in Settings.model_fields, name


def test_every_exit_code_is_explained() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", RUNBOOK, re.MULTILINE)} == {
        int(code) for code in ExitCode
    }


def test_every_log_event_in_the_exit_code_table_is_written_somewhere() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "stream_app").rglob("*.py"))
    table = "".join(line for line in RUNBOOK.splitlines() if re.match(r"\| \d+ \|", line))
    events = re.findall(r"`([a-z]+(?:_[a-z]+)+)`", table)
    assert events
    assert all(f'"{event}"' in source for event in events)
