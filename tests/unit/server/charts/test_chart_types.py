"""Bars that are made of bars."""

from __future__ import annotations

import math

import pytest

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.chart_types import (
    Bricks,
    HeikinAshi,
    LineBreakLayer,
    RenkoLayer,
    Unavailable,
    average_true_range,
    averaged,
    transform,
)
from tvstreamer.server.charts.instrument import MarketInstrument, SeriesRefused
from tvstreamer.server.market import Market, market_start
from tvstreamer.server.market.bars import BarRow, MarketTick

MINUTE = Interval(1, "m")
START = market_start(1)


def bars(*closes: float) -> list[BarRow]:
    return [BarRow(60.0 * number, close, close, close, close, 1.0, 60.0 * number + 60) for number, close in enumerate(closes)]


def by_hand(*closes: float) -> MarketInstrument:
    market = Market(1)
    market.set_bars("X:Y", "1", [[START - 60 * (len(closes) - number), *[close] * 4, 1.0] for number, close in enumerate(closes)])
    return MarketInstrument(market, "X:Y")


def tick(time: float, price: float) -> MarketTick:
    return MarketTick(time, price, 1.0, 1.0, price, 1)


def test_averaged_bars_are_those_of_the_definition() -> None:
    rows = [BarRow(0.0, 10.0, 14.0, 8.0, 12.0, 5.0, 60.0), BarRow(60.0, 12.0, 20.0, 12.0, 16.0, None, 120.0)]
    assert averaged(rows, 4) == [
        BarRow(0.0, 11.0, 14.0, 8.0, 11.0, 5.0, 60.0),
        BarRow(60.0, 11.0, 20.0, 11.0, 15.0, None, 120.0),
    ]


def test_averaged_bars_are_the_same_however_they_are_asked_for() -> None:
    instrument = HeikinAshi(MarketInstrument(Market(1), "NASDAQ:AAPL"), "BarSetHeikenAshi")
    whole = instrument.history(MINUTE, until=START, count=400, at=START)
    assert instrument.history(MINUTE, until=whole[100].time, count=50, at=START) == whole[51:101]
    assert instrument.series(MINUTE, at=START, count=30).rows == whole[-30:]
    assert instrument.history(MINUTE, until=START, count=0, at=START) == []


def test_averaged_bars_of_a_symbol_that_has_none_begin_with_the_first_tick() -> None:
    series = HeikinAshi(by_hand(), "BarSetHeikenAshi").series(MINUTE, at=START, count=5)
    assert (series.rows, series.index) == ([], -1)
    assert [row.close for row in series.add(tick(START + 1, 5.0))] == [5.0]
    assert series.index == 0
    series.close_bar()
    series.add(tick(START + 2, 6.0))
    assert [row.close for row in series.rows] == [5.0, 6.0]


def test_averaged_bars_forget_the_oldest() -> None:
    series = HeikinAshi(by_hand(5.0), "BarSetHeikenAshi").series(Interval(1, "T"), at=START, count=1)
    first = series.index
    for number in range(4_500):
        series.add(tick(START + number + 1, 5.0 + number % 7))
    assert series.index == first + 4_500
    assert len(series.rows) <= 4_000
    assert series.add(tick(START + 9_000, 5.0))[0].time == START + 9_000


def laid(layer: RenkoLayer | LineBreakLayer, *closes: float) -> list[list[tuple[float, float]]]:
    return [layer.lay(row) for row in bars(*closes)]


def test_bricks_follow_the_grid_and_a_turn_takes_two() -> None:
    assert laid(RenkoLayer(10.0), 103, 109, 110, 119.9, 131, 119, 110, 105, 99.9, 121) == [
        [], [], [], [], [(110, 120), (120, 130)], [], [(120, 110)], [], [(110, 100)], [(110, 120)],
    ]  # fmt: skip


def test_a_leap_lays_many_bricks_but_not_without_end() -> None:
    assert len(laid(RenkoLayer(1.0), 0.5, 1e9)[1]) == 1_000
    assert len(laid(RenkoLayer(1.0), 1e9, 0.5)[1]) == 1_000


def test_small_bricks_are_not_laid_as_far_back() -> None:
    rows = bars(*(100.0 + 50 * (number % 2) for number in range(1_000)))
    assert RenkoLayer(10.0).reach(rows) == 1_000
    assert RenkoLayer(0.5).reach(rows) == 201
    assert RenkoLayer(2.0**-20).reach(rows) == 21
    assert RenkoLayer(0.5).reach([]) == 0
    assert LineBreakLayer(3).reach(rows) == 1_000


def test_millions_of_bricks_are_none() -> None:
    wild = by_hand(*(1e6 * (number % 2) + 1 for number in range(100)))
    chart = transform(wild, "BarSetRenko", {"style": "Traditional", "boxSize": 0.01})
    bricks = chart.history(Interval.parse("1"), until=math.inf, count=100_000, at=math.inf)
    assert 10_000 < len(bricks) <= 20_000


def test_lines_break_beyond_the_newest_three() -> None:
    assert laid(LineBreakLayer(3), 10, 10, 12, 11, 13, 14, 11, 10.5, 9, 10, 15) == [
        [], [], [(10, 12)], [], [(12, 13)], [(13, 14)], [], [], [(13, 9)], [], [(13, 15)],
    ]  # fmt: skip


def test_the_average_true_range_is_wilders() -> None:
    rows = [BarRow(0, 10, 12, 9, 11, 0, 60), BarRow(60, 15, 16, 14, 15, 0, 120), BarRow(120, 15, 15, 8, 9, 0, 180)]
    assert average_true_range(rows, 2) == (((3 + 5) / 2) + 7) / 2
    assert average_true_range([], 14) == 0.0


def test_bricks_are_laid_by_bars_that_are_over() -> None:
    instrument = transform(by_hand(100, 130, 115), "BarSetRenko@tv-prostudies-40!", {"style": "Traditional", "boxSize": 10})
    assert isinstance(instrument, Bricks)
    series = instrument.series(MINUTE, at=START, count=1)
    assert [(row.open, row.close) for row in series.rows] == [(120.0, 130.0)]
    assert series.index == 0
    assert series.add(tick(START + 1, 90.0)) == []
    assert [(row.open, row.close) for row in series.add(tick(START + 60, 95.0))] == [(120.0, 110.0), (110.0, 100.0), (100.0, 90.0)]
    assert series.index == 3
    times = [row.time for row in instrument.history(MINUTE, until=1e12, count=10, at=START)]
    assert times == sorted(set(times))
    assert [(row.open, row.close) for row in instrument.history(MINUTE, until=START - 1, count=10, at=START)][:2] == [
        (110.0, 120.0), (120.0, 130.0),
    ]  # fmt: skip
    assert instrument.history(MINUTE, until=START, count=0, at=START) == []
    series.close_bar()


def test_bricks_carry_the_volume_since_the_one_before() -> None:
    instrument = transform(by_hand(100, 101, 131, 131), "BarSetRenko", {"style": "Traditional", "boxSize": 10})
    assert [row.volume for row in instrument.history(MINUTE, until=START, count=10, at=START)] == [3.0, 0.0]


def test_a_symbol_without_bars_has_no_bricks_before_its_second_bar() -> None:
    series = transform(by_hand(), "BarSetPriceBreak", {}).series(MINUTE, at=START, count=5)
    assert [series.add(tick(START + 60 * number, price)) for number, price in enumerate((5.0, 6.0, 7.0))][:2] == [[], []]
    assert [(row.open, row.close) for row in series.rows] == [(5.0, 6.0)]


@pytest.mark.parametrize("inputs", [{}, {"atrLength": "x"}, {"atrLength": -1}, {"style": "Traditional", "boxSize": True}])
def test_a_brick_has_a_size_whatever_was_sent(inputs: dict[str, object]) -> None:
    instrument = transform(MarketInstrument(Market(1), "BINANCE:BTCUSDT"), "BarSetRenko@tv-prostudies-40!", inputs)
    sizes = {round(row.high - row.low, 2) for row in instrument.history(MINUTE, until=START, count=100, at=START)}
    assert len(sizes) == 1
    assert sizes.pop() > 0


def test_what_is_not_computed_is_refused_when_its_bars_are_wanted() -> None:
    instrument = transform(by_hand(1.0), "BarSetKagi@tv-prostudies-34!", {})
    assert isinstance(instrument, Unavailable)
    assert instrument.info(START)["bar_transform"] == "BarSetKagi@tv-prostudies-34!"
    assert instrument.history(MINUTE, until=START, count=5, at=START) == []
    with pytest.raises(SeriesRefused, match="study_not_auth:BarSetKagi@tv-prostudies-34!"):
        instrument.series(MINUTE, at=START, count=5)


def test_instruments_show_what_they_are() -> None:
    source = by_hand(1.0)
    for kind, shown in (("BarSetHeikenAshi", "HeikinAshi"), ("BarSetRenko", "Bricks"), ("BarSetKagi", "Unavailable")):
        instrument = transform(source, kind, {})
        assert shown in repr(instrument)
        assert (instrument.key, instrument.is_live) == ("X:Y", True)
        assert instrument.info(START)["name"] == "Y"
