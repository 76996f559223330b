"""Quote sessions: symbols are added and removed, and told about whenever a wanted field changes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from tvstreamer.errors import shorten
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import (
    Command,
    QuoteAddSymbols,
    QuoteCompleted,
    QuoteData,
    QuoteDeleteSession,
    QuoteListFields,
    QuoteRemoveSymbols,
    QuoteSetFields,
    QuoteUpdate,
    Reply,
)
from tvstreamer.server.charts.instrument import MarketInstrument
from tvstreamer.server.charts.symbol_strings import SymbolStrings, Unresolved, note_unknown_keys
from tvstreamer.server.desks.desk import QUOTE, Floor
from tvstreamer.server.market.bars import MarketTick
from tvstreamer.server.market.listing import as_on_the_wire

HIBERNATION: Final = 5.0
"""Seconds between two updates of a symbol that is not wanted in real time; how long the real server waits is not known."""

_BOOK: Final = ("bid", "ask", "bid_size", "ask_size")


class _Quote:
    """A symbol of a quote session, and what was sent of it."""

    def __init__(self, session: str, name: str, instrument: MarketInstrument, values: dict[str, Any], at: float) -> None:
        self.session = session
        self.name = name
        self.instrument = instrument
        self.sent = values
        self.sent_at = at


class QuoteDesk:
    """The quote sessions of one client."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._strings = SymbolStrings(floor.market, floor.manners.forbidden)
        self._quotes: dict[tuple[str, str], _Quote] = {}
        """By session and symbol string."""
        self._quotes_of: dict[str, list[_Quote]] = {}

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
                self._quotes = {key: quote for key, quote in self._quotes.items() if key[0] != p.session}
                self._forget()
            case QuoteSetFields(session=session):
                self._set_fields(session, at)
            case QuoteListFields(session=session):
                self._list_fields(session, at)
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
        for quote in self._quotes_of.get(symbol, ()):
            books = self._floor.server.quotes[quote.session]
            if books.fast is not None and quote.name not in books.fast and tick.due < quote.sent_at + HIBERNATION:
                continue
            updates += self._news(quote, books.fields, tick.due)
        return updates

    def _news(self, quote: _Quote, fields: Collection[str] | None, at: float) -> list[Reply]:
        """What has changed since the client was told."""
        values = quote.instrument.quote(at, fields)
        changed = {key: value for key, value in values.items() if key not in quote.sent or quote.sent[key] != value}
        if not changed:
            return []
        quote.sent.update(changed)
        quote.sent_at = at
        return [quote_data(quote.session, QuoteUpdate(quote.name, v=changed))]

    def _add(self, session: str, name: str, at: float) -> None:
        floor = self._floor
        fields = floor.server.quotes[session].fields
        try:
            instrument = self._strings.open_quote(name)
        except Unresolved as error:
            floor.server.note(at, "rejected", "quote_add_symbols", f"{shorten(name)}: {error}")
            for reply in refused_quote(session, name, error.group):
                floor.collect(QUOTE, reply)
            return
        note_unknown_keys(floor.server, "quote_add_symbols", name, at)
        told = floor.follow(instrument.key, at)
        values = instrument.quote(told, fields)
        self._quotes[session, name] = _Quote(session, name, instrument, values, told)
        self._index()
        # Copies: what is kept goes on changing until the burst is sent.
        for part in [dict(values)] if fields is not None else _in_parts(values):
            floor.collect(QUOTE, quote_data(session, QuoteUpdate(name, v=part)))
        floor.collect(QUOTE, QuoteCompleted(QuoteCompleted.Params(session, name)))

    def _set_fields(self, session: str, at: float) -> None:
        """Fields that are wanted from now on and were not before come at once; the others are not told any more."""
        fields = self._floor.server.quotes[session].fields
        for key, quote in self._quotes.items():
            if key[0] == session:
                for update in self._news(quote, fields, at):
                    self._floor.collect(QUOTE, update)

    def _list_fields(self, session: str, at: float) -> None:
        """All that this session may ask for, by the symbols that it follows."""
        of_session = [quote for key, quote in self._quotes.items() if key[0] == session]
        names = sorted({name for quote in of_session for name in quote.instrument.quote(at, None)})
        self._floor.server.send(framing.packet(codec.encode(QuoteListFields([session, names]))))

    def _forget(self) -> None:
        self._index()
        self._floor.release()

    def _index(self) -> None:
        self._quotes_of = {}
        for quote in self._quotes.values():
            self._quotes_of.setdefault(quote.instrument.key, []).append(quote)


def _in_parts(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The first delivery to a session that wants all fields, in four packets as the browser gets them (2025-12-18)."""
    book = {"trade_loaded": True} | {name: values[name] for name in _BOOK if name in values}
    rest = {name: value for name, value in values.items() if name not in _BOOK}
    # This market has no fundamentals, so the packet that would bring them says only that nothing more is to come.
    parts = [{"metrics_loaded": False}, book, rest, {"metrics_loaded": True, "fundamental_data": False}]
    return [as_on_the_wire(part, None) for part in parts]


def refused_quote(session: str, name: str, group: str | None) -> list[Reply]:
    """What says of a symbol that the account may not see it, for want of that entitlement, or that there is none such."""
    if group is None:
        return [quote_data(session, QuoteUpdate(name, "error", "no_such_symbol", {}))]
    update = QuoteUpdate(name, "permission_denied", "Permission denied", {"alternative": group})
    return [quote_data(session, update), QuoteCompleted(QuoteCompleted.Params(session, name))]


def quote_data(session: str, update: QuoteUpdate) -> QuoteData:
    return QuoteData(QuoteData.Params(session, update))
