import argparse

import pytest

from stream_app.replay.arguments import parse_count, parse_duration, parse_rate, parse_share, parse_speed


def test_durations_rates_speeds_shares_and_counts_are_read_with_their_units() -> None:
    assert [parse_duration(text) for text in ("500ms", "60s", "1.5m", "1h")] == [0.5, 60, 90, 3600]
    assert [parse_rate(text) for text in ("200/s", "30/m", "0.5")] == [200, 0.5, 0.5]
    assert [parse_speed(text) for text in ("10x", "0.5x", "3")] == [10, 0.5, 3]
    assert [parse_share(text) for text in ("30%", "0.3")] == pytest.approx([0.3, 0.3])
    assert parse_count("7") == 7


@pytest.mark.parametrize("parse", [parse_duration, parse_rate, parse_speed, parse_share, parse_count])
@pytest.mark.parametrize("text", ["", "x", "-1", "1e9y", "nan", "١"])
def test_anything_else_is_refused_with_the_reason(parse: object, text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="no "):
        parse(text)  # type: ignore[operator]


@pytest.mark.parametrize("parse", [parse_rate, parse_speed, parse_count])
def test_nothing_of_something_is_refused(parse: object) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        parse("0")  # type: ignore[operator]
