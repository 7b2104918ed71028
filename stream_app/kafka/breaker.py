"""The circuit breaker: where most records fail, the fault lies with the producer or with us, and consuming stops.

After a bad deploy, a worker that goes on turns a whole topic into dead letters or templates. One that waits can be
mended, and nothing has to be replayed. Pure code with an injected clock: the worker waits, this only says how long.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from stream_app.core.pipeline import OVERLOAD, Explained, Outcome
from stream_app.kafka.overload import EXPIRED_STAGE

SLICES: Final = 60
"""Batches are counted in slices of the window, so that memory stays bounded however small and many they are."""
FAILED_SHARE_OF_ITEMS: Final = 0.5
"""A record counts as failed if generation failed for more than this share of its items: a long list in which one
prompt cannot be written for is no failed record."""


class BreakerState(StrEnum):
    """Whether records may be consumed."""

    CLOSED = "closed"
    """All is well: consume."""
    OPEN = "open"
    """Too much has failed: wait."""
    PROBING = "probing"
    """The pause is over: consume one batch, which decides."""


@dataclass(slots=True)
class _Slice:
    """What was noted within one slice of the window."""

    started_at: float
    records: int
    failures: int


class CircuitBreaker:
    """Opens where too large a share of the records fails. For one thread: reading the state moves the clock.

    Time is only ever added up: a clock that goes back counts as standing still, and one that jumps ahead (a host that
    slept) ends a pause early, which costs one batch, the probe.

    Args:
        share: the largest share of failing records that is still well; with 1 the breaker never opens.
        min_records: so many records must be in the window before it can open.
        window_seconds: how far back records count, to within a sixtieth.
        pause_seconds: how long it stays open before a batch is tried.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        share: float,
        min_records: int,
        window_seconds: float,
        pause_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._share = share
        self._min_records = min_records
        self._window_seconds = window_seconds
        self._pause_seconds = pause_seconds
        self._clock = clock
        self._last_reading = clock()
        self._elapsed = 0.0
        self._slices: deque[_Slice] = deque()
        self._probe_at: float | None = None
        self._cause = ""
        self.openings = 0
        """How often it has opened, after a bad probe too: a counter to alert on."""

    @property
    def state(self) -> BreakerState:
        """Whether to consume, to wait, or to try one batch."""
        now = self._read_clock()
        if self._probe_at is None:
            return BreakerState.CLOSED
        return BreakerState.OPEN if now < self._probe_at else BreakerState.PROBING

    @property
    def reason(self) -> str | None:
        """Why the worker is not ready; None while the breaker is closed. No contents of records."""
        return None if self._probe_at is None else f"circuit breaker {self.state}: {self._cause}"

    def seconds_until_probe(self) -> float:
        """How long to wait before the next batch; 0 unless the breaker is open."""
        now = self._read_clock()
        return 0.0 if self._probe_at is None else max(0.0, self._probe_at - now)

    def note(self, records: int, failures: int) -> None:
        """Note a batch. Expired records belong to neither number; a batch of none says nothing.

        What is noted while the breaker is open was at work before: it changes nothing.

        Raises:
            ValueError: the numbers cannot be.
        """
        if not 0 <= failures <= records:
            raise ValueError(f"{failures} failures among {records} records")
        state = self.state
        if records == 0 or state is BreakerState.OPEN:
            return
        if state is BreakerState.PROBING:
            self._judge_probe(records, failures)
        else:
            self._judge_window(records, failures)

    def _judge_probe(self, records: int, failures: int) -> None:
        if failures / records > self._share:
            self._open(f"{failures} of {records} records of the last probe failed")
        else:
            self._probe_at = None

    def _judge_window(self, records: int, failures: int) -> None:
        self._add(records, failures)
        records = sum(one.records for one in self._slices)
        failures = sum(one.failures for one in self._slices)
        if records >= self._min_records and failures / records > self._share:
            self._open(f"{failures} of {records} records failed within {self._window_seconds:g} s")

    def _add(self, records: int, failures: int) -> None:
        now = self._read_clock()
        while self._slices and now - self._slices[0].started_at >= self._window_seconds:
            self._slices.popleft()
        if not self._slices or now - self._slices[-1].started_at >= self._window_seconds / SLICES:
            self._slices.append(_Slice(now, 0, 0))
        self._slices[-1].records += records
        self._slices[-1].failures += failures

    def _open(self, cause: str) -> None:
        self._slices.clear()
        self._probe_at = self._read_clock() + self._pause_seconds
        self._cause = f"{cause}, more than {self._share:.0%}"
        self.openings += 1

    def _read_clock(self) -> float:
        reading = self._clock()
        self._elapsed += max(0.0, reading - self._last_reading)
        self._last_reading = reading
        return self._elapsed


def count_failures(outcomes: Sequence[Outcome]) -> tuple[int, int]:
    """Count the records of a batch that say something about its health, and those of them that failed: for `note`."""
    counted = [one for one in outcomes if _is_telling(one)]
    return len(counted), sum(_is_failed(outcome) for outcome in counted)


def _is_telling(outcome: Outcome) -> bool:
    """Whether an outcome says something of the input and the model: not, where the record was late and nobody asked."""
    if isinstance(outcome, Explained):
        return any(text.template_reason != OVERLOAD for text in outcome.explanations)
    return outcome.letter.stage != EXPIRED_STAGE


def _is_failed(outcome: Outcome) -> bool:
    if not isinstance(outcome, Explained):
        return True
    items = len(outcome.explanations) + len(outcome.failed_item_ids)
    return outcome.generation_failures > FAILED_SHARE_OF_ITEMS * items
