"""What a symbol string names for a chart: an info, a history, and bars that go on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from tvstreamer.intervals import Interval
from tvstreamer.server.bars import BarRow, MarketTick
from tvstreamer.server.market import Market


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


class Instrument(Protocol):
    """One thing that a chart can show."""

    @property
    def key(self) -> str:
        """Whose ticks move it: a symbol of the market, or what a desk announces its own ticks under."""
        ...

    @property
    def is_live(self) -> bool:
        """Whether `key` is a symbol of the market, whose ticks have to be followed."""
        ...

    def info(self, at: float) -> dict[str, Any]:
        """What `symbol_resolved` carries, in the wire's order of keys."""
        ...

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        """The newest `count` bars (1 at least) as of a moment, to be kept up to date with each later tick."""
        ...

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        """The newest `count` bars that opened by `until`, oldest first, as known at `at`; fewer are the whole history."""
        ...


Opener: TypeAlias = Callable[[str | Mapping[str, Any]], Instrument | None]
"""Finds the instrument of a symbol string (plain, or the object behind its `=`); None for what is not its own."""


class MarketInstrument:
    """A symbol of the market as it is."""

    is_live = True

    def __init__(self, market: Market, symbol: str) -> None:
        self._market = market
        self.key = symbol

    def info(self, at: float) -> dict[str, Any]:
        info = self._market.info(self.key, at)
        assert info is not None, "only a known symbol becomes an instrument"
        return info

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        return self._market.series(self.key, interval, at=at, count=count)

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        return self._market.history(self.key, interval, until=until, count=count, at=at)

    def __repr__(self) -> str:
        return f"<MarketInstrument {self.key}>"
