"""The market behind the fake server: any symbol, any time, made from a seed, from files, or given by hand.

It does no I/O and has no clock: every question names its moment, in seconds since the epoch, UTC. The same seed gives
the same answers on every platform, in any order of asking. How synthetic prices come about, and what is not lifelike
about them, is told in `prices`; what a symbol is, in `listing`. Prices from files are those of `bar_market` and `tape_market`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final, TypeAlias

from tvstreamer.errors import InvalidPlan, InvalidSymbol, SeriesError, SymbolError, shorten
from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, LiveBars, MarketTick
from tvstreamer.server.market.hand import HandSymbol
from tvstreamer.server.market.listing import digest, make_listing
from tvstreamer.server.market.spread import SpreadSymbol, is_single, parse_spread
from tvstreamer.server.market.symbol import MarketSource, MarketSymbol
from tvstreamer.server.market.synthetic import SyntheticMarket
from tvstreamer.server.market.variants import is_variant, split_variant, variant_of
from tvstreamer.symbols import parse_symbol

UNKNOWN: Final = ("XXXX:*", "*:NOPE", "*:INVALID")
"""The symbols that do not exist unless told otherwise."""

Unknown: TypeAlias = Collection[str] | Callable[[str], bool]

_FIRST_START: Final = 1_735_743_600
_WEEK: Final = 604_800


def market_start(seed: int) -> float:
    """A moment to begin a virtual run at: a Wednesday of 2025, 15:00 UTC.

    Crypto, forex, American and German shares are trading then; Indian shares are not.
    """
    week = int.from_bytes(digest("start", seed), "big") % 52
    # The first Wednesday of that year is New Year's Day, the last is Christmas Eve.
    return float(_FIRST_START + _WEEK * min(max(1, week), 50))


class Market:
    """Symbols as `EXCHANGE:TICKER`, in any case, from the first source whose pattern they match; by default any symbol,
    made from the seed.

    `sources` are by pattern, as for file names: `{"BINANCE:*": ..., "*": ...}`; what matches none does not exist.
    `unknown` has patterns of what does not exist in any case, or is a function that takes a symbol in upper case.
    Questions about an unknown symbol raise `SymbolError`, only `info` and `knows` do not; intervals are `Interval`s or
    their spellings. A symbol that was once given a tick or bars by hand lives on nothing else from then on, and exists
    in any case.

    Questions may also be about a `variant_of` a symbol: as it is with its extended hours, or was before splits. A
    delayed feed is late in all of its answers: what is known at a moment is what was traded some time before. Symbols joined by
    `+-*/()` with each other and with numbers are a `spread` of them.
    """

    def __init__(self, seed: int = 0, *, unknown: Unknown = UNKNOWN, sources: Mapping[str, MarketSource] | None = None) -> None:
        self.seed = seed
        self._unknown = (unknown,) if isinstance(unknown, str) else unknown
        self._by_hand: dict[str, HandSymbol] = {}
        chosen = {"*": SyntheticMarket(seed)} if sources is None else sources
        self._sources = [(pattern.upper(), source) for pattern, source in chosen.items()]

    @property
    def start(self) -> float | None:
        """When a server's clock should begin, if one of the sources has an opinion: the earliest of them."""
        moments = [source.start for _, source in self._sources]
        return min((moment for moment in moments if moment is not None), default=None)

    def knows(self, symbol: str) -> bool:
        """Whether there is such a symbol; the name of a variant is none."""
        return not is_variant(symbol) and self._find(symbol) is not None

    def is_by_hand(self, symbol: str) -> bool:
        return parse_symbol(symbol) in self._by_hand

    def supports(self, symbol: str, interval: Interval | str) -> bool:
        """Whether there are bars of an interval: a file of hours has none of a minute."""
        return self._get(symbol).supports(Interval.parse(interval))

    def update_mode(self, symbol: str) -> str:
        """`streaming`, or `delayed_streaming_900` for a feed that is 900 seconds late."""
        return self._get(symbol).update_mode

    def info(self, symbol: str, now: float | None = None) -> dict[str, Any] | None:
        """The symbol info of the wire, a new dict in the wire's order of keys; None for an unknown symbol.

        It is the same at any time.
        """
        found = self._find(symbol)
        return None if found is None else found.info()

    def quote(self, symbol: str, now: float, fields: Collection[str] | None = None) -> dict[str, Any]:
        """All values of a quote as of a moment, or those among `fields` that there are; in the wire's order of keys.

        `volume` is that of the trading day so far.
        """
        return self._get(symbol).quote(now, fields)

    def ticks(self, symbol: str, after: float, until: float) -> list[MarketTick]:
        """The ticks that are due with `after < due <= until`, in order."""
        return self._get(symbol).ticks(after, until)

    def next_tick(self, symbol: str, after: float) -> MarketTick | None:
        """The first tick due later than `after`, after the weekend if need be; None if none will come of itself."""
        return self._get(symbol).next_tick(after)

    def history(
        self,
        symbol: str,
        interval: Interval | str,
        until: float,
        count: int,
        *,
        at: float | None = None,
    ) -> list[BarRow]:
        """The newest `count` bars that opened by `until`, oldest first, made of the ticks up to and including `at`.

        `at` is `until` where it is not given, so that the last bar may still be forming. Fewer than `count` are the
        whole history. Raises `SeriesError` for an interval that the symbol does not support, as do the next two.
        """
        parsed = Interval.parse(interval)
        return self._bars(symbol, parsed).history(parsed, until, count, until if at is None else at)

    def series(
        self,
        symbol: str,
        interval: Interval | str,
        *,
        at: float,
        count: int,
        keep: int = 10_000,
    ) -> LiveBars:
        """The newest `count` bars (1 at least) as of a moment, to be kept up to date with `add` for each later tick.

        A series that was made before its symbol went over to being driven by hand should be made anew.
        """
        parsed = Interval.parse(interval)
        return self._bars(symbol, parsed).series(parsed, at, count, keep=keep)

    def bar_at(self, symbol: str, interval: Interval | str, moment: float) -> BarRow | None:
        """The bar that is forming at a moment, as known then; None where none is, as outside of trading hours."""
        parsed = Interval.parse(interval)
        return self._bars(symbol, parsed).bar_at(parsed, moment)

    def tick(self, symbol: str, price: float, *, size: float = 1.0, at: float) -> MarketTick:
        """Trades by hand, at a moment no earlier than the trade before. Raises `InvalidPlan`."""
        return self._hand(symbol).tick(price, size=size, at=at)

    def set_bars(self, symbol: str, interval: Interval | str, rows: Sequence[Sequence[float]]) -> None:
        """Gives all bars of an interval so far: `[time, open, high, low, close, volume]`, oldest first.

        The volume may be left out. Raises `InvalidPlan`.
        """
        self._hand(symbol).set_bars(Interval.parse(interval), rows)

    def close_bar(self, symbol: str, interval: Interval | str, at: float) -> None:
        """Ends the newest bar of a symbol that is driven by hand; the next tick opens the bar that follows it.

        However early that tick comes: its bar may be named after a time that is still to come. Raises `InvalidPlan` if
        the symbol was given nothing by hand. A `Series` that exists already has a `close_bar` of its own.
        """
        if not self.is_by_hand(symbol):
            raise InvalidPlan(f"close_bar of {parse_symbol(symbol)}: expected a symbol with ticks or bars by hand")
        self._hand(symbol).close_bar(Interval.parse(interval), at)

    def _hand(self, symbol: str) -> HandSymbol:
        name = parse_symbol(symbol)
        if is_variant(name):
            raise InvalidPlan(f"symbol {shorten(symbol)}: expected one without options, all of which it then moves")
        return self._by_hand.get(name) or self._by_hand.setdefault(name, HandSymbol(make_listing(name, self.seed)))

    def _bars(self, symbol: str, interval: Interval) -> MarketSymbol:
        found = self._get(symbol)
        if not found.supports(interval):
            # The words of the real server.
            raise SeriesError(f"unsupported resolution: {split_variant(symbol)[0]}, {interval}")
        return found

    def _get(self, symbol: str) -> MarketSymbol:
        found = self._find(symbol)
        if found is None:
            raise SymbolError(f"symbol {shorten(symbol)}: expected one that this market knows")
        return found

    def _find(self, symbol: str) -> MarketSymbol | None:
        plain, variant = split_variant(symbol)
        try:
            name = parse_symbol(plain)
        except InvalidSymbol:
            return None
        if is_variant(name):
            # Options as users write them; on the wire they stand elsewhere.
            return None
        by_hand = self._by_hand.get(name)
        if by_hand is not None or self.is_unknown(name):
            return by_hand
        spread = parse_spread(name)
        if spread is not None:
            legs = {leg: self._find(variant_of(leg, variant)) for leg in spread.legs}
            known = {leg: found for leg, found in legs.items() if found is not None}
            return SpreadSymbol(name, spread, known) if len(known) == len(legs) else None
        if not is_single(name):
            return None
        return next((source.find(name, variant) for pattern, source in self._sources if fnmatchcase(name, pattern)), None)

    def is_unknown(self, name: str) -> bool:
        """Whether a symbol, in upper case, was said not to exist."""
        if callable(self._unknown):
            return self._unknown(name)
        return any(fnmatchcase(name, pattern.upper()) for pattern in self._unknown)

    def __repr__(self) -> str:
        return f"Market(seed={self.seed}, by_hand={sorted(self._by_hand)})"
