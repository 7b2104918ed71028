"""`make load-test`: the capacity of one and of two workers of one thread each, on Apache Kafka, within 15 minutes.

For each: a search for the capacity, then a steady run below it whose figures are checked against the workers' own
metrics. All commands are the ones that anybody would give; everything is written below .cache/load-test.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Final

from stream_app.kafka.clients import create_topics
from stream_app.replay.folder import load_report
from stream_app.replay.measurements import Report
from stream_app.replay.verdict import judge
from stream_app.settings import Settings, count_usable_cores
from tests.broker.kafka_server import ROOT, KafkaMissingError, install_kafka, run_kafka
from tests.load.checks import check_counts, check_latency, check_throughput

FOLDER: Final = ROOT / ".cache" / "load-test"
PARTITIONS: Final = 4
STEADY_SHARE: Final = 0.7
"""Of the capacity, for the run whose figures are checked."""
STEADY_SECONDS: Final = 30
COMMAND_SECONDS: Final = 900
SLO: Final = ("--slo", "p99=5s", "--max-lost", "0")


@dataclass(frozen=True)
class Stand:
    """Where the commands run."""

    folder: Path
    environment: dict[str, str]

    def run(self, *arguments: str) -> int:
        """Give one command of `prism`; returns its exit code."""
        print(f"\n$ prism {' '.join(arguments)}", flush=True)
        command = [sys.executable, "-m", "stream_app", *arguments]
        return subprocess.run(command, env=self.environment, cwd=ROOT, check=False, timeout=COMMAND_SECONDS).returncode

    def replay(self, name: str, workers: int, *flags: str) -> tuple[Report, list[str]]:
        """Give `prism replay run`; returns the report, and what is wrong with it."""
        folder = self.folder / name
        recording = str(self.folder / "traffic.jsonl.zst")
        own = ["--workers", str(workers), "--threads", "1", "--run-id", name, "--report", str(folder)]
        code = self.run("replay", "run", recording, *own, *flags, *SLO)
        report = load_report(folder)
        return report, ([f"{name} ended with {code}: {judge(report).reasons}"] if code else [])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run everything; returns 1 where something is not as it should be."""
    options = _parse(arguments)
    install_kafka()
    folder = FOLDER / datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    kafka = folder / "kafka"
    kafka.mkdir(parents=True)
    started = time.monotonic()
    problems: list[str] = []
    with run_kafka(kafka) as bootstrap_servers:
        stand = Stand(folder, build_environment(bootstrap_servers))
        problems += _prepare(stand, bootstrap_servers)
        start_rate, capacities = options.start_rate, {}
        for workers in options.workers:
            capacity, found = _measure(stand, workers, start_rate, options)
            problems += found
            capacities[workers] = capacity
            start_rate = capacity or start_rate
    _conclude(capacities, problems, time.monotonic() - started, folder)
    return int(bool(problems))


def _prepare(stand: Stand, bootstrap_servers: str) -> list[str]:
    create_topics(Settings(bootstrap_servers=bootstrap_servers), PARTITIONS, 1)
    shape = ("--events", "5000", "--seed", "1", "--partitions", str(PARTITIONS), "--mean-list", "2", "--max-list", "5")
    code = stand.run("replay", "generate", str(stand.folder / "traffic.jsonl.zst"), *shape)
    return [f"generate ended with {code}"] if code else []


def _measure(
    stand: Stand, workers: int, start_rate: float, options: argparse.Namespace
) -> tuple[float | None, list[str]]:
    search = ("--find-capacity", "--start-rate", f"{start_rate:.3f}", "--tolerance", options.tolerance)
    found, problems = stand.replay(f"capacity-{workers}", workers, *search, "--warm-up", "5s", "--step", "30s")
    problems += [f"capacity-{workers}: {problem}" for problem in check_counts(found)]
    _print_processes(found)
    capacity = found.capacity_events_per_second
    if capacity is None:
        return None, [*problems, f"no capacity was found for {workers} workers"]
    steady = ("--rate", f"{capacity * STEADY_SHARE:.3f}", "--duration", f"{STEADY_SECONDS}s")
    report, more = stand.replay(f"steady-{workers}", workers, *steady)
    _print_processes(report)
    for check in (check_counts, check_throughput, check_latency):
        more += [f"steady-{workers}: {problem}" for problem in check(report)]
    return capacity, [*problems, *more]


def _print_processes(report: Report) -> None:
    for name in sorted({sample.process for sample in report.processes}):
        share = fmean(sample.cpu_share for sample in report.processes if sample.process == name)
        print(f"  {name}: {share:.2f} of a core, on average")


def _conclude(capacities: dict[int, float | None], problems: list[str], seconds: float, folder: Path) -> None:
    print()
    for workers, capacity in capacities.items():
        shared = f" (sharing {count_usable_cores()} cores with each other, Kafka and this tool)" if workers > 1 else ""
        shown = "none found" if capacity is None else f"{capacity:.2f} events/s"
        print(f"capacity of {workers} worker{'s' if workers > 1 else ''} of one thread: {shown}{shared}")
    for problem in problems:
        print(f"NOT AS EXPECTED: {problem}")
    print(f"{seconds / 60:.1f} minutes; reports in {folder}")


def build_environment(bootstrap_servers: str) -> dict[str, str]:
    """Build the environment of the commands: settings of this test only."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PRISM_")}
    return inherited | {"PRISM_BOOTSTRAP_SERVERS": bootstrap_servers, "PRISM_SESSION_TIMEOUT_SECONDS": "10"}


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.load.load_test", description="Finds the capacity.")
    parser.add_argument(
        "--workers", type=int, nargs="+", default=[1, 2], metavar="N", help="how many; default: 1 and 2"
    )
    parser.add_argument("--start-rate", type=float, default=2.0, metavar="RATE", help="events/s of the first step (2)")
    parser.add_argument("--tolerance", default="10%", metavar="SHARE", help="how close to come to the capacity (10%%)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KafkaMissingError as error:
        sys.exit(f"no Apache Kafka: {error}")
