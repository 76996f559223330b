"""The first difference between two lists of events is told by field, with what came before it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.events import Bar, Event, Notice, Tick
from tvstreamer.testing.differences import explain_difference, first_difference
from tvstreamer.testing.strategies import events

TICKS: list[Event] = [Tick("A:B", float(number), 10.0 + number, None) for number in range(8)]


@given(st.lists(events(), max_size=4), st.lists(events(), max_size=4))
def test_there_are_lines_exactly_where_there_is_a_difference(one: list[Event], other: list[Event]) -> None:
    assert first_difference(one, one) == []
    assert (first_difference(one, other) == []) == (one == other)


def test_the_fields_that_differ_are_told_with_the_events_before() -> None:
    got = [*TICKS[:5], Tick("A:B", 5.0, 99.5, 7.0), *TICKS[6:]]
    assert first_difference(TICKS, got) == [
        "event 5 differs, of 8; expected are 8",
        '    2  {"type":"tick","symbol":"A:B","time":2.0,"price":12.0,"volume":null}',
        '    3  {"type":"tick","symbol":"A:B","time":3.0,"price":13.0,"volume":null}',
        '    4  {"type":"tick","symbol":"A:B","time":4.0,"price":14.0,"volume":null}',
        '  - 5  {"type":"tick","symbol":"A:B","time":5.0,"price":15.0,"volume":null}',
        '  + 5  {"type":"tick","symbol":"A:B","time":5.0,"price":99.5,"volume":7.0}',
        "      price: expected 15.0, got 99.5",
        "      volume: expected null, got 7.0",
    ]


def test_an_event_that_is_missing_or_too_many_is_called_that() -> None:
    assert first_difference(TICKS, TICKS[:3] + TICKS[4:])[-1] == (
        "      an event is missing here: the next one that was expected has come"
    )
    assert first_difference(TICKS[:3] + TICKS[4:], TICKS)[-1] == (
        "      an event too many is here: what was expected comes after it"
    )


def test_an_end_that_comes_early_is_told() -> None:
    assert first_difference(TICKS, TICKS[:7])[-1] == "  + 7  nothing: the events end here"
    assert first_difference([], TICKS)[:2] == ["event 0 differs, of 8; expected are 0", "  - 0  nothing: the events end here"]


def test_events_of_two_kinds_are_not_compared_by_field_and_long_ones_are_cut() -> None:
    long = Notice(0.0, "unknown", "x" * 500)
    lines = first_difference([Bar("A:B", "1", 0.0, 1.0, 1.0, 1.0, 1.0)], [long])
    assert len(lines) == 3
    assert lines[2].endswith("x...")
    assert "method: expected 'y'" in first_difference([Notice(0.0, "unknown", "y")], [long])[3]


def test_what_pytest_shows_begins_with_the_counts() -> None:
    lines = explain_difference(TICKS[:3], TICKS[:2])
    assert lines is not None
    assert lines[:2] == ["<3 events: 3 Tick> == <2 events: 2 Tick>", "event 2 differs, of 3; expected are 2"]
    assert explain_difference([1], TICKS) is explain_difference(TICKS, [None]) is None
