"""When a bar is closed, why, and how often that is said."""

from __future__ import annotations

import pytest

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import Bar, Event
from tvstreamer.protocol.charts import Series, history_bars
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


def test_history_has_each_time_once_and_in_order() -> None:
    rows = [row(120), row(0), row(60), row(0, 1.9)]
    bars = history_bars("EX:SYM", "1", rows, newest_is_closed=False)
    assert [(bar.time, bar.close, bar.closed_by) for bar in bars] == [
        (0, 1.9, "successor"), (60, 1.0, "successor"), (120, 1.0, None)
    ]  # fmt: skip
    assert history_bars("EX:SYM", "1", rows, newest_is_closed=True)[-1].closed_by == "time"
    assert history_bars("EX:SYM", "1", [], newest_is_closed=True) == []


def test_a_series_shows_its_state() -> None:
    series = Series("EX:SYM", "1", MINUTE)
    assert "loading" in repr(series)
    series.complete("streaming", 0)
    assert "live" in repr(series)
