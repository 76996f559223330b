"""What a client's symbol string asks for: a symbol, its options, and a type of chart laid over it.

A string is plain, `BINANCE:BTCUSDT`, or `=` and a JSON object with `symbol` and options; where `symbol` is such an object
itself, the outer one has the `type` of a chart and its `inputs`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Final

from tvstreamer.errors import InvalidSymbol, shorten
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.charts.chart_types import transform
from tvstreamer.server.charts.converted import Conversion, ConvertedInstrument, known_currency
from tvstreamer.server.charts.instrument import Instrument, MarketInstrument, Opener
from tvstreamer.server.market import Market
from tvstreamer.server.market.spread import parse_spread
from tvstreamer.server.market.variants import REGULAR, Variant, variant_of
from tvstreamer.symbols import ADJUSTMENTS, parse_symbol, subsession

INVALID: Final = ("invalid symbol",)
_DEEPEST: Final = 8
_SERVED: Final = ("regular", "extended")
_KEYS: Final = frozenset(
    (
        "symbol", "session", "adjustment", "currency-id", "unit-id", "metric", "backadjustment", "settlement-as-close",
        "replay", "type", "inputs",
    )
)  # fmt: skip


class Unresolved(Exception):
    """A symbol string that names nothing for this client; `reasons` are the words of `symbol_error`.

    The journal says more where there is more to say: `why`.
    """

    def __init__(self, reasons: Sequence[str] = INVALID, why: str = "") -> None:
        super().__init__(": ".join(filter(None, (", ".join(reasons), why))))
        self.reasons = tuple(reasons)

    @property
    def group(self) -> str | None:
        """The entitlement that is missing, where that is the reason."""
        return missing_group(self.reasons)


class SymbolStrings:
    """Opens symbol strings over a market. `forbidden` are patterns of symbols that the client's account may not see."""

    def __init__(self, market: Market, forbidden: Collection[str] = ()) -> None:
        self._market = market
        self._forbidden = forbidden
        self.openers: list[Opener] = []
        """Asked for every level of a string before the market is."""

    def open(self, wire: str) -> Instrument:
        """The instrument of a string. Raises `Unresolved`."""
        return self._open(decode(wire), 0)

    def open_quote(self, wire: str) -> MarketInstrument:
        """The symbol and options of a string, whatever type of chart it asks for. Raises `Unresolved`."""
        return self._innermost(decode(wire), 0)

    def _open(self, value: Any, depth: int) -> Instrument:
        if depth > _DEEPEST:
            raise Unresolved
        if isinstance(value, str | Mapping):
            for opener in self.openers:
                found = opener(value)
                if found is not None:
                    return found
        if not isinstance(value, Mapping) or not ("type" in value or isinstance(value.get("symbol"), Mapping)):
            return self._symbol(value)
        inner = self._open(value.get("symbol"), depth + 1)
        kind = value.get("type")
        if kind is None:
            return inner
        inputs = value.get("inputs")
        return transform(inner, str(kind), inputs if isinstance(inputs, Mapping) else {})

    def _innermost(self, value: Any, depth: int) -> MarketInstrument:
        if depth > _DEEPEST:
            raise Unresolved
        inner = value.get("symbol") if isinstance(value, Mapping) else None
        return self._innermost(inner, depth + 1) if isinstance(inner, Mapping) else self._symbol(value)

    def _symbol(self, value: Any) -> MarketInstrument:
        """A symbol of the market by its name or the object with its options."""
        options: Mapping[str, Any] = value if isinstance(value, Mapping) else {"symbol": value}
        try:
            name = parse_symbol(options.get("symbol"))
        except InvalidSymbol:
            raise Unresolved from None
        if not self._market.knows(name):
            raise Unresolved
        denied = permission_denied(name, self._forbidden)
        if denied:
            raise Unresolved(denied)
        currency = options.get("currency-id")
        if currency is not None and not known_currency(currency):
            raise Unresolved(why=f"currency-id {shorten(currency)}: no currency of this server")
        adjustment = _one_of(options, "adjustment", ADJUSTMENTS) or REGULAR.adjustment
        _one_of(options, "metric", ("price",))
        conversion = Conversion(currency, adjustment == "dividends")
        variant = Variant(_session(options), "none" if adjustment == "none" else REGULAR.adjustment)
        key = variant_of(name, variant)
        return ConvertedInstrument(self._market, key, conversion) if any(conversion) else MarketInstrument(self._market, key)


def permission_denied(name: str, forbidden: Collection[str]) -> tuple[str, ...]:
    """The words of `symbol_error` for a symbol that one of these matches; none for any other.

    What a pattern matches is denied by its group, a symbol that is named by itself.
    """
    spread = parse_spread(name)
    for each in (name,) if spread is None else spread.legs:
        for pattern in map(str.upper, forbidden):
            if each == pattern:
                return "permission denied", "symbol", each
            if fnmatchcase(each, pattern):
                return "permission denied", "group", _group_of(each)
    return ()


def missing_group(reasons: Sequence[str]) -> str | None:
    """The entitlement that these words of `symbol_error` are about; None where they are about none."""
    if len(reasons) < 3:
        return None
    return reasons[2] if reasons[1] == "group" else _group_of(reasons[2])


def _group_of(symbol: str) -> str:
    return f"{symbol.partition(':')[0].lower()}_paid"


def _one_of(options: Mapping[str, Any], key: str, known: Sequence[str]) -> str | None:
    """The value of a key, None where it is not there. Raises `Unresolved` for one that is not known."""
    value = options.get(key)
    if value is None:
        return None
    if value not in known:
        raise Unresolved(why=f"{key} {shorten(value)}: expected one of {', '.join(known)}")
    return str(value)


def _session(options: Mapping[str, Any]) -> str:
    """The session that is asked for, whatever market its id begins with (`us_regular`). Raises `Unresolved`."""
    value = options.get("session")
    session = REGULAR.session if value is None else subsession(value)
    if session not in _SERVED:
        raise Unresolved(why=f"session {shorten(value)}: expected one of {', '.join(_SERVED)}")
    return session


def note_unknown_keys(server: ServerProtocol, method: str, wire: str, at: float) -> None:
    """Has the journal say which keys of a string were passed over."""
    value, keys = decode(wire), list[str]()
    for _ in range(_DEEPEST + 1):
        if not isinstance(value, Mapping):
            break
        keys += [key for key in value if key not in _KEYS]
        value = value.get("symbol")
    if keys:
        server.note(at, "tolerated", method, f"{shorten(wire)}: unknown keys {shorten(keys)}")


def decode(wire: str) -> Any:
    """A plain string as it is, or the value behind its `=`."""
    if not wire.startswith("="):
        return wire
    try:
        return json.loads(wire[1:])
    except (ValueError, RecursionError):
        return None
