"""A symbol whose feed is late: all that is asked of a moment is answered as of some time before."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import msgspec

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, LiveBars, MarketTick
from tvstreamer.server.market.symbol import MarketSymbol


class DelayedSymbol:
    """Ticks keep the time at which they were traded; `due` is when the feed tells them."""

    def __init__(self, symbol: MarketSymbol, delay: float) -> None:
        self._symbol = symbol
        self._delay = delay

    @property
    def update_mode(self) -> str:
        return self._symbol.update_mode

    def supports(self, interval: Interval) -> bool:
        return self._symbol.supports(interval)

    def info(self) -> dict[str, Any]:
        return self._symbol.info()

    def quote(self, now: float, fields: Collection[str] | None) -> dict[str, Any]:
        return self._symbol.quote(now - self._delay, fields)

    def ticks(self, after: float, until: float) -> list[MarketTick]:
        return [self._late(tick) for tick in self._symbol.ticks(after - self._delay, until - self._delay)]

    def next_tick(self, after: float) -> MarketTick | None:
        tick = self._symbol.next_tick(after - self._delay)
        return None if tick is None else self._late(tick)

    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]:
        return self._symbol.history(interval, min(until, at - self._delay), count, at - self._delay)

    def series(self, interval: Interval, at: float, count: int, *, keep: int) -> LiveBars:
        return self._symbol.series(interval, at - self._delay, count, keep=keep)

    def bar_at(self, interval: Interval, moment: float) -> BarRow | None:
        return self._symbol.bar_at(interval, moment - self._delay)

    def _late(self, tick: MarketTick) -> MarketTick:
        return msgspec.structs.replace(tick, delay=self._delay)

    def __repr__(self) -> str:
        return f"<DelayedSymbol {self._symbol!r}, {self._delay} s>"
