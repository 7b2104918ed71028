"""`python -m tests.chaos`: run the fault matrix, resume where it stopped, write the results."""

import argparse
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from tests.broker.kafka_server import KafkaMissingError, install_kafka
from tests.chaos.report import STORE, compute_fingerprint, load_result, save_result, write_report
from tests.chaos.rows import ROWS, Row
from tests.chaos.run import EVENTS, describe, run_row
from tests.chaos.stage import Delivery


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; returns 1 where a row is not as expected."""
    options = _parse(arguments)
    # Brokers and workers are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    install_kafka()
    fingerprint = compute_fingerprint()
    wanted = [(row, delivery) for row in ROWS for delivery in row.deliveries if _is_wanted(row, delivery, options)]
    for row, delivery in wanted:
        kept = None if options.again else load_result(row, delivery, None if options.keep else fingerprint)
        if kept is None:
            _run(row, delivery, options, fingerprint)
        else:
            print(f"{row.name} {delivery}: kept, measured at {kept['commit']}")
    done = [kept for row in ROWS for delivery in row.deliveries if (kept := load_result(row, delivery, None))]
    if not options.brief:
        write_report(done)
    return int(any(one["problems"] for one in done))


def _run(row: Row, delivery: Delivery, options: Any, fingerprint: str) -> None:
    started = time.monotonic()
    result = run_row(row, delivery, STORE / "logs" / f"{row.name}-{delivery}", options.events, options.runs)
    print(f"{row.name} {describe(result)} ({time.monotonic() - started:.0f} s)", flush=True)
    for problem in result.problems:
        print(f"  NOT AS EXPECTED: {problem}", flush=True)
    if not options.brief:
        save_result(row, result, fingerprint)


def _is_wanted(row: Row, delivery: Delivery, options: Any) -> bool:
    return (not options.rows or row.name in options.rows) and options.delivery in (None, delivery)


def _parse(arguments: Sequence[str] | None) -> Any:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Runs the fault matrix.")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"default: all of {' '.join(row.name for row in ROWS)}")
    parser.add_argument("--delivery", choices=("at-least-once", "exactly-once"))
    parser.add_argument("--again", action="store_true", help="run rows that are done already")
    parser.add_argument("--keep", action="store_true", help="keep results that were measured at other code, too")
    parser.add_argument("--brief", action="store_true", help="only try: keep and write nothing")
    parser.add_argument("--events", type=int, default=EVENTS, help="fewest events of a run")
    parser.add_argument("--runs", type=int, help="runs of a row")
    options = parser.parse_args(arguments)
    if unknown := set(options.rows) - {row.name for row in ROWS}:
        parser.error(f"unknown rows: {' '.join(sorted(unknown))}")
    return options


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KafkaMissingError as error:
        sys.exit(f"no Apache Kafka: {error}")
