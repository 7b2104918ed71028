"""Logs: JSON lines on standard error, with ids and counts, never texts, titles or user ids."""

import logging
import sys
import time
from collections.abc import Callable
from typing import Any, Final

import structlog
from structlog.typing import EventDict

NOISY_LOGGERS: Final = ("aiokafka", "faust", "mode", "opentelemetry")
NOISY_LINES_PER_MINUTE: Final = 30
"""In a broker outage these libraries write megabytes a minute; the first lines say it all."""


class RateLimit(logging.Filter):
    """Lets at most a number of records a minute through, and says how many were left out."""

    def __init__(self, lines_per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._lines_per_minute = lines_per_minute
        self._clock = clock
        self._window_start = clock()
        self._count = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide about one record."""
        now = self._clock()
        if now - self._window_start >= 60:
            record.left_out = max(0, self._count - self._lines_per_minute)
            self._window_start, self._count = now, 0
        self._count += 1
        return self._count <= self._lines_per_minute


def configure_logging(level: str) -> None:
    """Send all logs of this process, those of libraries too, to standard error as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(allow=["left_out"])],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _describe_exception,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=level, force=True)
    quiet_libraries(level)


def quiet_libraries(level: str) -> None:
    """Limit the loggers of Kafka libraries; children of a logger share its limit."""
    for name in NOISY_LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
        # A filter on a logger does not see its children's records: one handler of its own carries the limit.
        handler = logging.Handler()
        handler.emit = _forward_to_root  # type: ignore[method-assign]
        handler.addFilter(RateLimit(NOISY_LINES_PER_MINUTE))
        logger.handlers, logger.propagate = [handler], False


def _forward_to_root(record: logging.LogRecord) -> None:
    if not record.name.startswith("aiokafka"):
        # A single dict is not wrapped in a tuple by `logging`: then the bare message has to do.
        record.args = tuple(_scrub(one) for one in record.args) if isinstance(record.args, tuple) else None
    for handler in logging.getLogger().handlers:
        handler.handle(record)


def _scrub(argument: object) -> object:
    # While Faust drains it logs whole messages, with the values: only their type may reach the log.
    if argument is None or isinstance(argument, str | int | float | OSError):
        return argument
    return type(argument).__name__


def _describe_exception(_logger: Any, _name: str, event: EventDict) -> EventDict:
    """Replace an exception by its type and place: its message may quote a record."""
    info = event.pop("exc_info", None)
    if info is True:
        info = sys.exc_info()
    error = info[1] if isinstance(info, tuple) else info
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        place = error.__traceback__
        while place is not None and place.tb_next is not None:
            place = place.tb_next
        if place is not None:
            event["at"] = f"{place.tb_frame.f_code.co_filename}:{place.tb_lineno}"
    return event
