"""`prism replay verify`: a run is judged again, by what its topics have now.

What came after the run had ended counts, and so do duplicates that came late. The latency of what had its outcome in
time stays as it was measured; that of what came later runs to when it was written. A search keeps its latency: it is
about one of its steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

from stream_app.replay.histograms import Histogram
from stream_app.replay.ledger import ItemVerdict, Ledger
from stream_app.replay.link import Arrival, ArrivalArchive, Link
from stream_app.replay.measurements import Report
from stream_app.replay.results import add_counts
from stream_app.replay.sent_log import LoggedEvent
from stream_app.replay.slo import Objectives, check_objectives
from stream_app.replay.stamp import HEADER_RUN

CLOCK_SECONDS: Final = 60
"""By how much the clocks of other machines may be behind the one of the run."""
READ_SECONDS: Final = 0.5
STALL_SECONDS: Final = 30.0
"""How long nothing may come although there is more: a transaction that never ended, for example."""
SHOWN_ITEMS: Final = 20


@dataclass(frozen=True, slots=True)
class Verification:
    """A run, judged again."""

    report: Report
    missing: tuple[ItemVerdict, ...]
    """The first of them."""
    late_items: int
    """Items whose first outcome came after the run had ended."""


@dataclass(slots=True)
class _Books:
    """Two ledgers of one leg."""

    whole: Ledger
    late: Ledger
    """Asks for nothing but what had no outcome when the run ended."""

    def note_sent(self, event: LoggedEvent) -> None:
        self.whole.note_sent(event.event_id, event.item_ids, event.intended_at)
        self.late.note_sent(event.event_id, event.open_item_ids, event.intended_at)

    def note_arrival(self, arrival: Arrival) -> None:
        self.whole.note_arrival(arrival)
        self.late.note_arrival(arrival)


async def verify(report: Report, sent: Iterator[LoggedEvent], link: Link, objectives: Objectives) -> Verification:
    """Judge a run again.

    Args:
        report: of the run.
        sent: what it sent; see `read_sent`.
        link: to the topics that it wrote to.
        objectives: what must hold; those of the run, or others.

    Raises:
        PrismError: the topics, or what was sent, cannot be read.
    """
    legs = _open_books(sent)
    doubts = list(report.invalid)
    async with link.open_archive(int((report.started_at.timestamp() - CLOCK_SECONDS) * 1000)) as archive:
        if not await _read_all(archive, legs):
            doubts.append("the topics were not read to their ends: something in them was begun and never ended")
    books = [legs[name] for name in legs]
    counts = add_counts(one.whole.count() for one in books)
    latency = Histogram.from_percentiles(report.latency)
    for one in books if not report.search else ():
        latency.merge(one.late.latency)
    update = {
        "invalid": doubts,
        "counts": counts,
        "latency": latency.to_percentiles(),
        "objectives": check_objectives(objectives, counts, latency.to_percentiles()),
    }
    missing = (item for one in books for item in one.whole.list_missing())
    return Verification(
        report=report.model_copy(update=update),
        missing=tuple(islice(missing, SHOWN_ITEMS)),
        late_items=sum(one.late.latency.count for one in books),
    )


def render_verification(verification: Verification) -> str:
    """Render what the verdict leaves open: what came late, and what never came."""
    counts = verification.report.counts
    lines = [f"  {verification.late_items} items had their first outcome after the run had ended"]
    if counts.missing:
        lines.append(f"  {counts.missing} items have no outcome; the first of them:")
    lines += [f"    {item.event_id}  {item.item_id or '(no ranking event)'}" for item in verification.missing]
    return "\n".join(lines)


def _open_books(sent: Iterator[LoggedEvent]) -> dict[str, _Books]:
    legs: dict[str, _Books] = {}
    for event in sent:
        if event.run_id not in legs:
            legs[event.run_id] = _Books(Ledger(event.run_id), Ledger(event.run_id))
        legs[event.run_id].note_sent(event)
    return legs


async def _read_all(archive: ArrivalArchive, legs: dict[str, _Books]) -> bool:
    """Read an archive to its end; says whether it came there."""
    quiet_seconds = 0.0
    while not archive.is_exhausted:
        arrivals = await archive.read(READ_SECONDS)
        for arrival in arrivals:
            _give(arrival, legs)
        quiet_seconds = 0.0 if arrivals else quiet_seconds + READ_SECONDS
        if quiet_seconds >= STALL_SECONDS:
            return False
    return True


def _give(arrival: Arrival, legs: dict[str, _Books]) -> None:
    run_id = (dict(arrival.headers).get(HEADER_RUN) or b"").decode(errors="replace")
    # What was cut hard has lost its headers: each leg looks whether it knows it.
    for books in [legs[run_id]] if run_id in legs else [] if run_id else list(legs.values()):
        books.note_arrival(arrival)
