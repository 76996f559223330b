"""Looking for bars from the other end."""

from __future__ import annotations

import pytest

from tvstreamer.errors import SeriesError
from tvstreamer.intervals import Interval
from tvstreamer.server.charts.instrument import MarketInstrument, PastBars, bars_after, first_bar
from tvstreamer.server.market import Market, market_start
from tvstreamer.server.market.bars import MarketTick

START = market_start(1)
DAY = 86_400


@pytest.mark.parametrize("symbol", ["BINANCE:BTCUSDT", "NASDAQ:AAPL", "NSE:THIN"])
@pytest.mark.parametrize(("interval", "days"), [("30", 9), ("1D", 90), ("1M", 200), ("30S", 0.1)])
@pytest.mark.parametrize("count", [1, 50])
def test_the_oldest_bars_behind_a_moment_are_the_first_of_all_behind_it(symbol: str, interval: str, days: float, count: int) -> None:
    instrument = MarketInstrument(Market(1), symbol)
    parsed = Interval.parse(interval)
    after = START - days * DAY
    everything = instrument.history(parsed, until=START, count=500, at=START)
    assert bars_after(instrument, parsed, after, count, START) == [row for row in everything if row.time > after][:count]


def test_there_may_be_fewer_or_none() -> None:
    market = Market(1)
    market.set_bars("X:Y", "1", [[START - 400 * DAY, 1, 1, 1, 1], [START - 60, 1, 1, 1, 1]])
    instrument = MarketInstrument(market, "X:Y")
    minute = Interval(1, "m")
    assert [row.time for row in bars_after(instrument, minute, 0, 5, START)] == [START - 400 * DAY, START - 60]
    assert bars_after(instrument, minute, START - 60, 5, START) == []
    oldest = first_bar(instrument, minute, START)
    assert oldest is not None
    assert oldest.time == START - 400 * DAY


def test_ticks_do_not_tell_how_many_there_are_in_a_time() -> None:
    with pytest.raises(SeriesError, match="bars after a moment: interval 5T: expected one of time"):
        bars_after(MarketInstrument(Market(1), "X:Y"), Interval(5, "T"), 0, 5, START)


def test_bars_of_the_past_are_only_extended() -> None:
    rows = Market(1).history("X:Y", "1", START, 5)
    bars = PastBars(rows[:3])
    assert bars.add(MarketTick(START, 1.0, 1.0, 1.0, 1.0, 1)) == []
    bars.close_bar()
    assert (bars.rows, bars.index) == (rows[:3], 2)
    bars.extend(rows[3:])
    assert (bars.rows, bars.index) == (rows, 4)


def test_an_instrument_shows_its_symbol() -> None:
    assert repr(MarketInstrument(Market(1), "X:Y")) == "<MarketInstrument X:Y>"
