"""How a run is going, for whoever waits: one line that changes on a terminal, a line every five seconds elsewhere."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TextIO

from stream_app.replay.driver import Sleep
from stream_app.replay.figures import render_count, render_seconds
from stream_app.replay.logbook import Logbook

if TYPE_CHECKING:
    from rich.live import Live

TERMINAL_SECONDS: Final = 1.0
LINES_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How the present leg of a run is going."""

    run_id: str
    seconds: float
    """Since the start of the whole run."""
    rate_in: float
    """Events per second, sent since the last look."""
    rate_out: float
    """Events per second whose items all got an outcome."""
    backlog: int
    p99: float | None
    """Of all outcomes so far."""

    def render(self) -> str:
        """Render as one line."""
        return (
            f"{self.run_id} {self.seconds:4.0f} s  in {render_count(round(self.rate_in, 1))}/s  "
            f"out {render_count(round(self.rate_out, 1))}/s  backlog {render_count(self.backlog)}  "
            f"p99 {render_seconds(self.p99)}"
        )


class Screen(Protocol):
    """Where progress is shown."""

    @property
    def period_seconds(self) -> float:
        """How often it wants to be told."""
        ...

    def show(self, progress: Progress) -> None:
        """Show how it goes."""
        ...

    def note(self, line: str) -> None:
        """Write a line that stays."""
        ...


class LineScreen:
    """Plain lines, for logs."""

    period_seconds = LINES_SECONDS

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def show(self, progress: Progress) -> None:
        """Write a line."""
        self.note(progress.render())

    def note(self, line: str) -> None:
        """Write a line."""
        self._output.write(f"{line}\n")
        self._output.flush()


class TerminalScreen:
    """One line that changes, below those that stay."""

    period_seconds = TERMINAL_SECONDS

    def __init__(self, live: "Live") -> None:
        self._live = live

    def show(self, progress: Progress) -> None:
        """Change the line."""
        from rich.text import Text

        self._live.update(Text(progress.render()), refresh=True)

    def note(self, line: str) -> None:
        """Write a line above it."""
        self._live.console.print(line, markup=False, highlight=False)


@contextmanager
def open_screen(output: TextIO) -> Iterator[Screen]:
    """Open the screen that suits where the output goes."""
    if not output.isatty():
        yield LineScreen(output)
        return
    from rich.console import Console
    from rich.live import Live

    # No thread of its own: it would take its turns from the sender.
    with Live("", console=Console(file=output), auto_refresh=False, transient=True) as live:
        yield TerminalScreen(live)


class Onlooker:
    """Looks at a logbook from time to time."""

    def __init__(self, book: Logbook) -> None:
        self._book = book
        self._run_id = ""
        self._looked_at = book.now()
        self._sent = self._answered = 0

    def look(self) -> Progress | None:
        """Tell how it goes; None before there is anything to tell."""
        if not self._book.stretches:
            return None
        ledger, now = self._book.stretches[-1].ledger, self._book.now()
        if ledger.run_id != self._run_id:
            self._run_id, self._sent, self._answered = ledger.run_id, 0, 0
            self._looked_at = min(now, ledger.started_at - self._book.origin)
        sent, answered = ledger.events, ledger.events - ledger.open_events
        elapsed = max(now - self._looked_at, 1e-3)
        rate_in, rate_out = (sent - self._sent) / elapsed, (answered - self._answered) / elapsed
        self._looked_at, self._sent, self._answered = now, sent, answered
        return Progress(ledger.run_id, now, rate_in, rate_out, ledger.open_events, ledger.latency.find(99))


async def show_progress(book: Logbook, screen: Screen, sleep: Sleep = asyncio.sleep) -> None:
    """Show how a run is going, until cancelled."""
    onlooker = Onlooker(book)
    while True:
        await sleep(screen.period_seconds)
        if (progress := onlooker.look()) is not None:
            screen.show(progress)
