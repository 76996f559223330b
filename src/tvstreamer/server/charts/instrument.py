"""What a symbol string names for a chart: an info, a history, and bars that go on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, Protocol, TypeAlias

from tvstreamer.errors import SeriesError
from tvstreamer.intervals import Interval
from tvstreamer.server.market import Market
from tvstreamer.server.market.bars import BarRow, LiveBars, MarketTick

_DAY: Final = 86_400
_MONTH: Final = 28 * _DAY


class SeriesRefused(Exception):
    """There is no series of this instrument and interval for this client; the reason is the one of `series_error`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


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
        """The newest `count` bars (1 at least) as of a moment, to be kept up to date with each later tick.

        Raises `SeriesRefused`, or the market's `SeriesError`.
        """
        ...

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        """The newest `count` bars that opened by `until`, oldest first, as known at `at`; fewer are the whole history."""
        ...


Opener: TypeAlias = Callable[[str | Mapping[str, Any]], Instrument | None]
"""Finds the instrument of a symbol string (plain, or the object behind its `=`); None for what is not its own."""


class MarketInstrument:
    """A symbol of the market, or a variant of one, by the name that the market knows it under."""

    is_live = True

    def __init__(self, market: Market, name: str) -> None:
        self._market = market
        self.key = name

    def info(self, at: float) -> dict[str, Any]:
        info = self._market.info(self.key, at)
        assert info is not None, "only a known symbol becomes an instrument"
        return info

    def quote(self, at: float, fields: Collection[str] | None) -> dict[str, Any]:
        return self._market.quote(self.key, at, fields)

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        return self._market.series(self.key, interval, at=at, count=count)

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        return self._market.history(self.key, interval, until=until, count=count, at=at)

    def __repr__(self) -> str:
        return f"<MarketInstrument {self.key}>"


class PastBars:
    """Bars that end in the past: no tick changes them, but later ones may be asked for."""

    def __init__(self, rows: list[BarRow]) -> None:
        self._rows = rows

    @property
    def rows(self) -> list[BarRow]:
        return self._rows.copy()

    @property
    def index(self) -> int:
        return len(self._rows) - 1

    def add(self, tick: MarketTick) -> list[BarRow]:
        return []

    def close_bar(self) -> None:
        pass

    def extend(self, rows: list[BarRow]) -> None:
        self._rows += rows


def bars_after(instrument: Instrument, interval: Interval, after: float, count: int, at: float) -> list[BarRow]:
    """The oldest `count` bars that opened later than `after`, as known at `at`; fewer are all that there are.

    Instruments are asked for the newest bars up to a moment, so that moment is looked for. Raises `SeriesError` for
    intervals whose length says nothing of how many bars lie between two moments.
    """
    length = _MONTH * interval.count if interval.unit == "M" else interval.seconds
    if length is None:
        raise SeriesError(f"bars after a moment: interval {interval}: expected one of time")
    span = float(length * count)
    rows: list[BarRow] = []
    while len(rows) < count:
        until = _reach(instrument, interval, after, span, at)
        if until is None:
            break
        found = instrument.history(interval, until=until, count=count + 1, at=at)
        rows += [row for row in found if row.time > after]
        after = rows[-1].time
    return rows[:count]


def _reach(instrument: Instrument, interval: Interval, after: float, span: float, at: float) -> float | None:
    """A moment by which at least one bar opened later than `after`, but none more than `span` before it."""

    def reached(moment: float) -> bool:
        newest = instrument.history(interval, until=moment, count=1, at=at)
        return bool(newest) and newest[0].time > after

    early, late, step = after, min(after + span, at), span
    while not reached(late):
        if late >= at:
            return None
        step *= 2
        early, late = late, min(late + step, at)
    while late - early > span:
        middle = (early + late) / 2
        if reached(middle):
            late = middle
        else:
            early = middle
    return late


def first_bar(instrument: Instrument, interval: Interval, at: float) -> BarRow | None:
    """The oldest bar that there is."""
    rows = bars_after(instrument, interval, -1.0, 1, at)
    return rows[0] if rows else None
