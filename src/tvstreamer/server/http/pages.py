"""What streaming clients ask for by plain HTTP around their socket: search, a symbol's page, the page with the token.

On the real service these are different hosts; here all are on the port of the socket, told apart by their paths, and they
know the symbols that the market knows.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final

import msgspec

from tvstreamer.addresses import is_theirs
from tvstreamer.constants import NO_VALUE
from tvstreamer.errors import InvalidSymbol, shorten
from tvstreamer.server.http.http11 import HttpRequest, HttpResponse, json_response, not_allowed
from tvstreamer.server.http.search import Info, page, search
from tvstreamer.server.manners import SiteState
from tvstreamer.symbols import parse_symbol

_HTML: Final = "text/html; charset=utf-8"
_MARKETS: Final = frozenset({"america", "crypto", "forex", "global"})
_MOST_DIGITS: Final = 9
Values = Callable[[str], dict[str, Any]]


class Pages:
    """Answers requests from a listing of symbols.

    `info` gives a symbol's info, None for one that does not exist; `values` what a quote of it shows; `token` is handed
    out to whoever comes with the cookies of a session. With another `state` than `usual` every page is what `_ODD` says.
    If `strict`, a search has to come from a page of the site, as browsers tell by an Origin.
    """

    def __init__(
        self,
        symbols: Iterable[str],
        info: Info,
        values: Values,
        token: str,
        *,
        state: SiteState = "usual",
        strict: bool = False,
    ) -> None:
        self._symbols = tuple(symbols)
        self._info = info
        self._values = values
        self._token = token
        self._state = state
        self._strict = strict

    def __repr__(self) -> str:
        return f"<Pages, {len(self._symbols)} symbols to be found>"

    def answer(self, request: HttpRequest) -> HttpResponse | None:
        """The answer, None for a path that is none of these pages."""
        usual = self._usual(request)
        if usual is None or self._state == "usual":
            return usual
        if self._state == "changed":
            return json_response(200, {"found": []}) if usual.content_type != _HTML else HttpResponse(200, _CHANGED, _HTML)
        return _ODD[self._state]

    def _usual(self, request: HttpRequest) -> HttpResponse | None:
        parts = [part for part in request.path.split("/") if part]
        match parts:
            case ["symbol_search"] | ["symbol_search", "v3"]:
                return not_allowed(request, "GET", "HEAD") or self._search(request, listed=len(parts) == 1)
            case ["symbols", name]:
                return not_allowed(request, "GET", "HEAD") or self._symbol_page(name)
            case [] | ["chart"] | ["chart", _]:
                return not_allowed(request, "GET", "HEAD") or self._token_page(request)
            case ["symbol"]:
                return not_allowed(request, "GET", "HEAD") or self._symbol_check(request)
            case [market, "scan"] if market in _MARKETS:
                return not_allowed(request, "POST") or self._scan(request)
            case _:
                return None

    def _search(self, request: HttpRequest, *, listed: bool) -> HttpResponse:
        if self._strict and not is_theirs(request.headers.get("origin", "")):
            return _ODD["forbidden"]
        start = request.query.get("start", "") or "0"
        if not (start.isascii() and start.isdecimal() and len(start) <= _MOST_DIGITS):
            return _problem(400, f"start {shorten(start)}: expected the number of rows to skip")
        rows = search(request.query, self._symbols, self._info)
        found = page(rows, int(start))
        return json_response(200, found["symbols"] if listed else found)

    def _symbol_page(self, name: str) -> HttpResponse:
        # EXCHANGE-TICKER; an exchange has no hyphen, a ticker may.
        symbol = name.replace("-", ":", 1)
        info = self._known(symbol)
        if info is None:
            return HttpResponse(404, _document("Page not found", html.escape(shorten(name))), _HTML)
        title = f"{info.get('name')}: {info.get('description')}"
        return HttpResponse(200, _document(title, html.escape(symbol.upper())), _HTML)

    def _token_page(self, request: HttpRequest) -> HttpResponse:
        """Without the cookies of a session the keys that clients look for are not there, as on the real page."""
        cookies = _cookies(request)
        if not (cookies.get("sessionid") and cookies.get("sessionid_sign")):
            return HttpResponse(200, _document("Chart", "<script>var is_authenticated = false;</script>"), _HTML)
        user = {
            "id": 1,
            "username": "tester",
            "first_name": "",
            "last_name": "",
            "session_hash": "session-hash",
            "private_channel": "private-channel",
            "auth_token": self._token,
            "date_joined": "2020-01-01T00:00:00Z",
        }
        text = msgspec.json.encode(user).decode().replace("<", "\\u003c")
        return HttpResponse(200, _document("Chart", f"<script>var user = {text};</script>"), _HTML)

    def _symbol_check(self, request: HttpRequest) -> HttpResponse:
        symbol = request.query.get("symbol", "")
        info = self._known(symbol)
        if info is None:
            if request.query.get("no_404") == "true":
                return json_response(200, {})
            return _problem(404, f"symbol {shorten(symbol)}: expected one that this market knows")
        fields = [field for field in request.query.get("fields", "").split(",") if field]
        values = self._scanned(symbol, info)
        return json_response(200, {field: values.get(field) for field in fields})

    def _scan(self, request: HttpRequest) -> HttpResponse:
        try:
            asked = msgspec.json.decode(request.body, type=_Scan)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
            expected = 'expected {"symbols":{"tickers":["NASDAQ:AAPL"]},"columns":["close"]}'
            return _problem(400, f"body {shorten(request.body[:200].decode('utf-8', 'replace'))}: {exc}; {expected}")
        rows = []
        for symbol in asked.symbols.tickers or self._symbols:
            info = self._known(symbol)
            if info is not None:
                values = self._scanned(symbol, info)
                rows.append({"s": symbol, "d": [values.get(column) for column in asked.columns]})
        return json_response(200, {"data": rows, "totalCount": len(rows)})

    def _scanned(self, symbol: str, info: dict[str, Any]) -> dict[str, Any]:
        """The fields of the scanner that can be told from info and quote; every other one has no value."""
        quote = self._values(symbol)
        country = (info.get("source2") or {}).get("country", "")
        market = {"US": "america", "DE": "germany", "IN": "india"}.get(country) or str(info.get("type", ""))
        return {
            "name": info.get("name"),
            "description": info.get("description"),
            "type": info.get("type"),
            "exchange": info.get("listed_exchange"),
            "currency": info.get("currency_code"),
            "market": "crypto" if market in ("spot", "swap") else market,
            "close": quote.get("lp"),
            "open": quote.get("open_price"),
            "high": quote.get("high_price"),
            "low": quote.get("low_price"),
            "volume": None if quote.get("volume") == NO_VALUE else quote.get("volume"),
            "change": quote.get("chp"),
            "change_abs": quote.get("ch"),
        }

    def _known(self, symbol: str) -> dict[str, Any] | None:
        try:
            return self._info(parse_symbol(symbol))
        except InvalidSymbol:
            return None


class _Tickers(msgspec.Struct):
    tickers: list[str] = []


class _Scan(msgspec.Struct):
    columns: list[str]
    symbols: _Tickers = msgspec.field(default_factory=_Tickers)


def _problem(status: int, text: str) -> HttpResponse:
    return json_response(status, {"error": text})


def _document(title: str, body: str) -> str:
    return f"<!DOCTYPE html>\n<html><head><title>{html.escape(title)}</title></head><body>{body}</body></html>\n"


_ODD: Final = {
    "forbidden": HttpResponse(403, _document("403 Forbidden", "<h1>403 Forbidden</h1>"), _HTML),
    "captcha": HttpResponse(
        200, _document("Captcha", '<form id="captcha">Please confirm that you are not a robot</form>'), _HTML
    ),
    "busy": HttpResponse(429, "Too Many Requests\n", headers=(("Retry-After", "30"),)),
    "down": HttpResponse(503, "Service Unavailable\n"),
}
_CHANGED: Final = _document("Chart", "<script>window.page = {};</script>")


def _cookies(request: HttpRequest) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(request.headers.get("cookie", "")).items()}
    except CookieError:
        return {}
