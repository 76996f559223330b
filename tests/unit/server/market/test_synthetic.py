"""The questions that are asked about one synthetic symbol."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow
from tvstreamer.server.market.listing import make_listing
from tvstreamer.server.market.synthetic import BEGIN, END, SyntheticSymbol


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def interval(text: str) -> Interval:
    return Interval.parse(text)


def symbol(name: str, seed: int = 1) -> SyntheticSymbol:
    return SyntheticSymbol(make_listing(name, seed), seed)


BTC = symbol("BINANCE:BTCUSDT")
AAPL = symbol("NASDAQ:AAPL")
TUESDAY = utc(2025, 7, 15, 15, 0, 30)


def history(of: SyntheticSymbol, text: str, until: float, count: int) -> list[BarRow]:
    return of.history(interval(text), until, count, until)


def test_ticks_are_those_after_one_moment_up_to_and_including_another() -> None:
    ticks = BTC.ticks(TUESDAY, TUESDAY + 600)
    assert len(ticks) > 100
    inner = BTC.ticks(ticks[10].time, ticks[20].time)
    assert inner == ticks[11:21]
    assert BTC.ticks(ticks[20].time, ticks[10].time) == []


def test_a_tick_knows_the_volume_of_its_day_so_far() -> None:
    opens = utc(2025, 7, 15)
    before, *_ = reversed(BTC.ticks(opens - 60, opens - 0.001))
    ticks = BTC.ticks(opens - 0.001, opens + 3_600)
    lots = 0
    for tick in ticks:
        lots += tick.lots
        assert tick.day_volume == lots / 100_000
        assert tick.size == tick.lots / 100_000
        assert tick.price == tick.units / 100
    assert before.day_volume == history(BTC, "1D", opens - 1, 1)[0].volume


def test_next_tick_is_the_first_of_the_ticks_to_come() -> None:
    ticks = BTC.ticks(TUESDAY, TUESDAY + 300)
    after: float = TUESDAY
    for expected in ticks:
        tick = BTC.next_tick(after)
        assert tick == expected
        after = tick.time


def test_next_tick_jumps_over_nights_and_weekends() -> None:
    saturday = utc(2025, 7, 12, 12)
    tick = AAPL.next_tick(saturday)
    assert tick is not None
    assert utc(2025, 7, 14, 13, 30) <= tick.time < utc(2025, 7, 14, 13, 31)
    assert AAPL.ticks(saturday, utc(2025, 7, 14, 13, 29)) == []


def test_ticks_begin_in_1990_and_end_with_2099() -> None:
    first = BTC.next_tick(-math.inf)
    assert first is not None
    assert BEGIN <= first.time < BEGIN + 60
    assert BTC.ticks(END - 60, math.inf)[-1].time < END
    assert BTC.next_tick(END) is None
    assert AAPL.next_tick(math.inf) is None


def test_history_begins_with_the_first_tick() -> None:
    rows = history(BTC, "60", BEGIN + 7_200, 100)
    assert [row.time for row in rows] == [BEGIN, BEGIN + 3_600]
    assert history(BTC, "1", BEGIN - 1, 10) == history(BTC, "1D", -math.inf, 10) == []
    assert history(BTC, "12M", math.inf, 200)[0].time == BEGIN
    assert history(AAPL, "1D", math.inf, 1)[0].time == utc(2099, 12, 31, 14, 30)


def test_history_of_no_bars_is_empty() -> None:
    assert history(BTC, "1", TUESDAY, 0) == history(BTC, "1", TUESDAY, -5) == []


@pytest.mark.parametrize("text", ["1", "5", "7", "60", "188", "240", "15S", "1D", "1W", "1M", "3M", "10T", "5R", "100R"])
@pytest.mark.parametrize("count", [1, 2, 60])
def test_history_gives_as_many_bars_as_asked_for_in_order(text: str, count: int) -> None:
    rows = history(AAPL, text, TUESDAY, count)
    assert len(rows) == count
    times = [row.time for row in rows]
    assert times == sorted(set(times))
    assert times[-1] <= TUESDAY


@pytest.mark.parametrize("text", ["1", "7", "60", "188", "15S", "1D", "1W", "1M", "10T", "5R", "500R"])
def test_a_short_history_is_the_end_of_a_long_one(text: str) -> None:
    rows = history(AAPL, text, TUESDAY, 80)
    assert history(AAPL, text, TUESDAY, 13) == rows[-13:]


@pytest.mark.parametrize("text", ["1", "60", "15S", "1D", "1W", "10T", "5R"])
def test_older_bars_join_on_to_newer_ones(text: str) -> None:
    rows = history(AAPL, text, TUESDAY, 40)
    older = AAPL.history(interval(text), math.nextafter(rows[20].time, 0), 20, TUESDAY)
    assert older == rows[:20]


def test_tick_bars_reach_back_over_days_and_begin_anew_with_each() -> None:
    rows = history(AAPL, "1000T", TUESDAY, 30)
    assert len(rows) == 30
    opens = {utc(2025, 7, day, 13, 30) for day in range(1, 16)}
    first_ticks = {getattr(AAPL.next_tick(each - 1), "time", None) for each in opens}
    assert len(first_ticks & {row.time for row in rows}) >= 3
    assert history(AAPL, "1000T", TUESDAY, 7) == rows[-7:]


def test_the_newest_bar_is_made_of_the_ticks_so_far() -> None:
    start = utc(2025, 7, 15, 15)
    ticks = BTC.ticks(start - 0.001, start + 60)
    assert len(ticks) > 4
    for number, tick in enumerate(ticks, 1):
        row = history(BTC, "1", tick.time, 1)[0]
        sofar = ticks[:number]
        assert row == BarRow(
            time=start,
            open=sofar[0].price,
            high=max(each.price for each in sofar),
            low=min(each.price for each in sofar),
            close=tick.price,
            volume=sum(each.lots for each in sofar) / 100_000,
            end=start + 60,
        )


def test_at_says_until_when_the_newest_bar_is_known() -> None:
    start = utc(2025, 7, 15, 15)
    whole = BTC.history(interval("60"), start, 1, start + 3_600)
    assert whole == history(BTC, "60", start + 3_599.9999, 1)
    assert whole[0].time == start
    week = BTC.history(interval("1W"), start, 1, start + 30 * 86_400)
    assert week[0].volume == sum(row.volume or 0 for row in history(BTC, "1D", utc(2025, 7, 20, 23, 59, 59), 7))


@pytest.mark.parametrize("text", ["10T", "5R"])
def test_bars_that_open_later_than_until_are_left_out_although_known(text: str) -> None:
    opens = utc(2025, 7, 15, 13, 30)
    rows = AAPL.history(interval(text), opens + 30, 60, opens + 7_200)
    assert len(rows) == 60
    assert opens <= rows[-1].time <= opens + 30
    assert rows[:-1] == history(AAPL, text, opens + 30, 60)[:-1]


def test_the_last_hour_of_a_session_is_a_short_one() -> None:
    rows = history(AAPL, "60", utc(2025, 7, 15, 22), 7)
    assert [row.end - row.time for row in rows] == [3_600] * 6 + [1_800]
    assert rows[-1].end == utc(2025, 7, 15, 20)


def test_an_index_has_no_volume() -> None:
    index = symbol("TVC:DXY")
    assert history(index, "1D", TUESDAY, 1)[0].volume is None
    tick = index.next_tick(TUESDAY)
    assert tick is not None
    assert (tick.day_volume, tick.size) == (None, 0.0)
    assert index.quote(TUESDAY, None)["volume"] == 1e100


def test_a_series_is_history_that_goes_on() -> None:
    series = BTC.series(interval("1"), TUESDAY, 300, keep=1_000)
    assert series.rows == history(BTC, "1", TUESDAY, 300)
    assert series.index == 299
    for tick in BTC.ticks(TUESDAY, TUESDAY + 600):
        series.add(tick)
    assert series.index == 309
    assert series.rows == history(BTC, "1", TUESDAY + 600, 310)


def test_a_series_always_has_its_newest_bar() -> None:
    assert len(BTC.series(interval("1"), TUESDAY, 0, keep=10).rows) == 1
    assert BTC.series(interval("1"), BEGIN - 5, 10, keep=10).rows == []


def test_a_series_keeps_at_least_what_it_began_with() -> None:
    series = BTC.series(interval("1"), TUESDAY, 300, keep=10)
    tick = BTC.next_tick(TUESDAY)
    assert tick is not None
    series.add(tick)
    assert len(series.rows) >= 300


def test_the_forming_bar_is_none_while_the_market_is_closed() -> None:
    assert BTC.bar_at(interval("1"), TUESDAY) == history(BTC, "1", TUESDAY, 1)[0]
    assert AAPL.bar_at(interval("1D"), utc(2025, 7, 12)) is None
    assert AAPL.bar_at(interval("1W"), utc(2025, 7, 16, 2)) == history(AAPL, "1W", utc(2025, 7, 16, 2), 1)[0]
    assert BTC.bar_at(interval("1"), BEGIN - 1) is None


def test_a_quote_agrees_with_the_bars_and_the_ticks() -> None:
    quote = BTC.quote(TUESDAY, None)
    today, yesterday = reversed(history(BTC, "1D", TUESDAY, 2))
    assert (quote["open_price"], quote["high_price"], quote["low_price"]) == (today.open, today.high, today.low)
    assert (quote["lp"], quote["volume"], quote["prev_close_price"]) == (today.close, today.volume, yesterday.close)
    assert quote["ch"] == round(quote["lp"] - quote["prev_close_price"], 2)
    tick = BTC.ticks(TUESDAY - 60, TUESDAY)[-1]
    assert (quote["lp"], quote["lp_time"], quote["volume"]) == (tick.price, int(tick.time), tick.day_volume)


def test_bid_and_ask_enclose_the_last_price() -> None:
    for tick in BTC.ticks(TUESDAY, TUESDAY + 600):
        quote = BTC.quote(tick.time, ["bid", "ask", "bid_size", "ask_size"])
        assert quote["bid"] <= tick.price <= quote["ask"]
        assert quote["bid"] < quote["ask"]
        assert min(quote["bid_size"], quote["ask_size"]) > 0


def test_a_quote_while_the_market_is_closed_shows_the_day_before() -> None:
    quote = AAPL.quote(utc(2025, 7, 12, 12), None)
    friday = history(AAPL, "1D", utc(2025, 7, 12), 1)[0]
    assert quote["current_session"] == "out_of_session"
    assert (quote["lp"], quote["volume"]) == (friday.close, friday.volume)
    assert AAPL.quote(TUESDAY, None)["current_session"] == "market"


def test_a_quote_right_at_the_open_shows_the_day_before_until_there_is_a_tick() -> None:
    opens = utc(2025, 7, 15, 13, 30)
    first = AAPL.next_tick(opens - 1)
    assert first is not None
    assert AAPL.quote(opens, None)["lp"] == history(AAPL, "1D", opens - 1, 1)[0].close
    assert AAPL.quote(first.time, None)["volume"] == first.size


def test_a_quote_of_the_very_first_day_changes_since_its_open() -> None:
    quote = BTC.quote(BEGIN + 600, None)
    assert quote["prev_close_price"] == quote["open_price"]


def test_a_quote_before_the_first_tick_has_no_prices() -> None:
    quote = BTC.quote(BEGIN, None)
    assert quote["short_name"] == "BTCUSDT"
    assert "lp" not in quote


def test_info_and_repr_name_the_symbol() -> None:
    assert BTC.info()["pro_name"] == "BINANCE:BTCUSDT"
    assert repr(BTC) == "<SyntheticSymbol BINANCE:BTCUSDT, seed 1>"
