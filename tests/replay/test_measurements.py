import ast
import inspect
from collections.abc import Iterator

import pytest

from stream_app.replay import measurements
from stream_app.replay.measurements import Report
from tests.replay.reporting import build_report

# Whose name and type say all there is to say; every other field must have its sentence.
SELF_EXPLANATORY = frozenset(
    "count p50 p90 p99 p999 maximum bootstrap_servers input_topic output_topic dead_letter_topic isolation_level "
    "profile speed duration_seconds max_lateness_seconds versions cores duplicates_different second intended_events "
    "sent_events templates dead_letters process resident_bytes what name limit measured is_met max_lateness_p99 "
    "is_sustained reason format run_id started_at status setup counts seconds processes incidents objectives search "
    "capacity_events_per_second".split()
)


def list_classes() -> list[ast.ClassDef]:
    tree = ast.parse(inspect.getsource(measurements))
    return [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]


def list_undocumented(definition: ast.ClassDef) -> Iterator[str]:
    for node, following in zip(definition.body, [*definition.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            is_documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            if not is_documented:
                yield node.target.id


@pytest.mark.parametrize("definition", list_classes(), ids=lambda definition: definition.name)
def test_every_part_of_a_report_says_what_it_is_and_every_field_that_needs_it(definition: ast.ClassDef) -> None:
    assert ast.get_docstring(definition)
    assert set(list_undocumented(definition)) <= SELF_EXPLANATORY


def test_a_report_is_the_same_after_it_was_written_and_read() -> None:
    report = build_report()
    assert Report.model_validate_json(report.model_dump_json()) == report
