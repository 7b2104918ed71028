"""What to do with records that have waited too long: explain them late, answer from the template, or let them expire.

Pure code with two injected clocks. A record is late by the time stamp that its producer or broker gave it, so what
counts is how the wall clock of this host compares with theirs; `_SteadyClock` has the rules for a clock that jumps.
"""

import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Final, Literal

from stream_app.core.events import DeadLetter
from stream_app.core.pipeline import Rejected

OverloadMode = Literal["lag", "template", "skip"]

EXPIRED_STAGE: Final = "expired"
"""The stage that dead letters of this policy name. Such records are no failures: the breaker does not count them."""
RELEASE_SHARE: Final = 0.5
"""Overload ends below this share of the deadline, so that it does not begin again with the next batch."""
JUMP_SECONDS: Final = 5.0
JUMP_SHARE: Final = 0.25
"""The wall clock has jumped if it went ahead of the monotonic one by more than the smaller of JUMP_SECONDS and this
share of the deadline. Smaller steps, and the slewing of NTP (at most 0.5 ms a second), are followed."""

Clock = Callable[[], float]


class Treatment(StrEnum):
    """What is to be done with one record."""

    EXPLAIN = "explain"
    TEMPLATE = "template"
    EXPIRE = "expire"


_FOR_LATE_RECORDS: Final = {"lag": Treatment.EXPLAIN, "template": Treatment.TEMPLATE, "skip": Treatment.EXPIRE}


class OverloadPolicy:
    """Decides for each record of a batch. For one thread: deciding moves the state.

    Overload begins with a batch whose oldest record is older than the deadline. It ends once no record that is at least
    half as old as the deadline has been seen for as long as half the deadline: one partition that lags behind
    others, whose batches take turns with theirs, does not switch it on and off. What that changes:

    - `lag`: nothing is done about it; the state is for metrics.
    - `template`: a record older than the deadline gets the template, and during overload one of at least half the
      deadline, so that the worker catches up instead of going on at the brink.
    - `skip`: a record older than the deadline expires, none that is younger: nothing is dropped before its time.

    A record without a time stamp, and one from the future, is never late.

    Args:
        mode: what is done with late records.
        deadline_seconds: the age from which a record is late; above 0.
        clock: monotonic seconds.
        wall_clock: seconds since 1970, as in the time stamps.
    """

    def __init__(
        self,
        mode: OverloadMode,
        deadline_seconds: float,
        clock: Clock = time.monotonic,
        wall_clock: Clock = time.time,
    ) -> None:
        self._late = _FOR_LATE_RECORDS[mode]
        self._deadline_seconds = deadline_seconds
        self._release_seconds = RELEASE_SHARE * deadline_seconds
        self._clock = clock
        self._steady = _SteadyClock(deadline_seconds, clock, wall_clock)
        self._last_old_at = -float("inf")
        self.is_overloaded = False
        """For a metric and a log line when it changes."""
        self.oldest_seconds = 0.0
        """Age of the oldest record of the last batch that had time stamps; for a metric."""

    @property
    def clock_jumps(self) -> int:
        """How often the host's wall clock has jumped, in either direction; for a metric and a log line."""
        return self._steady.jumps

    def decide(self, timestamps: Sequence[float | None]) -> list[Treatment]:
        """Decide for the records of a batch by their time stamps (seconds since 1970), in order.

        With no time stamps at all, only time passes: so an idle worker's overload ends without another batch.
        """
        now = self._steady.read()
        ages = [_compute_age(timestamp, now) for timestamp in timestamps]
        known = [age for age in ages if age is not None]
        self._note(max(known, default=None))
        return [self._treat(age) for age in ages]

    def build_expired(self) -> Rejected:
        """Build the outcome of a record that expired; the same for every such record, so that a repeat is the same."""
        message = f"the record was older than {self._deadline_seconds:g} s when its turn came"
        return Rejected(DeadLetter(stage=EXPIRED_STAGE, error="RecordExpired", message=message))

    def _note(self, oldest: float | None) -> None:
        now = self._clock()
        if oldest is not None:
            self.oldest_seconds = oldest
            if oldest >= self._release_seconds:
                self._last_old_at = now
            if oldest > self._deadline_seconds:
                self.is_overloaded = True
        if now - self._last_old_at >= self._release_seconds:
            self.is_overloaded = False

    def _treat(self, age: float | None) -> Treatment:
        if age is None:
            return Treatment.EXPLAIN
        is_catching_up = self.is_overloaded and self._late is Treatment.TEMPLATE and age >= self._release_seconds
        return self._late if age > self._deadline_seconds or is_catching_up else Treatment.EXPLAIN


def _compute_age(timestamp: float | None, now: float) -> float | None:
    # Kafka writes -1 for 'no time stamp'; 0 is what a producer sends that has none either.
    return None if timestamp is None or timestamp <= 0 else max(0.0, now - timestamp)


class _SteadyClock:
    """Wall clock time that does not jump ahead without notice.

    What the wall clock says is compared with how far the monotonic clock has come since the last reading.

    - Ahead by more than a step: counted as a jump, and for as long as one deadline the old time goes on, by the
      monotonic clock; then the new time is believed. So a clock that was set wrong does not make every record look late
      at once: there is one deadline's time to see the metric, and to set it right again. A host that slept looks the
      same, and explains what it finds on waking.
    - Back by more than a step: counted, and believed at once. Records look younger, which harms none.
    """

    def __init__(self, deadline_seconds: float, clock: Clock, wall_clock: Clock) -> None:
        self._grace_seconds = deadline_seconds
        self._step_seconds = min(JUMP_SECONDS, JUMP_SHARE * deadline_seconds)
        self._clock = clock
        self._wall_clock = wall_clock
        self._offset = wall_clock() - clock()
        self._jumped_at: float | None = None
        self.jumps = 0

    def read(self) -> float:
        """Read seconds since 1970."""
        elapsed = self._clock()
        offset = self._wall_clock() - elapsed
        is_ahead = offset - self._offset > self._step_seconds
        if self._jumped_at is None:
            self.jumps += abs(offset - self._offset) > self._step_seconds
            self._jumped_at = elapsed if is_ahead else None
        if self._jumped_at is None or not is_ahead or elapsed - self._jumped_at >= self._grace_seconds:
            self._offset, self._jumped_at = offset, None
        return elapsed + self._offset
