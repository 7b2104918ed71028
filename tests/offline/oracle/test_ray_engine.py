"""The label step on a local Ray, in a process of its own: Ray's threads and warnings would outlive the test."""

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from tests.offline.oracle.chat_server import ChatServer
from tests.offline.oracle.label_run import read_candidates, run_label, write_prepared

ROOT = Path(__file__).resolve().parents[3]

pytest.importorskip("ray", reason="Ray is not installed: pip install prism-explain[ray]")


@pytest.mark.slow
def test_ray_writes_the_same_files_as_this_process_with_the_same_seeds(tmp_path: Path) -> None:
    write_prepared(tmp_path / "prepare", train=5, dev=2)
    with ChatServer() as server:
        oracle = {"backend": "openai", "model": "teacher", "base_url": server.url}
        options = {"oracle": oracle, "candidates": 2, "batch_size": 2}
        run_label(tmp_path, options, "local")
        seeds = sorted(body["seed"] for body in server.bodies)
        server.bodies.clear()
        _run_on_ray(tmp_path, options)
        assert sorted(body["seed"] for body in server.bodies) == seeds
    assert len(read_candidates(tmp_path / "ray")) == 7
    for name in ("train.jsonl", "dev.jsonl"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "local" / name).read_bytes()


def _run_on_ray(folder: Path, options: dict[str, object]) -> None:
    engine = {"engine": "ray", "ray": {"workers": 2, "cpus_per_worker": 0.5}}
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "OMP_NUM_THREADS": "1"}
    environment["RAY_raylet_start_wait_time_s"] = "300"  # A busy machine takes longer than Ray's own limit.
    command = [sys.executable, "-m", "tests.offline.oracle.label_run", str(folder)]
    command += [orjson.dumps(options | engine).decode(), "ray"]
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, timeout=600, check=False)
    assert finished.returncode == 0, finished.stderr.decode()[-2000:]
