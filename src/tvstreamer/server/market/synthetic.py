"""The synthetic market: any symbol made from a seed, and the questions that a server asks about it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator
from copy import copy
from functools import lru_cache, partial
from itertools import accumulate, takewhile
from typing import Any, Final, NamedTuple

import msgspec

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, MarketTick, Series
from tvstreamer.server.market.delayed import DelayedSymbol
from tvstreamer.server.market.end_of_day import EndOfDaySymbol
from tvstreamer.server.market.listing import (
    DayPrices,
    Listing,
    as_on_the_wire,
    digest,
    exists,
    make_listing,
    quote_facts,
    quote_prices,
    symbol_info,
)
from tvstreamer.server.market.prices import Part, PriceProcess, Prices, Trade
from tvstreamer.server.market.symbol import MarketSymbol
from tvstreamer.server.market.variants import REGULAR, ExtendedPrices, UnadjustedPrices, Variant, finer

BEGIN: Final = 631_152_000
"""1990-01-01 00:00 UTC: no tick is older."""
END: Final = 4_102_444_800
"""2100-01-01 00:00 UTC: there is no tick from here on."""

_DAY: Final = Interval(1, "D")
_KNOWN_AT_ONCE: Final = 4_096
"""A symbol that is made anew has to draw its whole past, which takes as long as ten of its ticks."""


class SyntheticMarket:
    """Symbols made from a seed, as many as anybody can name. This is a source of a `Market`.

    `halts` gives all shares and futures a pause in some of their days, `delay` makes everything late by so many seconds.
    """

    start: float | None = None

    def __init__(self, seed: int = 0, *, halts: bool = False, delay: int = 0) -> None:
        self.seed = seed
        self._halts = halts
        self._delay = delay
        self.find = lru_cache(maxsize=_KNOWN_AT_ONCE)(self._make)

    def _make(self, name: str, variant: Variant) -> MarketSymbol | None:
        if not exists(name):
            return None
        listing = make_listing(name, self.seed)
        listing = msgspec.structs.replace(
            listing, delay=max(self._delay, listing.delay), halts=listing.halts or (self._halts and listing.country != "ZZ")
        )
        symbol = SyntheticSymbol(listing, self.seed, variant)
        if listing.end_of_day:
            return EndOfDaySymbol(symbol, symbol.listing.hours)
        return DelayedSymbol(symbol, listing.delay) if listing.delay else symbol

    def __repr__(self) -> str:
        return f"SyntheticMarket(seed={self.seed}, halts={self._halts}, delay={self._delay})"


class _SoFar(NamedTuple):
    """The daily bar of a day as of the ticks before `stop`. It is replaced as a whole, so any thread may ask."""

    day: int
    stop: float
    series: Series


class SyntheticSymbol:
    """Ticks, bars and quotes of one symbol: at any moment the same, whatever was asked before."""

    def __init__(self, listing: Listing, seed: int, variant: Variant = REGULAR) -> None:
        regular = Prices(listing, seed)
        prices: PriceProcess = regular
        if variant.session == "extended" and listing.extended is not None:
            listing = msgspec.structs.replace(listing, session="extended")
            prices = ExtendedPrices(regular, listing, listing.hours, seed)
        if variant.adjustment == "none" and listing.splits:
            prices = UnadjustedPrices(prices, listing.hours, listing.splits)
            listing = msgspec.structs.replace(listing, grid=finer(listing.grid, [ratio for _, ratio in listing.splits]))
        self.listing = listing
        self._seed = seed
        self._calendar = listing.hours
        self._prices = prices
        self._facts = quote_facts(listing)
        self._last_day = self._calendar.day_at(END - 1)
        self._latest = _SoFar(-1, -math.inf, self._empty(_DAY))

    @property
    def update_mode(self) -> str:
        return self.listing.update_mode

    def supports(self, interval: Interval) -> bool:
        return True

    def info(self) -> dict[str, Any]:
        return symbol_info(self.listing)

    def quote(self, now: float, fields: Collection[str] | None) -> dict[str, Any]:
        values = self._facts | quote_prices(self._day_prices(now), self._session(now), has_book=self.listing.kind != "index")
        return as_on_the_wire(values, fields)

    def _session(self, now: float) -> str:
        regular, extended = self.listing.calendar, self.listing.extended
        if regular.is_open(now):
            return "market"
        if extended is not None and extended.is_open(now):
            return "pre_market" if now < regular.open_of(extended.day_at(now)) else "post_market"
        return "holiday" if regular.is_holiday(now) else "out_of_session"

    def ticks(self, after: float, until: float) -> list[MarketTick]:
        """The ticks with `after < time <= until`, in order."""
        return list(takewhile(lambda tick: tick.time <= until, self._ticks_from(_behind(after))))

    def next_tick(self, after: float) -> MarketTick | None:
        """The first tick later than `after`, however far off; None at the end of time, in 2100."""
        return next(self._ticks_from(_behind(after)), None)

    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]:
        """The newest `count` bars that opened by `until`, as known at `at`, oldest first."""
        if count < 1:
            return []
        rows = self._fold(interval, until, count, at, keep=count).rows
        return [row for row in rows if row.time <= until][-count:]

    def series(self, interval: Interval, at: float, count: int, *, keep: int) -> Series:
        """The newest `count` bars as known at a moment, ready to take the ticks that follow."""
        count = max(1, count)
        series = self._fold(interval, at, count, at, keep=max(count, keep))
        series.trim(count)
        return series

    def bar_at(self, interval: Interval, moment: float) -> BarRow | None:
        """The bar that is forming at a moment, None where there is none."""
        current = self.series(interval, moment, 1, keep=1).current
        return current if current is not None and moment < current.end else None

    def _fold(self, interval: Interval, until: float, count: int, at: float, *, keep: int) -> Series:
        """A series with the newest `count` bars that opened by `until`, and perhaps others before and after."""
        series = self._empty(interval, keep)
        older: list[list[BarRow]] = []
        missing = count
        for days, start, stop in self._stretches(interval, until, count):
            stretch = self._empty(interval, keep)
            self._feed(days, stretch, start, min(stop, _behind(at)))
            rows = stretch.rows
            if series.count:
                older.append(rows)
            else:
                series = stretch
            missing -= sum(row.time <= until for row in rows)
            if missing <= 0:
                break
        series.precede([row for rows in reversed(older) for row in rows])
        return series

    def _stretches(self, interval: Interval, until: float, count: int) -> Iterator[tuple[Iterable[Part], float, float]]:
        """Pieces of history that hold whole bars, newest first: days, and from when to before when to look at them."""
        if until < BEGIN:
            return
        day = min(self._calendar.day_at(min(until, END)), self._last_day)
        if not interval.is_intraday:
            while day >= 0:
                first, after = self._calendar.group(interval, day)
                days = filter(self._calendar.is_trading_day, range(max(0, first), min(after, self._last_day + 1)))
                yield map(self._prices.day, days), -math.inf, math.inf
                day = first - 1
            return
        for number in range(day, -1, -1):
            spans = self._calendar.spans(number)
            if not spans:
                continue
            whole = self._prices.day(number)
            length = interval.seconds
            if length is not None:
                # By the hour, or by the minute, so that no more is split than is asked for.
                together = max(1, (3_600 if interval.unit == "m" else 60) // length)
                for opens, closes in reversed(spans):
                    end = int(min(until, closes - 1) - opens) // length + 1 if opens <= until else 0
                    while end > 0:
                        begin = (end - 1) // together * together
                        yield [whole], opens + begin * length, min(opens + end * length, closes)
                        end = begin
            elif interval.unit == "T":
                # Ticks can be counted without looking at each, so the first of the bars that are wanted can be found.
                bars = math.ceil(self._so_far(number, _behind(until)).count / interval.count)
                skipped = max(0, bars - count) * interval.count
                yield [whole], self._trade(whole, skipped).time, math.inf
                count -= bars
            else:
                yield [whole], -math.inf, math.inf

    def _feed(self, parts: Iterable[Part], series: Series, start: float, stop: float) -> None:
        """Gives a series all ticks from `start` to before `stop`, in the largest pieces that it takes."""
        for part in parts:
            if part.end <= start:
                continue
            if part.time >= stop:
                return
            if (
                part.time >= start
                and part.end <= stop
                and series.take(part.time, part.end, part.count, part.open, part.high, part.low, part.close, part.lots)
            ):
                continue
            if part.level != "minute":
                self._feed(self._prices.parts(part), series, start, stop)
                continue
            for trade in self._prices.trades(part):
                if start <= trade.time < stop:
                    units = trade.units
                    series.take(trade.time, trade.time, 1, units, units, units, units, trade.lots)

    def _empty(self, interval: Interval, keep: int = 1) -> Series:
        return Series(interval, partial(self._calendar.window, interval), self.listing.grid, keep=keep)

    def _so_far(self, day: int, stop: float) -> Series:
        """The daily bar as of the ticks before `stop`; without any if there are none. Not to be added to."""
        if day < 0:
            return self._empty(_DAY)
        # Who follows a market asks of later and later moments: what was found last goes on from there.
        latest = self._latest
        if latest.day == day and latest.stop <= stop:
            start, series = latest.stop, copy(latest.series)
        else:
            start, series = -math.inf, self._empty(_DAY)
        self._feed([self._prices.day(day)], series, start, stop)
        self._latest = _SoFar(day, stop, series)
        return series

    def _ticks_from(self, start: float) -> Iterator[MarketTick]:
        first = self._calendar.day_at(min(max(start, BEGIN), END))
        for day in filter(self._calendar.is_trading_day, range(max(0, first), self._last_day + 1)):
            yield from self._ticks_of([self._prices.day(day)], start, 0)

    def _ticks_of(self, parts: Iterable[Part], start: float, lots: int) -> Iterator[MarketTick]:
        """The ticks from `start` on; `lots` were traded on this day before the first of the parts."""
        for part in parts:
            if part.end > start and part.level != "minute":
                yield from self._ticks_of(self._prices.parts(part), start, lots)
            elif part.end > start:
                sofar = lots
                for trade in self._prices.trades(part):
                    sofar += trade.lots
                    if trade.time >= start:
                        yield self._tick(trade, sofar)
            lots += part.lots

    def _tick(self, trade: Trade, day_lots: int) -> MarketTick:
        grid = self.listing.grid
        return MarketTick(
            time=trade.time,
            price=grid.price(trade.units),
            size=grid.volume(trade.lots) or 0.0,
            day_volume=grid.volume(day_lots),
            units=trade.units,
            lots=trade.lots,
        )

    def _trade(self, part: Part, place: int) -> Trade:
        """A trade by its position within a part."""
        while part.level != "minute":
            parts = self._prices.parts(part)
            ends = list(accumulate(each.count for each in parts))
            which = bisect_right(ends, place)
            part = parts[which]
            place -= ends[which] - part.count
        return self._prices.trades(part)[place]

    def _day_prices(self, now: float) -> DayPrices | None:
        """The newest trading day that has a tick by now; None in 1990 before the first."""
        day = min(self._calendar.day_at(now), self._last_day)
        bar = self._so_far(day, _behind(now))
        if not bar.count:
            day = self._calendar.trading_day_by(day - 1)
            bar = self._so_far(day, _behind(now))
        row = bar.current
        if row is None:
            return None
        newest = self._trade(self._prices.day(day), bar.count - 1)
        before = self._calendar.trading_day_by(day - 1)
        previous = self._prices.day(before).close if before >= 0 else self._prices.day(day).open
        grid = self.listing.grid
        dice = digest(self._seed, self.listing.symbol, "book", newest.time, size=4)
        bid = max(1, newest.units - dice[0] % 2)
        lots = max(1, self.listing.lots // self.listing.ticks // 64)
        return DayPrices(
            last=row.close,
            time=newest.time,
            open=row.open,
            high=row.high,
            low=row.low,
            previous=grid.price(previous),
            volume=row.volume,
            change=grid.price(newest.units - previous),
            bid=grid.price(bid),
            ask=grid.price(bid + 1 + dice[1] % 2),
            bid_size=(1 + dice[2]) * lots / grid.volumescale,
            ask_size=(1 + dice[3]) * lots / grid.volumescale,
        )

    def __repr__(self) -> str:
        return f"<SyntheticSymbol {self.listing.symbol}, seed {self._seed}>"


def _behind(time: float) -> float:
    """The least number above: before it is the same as up to and including `time`."""
    return math.nextafter(time, math.inf)
