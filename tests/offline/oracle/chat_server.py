"""A small endpoint with OpenAI's chat completions: it answers from the prompt alone, fails and hangs where told to."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

import orjson

PROMPT_TOKENS = 100
COMPLETION_TOKENS = 20


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer with an error status; the client may ask again at once."""

    status: int


@dataclass
class ChatServer:
    """A context manager; `fail` may give a failure for a request (its body, and how many came before)."""

    fail: Callable[[dict[str, Any], int], Failure | None] = lambda body, before: None
    hangs_on: str | None = None
    """A piece of a prompt at which the server never answers."""
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    hanging: threading.Event = field(default_factory=threading.Event)
    _closing: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _build_responder(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def reply(self, body: dict[str, Any], key: str | None) -> tuple[int, dict[str, Any]]:
        with self._lock:
            before = len(self.bodies)
            self.bodies.append(body)
            self.keys.append(key)
        if self.hangs_on is not None and self.hangs_on in body["messages"][-1]["content"]:
            self.hanging.set()
            self._closing.wait()
        failure = self.fail(body, before)
        if failure is not None:
            return failure.status, {"error": {"message": "told to fail", "type": "test", "code": None, "param": None}}
        return 200, _complete(body)


def _complete(body: dict[str, Any]) -> dict[str, Any]:
    question = body["messages"][-1]["content"]
    choices = [
        {"index": index, "finish_reason": "stop", "message": {"role": "assistant", "content": write(question, index)}}
        for index in range(body["n"])
    ]
    usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS * body["n"], "total_tokens": 0}
    return {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": choices, "usage": usage}


def write(question: str, index: int) -> str:
    """Write a text that depends on the question, so that mixed up answers show."""
    return f"Explanation: text {index} for {hashlib.sha256(question.encode()).hexdigest()[:8]}."


def _build_responder(server: ChatServer) -> type[BaseHTTPRequestHandler]:
    class Responder(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = orjson.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, document = server.reply(body, self.headers["Authorization"])
            payload = orjson.dumps(document)
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(payload)))
                self.send_header("retry-after-ms", "1")
                self.end_headers()
                self.wfile.write(payload)
            except OSError:
                return  # The client was killed.

        def log_message(self, format: str, *args: Any) -> None:
            return

    return Responder
