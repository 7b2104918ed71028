import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay import drawing
from stream_app.replay.drawing import build_theme, list_ticks

COLORS = ("BLUE", "GREEN", "AMBER", "RED", "PURPLE", "GREY", "TEAL", "PINK")


def measure_luminance(color: str) -> float:
    channels = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def measure_contrast(first: str, second: str) -> float:
    low, high = sorted((measure_luminance(first), measure_luminance(second)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("background", ["#ffffff", "#151b23"])
@pytest.mark.parametrize("name", COLORS)
def test_every_colour_stands_out_from_a_light_and_a_dark_page(name: str, background: str) -> None:
    assert measure_contrast(getattr(drawing, name), background) >= 3


@pytest.mark.parametrize(("is_dark", "background"), [(False, "#ffffff"), (True, "#151b23")])
def test_labels_of_both_themes_can_be_read(is_dark: bool, background: str) -> None:
    assert measure_contrast(orjson.loads(build_theme(is_dark=is_dark))["axis"]["labelColor"], background) >= 4.5


@given(st.lists(st.one_of(st.none(), st.floats(1e-6, 3600)), max_size=20))
def test_ticks_of_latencies_enclose_all_of_them_and_rise(values: list[float | None]) -> None:
    ticks = list_ticks(values)
    known = [value for value in values if value is not None]
    assert len(ticks) >= 2
    assert ticks == sorted(set(ticks))
    assert all(ticks[0] <= value * 1.000001 and value <= ticks[-1] * 1.000001 for value in known)
    assert len(ticks) <= 13
