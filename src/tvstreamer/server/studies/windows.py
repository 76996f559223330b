"""Averages over the newest values of a sequence, each value taken at the cost of a few operations.

Each has one method, `next`: the average with one more value. Unless that is to be kept, everything stays as it was, so the
value of a bar that is still forming may be replaced as often as it changes. None in is None out, and is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Moments:
    """How many values, their mean, and the sum of the squares of their distances from it."""

    count: int
    mean: float
    squares: float

    def merged(self, other: Moments) -> Moments:
        """Those of both. Nothing is ever subtracted from a sum, so nothing is lost to rounding over a long run."""
        if not self.count:
            return other
        count = self.count + other.count
        apart = other.mean - self.mean
        share = other.count / count
        return Moments(
            count, self.mean + apart * share, self.squares + other.squares + apart * apart * self.count * share
        )


_NONE = Moments(0, 0.0, 0.0)


class Window:
    """The moments of the newest `length` values; None before there are as many.

    Two stacks: the older values with the moments of each and all behind it, so that the oldest can be dropped, and the newer
    ones as a whole. When the older are used up, the newer take their place.
    """

    __slots__ = ("_length", "_newer", "_newer_moments", "_older")

    def __init__(self, length: int) -> None:
        self._length = length
        self._older: list[Moments] = []
        self._newer: list[float] = []
        self._newer_moments = _NONE

    def next(self, value: float | None, keep: bool) -> Moments | None:
        if value is None:
            return None
        full = len(self._older) + len(self._newer) == self._length
        if full and not self._older:
            self._turn()
        # The oldest value lies on top of its stack, and makes room for this one.
        older = self._older[-2] if len(self._older) > 1 else _NONE
        newer = self._newer_moments.merged(Moments(1, value, 0.0))
        if keep:
            if full:
                self._older.pop()
            self._newer.append(value)
            self._newer_moments = newer
        moments = older.merged(newer)
        return moments if moments.count == self._length else None

    def _turn(self) -> None:
        moments = _NONE
        for value in reversed(self._newer):
            moments = Moments(1, value, 0.0).merged(moments)
            self._older.append(moments)
        self._newer.clear()
        self._newer_moments = _NONE


class Simple:
    """The mean of the newest `length` values."""

    __slots__ = ("_window",)

    def __init__(self, length: int) -> None:
        self._window = Window(length)

    def next(self, value: float | None, keep: bool) -> float | None:
        moments = self._window.next(value, keep)
        return None if moments is None else moments.mean


class Exponential:
    """Each value has the weight `alpha`, all before it together the rest. It begins with the mean of the first `length`."""

    __slots__ = ("_alpha", "_average", "_first")

    def __init__(self, length: int, alpha: float) -> None:
        self._alpha = alpha
        self._first = Simple(length)
        self._average: float | None = None

    @classmethod
    def ema(cls, length: int) -> Exponential:
        return cls(length, 2 / (length + 1))

    @classmethod
    def wilder(cls, length: int) -> Exponential:
        return cls(length, 1 / length)

    def next(self, value: float | None, keep: bool) -> float | None:
        if value is None:
            return None
        if self._average is None:
            average = self._first.next(value, keep)
        else:
            average = self._average + self._alpha * (value - self._average)
        if keep:
            self._average = average
        return average
