"""Symbol search: what can be asked for, and what an answer means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tvstreamer.constants import SEARCH_TYPES
from tvstreamer.errors import InvalidPlan, RemoteProtocolError
from tvstreamer.http.search import MOST_TEXT, SearchPage, SearchQuery, SymbolMatch, read_page

ROW = {"symbol": "AAPL", "description": "Apple Inc", "type": "stock", "exchange": "NASDAQ"}


def row(**keys: Any) -> SymbolMatch:
    answer = json.dumps({"symbols_remaining": 0, "symbols": [ROW | keys]}).encode()
    return read_page(answer, 0).matches[0]


def test_a_query_is_asked_for_as_the_site_does() -> None:
    query = SearchQuery("apple", type="stock", exchange="nasdaq", country="us", sort_by_country="de", sector="Tech", source_id="X")
    assert query.parameters(50) == {
        "text": "apple", "hl": "0", "exchange": "NASDAQ", "lang": "en", "search_type": "stock", "domain": "production",
        "start": "50", "sort_by_country": "DE", "country": "US", "sector": "Tech", "source_id": "X",
    }  # fmt: skip


def test_a_query_of_nothing_is_one_for_everything() -> None:
    assert SearchQuery().parameters(0)["search_type"] == "undefined"
    assert list(SearchQuery().parameters(0)) == ["text", "hl", "exchange", "lang", "search_type", "domain", "start"]


@pytest.mark.parametrize("name", SEARCH_TYPES)
def test_every_type_that_is_named_can_be_asked_for(name: str) -> None:
    assert SearchQuery(type=name).parameters(0)["search_type"] == name


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"text": "a\nb"}, r"text 'a\\nb': expected at most 200 characters"),
        ({"text": "\ud800"}, "text .*: expected"),
        ({"text": "x" * (MOST_TEXT + 1)}, "text .*: expected at most 200"),
        ({"text": 7}, "text 7: expected"),
        ({"type": "shares"}, "type 'shares': expected one of stock, stocks, futures"),
        ({"country": "USA"}, "country 'USA': expected the two letters"),
        ({"sort_by_country": "\u0130S"}, "sort_by_country .*: expected the two letters"),
        ({"lang": "english"}, "lang 'english': expected a language"),
        ({"exchange": "A&B=C"}, "exchange 'A&B=C': expected a name"),
        ({"exchange": ""}, "exchange '': expected a name"),
        ({"product": "x" * 65}, "product .*: expected a name of at most 64"),
        ({"sector": 3}, "sector 3: expected a name"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anybody_is_asked(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidPlan, match=said):
        SearchQuery(**keys)


def test_a_row_is_typed_and_keeps_what_nobody_has_named() -> None:
    match = row(currency_code="USD", country="US", provider_id="ice", typespecs=["common"], logoid="apple")
    assert match == SymbolMatch(
        "NASDAQ:AAPL", "AAPL", "NASDAQ", "Apple Inc", "stock", "USD", "US", "ice", ["common"], None, {"logoid": "apple"}
    )
    assert match.to_json().startswith(b'{"type":"symbol_match","symbol":"NASDAQ:AAPL","ticker":"AAPL","exchange":"NASDAQ",')


def test_what_is_left_out_or_null_is_none() -> None:
    match = row(description=None, country=None, typespecs=None)
    assert (match.description, match.country, match.typespecs, match.currency_code) == (None, None, None, None)


def test_what_a_key_should_not_hold_stays_in_the_rest() -> None:
    match = row(type=5, typespecs=["a", 1], contracts="ES1!")
    assert (match.kind, match.typespecs, match.contracts) == (None, None, None)
    assert match.extra == {"type": 5, "typespecs": ["a", 1], "contracts": "ES1!"}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("<em>AAP</em>L", "AAPL"),
        ("<em>M</em>&amp;M &lt;A&gt;", "M&M <A>"),
        ("S&P <500>", "S&P <500>"),
        ("AT&amp;T", "AT&amp;T"),
        ("a</em>b", "a</em>b"),
    ],
)
def test_marks_of_what_was_searched_for_are_taken_out(text: str, plain: str) -> None:
    assert row(symbol=text).ticker == plain
    assert row(description=text).description == plain


@pytest.mark.parametrize(
    ("keys", "symbol"),
    [
        ({"exchange": "NYSE Arca", "symbol": "SPY"}, "NYSE:SPY"),
        ({"exchange": "Binance", "symbol": "BTCUSDT"}, "BINANCE:BTCUSDT"),
        ({"exchange": "CME", "prefix": "CME_MINI", "symbol": "ES1!"}, "CME_MINI:ES1!"),
        ({"exchange": "CME", "prefix": 3, "symbol": "ES1!"}, "CME:ES1!"),
        ({"exchange": "", "symbol": "AAPL"}, "AAPL"),
        ({"exchange": None, "symbol": "AAPL"}, "AAPL"),
        ({"symbol": "BATS:AAPL"}, "BATS:AAPL"),
    ],
)
def test_a_row_names_what_can_be_subscribed_to(keys: dict[str, Any], symbol: str) -> None:
    assert row(**keys).symbol == symbol


def test_the_contracts_of_a_root_are_named_in_full() -> None:
    contracts = [{"symbol": "ES1!", "description": "front"}, {"symbol": "<em>ES</em>U2026"}, {"symbol": ""}, {"x": 1}, 7]
    match = row(symbol="ES", exchange="CME", type="futures", contracts=contracts)
    assert match.contracts == ["CME:ES1!", "CME:ESU2026"]
    assert match.extra["contracts"] == contracts


def test_a_page_says_what_comes_behind_it() -> None:
    assert read_page(b'{"symbols_remaining":72,"symbols":[],"more":1}', 50) == SearchPage((), 72, 50)


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"<html>", b"\xff", b"[]", b'"x"', b"{}", b'{"symbols":[]}', b'{"symbols_remaining":0}', b"[" * 100_000,
        b'{"symbols_remaining":-1,"symbols":[]}', b'{"symbols_remaining":true,"symbols":[]}', b'{"symbols_remaining":1.5,"symbols":[]}',
        b'{"symbols_remaining":0,"symbols":{}}', b'{"symbols_remaining":0,"symbols":[1]}', b'{"symbols_remaining":0,"symbols":[{}]}',
        b'{"symbols_remaining":0,"symbols":[{"symbol":""}]}',
    ],
    ids=lambda answer: repr(answer[:40]),
)  # fmt: skip
def test_another_shape_is_told_and_the_error_stays_short(answer: bytes) -> None:
    with pytest.raises(RemoteProtocolError, match="search: ") as caught:
        read_page(answer, 0)
    assert len(str(caught.value)) < 400
