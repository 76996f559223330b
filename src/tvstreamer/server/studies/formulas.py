"""What each study makes of a bar, by the definitions that TradingView publishes.

`next` gives the values of the next bar, in the order of the study's plots, None where there is none yet. Unless the bar is to
be kept, nothing changes: a forming bar is computed anew with each of its updates.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from tvstreamer.server.market.bars import BarRow
from tvstreamer.server.studies.windows import Exponential, Simple, Window
from tvstreamer.studies import Study

Values: TypeAlias = tuple[float | None, ...]
Source: TypeAlias = Callable[[BarRow], float]


class Formula(Protocol):
    def next(self, bar: BarRow, keep: bool) -> Values: ...


SOURCES: Final[dict[str, Source]] = {
    "open": lambda bar: bar.open,
    "high": lambda bar: bar.high,
    "low": lambda bar: bar.low,
    "close": lambda bar: bar.close,
    "hl2": lambda bar: (bar.high + bar.low) / 2,
    "hlc3": lambda bar: (bar.high + bar.low + bar.close) / 3,
    "ohlc4": lambda bar: (bar.open + bar.high + bar.low + bar.close) / 4,
    "hlcc4": lambda bar: (bar.high + bar.low + bar.close + bar.close) / 4,
}


def formula(study: Study) -> Formula:
    """The formula of a built-in study, from its beginning."""
    inputs: dict[str, Any] = dict(study.inputs)
    source = SOURCES[inputs.pop("source", "close")]
    return _FORMULAS[study.name](source, **inputs)


class MovingAverage:
    def __init__(self, source: Source, average: Simple | Exponential) -> None:
        self._source = source
        self._average = average

    def next(self, bar: BarRow, keep: bool) -> Values:
        return (self._average.next(self._source(bar), keep),)


class Volume:
    """The volume, its colour (0: the bar rose or stood still, 1: it fell; seen 2025-06-25), and its simple average."""

    def __init__(self, source: Source, length: int, col_prev_close: bool) -> None:
        self._average = Simple(length)
        self._by_close = col_prev_close
        self._close: float | None = None

    def next(self, bar: BarRow, keep: bool) -> Values:
        before = self._close if self._by_close and self._close is not None else bar.open
        if keep:
            self._close = bar.close
        if bar.volume is None:
            return None, None, None
        return bar.volume, float(bar.close < before), self._average.next(bar.volume, keep)


class Rsi:
    """Wilder's: 100 - 100 / (1 + average rise / average fall), both smoothed as he did."""

    def __init__(self, source: Source, length: int) -> None:
        self._source = source
        self._rise, self._fall = Exponential.wilder(length), Exponential.wilder(length)
        self._before: float | None = None

    def next(self, bar: BarRow, keep: bool) -> Values:
        value = self._source(bar)
        change = None if self._before is None else value - self._before
        if keep:
            self._before = value
        rise = self._rise.next(None if change is None else max(change, 0.0), keep)
        fall = self._fall.next(None if change is None else max(-change, 0.0), keep)
        if rise is None or fall is None:
            return (None,)
        if fall == 0:
            return (100.0,)
        return (100 - 100 / (1 + rise / fall),)


class Macd:
    """The distance of a fast and a slow exponential average, its own exponential average (the signal), and their distance
    (the histogram), which stands first."""

    def __init__(self, source: Source, fast: int, slow: int, signal: int) -> None:
        self._source = source
        self._fast, self._slow, self._signal = (Exponential.ema(length) for length in (fast, slow, signal))

    def next(self, bar: BarRow, keep: bool) -> Values:
        value = self._source(bar)
        fast, slow = self._fast.next(value, keep), self._slow.next(value, keep)
        macd = None if fast is None or slow is None else fast - slow
        signal = self._signal.next(macd, keep)
        histogram = None if macd is None or signal is None else macd - signal
        return histogram, macd, signal


class Bollinger:
    """A simple average, and `mult` standard deviations (of the population; seen 2025-06-25) above and below it."""

    def __init__(self, source: Source, length: int, mult: float) -> None:
        self._source = source
        self._window = Window(length)
        self._mult = mult

    def next(self, bar: BarRow, keep: bool) -> Values:
        moments = self._window.next(self._source(bar), keep)
        if moments is None:
            return None, None, None
        width = self._mult * math.sqrt(moments.squares / moments.count)
        return moments.mean, moments.mean + width, moments.mean - width


_FORMULAS: Final[dict[str, Callable[..., Formula]]] = {
    "SMA": lambda source, length: MovingAverage(source, Simple(length)),
    "EMA": lambda source, length: MovingAverage(source, Exponential.ema(length)),
    "Volume": Volume,
    "RSI": Rsi,
    "MACD": Macd,
    "BB": Bollinger,
}
