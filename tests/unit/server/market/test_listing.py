"""What symbols of the synthetic market are, and how the wire describes them."""

from __future__ import annotations

import pytest

from tvstreamer.constants import NO_VALUE, QUOTE_FIELDS
from tvstreamer.server.market.listing import (
    DayPrices,
    as_on_the_wire,
    digest,
    make_listing,
    quote_facts,
    quote_prices,
    symbol_info,
)

PRICES = DayPrices(
    last=101.5, time=1_700_000_000.25, open=100.0, high=102.0, low=99.0, previous=100.0, volume=12.5, change=1.5,
    bid=101.4, ask=101.6, bid_size=1.0, ask_size=2.0,
)  # fmt: skip


@pytest.mark.parametrize(
    ("symbol", "base", "currency"),
    [
        ("BINANCE:BTCUSDT", "BTC", "USDT"),
        ("COINBASE:ETHUSD", "ETH", "USD"),
        ("KRAKEN:ETHBTC", "ETH", "BTC"),
        ("BYBIT:SOLUSDT.P", "SOL", "USDT"),
        ("OKX:USDCUSDT", "USDC", "USDT"),
        ("BITSTAMP:USDT", "USDT", "USD"),
        ("BITSTAMP:WHATEVER", "WHATEVER", "USD"),
        ("FX:EURUSD", "EUR", "USD"),
        ("OANDA:USDJPY", "USD", "JPY"),
        ("FX_IDC:XAU", "", "USD"),
        ("FX:ABCXYZ", "", "USD"),
        ("NASDAQ:AAPL", "", "USD"),
        ("XETR:SAP", "", "EUR"),
        ("NSE:INFY", "", "INR"),
        ("ELSEWHERE:THING", "", "USD"),
    ],
)
def test_a_pair_is_split_into_its_currencies(symbol: str, base: str, currency: str) -> None:
    listing = make_listing(symbol, 0)
    assert (listing.base_currency, listing.currency) == (base, currency)


@pytest.mark.parametrize(
    ("symbol", "kind", "session", "timezone"),
    [
        ("BINANCE:BTCUSDT", "spot", "24x7", "Etc/UTC"),
        ("BINANCE:BTCUSDT.P", "swap", "24x7", "Etc/UTC"),
        ("NASDAQ:AAPL", "stock", "0930-1600", "America/New_York"),
        ("BATS:SPY", "stock", "0930-1600", "America/New_York"),
        ("XETR:SAP", "stock", "0900-1730", "Europe/Berlin"),
        ("BSE:SENSEX", "stock", "0915-1530", "Asia/Kolkata"),
        ("FX_IDC:EURUSD", "forex", "0000-0000:23456", "Etc/UTC"),
        ("TVC:DXY", "index", "24x7", "Etc/UTC"),
        ("ELSEWHERE:THING", "spot", "24x7", "Etc/UTC"),
    ],
)
def test_the_exchange_settles_kind_and_hours(symbol: str, kind: str, session: str, timezone: str) -> None:
    info = symbol_info(make_listing(symbol, 0))
    assert (info["type"], info["session"], info["timezone"]) == (kind, session, timezone)
    assert info["subsessions"][0]["session"] == info["session_display"] == session


@pytest.mark.parametrize(
    ("symbol", "price"),
    [("BINANCE:BTCUSDT", 108_000), ("COINBASE:ETHUSD", 3_500), ("FX:EURUSD", 1.08), ("NASDAQ:AAPL", 200)],
)
def test_well_known_symbols_have_familiar_prices(symbol: str, price: float) -> None:
    listing = make_listing(symbol, 5)
    assert listing.grid.price(listing.base) == pytest.approx(price)


@pytest.mark.parametrize(
    "symbol",
    ["KRAKEN:DOGEBTC", "FX:JPYUSD", "FX:EURUSD", "BINANCE:XRPUSDT", "BINANCE:NEWUSDT", "NASDAQ:NEW", "TVC:NEW"],
)
def test_a_price_is_always_many_steps(symbol: str) -> None:
    for seed in range(20):
        assert make_listing(symbol, seed).base >= 1_000


def test_unknown_tickers_differ_with_the_seed_and_known_ones_do_not() -> None:
    assert len({make_listing("NASDAQ:ZZZZ", seed).base for seed in range(20)}) > 10
    assert len({make_listing("NASDAQ:AAPL", seed).base for seed in range(20)}) == 1


def test_a_price_step_of_minmov_units() -> None:
    grid = make_listing("NSE:INFY", 0).grid
    assert (grid.minmov, grid.pricescale) == (5, 100)
    assert grid.price(2_001) == 100.05


def test_the_keys_of_a_pair_stand_in_the_order_of_the_wire() -> None:
    assert list(symbol_info(make_listing("BINANCE:BTCUSDT", 0))) == [
        "source2", "currency_code", "source_id", "subsession_id", "provider_id", "base_currency_id", "base_currency",
        "currency_id", "format", "formatter", "pro_perm", "volume_type", "measure", "allowed_adjustment",
        "short_description", "variable_tick_size", "name", "full_name", "pro_name", "base_name", "description",
        "exchange", "pricescale", "pointvalue", "minmov", "session", "session_display", "subsessions", "type",
        "typespecs", "has_intraday", "fractional", "listed_exchange", "legs", "is_tradable", "minmove2", "timezone",
        "aliases", "alternatives", "is_replayable", "has_adjustment", "has_extended_hours", "bar_source",
        "bar_transform", "bar_fillgaps", "visible_plots_set", "is-tickbars-available", "exchange_listed_name",
    ]  # fmt: skip


def test_only_pairs_have_a_base_currency() -> None:
    info = symbol_info(make_listing("NASDAQ:AAPL", 0))
    assert not {"base_currency", "base_currency_id", "volume_type"} & set(info)


@pytest.mark.parametrize(
    ("symbol", "base", "currency"),
    [("BINANCE:BTCUSDT", "XTVCBTC", "XTVCUSDT"), ("BINANCE:BTCEUR", "XTVCBTC", "EUR"), ("FX:EURUSD", "EUR", "USD")],
)
def test_ids_of_crypto_currencies_are_marked(symbol: str, base: str, currency: str) -> None:
    info = symbol_info(make_listing(symbol, 0))
    assert (info["base_currency_id"], info["currency_id"]) == (base, currency)


def test_an_index_has_neither_volume_nor_a_book() -> None:
    listing = make_listing("TVC:DXY", 0)
    assert symbol_info(listing)["visible_plots_set"] == "ohlc"
    values = quote_prices(PRICES, "market", has_book=False)
    assert not {"bid", "ask", "bid_size", "ask_size"} & set(values)


def test_a_quote_has_all_that_clients_ask_for_by_default() -> None:
    listing = make_listing("NASDAQ:AAPL", 0)
    values = quote_facts(listing) | quote_prices(PRICES, "market")
    assert not set(QUOTE_FIELDS) - set(values)
    assert (values["lp"], values["lp_time"], values["chp"]) == (101.5, 1_700_000_000, 1.5)


def test_a_quote_without_volume_has_the_wires_mark_for_it() -> None:
    fields = {name: getattr(PRICES, name) for name in PRICES.__struct_fields__} | {"volume": None, "previous": 0.0}
    values = quote_prices(DayPrices(**fields), "market")
    assert values["volume"] == NO_VALUE
    assert values["chp"] == 0.0


def test_a_quote_without_prices_says_only_what_is_known() -> None:
    assert quote_prices(None, "out_of_session") == {"current_session": "out_of_session"}


def test_up_to_32_keys_stand_in_descending_order() -> None:
    values = {f"k{number:02}": number for number in range(40)}
    assert list(as_on_the_wire(values, ["k03", "k17", "k05", "absent"])) == ["k17", "k05", "k03"]
    assert list(as_on_the_wire(values, list(values)[:32])) == sorted(list(values)[:32], reverse=True)
    assert list(as_on_the_wire(values, None)) == list(values)


def test_a_digest_depends_on_each_part_and_where_it_ends() -> None:
    assert digest("a", 1) == digest("a", "1")
    assert len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("ab", "d")}) == 4
    assert len(digest("a", size=100)) == 100
