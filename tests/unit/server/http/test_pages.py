"""The pages around the socket: what each path answers."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tvstreamer.constants import NO_VALUE
from tvstreamer.server.http.http11 import HttpRequest, HttpResponse
from tvstreamer.server.http.pages import Pages
from tvstreamer.server.market import Market

NOW = 1_735_743_600.0


def info(symbol: str) -> dict[str, Any] | None:
    return Market(1).info(symbol)


def quote(symbol: str) -> dict[str, Any]:
    return Market(1).quote(symbol, NOW)


PAGES = Pages(["NASDAQ:AAPL", "TVC:SPX"], info, quote, "a</script>token")
SESSION = {"cookie": "a=b; sessionid=x; sessionid_sign=v1:y"}


def ask(path: str, method: str = "GET", *, headers: dict[str, str] | None = None, body: bytes = b"", **query: str) -> HttpResponse:
    response = PAGES.answer(HttpRequest(method, path, query, headers or {}, body))
    assert response is not None
    return response


def test_version_3_of_search_has_pages_and_version_1_a_list() -> None:
    third = json.loads(ask("/symbol_search/v3/", text="AAPL").body)
    assert list(third) == ["symbols_remaining", "symbols"]
    assert json.loads(ask("/symbol_search/", text="AAPL").body) == third["symbols"]
    assert json.loads(ask("/symbol_search/v3", text="AAPL", start="1").body)["symbols"] == []


@pytest.mark.parametrize("start", ["-1", "x", "²", "9" * 30])
def test_a_start_that_is_no_number_is_refused(start: str) -> None:
    refused = ask("/symbol_search/v3/", start=start)
    assert refused.status == 400
    assert "rows to skip" in refused.body


@pytest.mark.parametrize(
    ("path", "status"),
    [("/symbols/NASDAQ-AAPL/", 200), ("/symbols/nasdaq-brk-b", 200), ("/symbols/XXXX-AAPL", 404), ("/symbols/AAPL", 404)],
)
def test_a_page_of_a_symbol_is_there_if_the_symbol_is(path: str, status: int) -> None:
    assert ask(path).status == status


def test_markup_in_an_address_is_no_markup_in_the_page() -> None:
    assert "<b>" not in ask("/symbols/<b>").body


@pytest.mark.parametrize("path", ["/", "/chart/", "/chart/abc"])
def test_the_token_is_on_the_page_of_who_has_a_session(path: str) -> None:
    page = ask(path, headers=SESSION).body
    assert re.findall(r'"auth_token":"(.*?)"', page) == ["a\\u003c/script>token"]
    assert re.search(r'"id":[0-9]{1,10},"username":"(.*?)"', page)
    assert '"session_hash":"' in page
    assert '"private_channel":"' in page


@pytest.mark.parametrize("cookie", ["", "sessionid=x", "sessionid_sign=y", "sessionid=; sessionid_sign=", "\x00=1; ="])
def test_without_both_cookies_there_is_a_page_and_no_token(cookie: str) -> None:
    page = ask("/", headers={"cookie": cookie})
    assert page.status == 200
    assert "auth_token" not in page.body


def test_the_scanner_tells_whether_a_symbol_is_there() -> None:
    assert json.loads(ask("/symbol", symbol="NASDAQ:AAPL", fields="market,x").body) == {"market": "america", "x": None}
    assert ask("/symbol", symbol="XXXX:AAPL", fields="market", no_404="false").status == 404
    assert ask("/symbol", symbol="no symbol").status == 404
    tolerant = ask("/symbol", symbol="XXXX:AAPL", no_404="true")
    assert (tolerant.status, tolerant.body) == (200, "{}\n")


@pytest.mark.parametrize(("symbol", "market"), [("OKX:BTCUSDT", "crypto"), ("FX:EURUSD", "forex"), ("NSE:TCS", "india")])
def test_each_symbol_belongs_to_a_market(symbol: str, market: str) -> None:
    assert json.loads(ask("/symbol", symbol=symbol, fields="market").body) == {"market": market}


def test_a_scan_gives_the_columns_of_the_symbols_that_there_are() -> None:
    body = b'{"symbols":{"tickers":["NASDAQ:AAPL","XXXX:Y","TVC:SPX"],"query":{"types":[]}},"columns":["close","volume","RSI"]}'
    answer = json.loads(ask("/global/scan", "POST", body=body).body)
    assert [row["s"] for row in answer["data"]] == ["NASDAQ:AAPL", "TVC:SPX"]
    assert answer["totalCount"] == 2
    apple = quote("NASDAQ:AAPL")
    assert answer["data"][0]["d"] == [apple["lp"], apple["volume"], None]
    assert quote("TVC:SPX")["volume"] == NO_VALUE
    assert answer["data"][1]["d"][1] is None


def test_a_scan_without_tickers_is_of_all_that_are_listed() -> None:
    assert json.loads(ask("/america/scan", "POST", body=b'{"columns":[]}').body)["totalCount"] == 2


@pytest.mark.parametrize("body", [b"", b"\xff", b"[]", b'{"columns":"close"}', b"[" * 100_000])
def test_a_scan_that_is_none_says_what_was_expected(body: bytes) -> None:
    refused = ask("/america/scan", "POST", body=body)
    assert refused.status == 400
    assert '"tickers"' in json.loads(refused.body)["error"]


@pytest.mark.parametrize("path", ["/symbol_search/v3/", "/symbols/A-B", "/", "/symbol", "/america/scan"])
def test_each_page_has_its_methods(path: str) -> None:
    assert ask(path, "DELETE").status == 405


@pytest.mark.parametrize("path", ["/ping", "/mars/scan", "/symbol_search/v4/", "/symbols/a/b"])
def test_what_is_none_of_these_pages_is_left_to_others(path: str) -> None:
    assert PAGES.answer(HttpRequest("GET", path)) is None


def test_what_a_tape_does_not_know_is_left_out() -> None:
    infos: dict[str, dict[str, Any]] = {"EX:SYM": {}}
    pages = Pages(infos, infos.get, lambda _symbol: {}, "token")
    response = pages.answer(HttpRequest("GET", "/symbol", {"symbol": "EX:SYM", "fields": "close,market"}))
    assert response is not None
    assert json.loads(response.body) == {"close": None, "market": ""}
    assert repr(pages) == "<Pages, 1 symbols to be found>"


@pytest.mark.parametrize(
    ("state", "status", "has"),
    [
        ("forbidden", 403, "403 Forbidden"),
        ("captcha", 200, "you are not a robot"),
        ("changed", 200, "window.page"),
        ("busy", 429, "Too Many"),
        ("down", 503, "Unavailable"),
    ],
)
def test_a_site_in_another_state_gives_something_else_on_every_page(state: Any, status: int, has: str) -> None:
    pages = Pages(["NASDAQ:AAPL"], info, quote, "canary-token", state=state)
    page = pages.answer(HttpRequest("GET", "/chart/", {}, SESSION))
    found = pages.answer(HttpRequest("GET", "/symbol_search/v3/"))
    assert page is not None
    assert found is not None
    assert (page.status, found.status) == (status, status)
    assert has in page.body
    assert "canary" not in page.body
    assert "symbols_remaining" not in found.body
    assert pages.answer(HttpRequest("GET", "/nothing")) is None


def test_who_asks_too_much_is_told_how_long_to_wait() -> None:
    answer = Pages([], info, quote, "", state="busy").answer(HttpRequest("GET", "/"))
    assert answer is not None
    assert ("Retry-After", "30") in answer.headers


@pytest.mark.parametrize(
    ("origin", "status"), [("https://www.tradingview.com", 200), ("https://de.tradingview.com", 200), ("https://evil.example", 403), ("", 403)]
)
def test_a_strict_site_lets_only_its_own_pages_search(origin: str, status: int) -> None:
    pages = Pages(["NASDAQ:AAPL"], info, quote, "", strict=True)
    answer = pages.answer(HttpRequest("GET", "/symbol_search/v3/", {}, {"origin": origin} if origin else {}))
    assert answer is not None
    assert answer.status == status
    other = pages.answer(HttpRequest("GET", "/chart/"))
    assert other is not None
    assert other.status == 200
