"""The command line: help, schema, settings, and usage errors."""

import os
import signal
import socket
import subprocess
import sys

import orjson
import pytest

from stream_app.cli import main
from stream_app.exit_codes import ExitCode


@pytest.mark.parametrize("contract", ["ranking-event", "explanation", "dead-letter"])
def test_schema_prints_json_schema_with_its_bounds(contract: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["schema", contract]) == ExitCode.OK
    sys.stdout.flush()
    schema = orjson.loads(capfdbinary.readouterr().out)
    assert schema["type"] == "object"
    if contract == "ranking-event":
        assert schema["properties"]["items"]["maxItems"] == 200


@pytest.mark.parametrize(
    "arguments",
    [[], ["nonsense"], ["schema", "nonsense"], ["explain"], ["topics"], ["dlq"], ["dlq", "list", "--limit", "0"]],
)
def test_a_usage_error_ends_with_code_64(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == ExitCode.USAGE
    assert "prism: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [["--help"], ["explain", "--help"], ["topics", "create", "--help"], ["dlq", "replay", "--help"]],
)
def test_help_ends_with_code_0(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(command)
    assert caught.value.code == ExitCode.OK
    assert "usage: prism" in capsys.readouterr().out


def test_config_prints_every_setting_and_masks_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sasl = {
        "SECURITY_PROTOCOL": "SASL_SSL",
        "SASL_MECHANISM": "PLAIN",
        "SASL_USERNAME": "u",
        "SASL_PASSWORD": "canary-7c1",
    }
    for name, value in sasl.items():
        monkeypatch.setenv(f"PRISM_{name}", value)
    assert main(["config"]) == ExitCode.OK
    output = capsys.readouterr().out
    assert "PRISM_BOOTSTRAP_SERVERS=" in output
    assert "PRISM_CONSUMER_GROUP=" in output
    assert "canary-7c1" not in output


def test_all_wrong_settings_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRISM_HTTP_PORT", "a lot")
    monkeypatch.setenv("PRISM_BATCH_RECORDS", "-1")
    assert main(["config"]) == ExitCode.CONFIGURATION
    error = capsys.readouterr().err
    assert "PRISM_HTTP_PORT" in error
    assert "PRISM_BATCH_RECORDS" in error


def test_explaining_needs_neither_kafka_nor_torch() -> None:
    program = (
        "import sys, stream_app.cli, stream_app.explain, stream_app.bootstrap\n"
        "print([name for name in ('faust', 'aiokafka', 'torch', 'transformers') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"[]"


def test_a_worker_that_is_still_starting_ends_with_0_when_told_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        # A broker that takes connections and never answers.
        settings = {"PRISM_BOOTSTRAP_SERVERS": f"127.0.0.1:{silent.getsockname()[1]}", "PRISM_HTTP_PORT": "0"}
        worker = subprocess.Popen(
            [sys.executable, "-m", "stream_app", "worker"], env={**os.environ, **settings}, stderr=subprocess.PIPE
        )
        assert worker.stderr is not None
        assert any(b"probes_listening" in line for line in worker.stderr)
        worker.send_signal(signal.SIGTERM)
        worker.stderr.close()
        assert worker.wait(30) == ExitCode.OK
