"""A worker in the image, and how long it takes to become ready: `python -m tests.deploy.image_worker IMAGE`."""

import argparse
import os
import re
import signal
import statistics
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import psutil

from stream_app.kafka.clients import create_topics
from stream_app.local.broker import EmbeddedBroker
from stream_app.local.worker_process import find_free_port
from stream_app.settings import Settings
from tests.deploy.built_image import BuiltImage, open_image

READY_SECONDS = 180.0
STOP_SECONDS = 30.0
STARTS = 5


@dataclass(frozen=True, slots=True)
class Start:
    """What one start took until the worker was ready."""

    seconds: float
    cpu_seconds: float


class ImageWorker:
    """A worker process that runs from the files of an image."""

    def __init__(self, image: BuiltImage, bootstrap_servers: str) -> None:
        create_topics(Settings(bootstrap_servers=bootstrap_servers), partitions=4, replication=1)
        self._port = find_free_port()
        environment = image.build_environment(
            PRISM_BOOTSTRAP_SERVERS=bootstrap_servers, PRISM_HTTP_PORT=str(self._port)
        )
        self._started_at = time.monotonic()
        self._process = subprocess.Popen(image.build_command("worker"), env=environment, stderr=subprocess.DEVNULL)

    def wait_until_ready(self) -> Start:
        """Wait for /readyz to answer 200; returns what it took, all of the machine's load included."""
        while not self._is_ready():
            waited = time.monotonic() - self._started_at
            assert self._process.poll() is None, f"the worker ended with code {self._process.returncode}"
            assert waited < READY_SECONDS, "the worker is not ready in time"
            time.sleep(0.01)
        spent = psutil.Process(self._process.pid).cpu_times()
        return Start(time.monotonic() - self._started_at, spent.user + spent.system)

    def stop(self) -> int:
        """Send SIGTERM; returns the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_SECONDS)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/readyz", timeout=5) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False


def measure_starts(image: BuiltImage, starts: int = STARTS) -> list[Start]:
    """Measure from the start of the process to /readyz, on a broker of its own; the files are in the page cache."""
    measured = []
    for _ in range(starts + 1):
        with EmbeddedBroker() as broker:
            worker = ImageWorker(image, broker.bootstrap_servers)
            measured.append(worker.wait_until_ready())
            worker.stop()
    return measured[1:]


def main() -> None:
    """Print the processor, its load, and the starts of an image."""
    parser = argparse.ArgumentParser()
    parser.add_argument("image")
    with open_image(parser.parse_args().image) as image:
        starts = measure_starts(image)
    (processor, *_) = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    print(f"{os.cpu_count()} x {processor}, load {os.getloadavg()[0]:.1f}")
    for start in starts:
        print(f"ready after {start.seconds:.2f} s, of the processor {start.cpu_seconds:.2f} s")
    seconds = statistics.median(start.seconds for start in starts)
    print(f"median {seconds:.2f} s, of the processor {statistics.median(start.cpu_seconds for start in starts):.2f} s")


if __name__ == "__main__":
    main()
