import pytest

from stream_app.replay.figures import (
    NOTHING,
    read_percentile,
    render_bytes,
    render_change,
    render_count,
    render_objective,
    render_seconds,
    render_share,
)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.00035, "350 us"), (0.0834, "83.4 ms"), (0.9996, "1 s"), (12.34, "12.3 s"), (1234, "1,234 s")],
)
def test_a_time_is_written_in_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert render_seconds(seconds) == text


def test_whole_numbers_are_written_in_full_and_others_with_three_digits() -> None:
    assert render_count(1234567) == "1,234,567"
    assert render_count(1234.56) == "1,234.6"
    assert render_count(0.01234) == "0.0123"


def test_what_was_not_measured_is_a_dash() -> None:
    renderers = (render_seconds, render_count, render_share, render_bytes, render_change)
    assert {render(None) for render in renderers} == {NOTHING}


def test_a_change_has_a_sign_unless_it_is_none() -> None:
    assert [render_change(value) for value in (0.5, -0.125, 0.0, -0.0001)] == ["+50.0 %", "-12.5 %", "0.0 %", "0.0 %"]


@pytest.mark.parametrize(
    ("name", "text"),
    [("p99", "250 ms"), ("max", "250 ms"), ("template share", "25 %"), ("lost", "0.25"), ("template", "0.25")],
)
def test_the_name_of_an_objective_tells_its_unit(name: str, text: str) -> None:
    assert render_objective(name, 0.25) == text


@pytest.mark.parametrize(
    ("name", "share"), [("p50", 0.5), ("p99.9", 0.999), ("p999", 0.999), ("lost", None), ("pending", None), ("p", None)]
)
def test_the_share_of_an_objective_on_latency_is_read_from_its_name(name: str, share: float | None) -> None:
    assert read_percentile(name) == (None if share is None else pytest.approx(share))
