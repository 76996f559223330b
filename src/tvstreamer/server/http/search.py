"""Symbol search as the site's own service answers it: which symbols match, in which order, a page at a time.

Rows have the keys that were seen by clients of versions 1 and 3 of that service; the order of matches is ours: the whole
ticker first, then tickers that begin with the text, then those that contain it, then descriptions.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from tvstreamer.errors import InvalidSymbol
from tvstreamer.symbols import parse_symbol

PAGE: Final = 50
Info = Callable[[str], dict[str, Any] | None]

_ANY: Final = frozenset({"", "undefined"})
_TYPES: Final = {
    "stock": frozenset({"stock", "dr"}),
    "stocks": frozenset({"stock", "dr"}),
    "forex": frozenset({"forex"}),
    "crypto": frozenset({"spot", "swap", "crypto"}),
    "index": frozenset({"index"}),
    "futures": frozenset({"futures"}),
    "cfd": frozenset({"cfd"}),
    "economic": frozenset({"economic"}),
    "funds": frozenset({"fund"}),
    "dr": frozenset({"dr"}),
    "bond": frozenset({"bond"}),
}
"""The types of symbol info that each `search_type` stands for."""

_ALWAYS: Final = frozenset({"symbol", "description", "type", "exchange"})


def search(query: Mapping[str, str], symbols: Iterable[str], info: Info) -> list[dict[str, Any]]:
    """All rows that match, the best first. A symbol that is named in full need not be among `symbols`."""
    text, exchange = query.get("text", "").strip().upper(), query.get("exchange", "").strip().upper()
    if ":" in text:
        exchange, text = (part.strip() for part in text.split(":", 1))
    wanted = query.get("search_type", query.get("type", ""))
    country = query.get("country", "").upper()
    home = query.get("sort_by_country", "").upper()
    found: list[tuple[tuple[int, bool], dict[str, Any]]] = []
    for symbol in _with_exact(symbols, exchange, text):
        about = info(symbol) if not exchange or symbol.startswith(f"{exchange}:") else None
        if about is None:
            continue
        row = _row(symbol, about)
        rank = _rank(text, symbol.partition(":")[2], row["description"].upper())
        if rank is None or (wanted not in _ANY and row["type"] not in _TYPES.get(wanted, ())):
            continue
        if country and row.get("country") != country:
            continue
        found.append(((rank, bool(home) and row.get("country") != home), row))
    rows = [row for _, row in sorted(found, key=lambda pair: pair[0])]
    return [_emphasised(row, text) for row in rows] if query.get("hl") == "1" else rows


def page(rows: list[dict[str, Any]], start: int) -> dict[str, Any]:
    """A page as version 3 gives it."""
    return {"symbols_remaining": max(0, len(rows) - start - PAGE), "symbols": rows[start : start + PAGE]}


def _with_exact(symbols: Iterable[str], exchange: str, ticker: str) -> list[str]:
    known = list(symbols)
    try:
        exact = parse_symbol(f"{exchange}:{ticker}")
    except InvalidSymbol:
        return known
    return known if exact in known else [exact, *known]


def _rank(text: str, ticker: str, description: str) -> int | None:
    if not text or ticker == text:
        return 0
    if ticker.startswith(text):
        return 1
    if text in ticker:
        return 2
    return 3 if text in description else None


def _row(symbol: str, info: Mapping[str, Any]) -> dict[str, Any]:
    exchange, _, ticker = symbol.partition(":")
    source = info.get("source2") or {}
    country = source.get("country")
    row = {
        "symbol": ticker,
        "description": info.get("description") or ticker,
        "type": info.get("type") or "",
        "exchange": exchange,
        "currency_code": info.get("currency_code"),
        # ZZ is no country: what trades everywhere has none in a search.
        "country": None if country == "ZZ" else country,
        "provider_id": info.get("provider_id"),
        "typespecs": info.get("typespecs"),
    }
    return {name: value for name, value in row.items() if value or name in _ALWAYS}


def _emphasised(row: dict[str, Any], text: str) -> dict[str, Any]:
    return row | {name: _mark(row[name], text) for name in ("symbol", "description")}


def _mark(value: str, text: str) -> str:
    """The first place of the text in tags; the rest is HTML then, too."""
    place = value.upper().find(text) if text else -1
    if place < 0:
        return html.escape(value, quote=False)
    parts = value[:place], value[place : place + len(text)], value[place + len(text) :]
    before, hit, after = (html.escape(part, quote=False) for part in parts)
    return f"{before}<em>{hit}</em>{after}"
