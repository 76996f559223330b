"""A market of given bars: a file's, or any others. Bars of the past are history; later ones are played as time comes to them.

Each bar becomes four ticks, at its opening and after each quarter of its length: open, then low and high or high and low, then
close, with a quarter of the volume each. So bars that are made of the ticks are the given ones. Longer intervals are added up;
shorter ones cannot be known, and are refused.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import msgspec

from tvstreamer.errors import InvalidSource
from tvstreamer.intervals import Interval
from tvstreamer.server.market.bar_files import FileBar, make_bar, read_bars, sorted_bars
from tvstreamer.server.market.bars import BarRow, Grid, MarketTick, Series
from tvstreamer.server.market.calendar import Calendar
from tvstreamer.server.market.listing import DayPrices, as_on_the_wire, make_listing, quote_facts, quote_prices, symbol_info
from tvstreamer.server.market.symbol import MarketSymbol
from tvstreamer.server.market.variants import Variant

_ALWAYS: Final = Calendar("24x7", "Etc/UTC")
_DAY: Final = Interval(1, "D")
_KNOWN_AT_ONCE: Final = 64
_FOLDED_AT_ONCE: Final = 16
_MOST_DECIMALS: Final = 12
_SECONDS_A_DAY: Final = 86_400
_SECONDS_A_MONTH: Final = 2_629_746


class Trade(NamedTuple):
    """A tick within a bar. Volume in the symbol's lots."""

    time: float
    price: float
    lots: int


class BarMarket:
    """A source of a `Market`. With symbols of their own the bars are for those, else for any that is asked for."""

    start: float | None = None

    def __init__(self, bars: Mapping[str, Sequence[FileBar]], name: str, interval: Interval | None = None) -> None:
        self._bars = bars
        self._name = name
        self._intervals = {symbol: interval or _step(of_symbol, name) for symbol, of_symbol in bars.items()}
        self.find = lru_cache(maxsize=_KNOWN_AT_ONCE)(self._make)

    @classmethod
    def read(cls, path: str | Path, interval: Interval | str | None = None) -> Self:
        """From a CSV or Parquet file: see `bar_files`. The interval is the shortest step of its times if none is given.

        Raises `InvalidSource`, and `MissingDependencyError` for Parquet without pyarrow.
        """
        path = Path(path)
        return cls(read_bars(path), str(path), None if interval is None else Interval.parse(interval))

    @classmethod
    def of(cls, rows: Iterable[Sequence[float]], interval: Interval | str | None = None) -> Self:
        """From rows of `[time, open, high, low, close]` or `[..., volume]`. Raises `InvalidSource`."""
        names = ("time", "open", "high", "low", "close", "volume")
        bars = []
        for number, row in enumerate(rows, 1):
            where = f"bar {number}"
            if not 5 <= len(row) <= 6:
                raise InvalidSource(f"{where}: {len(row)} values: expected 5, or 6 with a volume")
            bars.append((where, "", make_bar(dict(zip(names, row, strict=False)), where)))
        return cls(sorted_bars(bars, "bars"), "bars", None if interval is None else Interval.parse(interval))

    def _make(self, name: str, variant: Variant) -> MarketSymbol | None:
        key = name if name in self._bars else ""
        return BarSymbol.of(name, self._bars[key], self._intervals[key]) if key in self._bars else None

    def __repr__(self) -> str:
        return f"<BarMarket {self._name}>"


class _Folded(NamedTuple):
    """All bars of an interval, with which given bar each begins, and when its first tick is."""

    rows: list[BarRow]
    firsts: list[int]
    begins: list[float]


class BarSymbol:
    """Ticks, bars and quotes of one symbol, from bars of one interval, oldest first, that do not overlap.

    `trades` has the ticks of those bars whose course is known.
    """

    def __init__(
        self,
        info: Mapping[str, Any],
        facts: Mapping[str, Any],
        calendar: Calendar,
        interval: Interval,
        rows: list[BarRow],
        volumescale: int,
        trades: Mapping[int, Sequence[Trade]],
    ) -> None:
        self._info = info
        self._facts = facts
        self._calendar = calendar
        self._interval = interval
        self._rows = rows
        self._trades = trades
        has_volume = any(row.volume is not None for row in rows)
        self._grid = Grid(1, 1, volumescale, has_volume)
        self._lots = [lots_of(row.volume or 0.0, volumescale) for row in rows]
        self._begins = [trades[at][0].time if at in trades else float(row.time) for at, row in enumerate(rows)]
        self._day_of = list(self._days())
        self._day_high = _running(max, [row.high for row in rows], self._day_of)
        self._day_low = _running(min, [row.low for row in rows], self._day_of)
        self._lots_before = [0, *accumulate(self._lots)]
        self._fold = lru_cache(maxsize=_FOLDED_AT_ONCE)(self._make_folded)

    @classmethod
    def of(
        cls,
        name: str,
        bars: Sequence[FileBar],
        interval: Interval,
        *,
        info: Mapping[str, Any] | None = None,
        facts: Mapping[str, Any] | None = None,
        trades: Mapping[int, Sequence[Trade]] | None = None,
        volumescale: int | None = None,
    ) -> Self:
        """A symbol with the hours of its exchange, where all bars lie within them; else with no hours.

        What is not known of it is made up.
        """
        listing = make_listing(name, 0)
        calendar, ends = _ends(bars, interval, listing.calendar)
        has_volume = any(bar.volume is not None for bar in bars)
        rows = [
            BarRow(bar.time, bar.open, bar.high, bar.low, bar.close, (bar.volume or 0.0) if has_volume else None, end)
            for bar, end in zip(bars, ends, strict=True)
        ]
        places = max(2, *(min(_MOST_DECIMALS, decimals(price)) for bar in bars[-1_000:] for price in bar[1:5]))
        listing = msgspec.structs.replace(
            listing, calendar=calendar, extended=None, splits=(), halts=False, delay=0, origin="given bars",
            grid=Grid(1, 10**places, 1, has_volume),
        )  # fmt: skip
        scale = volumescale or 10 ** max(decimals(bar.volume or 0.0) for bar in bars)
        made = quote_facts(listing) if facts is None else facts
        return cls(symbol_info(listing) if info is None else info, made, calendar, interval, rows, scale, trades or {})

    @property
    def update_mode(self) -> str:
        return "streaming"

    def supports(self, interval: Interval) -> bool:
        """Whether bars of this interval are whole numbers of the given ones."""
        own = self._interval
        if interval == own:
            return True
        if own.is_intraday and interval.is_intraday:
            return interval.seconds is not None and interval.seconds % (own.seconds or 1) == 0
        if interval.unit == own.unit:
            return interval.count % own.count == 0 and own.count == 1
        return not interval.is_intraday and (own.is_intraday or own == _DAY)

    def info(self) -> dict[str, Any]:
        return dict(self._info)

    def quote(self, now: float, fields: Collection[str] | None) -> dict[str, Any]:
        session = "market" if self._calendar.is_open(now) else "out_of_session"
        prices = quote_prices(self._day_prices(now), session, has_book=self._info.get("type") != "index")
        return as_on_the_wire({**self._facts, **prices}, fields)

    def ticks(self, after: float, until: float) -> list[MarketTick]:
        """The ticks with `after < time <= until`, in order."""
        found = []
        for tick in self._ticks_after(after):
            if tick.time > until:
                break
            found.append(tick)
        return found

    def next_tick(self, after: float) -> MarketTick | None:
        """The first tick later than `after`; None when all bars have been played."""
        return next(self._ticks_after(after), None)

    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]:
        """The newest `count` bars that opened by `until`, as known at `at`, oldest first."""
        if count < 1:
            return []
        folded = self._fold(interval)
        newest = self._newest(folded, at)
        last = bisect_right(folded.rows, until, key=lambda row: row.time) - 1
        if last < newest:
            return folded.rows[max(0, last + 1 - count) : last + 1]
        return self.series(interval, at, count, keep=count).rows

    def series(self, interval: Interval, at: float, count: int, *, keep: int) -> Series:
        """The newest `count` bars as known at a moment, ready to take the ticks that follow; none before the first."""
        count = max(1, count)
        folded = self._fold(interval)

        def window(time: float) -> tuple[float, float]:
            row = folded.rows[bisect_right(folded.begins, time) - 1]
            return row.time, row.end

        series = Series(interval, window, self._grid, keep=max(count, keep))
        newest = self._newest(folded, at)
        if newest >= 0:
            known = bisect_right(self._begins, at) - 1
            for number in range(folded.firsts[newest], known):
                row = self._rows[number]
                begin = self._begins[number]
                series.take(begin, begin, 1, row.open, row.high, row.low, row.close, self._lots[number])
            for trade in self._course(known):
                if trade.time <= at:
                    price = trade.price
                    series.take(trade.time, trade.time, 1, price, price, price, price, trade.lots)
            series.precede(folded.rows[max(0, newest + 1 - count) : newest])
            series.trim(count)
        return series

    def bar_at(self, interval: Interval, moment: float) -> BarRow | None:
        """The bar that is forming at a moment, None where there is none."""
        current = self.series(interval, moment, 1, keep=1).current
        return current if current is not None and moment < current.end else None

    def _newest(self, folded: _Folded, at: float) -> int:
        """The newest bar that has a tick at a moment; -1 before the first."""
        return bisect_right(folded.begins, at) - 1

    def _make_folded(self, interval: Interval) -> _Folded:
        rows, begins = self._rows, self._begins
        if interval == self._interval:
            return _Folded(rows, list(range(len(rows))), begins)
        firsts: list[int] = []
        windows: list[tuple[int, int]] = []
        for number, row in enumerate(rows):
            if not windows or row.time >= windows[-1][1]:
                firsts.append(number)
                windows.append(self._calendar.window(interval, row.time))
        longer = []
        for (start, stop), (first, after) in zip(windows, pairwise([*firsts, len(rows)]), strict=True):
            part = rows[first:after]
            longer.append(
                BarRow(
                    time=start,
                    open=part[0].open,
                    high=max(row.high for row in part),
                    low=min(row.low for row in part),
                    close=part[-1].close,
                    volume=self._grid.volume(self._lots_before[after] - self._lots_before[first]),
                    # A bar that begins in this one is a part of it to its end.
                    end=max(stop, part[-1].end),
                )
            )
        return _Folded(longer, firsts, [begins[first] for first in firsts])

    def _course(self, number: int) -> Sequence[Trade]:
        """The ticks of one given bar."""
        known = self._trades.get(number)
        if known is not None:
            return known
        row, lots = self._rows[number], self._lots[number]
        turns = (row.low, row.high) if row.close >= row.open else (row.high, row.low)
        quarter = (row.end - row.time) / 4
        sizes = (lots - 3 * (lots // 4), *[lots // 4] * 3)
        prices = (row.open, *turns, row.close)
        return [
            Trade(round(row.time + place * quarter, 3), price, size)
            for place, (price, size) in enumerate(zip(prices, sizes, strict=True))
        ]

    def _ticks_after(self, after: float) -> Iterator[MarketTick]:
        for number in range(max(0, bisect_right(self._begins, after) - 1), len(self._rows)):
            total = self._lots_before[number] - self._lots_before[self._day_of[number]]
            for trade in self._course(number):
                total += trade.lots
                if trade.time > after:
                    size, day_volume = self._grid.volume(trade.lots), self._grid.volume(total)
                    yield MarketTick(trade.time, trade.price, size or 0.0, day_volume, trade.price, trade.lots)

    def _days(self) -> Iterator[int]:
        """For each bar, the first of its trading day."""
        first, end = 0, -math.inf
        for number, row in enumerate(self._rows):
            if row.time >= end:
                first, end = number, self._calendar.window(_DAY, row.time)[1]
            yield first

    def _day_prices(self, now: float) -> DayPrices | None:
        number = bisect_right(self._begins, now) - 1
        if number < 0:
            return None
        trades = [trade for trade in self._course(number) if trade.time <= now]
        first = self._day_of[number]
        prices = [trade.price for trade in trades]
        if number > first:
            prices += [self._day_high[number - 1], self._day_low[number - 1]]
        opened = self._rows[first].open if number > first else trades[0].price
        last = trades[-1]
        previous = self._rows[first - 1].close if first else opened
        lots = self._lots_before[number] - self._lots_before[first] + sum(trade.lots for trade in trades)
        step = 1 / self._info.get("pricescale", 100)
        return DayPrices(
            last=last.price,
            time=last.time,
            open=opened,
            high=max(prices),
            low=min(prices),
            previous=previous,
            volume=self._grid.volume(lots),
            # The difference of two decimal numbers, without the dust that it leaves in floats.
            change=round(last.price - previous, 10),
            bid=last.price,
            ask=round(last.price + step, 10),
            bid_size=1.0,
            ask_size=1.0,
        )

    def __repr__(self) -> str:
        return f"<BarSymbol {self._info.get('full_name')}, {len(self._rows)} bars of {self._interval}>"


def _running(best: Any, values: Sequence[float], firsts: Sequence[int]) -> list[float]:
    """The best so far of each day."""
    running: list[float] = []
    for number, (value, first) in enumerate(zip(values, firsts, strict=True)):
        running.append(value if number == first else best(running[-1], value))
    return running


def decimals(value: float) -> int:
    """How many digits a number has behind the point."""
    text = repr(value)
    if "e" in text:
        return max(0, -int(Decimal(text).normalize().as_tuple().exponent))
    return len(text.partition(".")[2].rstrip("0"))


def lots_of(volume: float, scale: int) -> int:
    """A volume as a whole number of the smallest step, of which there are `scale` in one."""
    return int(volume) * scale if volume.is_integer() else round(Decimal(repr(volume)) * scale)


def _step(bars: Sequence[FileBar], name: str) -> Interval:
    """The interval of bars whose times are given: their shortest distance."""
    steps = [after.time - before.time for before, after in pairwise(bars)]
    if not steps:
        raise InvalidSource(f"{name}: one bar: expected two at least, or to be told their interval")
    seconds = min(steps)
    # The clock of a city makes some days an hour shorter, and months have from 28 days.
    days = round(seconds / _SECONDS_A_DAY)
    if seconds < 23 * 3_600:
        unit, count = ("m", seconds // 60) if seconds % 60 == 0 else ("S", seconds)
    elif days < 28:
        unit, count = ("W", days // 7) if days % 7 == 0 else ("D", days)
    else:
        unit, count = "M", max(1, round(seconds / _SECONDS_A_MONTH))
    return Interval(count, unit)  # type: ignore[arg-type]


def _ends(bars: Sequence[FileBar], interval: Interval, calendar: Calendar) -> tuple[Calendar, list[int]]:
    """When each bar ends, by the exchange's hours if all bars keep to them; else bars follow each other around the clock."""
    fitting = _within(bars, interval, calendar)
    if fitting is not None:
        return calendar, fitting
    ends = [_ALWAYS.window(interval, bar.time)[1] if interval.unit == "M" else bar.time + (interval.seconds or 1) for bar in bars]
    return _ALWAYS, [min(end, after.time) for end, after in zip(ends, bars[1:], strict=False)] + ends[-1:]


def _within(bars: Sequence[FileBar], interval: Interval, calendar: Calendar) -> list[int] | None:
    if calendar.session == _ALWAYS.session or interval.unit not in ("S", "m", "D"):
        return None
    length = interval.seconds or 1
    ends: list[int] = []
    opens = closes = 0
    for bar in bars:
        if bar.time >= closes:
            day = calendar.day_at(bar.time)
            if interval.unit == "D":
                opens, closes = calendar.open_of(day), calendar.close_of(day)
            else:
                opens, closes = [span for span in calendar.spans(day) if span[0] <= bar.time][-1]
        aligned = bar.time == opens if interval.unit == "D" else (bar.time - opens) % length == 0
        if bar.time >= closes or not aligned:
            return None
        ends.append(closes if interval == _DAY else min(bar.time + length, closes))
    return ends
