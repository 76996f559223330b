"""The rule by itself: numbers in, crossings out."""

from __future__ import annotations

import math
from collections import deque


class Crossing:
    """Told one closing price after the other, says when the mean of the newest `fast` crosses that of the newest `slow`."""

    def __init__(self, fast: int, slow: int) -> None:
        if not 0 < fast < slow:
            raise ValueError(f"fast {fast!r}, slow {slow!r}: expected lengths with 0 < fast < slow")
        self._fast = fast
        self._closes: deque[float] = deque(maxlen=slow)
        self._side = 0

    def update(self, close: float) -> str | None:
        """`"up"` or `"down"` where this price makes them cross; None where not, or where there are too few prices yet."""
        self._closes.append(close)
        if len(self._closes) < (self._closes.maxlen or 0):
            return None
        closes = list(self._closes)
        apart = _mean(closes[-self._fast :]) - _mean(closes)
        side = (apart > 0) - (apart < 0)
        # Averages that meet have not crossed yet, and the side that they were on counts.
        before, self._side = self._side, side or self._side
        if before * side >= 0:
            return None
        return "up" if side > 0 else "down"

    def reset(self) -> None:
        """Forgets all prices, as after a hole that nobody can fill."""
        self._closes.clear()
        self._side = 0


def _mean(values: list[float]) -> float:
    # fsum: the same prices give the same mean, whatever came before them.
    return math.fsum(values) / len(values)
