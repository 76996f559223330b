"""The market behind the fake server: any symbol, any time, made from a seed, or given by hand.

It does no I/O and has no clock: every question names its moment, in seconds since the epoch, UTC. The same seed gives
the same answers on every platform, in any order of asking. How prices come about, and what is not lifelike about
them, is told in `prices`; what a symbol is, in `listing`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Final, TypeAlias

from tvstreamer.errors import InvalidPlan, InvalidSymbol, SymbolError, shorten
from tvstreamer.intervals import Interval
from tvstreamer.server.bars import BarRow, MarketTick, Series
from tvstreamer.server.hand import HandSymbol
from tvstreamer.server.listing import digest, make_listing
from tvstreamer.server.synthetic import SyntheticSymbol
from tvstreamer.symbols import parse_symbol

UNKNOWN: Final = ("XXXX:*", "*:NOPE", "*:INVALID")
"""The symbols that do not exist unless told otherwise."""

Unknown: TypeAlias = Collection[str] | Callable[[str], bool]

_KNOWN_AT_ONCE: Final = 256
_FIRST_START: Final = 1_735_743_600
_WEEK: Final = 604_800


def market_start(seed: int) -> float:
    """A moment to begin a virtual run at: a Wednesday of 2025, 15:00 UTC.

    Crypto, forex, American and German shares are trading then; Indian shares are not.
    """
    return float(_FIRST_START + _WEEK * (int.from_bytes(digest("start", seed), "big") % 52))


class Market:
    """Symbols as `EXCHANGE:TICKER`, in any case. All exist but the unknown ones.

    `unknown` has patterns as for file names, or is a function that takes a symbol in upper case. Questions about an
    unknown symbol raise `SymbolError`, only `info` and `knows` do not; intervals are `Interval`s or their spellings.
    A symbol that was once given a tick or bars by hand lives on nothing else from then on, and exists in any case.
    """

    def __init__(self, seed: int = 0, *, unknown: Unknown = UNKNOWN) -> None:
        self.seed = seed
        self._unknown = (unknown,) if isinstance(unknown, str) else unknown
        self._by_hand: dict[str, HandSymbol] = {}
        self._synthetic = lru_cache(maxsize=_KNOWN_AT_ONCE)(self._make)

    def knows(self, symbol: str) -> bool:
        return self._find(symbol) is not None

    def is_by_hand(self, symbol: str) -> bool:
        return parse_symbol(symbol) in self._by_hand

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
        """The ticks with `after < time <= until`, in order."""
        return self._get(symbol).ticks(after, until)

    def next_tick(self, symbol: str, after: float) -> MarketTick | None:
        """The first tick later than `after`, after the weekend if need be; None if none will come of itself."""
        return self._get(symbol).next_tick(after)

    def history(
        self, symbol: str, interval: Interval | str, until: float, count: int, *, at: float | None = None
    ) -> list[BarRow]:
        """The newest `count` bars that opened by `until`, oldest first, made of the ticks up to and including `at`.

        `at` is `until` where it is not given, so that the last bar may still be forming. Fewer than `count` are the
        whole history.
        """
        return self._get(symbol).history(Interval.parse(interval), until, count, until if at is None else at)

    def series(self, symbol: str, interval: Interval | str, *, at: float, count: int, keep: int = 10_000) -> Series:
        """The newest `count` bars (1 at least) as of a moment, to be kept up to date with `add` for each later tick.

        A series that was made before its symbol went over to being driven by hand should be made anew.
        """
        return self._get(symbol).series(Interval.parse(interval), at, count, keep=keep)

    def bar_at(self, symbol: str, interval: Interval | str, moment: float) -> BarRow | None:
        """The bar that is forming at a moment, as known then; None where none is, as outside of trading hours."""
        return self._get(symbol).bar_at(Interval.parse(interval), moment)

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
        return self._by_hand.get(name) or self._by_hand.setdefault(name, HandSymbol(make_listing(name, self.seed)))

    def _get(self, symbol: str) -> SyntheticSymbol | HandSymbol:
        found = self._find(symbol)
        if found is None:
            raise SymbolError(f"symbol {shorten(symbol)}: expected one that this market knows")
        return found

    def _find(self, symbol: str) -> SyntheticSymbol | HandSymbol | None:
        try:
            name = parse_symbol(symbol)
        except InvalidSymbol:
            return None
        return self._by_hand.get(name) or (None if self._is_unknown(name) else self._synthetic(name))

    def _is_unknown(self, name: str) -> bool:
        if callable(self._unknown):
            return self._unknown(name)
        return any(fnmatchcase(name, pattern.upper()) for pattern in self._unknown)

    def _make(self, name: str) -> SyntheticSymbol:
        return SyntheticSymbol(make_listing(name, self.seed), self.seed)

    def __repr__(self) -> str:
        return f"Market(seed={self.seed}, by_hand={sorted(self._by_hand)})"
