"""Methods that we do not know: all are counted, few are told."""

from __future__ import annotations

from tvstreamer.events import Notice
from tvstreamer.protocol.unknown_methods import UnknownMethods


def test_each_method_is_told_once_a_minute_with_how_often_it_came_so_far() -> None:
    unknown = UnknownMethods()
    assert unknown.note("novel", 0.0) == Notice(0.0, "unknown", "novel", 1)
    assert unknown.note("novel", 59.9) is None
    assert unknown.note("other", 59.9) == Notice(59.9, "unknown", "other", 1)
    assert unknown.note("novel", 60.0) == Notice(60.0, "unknown", "novel", 3)
    assert unknown.note("novel", 61.0) is None
    assert repr(unknown) == "<UnknownMethods ['novel', 'other']>"


def test_beyond_a_thousand_they_are_counted_together() -> None:
    unknown = UnknownMethods()
    for number in range(1000):
        unknown.note(f"novel{number}", 0.0)
    assert unknown.note("one more", 1.0) == Notice(1.0, "unknown", "*", 1)
    assert unknown.note("yet another", 2.0) is None
    assert unknown.note("novel7", 60.0) == Notice(60.0, "unknown", "novel7", 2), "those that are known stay so"
    assert unknown.note("yet another", 61.0) == Notice(61.0, "unknown", "*", 3)
