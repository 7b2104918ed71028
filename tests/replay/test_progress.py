import io

from stream_app.replay.ledger import Ledger
from stream_app.replay.logbook import Logbook, Stretch
from stream_app.replay.progress import LineScreen, Onlooker, Progress, TerminalScreen, open_screen


class FakeTerminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def build_progress() -> Progress:
    return Progress("run-1", 12.0, 20.04, 19.9, 1_234, 0.25)


def test_a_line_has_the_rates_the_backlog_and_p99() -> None:
    assert build_progress().render() == "run-1   12 s  in 20/s  out 19.9/s  backlog 1,234  p99 250 ms"


def test_elsewhere_than_on_a_terminal_progress_is_plain_lines() -> None:
    output = io.StringIO()
    with open_screen(output) as screen:
        assert isinstance(screen, LineScreen)
        screen.show(build_progress())
        screen.note("done")
    assert output.getvalue().splitlines() == [build_progress().render(), "done"]


def test_on_a_terminal_one_line_changes_and_notes_stay() -> None:
    output = FakeTerminal()
    with open_screen(output) as screen:
        assert isinstance(screen, TerminalScreen)
        screen.show(build_progress())
        screen.note("a step [holds]")
    assert "backlog 1,234" in output.getvalue()
    assert "a step [holds]" in output.getvalue()


def test_rates_are_those_since_the_last_look_and_of_the_present_leg() -> None:
    now = 100.0
    book = Logbook(clock=lambda: now)
    book.begin()
    onlooker = Onlooker(book)
    assert onlooker.look() is None
    for name, events in (("first", 10), ("second", 4)):
        ledger = Ledger(name)
        ledger.begin(now)
        book.stretches.append(Stretch(ledger))
        for number in range(events):
            ledger.note_sent(f"{name}-{number}", ("item",), now)
        now += 2.0
        look = onlooker.look()
        assert look is not None
        assert (look.run_id, look.rate_in, look.rate_out, look.backlog) == (name, events / 2, 0, events)
    now += 2.0
    again = onlooker.look()
    assert again is not None
    assert (again.rate_in, again.seconds) == (0, 6.0)
