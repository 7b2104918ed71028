"""`prism demo` as a newcomer runs it: MovieLens-100k, the shipped model, a worker process, and a kill in the middle."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from stream_app.local.movielens import DemoDataError, ensure_movielens, find_cache_directory
from tests import check_saved_demo
from tests.local.test_worker_process import is_running

ROOT = Path(__file__).parents[2]
EVENTS = 12
KILL_EVENTS = 40
MODEL_SHARE = 0.8
LIMIT_SECONDS = 300


@pytest.fixture(scope="module", autouse=True)
def _movielens() -> None:
    try:
        ensure_movielens(find_cache_directory(os.environ, ROOT))
    except DemoDataError as error:
        pytest.skip(f"the demo's data is not here: {error}")


@contextmanager
def start_demo(*arguments: str) -> Iterator["subprocess.Popen[str]"]:
    kept = {name for name in os.environ if not name.startswith("PRISM_") or name == "PRISM_CACHE"}
    environment = {name: os.environ[name] for name in kept}
    command = [sys.executable, "-m", "stream_app", "demo", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield process
        finally:
            process.kill()


def read_worker_pid(line: str) -> int | None:
    match = re.search(r"worker process (\d+) is ready", line)
    return int(match[1]) if match else None


def check_file(saved: Path) -> tuple[int, dict[str, object]]:
    script = [sys.executable, check_saved_demo.__file__, str(saved)]
    result = subprocess.run(script, capture_output=True, text=True, check=False)
    return result.returncode, json.loads(result.stdout)


def test_the_demo_is_complete_and_its_texts_name_nothing_that_the_events_lack(tmp_path: Path) -> None:
    saved = tmp_path / "saved.jsonl"
    with start_demo("--events", str(EVENTS), "--save", str(saved)) as demo:
        shown, _ = demo.communicate(timeout=LIMIT_SECONDS)
    assert demo.returncode == 0, shown
    assert f"complete: {EVENTS} events in, {EVENTS * 5} explanations out, 0 missing, 0 dead letters" in shown
    exit_code, summary = check_file(saved)
    assert exit_code == 0, summary
    assert summary["explanations"] == EVENTS * 5
    assert summary["with_bad_evidence"] == summary["outside_word_bounds"] == 0, summary
    model_share = summary["model_share"]
    assert isinstance(model_share, float)
    assert model_share >= MODEL_SHARE, summary


def test_a_worker_killed_in_the_middle_of_the_traffic_loses_nothing() -> None:
    lines, explained, worker_pid = [], 0, None
    with start_demo("--events", str(KILL_EVENTS)) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            lines.append(line)
            worker_pid = worker_pid or read_worker_pid(line)
            explained += " | " in line
            if explained == KILL_EVENTS * 2 and worker_pid:
                os.kill(worker_pid, signal.SIGKILL)
                explained += 1
        demo.wait(timeout=LIMIT_SECONDS)
    shown = "".join(lines)
    assert demo.returncode == 0, shown
    assert "the worker ended with signal 9; starting it again" in shown
    assert f"complete: {KILL_EVENTS} events in, {KILL_EVENTS * 5} explanations out, 0 missing" in shown


def test_ctrl_c_ends_the_demo_and_leaves_no_worker_behind() -> None:
    worker_pid = None
    with start_demo("--events", str(KILL_EVENTS)) as demo:
        assert demo.stdout is not None
        for line in demo.stdout:
            worker_pid = worker_pid or read_worker_pid(line)
            if " | " in line:
                demo.send_signal(signal.SIGINT)
                break
        demo.communicate(timeout=LIMIT_SECONDS)
    assert demo.returncode == 130
    assert worker_pid is not None
    assert not is_running(worker_pid)
