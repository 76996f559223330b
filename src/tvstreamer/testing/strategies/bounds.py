"""Bounds of what is drawn: looked at late, and refused with both values."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from math import ceil, floor, isfinite
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from tvstreamer.errors import shorten

T = TypeVar("T")

EARLIEST = 1_577_836_800.0
"""2020-01-01 00:00 UTC."""
LATEST = 1_893_456_000.0
"""2030-01-01 00:00 UTC."""


def check_range(name: str, least: float, most: float) -> None:
    if not (isfinite(least) and isfinite(most) and least <= most):
        raise InvalidArgument(f"min_{name}={least!r}, max_{name}={most!r}: expected finite numbers, in this order")


def check_size(least: int, most: int | None) -> None:
    if least < 0 or (most is not None and most < least):
        raise InvalidArgument(f"min_size={least!r}, max_size={most!r}: expected numbers from 0, in this order")


def one_of(name: str, values: Collection[T]) -> st.SearchStrategy[T]:
    """One of what the user gave, the first of it where everything else is plain."""
    if isinstance(values, str) or not values:
        raise InvalidArgument(f"{name}={shorten(values)}: expected a collection that is not empty")
    return st.sampled_from(list(values))


@lru_cache
def grid(name: str, least: float, most: float, step: float) -> st.SearchStrategy[float]:
    """Multiples of a step within bounds; the least one where everything else is plain."""
    check_range(name, least, most)
    first, last = ceil(round(least / step, 6)), floor(round(most / step, 6))
    if first > last:
        raise InvalidArgument(f"min_{name}={least!r}, max_{name}={most!r}: expected a multiple of {step!r} in between")
    return st.integers(0, last - first).map(lambda steps: _multiple(first + steps, step))


def _multiple(count: int, step: float) -> float:
    # 3 * 0.1 is not 0.3, but 3 / 10 is.
    return count / round(1 / step) if step < 1 else float(count * step)
