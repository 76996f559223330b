"""The rule, held against its definition for whatever bars there may be."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ma_alert import Crossing
from tvstreamer import Bar
from tvstreamer.testing.strategies import bar_series

bars = bar_series(interval="1", max_size=25, forming=False)


def test_a_price_that_lifts_the_fast_average_over_the_slow_one_is_told() -> None:
    crossing = Crossing(fast=1, slow=3)
    assert [crossing.update(close) for close in [5, 4, 3, 3, 6, 6, 1]] == [None, None, None, None, "up", None, "down"]


def test_averages_that_only_meet_have_not_crossed() -> None:
    crossing = Crossing(fast=1, slow=2)
    assert [crossing.update(close) for close in [1, 2, 2, 3, 3, 2]] == [None, None, None, None, None, "down"]


@given(bars, st.integers(1, 4), st.integers(1, 4))
def test_it_tells_what_exact_averages_tell(series: list[Bar], fast: int, more: int) -> None:
    closes = [bar.close for bar in series]
    crossing = Crossing(fast, fast + more)
    assert [crossing.update(close) for close in closes] == by_definition(closes, fast, fast + more)


@given(bars)
def test_up_and_down_take_turns(series: list[Bar]) -> None:
    crossing = Crossing(2, 5)
    told = [direction for bar in series if (direction := crossing.update(bar.close))]
    assert all(one != other for one, other in pairwise(told))


@given(bars, bars)
def test_after_a_reset_it_is_as_new(before: list[Bar], after: list[Bar]) -> None:
    used, new = Crossing(2, 5), Crossing(2, 5)
    for bar in before:
        used.update(bar.close)
    used.reset()
    assert [used.update(bar.close) for bar in after] == [new.update(bar.close) for bar in after]


@pytest.mark.parametrize(("fast", "slow"), [(0, 5), (5, 5), (6, 5)])
def test_lengths_that_cannot_be_are_refused(fast: int, slow: int) -> None:
    with pytest.raises(ValueError, match=f"fast {fast}, slow {slow}: expected lengths with 0 < fast < slow"):
        Crossing(fast, slow)


def by_definition(closes: list[float], fast: int, slow: int) -> list[str | None]:
    """Slow, exact, and written with nothing of the class in mind."""
    exact = [Fraction(close) for close in closes]
    told: list[str | None] = []
    side = 0
    for end in range(1, len(exact) + 1):
        direction = None
        if end >= slow:
            apart = sum(exact[end - fast : end]) / fast - sum(exact[end - slow : end]) / slow
            if apart and side and (apart > 0) != (side > 0):
                direction = "up" if apart > 0 else "down"
            if apart:
                side = 1 if apart > 0 else -1
        told.append(direction)
    return told
