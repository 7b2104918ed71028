"""What a roll costs a worker at work: seconds, memory, the longest wait for a batch; with the packaged model.

`python -m tests.benchmarks.model_roll [--rolls N]`, on the embedded broker. It rolls between two versions that are both
the packaged model.
"""

import argparse
import json
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import orjson

from stream_app.core.manifest import MANIFEST_NAME
from stream_app.local.broker import EmbeddedBroker
from stream_app.runtime.artifact import find_artifact
from stream_app.runtime.model_pointer import Pointer, roll_pointer
from tests.broker.harness import Broker, Lane, WorkerProcess, build_events

VERSIONS = ("0.3.0", "0.3.1")
CHUNK = 20
PAUSE_SECONDS = 0.5


def make_home(folder: Path) -> Path:
    for version in VERSIONS:
        shutil.copytree(find_artifact(), folder / version)
        path = folder / version / MANIFEST_NAME
        path.write_bytes(orjson.dumps(orjson.loads(path.read_bytes()) | {"version": version}))
    roll_pointer(folder, Pointer(VERSIONS[0]))
    return folder


@contextmanager
def send_events(lane: Lane) -> Iterator[None]:
    is_stopped = threading.Event()

    def send() -> None:
        count = 0
        while not is_stopped.wait(PAUSE_SECONDS):
            lane.send(build_events(count + CHUNK)[count:])
            count += CHUNK

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        is_stopped.set()
        thread.join()


def roll(worker: WorkerProcess, home: Path, version: str) -> int:
    """Roll, and wait for it; returns the most memory seen on the way, in bytes."""
    memory = [worker.read_memory()]
    sample = f'prism_records_by_model_total{{name="prism-small",role="serving",version="{version}"}}'
    before = worker.read_metric(sample)
    roll_pointer(home, Pointer(version))
    while worker.read_metric(sample) <= before:
        memory.append(worker.read_memory())
        time.sleep(0.02)
    return max(memory)


def list_settled(worker: WorkerProcess) -> list[float]:
    """List the seconds between settled batches."""
    times = [time_of(entry["timestamp"]) for entry in worker.read_entries() if entry["message"] == "batch_settled"]
    return [later - earlier for earlier, later in pairwise(times)]


def time_of(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rolls", type=int, default=5)
    options = parser.parse_args()
    with EmbeddedBroker() as broker, tempfile.TemporaryDirectory() as name:
        home = make_home(Path(name) / "models")
        lane = Lane(Broker(broker.bootstrap_servers, forgets=True), "roll", Path(name))
        lane.create_topics()
        report(start_worker(lane, home), lane, home, options.rolls)


def start_worker(lane: Lane, home: Path) -> WorkerProcess:
    settings = {
        "PRISM_BOOTSTRAP_SERVERS": lane.settings.bootstrap_servers,
        "PRISM_INPUT_TOPIC": lane.settings.input_topic,
        "PRISM_OUTPUT_TOPIC": lane.settings.output_topic,
        "PRISM_DEAD_LETTER_TOPIC": lane.settings.dead_letter_topic,
        "PRISM_CONSUMER_GROUP": lane.settings.consumer_group,
        "PRISM_HTTP_PORT": "0",
        "PRISM_MODEL": str(home),
        "PRISM_MODEL_CHECK_SECONDS": "0.1",
    }
    return WorkerProcess(settings, lane.folder / "worker.log", ("stream_app", "worker"))


def report(worker: WorkerProcess, lane: Lane, home: Path, rolls: int) -> None:
    try:
        with send_events(lane):
            worker.wait_until(lambda: worker.read_metric("prism_commits_total") >= 20, "20 batches")
            quiet = list_settled(worker)
            memory = worker.read_memory()
            peaks = [roll(worker, home, VERSIONS[(number + 1) % 2]) for number in range(rolls)]
            gaps = list_settled(worker)[len(quiet) :]
        loads = [
            one["seconds"] for one in worker.read_entries() if one["message"] in ("model_loaded", "model_rolled_back")
        ]
        result = {
            "load_seconds_median": statistics.median(loads),
            "load_seconds_longest": max(loads),
            "memory_before_mib": round(memory / 2**20),
            "memory_most_mib_by_roll": [round(peak / 2**20) for peak in peaks],
            "memory_after_mib": round(worker.read_memory() / 2**20),
            "between_batches_longest_before": round(max(quiet), 3),
            "between_batches_longest_while_rolling": round(max(gaps), 3),
        }
        print(json.dumps(result, indent=2))
    finally:
        worker.end()


if __name__ == "__main__":
    main()
