from __future__ import annotations

import math
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.server.studies.windows import Exponential, Simple, Window

values = st.lists(st.floats(-1e6, 1e6), max_size=60)
lengths = st.integers(1, 12)


@given(values, lengths)
@example([65_000.01 + each % 2 / 100 for each in range(40)], 20)
@example([5.0] * 9, 1)
def test_a_window_has_the_moments_of_the_newest_values(values: list[float], length: int) -> None:
    window = Window(length)
    for count, value in enumerate(values, 1):
        moments = window.next(value, True)
        if count < length:
            assert moments is None
            continue
        assert moments is not None
        newest = values[count - length : count]
        assert moments.count == length
        scale = max(map(abs, newest))
        assert math.isclose(moments.mean, statistics.fmean(newest), rel_tol=1e-12, abs_tol=1e-12 * scale)
        assert math.isclose(moments.squares, statistics.pvariance(newest) * length, rel_tol=1e-9, abs_tol=1e-18 * scale**2)


@given(values, lengths, st.floats(-1e6, 1e6))
def test_what_is_not_kept_leaves_no_trace(values: list[float], length: int, other: float) -> None:
    plain, tried = Window(length), Window(length)
    smoothed, tried_too = Exponential.ema(length), Exponential.ema(length)
    for value in values:
        tried.next(other, False)
        tried_too.next(other, False)
        assert tried.next(value, False) == plain.next(value, True)
        assert tried_too.next(value, False) == smoothed.next(value, True)
        tried.next(value, True)
        tried_too.next(value, True)


@given(values, lengths, st.booleans())
def test_an_exponential_average_begins_with_a_simple_one(values: list[float], length: int, wilder: bool) -> None:
    average = Exponential.wilder(length) if wilder else Exponential.ema(length)
    alpha = 1 / length if wilder else 2 / (length + 1)
    expected: float | None = None
    for count, value in enumerate(values, 1):
        if expected is not None:
            expected = alpha * value + (1 - alpha) * expected
        elif count == length:
            expected = sum(values[:length]) / length
        found = average.next(value, True)
        if expected is None:
            assert found is None
        else:
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-5)


def test_no_value_is_not_counted() -> None:
    simple, smoothed = Simple(2), Exponential.ema(2)
    for average in (simple, smoothed):
        assert [average.next(value, True) for value in (1.0, None, 3.0, None)] == [None, None, 2.0, None]


def test_equal_values_have_no_deviation_at_all() -> None:
    window = Window(3)
    moments = [window.next(0.1, True) for _ in range(10)]
    assert [(each.mean, each.squares) for each in moments if each] == [(0.1, 0.0)] * 8
