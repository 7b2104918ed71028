"""How the process ends when it does not end by itself."""

import logging
import os
import sys
import threading
from typing import NoReturn

import structlog

from stream_app.core.errors import PrismError
from stream_app.exit_codes import ExitCode
from stream_app.probes import Health

log = structlog.stdlib.get_logger(__name__)


def end_process(code: ExitCode, event: str, error: Exception | None) -> NoReturn:
    """End the process at once, without any clean-up that could still acknowledge or commit."""
    # Only errors that Prism words itself are known to quote nothing of a record.
    reason = str(error) if isinstance(error, PrismError) else type(error).__name__ if error else None
    log.critical(event, exit_code=int(code), reason=reason)
    logging.shutdown()
    sys.stderr.flush()
    os._exit(code)


class Drain:
    """A budget for ending in order: the batch at work is settled, or the process ends without it."""

    def __init__(self, health: Health, seconds: float) -> None:
        self._health = health
        self._seconds = seconds
        self._timer: threading.Timer | None = None

    def begin(self, code: ExitCode = ExitCode.DRAIN_EXCEEDED) -> None:
        """Begin to drain; the process ends with `code` when that takes too long. Later calls change nothing."""
        if self._timer is not None:
            return
        self._health.is_draining = True
        log.info("draining", seconds=self._seconds)
        # A thread, because the loop itself may be what hangs.
        self._timer = threading.Timer(self._seconds, end_process, (code, "drain_exceeded", None))
        self._timer.daemon = True
        self._timer.start()

    def handle_signal(self) -> None:
        """Begin to drain; a second signal ends the process at once."""
        if self._timer is not None:
            end_process(ExitCode.DRAIN_EXCEEDED, "drain_forced", None)
        self.begin()

    def finish(self) -> None:
        """Note that everything has ended in time."""
        if self._timer is not None:
            self._timer.cancel()
