"""Has the worker started, is it alive, is it ready: answered over HTTP, from an own thread beside a busy loop."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Final, Self

from stream_app.telemetry import Metrics

TICK_LIMIT_SECONDS: Final = 30.0
"""An event loop that has not ticked for so long is stuck."""

CONTENT_TYPE_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a probe and the reason for it."""

    is_ok: bool
    reason: str


@dataclass(slots=True)
class Health:
    """What the worker's loop notes about itself; the probes' thread only reads it.

    Each field is written by one thread and holds one immutable value, so no lock is needed.
    """

    batch_limit_seconds: float
    clock: Callable[[], float] = time.monotonic
    is_model_warm: bool = False
    is_assigned: bool = False
    is_draining: bool = False
    missing_topics: tuple[str, ...] | None = None
    breaker_reason: str | None = None
    batch_started_at: float | None = None
    last_tick_at: float = field(init=False)

    def __post_init__(self) -> None:
        self.last_tick_at = self.clock()

    def tick(self) -> None:
        """Note that the loop runs."""
        self.last_tick_at = self.clock()

    def begin_batch(self) -> None:
        """Note that work on a batch begins."""
        self.batch_started_at = self.clock()

    def end_batch(self) -> None:
        """Note that a batch is settled."""
        self.batch_started_at = None

    def check_startup(self) -> Verdict:
        """Check that the worker has what it needs to begin: a model that writes, and a broker that answers."""
        if not self.is_model_warm:
            return Verdict(False, "the model is not warmed up yet")
        if self.missing_topics is None:
            return Verdict(False, "the broker has not answered yet")
        return Verdict(True, "started")

    def check_liveness(self) -> Verdict:
        """Check that the loop ticks and that no batch is stuck; a dependency never makes a worker dead."""
        silence = self.clock() - self.last_tick_at
        if silence > TICK_LIMIT_SECONDS:
            return Verdict(False, f"the loop has not ticked for {silence:.0f} s")
        started_at = self.batch_started_at
        if started_at is not None and self.clock() - started_at > self.batch_limit_seconds:
            return Verdict(False, f"a batch has been at work for more than {self.batch_limit_seconds:.0f} s")
        return Verdict(True, "alive")

    def check_readiness(self) -> Verdict:
        """Check that records can be worked on. A worker without partitions is ready: it stands by."""
        if self.is_draining:
            return Verdict(False, "draining")
        if not (startup := self.check_startup()).is_ok:
            return startup
        if self.missing_topics:
            return Verdict(False, f"topics do not exist: {', '.join(self.missing_topics)}; run `prism topics create`")
        if self.breaker_reason:
            return Verdict(False, self.breaker_reason)
        if not self.is_assigned:
            return Verdict(False, "no assignment from the consumer group yet")
        return Verdict(True, "ready")


class ProbeServer:
    """Serves /startupz, /livez, /readyz and /metrics while it is entered."""

    def __init__(self, health: Health, metrics: Metrics, host: str, port: int) -> None:
        metrics.watch_readiness(lambda: health.check_readiness().is_ok)
        self._server = _QuietServer((host, port), _build_request_class(health, metrics))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="prism-probes", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        # A prober that hangs up is no fault of ours; the default writes a traceback to standard error.
        return


def _build_request_class(health: Health, metrics: Metrics) -> type[BaseHTTPRequestHandler]:
    checks: dict[str, Callable[[], Verdict]] = {
        "/startupz": health.check_startup,
        "/livez": health.check_liveness,
        "/readyz": health.check_readiness,
    }

    class ProbeRequest(BaseHTTPRequestHandler):
        timeout = 5

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_METRICS, metrics.render())
            elif (check := checks.get(path)) is not None:
                verdict = check()
                self._answer_verdict(200 if verdict.is_ok else 503, verdict)
            else:
                self._answer_verdict(404, Verdict(False, f"there is {', '.join(checks)} and /metrics"))

        def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
            # For requests that are no GET, or none at all; the default answers in HTML.
            self.close_connection = True
            self._answer_verdict(code, Verdict(False, HTTPStatus(code).phrase))

        def _answer_verdict(self, status: int, verdict: Verdict) -> None:
            body = json.dumps({"ok": verdict.is_ok, "reason": verdict.reason}).encode()
            self._answer(status, "application/json", body)

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            # Probes come every few seconds: an access log would drown everything else.
            return

    return ProbeRequest
