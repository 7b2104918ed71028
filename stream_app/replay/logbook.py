"""What was measured in a run so far: complete, cut short, or in the middle of a failure."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from stream_app.core.errors import PrismError
from stream_app.replay.driver import Driven
from stream_app.replay.histograms import Histogram
from stream_app.replay.ledger import Ledger
from stream_app.replay.measurements import Incident, ProcessSample
from stream_app.replay.scrape import Rises
from stream_app.replay.search import SearchResult

NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(slots=True)
class Stretch:
    """One leg of a run, and what was measured of it."""

    ledger: Ledger
    lateness: Histogram = field(default_factory=Histogram)
    driven: Driven | None = None
    """None as long as it has not ended, and if it failed."""

    @property
    def ended_at(self) -> float:
        """When the last thing happened: a record left, or an item got its outcome."""
        begun = self.ledger.started_at
        return max(begun, self.driven.last_sent_at if self.driven else begun, self.ledger.last_outcome_at or begun)


@dataclass(slots=True)
class Logbook:
    """A run. All times are of one monotonic clock."""

    clock: Callable[[], float] = time.monotonic
    stretches: list[Stretch] = field(default_factory=list)
    samples: list[ProcessSample] = field(default_factory=list)
    incidents: list[Incident] = field(default_factory=list)
    rises: Rises | None = None
    """None where the run has no workers of its own."""
    doubts: list[str] = field(default_factory=list)
    """Why this is no result, apart from what the figures say."""
    search: SearchResult | None = None
    is_interrupted: bool = False
    failure: PrismError | None = None
    origin: float = 0.0
    started_at: datetime = NEVER

    def begin(self, wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """Begin to count seconds."""
        self.origin, self.started_at = self.clock(), wall_clock()

    def now(self) -> float:
        """Tell how many seconds of the run are over."""
        return self.clock() - self.origin

    def find_wall_time(self, moment: float) -> datetime:
        """Find when a moment of the clock was."""
        return self.started_at + timedelta(seconds=moment - self.origin)

    def doubt(self, reason: str) -> None:
        """Note, once, why this is no result."""
        if reason not in self.doubts:
            self.doubts.append(reason)
