from pathlib import Path

import yaml

from tests.deploy.prometheus_rule import PROMETHEUS_RULE, RULES, main, wrap_rules


def test_the_prometheus_rule_is_what_the_rules_say() -> None:
    assert PROMETHEUS_RULE.read_text(encoding="utf-8") == wrap_rules(RULES.read_text(encoding="utf-8")), (
        "write it anew: python -m tests.deploy.prometheus_rule"
    )
    wrapped = yaml.safe_load(PROMETHEUS_RULE.read_text(encoding="utf-8"))
    assert wrapped["spec"] == yaml.safe_load(RULES.read_text(encoding="utf-8"))


def test_comments_and_texts_over_several_lines_stay(tmp_path: Path) -> None:
    rules, target = tmp_path / "rules.yaml", tmp_path / "prometheus-rule.yaml"
    rules.write_text("# why\ngroups:\n  - name: a\n    text: |\n      one\n\n       two\n", encoding="utf-8")
    main(rules, target)
    assert "  # why\n" in target.read_text(encoding="utf-8")
    assert yaml.safe_load(target.read_text(encoding="utf-8"))["spec"]["groups"][0]["text"] == "one\n\n two\n"
