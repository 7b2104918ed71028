"""How figures are written: the same on the page, in tables of the terminal, and in reasons."""

from typing import Final

NOTHING: Final = "–"
"""Stands where nothing was measured."""


def render_seconds(value: float | None) -> str:
    """Render a time in the unit that suits its size, with three digits."""
    if value is None:
        return NOTHING
    if value == 0:
        return "0 ms"
    if abs(value) < 0.001:
        return f"{value * 1e6:.3g} us"
    if abs(value) < 0.9995:
        return f"{value * 1000:.3g} ms"
    return f"{value:.3g} s" if abs(value) < 99.95 else f"{value:,.0f} s"


def render_count(value: float | None) -> str:
    """Render a number: whole ones in full, others with one decimal, or three digits below ten."""
    if value is None:
        return NOTHING
    if value == round(value):
        return f"{round(value):,}"
    return f"{value:,.1f}" if abs(value) >= 10 else f"{value:.3g}"


def render_share(value: float | None) -> str:
    """Render a share of one in per cent."""
    return NOTHING if value is None else f"{value * 100:.3g} %"


def render_bytes(value: float | None) -> str:
    """Render a size of memory in MiB."""
    return NOTHING if value is None else f"{value / 2**20:,.0f} MiB"


def render_change(value: float | None) -> str:
    """Render a relative difference with its sign."""
    if value is None:
        return NOTHING
    return f"{value * 100:+.1f} %" if abs(value) >= 0.0005 else "0.0 %"


def render_objective(name: str, value: float | None) -> str:
    """Render the limit or the figure of an objective, whose unit its name tells: a latency, a share or a count."""
    if name == "max" or read_percentile(name) is not None:
        return render_seconds(value)
    return render_share(value) if name.endswith(" share") else render_count(value)


def read_percentile(objective: str) -> float | None:
    """Read which share of the explanations an objective on latency is about: `p99.9` and `p999` 0.999, others None."""
    digits = objective[1:]
    if not objective.startswith("p") or not digits.replace(".", "", 1).isdigit():
        return None
    return float(digits if "." in digits or len(digits) < 3 else f"{digits[:2]}.{digits[2:]}") / 100
