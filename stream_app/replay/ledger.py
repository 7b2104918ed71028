"""The bookkeeping of a run: what was sent, what came of each item, when. Pure; times are handed in.

Events and items stand in columns, by number: about 40 bytes an item beside its id, and nothing that the garbage
collector would have to walk through, since its pauses would make the generator late.
"""

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.replay.histograms import Histogram
from stream_app.replay.link import Arrival
from stream_app.replay.measurements import Counts, Percentiles, Second
from stream_app.replay.ordering import OutcomeOrder
from stream_app.replay.outcomes import Kind, Outcome, Unclear, read_outcome
from stream_app.replay.stamp import build_event_id, ensure_run_id
from stream_app.replay.timeline import Timeline

OPEN: Final = 0
"""The mark of an item without an outcome. Other marks: its kind in the two lowest bits, its digest in the others."""
KIND_BITS: Final = 3


class LedgerError(PrismError):
    """Events were noted in another order than they are numbered."""


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """What became of one item; None: nothing so far."""

    event_id: str
    item_id: str
    kind: Kind | None


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that was sent."""

    event_id: str
    intended_at: float
    item_ids: tuple[str, ...]
    open_item_ids: tuple[str, ...]
    """Those without an outcome so far."""


class Ledger:
    """Accounts for each item of each event of one run.

    Raises:
        RunIdError: the run id cannot be part of event ids.
    """

    def __init__(self, run_id: str) -> None:
        self.run_id = ensure_run_id(run_id)
        self.latency = Histogram()
        """From the intended time of an event to the first outcome of an item."""
        self.open_items = 0
        self.open_events = 0
        """Events that were sent, and not all items have an outcome."""
        self.last_outcome_at: float | None = None
        """When the last item got its first outcome."""
        self.foreign = 0
        """Records of other runs, or of none, that were read and not counted."""
        self._intended = array("d")
        self._item_ids: list[tuple[str, ...]] = []
        self._open = array("I")
        self._first_mark = array("Q")
        self._marks = array("Q")
        self._kinds: Counter[Kind] = Counter()
        self._duplicates_identical = 0
        self._duplicates_different = 0
        self._unexpected = 0
        self._order = OutcomeOrder()
        self._timeline = Timeline()

    @property
    def events(self) -> int:
        """How many events were sent; the number of the next one."""
        return len(self._intended)

    @property
    def items(self) -> int:
        """How many items were asked for."""
        return len(self._marks)

    @property
    def is_settled(self) -> bool:
        """Whether every item that was asked for has an outcome."""
        return self.open_items == 0

    @property
    def started_at(self) -> float:
        """What the seconds of the run are counted from."""
        return self._timeline.started_at

    def begin(self, started_at: float) -> None:
        """Begin, before anything is noted."""
        self._timeline.started_at = started_at

    def note_sent(
        self, event_id: str, item_ids: tuple[str, ...], intended_at: float, sent_at: float | None = None
    ) -> None:
        """Note that an event left, at its intended time unless another one is given.

        Raises:
            LedgerError: it is not the next event of the run; see `build_event_id`.
        """
        if event_id != build_event_id(self.run_id, self.events):
            raise LedgerError(f"event {event_id!r} was noted, but the next one of this run is number {self.events}")
        self._timeline.note_sent(intended_at, intended_at if sent_at is None else sent_at)
        self._intended.append(intended_at)
        self._item_ids.append(item_ids)
        self._open.append(len(item_ids))
        self._first_mark.append(len(self._marks))
        self._marks.extend([OPEN] * len(item_ids))
        self.open_items += len(item_ids)
        self.open_events += bool(item_ids)

    def note_arrival(self, arrival: Arrival) -> None:
        """Note what was read; records of other runs are only counted as `foreign`."""
        outcome = read_outcome(arrival, self.run_id)
        if outcome is None:
            self.foreign += 1
        elif isinstance(outcome, Unclear) or outcome.number >= self.events:
            self._unexpected += 1
        else:
            asked = self._item_ids[outcome.number]
            for item_id in asked if outcome.item_ids is None else outcome.item_ids:
                if item_id in asked:
                    self._note_item(arrival, outcome, asked.index(item_id))
                else:
                    self._unexpected += 1

    def count(self) -> Counts:
        """Count what became of everything so far."""
        return Counts(
            events=self.events,
            items=self.items,
            explained=self._kinds[Kind.MODEL],
            template=self._kinds[Kind.TEMPLATE],
            dead_letter=self._kinds[Kind.DEAD_LETTER],
            missing=self.open_items,
            duplicates_identical=self._duplicates_identical,
            duplicates_different=self._duplicates_different,
            out_of_order=self._order.out_of_order,
            unexpected=self._unexpected,
        )

    def list_seconds(self) -> list[Second]:
        """List every second of the run, from its start to the last in which something happened."""
        return self._timeline.list_seconds()

    def measure_latency(self, first_second: int, last_second: int) -> Percentiles:
        """Measure the latency of the outcomes of a part of the run, both seconds included."""
        return self._timeline.measure_latency(first_second, last_second)

    def list_events(self) -> Iterator[SentEvent]:
        """List all events in the order in which they were sent."""
        for number, item_ids in enumerate(self._item_ids):
            first = self._first_mark[number]
            marks = self._marks[first : first + len(item_ids)]
            open_ids = tuple(item_id for mark, item_id in zip(marks, item_ids, strict=True) if mark == OPEN)
            yield SentEvent(build_event_id(self.run_id, number), self._intended[number], item_ids, open_ids)

    def list_items(self) -> Iterator[ItemVerdict]:
        """List what became of each item, in the order in which they were asked for."""
        for number, item_ids in enumerate(self._item_ids):
            first = self._first_mark[number]
            for mark, item_id in zip(self._marks[first : first + len(item_ids)], item_ids, strict=True):
                yield ItemVerdict(build_event_id(self.run_id, number), item_id, _read_kind(mark))

    def list_missing(self) -> Iterator[ItemVerdict]:
        """List the items that have no outcome."""
        return (item for item in self.list_items() if item.kind is None)

    def _note_item(self, arrival: Arrival, outcome: Outcome, index: int) -> None:
        place = self._first_mark[outcome.number] + index
        mark = outcome.digest & ~KIND_BITS | outcome.kind
        known = self._marks[place]
        if known == OPEN:
            self._marks[place] = mark
            self._settle(arrival, outcome, index)
        elif known == mark:
            self._duplicates_identical += 1
        else:
            self._duplicates_different += 1

    def _settle(self, arrival: Arrival, outcome: Outcome, index: int) -> None:
        latency = max(0.0, arrival.read_at - self._intended[outcome.number])
        self.latency.record(latency)
        self.last_outcome_at = max(arrival.read_at, self.last_outcome_at or arrival.read_at)
        self._kinds[outcome.kind] += 1
        self._timeline.note_outcome(
            arrival.read_at,
            latency,
            is_template=outcome.kind is Kind.TEMPLATE,
            is_dead_letter=outcome.kind is Kind.DEAD_LETTER,
        )
        if outcome.source is not None:
            self._order.note(arrival, outcome.source, index)
        self._close_item(outcome.number, arrival.read_at)

    def _close_item(self, number: int, at: float) -> None:
        self.open_items -= 1
        self._open[number] -= 1
        if not self._open[number]:
            self.open_events -= 1
            self._timeline.note_answered(at)


def _read_kind(mark: int) -> Kind | None:
    return None if mark == OPEN else Kind(mark & KIND_BITS)
