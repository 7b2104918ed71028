"""The demo's bookkeeping: what was sent, what came back, what is missing. Pure; times are handed in."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from stream_app.core.events import Explanation, RankingEvent

Headers = Mapping[str, str]

PERCENTILES: Final = (0.50, 0.99)


@dataclass(frozen=True, slots=True)
class Arrival:
    """An explanation that came back for the first time."""

    event: RankingEvent
    explanation: Explanation
    headers: Headers
    latency_seconds: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the run went. Latencies run from the moment an event was due to be sent to when its explanation was read."""

    events_sent: int
    explanations: int
    template_reasons: Counter[str]
    dead_letters: int
    missing: int
    duplicates: int
    conflicts: int
    explanations_per_second: float
    p50_seconds: float | None
    p99_seconds: float | None

    @property
    def is_complete(self) -> bool:
        """Whether every event that was sent has all its explanations, and none of them twice with other words."""
        return self.events_sent > 0 and self.missing == 0 and self.dead_letters == 0 and self.conflicts == 0

    def render(self) -> str:
        """Render as a few lines of plain text."""
        templates = self.template_reasons.total()
        reasons = ", ".join(f"{reason} {number}" for reason, number in self.template_reasons.most_common())
        lines = [
            f"{'complete' if self.is_complete else 'INCOMPLETE'}: {self.events_sent} events in, "
            f"{self.explanations} explanations out, {self.missing} missing, {self.dead_letters} dead letters",
            f"written by the model {self.explanations - templates}, "
            f"by the template {templates}{f' ({reasons})' if reasons else ''}",
            f"{self.explanations_per_second:.1f} explanations/s at the demo's pace, latency p50 "
            f"{_render_seconds(self.p50_seconds)}, p99 {_render_seconds(self.p99_seconds)}",
        ]
        if self.duplicates or self.conflicts:
            lines.append(
                f"{self.duplicates} delivered again after a restart, {self.conflicts} of them with other contents"
            )
        return "\n".join(lines)


class Ledger:
    """Accounts for the explanations that a list of events asks for, by (event id, item id)."""

    def __init__(self, events: Sequence[RankingEvent]) -> None:
        self._events = {event.event_id: event for event in events}
        self._due: dict[str, float] = {}
        self._open: dict[str, set[str]] = {}
        self._arrivals: dict[tuple[str, str], Arrival] = {}
        self._dead: set[str] = set()
        self._duplicates = 0
        self._conflicts = 0
        self._last_at = 0.0

    def note_sent(self, event_id: str, due_at: float) -> None:
        """Note that an event goes out; `due_at` is when it should, however late the sender is."""
        event = self._events[event_id]
        self._due[event_id] = due_at
        self._open[event_id] = {event.items[index].item_id for index in event.items_to_explain}

    def note_explanation(self, explanation: Explanation, headers: Headers, now: float) -> Arrival | None:
        """Note an explanation; None if it came before, or belongs to no event that was sent."""
        event_id, key = explanation.event_id, (explanation.event_id, explanation.item_id)
        if key in self._arrivals:
            self._duplicates += 1
            self._conflicts += self._arrivals[key].explanation != explanation
            return None
        if explanation.item_id not in self._open.get(event_id, ()):
            return None
        arrival = Arrival(self._events[event_id], explanation, headers, now - self._due[event_id])
        self._arrivals[key] = arrival
        self._open[event_id].discard(explanation.item_id)
        self._last_at = now
        return arrival

    def note_dead_letter(self, event_id: str) -> None:
        """Note that the worker gave an event up."""
        if event_id in self._due:
            self._dead.add(event_id)
            self._open[event_id].clear()

    @property
    def arrivals(self) -> list[Arrival]:
        """What came back, in the order of the events and their items."""
        keys = [(event.event_id, item.item_id) for event in self._events.values() for item in event.items]
        return [self._arrivals[key] for key in keys if key in self._arrivals]

    @property
    def events_in_flight(self) -> int:
        """How many events were sent and are not fully answered."""
        return sum(1 for items in self._open.values() if items)

    @property
    def settled(self) -> int:
        """A number that grows with every answer."""
        return len(self._arrivals) + len(self._dead)

    def is_event_settled(self, event_id: str) -> bool:
        """Whether an event was sent and everything of it has come back."""
        return event_id in self._due and not self._open[event_id]

    @property
    def is_settled(self) -> bool:
        """Whether all events were sent and answered."""
        return len(self._due) == len(self._events) and self.events_in_flight == 0

    def conclude(self) -> Verdict:
        """Sum up."""
        arrivals = list(self._arrivals.values())
        latencies = sorted(arrival.latency_seconds for arrival in arrivals)
        elapsed = self._last_at - min(self._due.values(), default=0.0)
        p50, p99 = (find_percentile(latencies, share) for share in PERCENTILES)
        return Verdict(
            events_sent=len(self._due),
            explanations=len(arrivals),
            template_reasons=Counter(
                a.explanation.template_reason or "unknown" for a in arrivals if a.explanation.source == "template"
            ),
            dead_letters=len(self._dead),
            missing=sum(map(len, self._open.values())),
            duplicates=self._duplicates,
            conflicts=self._conflicts,
            explanations_per_second=len(arrivals) / elapsed if arrivals and elapsed > 0 else 0.0,
            p50_seconds=p50,
            p99_seconds=p99,
        )


def find_percentile(ordered: Sequence[float], share: float) -> float | None:
    """Find the smallest value that at least this share of the ordered values do not exceed; None without values."""
    if not ordered:
        return None
    # -(-a // 1) rounds up; the guard keeps 0.99 * 100 = 99.00000000000001 from becoming 100.
    rank = int(-(-(share * len(ordered) - 1e-9) // 1))
    return ordered[max(rank, 1) - 1]


def _render_seconds(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
