"""Quote sessions: deltas merged into the state of each symbol, and when an update is a tick.

An update brings changed fields only; a field that is missing keeps its value, an explicit null replaces it, and the
number 1e+100 means that there is none.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import Event, Quote, SymbolFailed, Tick
from tvstreamer.protocol.packets import QuoteUpdate, TickUpdate, TickValues
from tvstreamer.symbols import symbol_name

_ONE_SECOND = 2.0
"""So long after the feed's word on the time of a price, another price may be of that second: the word is in whole seconds, and
the server takes its time to pass on what has changed."""


_NOTHING = TickValues()


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


class _Awaited(NamedTuple):
    """A symbol of which nothing has come yet; `again` where it was asked for again, or is about to be."""

    state: QuoteState
    until: float
    again: bool


class QuoteSession:
    """One quote session: which symbols it follows, and which events it is there for.

    A symbol that is added waits for its first answer: an update, a reason why there are none, or the word that all has come.
    """

    __slots__ = ("_again", "_awaited", "_states", "quotes", "ticks")

    def __init__(self, *, ticks: bool, quotes: bool) -> None:
        self.ticks = ticks
        self.quotes = quotes
        self._states: dict[str, QuoteState] = {}
        """Of those that have been answered: what nearly every update is for is found at once."""
        self._awaited: dict[str, _Awaited] = {}
        self._again: set[str] = set()
        """Those that were not answered, and have not been added again since."""

    def __contains__(self, name: str) -> bool:
        return name in self._states or name in self._awaited

    @property
    def symbols(self) -> list[str]:
        """What it follows."""
        return [*(state.symbol for state in self._states.values()), *(each.state.symbol for each in self._awaited.values())]

    def add(self, name: str, until: float = math.inf) -> None:
        """Follows a symbol, by the string that the server will repeat. What was known of it before is forgotten.

        Its first answer is to come by then, unless it has had one already: to be added twice is no reason to get another.
        """
        if name in self._states:
            self._states[name] = QuoteState(symbol_name(name))
        else:
            self._awaited[name] = _Awaited(QuoteState(symbol_name(name)), until, name in self._again)
        self._again.discard(name)

    def remove(self, name: str) -> None:
        self._states.pop(name, None)
        self._awaited.pop(name, None)

    # --- first answers ---------------------------------------------------------------------------------------------

    def answered(self, name: str) -> QuoteState | None:
        """Something has come of a symbol that waited for it; None where there is none."""
        awaited = self._awaited.pop(name, None)
        if awaited is None:
            return None
        self._again.discard(name)
        self._states[name] = awaited.state
        return awaited.state

    @property
    def due(self) -> float:
        """When the first answer that is awaited should be here."""
        return min((each.until for each in self._awaited.values()), default=math.inf)

    def miss(self, at: float, until: float) -> tuple[list[str], list[str]]:
        """Which first answers should have come by now: the strings of those that are to be added again, and have until then,
        and the symbols of those that were."""
        again: list[str] = []
        failed: list[str] = []
        for name, each in list(self._awaited.items()):
            if each.until > at:
                continue
            if each.again:
                failed.append(each.state.symbol)
                self.answered(name)
            else:
                again.append(name)
                self._again.add(name)
                self._awaited[name] = _Awaited(each.state, until, True)
        return again, failed

    # --- updates ---------------------------------------------------------------------------------------------------

    def apply(self, update: QuoteUpdate | TickUpdate, at: float, events: list[Event]) -> TickValues | None:
        """Merges an update and appends the events due; returns what in it concerns ticks.

        None where this session does not follow that symbol.
        """
        state = self._states.get(update.n)
        if state is None:
            state = self.answered(update.n)
            if state is None:
                return None
        changes = update.v
        if not isinstance(changes, TickValues):
            # Where there are no ticks, their hours may still be of use.
            changes = tick_values(changes) if self.ticks or "session" in changes else _NOTHING
        if self.ticks:
            price, volume, moment = changes.lp, changes.volume, changes.lp_time
            if price is UNSET:
                price = state.price
            elif price == NO_VALUE:
                price = None
            if volume is UNSET:
                volume = state.volume
            elif volume == NO_VALUE:
                volume = None
            if moment is not UNSET:
                if moment == NO_VALUE:
                    moment = None
                state.moment = moment
                state.told_at = at
            elif price != state.price and at - state.told_at < _ONE_SECOND:
                # It is not sent again as it has not changed.
                moment = state.moment
            else:
                moment = None
            if price != state.price or volume != state.volume:
                state.price = price
                state.volume = volume
                if price is not None:
                    events.append(Tick(state.symbol, at if moment is None else moment, price, volume))
        if self.quotes:
            self._tell(state, update, at, events)
        return changes

    def refuse(self, update: QuoteUpdate | TickUpdate, at: float, events: list[Event]) -> bool:
        """Takes an update that says why there are no quotes of its symbol; False where this session does not follow it."""
        state = self._states.get(update.n)
        if state is None:
            state = self.answered(update.n)
            if state is None:
                return False
        events.append(SymbolFailed(state.symbol, at, update.errmsg or update.s))
        if self.quotes:
            self._tell(state, update, at, events)
        return True

    def _tell(self, state: QuoteState, update: QuoteUpdate | TickUpdate, at: float, events: list[Event]) -> None:
        changes = update.v
        assert isinstance(changes, dict)
        if NO_VALUE in changes.values():
            changes = {name: None if value == NO_VALUE else value for name, value in changes.items()}
        state.fields.update(changes)
        events.append(Quote(state.symbol, at, update.s, changes, dict(state.fields)))


def tick_values(changes: dict[str, Any]) -> TickValues:
    """What of the changes in a quote concerns ticks; what is no number where one belongs counts as none."""
    try:
        return msgspec.convert(changes, TickValues)
    except msgspec.ValidationError:
        numbers = {name: number(changes[name]) for name in ("volume", "lp_time", "lp") if name in changes}
        return msgspec.convert(changes | numbers, TickValues)


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
