"""A series of bars, fed tick by tick and in larger pieces."""

from __future__ import annotations

import pytest

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, Grid, MarketTick, Series

GRID = Grid(1, 100, 10, True)


def minutes(time: float) -> tuple[float, float]:
    start = int(time) // 60 * 60
    return start, start + 60


def session(time: float) -> tuple[float, float]:
    start = int(time) // 1_000 * 1_000
    return start, start + 1_000


def tick(time: float, units: int, lots: int = 1) -> MarketTick:
    return MarketTick(time=time, price=units / 100, size=lots / 10, day_volume=None, units=units, lots=lots)


def series(interval: str = "1", **options: int) -> Series:
    parsed = Interval.parse(interval)
    return Series(parsed, session if parsed.seconds is None else minutes, GRID, **options)


def test_ticks_of_one_minute_make_one_bar() -> None:
    bars = series()
    for time, units in ((60.5, 110), (70.0, 130), (80.0, 90), (119.999, 105)):
        bars.add(tick(time, units, 2))
    assert bars.rows == [BarRow(60, 1.1, 1.3, 0.9, 1.05, 0.8, 120)]
    assert bars.count == 4


def test_add_returns_the_newest_bar_and_index_tells_whether_it_is_a_new_one() -> None:
    bars = series()
    assert (bars.index, bars.current, bars.rows) == (-1, None, [])
    assert bars.add(tick(60.5, 110)) == [BarRow(60, 1.1, 1.1, 1.1, 1.1, 0.1, 120)]
    assert bars.index == 0
    bars.add(tick(61, 120))
    assert bars.index == 0
    assert bars.add(tick(120, 100)) == [BarRow(120, 1.0, 1.0, 1.0, 1.0, 0.1, 180)] == [bars.current]
    assert bars.index == 1


def test_a_minute_without_ticks_has_no_bar() -> None:
    bars = series()
    bars.add(tick(60, 100))
    bars.add(tick(300, 100))
    assert [row.time for row in bars.rows] == [60, 300]


def test_without_volume_the_row_says_so() -> None:
    bars = Series(Interval.parse("1"), minutes, Grid(1, 100, 1, False))
    assert bars.add(tick(60, 100))[0].volume is None


def test_tick_bars_are_named_after_their_first_tick_and_end_with_the_session() -> None:
    bars = series("2T")
    for time in (1.5, 2.5, 3.25):
        bars.add(tick(time, 100))
    assert [(row.time, row.end, row.volume) for row in bars.rows] == [(1.5, 1000, 0.2), (3.25, 1000, 0.1)]


def test_tick_bars_begin_anew_with_each_session() -> None:
    bars = series("5T")
    for time in (999.0, 999.5, 1000.0):
        bars.add(tick(time, 100))
    assert [(row.time, row.end) for row in bars.rows] == [(999.0, 1000), (1000.0, 2000)]


def test_a_range_bar_takes_ticks_until_one_would_exceed_its_range() -> None:
    bars = series("5R")
    for time, units in ((1.0, 100), (2.0, 103), (3.0, 98), (4.0, 97), (5.0, 102)):
        bars.add(tick(time, units))
    assert [(row.time, row.low, row.high) for row in bars.rows] == [(1.0, 0.98, 1.03), (4.0, 0.97, 1.02)]


def test_two_tick_bars_never_share_their_time() -> None:
    bars = series("1T")
    bars.add(tick(5.0, 100))
    bars.add(tick(5.0, 101))
    assert [row.time for row in bars.rows] == [5.0, 5.001]


@pytest.mark.parametrize("interval", ["1", "5T", "5R"])
def test_a_stretch_that_fits_counts_as_all_of_its_ticks(interval: str) -> None:
    bars = series(interval)
    bars.add(tick(60, 100))
    assert bars.take(65, 120, 4, 101, 104, 100, 102, 40)
    assert bars.rows == [BarRow(60, 1.0, 1.04, 1.0, 1.02, 4.1, bars.rows[0].end)]
    assert bars.count == 5


def test_a_stretch_may_open_a_bar_of_time_but_none_that_needs_its_first_tick() -> None:
    assert series("1").take(60, 120, 4, 101, 104, 100, 102, 40)
    assert not series("5T").take(60, 120, 4, 101, 104, 100, 102, 40)
    assert not series("5R").take(60, 120, 4, 101, 104, 100, 102, 40)


def test_a_stretch_over_the_edge_of_a_bar_is_refused_and_changes_nothing() -> None:
    bars = series()
    assert not bars.take(60, 180, 4, 101, 104, 100, 102, 40)
    bars.add(tick(60, 100))
    before = bars.rows
    assert not bars.take(65, 180, 4, 101, 104, 100, 102, 40)
    assert bars.rows == before


def test_a_closed_bar_is_followed_by_the_next_however_early() -> None:
    bars = series()
    bars.add(tick(60, 100))
    bars.close_bar()
    bars.add(tick(61, 101))
    bars.add(tick(62, 102))
    assert [(row.time, row.close) for row in bars.rows] == [(60, 1.0), (120, 1.02)]


def test_a_closed_bar_whose_time_is_over_changes_nothing() -> None:
    bars = series()
    bars.add(tick(60, 100))
    bars.close_bar()
    bars.add(tick(200, 101))
    assert [row.time for row in bars.rows] == [60, 180]


def test_closing_before_there_is_a_bar_does_nothing() -> None:
    bars = series()
    bars.close_bar()
    bars.add(tick(60, 100))
    bars.add(tick(61, 100))
    assert [row.time for row in bars.rows] == [60]


def test_resume_goes_on_from_the_last_row() -> None:
    bars = Series(Interval.parse("1"), minutes, Grid(1, 1, 10, True))
    old = [BarRow(0, 5.0, 5.0, 5.0, 5.0, 1.0, 60), BarRow(60, 7.0, 8.0, 6.0, 7.5, 2.0, 120)]
    bars.resume(old)
    assert bars.rows == old
    bars.add(tick(70, 9, 5))
    assert bars.rows == [old[0], BarRow(60, 7.0, 9.0, 6.0, 9.0, 2.5, 120)]


def test_resume_of_rows_without_volume_begins_to_count_at_none() -> None:
    bars = Series(Interval.parse("1"), minutes, Grid(1, 1, 10, True))
    bars.resume([BarRow(60, 7.0, 8.0, 6.0, 7.5, None, 120)])
    bars.add(tick(70, 9, 5))
    assert bars.rows[-1].volume == 0.5


def test_precede_and_trim_settle_what_the_first_row_is() -> None:
    bars = series()
    bars.add(tick(180, 100))
    bars.precede([BarRow(60, 1, 1, 1, 1, 1, 120), BarRow(120, 1, 1, 1, 1, 1, 180)])
    assert [row.time for row in bars.rows] == [60, 120, 180]
    bars.trim(2)
    assert [row.time for row in bars.rows] == [120, 180]
    assert bars.index == 1
    bars.trim(5)
    assert len(bars.rows) == 2


def test_a_long_run_forgets_the_oldest_rows_and_still_knows_the_index() -> None:
    bars = series(keep=10)
    for number in range(1_000):
        bars.add(tick(60 * number, 100 + number))
        assert bars.index == number
        assert len(bars.rows) <= 21
    assert len(bars.rows) >= 10
    assert bars.rows[-1].time == 60 * 999


def test_its_repr_tells_how_far_it_is() -> None:
    bars = series()
    assert repr(bars) == "<Series 1 of 0 bars, newest None>"
