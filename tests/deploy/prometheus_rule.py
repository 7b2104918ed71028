"""The alert rules as the Prometheus operator wants them.

    python -m tests.deploy.prometheus_rule

deploy/monitoring/rules.yaml is what Prometheus and promtool read. A PrometheusRule holds the same under `spec`, and
kustomize cannot nest one file into another: this writes prometheus-rule.yaml beside it. A test compares the two.
"""

from pathlib import Path
from typing import Final

from tests.deploy.rendering import DEPLOY

RULES: Final = DEPLOY / "monitoring" / "rules.yaml"
PROMETHEUS_RULE: Final = DEPLOY / "monitoring" / "prometheus-rule.yaml"
_HEAD: Final = """\
# Written from rules.yaml by `python -m tests.deploy.prometheus_rule`: change that file.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: prism
  labels:
    app.kubernetes.io/name: prism
spec:
"""


def wrap_rules(rules: str) -> str:
    """Wrap Prometheus rules, as text, so that comments stay."""
    # Deeper by two, empty lines apart: YAML means the same, block texts too.
    return _HEAD + "".join(f"  {line}\n" if line.strip() else "\n" for line in rules.splitlines())


def main(rules: Path = RULES, target: Path = PROMETHEUS_RULE) -> None:
    """Write the PrometheusRule anew."""
    target.write_text(wrap_rules(rules.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
