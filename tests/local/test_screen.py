"""What the demo prints: plain lines for files and pipes, panels for terminals, and event text never as markup."""

import io

from stream_app.core.events import HistoryItem, RankedItem, RankingEvent, User
from stream_app.local.ledger import Arrival
from stream_app.local.screen import PlainScreen, TerminalScreen, open_screen
from tests.local.test_ledger import make_explanation

TEXT = "Because you loved Harbour Lights, try [red]Glass[/red] Orchard, a drama with a mystery in it."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def make_arrival() -> Arrival:
    user = User(user_id="ml-7", history=[HistoryItem(item_id="h", title="Harbour Lights", rating=5.0)])
    items = [RankedItem(item_id="a", title="[red]Glass[/red] Orchard", rank=1)]
    document = {"event_id": "e1", "occurred_at": "2026-01-01T00:00:00Z", "user": user, "items": items}
    return Arrival(RankingEvent.model_validate(document), make_explanation("a", text=TEXT), {}, 0.25)


def test_plain_output_is_one_line_for_each_explanation_with_history_and_item() -> None:
    output = io.StringIO()
    arrival = make_arrival()
    with open_screen(1, output) as screen:
        assert isinstance(screen, PlainScreen)
        screen.show_arrival(arrival)
        screen.show_event(arrival.event, [arrival])
    assert output.getvalue() == f"ml-7 (Harbour Lights 5) | 1. [red]Glass[/red] Orchard | {TEXT} [model]\n"


def test_a_terminal_gets_a_panel_a_bar_and_the_text_letter_for_letter() -> None:
    output = Terminal()
    arrival = make_arrival()
    with open_screen(1, output) as screen:
        assert isinstance(screen, TerminalScreen)
        screen.note("worker ready [bold]")
        screen.show_arrival(arrival)
        screen.show_event(arrival.event, [arrival])
    shown = output.getvalue()
    for piece in ("worker ready [bold]", "ml-7", "5 ★", "Harbour Lights", "[red]Glass[/red] Orchard", "1/1"):
        assert piece in shown
