"""The embedded broker: librdkafka's mock cluster, which speaks Kafka over TCP and needs nothing but pip.

For demos and tests only. Topics appear when they are first asked for. It forgets everything when it ends, keeps
about 5 MB per partition and drops older records in silence: keep the backlog of unread records below that.
"""

import argparse
import signal
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from confluent_kafka import Producer

PARTITIONS: Final = 4
"""How many partitions each topic gets; librdkafka has no option for it."""

START_SECONDS: Final = 10.0


class EmbeddedBroker:
    """A broker on the loopback interface while it is entered."""

    def __init__(self, brokers: int = 1) -> None:
        self._brokers = brokers
        self._owner: Producer | None = None
        self.bootstrap_servers = ""

    def __enter__(self) -> Self:
        # The cluster lives in librdkafka's threads as long as this client does. Level 4: its greeting is no warning.
        self._owner = Producer({"test.mock.num.brokers": self._brokers, "log_level": 4})
        metadata = self._owner.list_topics(timeout=START_SECONDS)
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._owner = None


def main(arguments: list[str] | None = None) -> int:
    """Run a broker as a process of its own until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="A Kafka broker for development; it keeps nothing.")
    parser.add_argument("--port-file", type=Path, help="where to write host:port once the broker answers")
    options = parser.parse_args(arguments)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with EmbeddedBroker() as broker:
        sys.stdout.write(f"{broker.bootstrap_servers}\n")
        sys.stdout.flush()
        if options.port_file:
            _write_at_once(options.port_file, broker.bootstrap_servers)
        ended.wait()
    return 0


def _write_at_once(path: Path, text: str) -> None:
    # A reader that polls for the file must never see half of it.
    draft = path.with_suffix(".draft")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
