"""The registry of one worker's metrics: its own, so that a library cannot add to it."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

Kind = Literal["counter", "gauge", "histogram"]

CREATED_SUFFIX: Final = "_created"


@dataclass(frozen=True, slots=True)
class Family:
    """What a metric is, as deploy/METRICS.md lists it."""

    name: str
    """As it is scraped; of a histogram, without `_bucket`, `_sum` and `_count`."""
    kind: Kind
    labels: tuple[str, ...]


class Families:
    """Makes the metrics of a worker, keeps what they are, and renders them all at one moment."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._families: list[Family] = []
        self.lock = threading.Lock()
        """Held while a scrape reads: who changes several metrics that belong together holds it too."""
        ProcessCollector(registry=self._registry)

    @property
    def described(self) -> tuple[Family, ...]:
        """All metrics of the worker itself; those of its process have the names of every Prometheus client."""
        return tuple(self._families)

    def add_counter(self, name: str, help_text: str, *labels: str) -> Counter:
        """Add a counter; its name ends in `_total`."""
        self._families.append(Family(name, "counter", labels))
        return Counter(name, help_text, labels, registry=self._registry)

    def add_gauge(self, name: str, help_text: str, *labels: str) -> Gauge:
        """Add a gauge."""
        self._families.append(Family(name, "gauge", labels))
        return Gauge(name, help_text, labels, registry=self._registry)

    def add_histogram(self, name: str, help_text: str, buckets: Sequence[float]) -> Histogram:
        """Add a histogram; the last bucket is always infinity."""
        self._families.append(Family(name, "histogram", ()))
        return Histogram(name, help_text, buckets=buckets, registry=self._registry)

    def render(self) -> bytes:
        """Render all metrics in the text format of Prometheus."""
        with self.lock:
            read = _Read(list(self._registry.collect()))
        return generate_latest(read)


class _Read(Collector):
    """What was read at one moment; it is rendered without holding anybody up."""

    def __init__(self, metrics: list[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        for metric in self._metrics:
            # The client adds when each counter was created: as many series again, and nothing that anybody asks for.
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith(CREATED_SUFFIX)]
        return self._metrics
