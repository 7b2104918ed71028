"""What happened in each second of a run. Times are handed in, in any order."""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from stream_app.replay.histograms import Histogram
from stream_app.replay.measurements import Percentiles, Second


@dataclass(slots=True)
class _Slot:
    intended: int = 0
    sent: int = 0
    answered: int = 0
    """Events whose last item got its first outcome."""
    templates: int = 0
    dead_letters: int = 0
    latencies: "array[float]" = field(default_factory=lambda: array("f"))
    """Of each outcome: 4 bytes an item, where a histogram a second would take 190 kB."""


class Timeline:
    """Counts by second, from the start of the run; what came before it belongs to the first second."""

    def __init__(self) -> None:
        self.started_at = 0.0
        self._slots: defaultdict[int, _Slot] = defaultdict(_Slot)

    def note_sent(self, intended_at: float, sent_at: float) -> None:
        """Note that an event left."""
        self._find(intended_at).intended += 1
        self._find(sent_at).sent += 1

    def note_outcome(self, at: float, latency_seconds: float, *, is_template: bool, is_dead_letter: bool) -> None:
        """Note the first outcome of an item."""
        slot = self._find(at)
        slot.latencies.append(latency_seconds)
        slot.templates += is_template
        slot.dead_letters += is_dead_letter

    def note_answered(self, at: float) -> None:
        """Note that all items of an event have an outcome."""
        self._find(at).answered += 1

    def list_seconds(self) -> list[Second]:
        """List every second up to the last in which something happened."""
        seconds, backlog = [], 0
        for number in range(max(self._slots, default=-1) + 1):
            slot = self._slots.get(number) or _Slot()
            backlog += slot.sent - slot.answered
            seconds.append(_build_second(number, slot, backlog))
        return seconds

    def measure_latency(self, first: int, last: int) -> Percentiles:
        """Measure the latency of the outcomes of some seconds, both ends included."""
        histogram = Histogram()
        for number in range(first, last + 1):
            slot = self._slots.get(number)
            for latency in slot.latencies if slot else ():
                histogram.record(latency)
        return histogram.to_percentiles()

    def _find(self, moment: float) -> _Slot:
        return self._slots[max(0, int(moment - self.started_at))]


def _build_second(number: int, slot: _Slot, backlog: int) -> Second:
    ordered = sorted(slot.latencies)
    return Second(
        second=number,
        intended_events=slot.intended,
        sent_events=slot.sent,
        outcomes=len(ordered),
        templates=slot.templates,
        dead_letters=slot.dead_letters,
        backlog_events=backlog,
        p50=_find_percentile(ordered, 50),
        p99=_find_percentile(ordered, 99),
    )


def _find_percentile(ordered: Sequence[float], percentile: int) -> float | None:
    # The smallest that so many percent do not exceed: in whole numbers, -(-a // b) rounds up.
    return round(ordered[-(-percentile * len(ordered) // 100) - 1], 6) if ordered else None
