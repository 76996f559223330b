"""Quote sessions: deltas merged into the state of each symbol, and when an update is a tick.

An update brings changed fields only; a field that is missing keeps its value, an explicit null replaces it, and the
number 1e+100 means that there is none.
"""

from __future__ import annotations

import math
from typing import Any

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import Event, Quote, SymbolFailed, Tick
from tvstreamer.protocol.packets import QuoteUpdate
from tvstreamer.symbols import symbol_name

_ONE_SECOND = 2.0
"""So long after the feed's word on the time of a price, another price may be of that second: the word is in whole seconds, and
the server takes its time to pass on what has changed."""


class QuoteState:
    """Everything known of one symbol in one quote session."""

    __slots__ = ("fields", "moment", "price", "symbol", "told_at", "volume")

    def __init__(self, symbol: str) -> None:
        self.symbol = symbol
        self.price: float | None = None
        self.volume: float | None = None
        self.moment: float | None = None
        """When the last price was made, by the feed's word."""
        self.told_at = -math.inf
        """When that word arrived."""
        self.fields: dict[str, Any] = {}
        """The merged state; kept where a session is there for quotes."""


class QuoteSession:
    """One quote session: which symbols it follows, and which events it is there for."""

    __slots__ = ("quotes", "states", "ticks")

    def __init__(self, *, ticks: bool, quotes: bool) -> None:
        self.ticks = ticks
        self.quotes = quotes
        self.states: dict[str, QuoteState] = {}

    def add(self, name: str) -> None:
        """Follows a symbol, by the string that the server will repeat. What was known of it before is forgotten."""
        self.states[name] = QuoteState(symbol_name(name))

    def remove(self, name: str) -> None:
        self.states.pop(name, None)

    def apply(self, update: QuoteUpdate, at: float, events: list[Event]) -> bool:
        """Merges an update and appends the events due; False when this session does not follow that symbol."""
        state = self.states.get(update.n)
        if state is None:
            return False
        changes = update.v
        if update.s != "ok":
            events.append(SymbolFailed(state.symbol, at, update.errmsg or update.s))
        elif self.ticks:
            # Written out, and `number` called for odd values only: most of a stream comes this way.
            price = changes.get("lp", state.price)
            if price.__class__ is not float or price == NO_VALUE:
                price = number(price)
            volume = changes.get("volume", state.volume)
            if volume.__class__ is int and volume.bit_length() < 64:
                volume = float(volume)
            elif volume.__class__ is not float or volume == NO_VALUE:
                volume = number(volume)
            moment = None
            if "lp_time" in changes:
                moment = changes["lp_time"]
                if moment.__class__ is int and moment.bit_length() < 64:
                    moment = float(moment)
                elif moment is not None:
                    moment = number(moment)
                state.moment = moment
                state.told_at = at
            elif price != state.price and at - state.told_at < _ONE_SECOND:
                # It is not sent again as it has not changed.
                moment = state.moment
            if price != state.price or volume != state.volume:
                state.price = price
                state.volume = volume
                if price is not None:
                    events.append(Tick(state.symbol, at if moment is None else moment, price, volume))
        if self.quotes:
            if NO_VALUE in changes.values():
                changes = {name: None if value == NO_VALUE else value for name, value in changes.items()}
            state.fields.update(changes)
            events.append(Quote(state.symbol, at, update.s, changes, dict(state.fields)))
        return True


def number(value: Any) -> float | None:
    """A value of the wire as a float; None for "no value", for what is no number, and for one too large."""
    if value.__class__ is int:
        try:
            value = float(value)
        except OverflowError:
            return None
    elif value.__class__ is not float:
        return None
    return None if value == NO_VALUE else value
