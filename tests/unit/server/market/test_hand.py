"""A symbol that is driven by hand."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow
from tvstreamer.server.market.hand import HandSymbol
from tvstreamer.server.market.listing import make_listing

NOON = int(datetime(2025, 7, 15, 12, tzinfo=UTC).timestamp())
MIDNIGHT = NOON - 12 * 3_600
MINUTE = Interval(1, "m")
DAY = Interval(1, "D")


def symbol(name: str = "NASDAQ:AAPL") -> HandSymbol:
    return HandSymbol(make_listing(name, 0))


def rows(of: HandSymbol, interval: Interval = MINUTE, until: float = NOON + 86_400, count: int = 100) -> list[BarRow]:
    return of.history(interval, until, count, until)


def test_ticks_make_bars_of_exactly_their_prices() -> None:
    hand = symbol()
    for seconds, price in ((0, 0.1), (1.5, 0.30000000000000004), (59.9, 1e-9), (60, 5)):
        hand.tick(price, size=0.1, at=NOON + seconds)
    assert rows(hand) == [
        BarRow(NOON, 0.1, 0.30000000000000004, 1e-9, 1e-9, 0.3, NOON + 60),
        BarRow(NOON + 60, 5.0, 5.0, 5.0, 5.0, 0.1, NOON + 120),
    ]


def test_it_trades_at_any_hour_of_any_day() -> None:
    hand = symbol("NASDAQ:AAPL")
    saturday = NOON + 4 * 86_400
    hand.tick(200.0, size=1, at=saturday)
    assert rows(hand, DAY, saturday)[0].time == saturday - 12 * 3_600
    assert hand.info()["session"] == "24x7"
    assert hand.quote(saturday, ["current_session"]) == {"current_session": "market"}


def test_a_tick_knows_the_volume_of_its_utc_day() -> None:
    hand = symbol()
    ticks = [hand.tick(1.0, size=0.1, at=NOON + hours * 3_600) for hours in (0, 1, 11.9, 12)]
    assert [tick.day_volume for tick in ticks] == [0.1, 0.2, 0.3, 0.1]
    assert ticks[0].size == 0.1


def test_ticks_are_those_after_one_moment_up_to_and_including_another() -> None:
    hand = symbol()
    ticks = [hand.tick(1.0, size=1, at=NOON + number) for number in range(5)]
    assert hand.ticks(NOON, NOON + 2) == ticks[1:3]
    assert hand.next_tick(NOON) is None


@pytest.mark.parametrize(
    ("price", "size", "at"),
    [(math.nan, 1, NOON), (math.inf, 1, NOON), (1, -1, NOON), (1, math.nan, NOON), (1, 1, math.inf), (1, 1, NOON - 1)],
)
def test_a_tick_that_cannot_be_is_refused_and_leaves_nothing(price: float, size: float, at: float) -> None:
    hand = symbol()
    hand.tick(1, size=1, at=NOON)
    with pytest.raises(InvalidPlan, match="expected"):
        hand.tick(price, size=size, at=at)
    assert len(hand.ticks(0, math.inf)) == 1


def test_two_ticks_may_share_their_time_and_a_price_may_be_negative() -> None:
    hand = symbol()
    hand.tick(-37.6, size=0, at=NOON)
    hand.tick(-40.3, size=0, at=NOON)
    assert rows(hand) == [BarRow(NOON, -37.6, -37.6, -40.3, -40.3, 0.0, NOON + 60)]


GIVEN = [[NOON - 120, 1, 2, 0.5, 1.5, 10], [NOON - 60, 1.5, 3, 1, 2.5, 20]]


def test_bars_by_hand_come_back_as_they_were_given() -> None:
    hand = symbol()
    hand.set_bars(MINUTE, GIVEN)
    assert rows(hand) == [
        BarRow(NOON - 120, 1.0, 2.0, 0.5, 1.5, 10.0, NOON - 60),
        BarRow(NOON - 60, 1.5, 3.0, 1.0, 2.5, 20.0, NOON),
    ]
    assert rows(hand, count=1) == rows(hand)[1:]
    assert rows(hand, count=0) == []
    assert [row.time for row in rows(hand, until=NOON - 61)] == [NOON - 120]
    assert rows(hand, DAY) == []


def test_ticks_go_on_from_the_bars_that_were_given() -> None:
    hand = symbol()
    hand.set_bars(MINUTE, GIVEN)
    hand.tick(9.0, size=1, at=NOON - 1)
    hand.tick(8.0, size=1, at=NOON)
    assert rows(hand)[1:] == [
        BarRow(NOON - 60, 1.5, 9.0, 1.0, 9.0, 21.0, NOON),
        BarRow(NOON, 8.0, 8.0, 8.0, 8.0, 1.0, NOON + 60),
    ]


def test_later_bars_keep_the_alignment_of_those_that_were_given() -> None:
    hand = symbol()
    hand.set_bars(Interval(60, "m"), [[NOON + 1_800, 1, 1, 1, 1, 1]])
    hand.tick(2.0, size=1, at=NOON + 2 * 3_600)
    assert [(row.time, row.end) for row in rows(hand, Interval(60, "m"))] == [
        (NOON + 1_800, NOON + 5_400),
        (NOON + 5_400, NOON + 9_000),
    ]


def test_months_and_tick_bars_by_hand_follow_the_calendar() -> None:
    hand = symbol()
    hand.set_bars(Interval(1, "M"), [[MIDNIGHT - 14 * 86_400, 1, 1, 1, 1, 1]])
    hand.set_bars(Interval(2, "T"), [[NOON, 1, 1, 1, 1, 1]])
    assert rows(hand, Interval(1, "M"))[0].end == MIDNIGHT + 17 * 86_400
    assert rows(hand, Interval(2, "T"))[0].end == MIDNIGHT + 86_400


def test_bars_without_volume_stay_without() -> None:
    hand = symbol()
    hand.set_bars(MINUTE, [row[:5] for row in GIVEN])
    hand.tick(9.0, size=1, at=NOON)
    assert [row.volume for row in rows(hand)] == [None, None, None]


def test_bars_given_again_take_the_place_of_all_before() -> None:
    hand = symbol()
    hand.tick(9.0, size=1, at=NOON - 300)
    hand.set_bars(MINUTE, GIVEN)
    hand.set_bars(MINUTE, GIVEN[:1])
    assert [row.time for row in rows(hand)] == [NOON - 120]
    hand.set_bars(MINUTE, [])
    assert rows(hand) == []
    assert len(rows(hand, DAY)) == 1


@pytest.mark.parametrize(
    "bad",
    [
        [[NOON, 1, 1, 1]],
        [[NOON, 1, 1, 1, 1, 1, 1]],
        [[NOON, 1, 1, math.nan, 1, 1]],
        [[NOON, 1, 1, 1, 1, 1], [NOON, 1, 1, 1, 1, 1]],
        [[NOON, 1, 1, 1, 1, 1], [NOON - 60, 1, 1, 1, 1, 1]],
    ],
)
def test_bars_of_a_wrong_shape_or_order_are_refused(bad: list[list[float]]) -> None:
    hand = symbol()
    with pytest.raises(InvalidPlan, match=r"bar \[.*expected"):
        hand.set_bars(MINUTE, bad)
    assert rows(hand) == []


def test_a_closed_bar_is_followed_by_the_next_although_its_time_is_to_come() -> None:
    hand = symbol()
    hand.tick(1.0, size=1, at=NOON)
    hand.close_bar(MINUTE, NOON + 1)
    hand.tick(2.0, size=1, at=NOON + 2)
    series = hand.series(MINUTE, NOON + 2, 10, keep=10)
    assert [(row.time, row.close) for row in series.rows] == [(NOON, 1.0), (NOON + 60, 2.0)]
    assert [row.close for row in rows(hand, Interval(5, "m"))] == [2.0]


def test_what_comes_later_is_not_known_before() -> None:
    hand = symbol()
    hand.tick(1.0, size=1, at=NOON)
    hand.close_bar(MINUTE, NOON + 10)
    hand.tick(2.0, size=1, at=NOON + 20)
    assert [row.close for row in rows(hand, until=NOON + 5)] == [1.0]
    assert hand.series(MINUTE, NOON + 5, 10, keep=10).add(hand.ticks(NOON, NOON + 20)[0])[0].time == NOON


def test_a_series_goes_on_with_later_ticks() -> None:
    hand = symbol()
    hand.set_bars(MINUTE, GIVEN)
    series = hand.series(MINUTE, NOON, 2, keep=1)
    for number in range(200):
        series.add(hand.tick(number, size=1, at=NOON + 7 * number))
    assert series.index == 25
    assert series.rows[-3:] == rows(hand)[-3:]
    assert len(hand.series(MINUTE, NOON, 0, keep=5).rows) == 1


def test_the_forming_bar_is_none_when_its_time_is_over() -> None:
    hand = symbol()
    assert hand.bar_at(MINUTE, NOON) is None
    hand.tick(1.0, size=1, at=NOON)
    assert hand.bar_at(MINUTE, NOON + 59) == rows(hand)[0]
    assert hand.bar_at(MINUTE, NOON + 60) is None


def test_range_bars_count_in_the_symbols_own_steps() -> None:
    hand = symbol("NSE:INFY")
    for number, price in enumerate((100.0, 100.1, 100.15, 100.2)):
        hand.tick(price, size=1, at=NOON + number)
    assert [row.open for row in rows(hand, Interval(3, "R"))] == [100.0, 100.2]


def test_a_quote_is_that_of_the_last_tick_and_its_day() -> None:
    hand = symbol()
    hand.tick(100.0, size=1, at=NOON - 86_400)
    for seconds, price in ((0, 101.0), (1, 103.0), (2.5, 102.1)):
        hand.tick(price, size=2, at=NOON + seconds)
    quote = hand.quote(NOON + 5, None)
    assert {name: quote[name] for name in ("lp", "lp_time", "ch", "chp", "volume", "prev_close_price")} == {
        "lp": 102.1, "lp_time": NOON + 2, "ch": 2.1, "chp": 2.1, "volume": 6.0, "prev_close_price": 100.0,
    }  # fmt: skip
    assert (quote["open_price"], quote["high_price"], quote["low_price"]) == (101.0, 103.0, 101.0)
    assert (quote["bid"], quote["ask"]) == (102.1, 102.11)
    assert hand.quote(NOON + 1, ["lp"]) == {"lp": 103.0}


def test_a_quote_of_the_first_day_changes_since_its_open() -> None:
    hand = symbol()
    hand.tick(100.0, size=1, at=NOON)
    hand.tick(101.0, size=1, at=NOON)
    assert hand.quote(NOON, ["ch", "prev_close_price"]) == {"prev_close_price": 100.0, "ch": 1.0}


def test_a_quote_without_ticks_is_taken_from_daily_bars_or_else_from_the_newest_given() -> None:
    hand = symbol()
    assert "lp" not in hand.quote(NOON, None)
    hand.set_bars(MINUTE, GIVEN)
    assert hand.quote(NOON, ["lp", "lp_time"]) == {"lp_time": NOON - 60, "lp": 2.5}
    hand.set_bars(DAY, [[MIDNIGHT, 5, 5, 5, 5, 5]])
    assert hand.quote(NOON, ["lp", "lp_time"]) == {"lp_time": MIDNIGHT, "lp": 5.0}


def test_a_quote_follows_what_is_done_to_the_daily_bars() -> None:
    hand = symbol()
    hand.tick(100.0, size=1, at=NOON)
    hand.close_bar(DAY, NOON)
    hand.tick(101.0, size=1, at=NOON + 1)
    assert hand.quote(NOON + 1, ["open_price", "prev_close_price"]) == {"prev_close_price": 100.0, "open_price": 101.0}
    assert hand.quote(NOON, ["open_price", "prev_close_price"]) == {"prev_close_price": 100.0, "open_price": 100.0}
    hand.set_bars(DAY, [])
    assert "lp" not in hand.quote(NOON + 1, None)


def test_without_volume_a_tick_has_no_size() -> None:
    hand = symbol("TVC:DXY")
    tick = hand.tick(104.5, size=3, at=NOON)
    assert (tick.size, tick.day_volume) == (0.0, None)
    assert rows(hand)[0].volume is None


def test_its_repr_counts_its_ticks() -> None:
    hand = symbol()
    hand.tick(1, size=1, at=NOON)
    assert repr(hand) == "<HandSymbol NASDAQ:AAPL, 1 ticks>"
