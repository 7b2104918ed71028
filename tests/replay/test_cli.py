"""The commands, as far as they go without a broker."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import orjson
import pytest

from stream_app.cli import main
from stream_app.exit_codes import ExitCode, LoadTestCode
from stream_app.replay.commands import run_cancellable
from stream_app.replay.folder import save_report
from stream_app.replay.recording import open_recording
from tests.replay.linked import write_recording
from tests.replay.reporting import build_report


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["replay", "nonsense"],
        ["replay", "run"],
        ["replay", "run", "x", "--rate", "fast"],
        ["replay", "run", "x", "--profile", "saw"],
        ["capacity", "x"],
    ],
)
def test_a_usage_error_of_the_parser_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == LoadTestCode.USAGE
    assert "prism: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--slo", "p99=fast"],
        ["--max-lost", "few"],
        ["--fault", "explode@3s", "--workers", "1"],
        ["--fault", "kill@3s"],
        ["--profile", "ramp", "--rate", "5/s"],
        ["--speed", "2x", "--rate", "5/s"],
        ["--run-id", "a b"],
        ["--find-capacity", "--rate", "5/s"],
        ["--start-rate", "5/s"],
        ["--from", "900s", "--dry-run", "--rate", "1/s", "--duration", "3s"],
    ],
)
def test_what_does_not_go_together_ends_with_2_and_one_sentence(
    tmp_path: Path, flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "run", str(write_recording(tmp_path)), *flags]) == LoadTestCode.USAGE
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_broker_elsewhere_needs_an_explicit_flag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRISM_BOOTSTRAP_SERVERS", "kafka.example:9092")
    folder = tmp_path / "result"
    command = ["replay", "run", str(write_recording(tmp_path)), "--report", str(folder)]
    assert main(command) == LoadTestCode.USAGE
    assert capsys.readouterr().err.count("--allow-remote") == 1
    assert not folder.exists()


def test_a_broker_that_does_not_answer_ends_with_69(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISM_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    command = ["replay", "run", str(write_recording(tmp_path)), "--report", str(tmp_path / "result")]
    assert main(command) == ExitCode.BROKER_UNREACHABLE


def test_a_dry_run_tells_what_would_be_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRISM_BOOTSTRAP_SERVERS", "kafka.example:9092")
    flags = ["--dry-run", "--rate", "4/s", "--duration", "10s", "--run-id", "dry", "--report", str(tmp_path / "result")]
    assert main(["replay", "run", str(write_recording(tmp_path, items=2)), *flags]) == LoadTestCode.PASS
    output = capsys.readouterr().out
    for part in ("40 events", "80 items", "dry-0, dry-1, dry-2", "ranking-events on kafka.example:9092"):
        assert part in output
    assert not (tmp_path / "result").exists()


def test_generated_traffic_is_a_recording(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "made.parquet"
    flags = ["--events", "30", "--users", "5", "--partitions", "2", "--rate", "9/s", "--mean-list", "2", "--seed", "3"]
    assert main(["replay", "generate", str(path), *flags]) == LoadTestCode.PASS
    records = list(open_recording(path))
    assert len(records) == 30
    assert {record.partition for record in records} <= {0, 1}
    assert "30 events" in capsys.readouterr().out


def test_reports_are_drawn_again_and_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    save_report(first, build_report())
    save_report(second, build_report(run_id="run-2"))
    assert main(["replay", "report", str(first)]) == LoadTestCode.PASS
    assert (first / "report.html").exists()
    assert main(["replay", "report", str(first), str(second), "--folder", str(tmp_path / "c")]) == LoadTestCode.PASS
    assert (tmp_path / "c" / "report.html").exists()
    assert "B against A" in capsys.readouterr().out
    assert main(["replay", "report", str(tmp_path / "missing")]) == LoadTestCode.USAGE


def test_a_report_becomes_a_layout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_report(tmp_path, build_report())
    assert main(["capacity", str(tmp_path), "--events-per-second", "100", "--json"]) == LoadTestCode.PASS
    # 24.5 events/s a worker, 30 % headroom.
    assert orjson.loads(capsys.readouterr().out)["replicas"] == 6
    assert main(["capacity", str(tmp_path), "--events-per-second", "100", "--p99", "1ms"]) == LoadTestCode.USAGE


def test_a_missing_library_is_one_sentence(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['altair'] = None\n"
        "from stream_app.cli import main\n"
        f"sys.exit(main(['replay', 'report', {str(tmp_path)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == LoadTestCode.USAGE
    assert done.stderr == "prism: load tests need altair: pip install 'prism-explain[replay]'\n"


def test_the_help_loads_neither_kafka_nor_charts() -> None:
    heavy = ("aiokafka", "faust", "altair", "pyarrow", "hdrh", "pydantic_settings", "psutil")
    program = f"import sys, stream_app.cli\nprint([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"[]"


def test_sigterm_cancels_the_run_and_what_it_returns_stands() -> None:
    import asyncio

    async def work() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "kept"
        return "slept"

    killer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM))
    killer.start()
    started = time.monotonic()
    assert run_cancellable(work()) == "kept"
    assert time.monotonic() - started < 30


def test_a_run_that_is_cancelled_before_it_began_is_an_interruption() -> None:
    import asyncio

    killer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    killer.start()
    with pytest.raises(KeyboardInterrupt):
        run_cancellable(asyncio.sleep(60))
