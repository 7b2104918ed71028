"""The published table: RESULTS.md for people, RESULTS.json for programs; and the memory of rows that are done."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.broker.kafka_server import JARS
from tests.chaos.rows import Row
from tests.chaos.run import Result
from tests.chaos.stage import Delivery
from tests.chaos.supervisor import ROOT

FOLDER: Final = Path(__file__).parent
STORE: Final = ROOT / ".cache" / "chaos"
README: Final = ROOT / "README.md"
SUMMARY_START: Final = "<!-- the fault matrix: written by make chaos -->"
SUMMARY_END: Final = "<!-- end of the fault matrix -->"
MEASURED: Final = ("stream_app", "tests/chaos")
NOT_MEASURED: Final = (":(exclude)tests/chaos/RESULTS.*",)
COLUMNS: Final = (
    "delivery",
    "runs",
    "events",
    "lost",
    "duplicates",
    "duplicates_allowed",
    "duplicates_differ",
    "out_of_order",
    "kills",
    "worker_exits",
    "recovery_seconds",
    "commit",
)
INTRODUCTION: Final = """# The fault matrix

Written by `make chaos`. Every run is under continuous load; a supervisor restarts a worker that has exited after one
second. Numbers are over all runs of a row, events per run.

- **lost, duplicates, differ, out of order**: (event, item) pairs. Lost: neither explanation nor dead letter.
  Duplicates: repeats of a pair; `allowed`: a batch for each kill and exit, none with `exactly-once`; `differ`: those
  whose key or value is not the same bytes. Order: first occurrences, per source partition within one output partition.
  Outputs of `exactly-once` are read committed, of `at-least-once` all.
- **kills**: how often a worker was killed, told to end or frozen, or a broker ended. **exits**: how often a worker
  ended by itself, which is how it answers what it cannot mend.
- **recovery**: the longest gap in seconds from the moment when network, brokers and a worker are ready to the next
  new output.
- **measured at**: the commit that the worker had; rows may be measured one by one.
- The generator is a deterministic stand-in, but for the row that names the real model.
"""


def compute_fingerprint() -> str:
    """Compute what a result was measured at: the contents of the worker and of this harness."""
    digest = hashlib.sha256()
    for folder in MEASURED:
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def read_commit() -> str:
    """Read the commit that is checked out; `+changes` where the working tree differs."""
    commit = _run_git("log", "-1", "--format=%h")
    return f"{commit}+changes" if _run_git("status", "--porcelain", "--", *MEASURED, *NOT_MEASURED) else commit


def save_result(row: Row, result: Result, fingerprint: str) -> None:
    """Keep the result of a row."""
    document = {"commit": read_commit(), "fingerprint": fingerprint, "result": asdict(result)}
    path = _locate(row, result.delivery)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1))


def load_result(row: Row, delivery: Delivery, fingerprint: str | None) -> dict[str, Any] | None:
    """Load what is kept of a row: with its commit, or None. With a fingerprint, only what was measured at that."""
    path = _locate(row, delivery)
    if not path.exists():
        return None
    document: dict[str, Any] = json.loads(path.read_text())
    if fingerprint not in (None, document["fingerprint"]):
        return None
    return {**document["result"], "commit": document["commit"]}


def write_report(rows: Sequence[dict[str, Any]]) -> None:
    """Write both files, and the summary in the README."""
    surroundings = describe_surroundings()
    document = {**surroundings, "rows": rows}
    (FOLDER / "RESULTS.json").write_text(json.dumps(document, indent=1) + "\n")
    (FOLDER / "RESULTS.md").write_text(render_table(rows, surroundings))
    before, _, rest = README.read_text(encoding="utf-8").partition(SUMMARY_START)
    _, _, after = rest.partition(SUMMARY_END)
    README.write_text(f"{before}{SUMMARY_START}{render_summary(rows)}{SUMMARY_END}{after}", encoding="utf-8")


def render_summary(rows: Sequence[dict[str, Any]]) -> str:
    """Render one line for each fault: what was lost and repeated, first with `at-least-once`, then `exactly-once`."""
    lines = ["", "| fault | events | lost | repeated | recovery, s |", "|---|---:|---:|---:|---:|"]
    for fault in dict.fromkeys(row["fault"] for row in rows):
        found = [row for row in rows if row["fault"] == fault]
        cells = [" / ".join(str(row[name]) for row in found) for name in ("lost", "duplicates", "recovery_seconds")]
        events = sum(row["events"] * row["runs"] for row in found)
        lines.append(f"| {fault} | {events:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def render_table(rows: Sequence[dict[str, Any]], surroundings: dict[str, Any]) -> str:
    """Render RESULTS.md."""
    titles = [
        "fault",
        *(name.removeprefix("duplicates_").replace("_", " ") for name in COLUMNS[:-3]),
        "exits",
        "recovery",
        "measured at",
    ]
    lines = [INTRODUCTION, _render_surroundings(surroundings), "| " + " | ".join(titles) + " |"]
    lines.append("|---|---|" + "---:|" * (len(titles) - 2))
    lines += ["| " + " | ".join(str(row[name]) for name in ("fault", *COLUMNS)) + " |" for row in rows]
    failed = [f"- {row['fault']}, {row['delivery']}: {problem}" for row in rows for problem in row["problems"]]
    if failed:
        lines += ["", "## Not as expected", "", *failed]
    return "\n".join(lines) + "\n"


def describe_surroundings() -> dict[str, Any]:
    """Describe versions and machine."""
    packages = ("faust-streaming", "aiokafka", "confluent-kafka", "ctranslate2")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "versions": {
            "apache-kafka": JARS.name,
            "java": _read_java_version(),
            "python": platform.python_version(),
            **{package: version(package) for package in packages},
        },
        "machine": {
            "cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(memory),
            "system": f"{platform.system()} {platform.release().partition('-')[0]} {platform.machine()}",
        },
    }


def _render_surroundings(surroundings: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {value}" for name, value in surroundings["versions"].items())
    machine = surroundings["machine"]
    return f"{versions}; {machine['cores']} cores, {machine['memory_gib']} GiB, {machine['system']}.\n"


def _locate(row: Row, delivery: Delivery) -> Path:
    return STORE / "results" / f"{row.name}-{delivery}.json"


def _read_java_version() -> str:
    done = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False)
    return done.stderr.partition('"')[2].partition('"')[0]


def _run_git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
