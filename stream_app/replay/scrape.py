"""What the workers counted themselves, from their /metrics: sums over all workers, restarted ones too."""

import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from http.client import HTTPException
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from stream_app.replay.fleet import ObservedProcess

TIMEOUT_SECONDS: Final = 2.0
"""A worker answers in milliseconds, from a thread of its own; a frozen one never."""

Labels = tuple[tuple[str, str], ...]

# A proxy that the environment names is no way to this machine's own workers.
_OPENER: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Count:
    """One counter, or one number of a histogram."""

    name: str
    """With its suffix: `_total`, `_bucket`, `_sum` or `_count`."""
    labels: Labels
    """By name."""
    value: float

    def render_name(self) -> str:
        """Render as Prometheus writes it: `name{label="value"}`."""
        labels = ",".join(f'{name}="{value}"' for name, value in self.labels)
        return f"{self.name}{{{labels}}}" if labels else self.name


@dataclass(frozen=True, slots=True)
class Scrape:
    """All counts of one process at one moment."""

    process: ObservedProcess
    counts: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Rises:
    """What the counts of all processes rose by."""

    counts: tuple[Count, ...]
    incomplete: tuple[str, ...]
    """Processes that did not answer the last scrape: what they counted after their own last one is missing."""

    @property
    def is_settled(self) -> bool:
        """Whether every record that was received has its outcome. False for ever once a worker was killed at work."""
        return self.add_up("prism_records_received_total") == self.add_up("prism_records_settled_total")

    def add_up(self, name: str, **labels: str) -> float:
        """Add up all counts of a name that have these labels, whatever others they have."""
        wanted = labels.items()
        return sum(count.value for count in self.counts if count.name == name and wanted <= dict(count.labels).items())

    def list_buckets(self, histogram: str) -> list[tuple[float, float]]:
        """List the upper bounds of a histogram with the number of observations up to each, by bound."""
        bounds = {dict(count.labels)["le"] for count in self.counts if count.name == f"{histogram}_bucket"}
        return sorted((float(bound), self.add_up(f"{histogram}_bucket", le=bound)) for bound in bounds)

    def find_quantile_bounds(self, histogram: str, share: float) -> tuple[float, float] | None:
        """Find the bucket that a quantile lies in.

        Args:
            histogram: name without suffix, for example `prism_end_to_end_seconds`.
            share: 0.99 for the 99th percentile.

        Returns:
            The bounds of the bucket, the upper one possibly infinite; None where nothing was observed.
        """
        buckets = self.list_buckets(histogram)
        if not buckets or buckets[-1][1] == 0:
            return None
        lowers = [0.0, *(bound for bound, _ in buckets[:-1])]
        # At least 1: a bucket that is empty with all those below it holds no quantile.
        rank = max(1.0, share * buckets[-1][1])
        return next(
            (lower, bound) for lower, (bound, observed) in zip(lowers, buckets, strict=True) if observed >= rank
        )

    def to_worker_metrics(self) -> dict[str, float]:
        """Give all counts as the report has them, by rendered name."""
        return {count.render_name(): count.value for count in self.counts}

    def to_batch_sizes(self) -> dict[str, int]:
        """Give the number of batches as the report has it: by the upper bound of their records, `+Inf` for the last."""
        sizes: dict[str, int] = {}
        below = 0.0
        for bound, observed in self.list_buckets("prism_batch_records"):
            sizes["+Inf" if bound == float("inf") else f"{bound:g}"] = round(observed - below)
            below = observed
        return sizes


class MetricsTally:
    """Follows the counts of processes from scrape to scrape.

    A process that is new since the beginning started from 0, and so did one whose counts have fallen. What a worker
    counts between its last scrape and its death is lost: scrape often where workers are to be killed.

    Args:
        scrapes: of all processes at the beginning, when nothing counts yet.
    """

    def __init__(self, scrapes: Iterable[Scrape]) -> None:
        self._last = {scrape.process: _index(scrape) for scrape in scrapes}
        self._rises: dict[tuple[str, Labels], float] = {}
        for counts in self._last.values():
            self._rises |= dict.fromkeys(counts, 0.0)
        self._answered = set(self._last)

    def note(self, scrapes: Iterable[Scrape]) -> None:
        """Add what all processes have counted since the last call."""
        self._answered = set()
        for scrape in scrapes:
            self._answered.add(scrape.process)
            counts, before = _index(scrape), self._last.get(scrape.process, {})
            if any(value < before.get(key, 0.0) for key, value in counts.items()):
                before = {}
            for key, value in counts.items():
                self._rises[key] = self._rises.get(key, 0.0) + value - before.get(key, 0.0)
            self._last[scrape.process] = counts

    def sum_up(self) -> Rises:
        """Sum up what was counted between the beginning and the last call of `note`."""
        incomplete = sorted(f"{process.name} ({process.pid})" for process in self._last.keys() - self._answered)
        counts = (Count(name, labels, value) for (name, labels), value in self._rises.items())
        return Rises(tuple(counts), tuple(incomplete))


def scrape_processes(processes: Iterable[ObservedProcess]) -> list[Scrape]:
    """Scrape those processes that have metrics and answer. Blocks; up to two seconds for each that does not."""
    scrapes = []
    for process in processes:
        if process.metrics_url is not None and (text := _fetch(process.metrics_url)) is not None:
            scrapes.append(Scrape(process, decode_counts(text)))
    return scrapes


def decode_counts(text: str) -> tuple[Count, ...]:
    """Decode what only goes up from Prometheus' text format.

    Raises:
        ValueError: it is another format.
    """
    return tuple(
        Count(sample.name, tuple(sorted(sample.labels.items())), sample.value)
        for family in text_string_to_metric_families(text)
        if family.type in ("counter", "histogram")
        for sample in family.samples
    )


def _fetch(url: str) -> str | None:
    try:
        with _OPENER.open(url, timeout=TIMEOUT_SECONDS) as response:
            body: bytes = response.read()
    except (OSError, HTTPException):
        return None
    return body.decode()


def _index(scrape: Scrape) -> dict[tuple[str, Labels], float]:
    return {(count.name, count.labels): count.value for count in scrape.counts}
