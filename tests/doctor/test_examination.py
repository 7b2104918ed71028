"""The whole of `prism doctor`: each check runs, in order, and the exit code tells scripts what came out."""

import json
import socket
import sys

import pytest

from stream_app.cli import main
from stream_app.doctor.examination import examine
from stream_app.exit_codes import DoctorCode
from stream_app.kafka.clients import create_topics
from stream_app.local.broker import EmbeddedBroker
from stream_app.settings import Settings

CHECKS = {"settings", "cpu", "threads", "model", "speed", "memory", "broker"}
CLUSTER_CHECKS = {"topics", "rights", "partitions", "replication", "sizes"}


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(f"PRISM_{name.upper()}", raising=False)
    monkeypatch.setenv("PRISM_INFERENCE_THREADS", "1")


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def test_a_broker_with_its_topics_passes(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with EmbeddedBroker() as broker:
        monkeypatch.setenv("PRISM_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
        create_topics(Settings(bootstrap_servers=broker.bootstrap_servers), partitions=2, replication=1)
        assert main(["doctor", "--replicas", "2", "--json"]) == DoctorCode.FINE
    report = json.loads(capsys.readouterr().out)
    assert report["ok"] is True
    assert {one["check"] for one in report["findings"]} >= CHECKS | CLUSTER_CHECKS


def test_a_broker_without_topics_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedBroker() as broker:
        monkeypatch.setenv("PRISM_BOOTSTRAP_SERVERS", broker.bootstrap_servers)
        assert main(["doctor"]) == DoctorCode.PROBLEMS
    output = capsys.readouterr().out
    assert "problem  topics" in output
    assert "-> prism topics create" in output


def test_without_a_broker_the_other_checks_still_run(monkeypatch: pytest.MonkeyPatch, closed_port: int) -> None:
    monkeypatch.setenv("PRISM_BOOTSTRAP_SERVERS", f"127.0.0.1:{closed_port}")
    report = examine({}, None)
    assert {one.check for one in report.findings} == CHECKS
    assert [one.check for one in report.findings if one.level == "problem"] == ["broker"]


def test_wrong_settings_are_all_named_and_no_secret_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PRISM_HTTP_PORT", "many")
    monkeypatch.setenv("PRISM_BATCH_RECORDS", "0")
    monkeypatch.setenv("PRISM_SASL_PASSWORD", "canary-88d")
    assert main(["doctor"]) == DoctorCode.PROBLEMS
    captured = capsys.readouterr()
    for name in ("PRISM_HTTP_PORT", "PRISM_BATCH_RECORDS"):
        assert f"problem  settings  {name}" in captured.out
    assert "canary-88d" not in captured.out + captured.err


def test_tracing_without_its_extra_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRISM_TRACING", "otlp")
    for name in [name for name in sys.modules if name.endswith(("kafka.open_telemetry", "stream_app.tracing"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    [first, *_] = examine({}, None).findings
    assert first.level == "problem"
    assert "prism-explain[tracing]" in first.message
