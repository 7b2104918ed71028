"""How fast can one `prism replay` send? `python -m tests.load.ceiling` on Apache Kafka, without workers.

Nothing is explained: what counts is that every event left, and how late.
"""

import argparse
import tempfile
from pathlib import Path

from stream_app.kafka.clients import create_topics
from stream_app.replay.folder import load_report
from stream_app.settings import Settings
from tests.broker.kafka_server import install_kafka, run_kafka
from tests.load.load_test import PARTITIONS, Stand, build_environment


def main() -> None:
    """Send at each rate, and say how late the events left."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rates", type=int, nargs="+", default=[5_000, 7_500, 10_000], metavar="RATE")
    parser.add_argument("--seconds", type=int, default=15)
    options = parser.parse_args()
    install_kafka()
    with tempfile.TemporaryDirectory() as folder, run_kafka(Path(folder)) as bootstrap_servers:
        stand = Stand(Path(folder), build_environment(bootstrap_servers))
        create_topics(Settings(bootstrap_servers=bootstrap_servers), PARTITIONS, 1)
        recording = str(stand.folder / "traffic.jsonl.zst")
        stand.run("replay", "generate", recording, "--events", "5000", "--mean-list", "2", "--max-list", "5")
        found = [measure(stand, recording, rate, options.seconds) for rate in options.rates]
    print("\n".join(["", *found]))


def measure(stand: Stand, recording: str, rate: int, seconds: int) -> str:
    """Send at one rate."""
    folder = stand.folder / f"at-{rate}"
    length = ("--rate", f"{rate}/s", "--duration", f"{seconds}s", "--patience", "1s")
    stand.run("replay", "run", recording, *length, "--run-id", folder.name, "--report", str(folder))
    report = load_report(folder)
    sent = sum(second.sent_events for second in report.seconds)
    return f"{rate:,} events/s for {seconds} s: {sent:,} sent, late by {(report.lateness.p99 or 0) * 1000:.1f} ms (p99)"


if __name__ == "__main__":
    main()
