"""Which symbols a search finds, in which order."""

from __future__ import annotations

from typing import Any

import pytest

from tvstreamer.server.http.search import PAGE, page, search
from tvstreamer.server.market import Market
from tvstreamer.server.market.catalogue import CATALOGUE
from tvstreamer.symbols import parse_symbol


def info(symbol: str) -> dict[str, Any] | None:
    return Market(1).info(symbol)


def found(**query: str) -> list[str]:
    return [f"{row['exchange']}:{row['symbol']}" for row in search(query, CATALOGUE, info)]


def test_the_catalogue_has_symbols_in_their_canonical_spelling_once_each() -> None:
    assert [parse_symbol(symbol) for symbol in CATALOGUE] == list(CATALOGUE)
    assert len(set(CATALOGUE)) == len(CATALOGUE)
    assert all(map(info, CATALOGUE))


def test_a_whole_ticker_comes_before_a_beginning_and_that_before_a_part() -> None:
    symbols = ["NYSE:XMA", "NYSE:MAX", "NYSE:MA"]
    assert [row["symbol"] for row in search({"text": "ma"}, symbols, info)] == ["MA", "MAX", "XMA"]


def test_descriptions_are_searched_last() -> None:
    assert found(text="btc / eur") == ["COINBASE:BTCEUR", "BITSTAMP:BTCEUR", "KRAKEN:BTCEUR"]


def test_an_exchange_is_a_filter_in_either_spelling() -> None:
    assert found(text="BTCUSD", exchange="kraken") == found(text="KRAKEN:btcusd") == ["KRAKEN:BTCUSD"]


def test_a_symbol_named_in_full_is_found_though_nobody_listed_it() -> None:
    assert found(text="NYSE:NEW") == ["NYSE:NEW"]
    assert found(text="XXXX:NEW") == []


@pytest.mark.parametrize(
    ("kind", "exchanges"),
    [("stocks", {"NYSE"}), ("crypto", {"BINANCE"}), ("forex", {"FX"}), ("index", {"TVC"}), ("bond", set()), ("??", set())],
)
def test_a_type_is_a_filter(kind: str, exchanges: set[str]) -> None:
    symbols = ["NYSE:MA", "BINANCE:BTCUSDT", "BINANCE:BTCUSDT.P", "FX:EURUSD", "TVC:SPX"]
    assert {row["exchange"] for row in search({"search_type": kind}, symbols, info)} == exchanges


def test_a_country_is_a_filter_or_only_comes_first() -> None:
    symbols = ["NYSE:SAP", "XETR:SAP", "OKX:SAP"]
    home = search({"text": "SAP", "sort_by_country": "DE"}, symbols, info)
    assert [row["exchange"] for row in home] == ["XETR", "NYSE", "OKX"]
    assert [row["exchange"] for row in search({"country": "DE"}, symbols, info)] == ["XETR"]


def test_rows_have_the_keys_of_the_wire_in_order_and_no_empty_ones() -> None:
    [row] = search({"text": "NASDAQ:AAPL"}, CATALOGUE, info)
    keys = ["symbol", "description", "type", "exchange", "currency_code", "country", "provider_id", "typespecs"]
    assert list(row) == keys
    [pair] = search({"text": "FX:EURUSD"}, CATALOGUE, info)
    assert "country" not in pair


def test_matches_are_emphasised_where_that_is_asked_for_and_the_rest_is_html() -> None:
    infos: dict[str, dict[str, Any]] = {"NSE:M&M": {"description": "Mahindra <M&M>"}}
    [row] = search({"text": "&m", "hl": "1"}, infos, infos.get)
    assert (row["symbol"], row["description"]) == ("M<em>&amp;M</em>", "Mahindra &lt;M<em>&amp;M</em>&gt;")
    [row] = search({"text": "", "hl": "1"}, infos, infos.get)
    assert row["symbol"] == "M&amp;M"


def test_pages_add_up_to_all_and_count_what_remains() -> None:
    rows = search({}, CATALOGUE, info)
    pages = [page(rows, start) for start in range(0, len(rows), PAGE)]
    assert [row for each in pages for row in each["symbols"]] == rows
    assert [each["symbols_remaining"] for each in pages] == [max(0, len(rows) - PAGE * n) for n in range(1, len(pages) + 1)]
    assert page(rows, 10**6) == {"symbols_remaining": 0, "symbols": []}
