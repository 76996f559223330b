"""A symbol whose ticks and bars are given by hand, and the same questions about it as about a synthetic one.

It knows what it was given and nothing else: without ticks or bars it has no prices. It trades around the clock in
UTC whatever its exchange, so that a tick is welcome at any moment. Prices stay exactly as they were given.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Sequence
from functools import partial
from math import isfinite
from typing import Any, Final, NamedTuple

import msgspec

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, Grid, MarketTick, Series, Window
from tvstreamer.server.market.calendar import Calendar
from tvstreamer.server.market.listing import DayPrices, Listing, as_on_the_wire, quote_facts, quote_prices, symbol_info

_AROUND_THE_CLOCK: Final = Calendar("24x7", "Etc/UTC")
_VOLUME_SCALE: Final = 10**8
_DAY: Final = Interval(1, "D")
_UNLIMITED: Final = 10**9


class _Given(NamedTuple):
    """These are the bars of an interval up to here."""

    interval: Interval
    rows: list[BarRow]


class _Closed(NamedTuple):
    """The newest bar of an interval ended here."""

    interval: Interval
    at: float


class HandSymbol:
    """Ticks, bars and quotes of one symbol, from what was given by hand. It keeps all of that."""

    def __init__(self, listing: Listing) -> None:
        self.listing = msgspec.structs.replace(
            listing, calendar=_AROUND_THE_CLOCK, extended=None, splits=(), halts=False, delay=0
        )
        self._ticks: list[MarketTick] = []
        self._log: list[MarketTick | _Given | _Closed] = []
        self._day = 0
        self._day_lots = 0
        # What a replay of the log would give; quotes need it with every tick.
        self._daily = self._begin(_DAY, [], 2)

    def tick(self, price: float, *, size: float, at: float) -> MarketTick:
        """A trade. `at` may be the time of the one before, but not earlier. Raises `InvalidPlan`."""
        if not all(map(isfinite, (price, size, at))) or size < 0:
            raise InvalidPlan(
                f"tick of {self.listing.symbol}, price {price!r}, size {size!r}, at {at!r}:"
                " expected finite numbers, and a size of at least 0"
            )
        last = self._ticks[-1].time if self._ticks else at
        if at < last:
            raise InvalidPlan(f"tick of {self.listing.symbol} at {at!r}: expected no time before the last, {last!r}")
        day = _AROUND_THE_CLOCK.day_at(at)
        lots = round(size * _VOLUME_SCALE)
        self._day_lots = lots + (self._day_lots if day == self._day else 0)
        self._day = day
        has_volume = self.listing.grid.has_volume
        tick = MarketTick(
            time=at,
            price=float(price),
            size=float(size) if has_volume else 0.0,
            day_volume=self._day_lots / _VOLUME_SCALE if has_volume else None,
            units=float(price),
            lots=lots,
        )
        self._ticks.append(tick)
        self._log.append(tick)
        self._daily.add(tick)
        return tick

    def set_bars(self, interval: Interval, rows: Sequence[Sequence[float]]) -> None:
        """Puts `[time, open, high, low, close]` or `[..., volume]` in the place of all bars of an interval so far.

        The oldest first. Whether a high is a high is not checked: a test may need bars that are wrong. Later ticks go
        on from the last row, and the bars after it keep its alignment. Raises `InvalidPlan`.
        """
        for number, row in enumerate(rows):
            if len(row) not in (5, 6) or not all(map(isfinite, row)):
                raise InvalidPlan(
                    f"bar {shorten(row)} of {self.listing.symbol}, {interval}:"
                    " expected [time, open, high, low, close] and perhaps a volume, all finite numbers"
                )
            if number and row[0] <= rows[number - 1][0]:
                raise InvalidPlan(
                    f"bar {shorten(row)} of {self.listing.symbol}, {interval}:"
                    f" expected a time after that of the bar before, {rows[number - 1][0]!r}"
                )
        window = _window(interval, rows)
        given = [_bar(row, window(row[0])[1]) for row in rows]
        self._log.append(_Given(interval, given))
        if interval == _DAY:
            self._daily = self._begin(_DAY, given, 2)

    def close_bar(self, interval: Interval, at: float) -> None:
        """Ends the newest bar of an interval: the next tick opens the one that follows, however early it comes."""
        self._log.append(_Closed(interval, at))
        if interval == _DAY:
            self._daily.close_bar()

    @property
    def update_mode(self) -> str:
        return self.listing.update_mode

    def supports(self, interval: Interval) -> bool:
        return True

    def info(self) -> dict[str, Any]:
        return symbol_info(self.listing)

    def quote(self, now: float, fields: Collection[str] | None) -> dict[str, Any]:
        values = quote_facts(self.listing) | quote_prices(
            self._day_prices(now), "market", has_book=self.listing.kind != "index"
        )
        return as_on_the_wire(values, fields)

    def ticks(self, after: float, until: float) -> list[MarketTick]:
        """The ticks with `after < time <= until`, in order."""
        return self._ticks[self._traded_by(after) : self._traded_by(until)]

    def next_tick(self, after: float) -> MarketTick | None:
        """None, for a tick by hand is never known beforehand."""
        return None

    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]:
        """The newest `count` bars that opened by `until`, as known at `at`, oldest first.

        Bars of a later time, such as one after a bar that was closed early, are to be had of `series` only.
        """
        rows = self._replay(interval, at, _UNLIMITED).rows
        return [row for row in rows if row.time <= until][-count:] if count > 0 else []

    def series(self, interval: Interval, at: float, count: int, *, keep: int) -> Series:
        """The newest `count` bars as known at a moment, ready to take the ticks that follow."""
        count = max(1, count)
        series = self._replay(interval, at, max(count, keep))
        series.trim(count)
        return series

    def bar_at(self, interval: Interval, moment: float) -> BarRow | None:
        """The bar that is forming at a moment, None where there is none."""
        current = self._replay(interval, moment, 1).current
        return current if current is not None and moment < current.end else None

    def _replay(self, interval: Interval, at: float, keep: int) -> Series:
        series = self._begin(interval, [], keep)
        for entry in self._log:
            if isinstance(entry, MarketTick):
                if entry.time <= at:
                    series.add(entry)
            elif entry.interval != interval:
                continue
            elif isinstance(entry, _Given):
                series = self._begin(interval, entry.rows, keep)
            elif entry.at <= at:
                series.close_bar()
        return series

    def _begin(self, interval: Interval, rows: list[BarRow], keep: int) -> Series:
        listing = self.listing.grid
        # Prices are their own units here; only the width of a range bar is counted in the symbol's steps.
        has_volume = rows[-1].volume is not None if rows else listing.has_volume
        grid = Grid(1, 1, _VOLUME_SCALE, has_volume, listing.pricescale / listing.minmov)
        series = Series(interval, _window(interval, [[row.time] for row in rows]), grid, keep=keep)
        if rows:
            series.resume(rows)
        return series

    def _traded_by(self, moment: float) -> int:
        return bisect_right(self._ticks, moment, key=lambda tick: tick.time)

    def _day_prices(self, now: float) -> DayPrices | None:
        """The newest daily bar, and where none was ever given or traded, the newest bar that was given at all."""
        traded = self._traded_by(now)
        daily = self._daily if traded == len(self._ticks) else self._replay(_DAY, now, 2)
        given = (entry.rows for entry in reversed(self._log) if isinstance(entry, _Given) and entry.rows)
        rows = daily.rows or next(given, [])
        if not rows:
            return None
        last = rows[-1]
        previous = rows[-2].close if len(rows) > 1 else last.open
        step = self.listing.grid.minmov / self.listing.grid.pricescale
        return DayPrices(
            last=last.close,
            time=self._ticks[traded - 1].time if traded else last.time,
            open=last.open,
            high=last.high,
            low=last.low,
            previous=previous,
            volume=last.volume,
            # The subtraction of two decimal numbers, without the dust that it leaves in floats.
            change=round(last.close - previous, 10),
            bid=last.close,
            ask=round(last.close + step, 10),
            bid_size=1.0,
            ask_size=1.0,
        )

    def __repr__(self) -> str:
        return f"<HandSymbol {self.listing.symbol}, {len(self._ticks)} ticks>"


def _bar(row: Sequence[float], end: float) -> BarRow:
    time, open_, high, low, close, *volume = row
    return BarRow(time, float(open_), float(high), float(low), float(close), float(volume[0]) if volume else None, end)


def _window(interval: Interval, rows: Sequence[Sequence[float]]) -> Window:
    """The bars' windows, in line with the last row that was given, where bars have a fixed length."""
    length = interval.seconds
    if not rows or length is None:
        return partial(_AROUND_THE_CLOCK.window, interval)
    anchor = rows[-1][0]

    def aligned(time: float) -> tuple[float, float]:
        start = anchor + (time - anchor) // length * length
        return start, start + length

    return aligned
