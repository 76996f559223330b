"""A feed that is late."""

from __future__ import annotations

from tvstreamer.intervals import Interval
from tvstreamer.server.market import Market, market_start
from tvstreamer.server.market.delayed import DelayedSymbol
from tvstreamer.server.market.listing import make_listing
from tvstreamer.server.market.synthetic import SyntheticMarket, SyntheticSymbol

NAME = "EXAMPLE:DELAYED"
LATE = 900
MINUTE = Interval.parse("1")
DAY = Interval.parse("1D")
NOW = market_start(0) + 600


def punctual() -> SyntheticSymbol:
    return SyntheticSymbol(make_listing(NAME, 0), 0)


def test_what_is_known_is_what_was_traded_a_quarter_of_an_hour_before() -> None:
    market, other = Market(), punctual()
    quote = market.quote(NAME, NOW)
    assert quote == other.quote(NOW - LATE, None)
    assert quote["update_mode"] == market.update_mode(NAME) == "delayed_streaming_900"
    assert market.series(NAME, "1", at=NOW, count=5).rows == other.series(MINUTE, NOW - LATE, 5, keep=5).rows
    assert market.history(NAME, "1", NOW, 5) == other.history(MINUTE, NOW - LATE, 5, NOW - LATE)
    assert market.bar_at(NAME, "1D", NOW) == other.bar_at(DAY, NOW - LATE)


def test_older_bars_are_whole() -> None:
    market = Market()
    newest = market.history(NAME, "1", NOW, 1)[0]
    older = market.history(NAME, "1", newest.time - 0.001, 5, at=NOW)
    assert older == punctual().history(MINUTE, newest.time - 0.001, 5, NOW)
    assert len(older) == 5


def test_ticks_are_due_later_and_none_is_missed() -> None:
    market = Market()
    ticks = market.ticks(NAME, NOW, NOW + 300)
    assert [tick.time for tick in ticks] == [tick.time for tick in punctual().ticks(NOW - LATE, NOW + 300 - LATE)]
    assert all(tick.due == tick.time + LATE for tick in ticks)
    assert market.next_tick(NAME, NOW) == ticks[0]


def test_the_info_says_so() -> None:
    info = Market().info(NAME)
    assert info is not None and info["delay"] == LATE


def test_any_market_can_be_made_late() -> None:
    late = SyntheticMarket(0, delay=60)
    assert Market(sources={"*": late}).update_mode("BINANCE:BTCUSDT") == "delayed_streaming_60"
    assert Market(sources={"*": late}).update_mode(NAME) == "delayed_streaming_900"
    assert "delay=60" in repr(late)


def test_at_the_end_of_time_there_is_no_next_tick() -> None:
    symbol = DelayedSymbol(punctual(), LATE)
    assert symbol.next_tick(4_102_444_800 + 2 * LATE) is None
    assert symbol.supports(MINUTE) and "900" in repr(symbol)
