"""Symbols as users write them, `EXCHANGE:TICKER`, and as the wire carries them.

On the wire a symbol is either plain or `=` followed by a JSON object whose `symbol` key holds the plain form, or
another such object (chart types, bar replay).
"""

from __future__ import annotations

import json
import re
from typing import Any

from tvstreamer.errors import InvalidSymbol, shorten

# A lone surrogate has no place in a ticker: no message could carry it.
_PLAIN = re.compile(
    r"[A-Za-z0-9_.\-]{1,32}:"
    r"[^\s:={}\"\\\ud800-\udfff]([^\x00-\x1f\"\\{}\ud800-\udfff]{0,126}[^\s\"\\{}\ud800-\udfff])?"
)
_DEEPEST = 8


def parse_symbol(text: object) -> str:
    """The symbol in its canonical spelling: no blanks around it, the exchange and ticker in upper case.

    Accepts what may follow the colon on TradingView, which is more than letters: `NASDAQ:BRK.B`, `CME_MINI:ES1!`,
    `NSE:M&M`. Raises `InvalidSymbol`.
    """
    if not isinstance(text, str):
        raise InvalidSymbol(f"symbol {shorten(text)}: expected a string of the form EXCHANGE:TICKER")
    plain = text.strip()
    symbol = plain.upper()
    # Both spellings: some letters grow in upper case, and the result has to be a symbol itself.
    if not (_PLAIN.fullmatch(plain) and _PLAIN.fullmatch(symbol)):
        raise InvalidSymbol(f"symbol {shorten(text)}: expected EXCHANGE:TICKER, for example BINANCE:BTCUSDT")
    return symbol


def wire_symbol(symbol: str) -> str:
    """The form in which a chart session resolves a symbol (seen 2025-07-06): split-adjusted prices."""
    return "=" + json.dumps({"symbol": symbol, "adjustment": "splits"}, separators=(",", ":"), ensure_ascii=False)


def plain_symbol(wire: str) -> str:
    """The `EXCHANGE:TICKER` inside a symbol string of the wire, however deeply it is wrapped.

    Strings that hold no symbol come back unchanged: what a server or another client chose to send is not ours to
    reject.
    """
    if not wire.startswith("="):
        return wire
    try:
        value: Any = json.loads(wire[1:])
    except (ValueError, RecursionError):
        return wire
    for _ in range(_DEEPEST):
        if not isinstance(value, dict):
            break
        value = value.get("symbol")
    return value if isinstance(value, str) else wire
