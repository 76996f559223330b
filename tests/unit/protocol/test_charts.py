"""When a bar is closed, why, and how often that is said; what is held back after a loss, and how it is handed out."""

from __future__ import annotations

import pytest

from tvstreamer.constants import MOST_BARS_A_REQUEST, NO_VALUE
from tvstreamer.continuity import Hole
from tvstreamer.events import Bar, Event, Gap
from tvstreamer.protocol.charts import KEPT, OnGap, Series
from tvstreamer.protocol.packets import BarRow, BarValues

MINUTE = 60


def row(time: float, close: float = 1.0, volume: float | None = 5.0) -> BarValues:
    return BarValues(time, 1.0, 2.0, 0.5, close, volume)


def sent(*rows: BarValues) -> list[BarRow]:
    """Rows as the wire sends them; bars a minute apart have indexes one apart."""
    return [BarRow(int(values.time // MINUTE), values) for values in rows]


def live(*rows: BarValues, mode: str = "streaming", period: float = 0.0, seconds: int | None = MINUTE) -> Series:
    """A series whose first delivery is over."""
    series = Series("EX:SYM", "1", seconds)
    series.apply(sent(*rows), None, [])
    series.complete(mode, period)
    return series


def told(series: Series, *rows: BarValues, close_time: float | None = None) -> list[tuple[float, float, str | None, int]]:
    """Time, close, why it is closed, and revision of each bar that these rows give."""
    events: list[Event] = []
    series.apply(sent(*rows), close_time, events)
    return [(bar.time, bar.close, bar.closed_by, bar.revision) for bar in events if isinstance(bar, Bar)]


def closed_by_time(series: Series) -> list[tuple[float, float, str | None, int]]:
    events: list[Event] = []
    series.close_by_time(events)
    return [(bar.time, bar.close, bar.closed_by, bar.revision) for bar in events if isinstance(bar, Bar)]


def test_all_rows_of_a_snapshot_but_the_newest_are_closed() -> None:
    series = Series("EX:SYM", "1", MINUTE)
    assert told(series, row(120), row(0), row(60)) == [
        (0, 1.0, "successor", 0), (60, 1.0, "successor", 0), (120, 1.0, None, 0)
    ]  # fmt: skip
    assert series.loaded == 3


def test_a_snapshot_of_one_row_is_forming() -> None:
    assert told(Series("EX:SYM", "1", MINUTE), row(0)) == [(0, 1.0, None, 0)]


def test_a_later_bar_closes_the_forming_one_with_its_last_values() -> None:
    series = live(row(0))
    told(series, row(0, 1.5))
    assert told(series, row(60)) == [(0, 1.5, "successor", 0), (60, 1.0, None, 0)]


def test_an_update_that_holds_both_bars_closes_with_the_values_it_brings() -> None:
    assert told(live(row(0)), row(60), row(0, 1.7)) == [(0, 1.7, "successor", 0), (60, 1.0, None, 0)]


def test_an_identical_update_of_the_forming_bar_is_told_again() -> None:
    assert told(live(row(0)), row(0)) == [(0, 1.0, None, 0)]


def test_an_identical_row_of_a_closed_bar_tells_nothing() -> None:
    assert told(live(row(0), row(60)), row(0)) == []


def test_corrections_of_a_closed_bar_are_counted() -> None:
    series = live(row(0), row(60))
    assert told(series, row(0, 1.1)) == [(0, 1.1, "successor", 1)]
    assert told(series, row(0, 1.2)) == [(0, 1.2, "successor", 2)]
    assert told(series, row(0, 1.2)) == []


def test_a_correction_keeps_the_reason_for_which_the_bar_was_closed() -> None:
    series = live(row(0))
    assert closed_by_time(series) == [(0, 1.0, "time", 0)]
    assert told(series, row(0, 1.3)) == [(0, 1.3, "time", 1)]


def test_a_bar_closed_by_time_is_not_closed_again_by_its_successor() -> None:
    series = live(row(0))
    closed_by_time(series)
    assert told(series, row(60)) == [(60, 1.0, None, 0)]


def test_bars_older_than_those_known_are_closed_at_once() -> None:
    assert told(live(row(120), row(180)), row(60), row(0)) == [(0, 1.0, "successor", 0), (60, 1.0, "successor", 0)]


def test_an_older_single_bar_leaves_the_forming_one_alone() -> None:
    series = live(row(60))
    assert told(series, row(0)) == [(0, 1.0, "successor", 0)]
    assert series.forming == row(60)


def test_no_rows_say_nothing() -> None:
    series = live(row(0))
    assert series.apply([], None, []) is False


def test_the_snapshot_after_a_reconnect_closes_nothing_twice() -> None:
    series = live(row(0), row(60))
    series.restart("disconnected")
    assert series.loaded == 0
    assert told(series, row(0), row(60, 1.4), row(120)) == [], "held back until the delivery is complete"
    assert series.loaded == 3
    events: list[Event] = []
    assert series.release("fill", events) is None, "no bar was missed"
    assert [(bar.time, bar.close, bar.closed_by, bar.revision) for bar in events if isinstance(bar, Bar)] == [
        (60, 1.4, None, 0), (60, 1.4, "successor", 0), (120, 1.0, None, 0)
    ]  # fmt: skip


def test_after_clearing_everything_is_told_from_the_start() -> None:
    series = live(row(0), row(60))
    series.clear()
    assert series.due() is None
    assert told(series, row(0), row(60)) == [(0, 1.0, "successor", 0), (60, 1.0, None, 0)]


@pytest.mark.parametrize(
    ("mode", "period", "close_time", "due"),
    [
        ("streaming", 0.0, None, 62.0),
        ("streaming", 0.0, 60.0, 62.0),
        ("streaming", 0.0, 90, 92.0),
        ("streaming", 3.0, 60.0, 65.0),
        ("endofday", 0.0, 60.0, 62.0),
        ("delayed_streaming_900", 0.0, 60.0, 962.0),
        ("delayed_streaming_900", 3.0, None, 965.0),
        ("delayed_streaming_10", 0.0, 200.0, 202.0),
    ],
)
def test_a_bar_is_due_after_its_end_and_the_grace(
    mode: str, period: float, close_time: float | None, due: float
) -> None:
    series = Series("EX:SYM", "1", MINUTE)
    series.apply(sent(row(0)), close_time, [])
    assert series.due() is None, "not before the first delivery is complete"
    series.complete(mode, period)
    assert series.due() == due


def test_a_bar_of_unknown_length_is_due_only_by_the_servers_word() -> None:
    series = live(row(0), seconds=None)
    assert series.due() is None
    assert series.apply(sent(row(0)), 77.0, []) is True
    assert series.due() == 79.0


def test_an_update_says_whether_the_end_of_the_bar_moved() -> None:
    series = live(row(0))
    assert [series.update(*sent(row(0)), end, []) for end in (None, 60.0, 61.0, 61.0)] == [False, False, True, False]


def test_the_volume_that_means_none_is_none() -> None:
    events: list[Event] = []
    Series("EX:SYM", "1", MINUTE).apply(sent(row(0, volume=NO_VALUE)), None, events)
    assert [event.volume for event in events if isinstance(event, Bar)] == [None]


def test_a_bar_that_was_jumped_over_is_waited_for_and_told_in_order() -> None:
    series = live(row(0))
    assert told(series, row(120)) == []
    assert series.held
    assert told(series, row(180)) == []
    assert told(series, row(60)) == [
        (0, 1.0, "successor", 0), (60, 1.0, "successor", 0), (120, 1.0, "successor", 0), (180, 1.0, None, 0)
    ]  # fmt: skip
    assert not series.held
    assert series.track.verify()


def test_every_bar_that_was_jumped_over_is_waited_for() -> None:
    series = live(row(0))
    told(series, row(180))
    assert told(series, row(60)) == []
    assert told(series, row(180, 1.2)) == [], "more of the same bar completes nothing"
    assert [time for time, *_ in told(series, row(120))] == [0, 60, 120, 180]


def test_an_update_that_brings_the_bars_between_misses_none() -> None:
    assert [time for time, *_ in told(live(row(0)), row(120), row(60))] == [0, 60, 120]


def test_minutes_without_a_trade_are_no_bars_that_were_missed() -> None:
    series = live(row(0))
    events: list[Event] = []
    series.apply([BarRow(1, row(600))], None, events)
    assert [event.time for event in events if isinstance(event, Bar)] == [0, 600]


def test_a_snapshot_may_come_in_parts_with_any_indexes() -> None:
    series = Series("EX:SYM", "1", MINUTE)
    assert [time for time, *_ in told(series, row(0))] == [0]
    assert [time for time, *_ in told(series, row(600))] == [0, 600]


def test_an_older_row_leaves_the_index_alone() -> None:
    series = live(row(0), row(60))
    series.apply([BarRow(-7, row(0, 1.5))], None, [])
    assert [time for time, *_ in told(series, row(120))] == [60, 120]


def test_the_end_of_a_late_bar_is_not_that_of_the_newest() -> None:
    series = live(row(0))
    told(series, row(120), close_time=180.0)
    told(series, row(60), close_time=120.0)
    assert series.due() == 182.0


def test_the_end_of_the_newest_bar_is_known_from_the_last_word_on_it() -> None:
    series = live(row(0))
    told(series, row(120), close_time=180.0)
    told(series, row(120), close_time=190.0)
    told(series, row(120))
    release(series)
    assert series.due() == 192.0


def test_an_end_before_the_bar_begins_is_none() -> None:
    series = live(row(0))
    told(series, row(60), close_time=60.0)
    assert series.due() == 122.0


def test_a_jump_over_more_bars_than_can_be_asked_for_is_waited_out() -> None:
    series = live(row(0))
    series.apply([BarRow(10**15, row(600))], None, [])
    assert told(series, row(60)) == []
    assert series.held


# --- after a loss -----------------------------------------------------------------------------------------------------


def lost(*rows: BarValues, reason: str = "disconnected", seconds: int | None = MINUTE) -> Series:
    """A live series whose connection was lost."""
    series = live(*rows, seconds=seconds)
    series.restart(reason)
    return series


def release(series: Series, on_gap: OnGap = "fill") -> list[object]:
    """The gaps, and of the bars time, close, why they are closed, and revision."""
    events: list[Event] = []
    gap = series.release(on_gap, events)
    gaps = [event for event in events if isinstance(event, Gap)]
    assert gap == (gaps[-1] if gaps else None)
    return [
        (event.time, event.close, event.closed_by, event.revision) if isinstance(event, Bar) else event for event in events
    ]


def gap(start: float, end: float, filled: int | None, expected: int | None, reason: str = "disconnected") -> Gap:
    return Gap("EX:SYM", "1", start, end, reason, filled, expected)


def test_a_series_that_never_delivered_misses_nothing_on_the_next_connection() -> None:
    series = Series("EX:SYM", "1", MINUTE)
    series.restart("disconnected")
    assert not series.held
    assert series.bars_missed(1e9) == 0


def test_what_was_missed_is_told_before_the_bars_that_fill_it() -> None:
    series = lost(row(0), row(60))
    told(series, row(0), row(60, 1.5), row(120), row(180), row(240))
    assert release(series) == [
        (60, 1.5, None, 0), (60, 1.5, "successor", 0),
        gap(120, 240, 2, 2),
        (120, 1.0, "successor", 0), (180, 1.0, "successor", 0), (240, 1.0, None, 0),
    ]  # fmt: skip
    assert series.track.verify()
    assert not series.held
    assert release(series) == [], "and only once"


def test_what_was_missed_may_only_be_told() -> None:
    series = lost(row(0), row(60))
    told(series, row(60), row(120), row(180), row(240))
    assert release(series, "yield") == [
        (60, 1.0, None, 0), (60, 1.0, "successor", 0), gap(120, 240, 0, 2), (240, 1.0, None, 0)
    ]  # fmt: skip
    assert series.track.verify().holes == (Hole("EX:SYM", "1", 120, 240, 2, True),)


def test_the_bar_after_the_last_one_known_leaves_no_gap() -> None:
    series = lost(row(0))
    told(series, row(0), row(60))
    assert release(series) == [(0, 1.0, None, 0), (0, 1.0, "successor", 0), (60, 1.0, None, 0)]


def test_the_last_bar_known_may_have_been_closed_by_the_clock() -> None:
    series = live(row(0))
    closed_by_time(series)
    series.restart("disconnected")
    told(series, row(0), row(60))
    assert release(series) == [(60, 1.0, None, 0)]


def test_the_forming_bar_is_closed_even_if_the_server_shows_it_no_more() -> None:
    series = lost(row(0), row(60))
    told(series, row(0), row(120))
    assert release(series) == [(60, 1.0, "successor", 0), (120, 1.0, None, 0)]


def test_corrections_made_meanwhile_are_revisions() -> None:
    series = lost(row(0), row(60), row(120))
    told(series, row(0), row(60, 1.7), row(120, 1.2))
    assert release(series) == [(60, 1.7, "successor", 1), (120, 1.2, None, 0)]
    assert told(series, row(60, 1.8)) == [(60, 1.8, "successor", 2)]


def test_bars_from_before_the_first_one_delivered_stay_out() -> None:
    series = lost(row(120), row(180))
    told(series, row(0), row(60), row(120), row(180))
    assert release(series) == [(180, 1.0, None, 0)]


def test_they_stay_out_too_when_the_delivery_comes_once_more() -> None:
    series = lost(row(120), row(180))
    told(series, row(0), row(60), row(120), row(180))
    release(series)
    assert told(series, row(0), row(60), row(120), row(180)) == [(180, 1.0, None, 0)]
    assert series.track.verify()


def test_a_server_that_does_not_go_back_far_enough_leaves_a_gap_of_unknown_size() -> None:
    series = lost(row(0), row(60))
    told(series, row(600), row(660), row(720))
    assert release(series) == [
        gap(60, 600, None, None),
        gap(600, 720, 2, 2),
        (600, 1.0, "successor", 0), (660, 1.0, "successor", 0), (720, 1.0, None, 0),
    ]  # fmt: skip
    assert series.track.verify().holes == (
        Hole("EX:SYM", "1", 60, 600, 1, True), Hole("EX:SYM", "1", 120, 600, None, True)
    )  # fmt: skip


def test_a_gap_of_unknown_size_begins_with_the_last_bar_even_where_the_clock_has_closed_it() -> None:
    series = live(row(0))
    closed_by_time(series)
    series.restart("stalled")
    told(series, row(600))
    assert release(series) == [gap(0, 600, None, None, "stalled"), (600, 1.0, None, 0)]


def test_where_no_bar_fits_in_the_last_one_is_still_not_known_to_its_end() -> None:
    series = live(row(0))
    closed_by_time(series)
    series.restart("disconnected")
    told(series, row(60), row(120))
    assert release(series) == [
        gap(0, 60, None, None), gap(60, 120, 1, 1), (60, 1.0, "successor", 0), (120, 1.0, None, 0)
    ]  # fmt: skip
    assert series.track.verify(), "no bar is missing"


def test_bars_from_within_a_gap_that_was_told_stay_out() -> None:
    series = lost(row(0))
    told(series, row(600))
    release(series)
    series.restart("disconnected")
    told(series, row(0, 1.5), row(60), row(600), row(660))
    assert release(series) == [(600, 1.0, None, 0), (600, 1.0, "successor", 0), (660, 1.0, None, 0)]


def test_they_stay_out_too_when_they_come_by_themselves() -> None:
    series = lost(row(0))
    told(series, row(600))
    release(series)
    assert told(series, row(60)) == []
    assert told(series, row(0)) == []
    assert told(series, row(600, 1.5)) == [(600, 1.5, None, 0)]


def test_a_delivery_that_shows_nothing_of_use_is_no_proof_that_nothing_was_missed() -> None:
    series = lost(row(60))
    told(series, row(0))
    assert release(series) == []
    assert series.held
    told(series, row(600))
    assert release(series) == [gap(60, 600, None, None), (600, 1.0, None, 0)]


def test_what_was_held_on_a_lost_connection_is_not_mixed_with_what_the_next_one_shows() -> None:
    series = lost(row(0))
    told(series, row(300))
    series.restart("stalled")
    told(series, row(900))
    assert release(series) == [gap(0, 900, None, None), (900, 1.0, None, 0)], "and the first reason stands"


def test_a_delivery_that_was_waited_for_in_vain_is_over() -> None:
    series = lost(row(0))
    told(series, row(60))
    assert release(series) == [gap(0, 60, None, None), (60, 1.0, None, 0)]
    assert series.due() is None, "how late its bars may be is not known"
    assert told(series, row(180)) == []
    assert series.held, "a bar that never came is noticed all the same"


def test_bars_asked_for_fill_the_gap_and_what_came_by_itself_is_the_newer_word() -> None:
    series = live(row(0))
    told(series, row(120, 1.6))
    series.hold([row(0), row(60), row(120)])
    assert release(series) == [
        (0, 1.0, None, 0), (0, 1.0, "successor", 0),
        gap(60, 120, 1, 1, "missing"),
        (60, 1.0, "successor", 0), (120, 1.6, None, 0),
    ]  # fmt: skip


def test_bars_that_come_when_the_gap_is_closed_already_are_of_no_use() -> None:
    series = live(row(0))
    series.hold([row(60)])
    assert release(series) == []
    assert not series.held


def test_updates_are_held_back_too_and_no_bar_is_closed_by_the_clock_meanwhile() -> None:
    series = lost(row(0))
    series.complete("streaming", 0.0)
    events: list[Event] = []
    assert series.update(*sent(row(0, 1.5)), 60.0, events) is True
    assert events == []
    assert series.due() is None
    assert release(series) == [(0, 1.5, None, 0)]
    assert series.due() == 62.0


@pytest.mark.parametrize(
    ("now", "bars"), [(60.0, 2), (119.0, 3), (120.0, 3), (121.0, 4), (6060.0, 102), (-1000.0, 2), (None, 0)]
)
def test_how_many_bars_were_missed_at_the_most_is_a_matter_of_time(now: float | None, bars: int) -> None:
    assert lost(row(0), row(60)).bars_missed(now) == bars


def test_how_many_bars_were_missed_cannot_be_said_without_their_length() -> None:
    assert lost(row(0), seconds=None).bars_missed(1000.0) == 0


def test_older_bars_are_needed_until_the_last_one_known_is_reached() -> None:
    series = lost(row(0), row(60))
    told(series, row(600))
    assert series.more_needed() == 10
    told(series, row(300))
    assert series.more_needed() == 5
    told(series, row(60))
    assert series.more_needed() == 0


def test_a_page_that_brings_nothing_older_is_the_last() -> None:
    series = lost(row(0))
    assert series.more_needed() == 0, "nothing was shown at all"
    told(series, row(600))
    assert series.more_needed() == 11
    assert series.more_needed() == 0


@pytest.mark.parametrize(("seconds", "newest"), [(MINUTE, 10.0**9), (None, 600.0)])
def test_no_page_is_longer_than_a_request_may_be(seconds: int | None, newest: float) -> None:
    series = lost(row(0), seconds=seconds)
    told(series, row(newest))
    assert series.more_needed() == MOST_BARS_A_REQUEST


def test_a_series_that_does_not_come_back_leaves_a_gap_up_to_now() -> None:
    series = lost(row(0), row(60))
    told(series, row(120))
    events: list[Event] = []
    assert series.give_up(500.0, events) == gap(60, 500, None, None)
    assert events == [gap(60, 500, None, None)]
    assert not series.held


def test_a_series_that_does_not_come_back_before_it_could_miss_a_bar_leaves_its_last_one_unknown() -> None:
    series = live(row(0))
    closed_by_time(series)
    series.restart("disconnected")
    events: list[Event] = []
    assert series.give_up(60.0, events) == gap(0, 60, None, None)
    assert series.track.verify()


def test_a_series_that_begins_again_keeps_what_it_has_closed() -> None:
    series = Series("EX:SYM", "1", MINUTE)
    told(series, row(60))
    series.begin_again()
    assert told(series, row(0), row(60)) == [(0, 1.0, "successor", 0), (60, 1.0, None, 0)], "nothing was told for good"
    series.begin_again()
    assert series.held
    assert told(series, row(60), row(120)) == []
    series.begin_again()
    assert (series.held, series.reason) == (True, "missing")


def test_a_series_shows_its_state() -> None:
    series = Series("EX:SYM", "1", MINUTE)
    assert "loading" in repr(series)
    series.apply(sent(row(0)), None, [])
    series.complete("streaming", 0)
    assert "live" in repr(series)
    series.restart("disconnected")
    assert "holding back: disconnected" in repr(series)


def test_memory_does_not_grow_with_a_stream_and_what_is_forgotten_is_revised_not_closed_again() -> None:
    count = KEPT + 100
    series = live(*[row(MINUTE * number) for number in range(count + 1)])
    assert len(series._closed) == KEPT
    assert told(series, row(0, 7.0)) == [(0, 7.0, "successor", 1)]
    assert told(series, row(MINUTE * count - MINUTE, 7.0)) == [(MINUTE * count - MINUTE, 7.0, "successor", 1)]
    series.restart("disconnected")
    events: list[Event] = []
    series.apply(sent(*[row(MINUTE * number) for number in range(50, count + 2)]), None, events)
    series.complete("streaming", 0.0)
    series.release("fill", events)
    closed = [bar.time for bar in events if isinstance(bar, Bar) and bar.closed and not bar.revision]
    assert closed == [MINUTE * count]
