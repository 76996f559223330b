from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.errors import InvalidSymbol
from tvstreamer.symbols import parse_symbol, plain_symbol, wire_symbol

tickers = st.from_regex(r"[A-Z0-9_.]{1,8}:[A-Z0-9!&_./*+-]{1,20}", fullmatch=True)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BINANCE:BTCUSDT", "BINANCE:BTCUSDT"),
        ("  nasdaq:aapl\n", "NASDAQ:AAPL"),
        ("NASDAQ:BRK.B", "NASDAQ:BRK.B"),
        ("CME_MINI:ES1!", "CME_MINI:ES1!"),
        ("NSE:M&M", "NSE:M&M"),
        ("FX_IDC:EURUSD/FX_IDC:USDJPY", "FX_IDC:EURUSD/FX_IDC:USDJPY"),
        ("A:B", "A:B"),
        ("TSE:日経", "TSE:日経"),
    ],
)
def test_a_symbol_is_stripped_and_put_in_upper_case(text: str, symbol: str) -> None:
    assert parse_symbol(text) == symbol


@pytest.mark.parametrize(
    "text",
    ["", "BTCUSDT", ":BTCUSDT", "BINANCE:", "BINANCE:{}", 'A:"B"', "A: B", "A B:C", "A:B\nC", "A:\ud800", '={"a":1}'],
)
def test_what_is_no_symbol_is_refused_with_the_value_and_an_example(text: str) -> None:
    with pytest.raises(InvalidSymbol) as caught:
        parse_symbol(text)
    assert str(caught.value) == f"symbol {text!r}: expected EXCHANGE:TICKER, for example BINANCE:BTCUSDT"


def test_what_is_no_string_is_refused() -> None:
    with pytest.raises(InvalidSymbol, match="symbol 7: expected a string of the form EXCHANGE:TICKER"):
        parse_symbol(7)


@given(st.text() | st.from_regex(r"[a-zA-Z]{1,4}:.{0,130}", fullmatch=True))
@example("A:" + "\N{LATIN SMALL LETTER N PRECEDED BY APOSTROPHE}" * 127)  # twice as long in upper case
def test_a_symbol_is_accepted_again_unchanged_and_fits_on_the_wire(text: str) -> None:
    try:
        symbol = parse_symbol(text)
    except InvalidSymbol:
        return
    assert parse_symbol(symbol) == symbol
    assert plain_symbol(wire_symbol(symbol)) == symbol
    wire_symbol(symbol).encode("utf-8")


def test_the_wire_form_asks_for_split_adjusted_prices() -> None:
    assert wire_symbol("NASDAQ:AAPL") == '={"symbol":"NASDAQ:AAPL","adjustment":"splits"}'


@given(tickers)
def test_a_plain_symbol_of_the_wire_is_itself(symbol: str) -> None:
    assert plain_symbol(symbol) == symbol


@given(tickers, st.integers(1, 8))
def test_a_symbol_is_found_under_each_wrapping(symbol: str, depth: int) -> None:
    wrapped: object = symbol
    for _ in range(depth):
        wrapped = {"replay": "rs_1", "symbol": wrapped}
    assert plain_symbol("=" + json.dumps(wrapped)) == symbol


@pytest.mark.parametrize(
    "wire",
    [
        "", "=", "={", "=7", "=[]", "={}", '={"symbol":null}', '={"symbol":7}', '="A:B"x', "=" + "[" * 200_000,
        "=" + "1" * 5_000, "=" + '{"symbol":' * 9 + '"A:B"' + "}" * 9,
    ],
)  # fmt: skip
def test_a_wire_string_that_holds_no_symbol_comes_back_unchanged(wire: str) -> None:
    assert plain_symbol(wire) == wire
