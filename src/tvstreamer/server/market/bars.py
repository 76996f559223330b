"""Ticks and bars of the market, and `Series`, which makes the one into the other.

A series is fed either tick by tick or with whole stretches of ticks whose extremes are known already. Both ways give
the same bars; the second is how a long history is made without looking at each tick.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import msgspec

from tvstreamer.intervals import Interval

Window: TypeAlias = Callable[[float], tuple[float, float]]
"""When the bar of a moment opens and ends; for tick and range bars, the session."""

_APART: Final = 0.001


class MarketTick(msgspec.Struct, frozen=True, gc=False):
    """One trade of the market. `time` is in seconds UTC with milliseconds; but by hand, no two of a symbol share one.

    `day_volume` is the total of the trading day so far, this tick included, and None where the symbol has no volume.
    `units` and `lots` are price and size as whole numbers of the smallest step, from which bars add up exactly.
    `delay` is by how many seconds the feed is late with it.
    """

    time: float
    price: float
    size: float
    day_volume: float | None
    units: float
    lots: int
    delay: float = 0.0

    @property
    def due(self) -> float:
        """When the feed tells it."""
        return self.time + self.delay


class BarRow(msgspec.Struct, frozen=True, gc=False):
    """One bar as far as it is known. `end` is the wire's `bar_close_time`.

    `time` is a whole number, the nominal opening of the bar; tick and range bars, which have none, carry the time of
    their first tick, with milliseconds. `volume` is None where the symbol has none.
    """

    time: float
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    end: float


class Grid(msgspec.Struct, frozen=True, gc=False):
    """The smallest steps of a symbol's prices and volumes. `steps` is the number of price steps in one unit."""

    minmov: int
    pricescale: int
    volumescale: int
    has_volume: bool
    steps: float = 1

    def price(self, units: float) -> float:
        # One division at the very end, so that the result is the float nearest to the decimal number.
        return units * self.minmov / self.pricescale

    def volume(self, lots: int) -> float | None:
        return lots / self.volumescale if self.has_volume else None


class LiveBars(Protocol):
    """Bars that ticks are added to, the newest one still forming; `Series` is one.

    `index` is the position of the newest, counted from the first there ever was: it never changes for a bar. `add`
    returns the bars that a tick changed, the newest last, of which as many are new as `index` moved.
    """

    @property
    def rows(self) -> list[BarRow]: ...

    @property
    def index(self) -> int: ...

    def add(self, tick: MarketTick) -> list[BarRow]: ...

    def close_bar(self) -> None: ...


class LookedUpBars:
    """Bars that are not made of ticks: a tick only says that something has moved, and what there is then is looked up.

    `look` gives the bars that there are at a moment, the second argument, from the one on that opened at the first: all of
    these, and perhaps some before them.
    """

    def __init__(self, rows: list[BarRow], keep: int, look: Callable[[float, float], list[BarRow]]) -> None:
        self._rows = rows
        self._keep = max(keep, len(rows))
        self._look = look
        self._forgotten = 0

    @property
    def rows(self) -> list[BarRow]:
        return self._rows.copy()

    @property
    def index(self) -> int:
        return self._forgotten + len(self._rows) - 1

    def add(self, tick: MarketTick) -> list[BarRow]:
        last = self._rows[-1].time if self._rows else -math.inf
        changed = [row for row in self._look(last, tick.due) if row.time >= last]
        if self._rows and changed and changed[0].time == last:
            if changed[0] == self._rows[-1]:
                del changed[0]
            else:
                self._rows.pop()
        self._rows += changed
        if len(self._rows) > 2 * self._keep:
            self._forgotten += len(self._rows) - self._keep
            del self._rows[: -self._keep]
        return changed

    def close_bar(self) -> None:
        """Nothing: what is put in by hand is for bars that are made of ticks."""


class Series:
    """The bars of one symbol and interval, oldest first, the last one still forming.

    As ticks are added it forgets the oldest rows, so that it may run for ever: there are never more than twice `keep`.
    """

    def __init__(self, interval: Interval, window: Window, grid: Grid, *, keep: int = 10_000) -> None:
        self.interval = interval
        self._window = window
        self._grid = grid
        self._keep = keep
        self._by_time = interval.unit not in ("T", "R")
        self._done: list[BarRow] = []
        self._forgotten = 0
        # The newest bar; it exists when it has a tick.
        self._count = 0
        self._closed = False
        self._time = self._end = -math.inf
        self._open = self._high = self._low = self._close = 0.0
        self._lots = 0

    @property
    def rows(self) -> list[BarRow]:
        """All bars that are kept, in a new list."""
        return [*self._done, self._row()] if self._count else self._done.copy()

    @property
    def current(self) -> BarRow | None:
        """The newest bar, whether or not its time is over; None before the first tick."""
        return self._row() if self._count else None

    @property
    def index(self) -> int:
        """The position of the newest bar, counted from the first that this series ever had; -1 before there is one."""
        return self._forgotten + len(self._done) - (self._count == 0)

    @property
    def count(self) -> int:
        """The number of ticks in the newest bar."""
        return self._count

    def add(self, tick: MarketTick) -> list[BarRow]:
        """Takes a tick and returns the bars that it changed: the newest one, which is a new one if `index` moved.

        Ticks come in the order of their times.
        """
        units = tick.units
        self.take(tick.time, tick.time, 1, units, units, units, units, tick.lots)
        if len(self._done) > 2 * self._keep:
            self._forgotten += len(self._done) - self._keep
            del self._done[: -self._keep]
        return [self._row()]

    def take(self, time: float, end: float, count: int, open_: float, high: float, low: float, close: float, lots: int) -> bool:
        """Takes a stretch of `count` ticks from `time` to before `end`, if it is within one bar for certain.

        False means that nothing was taken, and that the stretch has to be offered in smaller pieces. A single tick is
        always taken.
        """
        if time < self._end and not self._closed:
            if self._fits(end, count, high, low):
                self._high = max(self._high, high)
                self._low = min(self._low, low)
                self._close = close
                self._lots += lots
                self._count += count
                return True
            if self._by_time:
                return False
        if self._by_time:
            start, stop = self._window(max(time, self._end) if self._closed else time)
            if end > stop:
                return False
        elif count > 1:
            # A bar without a nominal opening is named after its first tick, which only the smaller pieces tell.
            return False
        else:
            start, stop = max(time, self._time + _APART), self._window(time)[1]
        self._finish()
        self._time, self._end, self._count, self._lots = start, stop, count, lots
        self._open, self._high, self._low, self._close = open_, high, low, close
        return True

    def close_bar(self) -> None:
        """Ends the newest bar: the next tick opens another, however early it comes.

        That one is the bar that follows, so it may be named after a time that is still to come.
        """
        self._closed = True

    def resume(self, rows: Sequence[BarRow]) -> None:
        """Begins with bars that are known already, whose prices are the units; the next tick goes on from the last."""
        last = rows[-1]
        self._done = list(rows[:-1])
        self._time, self._end, self._count = last.time, last.end, 1
        self._open, self._high, self._low, self._close = last.open, last.high, last.low, last.close
        self._lots = round((last.volume or 0.0) * self._grid.volumescale)

    def precede(self, rows: Sequence[BarRow]) -> None:
        """Puts older bars in front."""
        self._done[:0] = rows

    def trim(self, most: int) -> None:
        """Drops the oldest bars, as if they had never been, so that there are `most` with the newest."""
        del self._done[: max(0, len(self._done) + 1 - most)]
        self._forgotten = 0

    def _row(self) -> BarRow:
        price = self._grid.price
        return BarRow(
            self._time, price(self._open), price(self._high), price(self._low), price(self._close),
            self._grid.volume(self._lots), self._end,
        )  # fmt: skip

    def _fits(self, end: float, count: int, high: float, low: float) -> bool:
        if self._by_time:
            return end <= self._end
        if self.interval.unit == "T":
            return self._count + count <= self.interval.count
        spread = max(self._high, high) - min(self._low, low)
        return round(spread * self._grid.steps) <= self.interval.count

    def _finish(self) -> None:
        self._closed = False
        if self._count:
            self._done.append(self._row())

    def __repr__(self) -> str:
        return f"<Series {self.interval} of {self.index + 1} bars, newest {self.current}>"
