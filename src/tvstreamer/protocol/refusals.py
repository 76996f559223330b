"""What a server has refused on a connection, and what may come all the same."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tvstreamer.protocol.subscription import Subscription
from tvstreamer.symbols import quoted_symbol


class Refusals:
    """What will not come on this connection: bars of a symbol and interval, or a symbol's quotes, ticks among them."""

    __slots__ = ("refused", "told")

    def __init__(self) -> None:
        self.refused: set[tuple[str, str]] = set()
        """Symbols with the interval of bars, or "" for quotes. Most of the time there are none, and this is looked at often."""
        self.told: set[str] = set()
        """Symbols that are known to have failed."""

    def __repr__(self) -> str:
        return f"<Refusals {sorted(self.refused)}>"

    def connected(self) -> None:
        """A new connection, which has refused nothing yet."""
        self.refused.clear()
        self.told.clear()

    def tell(self, symbol: str) -> bool:
        """Whether it is news that this symbol has failed: several sessions may be told so."""
        fresh = symbol not in self.told
        self.told.add(symbol)
        return fresh

    def refuse(self, symbol: str, interval: str, asked: Iterable[Subscription]) -> list[str]:
        """Takes note of one; the symbols of which nothing more is to come, by the names that they were asked for."""
        self.refused.add((symbol, interval))
        concerned = [each for each in asked if symbol in (each.symbol, quoted_symbol(each.symbol))]
        waited_for = {each.symbol for each in concerned if self._may_come(each)}
        return [each.symbol for each in concerned if each.symbol not in waited_for]

    def admit(self, symbol: str, asked: Iterable[Subscription]) -> list[str]:
        """The quotes of a symbol have come; the symbols of which something is to come that was refused before."""
        if (symbol, "") not in self.refused:
            return []
        self.refused.remove((symbol, ""))
        return [each.symbol for each in asked if quoted_symbol(each.symbol) == symbol]

    def all_of(self, asked: Collection[Subscription]) -> bool:
        """Whether nothing will come of what is asked for."""
        return bool(self.refused and asked) and not any(map(self._may_come, asked))

    def _may_come(self, subscription: Subscription) -> bool:
        symbol, interval = subscription.symbol, subscription.interval or ""
        quotes = (subscription.ticks or subscription.quotes) and (quoted_symbol(symbol), "") not in self.refused
        return quotes or (subscription.wants_bars and (symbol, interval) not in self.refused)
