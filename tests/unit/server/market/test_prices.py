"""The price process, level by level."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import msgspec
import pytest

from tvstreamer.server.market.listing import Listing, make_listing
from tvstreamer.server.market.prices import Part, Prices, Trade

SYMBOLS = ["BINANCE:BTCUSDT", "NASDAQ:AAPL", "NSE:SLOW", "FX:EURUSD", "TVC:VIX", "KRAKEN:DOGEBTC"]
DAYS = [0, 1, 63, 64, 9_000, 20_000]


def summed(parts: Sequence[Part]) -> tuple[int, ...]:
    return (
        sum(part.count for part in parts),
        parts[0].open,
        max(part.high for part in parts),
        min(part.low for part in parts),
        parts[-1].close,
        sum(part.lots for part in parts),
    )


def whole(part: Part) -> tuple[int, ...]:
    return part.count, part.open, part.high, part.low, part.close, part.lots


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("day", DAYS)
def test_the_hours_of_a_day_and_the_minutes_of_an_hour_add_up_to_it(symbol: str, day: int) -> None:
    listing = make_listing(symbol, 1)
    prices = Prices(listing, 1)
    day = listing.calendar.trading_day_from(day)
    hours = prices.parts(prices.day(day))
    assert summed(hours) == whole(prices.day(day))
    for hour in hours:
        assert summed(prices.parts(hour)) == whole(hour)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_ticks_of_a_minute_add_up_to_it(symbol: str) -> None:
    prices = Prices(make_listing(symbol, 1), 1)
    for hour in prices.parts(prices.day(9_000)):
        for minute in prices.parts(hour):
            trades = prices.trades(minute)
            units = [trade.units for trade in trades]
            assert (len(trades), units[0], max(units), min(units), units[-1]) == whole(minute)[:5]
            assert sum(trade.lots for trade in trades) == minute.lots
            assert min(trade.lots for trade in trades) > 0
            times = [trade.time for trade in trades]
            assert minute.time <= times[0]
            assert times[-1] < minute.end
            assert all(earlier < later for earlier, later in pairwise(times))
            assert all(round(time * 1000) / 1000 == time for time in times)


def test_parts_follow_each_other_and_lie_within_their_whole() -> None:
    prices = Prices(make_listing("NASDAQ:AAPL", 1), 1)
    day = prices.day(9_000)
    hours = prices.parts(day)
    assert [(hour.time - day.time, hour.end - day.time) for hour in hours] == [
        *((number * 3_600, (number + 1) * 3_600) for number in range(6)),
        (21_600, 23_400),
    ]
    minutes = [minute.time for hour in hours for minute in prices.parts(hour)]
    assert minutes == sorted(set(minutes))
    assert all((minute - day.time) % 60 == 0 for minute in minutes)


def test_prices_of_neighbours_are_no_more_than_a_few_steps_apart() -> None:
    prices = Prices(make_listing("BINANCE:BTCUSDT", 1), 1)
    hours = prices.parts(prices.day(9_000))
    for before, after in pairwise(hours):
        assert abs(after.open - before.close) <= 1
    for day in range(9_000, 9_200):
        assert abs(prices.day(day + 1).open - prices.day(day).close) <= 2


def test_a_thin_symbol_has_minutes_without_ticks_and_at_least_four_in_the_others() -> None:
    listing = msgspec.structs.replace(make_listing("NASDAQ:AAPL", 1), ticks=100)
    prices = Prices(listing, 1)
    minutes = [minute for hour in prices.parts(prices.day(9_000)) for minute in prices.parts(hour)]
    assert 0 < len(minutes) < 40
    assert min(minute.count for minute in minutes) >= 4


@pytest.mark.parametrize("ticks", [0, 1, 4, 7, 9])
def test_even_a_day_of_next_to_nothing_adds_up(ticks: int) -> None:
    listing = msgspec.structs.replace(make_listing("NASDAQ:AAPL", 1), ticks=ticks, lots=0)
    prices = Prices(listing, 1)
    for number in filter(listing.calendar.is_trading_day, range(300, 340)):
        day = prices.day(number)
        minutes = [minute for hour in prices.parts(day) for minute in prices.parts(hour)]
        assert day.count >= 4
        assert summed(minutes) == whole(day)
        assert sum(trade.lots for minute in minutes for trade in prices.trades(minute)) == day.lots == day.count


def cheap(base: int, volatility: int) -> Listing:
    return msgspec.structs.replace(make_listing("NASDAQ:AAPL", 1), base=base, volatility=volatility)


@pytest.mark.parametrize("base", [1, 2, 10, 1_000])
def test_a_price_is_never_below_one_step_and_extremes_hold_however_wild(base: int) -> None:
    listing = cheap(base, 300_000)
    prices = Prices(listing, 1)
    for number in filter(listing.calendar.is_trading_day, range(500, 540)):
        day = prices.day(number)
        assert 1 <= day.low <= min(day.open, day.close) <= max(day.open, day.close) <= day.high
        for hour in prices.parts(day):
            for minute in prices.parts(hour):
                assert summed([minute]) == whole(minute)
                assert {trade.units for trade in prices.trades(minute)} >= {minute.high, minute.low}


def test_a_price_that_stands_still_is_possible() -> None:
    prices = Prices(cheap(10_000, 0), 1)
    day = prices.day(100)
    assert day.high - day.low <= 2


def test_extremes_that_first_and_last_do_not_touch_lie_between() -> None:
    prices = Prices(make_listing("NASDAQ:AAPL", 1), 1)
    for start in range(600):
        minute = Part("minute", start * 60, start * 60 + 60, 4, 50, 90, 10, 50, 4)
        units = [trade.units for trade in prices.trades(minute)]
        assert (units[0], units[-1], sorted(units[1:3])) == (50, 50, [10, 90])


def test_the_walk_moves_by_about_its_volatility_a_day_and_stays_in_sight_of_its_anchor() -> None:
    listing = make_listing("BINANCE:BTCUSDT", 4)
    prices = Prices(listing, 4)
    closes = [prices.day(day).close for day in range(40_000)]
    moves = sorted(abs(after / before - 1) for before, after in pairwise(closes))
    # Half of the moves of a bell curve are below 0.67 of its width.
    assert 0.010 < moves[len(moves) // 2] < 0.018
    assert listing.base / 20 < min(closes) < max(closes) < listing.base * 20
    anchor = listing.calendar.day_at(1_751_328_000)
    assert prices.day(anchor).open == pytest.approx(listing.base, rel=1e-4)


def test_the_same_seed_gives_these_very_numbers_on_any_platform() -> None:
    prices = Prices(make_listing("BINANCE:BTCUSDT", 7), 7)
    day = prices.day(12_963)
    hour = prices.parts(day)[15]
    minute = prices.parts(hour)[4]
    assert [whole(day), whole(hour), whole(minute)] == [
        (37_313, 10_556_945, 11_020_759, 10_429_288, 10_955_789, 687_368_053),
        (1_453, 10_998_333, 11_019_704, 10_938_778, 10_996_826, 30_300_995),
        (30, 10_994_301, 10_998_477, 10_986_284, 10_986_554, 897_247),
    ]
    assert prices.trades(minute)[0] == Trade(time=1_751_209_443.414, units=10_994_301, lots=49_031)
