"""What a symbol string names."""

from __future__ import annotations

import pytest

from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.charts.chart_types import Bricks, HeikinAshi
from tvstreamer.server.charts.converted import ConvertedInstrument
from tvstreamer.server.charts.instrument import MarketInstrument
from tvstreamer.server.charts.symbol_strings import SymbolStrings, Unresolved, note_unknown_keys
from tvstreamer.server.market import Market
from tvstreamer.server.market.variants import REGULAR, Variant, split_variant

BTC = "BINANCE:BTCUSDT"


@pytest.fixture
def strings() -> SymbolStrings:
    return SymbolStrings(Market(1))


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (BTC, MarketInstrument),
        ("binance:btcusdt", MarketInstrument),
        ('={"symbol":"BINANCE:BTCUSDT"}', MarketInstrument),
        ('={"adjustment": "splits", "session": "regular", "symbol": "BINANCE:BTCUSDT"}', MarketInstrument),
        ('={"symbol":{"symbol":"BINANCE:BTCUSDT","adjustment":"splits"}}', MarketInstrument),
        ('={"symbol":"BINANCE:BTCUSDT","currency-id":"EUR"}', ConvertedInstrument),
        ('={"symbol":"BINANCE:BTCUSDT","adjustment":"dividends"}', ConvertedInstrument),
        ('={"symbol":{"symbol":"BINANCE:BTCUSDT"},"type":"BarSetHeikenAshi@tv-basicstudies-60!","inputs":{}}', HeikinAshi),
        ('={"symbol":"BINANCE:BTCUSDT","type":"BarSetRenko@tv-prostudies-40!","inputs":[]}', Bricks),
    ],
)
def test_a_string_names_a_symbol_and_what_is_laid_over_it(strings: SymbolStrings, wire: str, kind: type) -> None:
    instrument = strings.open(wire)
    assert type(instrument) is kind
    assert instrument.key == BTC
    assert strings.open_quote(wire).key == BTC


@pytest.mark.parametrize(
    "wire",
    [
        "", "nonsense", "XXXX:NOPE", "=", "=5", "=null", "={", '={"symbol":5}', "={}", '={"symbol":"XXXX:NOPE"}',
        '={"symbol":"BINANCE:BTCUSDT","currency-id":"NOPE"}', '={"symbol":"BINANCE:BTCUSDT","currency-id":7}',
        '={"symbol":{"symbol":5},"type":"BarSetRenko"}', "=" + '{"symbol":' * 20 + '"BINANCE:BTCUSDT"' + "}" * 20,
    ],
)  # fmt: skip
def test_a_string_that_names_nothing(strings: SymbolStrings, wire: str) -> None:
    for open_string in (strings.open, strings.open_quote):
        with pytest.raises(Unresolved, match="invalid symbol") as caught:
            open_string(wire)
        assert caught.value.group is None


@pytest.mark.parametrize(
    ("options", "variant"),
    [
        ("", REGULAR),
        (',"session":"extended"', Variant(session="extended")),
        (',"session":"us_extended","metric":"price","novel":1', Variant(session="extended")),
        (',"session":"us_regular"', REGULAR),
        (',"adjustment":"none"', Variant(adjustment="none")),
        (',"session":"extended","adjustment":"none","currency-id":"EUR"', Variant("extended", "none")),
    ],
)
def test_a_symbol_may_be_seen_in_other_ways(strings: SymbolStrings, options: str, variant: Variant) -> None:
    assert split_variant(strings.open(f'={{"symbol":"{BTC}"{options}}}').key) == (BTC, variant)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ('"session":"weird"', "session 'weird': expected one of regular, extended"),
        ('"session":"premarket"', "session 'premarket': expected one of regular, extended"),
        ('"session":["regular"]', "session ['regular']: expected one of regular, extended"),
        ('"adjustment":"novel"', "adjustment 'novel': expected one of splits, dividends, none"),
        ('"metric":"market_cap"', "metric 'market_cap': expected one of price"),
        ('"currency-id":"NOPE"', "currency-id 'NOPE': no currency of this server"),
    ],
)
def test_a_value_that_is_not_known_names_nothing_rather_than_something_else(
    strings: SymbolStrings, options: str, why: str
) -> None:
    with pytest.raises(Unresolved) as caught:
        strings.open(f'={{"symbol":"{BTC}",{options}}}')
    assert caught.value.reasons == ("invalid symbol",)
    assert str(caught.value) == f"invalid symbol: {why}"


def test_unknown_keys_of_every_level_are_noted() -> None:
    server = ServerProtocol("")
    inner = '{"symbol":"BINANCE:BTCUSDT","sesion":"extended"}'
    note_unknown_keys(server, "resolve_symbol", f'={{"symbol":{inner},"odd":1,"type":"x"}}', 5.0)
    for well in (BTC, '={"symbol":5}', "={", f'={{"symbol":"{BTC}","session":"extended"}}', "=" + '{"symbol":' * 20):
        note_unknown_keys(server, "resolve_symbol", well, 5.0)
    (entry,) = server.journal
    assert (entry.kind, entry.method) == ("tolerated", "resolve_symbol")
    assert entry.detail.endswith("unknown keys ['odd', 'sesion']")


def test_what_may_not_be_seen_says_which_permission_is_missing() -> None:
    strings = SymbolStrings(Market(1), ["nasdaq:*"])
    with pytest.raises(Unresolved, match="permission denied, group, nasdaq_paid") as caught:
        strings.open('={"symbol":"NASDAQ:AAPL"}')
    assert caught.value.group == "nasdaq_paid"
    with pytest.raises(Unresolved, match="permission denied, group, nasdaq_paid"):
        strings.open(f"{BTC}/NASDAQ:AAPL")
    alone = SymbolStrings(Market(1), ["xetr:sap", "nasdaq:*"])
    with pytest.raises(Unresolved, match="permission denied, symbol, XETR:SAP") as caught:
        alone.open("XETR:SAP")
    assert caught.value.group == "xetr_paid"
    assert strings.open(f"{BTC}/XETR:SAP").key == f"{BTC}/XETR:SAP"
    assert strings.open(BTC).key == BTC


def test_openers_are_asked_first_at_every_level(strings: SymbolStrings) -> None:
    other = MarketInstrument(Market(2), BTC)
    asked: list[object] = []

    def opener(value: object) -> MarketInstrument | None:
        asked.append(value)
        return other if isinstance(value, dict) and "replay" in value else None

    strings.openers.append(opener)
    assert strings.open('={"replay":"rs_1","symbol":"BINANCE:BTCUSDT"}') is other
    averaged = strings.open('={"symbol":{"replay":"rs_1","symbol":"BINANCE:BTCUSDT"},"type":"BarSetHeikenAshi"}')
    assert isinstance(averaged, HeikinAshi)
    assert strings.open(BTC) is not other
    assert asked[-1] == BTC
