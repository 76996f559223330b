"""How two lists of events differ."""

from __future__ import annotations

from tvstreamer import Tick
from tvstreamer.testing.event_diff import explain_difference

TICKS = [Tick("A:B", float(n), 1.0, 1.0) for n in range(100)]


def test_the_first_difference_is_named() -> None:
    lines = explain_difference(TICKS[:3], TICKS[:2])
    assert lines is not None
    assert lines[:2] == ["<3 events: 3 Tick> == <2 events: 2 Tick>", "they differ from event 2 on"]
    assert f"+{TICKS[2]!r}" in lines


def test_a_long_difference_is_cut() -> None:
    lines = explain_difference(TICKS, [])
    assert lines is not None
    assert len(lines) < 50
    assert lines[-1].endswith("more lines")


def test_other_lists_are_not_ours() -> None:
    assert explain_difference([1], TICKS) is None
