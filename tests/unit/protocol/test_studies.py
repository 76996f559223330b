"""Points of studies become events in order of time, each bar's last one exactly once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import Event, StudyFailed, StudyUpdate
from tvstreamer.protocol.charts import OnGap, Series
from tvstreamer.protocol.packets import BarRow, BarValues, CreateStudy, ModifyStudy, StudyErrorReply, StudyRow
from tvstreamer.protocol.studies import Studies


def series(symbol: str = "EX:SYM") -> Series:
    return Series(symbol, "1", 60)


def created(*parents: Series, inputs: dict[str, Any] | None = None) -> Studies:
    """A Bollinger study `st1`, `st2`, ... of each of these."""
    studies = Studies()
    for number, parent in enumerate(parents, 1):
        ask(studies, f"st{number}", parent, inputs=inputs)
    return studies


def ask(studies: Studies, name: str, parent: Series | None, *, of: str = "s1", kind: str = "BB@tv-basicstudies-1", inputs: dict[str, Any] | None = None) -> None:
    studies.create(CreateStudy.Params("cs", name, name, of, kind, inputs or {}), parent)


def row(time: Any, *values: Any, i: int = 0) -> StudyRow:
    return StudyRow(i, [time, *values])


def take(studies: Studies, *rows: StudyRow, name: str = "st1") -> list[tuple[float, list[float | None], bool]]:
    events: list[Event] = []
    studies.take("cs", name, rows, events)
    return told(events)


def told(events: list[Event]) -> list[tuple[float, list[float | None], bool]]:
    assert all(isinstance(each, StudyUpdate) for each in events)
    return [(each.time, list(each.values.values()), each.closed) for each in events if isinstance(each, StudyUpdate)]


def loaded() -> Series:
    """A series that has delivered a bar, and holds back since its connection was lost."""
    parent = series()
    parent.apply([BarRow(0, BarValues(60.0, 1, 1, 1, 1))], None, [])
    parent.complete("streaming", 0.0)
    parent.restart("disconnected")
    assert parent.held
    return parent


def let_go(parent: Series, on_gap: OnGap = "fill") -> None:
    parent.apply([BarRow(0, BarValues(60.0, 1, 1, 1, 1)), BarRow(1, BarValues(120.0, 1, 1, 1, 1))], None, [])
    parent.release(on_gap, [])
    assert not parent.held


def test_an_update_names_the_study_and_its_plots() -> None:
    events: list[Event] = []
    created(series(), inputs={"in_0": 5}).take("cs", "st1", [row(60.0, 1.5, 2.0, NO_VALUE)], events)
    assert events == [StudyUpdate("EX:SYM", "1", "BB:5,2", 60.0, {"basis": 1.5, "upper": 2.0, "lower": None}, False)]


@pytest.mark.parametrize(
    ("kind", "values", "named"),
    [
        ("RSI@tv-basicstudies-1", [50.0], {"rsi": 50.0}),
        ("RSI@tv-basicstudies-1", [], {}),
        ("RSI@tv-basicstudies-1", [50.0, 49.0], {"rsi": 50.0, "plot_1": 49.0}),
        ("ADX@tv-basicstudies-1", [1.0, 2], {"plot_0": 1.0, "plot_1": 2.0}),
        ("ADX@tv-basicstudies-1", [None, "x", [1]], {"plot_0": None, "plot_1": None, "plot_2": None}),
    ],
)
def test_values_without_a_name_are_numbered_and_odd_ones_are_none(kind: str, values: list[Any], named: dict[str, Any]) -> None:
    studies = Studies()
    ask(studies, "st1", series(), kind=kind)
    events: list[Event] = []
    studies.take("cs", "st1", [row(60.0, *values)], events)
    assert [each.values for each in events if isinstance(each, StudyUpdate)] == [named]


def test_a_bar_is_closed_by_the_point_of_a_later_one() -> None:
    studies = created(series())
    assert take(studies, row(60.0, 1.0), row(0.0, 0.0), row(120.0, 2.0)) == [(0.0, [0.0], True), (60.0, [1.0], True), (120.0, [2.0], False)]
    assert take(studies, row(120.0, 3.0)) == [(120.0, [3.0], False)]
    assert take(studies, row(120.0, 3.0)) == [(120.0, [3.0], False)]
    assert take(studies, row(180.0, 5.0), row(120.0, 4.0)) == [(120.0, [4.0], True), (180.0, [5.0], False)]
    assert take(studies, row(240.0, 6.0)) == [(180.0, [5.0], True), (240.0, [6.0], False)]
    assert take(studies, row(60.0, 9.0), row(180.0, 9.0)) == []


def test_the_clock_closes_a_point_with_its_bar() -> None:
    parent = series()
    studies = created(parent, series())
    take(studies, row(60.0, 1.0))
    take(studies, row(60.0, 1.0), name="st2")
    events: list[Event] = []
    studies.close(parent, events)
    studies.close(parent, events)
    assert told(events) == [(60.0, [1.0], True)]
    assert take(studies, row(60.0, 2.0)) == []
    assert take(studies, row(120.0, 3.0)) == [(120.0, [3.0], False)]


def test_a_point_of_a_bar_that_the_clock_closed_already_is_final_at_once() -> None:
    parent = series()
    studies = created(parent)
    parent.apply([BarRow(0, BarValues(60.0, 1, 1, 1, 1))], None, [])
    parent.complete("streaming", 0.0)
    assert take(studies, row(60.0, 1.0)) == [(60.0, [1.0], False)]
    parent.close_by_time([])
    assert take(studies, row(60.0, 2.0)) == [(60.0, [2.0], True)]
    assert take(studies, row(60.0, 3.0)) == []


@given(st.lists(st.lists(st.integers(0, 20), max_size=6), max_size=8))
def test_each_bar_is_closed_once_and_in_order_whatever_comes(messages: list[list[int]]) -> None:
    studies = created(series())
    events = [event for times in messages for event in take(studies, *(row(float(time), float(time)) for time in times))]
    closed = [time for time, _, is_closed in events if is_closed]
    assert closed == sorted(set(closed))
    assert [time for time, _, _ in events] == sorted(time for time, _, _ in events)
    newest = max((time for times in messages for time in times), default=None)
    assert not events or (events[-1][0] == newest and newest not in closed)


def test_points_before_the_first_bar_and_points_without_a_time_are_left_out() -> None:
    studies = created(series())
    rows = [row(0.0, 1.0, i=-1_000_001), row(60.0, 2.0, i=-300), StudyRow(0, []), row(None, 1.0), row("x")]
    assert take(studies, *rows) == [(60.0, [2.0], False)]


def test_what_nobody_asked_for_is_nothing_to_us() -> None:
    studies = created(series())
    assert take(studies, row(60.0, 1.0), name="st9") == []
    ask(studies, "st9", None)
    assert take(studies, row(60.0, 1.0), name="st9") == []
    studies.take("cs", "st1", None, [])
    assert repr(studies) == "<Studies: BB:20,2>"
    assert repr(Studies()) == "<Studies: none>"


def test_a_study_of_a_study_is_one_of_its_series() -> None:
    parent = series()
    studies = created(parent)
    ask(studies, "st2", None, of="st1")
    assert take(studies, row(60.0, 1.0), name="st2") == [(60.0, [1.0], False)]


def test_other_inputs_begin_anew() -> None:
    studies = created(series())
    take(studies, row(60.0, 1.0))
    studies.modify(ModifyStudy.Params("cs", "st1", "st1", {"in_0": 3}))
    studies.modify(ModifyStudy.Params("cs", "st9", "st1", {"in_0": 3}))
    events: list[Event] = []
    studies.take("cs", "st1", [row(0.0, 1.0)], events)
    assert events == [StudyUpdate("EX:SYM", "1", "BB:3,2", 0.0, {"basis": 1.0}, False)]


def test_a_series_that_begins_anew_takes_its_studies_along() -> None:
    first, other, second = series(), series(), series("EX:OTHER")
    studies = created(first, other)
    take(studies, row(60.0, 1.0))
    take(studies, row(60.0, 1.0), name="st2")
    studies.move(first, second)
    events: list[Event] = []
    studies.take("cs", "st1", [row(0.0, 1.0)], events)
    assert events == [StudyUpdate("EX:OTHER", "1", "BB:20,2", 0.0, {"basis": 1.0}, False)]
    assert take(studies, row(0.0, 1.0), name="st2") == []


def test_what_is_gone_is_not_told_any_more() -> None:
    first, other = series(), series()
    studies = created(first, other, other)
    studies.end(first)
    studies.remove("cs", "st2")
    studies.remove("cs", "st9")
    assert take(studies, row(60.0, 1.0)) == take(studies, row(60.0, 1.0), name="st2") == []
    assert take(studies, row(60.0, 1.0), name="st3") == [(60.0, [1.0], False)]


def test_after_a_lost_connection_a_study_goes_on_where_it_was() -> None:
    parent = series()
    studies = created(parent)
    ask(studies, "st2", parent, kind="RSI@tv-basicstudies-1")
    take(studies, row(60.0, 1.0), row(120.0, 2.0))
    studies.lost()
    assert take(studies, row(120.0, 2.0)) == []
    ask(studies, "st8", parent, kind="RSI@tv-basicstudies-1")
    ask(studies, "st9", parent)
    assert take(studies, row(0.0, 7.0), row(60.0, 7.0), row(120.0, 3.0), row(180.0, 4.0), name="st9") == [
        (120.0, [3.0], True), (180.0, [4.0], False),
    ]  # fmt: skip
    # One more of the same is another one, which begins at its beginning.
    ask(studies, "st10", parent)
    assert take(studies, row(0.0, 7.0), name="st10") == [(0.0, [7.0], False)]


def test_values_wait_as_long_as_the_bars_do() -> None:
    parent = loaded()
    studies = created(parent)
    assert take(studies, row(60.0, 1.0), row(120.0, 2.0)) == []
    events: list[Event] = []
    studies.release(parent, "fill", events)
    assert events == []
    let_go(parent)
    studies.release(series(), "fill", events)
    assert events == []
    studies.release(parent, "fill", events)
    assert told(events) == [(60.0, [1.0], True), (120.0, [2.0], False)]
    studies.release(parent, "fill", events)
    assert len(events) == 2


def test_of_what_was_missed_and_is_not_filled_in_only_the_newest_is_told() -> None:
    parent = loaded()
    studies = created(parent)
    take(studies, row(60.0, 1.0), row(120.0, 2.0))
    let_go(parent, "yield")
    events: list[Event] = []
    studies.release(parent, "yield", events)
    assert told(events) == [(120.0, [2.0], False)]


def test_what_waits_comes_with_the_next_point_at_the_latest() -> None:
    parent = loaded()
    studies = created(parent)
    take(studies, row(60.0, 1.0))
    let_go(parent)
    assert take(studies, row(120.0, 2.0)) == [(60.0, [1.0], True), (120.0, [2.0], False)]


def test_what_waits_is_gone_with_the_connection() -> None:
    parent = loaded()
    studies = created(parent)
    take(studies, row(60.0, 1.0))
    studies.lost()
    ask(studies, "st1", parent)
    let_go(parent)
    assert take(studies, row(120.0, 2.0)) == [(120.0, [2.0], False)]


@pytest.mark.parametrize(
    ("reason", "words"), [("no", "no"), ("", "no reason given"), ({"error": "e", "ctx": {}}, '{"error":"e","ctx":{}}')]
)
def test_a_study_that_will_not_come_is_told_once(reason: Any, words: str) -> None:
    studies = created(series())
    events: list[Event] = []
    reply = StudyErrorReply(StudyErrorReply.Params("cs", "st1", "s1_st1", reason))
    assert studies.fail(reply, 5.0, events)
    assert events == [StudyFailed("EX:SYM", "1", "BB:20,2", 5.0, words)]
    assert not studies.fail(reply, 6.0, events)
    assert len(events) == 1
