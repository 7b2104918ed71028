"""What the demo shows: tables and a progress bar on a terminal, plain lines everywhere else."""

import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Protocol, Self, TextIO

from rich.console import Console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from stream_app.core.events import HistoryItem, RankingEvent
from stream_app.local.ledger import Arrival

HISTORY_SHOWN: Final = 7
PLAIN_HISTORY_SHOWN: Final = 3


class Screen(AbstractContextManager["Screen"], Protocol):
    """Where the demo reports to."""

    def note(self, message: str) -> None:
        """Show a line about the run itself."""
        ...

    def show_arrival(self, arrival: Arrival) -> None:
        """Take one explanation, as soon as it is there."""
        ...

    def show_event(self, event: RankingEvent, arrivals: Sequence[Arrival]) -> None:
        """Take an event whose explanations are complete."""
        ...


def open_screen(expected: int, output: TextIO = sys.stdout) -> Screen:
    """Open the screen that suits an output; `expected` explanations make the progress bar full."""
    return TerminalScreen(expected, output) if output.isatty() else PlainScreen(output)


class PlainScreen:
    """One line for each explanation: what the user liked, the item, the text."""

    def __init__(self, output: TextIO) -> None:
        self._output = output

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._output.flush()

    def note(self, message: str) -> None:
        """Write the message as it is."""
        self._output.write(f"{message}\n")
        self._output.flush()

    def show_arrival(self, arrival: Arrival) -> None:
        """Write one line."""
        event, explanation = arrival.event, arrival.explanation
        liked = "; ".join(_describe_history(item) for item in event.user.history[:PLAIN_HISTORY_SHOWN])
        item = next(item for item in event.items if item.item_id == explanation.item_id)
        self.note(
            f"{event.user.user_id} ({liked}) | {item.rank}. {item.title} | {explanation.text} [{explanation.source}]"
        )

    def show_event(self, event: RankingEvent, arrivals: Sequence[Arrival]) -> None:
        """Nothing more to write: the lines of its explanations stand there."""


class TerminalScreen:
    """A panel for each event: history on the left, items and explanations on the right; a progress bar below."""

    def __init__(self, expected: int, output: TextIO) -> None:
        columns = (TextColumn("explanations"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=Console(file=output, highlight=False))
        self._task = self._progress.add_task("explanations", total=expected)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def note(self, message: str) -> None:
        """Print the message above the bar."""
        # Text, here and below: what comes from an event is never read as rich's markup.
        self._progress.console.print(Text(message))

    def show_arrival(self, arrival: Arrival) -> None:
        """Move the bar."""
        del arrival
        self._progress.advance(self._task)

    def show_event(self, event: RankingEvent, arrivals: Sequence[Arrival]) -> None:
        """Print the event's panel."""
        self._progress.console.print(build_panel(event, arrivals))


def build_panel(event: RankingEvent, arrivals: Sequence[Arrival]) -> Panel:
    """Build the side-by-side view of one event."""
    history = Table.grid(padding=(0, 1))
    for known in event.user.history[:HISTORY_SHOWN]:
        history.add_row(Text(_render_rating(known.rating), style="yellow"), Text(known.title))
    texts = Table.grid(padding=(0, 1))
    items = {item.item_id: item for item in event.items}
    for arrival in arrivals:
        explanation = arrival.explanation
        item = items[explanation.item_id]
        is_model = explanation.source == "model"
        body = Text.assemble((f"{item.title}\n", "bold"), (explanation.text, "" if is_model else "dim"))
        texts.add_row(Text(f"{item.rank}."), body)
    sides = Table.grid(padding=(0, 2), expand=True)
    sides.add_column(ratio=1)
    sides.add_column(ratio=2)
    sides.add_row(history, texts)
    latency = max((arrival.latency_seconds for arrival in arrivals), default=0.0)
    return Panel(sides, title=Text(event.user.user_id), subtitle=Text(f"{latency:.2f} s"))


def _describe_history(item: HistoryItem) -> str:
    return item.title if item.rating is None else f"{item.title} {item.rating:g}"


def _render_rating(rating: float | None) -> str:
    return "" if rating is None else f"{rating:g} ★"
