"""Charts whose bars are made from other bars: Heikin Ashi, Renko, line break.

A Heikin Ashi bar belongs to one bar of its source, and opens in the middle of the one before it: what lies `_WARM_UP` bars
back no longer shows in the numbers. Bricks and lines have no bars of their own in the source: they are laid over a fixed
stretch of it that ends when the chart is loaded, a shorter one where they are very small, and continued with each bar that is
over from then on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Final, Protocol

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.instrument import Instrument, SeriesRefused
from tvstreamer.server.market.bars import BarRow, LiveBars, MarketTick

NOT_ENTITLED: Final = "study_not_auth:"
_WARM_UP: Final = 100
_STRETCH: Final = 5_000
_KEEP: Final = 2_000
_MOST_A_BAR: Final = 1_000
_MOST_BRICKS: Final = 20_000
"""Bricks that are laid when a chart is loaded: small ones could be millions."""


class _ChartType:
    """An instrument over another one, which it is but for its bars."""

    def __init__(self, source: Instrument, kind: str) -> None:
        self._source = source
        self.kind = kind
        self.key = source.key
        self.is_live = source.is_live

    def info(self, at: float) -> dict[str, Any]:
        # That it names the transformation is known, in which words is not.
        return {**self._source.info(at), "bar_transform": self.kind}

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.kind} of {self._source}>"


class HeikinAshi(_ChartType):
    """The averaged bars of an instrument."""

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        return _AveragedBars(self._source, interval, at, count, self._decimals(at))

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        rows = self._source.history(interval, until=until, count=count + _WARM_UP, at=at)
        return averaged(rows, self._decimals(at))[-count:] if count > 0 else []

    def _decimals(self, at: float) -> int:
        """Two more than prices have, so that what remains of the distant past is rounded away."""
        return round(math.log10(max(1, self._source.info(at).get("pricescale", 100)))) + 2


class _AveragedBars:
    def __init__(self, source: Instrument, interval: Interval, at: float, count: int, decimals: int) -> None:
        self._bars = source.series(interval, at=at, count=count)
        rows = self._bars.rows
        before: list[BarRow] = []
        if rows:
            until = math.nextafter(rows[0].time, 0)
            before = source.history(interval, until=until, count=_WARM_UP, at=at)
        self._decimals = decimals
        self._first = self._bars.index + 1 - len(rows)
        self._rows = averaged([*before, *rows], decimals)[len(before) :]
        self._before = averaged(before, decimals)[-1:]

    @property
    def rows(self) -> list[BarRow]:
        return self._rows.copy()

    @property
    def index(self) -> int:
        return self._first + len(self._rows) - 1

    def add(self, tick: MarketTick) -> list[BarRow]:
        changed = self._bars.add(tick)
        first = self._bars.index + 1 - len(changed)
        result: list[BarRow] = []
        for index, row in enumerate(changed, first):
            place = index - self._first
            previous = self._rows[place - 1] if place else self._before[0] if self._before else None
            result.append(_average(previous, row, self._decimals))
            self._rows[place:] = result[-1:]
        surplus = len(self._rows) - _KEEP
        if surplus > _KEEP:
            self._before = [self._rows[surplus - 1]]
            del self._rows[:surplus]
            self._first += surplus
        return result

    def close_bar(self) -> None:
        self._bars.close_bar()


def averaged(rows: Iterable[BarRow], decimals: int) -> list[BarRow]:
    """Heikin Ashi bars from the first of these on, which opens in its own middle."""
    result: list[BarRow] = []
    for row in rows:
        result.append(_average(result[-1] if result else None, row, decimals))
    return result


def _average(previous: BarRow | None, row: BarRow, decimals: int) -> BarRow:
    opens = (row.open + row.close) / 2 if previous is None else (previous.open + previous.close) / 2
    opens = round(opens, decimals)
    closes = round((row.open + row.high + row.low + row.close) / 4, decimals)
    return BarRow(row.time, opens, max(row.high, opens, closes), min(row.low, opens, closes), closes, row.volume, row.end)


class Layer(Protocol):
    """Lays bricks over bars, one after the other."""

    def reach(self, rows: list[BarRow]) -> int:
        """How many of these bars, the newest ones, do not make too many bricks."""
        ...

    def lay(self, row: BarRow) -> list[tuple[float, float]]:
        """Open and close of the bricks that a bar adds; none for most."""
        ...


class RenkoLayer:
    """Bricks of one size on a grid of its multiples; a turn takes two of them."""

    def __init__(self, size: float) -> None:
        self._size = size
        self._top: int | None = None
        self._bottom = 0
        """The newest brick, in whole sizes."""

    def reach(self, rows: list[BarRow]) -> int:
        left = _MOST_BRICKS * self._size
        for count, (newer, older) in enumerate(pairwise(reversed(rows)), 1):
            left -= min(abs(newer.close - older.close), _MOST_A_BAR * self._size)
            if left < 0:
                return count
        return len(rows)

    def lay(self, row: BarRow) -> list[tuple[float, float]]:
        size = self._size
        # A close that stands on a line of the grid up to the float's precision is on it.
        steps = row.close / size
        below, above = math.floor(steps + 1e-9), math.ceil(steps - 1e-9)
        if self._top is None:
            self._bottom, self._top = below, below + 1
            return []
        bricks: list[tuple[float, float]] = []
        while below > self._top and len(bricks) < _MOST_A_BAR:
            self._bottom, self._top = self._top, self._top + 1
            bricks.append((self._bottom * size, self._top * size))
        while above < self._bottom and len(bricks) < _MOST_A_BAR:
            self._bottom, self._top = self._bottom - 1, self._bottom
            bricks.append((self._top * size, self._bottom * size))
        return bricks


class LineBreakLayer:
    """A line goes on in its direction with any new extreme, and turns beyond the extreme of the newest `lines`."""

    def __init__(self, lines: int) -> None:
        self._lines = lines
        self._newest: list[tuple[float, float]] = []
        self._start: float | None = None

    def reach(self, rows: list[BarRow]) -> int:
        return len(rows)

    def lay(self, row: BarRow) -> list[tuple[float, float]]:
        if self._start is None:
            self._start = row.close
            return []
        if not self._newest:
            if row.close == self._start:
                return []
            return self._draw(self._start, row.close)
        highest = max(max(line) for line in self._newest)
        lowest = min(min(line) for line in self._newest)
        opened, closed = self._newest[-1]
        if row.close > highest:
            return self._draw(max(opened, closed), row.close)
        if row.close < lowest:
            return self._draw(min(opened, closed), row.close)
        return []

    def _draw(self, opened: float, closed: float) -> list[tuple[float, float]]:
        self._newest = [*self._newest, (opened, closed)][-self._lines :]
        return [(opened, closed)]


class Bricks(_ChartType):
    """An instrument of bricks or lines over another one."""

    def __init__(self, source: Instrument, kind: str, layer: Callable[[list[BarRow], float], Layer]) -> None:
        super().__init__(source, kind)
        self._layer = layer
        self._laid: dict[Interval, _BrickBars] = {}

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        bars = self._lay(interval, at)
        bars.show(count)
        return bars

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        if count < 1:
            return []
        bars = self._laid.get(interval) or self._lay(interval, at)
        return [row for row in bars.every if row.time <= until][-count:]

    def _lay(self, interval: Interval, at: float) -> _BrickBars:
        source = self._source.series(interval, at=at, count=_STRETCH)
        rows = source.rows
        tick = 1 / max(1, self._source.info(at).get("pricescale", 100))
        layer = self._layer(rows, tick)
        bars = self._laid[interval] = _BrickBars(source, rows[len(rows) - layer.reach(rows) :], layer)
        return bars


class _BrickBars:
    """Bricks of all bars that are over; the one that is forming adds none yet."""

    def __init__(self, source: LiveBars, rows: list[BarRow], layer: Layer) -> None:
        self._source = source
        self._layer = layer
        self._over = source.index
        """The index of the bar of the source that is not over."""
        self._forming = rows[-1] if rows else None
        self._volume = 0.0
        self._hidden = 0
        self.every: list[BarRow] = []
        for row in rows[:-1]:
            self._lay(row)

    def show(self, count: int) -> None:
        """Index 0 is the first of the newest `count`."""
        self._hidden = max(0, len(self.every) - count)

    @property
    def rows(self) -> list[BarRow]:
        return self.every[self._hidden :]

    @property
    def index(self) -> int:
        return len(self.every) - self._hidden - 1

    def add(self, tick: MarketTick) -> list[BarRow]:
        changed = self._source.add(tick)
        before = len(self.every)
        for index, row in enumerate(changed, self._source.index + 1 - len(changed)):
            if index > self._over and self._forming is not None:
                self._lay(self._forming)
            self._over, self._forming = index, row
        return self.every[before:]

    def close_bar(self) -> None:
        self._source.close_bar()

    def _lay(self, row: BarRow) -> None:
        self._volume += row.volume or 0.0
        for opened, closed in self._layer.lay(row):
            # Points of a time scale differ, so the later bricks of a bar are named after the seconds that follow.
            time = max(row.time, self.every[-1].time + 1) if self.every else row.time
            volume = None if row.volume is None else self._volume
            high, low = max(opened, closed), min(opened, closed)
            self.every.append(BarRow(time, opened, high, low, closed, volume, max(row.end, time + 1)))
            self._volume = 0.0


def average_true_range(rows: list[BarRow], length: int) -> float:
    """Wilder's average of the true range, as of the newest row; 0 without rows."""
    value = 0.0
    previous: BarRow | None = None
    for number, row in enumerate(rows):
        span = row.high - row.low
        if previous is not None:
            span = max(span, abs(row.high - previous.close), abs(row.low - previous.close))
        value = (value * min(number, length - 1) + span) / min(number + 1, length)
        previous = row
    return value


def lays_bricks(kind: str) -> bool:
    """Whether this type of chart, as the wire names it, has bricks or lines in place of bars of an interval."""
    return kind.startswith("BarSet") and kind.partition("@")[0] != "BarSetHeikenAshi"


def transform(source: Instrument, kind: str, inputs: Mapping[str, Any]) -> Instrument:
    """An instrument as another type of chart, named as the wire does: `BarSetRenko@tv-prostudies-40!`."""
    match kind.partition("@")[0]:
        case "BarSetHeikenAshi":
            return HeikinAshi(source, kind)
        case "BarSetRenko":
            return Bricks(source, kind, lambda rows, tick: RenkoLayer(_brick_size(rows, tick, inputs)))
        case "BarSetPriceBreak":
            lines = max(1, int(_number(inputs, "lb", 3)))
            return Bricks(source, kind, lambda rows, tick: LineBreakLayer(lines))
        case _:
            return Unavailable(source, kind)


class Unavailable(_ChartType):
    """A type of chart that is not computed here: its symbol resolves, its series is refused as to an account without it."""

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        raise SeriesRefused(f"{NOT_ENTITLED}{self.kind}")

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        return []


def _brick_size(rows: list[BarRow], tick: float, inputs: Mapping[str, Any]) -> float:
    """Given, or the average true range; in whole steps of the price, one at least."""
    if inputs.get("style", "ATR") == "ATR":
        size = average_true_range(rows, max(1, int(_number(inputs, "atrLength", 14))))
    else:
        size = _number(inputs, "boxSize", 3)
    return max(1, round(size / tick)) * tick


def _number(inputs: Mapping[str, Any], name: str, default: float) -> float:
    value = inputs.get(name, default)
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 1e12
    return float(value) if usable else default
