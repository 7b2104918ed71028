"""Chance that repeats: the same seed gives the same draws, with each version of Python.

Python promises that for `Random.random` alone; so everything here is computed from it.
"""

import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from random import Random
from typing import TypeVar

T = TypeVar("T")


class Dice:
    """Draws for one purpose: what is drawn for another changes nothing here."""

    def __init__(self, seed: int, purpose: str) -> None:
        # Of a text, unlike of an object, Python makes the same seed in each process.
        self.roll = Random(f"{seed} {purpose}").random

    def draw_below(self, number: int) -> int:
        """Draw a whole number from 0 to below this one."""
        return int(self.roll() * number)

    def draw_between(self, low: float, high: float) -> float:
        """Draw a number, each equally likely."""
        return low + self.roll() * (high - low)

    def pick(self, options: Sequence[T]) -> T:
        """Pick one, each equally likely."""
        return options[self.draw_below(len(options))]

    def pick_some(self, options: Sequence[T], number: int) -> list[T]:
        """Pick several different ones, or all where there are fewer."""
        left = list(options)
        return [left.pop(self.draw_below(len(left))) for _ in range(min(number, len(left)))]

    def draw_wait(self, mean: float) -> float:
        """Draw how long until the next of events that happen at random (exponential)."""
        return -mean * math.log(1 - self.roll())

    def draw_count(self, mean: float) -> int:
        """Draw how many, from 0 on: few are likely, many are possible (geometric)."""
        return int(math.log(1 - self.roll()) / math.log(mean / (1 + mean))) if mean > 0 else 0

    def draw_length(self, median: float, sigma: float) -> float:
        """Draw a length (log-normal); sigma: of its natural logarithm."""
        normal = math.sqrt(-2 * math.log(1 - self.roll())) * math.cos(2 * math.pi * self.roll())
        return median * math.exp(sigma * normal)


class Zipf:
    """Popularity: of numbers from 0 on, number k is drawn in proportion to 1 / (k + 1) ** exponent."""

    def __init__(self, size: int, exponent: float) -> None:
        self._sums = list(accumulate((number + 1) ** -exponent for number in range(size)))

    def draw(self, dice: Dice) -> int:
        """Draw a number below the size."""
        return bisect_right(self._sums, dice.roll() * self._sums[-1])

    def draw_distinct(self, dice: Dice, number: int, excluded: set[int]) -> list[int]:
        """Draw different numbers, none of the excluded ones; fewer only where there are no more."""
        drawn: dict[int, None] = {}
        for _ in range(number * 20):
            if len(drawn) == number:
                break
            candidate = self.draw(dice)
            if candidate not in excluded:
                drawn[candidate] = None
        return [*drawn, *self._find_missing(number - len(drawn), excluded | drawn.keys())]

    def _find_missing(self, number: int, excluded: set[int]) -> Iterator[int]:
        # The popular ones have been drawn again and again: the most popular of the others take their place.
        for candidate in range(len(self._sums)):
            if number == 0:
                return
            if candidate not in excluded:
                number -= 1
                yield candidate
