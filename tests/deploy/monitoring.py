"""What the tests of the monitoring share: its files as typed objects, a real Prometheus, and promtool."""

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

ROOT: Final = Path(__file__).resolve().parents[2]
FOLDER: Final = ROOT / "deploy" / "monitoring"
RULES: Final = FOLDER / "rules.yaml"
RULE_TESTS: Final = FOLDER / "rules_test.yaml"
DASHBOARD: Final = FOLDER / "dashboard.json"
DEADLINE_SECONDS: Final = 120.0
HASTE: Final = 12
VARIABLES: Final = {"$job": ".*", "$instance": ".*", "$__rate_interval": "1m"}
"""What stands for the dashboard's variables where everything is chosen."""


@dataclass(frozen=True, slots=True)
class AlertRule:
    """One rule of rules.yaml."""

    name: str
    expr: str
    severity: str
    annotations: tuple[tuple[str, str], ...]

    @property
    def runbook_url(self) -> str:
        return dict(self.annotations)["runbook_url"]


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel of the dashboard, with its queries as Prometheus gets them."""

    title: str
    kind: str
    unit: str
    is_stacked: bool
    place: tuple[int, int, int, int]
    """Column, line, width, height on Grafana's grid of 24 columns."""
    queries: tuple[tuple[str, str], ...]
    """Expression and legend."""


@dataclass(frozen=True, slots=True)
class Series:
    """One series of an answer: its labels, and points of time and value."""

    labels: tuple[tuple[str, str], ...]
    points: tuple[tuple[float, float], ...]


def load_rules() -> list[AlertRule]:
    """Load all rules."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [
        AlertRule(rule["alert"], rule["expr"], rule["labels"]["severity"], tuple(rule["annotations"].items()))
        for group in document["groups"]
        for rule in group["rules"]
    ]


def load_panels(variables: Mapping[str, str] = VARIABLES) -> list[Panel]:
    """Load the panels of the dashboard, variables replaced; rows have no queries."""
    document = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return [_build_panel(panel, variables) for panel in document["panels"]]


# As Any: the JSON of Grafana.
def _build_panel(panel: Any, variables: Mapping[str, str]) -> Panel:
    defaults = panel.get("fieldConfig", {}).get("defaults", {})
    place = panel["gridPos"]
    return Panel(
        title=panel["title"],
        kind=panel["type"],
        unit=defaults.get("unit", ""),
        is_stacked=defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal",
        place=(place["x"], place["y"], place["w"], place["h"]),
        queries=tuple(
            (replace_variables(target["expr"], variables), target["legendFormat"])
            for target in panel.get("targets", [])
        ),
    )


def replace_variables(expr: str, variables: Mapping[str, str]) -> str:
    """Replace the variables as Grafana does."""
    for name, value in variables.items():
        expr = expr.replace(name, value)
    return expr


def find_program(name: str) -> str:
    """Find a program of the Debian package `prometheus`; without it the test is skipped."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"there is no {name} (Debian: apt-get install prometheus)")
    return path


def run_promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run promtool."""
    command = [find_program("promtool"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=DEADLINE_SECONDS)


class Prometheus:
    """A Prometheus that runs, and its HTTP API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def query(self, expr: str) -> list[Series]:
        """Ask for the values now."""
        answer = self._get("/api/v1/query", query=expr)
        return [_read_series(one["metric"], [one["value"]]) for one in answer["result"]]

    def query_range(self, expr: str, start: float, end: float, step_seconds: float) -> list[Series]:
        """Ask for the values over time."""
        answer = self._get("/api/v1/query_range", query=expr, start=start, end=end, step=step_seconds)
        return [_read_series(one["metric"], one["values"]) for one in answer["result"]]

    def list_alerts(self, state: str = "firing") -> set[str]:
        """List the names of alerts in a state."""
        return {one["labels"]["alertname"] for one in self._get("/api/v1/alerts")["alerts"] if one["state"] == state}

    def is_ready(self) -> bool:
        """Whether it answers."""
        return is_answering(f"{self._url}/-/ready")

    # As Any: JSON.
    def _get(self, path: str, **parameters: object) -> Any:
        url = f"{self._url}{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as response:
                return json.load(response)["data"]
        except urllib.error.HTTPError as error:
            with error:
                raise AssertionError(f"{parameters}: {error.read().decode()}") from None


def _read_series(labels: Mapping[str, str], points: Sequence[tuple[float, str]]) -> Series:
    return Series(tuple(sorted(labels.items())), tuple((float(at), float(value)) for at, value in points))


@contextmanager
def run_prometheus(folder: Path, targets: Sequence[str], rules: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes and judges once a second; job `prism`."""
    port = find_free_port()
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "prism", "static_configs": [{"targets": list(targets)}]}],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        find_program("prometheus"),
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/prometheus-data",
    ]
    with (folder / "prometheus.log").open("wb") as log:
        server = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        prometheus = Prometheus(port)
        wait_until(prometheus.is_ready, "Prometheus answers")
        yield prometheus
    finally:
        server.terminate()
        server.wait()


def write_hasty_rules(folder: Path) -> Path:
    """Write a copy of the rules in which a minute takes five seconds, for tests that cannot wait."""
    text = RULES.read_text(encoding="utf-8")
    hasty = re.sub(r"(?<=[\[ ])(\d+)([smh])(?=]|$)", _shorten, text, flags=re.MULTILINE)
    # The one rule that compares with a time on the clock: workers ask their broker every 5 s.
    hasty = hasty.replace("_timestamp_seconds > 0) > 60", "_timestamp_seconds > 0) > 15")
    path = folder / "hasty_rules.yaml"
    path.write_text(hasty, encoding="utf-8")
    return path


def _shorten(match: re.Match[str]) -> str:
    seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]
    return f"{seconds * 1000 // HASTE}ms"


def is_answering(url: str) -> bool:
    """Whether 200 is answered."""
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


def find_free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(is_met: Callable[[], bool], what: str, seconds: float = DEADLINE_SECONDS) -> None:
    """Poll until a condition is met; fails after the deadline."""
    deadline = time.monotonic() + seconds
    while not is_met():
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.1)
