"""Alert rules and dashboard: they parse, they are tested, they name what exists, and each alert has its paragraph."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy.monitoring.dashboard import build_dashboard
from stream_app.telemetry import Metrics
from tests.deploy.monitoring import (
    DASHBOARD,
    ROOT,
    RULE_TESTS,
    RULES,
    AlertRule,
    load_panels,
    load_rules,
    run_promtool,
    write_hasty_rules,
)

RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text(encoding="utf-8")
TARGET_LABELS = {"namespace", "job", "instance"}
"""What Prometheus adds to each series."""
PARTS_OF_HISTOGRAMS = re.compile(r"_(bucket|sum|count)$")
RULE_SET = load_rules()


def list_sections() -> Iterator[tuple[str, str]]:
    """List the runbook's paragraphs by the anchors that their headings get."""
    for part in re.split(r"(?m)^#+ ", RUNBOOK)[1:]:
        heading, _, text = part.partition("\n")
        yield re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-"), text


def list_queries() -> list[str]:
    return [expr for panel in load_panels() for expr, _ in panel.queries]


def list_expressions() -> list[str]:
    return [*(rule.expr for rule in RULE_SET), *list_queries()]


def test_the_rules_pass_promtool() -> None:
    done = run_promtool("check", "rules", "--lint-fatal", RULES)
    assert done.returncode == 0, done.stderr


def test_the_unit_tests_of_the_rules_pass() -> None:
    done = run_promtool("test", "rules", RULE_TESTS)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_rule_fails_its_unit_tests_once_its_condition_is_lost(tmp_path: Path) -> None:
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    for group in document["groups"]:
        group["rules"] = [rule | {"expr": "vector(1)"} for rule in group["rules"]]
    (tmp_path / RULES.name).write_text(yaml.safe_dump(document), encoding="utf-8")
    (tmp_path / RULE_TESTS.name).write_bytes(RULE_TESTS.read_bytes())
    done = run_promtool("test", "rules", tmp_path / RULE_TESTS.name)
    assert done.returncode != 0
    assert set(re.findall(r"alertname: (\w+), time", done.stdout + done.stderr)) == {rule.name for rule in RULE_SET}


def test_every_alert_has_unit_tests_in_which_it_fires_and_in_which_it_does_not() -> None:
    checks = [
        (check["alertname"], bool(check.get("exp_alerts")))
        for test in yaml.safe_load(RULE_TESTS.read_text(encoding="utf-8"))["tests"]
        for check in test["alert_rule_test"]
    ]
    assert set(checks) == {(rule.name, is_firing) for rule in RULE_SET for is_firing in (True, False)}


@pytest.mark.parametrize("rule", RULE_SET, ids=lambda rule: rule.name)
def test_an_alert_links_to_a_paragraph_that_speaks_of_it(rule: AlertRule) -> None:
    page, _, anchor = rule.runbook_url.partition("#")
    assert page == "deploy/RUNBOOK.md"
    sections = dict(list_sections())
    assert f"`{rule.name}`" in sections[anchor]
    assert re.search(rf"^\| `{rule.name}` \| {rule.severity} \|.*\(#{anchor}\) \|$", sections["alerts"], re.MULTILINE)


def test_the_runbook_speaks_of_no_alert_that_is_not_there() -> None:
    assert set(re.findall(r"`(Prism[A-Z]\w+)`", RUNBOOK)) == {rule.name for rule in RULE_SET}


def test_alerts_say_how_bad_they_are_and_what_is_wrong() -> None:
    assert len({rule.name for rule in RULE_SET}) == len(RULE_SET)
    for rule in RULE_SET:
        assert rule.severity in ("critical", "warning")
        assert {name for name, _ in rule.annotations} == {"summary", "description", "runbook_url"}


def test_rules_and_dashboard_ask_for_metrics_that_a_worker_has() -> None:
    known = {family.name for family in Metrics().families}
    for expr in list_expressions():
        names = set(re.findall(r"\bprism_[a-z_]+", expr))
        assert {PARTS_OF_HISTOGRAMS.sub("", name) for name in names} <= known, expr


def test_the_series_of_the_unit_tests_have_the_labels_of_a_worker() -> None:
    labels = {family.name: set(family.labels) for family in Metrics().families}
    for name, selector in re.findall(r"series: '(prism_\w+)\{(.*)\}'", RULE_TESTS.read_text(encoding="utf-8")):
        own = set(re.findall(r"(\w+)=", selector)) - TARGET_LABELS
        assert own - {"le"} <= labels[PARTS_OF_HISTOGRAMS.sub("", name)], name


def test_rules_and_dashboard_ask_for_values_of_labels_that_the_worker_writes() -> None:
    source = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "stream_app").rglob("*.py"))
    values = [value for expr in list_expressions() for value in re.findall(r'\w+(?:=|!=|=~|!~)"([^"]*)"', expr)]
    written = {one for value in values if value != ".*" for one in value.split("|")}
    assert written
    assert {one for one in written if f'"{one}"' not in source} == set()


def test_the_dashboard_is_the_one_that_its_code_builds() -> None:
    # Mended by: python -m deploy.monitoring.dashboard
    assert build_dashboard() == DASHBOARD.read_text(encoding="utf-8")


def test_every_query_of_the_dashboard_parses_once_its_variables_are_replaced(tmp_path: Path) -> None:
    assert not [expr for expr in list_queries() if "$" in expr]
    rules = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(list_queries())]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}), encoding="utf-8")
    done = run_promtool("check", "rules", path)
    assert done.returncode == 0, done.stderr
    path.write_text(path.read_text(encoding="utf-8").replace("sum (", "sum ((", 1), encoding="utf-8")
    assert run_promtool("check", "rules", path).returncode != 0


def test_panels_do_not_lie_upon_each_other_and_have_titles_of_their_own() -> None:
    panels = load_panels()
    assert len({panel.title for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for left, top, width, height in (panel.place for panel in panels)
        for x in range(left, left + width)
        for y in range(top, top + height)
    ]
    assert len(cells) == len(set(cells))
    assert all(x < 24 for x, _ in cells)


def test_the_hasty_copy_of_the_rules_has_no_waiting_of_minutes(tmp_path: Path) -> None:
    hasty = write_hasty_rules(tmp_path)
    assert not re.search(r"(\[|for: )\d+[mh]\b", hasty.read_text(encoding="utf-8"))
    assert run_promtool("check", "rules", hasty).returncode == 0
