"""The same symbol seen in other ways: with the trading before and after its session, or as it was before a split.

Each is a price process laid over the regular one and made of its numbers, so that what both show is the same: the
regular bars are among the extended ones, and a price before a split is a whole multiple of the adjusted one.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from functools import lru_cache
from math import prod
from struct import unpack
from typing import Final, NamedTuple

import msgspec

from tvstreamer.server.market.bars import Grid
from tvstreamer.server.market.calendar import Calendar
from tvstreamer.server.market.listing import Listing, digest
from tvstreamer.server.market.prices import Part, PriceProcess, Prices, Trade

_UNIX: Final = date(1970, 1, 1).toordinal()
_FEWEST: Final = 4
_PORTION: Final = 24
"""Before and after the session there is so much less of everything."""


class Variant(NamedTuple):
    """How a client wants to see a symbol, in the words of the wire: `session` is `regular` or `extended`, `adjustment`
    `splits` or `none`.

    What a symbol does not have it is not shown in: without extended hours `extended` is the regular session. What shares
    pay is no variant: it is taken out of their bars, see `converted`.
    """

    session: str = "regular"
    adjustment: str = "splits"


REGULAR: Final = Variant()


def variant_of(symbol: str, variant: Variant) -> str:
    """The name under which a market answers for a variant: no client can send it as a symbol."""
    return symbol if variant == REGULAR else f"{symbol}{{{variant.session},{variant.adjustment}}}"


def is_variant(name: str) -> bool:
    return name.endswith("}")


def split_variant(name: str) -> tuple[str, Variant]:
    """The symbol and the variant of a name; any other text is a symbol."""
    symbol, brace, rest = name.partition("{")
    session, comma, adjustment = rest.removesuffix("}").partition(",")
    return (symbol, Variant(session, adjustment)) if brace and comma and is_variant(name) else (name, REGULAR)


class ExtendedPrices:
    """The days of a process with trading before and after them, between which the regular session is what it was."""

    def __init__(self, regular: Prices, listing: Listing, extended: Calendar, seed: int) -> None:
        self._regular = regular
        self._listing = listing
        self._calendar = extended
        self._name = f"{seed}/{listing.symbol}"
        self.day = lru_cache(maxsize=32)(self._make_day)
        self.parts = lru_cache(maxsize=16)(self._make_parts)
        self.trades = regular.trades

    def _make_day(self, number: int) -> Part:
        before, session, after = self._three(number)
        return Part(
            level="day",
            time=before.time,
            end=after.end,
            count=before.count + session.count + after.count,
            open=before.open,
            high=max(before.high, session.high, after.high),
            low=min(before.low, session.low, after.low),
            close=after.close,
            lots=before.lots + session.lots + after.lots,
        )

    def _make_parts(self, whole: Part) -> list[Part]:
        if whole.level != "day":
            return self._regular.parts(whole)
        before, session, after = self._three(self._calendar.day_at(whole.time))
        return [
            *self._regular.split(before, [(before.time, before.end)]),
            *self._regular.parts(session),
            *self._regular.split(after, [(after.time, after.end)]),
        ]

    def _three(self, number: int) -> tuple[Part, Part, Part]:
        session = self._regular.day(number)
        opens, closes = self._calendar.open_of(number), self._calendar.close_of(number)
        moves = unpack("<8H", digest(self._name, "around", number, size=16))
        return (
            self._around(session, opens, session.time, moves[:4], to=session.open),
            session,
            self._around(session, session.end, closes, moves[4:], to=None),
        )

    def _around(self, session: Part, time: int, end: int, moves: tuple[int, ...], *, to: int | None) -> Part:
        """A stretch that ends where the session opens, or begins where it closes."""
        reach = session.open * self._listing.volatility // 2_000_000
        strayed = reach * (moves[0] - 32_768) >> 15
        first, last = (max(1, to + strayed), to) if to is not None else (session.close, max(1, session.close + strayed))
        count = max(_FEWEST, session.count // _PORTION)
        return Part(
            level="day",
            time=time,
            end=end,
            count=count,
            open=first,
            high=max(first, last) + (reach * moves[1] >> 17),
            low=max(1, min(first, last) - (reach * moves[2] >> 17)),
            close=last,
            lots=count + (session.lots // _PORTION * moves[3] >> 16),
        )


class UnadjustedPrices:
    """What was really paid before splits: a multiple of the adjusted price, for a fraction of the shares; the other way round
    before a reverse split.

    So that both stay whole numbers, a lot here is a share of the adjusted count divided by all numerators of the ratios, and a
    step of the price is one of the adjusted price divided by all denominators.
    """

    def __init__(
        self, adjusted: PriceProcess, calendar: Calendar, splits: tuple[tuple[date, int | Fraction], ...]
    ) -> None:
        self._adjusted = adjusted
        self._calendar = calendar
        self._splits = tuple((_between(day), ratio) for day, ratio in splits)
        self.day = lru_cache(maxsize=32)(self._make_day)

    def _make_day(self, number: int) -> Part:
        part = self._adjusted.day(number)
        return _scaled(part, *self._factors(part.time))

    def parts(self, whole: Part) -> list[Part]:
        units, lots = self._factors(whole.time)
        return [_scaled(part, units, lots) for part in self._adjusted.parts(_unscaled(whole, units, lots))]

    def trades(self, minute: Part) -> list[Trade]:
        units, lots = self._factors(minute.time)
        return [
            Trade(trade.time, trade.units * units, trade.lots * lots)
            for trade in self._adjusted.trades(_unscaled(minute, units, lots))
        ]

    def _factors(self, time: float) -> tuple[int, int]:
        """What a price and a volume of this moment are multiplied by: the ratios still to come, and those that have been."""
        coming = [ratio for moment, ratio in self._splits if time < moment]
        been = [ratio for moment, ratio in self._splits if time >= moment]
        return (
            prod(ratio.numerator for ratio in coming) * prod(ratio.denominator for ratio in been),
            prod(ratio.numerator for ratio in been) * prod(ratio.denominator for ratio in coming),
        )


def finer(grid: Grid, ratios: Sequence[int | Fraction]) -> Grid:
    """The steps of prices and volumes before splits of these ratios."""
    parts = prod(ratio.denominator for ratio in ratios)
    return msgspec.structs.replace(
        grid,
        pricescale=grid.pricescale * parts,
        volumescale=grid.volumescale * prod(ratio.numerator for ratio in ratios),
        steps=grid.steps / parts,
    )


def _between(day: date) -> int:
    """A moment between what is traded on the day before and on this day, extended hours included, in America."""
    return (day.toordinal() - _UNIX) * 86_400 + 6 * 3_600


def _scaled(part: Part, units: int, lots: int) -> Part:
    return msgspec.structs.replace(
        part,
        open=part.open * units,
        high=part.high * units,
        low=part.low * units,
        close=part.close * units,
        lots=part.lots * lots,
    )


def _unscaled(part: Part, units: int, lots: int) -> Part:
    return msgspec.structs.replace(
        part,
        open=part.open // units,
        high=part.high // units,
        low=part.low // units,
        close=part.close // units,
        lots=part.lots // lots,
    )
