"""Chance that repeats, and has the shapes that it says."""

import math
from random import Random
from statistics import fmean, median, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_app.replay.dice import Dice, Zipf

DRAWS = 20_000


def test_the_same_seed_and_purpose_give_the_same_draws_and_others_do_not() -> None:
    def roll(seed: int, purpose: str) -> list[float]:
        dice = Dice(seed, purpose)
        return [dice.roll() for _ in range(5)]

    assert roll(1, "items") == roll(1, "items")
    assert roll(1, "items") != roll(2, "items")
    assert roll(1, "items") != roll(1, "users")
    assert roll(1, "items")[0] == Random("1 items").random()


def test_all_options_are_equally_likely() -> None:
    dice = Dice(1, "test")
    picks = [dice.pick("abcd") for _ in range(DRAWS)]
    for option in "abcd":
        assert picks.count(option) == pytest.approx(DRAWS / 4, rel=0.05)
    assert fmean(dice.draw_between(2, 6) for _ in range(DRAWS)) == pytest.approx(4, rel=0.02)


def test_several_picks_are_different_and_at_most_all() -> None:
    dice = Dice(1, "test")
    assert {frozenset(dice.pick_some("abc", 2)) for _ in range(100)} == {frozenset(two) for two in ("ab", "ac", "bc")}
    assert sorted(dice.pick_some("abc", 9)) == ["a", "b", "c"]


def test_waits_are_exponential() -> None:
    dice = Dice(1, "test")
    waits = [dice.draw_wait(3) for _ in range(DRAWS)]
    assert fmean(waits) == pytest.approx(3, rel=0.03)
    assert stdev(waits) == pytest.approx(3, rel=0.03)
    assert median(waits) == pytest.approx(3 * math.log(2), rel=0.03)


@pytest.mark.parametrize("mean", [0.5, 4.0])
def test_counts_are_geometric(mean: float) -> None:
    dice = Dice(1, "test")
    counts = [dice.draw_count(mean) for _ in range(DRAWS)]
    assert fmean(counts) == pytest.approx(mean, rel=0.05)
    assert counts.count(0) / DRAWS == pytest.approx(1 / (1 + mean), rel=0.05)


def test_a_mean_of_zero_is_always_zero() -> None:
    assert {Dice(seed, "test").draw_count(0) for seed in range(100)} == {0}


def test_lengths_are_log_normal() -> None:
    dice = Dice(1, "test")
    logarithms = [math.log(dice.draw_length(100, 0.5)) for _ in range(DRAWS)]
    assert fmean(logarithms) == pytest.approx(math.log(100), rel=0.01)
    assert stdev(logarithms) == pytest.approx(0.5, rel=0.03)
    assert dice.draw_length(100, 0) == 100


def test_zipf_makes_the_second_half_as_popular_as_the_first_at_exponent_one() -> None:
    dice, zipf = Dice(1, "test"), Zipf(100, 1.0)
    draws = [zipf.draw(dice) for _ in range(DRAWS)]
    assert {min(draws), max(draws)} == {0, 99}
    for number in (1, 2, 4):
        assert draws.count(0) / draws.count(number) == pytest.approx(number + 1, rel=0.15)


def test_zipf_of_exponent_zero_likes_all_the_same() -> None:
    dice, zipf = Dice(1, "test"), Zipf(4, 0)
    draws = [zipf.draw(dice) for _ in range(DRAWS)]
    assert [draws.count(number) for number in range(4)] == pytest.approx([DRAWS / 4] * 4, rel=0.05)


@given(
    size=st.integers(1, 30), number=st.integers(0, 40), exponent=st.floats(0, 5), excluded=st.sets(st.integers(0, 30))
)
def test_distinct_draws_are_as_many_as_asked_for_or_all_there_are(
    size: int, number: int, exponent: float, excluded: set[int]
) -> None:
    drawn = Zipf(size, exponent).draw_distinct(Dice(1, "test"), number, excluded)
    left = set(range(size)) - excluded
    assert len(drawn) == len(set(drawn)) == min(number, len(left))
    assert set(drawn) <= left
