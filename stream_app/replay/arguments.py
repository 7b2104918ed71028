"""Values of the command line: durations, rates, speeds, shares. Light, since every `prism` loads it."""

import argparse
import re
from typing import Final

SECONDS_PER_UNIT: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Parse `500ms`, `60s`, `5m` or `1h` into seconds."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; one looks like 500ms, 60s, 5m or 1h")
    return float(found[1]) * SECONDS_PER_UNIT[found[2]]


def parse_rate(text: str) -> float:
    """Parse `200/s`, `30/m` or `200` into events per second."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(?:/(s|m|h))?", text)
    if found is None or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no rate; one looks like 200/s or 30/m")
    return float(found[1]) / SECONDS_PER_UNIT[found[2] or "s"]


def parse_speed(text: str) -> float:
    """Parse `10x`, `0.5x` or `10`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)x?", text)
    if found is None or float(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed; one looks like 10x or 0.5x")
    return float(found[1])


def parse_share(text: str) -> float:
    """Parse `30%` or `0.3`."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)(%)?", text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no share; one looks like 30% or 0.3")
    return float(found[1]) / (100 if found[2] else 1)


def parse_count(text: str) -> int:
    """Parse a whole number from 1 on."""
    if not text.isascii() or not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
