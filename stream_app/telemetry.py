"""Logs and metrics: ids and counts, never texts, titles or user ids.

Logs are JSON lines on standard error. Metrics live in an own registry, so that a library cannot add to them.
"""

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from structlog.typing import EventDict

NOISY_LOGGERS: Final = ("aiokafka", "faust", "mode")
NOISY_LINES_PER_MINUTE: Final = 30
"""In a broker outage these libraries write megabytes a minute; the first lines say it all."""


BREAKER_STATES: Final = ("closed", "open", "probing")


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


class Metrics:
    """All metrics of one worker. Received = settled + in flight holds in every scrape."""

    def __init__(self) -> None:
        registry = CollectorRegistry()
        self._registry = registry
        self._lock = threading.Lock()
        self._received = Counter("prism_records_received", "Input records taken into a batch.", registry=registry)
        self._settled = Counter(
            "prism_records_settled", "Input records with a committed outcome.", ["outcome"], registry=registry
        )
        self._in_flight = Gauge("prism_records_in_flight", "Input records of the batch at work.", registry=registry)
        self._explanations = Counter(
            "prism_explanations", "Explanations, by who wrote the text.", ["source"], registry=registry
        )
        self._templates = Counter(
            "prism_templates", "Explanations from the template, by reason.", ["reason"], registry=registry
        )
        self._gate_violations = Counter(
            "prism_gate_violations", "Texts that the faithfulness gate turned down.", ["rule"], registry=registry
        )
        self._dead_letters = Counter(
            "prism_dead_letters", "Dead letters, by the stage that failed.", ["stage"], registry=registry
        )
        self._breaker = Gauge(
            "prism_breaker_state", "1 for the state that the circuit breaker is in.", ["state"], registry=registry
        )
        self.overloaded = Gauge(
            "prism_overloaded", "1 while records are older than the overload deadline.", registry=registry
        )
        self.breaker_openings = Gauge(
            "prism_breaker_openings", "How often the circuit breaker has opened, bad probes too.", registry=registry
        )
        self.oldest_record_seconds = Gauge(
            "prism_oldest_record_seconds", "Age of the oldest record of the last batch.", registry=registry
        )
        self.clock_jumps = Gauge(
            "prism_clock_jumps", "How often the host's clock has jumped since the start.", registry=registry
        )
        self._batch_records = Histogram(
            "prism_batch_records", "Records in a batch.", buckets=(1, 2, 4, 8, 16, 32, 64, 128, 256), registry=registry
        )
        self.inference_seconds = Histogram(
            "prism_inference_seconds", "Time to explain one batch.", buckets=_SECONDS, registry=registry
        )
        self._end_to_end_seconds = Histogram(
            "prism_end_to_end_seconds",
            "From the time stamp of the input record to its committed outcome.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.commits = Counter("prism_commits", "Offset commits that the broker accepted.", registry=registry)
        self._model = Gauge("prism_model_info", "The model at work.", ["name", "version"], registry=registry)
        for outcome in ("explained", "dead_letter", "expired"):
            self._settled.labels(outcome)
        for stage in ("decode", "schema", "explain", "publish", "expired"):
            self._dead_letters.labels(stage)
        self.set_breaker("closed")
        for source in ("model", "template"):
            self._explanations.labels(source)

    def count_received(self, records: int) -> None:
        """Note that records were taken into a batch."""
        with self._lock:
            self._received.inc(records)
            self._in_flight.inc(records)

    def count_batch(self, outcomes: Mapping[str, int], end_to_end_seconds: Sequence[float]) -> None:
        """Note that the outcomes of a batch, in records, are published and committed."""
        records = sum(outcomes.values())
        with self._lock:
            self._batch_records.observe(records)
            for seconds in end_to_end_seconds:
                self._end_to_end_seconds.observe(max(0.0, seconds))
            for outcome, number in outcomes.items():
                self._settled.labels(outcome).inc(number)
            self._in_flight.dec(records)

    def count_letters(self, stages: Mapping[str, int]) -> None:
        """Note dead letters."""
        for stage, number in stages.items():
            self._dead_letters.labels(stage).inc(number)

    def set_breaker(self, state: str) -> None:
        """Note the state of the circuit breaker."""
        for one in BREAKER_STATES:
            self._breaker.labels(one).set(one == state)

    def count_texts(self, sources: Mapping[str, int], reasons: Mapping[str, int], rules: Mapping[str, int]) -> None:
        """Note who wrote the explanations, why the template did, and what the gate turned down."""
        counted = ((self._explanations, sources), (self._templates, reasons), (self._gate_violations, rules))
        for counter, numbers in counted:
            for label, number in numbers.items():
                counter.labels(label).inc(number)

    def set_model(self, name: str, version: str) -> None:
        """Name the model at work."""
        self._model.labels(name, version).set(1)

    def render(self) -> bytes:
        """Render all metrics in the text format of Prometheus."""
        with self._lock:
            return generate_latest(self._registry)


_SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
