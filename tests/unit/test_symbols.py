from __future__ import annotations

import copy
import json
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.errors import InvalidSymbol
from tvstreamer.symbols import (
    CHARTS,
    Symbol,
    base_symbol,
    parse_symbol,
    plain_symbol,
    quoted_symbol,
    symbol_name,
    wire_quote,
    wire_symbol,
)
from tvstreamer.testing.strategies import symbols


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("BINANCE:BTCUSDT", "BINANCE:BTCUSDT"),
        ("  nasdaq:aapl\n", "NASDAQ:AAPL"),
        ("NASDAQ:BRK.B", "NASDAQ:BRK.B"),
        ("CME_MINI:ES1!", "CME_MINI:ES1!"),
        ("NSE:M&M", "NSE:M&M"),
        ("FX_IDC:EURUSD/FX_IDC:USDJPY", "FX_IDC:EURUSD/FX_IDC:USDJPY"),
        ("nasdaq:aapl*2-nasdaq:msft", "NASDAQ:AAPL*2-NASDAQ:MSFT"),
        ("1/FX:EURUSD", "1/FX:EURUSD"),
        ("(A:B+C:D)/2", "(A:B+C:D)/2"),
        ("A:B", "A:B"),
        ("TSE:日経", "TSE:日経"),
    ],
)
def test_a_symbol_is_stripped_and_put_in_upper_case(text: str, symbol: str) -> None:
    assert parse_symbol(text) == symbol


@pytest.mark.parametrize(
    "text",
    ["", "1/2", "1+BTCUSDT", "BTCUSDT", ":BTCUSDT", "BINANCE:", "BINANCE:{}", 'A:"B"', "A: B", "A B:C", "A:B\nC", "A:\x1bB", "A:B\x1b", "A:B\x07C", "A:\x7f", "A:B\x9bC", "A:\ud800", '={"a":1}'],
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


@given(symbols())
def test_a_plain_symbol_of_the_wire_is_itself(symbol: str) -> None:
    assert plain_symbol(symbol) == symbol


@given(symbols(), st.integers(1, 8))
def test_a_symbol_is_found_under_each_wrapping(symbol: str, depth: int) -> None:
    wrapped: object = symbol
    for _ in range(depth):
        wrapped = {"replay": "rs_1", "symbol": wrapped}
    assert plain_symbol("=" + json.dumps(wrapped)) == symbol_name("=" + json.dumps(wrapped)) == symbol


@pytest.mark.parametrize(
    "wire",
    [
        "", "=", "={", "=7", "=[]", "={}", '={"symbol":null}', '={"symbol":7}', '="A:B"x', "=" + "[" * 200_000,
        "=" + "1" * 5_000, "=" + '{"symbol":' * 9 + '"A:B"' + "}" * 9,
    ],
)  # fmt: skip
def test_a_wire_string_that_holds_no_symbol_comes_back_unchanged(wire: str) -> None:
    assert plain_symbol(wire) == symbol_name(wire) == wire


EXTENDED = "NASDAQ:AAPL{session=extended+adjustment=dividends+currency=EUR}"
RENKO = "BINANCE:BTCUSDT{currency=EUR+chart=renko+boxSize=0.5+style=ATR+wicks=true}"


def test_a_symbol_with_options_is_a_string_in_its_canonical_spelling() -> None:
    symbol = Symbol("nasdaq:aapl", session="extended", adjustment="dividends", currency="eur")
    assert symbol == EXTENDED
    assert {symbol: 1}[EXTENDED] == 1
    assert repr(symbol) == f"Symbol({EXTENDED!r})"
    assert Symbol(" nasdaq:aapl{currency=EUR+session=extended+adjustment=dividends} ") == EXTENDED
    assert Symbol("NASDAQ:AAPL{session=extended}", adjustment="dividends", currency="EUR") == EXTENDED
    assert type(parse_symbol(symbol)) is str
    assert parse_symbol("nasdaq:aapl{currency=eur+adjustment=dividends+session=extended}") == EXTENDED
    assert copy.copy(symbol).options == symbol.options == {"session": "extended", "adjustment": "dividends", "currency": "EUR"}


def test_what_every_symbol_has_anyway_is_not_written() -> None:
    assert Symbol("NASDAQ:AAPL", session="regular", adjustment="splits", backadjustment=False) == "NASDAQ:AAPL"
    assert Symbol("NASDAQ:AAPL", wire={"metric": "price"}) == "NASDAQ:AAPL"
    assert symbol_name('={"symbol":"NASDAQ:AAPL","adjustment":"splits","session":"regular"}') == "NASDAQ:AAPL"


def test_what_the_options_do_not_know_is_sent_as_it_is() -> None:
    symbol = Symbol("NASDAQ:AAPL", currency="EUR", wire={"session": "overnight", "metric": "market_cap", "n": 5})
    assert symbol == Symbol("NASDAQ:AAPL{wire.n=5+wire.session=overnight+wire.metric=market_cap+currency=EUR}")
    assert symbol == "NASDAQ:AAPL{currency=EUR+wire.metric=market_cap+wire.n=5+wire.session=overnight}"
    assert json.loads(wire_symbol(symbol)[1:]) == {
        "symbol": "NASDAQ:AAPL", "adjustment": "splits", "currency-id": "EUR", "metric": "market_cap", "n": 5,
        "session": "overnight",
    }  # fmt: skip
    assert symbol_name(wire_symbol(symbol)) == symbol
    assert json.loads(wire_symbol("A:B{wire.adjustment=novel}")[1:]) == {"symbol": "A:B", "adjustment": "novel"}
    assert quoted_symbol("A:B{wire.session=overnight+chart=kagi}") == "A:B{wire.session=overnight}"


def test_a_chart_type_has_inputs() -> None:
    inputs = {"boxSize": 0.5, "style": "ATR", "wicks": True}
    assert Symbol("BINANCE:BTCUSDT", chart="renko", currency="EUR", inputs=inputs) == RENKO
    assert Symbol(RENKO).options["boxSize"] == 0.5
    assert Symbol("A:B", chart="range", inputs={"range": 10, "phantomBars": False, "big": 1e20}) == (
        "A:B{chart=range+big=1e20+phantomBars=false+range=10}"
    )


def test_the_wire_has_an_object_for_each() -> None:
    assert json.loads(wire_symbol(EXTENDED)[1:]) == {
        "symbol": "NASDAQ:AAPL", "adjustment": "dividends", "session": "extended", "currency-id": "EUR"
    }  # fmt: skip
    assert json.loads(wire_symbol(RENKO)[1:]) == {
        "symbol": {"symbol": "BINANCE:BTCUSDT", "adjustment": "splits", "currency-id": "EUR"},
        "type": "BarSetRenko@tv-prostudies-40!",
        "inputs": {"boxSize": 0.5, "style": "ATR", "wicks": True},
    }
    futures = Symbol("CME_MINI:ES1!", backadjustment=True, settlement_as_close=True, unit="KGM", adjustment="none")
    assert json.loads(wire_symbol(futures)[1:]) == {
        "symbol": "CME_MINI:ES1!", "adjustment": "none", "unit-id": "KGM", "backadjustment": "default",
        "settlement-as-close": True,
    }  # fmt: skip


def test_quotes_are_of_the_symbol_without_its_chart_type() -> None:
    assert (quoted_symbol("A:B"), quoted_symbol(EXTENDED)) == ("A:B", EXTENDED)
    assert quoted_symbol(RENKO) == "BINANCE:BTCUSDT{currency=EUR}"
    assert quoted_symbol("A:B{chart=kagi}") == wire_quote("A:B{chart=kagi}") == wire_quote("A:B") == "A:B"
    assert wire_quote(RENKO) == wire_symbol("BINANCE:BTCUSDT{currency=EUR}")
    assert base_symbol(RENKO) == "BINANCE:BTCUSDT"


words = st.from_regex(r"[A-Za-z][A-Za-z0-9_.\-]{0,10}", fullmatch=True).filter(lambda word: word not in ("true", "false"))


@given(
    session=st.none() | st.sampled_from(["regular", "extended", "us_regular"]),
    adjustment=st.none() | st.sampled_from(["splits", "dividends", "none"]),
    currency=st.none() | st.sampled_from(["EUR", "XTVCBTC"]),
    unit=st.none() | words,
    flags=st.tuples(st.booleans(), st.booleans()),
    wire=st.dictionaries(st.from_regex(r"x-[a-z]{1,5}", fullmatch=True), words | st.just(True) | st.integers(1, 10**6), max_size=2),
    chart=st.none() | st.sampled_from(sorted(CHARTS)),
    inputs=st.dictionaries(
        st.from_regex(r"in_[a-z]{1,5}", fullmatch=True), words | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e30, 1e30), max_size=3
    ),
)
def test_whatever_the_options_both_spellings_come_back(
    session: str | None, adjustment: str | None, currency: str | None, unit: str | None, flags: tuple[bool, bool],
    wire: dict[str, Any], chart: str | None, inputs: dict[str, Any],
) -> None:  # fmt: skip
    symbol = Symbol(
        "EX:SYM", session=session, adjustment=adjustment, currency=currency, unit=unit, backadjustment=flags[0],
        settlement_as_close=flags[1], wire=wire, chart=chart, inputs=inputs if chart else None,
    )  # fmt: skip
    assert Symbol(str(symbol)) == symbol
    assert symbol_name(wire_symbol(symbol)) == symbol
    assert symbol_name(wire_quote(symbol)) == quoted_symbol(symbol)
    assert not set(symbol[6:]) & set(" ,;&|<>*?$`'\"\\()#!~")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"session": "weird"}, "session 'weird': expected one of regular, extended, premarket, postmarket, perhaps behind"),
        ({"session": "weird"}, "; wire.session=... is sent unchecked"),
        ({"session": 7}, "session 7: expected one of regular"),
        ({"adjustment": "all"}, "adjustment 'all': expected one of splits, dividends, none; wire.adjustment=..."),
        ({"chart": "candles"}, "chart 'candles': expected one of heikin-ashi, renko"),
        ({"chart": ["renko"]}, "chart ['renko']: expected one of heikin-ashi, renko"),
        ({"currency": 5}, "currency 5: expected 3 to 16 letters"),
        ({"currency": "E-R"}, "currency 'E-R': expected 3 to 16 letters and digits, such as EUR; wire.currency-id=..."),
        ({"currency": "EU"}, "currency 'EU': expected 3 to 16 letters"),
        ({"unit": "a b"}, "unit 'a b': expected letters and digits, such as KGM; wire.unit-id=..."),
        ({"backadjustment": "yes"}, "backadjustment 'yes': expected true"),
        ({"inputs": {"boxSize": 1}}, "option 'boxSize': expected one of session, adjustment"),
        ({"chart": "renko", "inputs": {"box size": 1}}, "input 'box size' 1: expected a name"),
        ({"chart": "renko", "inputs": {"size": "a b"}}, "input 'size' 'a b': expected a name, and a word"),
        ({"chart": "renko", "inputs": {"size": None}}, "input 'size' None"),
        ({"chart": "renko", "inputs": {"size": float("inf")}}, "input 'size' inf: expected a name, and a word or number"),
        ({"wire": {"metric": "market cap"}}, "key 'metric' 'market cap': expected a name, and a word or number"),
        ({"wire": {"a b": 1}}, "key 'a b' 1: expected a name"),
        ({"wire": {"replay": "rs_1"}}, "wire.replay: expected another key than symbol, type, inputs, replay"),
        ({"wire": {"session": "extended"}}, "wire.session 'extended': expected session=extended"),
        ({"wire": {"currency-id": "eur"}}, "wire.currency-id 'eur': expected currency=EUR"),
        ({"wire": {"backadjustment": "default"}}, "wire.backadjustment 'default': expected backadjustment=true"),
        ({"wire": {"session": "weird"}, "session": "extended"}, "'wire.session': expected session or wire.session, not both"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_with_its_value(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSymbol, match=re.escape(said)):
        Symbol("EX:SYM", **arguments)


@pytest.mark.parametrize(
    "text",
    ["EX:SYM{", "EX:SYM{}", "EX:SYM{session=weird}", "EX:SYM{sesion=extended}", "EX:SYM{session=extended", "EX:SYM{session}", "EX:SYM{unit=A+unit=B}", "{session=extended}", 7,
     "EX:SYM{chart=renko+x=1e400}", f"EX:SYM{{chart=renko+x={'1' * 5_000}}}"]
)  # fmt: skip
def test_a_spelling_that_is_none_is_refused(text: object) -> None:
    with pytest.raises(InvalidSymbol):
        Symbol(text)


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        ('={"adjustment":"dividends","currency-id":"INR","metric":"price","symbol":"NSE:JUNIPER"}', "NSE:JUNIPER{adjustment=dividends+currency=INR}"),
        ('={"replay":"rs_1","symbol":{"symbol":"A:B","session":"extended"}}', "A:B{session=extended}"),
        ('={"type":"BarSetHeikenAshi@tv-basicstudies-99!","inputs":{},"symbol":{"symbol":"A:B"}}', "A:B{chart=heikin-ashi}"),
        ('={"type":"BarSetKagi@1","inputs":7,"symbol":"A:B"}', "A:B{chart=kagi}"),
        ('={"type":"Novel@1","inputs":{"x":1},"symbol":"A:B"}', "A:B"),
        ('={"symbol":"A:B","adjustment":"novel"}', "A:B{wire.adjustment=novel}"),
        ('={"symbol":"A:B","metric":"market_cap","odd":"two words","n":[1],"e":"","f":false}', "A:B{wire.metric=market_cap}"),
        ('={"symbol":{"symbol":"A:B","session":"weird"},"session":"extended"}', "A:B"),
        ('={"symbol":"A:B","backadjustment":"default"}', "A:B{backadjustment=true}"),
        ('={"symbol":"A:B","backadjustment":"1"}', "A:B{wire.backadjustment=1}"),
    ],
)
def test_what_others_say_on_the_wire_is_named_by_what_we_know_of_it(wire: str, name: str) -> None:
    assert symbol_name(wire) == name
