"""Quotes asked for once: the first full delivery of each of some symbols."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tvstreamer.constants import NO_VALUE
from tvstreamer.errors import TvError
from tvstreamer.events import Quote
from tvstreamer.protocol.packets import QuoteUpdate
from tvstreamer.symbols import wire_quote


class QuoteRequest:
    """One request. `done` turns True with the word on the last symbol; `error` says why there is no answer at all.

    A symbol that the server does not know, or that the account may not see, has a quote whose `status` says so, and its reason
    in `failed`.
    """

    def __init__(self, symbols: Iterable[str], fields: tuple[str, ...] | None) -> None:
        self.fields = fields
        self.names = {wire_quote(symbol): symbol for symbol in symbols}
        """By the string that the server repeats."""
        self.quotes: dict[str, Quote] = {}
        self.failed: dict[str, str] = {}
        self.pages = 0
        """How many symbols are answered."""
        self.error: TvError | None = None
        self._missing = set(self.names)

    @classmethod
    def recorded(cls) -> QuoteRequest:
        """One on a tape, for which nobody waits."""
        return cls((), None)

    def __repr__(self) -> str:
        missing = ", ".join(sorted(self.names[name] for name in self._missing))
        return f"<QuoteRequest of {len(self.names)} symbols: {f'missing {missing}' if missing else 'done'}>"

    @property
    def done(self) -> bool:
        return self.error is not None or not self._missing

    def begin(self) -> None:
        """Forgets what an earlier connection brought of symbols that are not complete."""
        for name in self._missing:
            self.quotes.pop(self.names[name], None)

    def take(self, update: QuoteUpdate, at: float) -> None:
        name = update.n
        if name not in self._missing:
            return
        symbol = self.names[name]
        before: dict[str, Any] = self.quotes[symbol].fields if symbol in self.quotes else {}
        fields = before | {key: None if value == NO_VALUE else value for key, value in update.v.items()}
        self.quotes[symbol] = Quote(symbol, at, update.s, fields, fields)
        if update.s != "ok":
            self.failed[symbol] = update.errmsg or update.s
            self._answered(name)

    def completed(self, name: str, at: float) -> None:
        """All that there is of a symbol has come, even if that is nothing."""
        if name in self._missing:
            symbol = self.names[name]
            self.quotes.setdefault(symbol, Quote(symbol, at, "ok", {}, {}))
            self._answered(name)

    def merge(self, other: QuoteRequest) -> None:
        """Takes over what another request for the same symbols was answered and this one was not."""
        for name in self._missing - other._missing:
            symbol = self.names[name]
            self.quotes[symbol] = other.quotes[symbol]
            if symbol in other.failed:
                self.failed[symbol] = other.failed[symbol]
            self._answered(name)

    def _answered(self, name: str) -> None:
        self._missing.discard(name)
        self.pages += 1

    def fail(self, error: TvError) -> None:
        if not self.done:
            self.error = error
