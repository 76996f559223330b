"""Quote sessions: symbols are added and removed, and told about whenever a wanted field changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from tvstreamer.protocol.packets import (
    Command,
    QuoteAddSymbols,
    QuoteCompleted,
    QuoteData,
    QuoteDeleteSession,
    QuoteRemoveSymbols,
    QuoteUpdate,
    Reply,
)
from tvstreamer.server.bars import MarketTick
from tvstreamer.server.desk import QUOTE, Floor
from tvstreamer.symbols import plain_symbol


class QuoteDesk:
    """The quote sessions of one client."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._quotes: dict[tuple[str, str], dict[str, Any]] = {}
        """What was sent, by session and symbol string."""
        self._quotes_of: dict[str, list[tuple[str, str]]] = {}

    def __len__(self) -> int:
        return len(self._quotes)

    def answer(self, command: Command, at: float) -> bool:
        match command:
            case QuoteAddSymbols(session=session, names=names):
                for name in names:
                    self._add(session, name, at)
            case QuoteRemoveSymbols(session=session, names=names):
                for name in names:
                    self._quotes.pop((session, name), None)
                self._forget()
            case QuoteDeleteSession(p=p):
                self._quotes = {key: sent for key, sent in self._quotes.items() if key[0] != p.session}
                self._forget()
            case _:
                return False
        return True

    def symbols(self) -> Collection[str]:
        return self._quotes_of.keys()

    def clear(self) -> None:
        self._quotes.clear()
        self._quotes_of.clear()

    def tick(self, symbol: str, tick: MarketTick) -> list[Reply]:
        updates: list[Reply] = []
        for session, name in self._quotes_of.get(symbol, ()):
            sent = self._quotes[session, name]
            values = self._floor.market.quote(symbol, tick.due, self._floor.server.quotes[session].fields)
            changed = {key: value for key, value in values.items() if sent.get(key) != value}
            if changed:
                sent.update(changed)
                updates.append(_quote(session, QuoteUpdate(name, v=changed)))
        return updates

    def _add(self, session: str, name: str, at: float) -> None:
        floor = self._floor
        symbol = plain_symbol(name)
        fields = floor.server.quotes[session].fields
        if not floor.market.knows(symbol):
            floor.collect(QUOTE, _quote(session, QuoteUpdate(name, "error", "no_such_symbol", {})))
            return
        values = floor.market.quote(symbol, floor.follow(symbol, at), fields)
        self._quotes[session, name] = values
        self._index()
        # A copy: what is kept goes on changing until the burst is sent.
        floor.collect(QUOTE, _quote(session, QuoteUpdate(name, v=dict(values))))
        floor.collect(QUOTE, QuoteCompleted(QuoteCompleted.Params(session, name)))

    def _forget(self) -> None:
        self._index()
        self._floor.release()

    def _index(self) -> None:
        self._quotes_of = {}
        for session, name in self._quotes:
            self._quotes_of.setdefault(plain_symbol(name), []).append((session, name))


def _quote(session: str, update: QuoteUpdate) -> QuoteData:
    return QuoteData(QuoteData.Params(session, update))
