"""A worker with its real model, a load with a bit of everything, and the settings that make all of it show."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Producer

from tests.broker.harness import Lane, build_event
from tests.deploy.monitoring import ROOT, find_free_port, is_answering, wait_until

LATE_SECONDS = 600
"""Far behind PRISM_OVERLOAD_DEADLINE_SECONDS."""
SENT_SECONDS = 20.0


@contextmanager
def run_real_worker(lane: Lane) -> Iterator[str]:
    """Run `prism worker` with the packaged model on one thread; yields the address of its metrics once it is ready."""
    port = find_free_port()
    settings = lane.settings
    environment = {
        "PRISM_BOOTSTRAP_SERVERS": settings.bootstrap_servers,
        "PRISM_INPUT_TOPIC": settings.input_topic,
        "PRISM_OUTPUT_TOPIC": settings.output_topic,
        "PRISM_DEAD_LETTER_TOPIC": settings.dead_letter_topic,
        "PRISM_CONSUMER_GROUP": settings.consumer_group,
        "PRISM_HTTP_HOST": "127.0.0.1",
        "PRISM_HTTP_PORT": str(port),
        "PRISM_INFERENCE_THREADS": "1",
        "PRISM_OVERLOAD": "template",
        "PRISM_BREAKER_SHARE": "1",
    }
    with (lane.folder / "real-worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "stream_app", "worker"],
            env={**_list_inherited(), **environment},
            cwd=ROOT,
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: is_answering(f"http://127.0.0.1:{port}/readyz"), "the worker is ready")
        yield f"127.0.0.1:{port}"
    finally:
        worker.kill()
        worker.wait()


def send_wave(lane: Lane, wave: int, events: int = 6) -> None:
    """Send good records, one that is no JSON, one that breaks the schema, and one that was written long ago."""
    producer = Producer({"bootstrap.servers": lane.broker.bootstrap_servers, "log_level": 0})
    now = int(time.time() * 1000)
    numbers = range(wave * events, (wave + 1) * events)
    good = [(build_event(number, items=1 + number % 3), now) for number in numbers]
    bad = [(b"{", now), (build_event(wave, items=0), now), (build_event(wave), now - LATE_SECONDS * 1000)]
    for number, (value, milliseconds) in enumerate([*good, *bad]):
        key = f"key-{number % 17}".encode()
        producer.produce(lane.settings.input_topic, value, key=key, timestamp=milliseconds)
    assert producer.flush(SENT_SECONDS) == 0


def _list_inherited() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("PRISM_")}


@contextmanager
def run_embedded_broker(folder: Path) -> Iterator[str]:
    """Run the embedded broker as a process of its own, which is killed at the end; yields its address."""
    port_file = folder / "broker-address"
    command = [sys.executable, "-m", "stream_app.local.broker", "--port-file", str(port_file)]
    broker = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        wait_until(port_file.exists, "the broker answers")
        yield port_file.read_text(encoding="utf-8")
    finally:
        broker.kill()
        broker.wait()
