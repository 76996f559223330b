"""Spreads: symbols that are computed from others, `NASDAQ:AAPL/NASDAQ:MSFT`, `NASDAQ:AAPL*2-NASDAQ:MSFT`, `1/FX:EURUSD`.

That the real service has them is known, how it computes their bars is not. Here each of open, high, low and close is that of the
legs' own, of bars of the same time that all legs have, and a high or a low is moved to where it is one. There is no volume.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, LiveBars, LookedUpBars, MarketTick
from tvstreamer.server.market.listing import DayPrices, as_on_the_wire, quote_prices
from tvstreamer.server.market.symbol import MarketSymbol

_TOKEN: Final = re.compile(r"\s*(?:(?P<leg>[A-Z][A-Z0-9_.]*:[A-Z0-9_.!&]+)|(?P<number>[0-9]+(?:\.[0-9]+)?)|(?P<sign>[-+*/()]))")
_OPERATORS: Final[Mapping[str, Callable[[float, float], float]]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv,
}  # fmt: skip
_SINGLE: Final = re.compile(r"[A-Z0-9_.\-]+:[^:()]*[^:()+*/-]")
_LONGEST: Final = 160
_MOST_LEGS: Final = 10
_MOST_WITHOUT_PRICE: Final = 1_000
_MOST_MISSES: Final = 64
"""Looks back in vain: bars of an hour of a market that opens at half past never meet those of one that opens at eight."""
_MOST_IN_VAIN: Final = 10_000
"""Bars of each leg that are looked at in vain; a server has others to answer, too."""
_LEAST_SCALE: Final = 100_000
_PRICES: Final = ("lp", "open_price", "high_price", "low_price", "prev_close_price")

Compute = Callable[[Mapping[str, float]], float]


class Spread(NamedTuple):
    """What a spread is computed from, and how."""

    legs: tuple[str, ...]
    compute: Compute

    def value(self, prices: Mapping[str, float], scale: int) -> float | None:
        """Its price, in steps of the scale; None where the legs' make none."""
        try:
            # What is not finite has no nearest step.
            return round(self.compute(prices) * scale) / scale
        except (ArithmeticError, ValueError):
            return None


@lru_cache(maxsize=256)
def parse_spread(text: str) -> Spread | None:
    """The spread that a symbol in upper case is; None for any other symbol, and for what is no expression."""
    if len(text) > _LONGEST:
        return None
    tokens: list[tuple[str, str]] = []
    at = 0
    while at < len(text.rstrip()):
        match = _TOKEN.match(text, at)
        if match is None:
            return None
        kind = str(match.lastgroup)
        tokens.append((kind, match[kind]))
        at = match.end()
    legs = tuple(dict.fromkeys(value for kind, value in tokens if kind == "leg"))
    if len(tokens) < 2 or not 0 < len(legs) <= _MOST_LEGS:
        return None
    try:
        return Spread(legs, _Parser(tokens).whole())
    except _NoExpression:
        return None


def is_single(text: str) -> bool:
    """Whether a symbol in upper case that is no spread may be a symbol itself, and not an expression that somebody got wrong."""
    return _SINGLE.fullmatch(text) is not None


class _NoExpression(Exception):
    """Tokens that make no expression."""


class _Parser:
    """Reads an expression from its tokens, by the usual precedence."""

    def __init__(self, tokens: Sequence[tuple[str, str]]) -> None:
        self._tokens = [*tokens, ("end", "")]
        self._at = 0

    def whole(self) -> Compute:
        compute = self._sum()
        if self._tokens[self._at][0] != "end":
            raise _NoExpression
        return compute

    def _next(self) -> tuple[str, str]:
        self._at += 1
        return self._tokens[self._at - 1]

    def _sum(self) -> Compute:
        return self._chain(self._product, "+-")

    def _product(self) -> Compute:
        return self._chain(self._factor, "*/")

    def _chain(self, part: Callable[[], Compute], signs: str) -> Compute:
        result = part()
        while self._tokens[self._at][0] == "sign" and self._tokens[self._at][1] in signs:
            result = _joined(_OPERATORS[self._next()[1]], result, part())
        return result

    def _factor(self) -> Compute:
        kind, value = self._next()
        if kind == "leg":
            return operator.itemgetter(value)
        if kind == "number":
            number = float(value)
            return lambda _prices: number
        if value == "(":
            inner = self._sum()
            if self._next()[1] == ")":
                return inner
        raise _NoExpression


def _joined(operate: Callable[[float, float], float], left: Compute, right: Compute) -> Compute:
    return lambda prices: operate(left(prices), right(prices))


class SpreadSymbol:
    """Ticks, bars and quotes of a spread, from those of its legs at the moment of asking."""

    def __init__(self, name: str, spread: Spread, legs: Mapping[str, MarketSymbol]) -> None:
        self._name = name
        self._spread = spread
        self._legs = legs
        self._infos = [leg.info() for leg in legs.values()]
        self._scale = max(_LEAST_SCALE, *(int(info["pricescale"]) for info in self._infos))

    @property
    def update_mode(self) -> str:
        """That of the leg which is latest."""
        modes = [leg.update_mode for leg in self._legs.values()]
        if "endofday" in modes:
            return "endofday"
        return max(modes, key=lambda mode: int("0" + mode.rpartition("_")[2] if "_" in mode else "0"))

    def supports(self, interval: Interval) -> bool:
        return interval.unit not in ("T", "R") and all(leg.supports(interval) for leg in self._legs.values())

    def info(self) -> dict[str, Any]:
        """The first leg's, but for what it is called and how its price is written."""
        named = dict.fromkeys(("name", "full_name", "pro_name", "description", "short_description"), self._name)
        own = {
            "base_name": [self._name], "pricescale": self._scale, "minmov": 1, "type": "spread", "typespecs": [],
            "legs": list(self._spread.legs), "is_tradable": False, "has_adjustment": False, "visible_plots_set": "ohlc",
            "is-tickbars-available": False,
        }  # fmt: skip
        return self._infos[0] | named | own

    def quote(self, now: float, fields: Collection[str] | None) -> dict[str, Any]:
        quotes = {name: leg.quote(now, None) for name, leg in self._legs.items()}
        of_first, info = next(iter(quotes.values())), self.info()
        facts = {name: info.get(name, value) for name, value in of_first.items() if not name.startswith(("bid", "ask"))}
        prices: list[float] = []
        for field in _PRICES:
            price = self._value({name: quote.get(field) for name, quote in quotes.items()})
            if price is not None:
                prices.append(price)
        session = of_first["current_session"]
        if len(prices) < len(_PRICES):
            values = {name: value for name, value in facts.items() if name not in (*_PRICES, "lp_time", "ch", "chp", "volume")}
            return as_on_the_wire(values | quote_prices(None, session), fields)
        last, opened, high, low, previous = prices
        time = max(quote["lp_time"] for quote in quotes.values())
        extremes = (last, opened, high, low)
        day = DayPrices(
            last=last, time=time, open=opened, high=max(extremes), low=min(extremes), previous=previous, volume=None,
            change=round((last - previous) * self._scale) / self._scale, bid=0.0, ask=0.0, bid_size=0.0, ask_size=0.0,
        )  # fmt: skip
        return as_on_the_wire(facts | quote_prices(day, session, has_book=False), fields)

    def ticks(self, after: float, until: float) -> list[MarketTick]:
        """One for each of a leg; those of a moment are one."""
        moved = sorted(
            ((tick.due, name, tick.price) for name, leg in self._legs.items() for tick in leg.ticks(after, until)),
            key=lambda each: each[0],
        )
        if not moved:
            return []
        prices: dict[str, float | None] = {name: leg.quote(after, ("lp",)).get("lp") for name, leg in self._legs.items()}
        found: dict[float, MarketTick] = {}
        for due, name, price in moved:
            prices[name] = price
            value = self._value(prices)
            if value is not None:
                found[due] = MarketTick(time=due, price=value, size=0.0, day_volume=None, units=value, lots=0)
        return list(found.values())

    def next_tick(self, after: float) -> MarketTick | None:
        # More than one, as not all legs may have a price yet.
        for _ in range(_MOST_WITHOUT_PRICE):
            coming = [tick.due for leg in self._legs.values() if (tick := leg.next_tick(after)) is not None]
            if not coming:
                break
            found = self.ticks(after, min(coming))
            if found:
                return found[0]
            after = min(coming)
        return None

    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]:
        found: list[BarRow] = []
        misses = in_vain = 0
        while len(found) < count and misses < _MOST_MISSES and in_vain < _MOST_IN_VAIN:
            portion = count - len(found)
            rows = [leg.history(interval, until, portion, at) for leg in self._legs.values()]
            if not all(rows):
                break
            aligned = self._aligned(interval, rows)
            found = aligned + found
            misses, in_vain = (0, 0) if aligned else (misses + 1, in_vain + portion)
            # Of what lies further back not all have said whether they have it; or there is nothing before the newest of one.
            reach, newest = max(of_leg[0].time for of_leg in rows), min(of_leg[-1].time for of_leg in rows)
            until = math.nextafter(reach, 0) if reach <= newest else newest
        return found

    def _aligned(self, interval: Interval, rows: Sequence[Sequence[BarRow]]) -> list[BarRow]:
        """The bars of moments at which all legs have one."""
        others = [{_moment(interval, row): row for row in of_leg} for of_leg in rows[1:]]
        found: list[BarRow] = []
        for row in rows[0]:
            moment = _moment(interval, row)
            matching = [row, *(of_leg[moment] for of_leg in others if moment in of_leg)]
            prices = [
                self._value({name: getattr(of_leg, field) for name, of_leg in zip(self._legs, matching, strict=False)})
                for field in ("open", "high", "low", "close")
                if len(matching) == len(rows)
            ]
            known = [price for price in prices if price is not None]
            if len(known) == len(("open", "high", "low", "close")):
                own = {"open": known[0], "high": max(known), "low": min(known), "close": known[3]}
                found.append(msgspec.structs.replace(row, **own, volume=None))
        return found

    def series(self, interval: Interval, at: float, count: int, *, keep: int) -> LiveBars:
        rows = self.history(interval, at, max(1, count), at)
        return LookedUpBars(rows, keep, lambda _, moment: self.history(interval, moment, 2, moment))

    def bar_at(self, interval: Interval, moment: float) -> BarRow | None:
        newest = self.history(interval, moment, 1, moment)
        return newest[0] if newest and moment < newest[0].end else None

    def _value(self, prices: Mapping[str, float | None]) -> float | None:
        known = {name: price for name, price in prices.items() if price is not None}
        return self._spread.value(known, self._scale) if len(known) == len(self._legs) else None

    def __repr__(self) -> str:
        return f"<SpreadSymbol {self._name}>"


def _moment(interval: Interval, row: BarRow) -> object:
    """What bars of one moment have in common: their time, and their day, week or month whatever the hours of their market."""
    if interval.is_intraday:
        return row.time
    last = datetime.fromtimestamp(row.end - 1, UTC)
    return (last.year, last.month) if interval.unit == "M" else last.isocalendar()[:2] if interval.unit == "W" else last.date()
