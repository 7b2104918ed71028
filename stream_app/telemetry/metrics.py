"""What a worker counts and measures of itself; deploy/METRICS.md is the table of it."""

import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from stream_app import __version__
from stream_app.telemetry.families import Families, Family

BREAKER_STATES: Final = ("closed", "open", "probing")
OUTCOMES: Final = ("explained", "dead_letter", "expired")
STAGES: Final = ("decode", "schema", "explain", "publish", "expired")
SOURCES: Final = ("model", "template")
FLUSH_REASONS: Final = ("full", "items", "waited")
FIRST_RULES: Final = ("unsupported_name",)
"""Rules of the gate that are shown before they have caught anything: an alert on them needs the 0."""

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
RECORDS: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256)
TOKENS: Final = (64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)


@dataclass(frozen=True, slots=True)
class PartitionLag:
    """How far the worker is behind the end of one partition that it owns."""

    topic: str
    partition: int
    records: int


class Metrics:
    """All metrics of one worker. Received = settled + in flight holds in every scrape."""

    def __init__(self) -> None:
        families = self._families = Families()
        self._count_records(families)
        self._count_texts(families)
        self._measure_batches(families)
        self._watch_group(families)
        self._watch_troubles(families)
        self._describe_worker(families)
        self._watch_models(families)

    def _count_records(self, families: Families) -> None:
        self._received = families.add_counter("prism_records_received_total", "Input records taken into a batch.")
        self._settled = families.add_counter(
            "prism_records_settled_total", "Input records with a committed outcome.", "outcome"
        )
        self._in_flight = families.add_gauge("prism_records_in_flight", "Input records of the batch at work.")
        self._dead_letters = families.add_counter(
            "prism_dead_letters_total", "Dead letters, by the stage that failed.", "stage"
        )
        self.commits = families.add_counter("prism_commits_total", "Offset commits that the broker accepted.")
        _show_from_start(self._settled, OUTCOMES)
        _show_from_start(self._dead_letters, STAGES)

    def _count_texts(self, families: Families) -> None:
        self._explanations = families.add_counter(
            "prism_explanations_total", "Explanations, by who wrote the text.", "source"
        )
        self._templates = families.add_counter(
            "prism_templates_total", "Explanations from the template, by reason.", "reason"
        )
        self._gate_violations = families.add_counter(
            "prism_gate_violations_total", "Texts that the faithfulness gate turned down.", "rule"
        )
        _show_from_start(self._explanations, SOURCES)
        _show_from_start(self._gate_violations, FIRST_RULES)

    def _measure_batches(self, families: Families) -> None:
        self._flushes = families.add_counter(
            "prism_batch_flushes_total", "Batches that work began on, by what ended the wait for more.", "reason"
        )
        self._batch_records = families.add_histogram("prism_batch_records", "Records in a batch.", RECORDS)
        self.batch_tokens: Histogram = families.add_histogram(
            "prism_batch_tokens", "Source tokens of a batch's prompts that the model wrote for, repeats too.", TOKENS
        )
        self._batch_wait_seconds = families.add_histogram(
            "prism_batch_wait_seconds", "From fetching a batch's first record to the beginning of work on it.", SECONDS
        )
        self.inference_seconds: Histogram = families.add_histogram(
            "prism_inference_seconds", "Time to explain one batch.", SECONDS
        )
        self._end_to_end_seconds = families.add_histogram(
            "prism_end_to_end_seconds",
            "From the time stamp of the input record to its committed outcome.",
            SECONDS,
        )
        _show_from_start(self._flushes, FLUSH_REASONS)

    def _watch_group(self, families: Families) -> None:
        self._lag = families.add_gauge(
            "prism_consumer_lag_records",
            "From the next offset to settle to the last stable offset, of the partitions assigned.",
            "topic",
            "partition",
        )
        self._lag_read_at = families.add_gauge(
            "prism_consumer_lag_timestamp_seconds", "When the broker last told where the partitions end; 0 before."
        )
        self._partitions = families.add_gauge("prism_partitions_assigned", "Input partitions that this worker owns.")
        self._rebalances = families.add_counter(
            "prism_rebalances_total", "Assignments from the consumer group, the first one too."
        )

    def _watch_troubles(self, families: Families) -> None:
        self._breaker = families.add_gauge(
            "prism_breaker_state", "1 for the state that the circuit breaker is in.", "state"
        )
        self.breaker_openings: Counter = families.add_counter(
            "prism_breaker_openings_total", "How often the circuit breaker has opened, bad probes too."
        )
        self.overloaded: Gauge = families.add_gauge(
            "prism_overloaded", "1 while records are older than the overload deadline."
        )
        self.oldest_record_seconds: Gauge = families.add_gauge(
            "prism_oldest_record_seconds", "Age of the oldest record of the last batch."
        )
        self.clock_jumps: Counter = families.add_counter(
            "prism_clock_jumps_total", "How often the host's clock has jumped since the start."
        )
        self.set_breaker("closed")

    def _describe_worker(self, families: Families) -> None:
        self._ready = families.add_gauge("prism_ready", "1 while /readyz says ok.")
        build = families.add_gauge(
            "prism_build_info", "The versions that this worker runs.", "version", "python", "ctranslate2"
        )
        build.labels(__version__, platform.python_version(), version("ctranslate2")).set(1)

    def _watch_models(self, families: Families) -> None:
        self._model = families.add_gauge(
            "prism_model_info", "1 for each model that is loaded.", "name", "version", "role"
        )
        self._models_by_role: dict[str, tuple[str, str]] = {}
        self._model_reloads = families.add_counter(
            "prism_model_reloads_total", "Models that were to be put in place, by outcome.", "outcome"
        )
        self._records_by_model = families.add_counter(
            "prism_records_by_model_total", "Settled input records, by model.", "name", "version", "role"
        )
        self._texts_by_model = families.add_counter(
            "prism_explanations_by_model_total",
            "Explanations, by model and by who wrote the text.",
            *("name", "version", "role", "source"),
        )
        self._shadow_records = families.add_counter(
            "prism_shadow_records_total", "Input records for the shadow, by what it did.", "outcome"
        )
        for outcome in ("loaded", "refused", "rolled_back"):
            self._model_reloads.labels(outcome)
        for outcome in ("explained", "dropped", "failed"):
            self._shadow_records.labels(outcome)

    @property
    def families(self) -> tuple[Family, ...]:
        """What there is, for the table in deploy/METRICS.md."""
        return self._families.described

    def count_received(self, records: int) -> None:
        """Note that records were taken into a batch."""
        with self._families.lock:
            self._received.inc(records)
            self._in_flight.inc(records)

    def count_flush(self, reason: str, wait_seconds: float | None) -> None:
        """Note why a batch was taken as it is, and how long its first record has waited, if that is known."""
        self._flushes.labels(reason).inc()
        if wait_seconds is not None:
            self._batch_wait_seconds.observe(wait_seconds)

    def count_batch(self, outcomes: Mapping[str, int], end_to_end_seconds: Sequence[float]) -> None:
        """Note that the outcomes of a batch, in records, are published and committed."""
        records = sum(outcomes.values())
        with self._families.lock:
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

    def count_texts(self, sources: Mapping[str, int], reasons: Mapping[str, int], rules: Mapping[str, int]) -> None:
        """Note who wrote the explanations, why the template did, and what the gate turned down."""
        counted = ((self._explanations, sources), (self._templates, reasons), (self._gate_violations, rules))
        for counter, numbers in counted:
            for label, number in numbers.items():
                counter.labels(label).inc(number)

    def set_breaker(self, state: str) -> None:
        """Note the state of the circuit breaker."""
        for one in BREAKER_STATES:
            self._breaker.labels(one).set(one == state)

    def count_rebalance(self, partitions: int) -> None:
        """Note how many partitions the group has assigned anew."""
        self._rebalances.inc()
        self._partitions.set(partitions)

    def forget_partitions(self) -> None:
        """Note that no partition is assigned any more."""
        with self._families.lock:
            self._partitions.set(0)
            self._lag.clear()

    def set_lags(self, lags: Iterable[PartitionLag], read_at: float) -> None:
        """Replace the lags of all partitions by those that were read at a moment, in seconds since 1970."""
        with self._families.lock:
            self._lag.clear()
            for lag in lags:
                self._lag.labels(lag.topic, str(lag.partition)).set(lag.records)
            self._lag_read_at.set(read_at)

    def watch_readiness(self, is_ready: Callable[[], bool]) -> None:
        """Ask at each scrape whether the worker is ready."""
        self._ready.set_function(is_ready)

    def set_model(self, role: str, name: str, version: str) -> None:
        """Name the model in a role, and forget the one that it replaces."""
        with self._families.lock:
            if before := self._models_by_role.get(role):
                self._model.remove(*before, role)
            self._models_by_role[role] = (name, version)
            self._model.labels(name, version, role).set(1)

    def count_reload(self, outcome: str) -> None:
        """Note what came of a model that was to replace one."""
        self._model_reloads.labels(outcome).inc()

    def count_model_records(self, role: str, name: str, version: str, records: int) -> None:
        """Note that records were settled that this model was asked about."""
        self._records_by_model.labels(name, version, role).inc(records)

    def count_model_texts(self, role: str, name: str, version: str, source: str, texts: int) -> None:
        """Note that explanations were published for which this model was asked."""
        self._texts_by_model.labels(name, version, role, source).inc(texts)

    def count_shadow(self, outcome: str, records: int) -> None:
        """Note what the shadow did with records."""
        self._shadow_records.labels(outcome).inc(records)

    def render(self) -> bytes:
        """Render all metrics in the text format of Prometheus."""
        return self._families.render()


def _show_from_start(counter: Counter, labels: Iterable[str]) -> None:
    """Show a counter's labels at 0: a rate from nothing to 1 is none."""
    for label in labels:
        counter.labels(label)
