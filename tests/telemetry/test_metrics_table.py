"""deploy/METRICS.md lists every metric as it is, and none that is not there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from stream_app.telemetry import Metrics
from stream_app.telemetry.families import Family
from stream_app.telemetry.metrics import BREAKER_STATES, FLUSH_REASONS, OUTCOMES, SOURCES, STAGES

TABLE = (Path(__file__).parents[2] / "deploy" / "METRICS.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `(prism_[a-z_0-9]+)` \| (\w+) \|([^|]*)\| (.+) \|$", re.MULTILINE)


def read_rows(text: str) -> Iterator[Family]:
    for name, kind, labels, _ in ROW.findall(text):
        assert kind in ("counter", "gauge", "histogram"), name
        yield Family(name, kind, tuple(re.findall(r"`([a-z_0-9]+)`", labels)))


def test_the_table_has_the_names_types_and_labels_of_all_metrics_and_of_no_others() -> None:
    rows = list(read_rows(TABLE))
    assert len(rows) == len(set(rows))
    assert set(rows) == set(Metrics().families)


def test_every_row_that_names_a_metric_is_read() -> None:
    assert len(list(read_rows(TABLE))) == len(re.findall(r"^\| `prism_", TABLE, re.MULTILINE))


def test_what_is_described_is_what_is_scraped() -> None:
    described = {(family.name, family.kind) for family in Metrics().families}
    scraped = set(re.findall(r"^# TYPE (prism_\S+) (\w+)$", Metrics().render().decode(), re.MULTILINE))
    assert described == scraped


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("prism_records_settled_total", OUTCOMES),
        ("prism_dead_letters_total", STAGES),
        ("prism_explanations_total", SOURCES),
        ("prism_batch_flushes_total", FLUSH_REASONS),
        ("prism_breaker_state", BREAKER_STATES),
    ],
)
def test_the_values_of_labels_that_are_known_beforehand_stand_in_the_row(name: str, values: tuple[str, ...]) -> None:
    [meaning] = [row[3] for row in ROW.findall(TABLE) if row[0] == name]
    assert all(f"`{value}`" in meaning for value in values)


def test_a_row_with_another_type_would_be_found() -> None:
    wrong = TABLE.replace("| `prism_ready` | gauge |", "| `prism_ready` | counter |")
    assert set(read_rows(wrong)) != set(Metrics().families)
