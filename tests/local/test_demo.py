"""The whole demo on the embedded broker, with invented ratings and a worker whose model needs no weights."""

import hashlib
import io
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from stream_app.exit_codes import ExitCode
from stream_app.local import movielens
from stream_app.local.demo import EXIT_INTERRUPTED, run_demo
from tests.local.test_traffic import make_data
from tests.local.test_worker_process import is_running

ROOT = Path(__file__).parents[2]
WORKER = [sys.executable, "-m", "tests.local.scripted_worker"]
EVENTS = 24


class ActingOutput(io.StringIO):
    """Collects what is printed, and does something to a process after so many explanations."""

    def __init__(self, after: int = 10_000, number: signal.Signals = signal.SIGKILL, own_process: bool = False) -> None:
        super().__init__()
        self._after = after
        self._signal = number
        self._own_process = own_process
        self.worker_pid = 0

    def write(self, text: str) -> int:
        if match := re.search(r"worker process (\d+) is ready", text):
            self.worker_pid = int(match[1])
        if " | " in text:
            self._after -= 1
            if self._after == 0:
                os.kill(os.getpid() if self._own_process else self.worker_pid, self._signal)
        return super().write(text)


@pytest.fixture(autouse=True)
def _invented_movielens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts invented ratings where the demo looks for MovieLens-100k."""
    data = make_data(users=30)
    films = "".join(f"{f.film_id}\t{f.title}\t{f.year}\tDrama\n" for f in data.films.values())
    ratings = "".join(f"{r.user_id}\t{r.film_id}\t{r.value}\t{r.rated_at.timestamp()}\n" for r in data.ratings)
    contents = {
        movielens.ITEM_FILE: "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n" + films,
        movielens.RATING_FILE: "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + ratings,
    }
    folder = tmp_path / "cache" / "demo"
    folder.mkdir(parents=True)
    for name, text in contents.items():
        (folder / name).write_text(text, encoding="utf-8")
    checksums = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in contents.items()}
    monkeypatch.setattr(movielens, "FILE_SHA256", checksums)
    monkeypatch.setenv("PRISM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("PRISM_BOOTSTRAP_SERVERS", raising=False)


def test_every_event_comes_back_explained_and_the_saved_file_holds_it_all(tmp_path: Path) -> None:
    output, saved = ActingOutput(), tmp_path / "saved.jsonl"
    assert run_demo(saved, EVENTS, worker_command=WORKER, output=output) == ExitCode.OK, output.getvalue()
    rows = [json.loads(line) for line in saved.read_text(encoding="utf-8").splitlines()]
    keys = {(row["explanation"]["event_id"], row["explanation"]["item_id"]) for row in rows}
    assert keys == {(row["event"]["event_id"], item["item_id"]) for row in rows for item in row["event"]["items"]}
    assert len(rows) == len(keys) == output.getvalue().count(" | ") // 2 == EVENTS * 5
    assert all("prism-inference-seconds" in row["headers"] for row in rows)
    assert f"complete: {EVENTS} events in, {EVENTS * 5} explanations out, 0 missing" in output.getvalue()
    assert not is_running(output.worker_pid)


def test_a_worker_killed_in_the_middle_of_the_traffic_is_restarted_and_nothing_is_missing() -> None:
    output = ActingOutput(after=EVENTS * 2)
    assert run_demo(None, EVENTS, worker_command=WORKER, output=output) == ExitCode.OK, output.getvalue()
    assert "the worker ended with signal 9; starting it again" in output.getvalue()
    assert f"{EVENTS * 5} explanations out, 0 missing, 0 dead letters" in output.getvalue()


def test_ctrl_c_ends_the_worker_keeps_what_came_and_says_so(tmp_path: Path) -> None:
    output, saved = ActingOutput(after=20, number=signal.SIGINT, own_process=True), tmp_path / "saved.jsonl"
    assert run_demo(saved, EVENTS, worker_command=WORKER, output=output) == EXIT_INTERRUPTED
    assert 20 <= len(saved.read_text(encoding="utf-8").splitlines()) < EVENTS * 5
    assert "INCOMPLETE" in output.getvalue()
    assert not is_running(output.worker_pid)


def test_a_worker_that_cannot_start_is_reported_with_its_log_and_its_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    broken = [sys.executable, "-c", "import sys; print('model_unusable: another fingerprint'); sys.exit(78)"]
    assert run_demo(None, 1, worker_command=broken, output=io.StringIO()) == ExitCode.CONFIGURATION
    assert "another fingerprint" in capsys.readouterr().err


@pytest.mark.parametrize("events", [0, -1])
def test_a_demo_without_events_is_a_wrong_use(events: int) -> None:
    assert run_demo(None, events, output=io.StringIO()) == ExitCode.USAGE


def test_a_file_that_cannot_be_written_is_told_before_the_run(tmp_path: Path) -> None:
    output = io.StringIO()
    assert run_demo(tmp_path / "missing" / "saved.jsonl", 1, output=output) == ExitCode.USAGE
    assert output.getvalue() == ""
