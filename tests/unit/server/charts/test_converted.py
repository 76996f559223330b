"""Prices in another currency, and without dividends."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.converted import Conversion, ConvertedInstrument, known_currency
from tvstreamer.server.charts.instrument import MarketInstrument
from tvstreamer.server.market import Market, market_start
from tvstreamer.server.market.bars import BarRow, MarketTick

START = market_start(1)
DAY = Interval(1, "D")
MINUTE = Interval(1, "m")


def prices(row: BarRow) -> tuple[float, ...]:
    return row.open, row.high, row.low, row.close


def test_bars_cost_what_their_currency_costs() -> None:
    market = Market(1)
    plain = MarketInstrument(market, "NASDAQ:AAPL")
    yen = ConvertedInstrument(market, "NASDAQ:AAPL", Conversion("JPY"))
    ours, theirs = (each.history(MINUTE, until=START, count=50, at=START) for each in (plain, yen))
    for one, other in zip(ours, theirs, strict=True):
        assert prices(other) == pytest.approx([price / 0.0067 for price in prices(one)], rel=1e-4)
        assert (one.time, one.volume) == (other.time, other.volume)
    assert yen.series(MINUTE, at=START, count=50).rows == theirs
    assert yen.info(START)["currency_code"] == "JPY"
    assert "JPY" in repr(yen)


def test_the_own_currency_changes_nothing() -> None:
    market = Market(1)
    plain, same = MarketInstrument(market, "NASDAQ:AAPL"), ConvertedInstrument(market, "NASDAQ:AAPL", Conversion("USD"))
    assert same.info(START) == plain.info(START)
    assert same.quote(START, None) == plain.quote(START, None)
    assert same.history(MINUTE, until=START, count=5, at=START) == plain.history(MINUTE, until=START, count=5, at=START)


def test_quotes_are_converted_with_what_describes_them() -> None:
    market = Market(1)
    plain = market.quote("NASDAQ:AAPL", START)
    quote = ConvertedInstrument(market, "NASDAQ:AAPL", Conversion("EUR")).quote(START, None)
    assert quote.keys() == plain.keys()
    assert quote["ask"] == pytest.approx(plain["ask"] / 1.08, rel=1e-4)
    assert (quote["currency_id"], quote["volume"]) == ("EUR", plain["volume"])
    assert quote["pricescale"] >= plain["pricescale"]


def test_bars_go_on_in_the_other_currency() -> None:
    market = Market(1)
    market.set_bars("NASDAQ:X", "1", [[START - 60, 10, 10, 10, 10]])
    series = ConvertedInstrument(market, "NASDAQ:X", Conversion("GBP")).series(MINUTE, at=START, count=5)
    (row,) = series.add(MarketTick(START + 1, 12.7, 1.0, 1.0, 12.7, 1))
    assert (row.open, series.index) == (10.0, 1)
    series.close_bar()
    assert len(series.rows) == 2


def test_dividends_are_taken_out_of_the_past() -> None:
    market = Market(1)
    at = datetime(2025, 6, 2, 15, tzinfo=UTC).timestamp()
    plain = MarketInstrument(market, "NASDAQ:AAPL")
    without = ConvertedInstrument(market, "NASDAQ:AAPL", Conversion(dividends=True))
    series = without.series(DAY, at=at, count=5)
    assert series.rows == plain.series(DAY, at=at, count=5).rows
    ours, theirs = (each.history(DAY, until=at, count=190, at=at) for each in (plain, without))
    ratios = [round(other.close / one.close, 3) for one, other in zip(ours, theirs, strict=True)]
    assert sorted(set(ratios)) == [0.985, 0.99, 0.995, 1.0]
    assert ratios == sorted(ratios)
    assert without.history(DAY, until=at, count=50, at=at) == theirs[-50:]


def test_only_shares_pay_dividends() -> None:
    market = Market(1)
    without = ConvertedInstrument(market, "BINANCE:BTCUSDT", Conversion(dividends=True))
    without.series(DAY, at=START, count=1)
    assert without.history(DAY, until=START, count=300, at=START) == market.history("BINANCE:BTCUSDT", DAY, START, 300)


def test_currencies_are_known_by_their_codes() -> None:
    assert known_currency("EUR")
    assert not any(map(known_currency, ("XXX", "", None, 5)))
