"""A symbol whose feed brings each day when it is over, and nothing in between."""

from __future__ import annotations

import math
from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

import msgspec

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, LiveBars, LookedUpBars, MarketTick
from tvstreamer.server.market.calendar import Calendar
from tvstreamer.server.market.symbol import MarketSymbol

_MOST_EMPTY_DAYS: Final = 20
"""So many trading days without a trade are the end."""
_DAYS_KEPT: Final = 8


class EndOfDaySymbol:
    """What is known at a moment is what was traded until the newest close. A tick is a day's last price, due at its close."""

    def __init__(self, symbol: MarketSymbol, calendar: Calendar) -> None:
        self._symbol = symbol
        self._calendar = calendar
        # All ticks of a day have to be made for its last.
        self._tick = lru_cache(maxsize=_DAYS_KEPT)(self._last_of)

    @property
    def update_mode(self) -> str:
        return self._symbol.update_mode

    def supports(self, interval: Interval) -> bool:
        return not interval.is_intraday and self._symbol.supports(interval)

    def info(self) -> dict[str, Any]:
        return self._symbol.info() | {"has_intraday": False}

    def quote(self, now: float, fields: Collection[str] | None) -> dict[str, Any]:
        values = self._symbol.quote(self._known(now), fields)
        session = self._symbol.quote(now, ("current_session",))
        return values | session if "current_session" in values else values

    def ticks(self, after: float, until: float) -> list[MarketTick]:
        found: list[MarketTick] = []
        while (tick := self.next_tick(after)) is not None and tick.due <= until:
            found.append(tick)
            after = tick.due
        return found

    def next_tick(self, after: float) -> MarketTick | None:
        day = self._calendar.day_at(after)
        for _ in range(_MOST_EMPTY_DAYS):
            day = self._calendar.trading_day_from(day)
            tick = self._tick(day)
            if tick is not None and tick.due > after:
                return tick
            day += 1
        return None

    def _last_of(self, day: int) -> MarketTick | None:
        """The last tick of a day, which is told when the day is over; None where nothing was traded."""
        close = self._calendar.close_of(day)
        traded = self._symbol.ticks(_before(self._calendar.open_of(day)), _before(close))
        return msgspec.structs.replace(traded[-1], delay=close - traded[-1].time) if traded else None

    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]:
        known = self._known(at)
        return self._symbol.history(interval, min(until, known), count, known)

    def series(self, interval: Interval, at: float, count: int, *, keep: int) -> LiveBars:
        rows = self.history(interval, at, max(1, count), at)
        return LookedUpBars(rows, keep, lambda _, moment: self.history(interval, moment, 2, moment))

    def bar_at(self, interval: Interval, moment: float) -> BarRow | None:
        newest = self.history(interval, moment, 1, moment)
        return newest[0] if newest and moment < newest[0].end else None

    def _known(self, at: float) -> float:
        """The moment up to which everything is known."""
        calendar = self._calendar
        day = calendar.trading_day_by(calendar.day_at(at))
        while day >= 0 and calendar.close_of(day) > at:
            day = calendar.trading_day_by(day - 1)
        return _before(calendar.close_of(day)) if day >= 0 else -math.inf

    def __repr__(self) -> str:
        return f"<EndOfDaySymbol {self._symbol!r}>"


def _before(moment: float) -> float:
    return math.nextafter(moment, 0)
