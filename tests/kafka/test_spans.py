"""Tracing that is off costs nothing and changes nothing."""

import subprocess
import sys

import pytest

from stream_app.kafka.records import Headers, IncomingRecord
from stream_app.kafka.spans import NO_TRACING, build_tracing
from stream_app.settings import Settings, SettingsError
from tests.broker.harness import build_event
from tests.kafka.test_delivery import FakeGuarantee, deliver


def test_tracing_is_off_unless_it_is_asked_for() -> None:
    assert build_tracing(Settings()) is NO_TRACING


def test_without_tracing_records_stay_the_very_objects_that_they_were() -> None:
    headers: Headers = (("traceparent", b"00-any-thing-01"), ("traceparent", None))
    records = [IncomingRecord("in", 0, 0, None, None, headers)]
    with NO_TRACING.trace_batch(records) as trace:
        assert trace.records is records


def test_without_tracing_headers_pass_through_untouched() -> None:
    guarantee = FakeGuarantee()
    deliver(guarantee, build_event(1), None)
    for record in guarantee.explanations + guarantee.letters:
        assert record.headers[0] == ("h", b"1")
        assert "traceparent" not in dict(record.headers)


def test_without_tracing_nothing_of_opentelemetry_is_loaded() -> None:
    program = (
        "import sys\n"
        "from stream_app.kafka import worker\n"
        "from stream_app.kafka.spans import build_tracing\n"
        "from stream_app.settings import Settings\n"
        "build_tracing(Settings())\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    # Faust itself loads opentracing, another library.
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    assert done.stdout.strip() == b"[]"


def test_tracing_without_the_extra_is_a_settings_error_that_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.endswith(("kafka.open_telemetry", "stream_app.tracing"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry.context", None)
    with pytest.raises(SettingsError, match=r"pip install 'prism-explain\[tracing\]'"):
        build_tracing(Settings(tracing="otlp"))
