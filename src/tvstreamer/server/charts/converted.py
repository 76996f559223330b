"""A symbol of the market with other prices: in another currency, or with its dividends taken out of the past.

Rates never change in this market. Every share pays half a percent of its price on the 15th of February, May, August and
November; adjusted for dividends, a bar that opened before such a day counts so much less, its volume is as it was.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.instrument import MarketInstrument
from tvstreamer.server.market import Market
from tvstreamer.server.market.bars import BarRow, LiveBars, MarketTick
from tvstreamer.server.market.listing import as_on_the_wire, exchange_rate

_PAID: Final = 0.995
_PAYDAYS: Final = ((2, 15), (5, 15), (8, 15), (11, 15))
_PRICES: Final = frozenset(("lp", "ch", "bid", "ask", "open_price", "high_price", "low_price", "prev_close_price"))
_MORE_DIGITS: Final = 2
_MOST_DIGITS: Final = 12


class Conversion(NamedTuple):
    """What a client wants otherwise: a currency, None for the symbol's own; and whether dividends are taken out."""

    currency: str | None = None
    dividends: bool = False


class ConvertedInstrument(MarketInstrument):
    """A symbol with converted prices."""

    def __init__(self, market: Market, name: str, conversion: Conversion) -> None:
        super().__init__(market, name)
        info = super().info(0.0)
        own = str(info["currency_code"])
        self._currency = conversion.currency or own
        self._rate = exchange_rate(own, self._currency) or 1.0
        self._dividends = conversion.dividends and info.get("type") == "stock"
        digits = math.ceil(math.log10(max(1, info["pricescale"]) / self._rate)) + _MORE_DIGITS
        self._digits = min(max(0, digits), _MOST_DIGITS)
        self._since: float | None = None
        """The moment from whose view the past is adjusted: that of the first series."""

    def info(self, at: float) -> dict[str, Any]:
        info = super().info(at)
        if self._rate != 1.0:
            info |= self._named()
        return info

    def quote(self, at: float, fields: Collection[str] | None) -> dict[str, Any]:
        values = super().quote(at, fields)
        if self._rate == 1.0:
            return values
        converted = {
            name: round(value * self._rate, self._digits) if name in _PRICES else value for name, value in values.items()
        }
        converted |= {name: value for name, value in self._named().items() if name in values}
        return as_on_the_wire(converted, None)

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        self._since = at if self._since is None else self._since
        return _ConvertedBars(super().series(interval, at=at, count=count), self)

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        return [self.convert(row) for row in super().history(interval, until=until, count=count, at=at)]

    def convert(self, row: BarRow) -> BarRow:
        factor, digits = self._rate * self._adjustment(row.time), self._digits
        return msgspec.structs.replace(
            row,
            open=round(row.open * factor, digits),
            high=round(row.high * factor, digits),
            low=round(row.low * factor, digits),
            close=round(row.close * factor, digits),
        )

    def _adjustment(self, time: float) -> float:
        if not self._dividends or self._since is None:
            return 1.0
        return float(_PAID ** max(0, _paid_until(self._since) - _paid_until(time)))

    def _named(self) -> dict[str, Any]:
        """The fields that tell of another currency."""
        return {
            "currency_code": self._currency,
            "currency_id": self._currency,
            "pricescale": 10**self._digits,
            "minmov": 1,
        }

    def __repr__(self) -> str:
        return f"<ConvertedInstrument {self.key} in {self._currency}>"


class _ConvertedBars:
    def __init__(self, bars: LiveBars, instrument: ConvertedInstrument) -> None:
        self._bars = bars
        self._convert = instrument.convert

    @property
    def rows(self) -> list[BarRow]:
        return [self._convert(row) for row in self._bars.rows]

    @property
    def index(self) -> int:
        return self._bars.index

    def add(self, tick: MarketTick) -> list[BarRow]:
        return [self._convert(row) for row in self._bars.add(tick)]

    def close_bar(self) -> None:
        self._bars.close_bar()


def known_currency(currency: object) -> bool:
    return isinstance(currency, str) and exchange_rate(currency, currency) is not None


def _paid_until(time: float) -> int:
    """How many dividends were paid by a moment, counted from the year 0."""
    moment = datetime.fromtimestamp(min(max(time, 0.0), 4e9), UTC)
    return moment.year * 4 + sum((moment.month, moment.day) >= day for day in _PAYDAYS)
