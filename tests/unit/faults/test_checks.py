"""What a fault's parameters may be."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from tvstreamer.faults import checks
from tvstreamer.faults.checks import Check, at_least, one_of, optional


def rule(annotated: Any) -> Check:
    check = get_args(annotated)[1]
    assert isinstance(check, Check)
    return check


@pytest.mark.parametrize(
    ("annotated", "good", "bad"),
    [
        (checks.Seconds, [0, 0.5, 3], [-1, float("inf"), float("nan"), "1s", None, True]),
        (checks.SecondsOrNone, [0, 0.5, None], [-1, "1s", False]),
        (checks.Lasting, [0.001, 5], [0, -1, float("inf"), None]),
        (checks.Duration, [0.001, None], [0, "5m"]),
        (checks.Shift, [-3.5, 1], [0, float("nan"), "1s"]),
        (checks.Rate, [0.1, 56], [0, -1, None]),
        (checks.Fraction, [0.1, -0.5, 3], [0, -1, "1%"]),
        (checks.Probability, [0.001, 1], [0, 1.001, True, None]),
        (checks.Count, [0, 7], [-1, 1.0, True, "1"]),
        (checks.OneOrMore, [1], [0, None]),
        (checks.TwoOrMore, [2], [1]),
        (checks.OneOrMoreOrNone, [1, None], [0, 1.5]),
        (checks.Offset, [-1, 7], [0, 0.5, True]),
        (checks.Text, ["", "\N{GRINNING FACE}\x00"], ["\ud800", 7, None]),
        (checks.Words, ["x"], ["", "\udfff"]),
        (checks.Reason, ["", "x" * 123], ["x" * 124, "\N{GRINNING FACE}" * 31, "\ud800"]),
        (checks.CloseCode, [1000, 1003, 1006, 1014, 3000, 4000, 4999], [999, 1004, 1005, 1015, 2999, 5000, 1000.0, True]),
        (checks.Symbol, ["", "BINANCE:BTCUSDT", "nasdaq:aapl"], ["BTCUSDT", "A:", None, 5]),
    ],
)
def test_a_rule_lets_through_what_it_says(annotated: Any, good: list[Any], bad: list[Any]) -> None:
    check = rule(annotated)
    assert [value for value in good if not check.holds(value)] == []
    assert [value for value in bad if check.holds(value)] == []
    assert check.expected


def test_lengths_of_time_are_marked_as_such() -> None:
    seconds = {name for name, each in vars(checks).items() if get_args(each) and rule(each).seconds}
    assert seconds == {"Seconds", "SecondsOrNone", "Lasting", "Duration", "Shift"}


def test_one_of_some_values_is_told_with_all_of_them() -> None:
    check = one_of("first", "last")
    assert check.expected == "'first' or 'last'"
    assert [value for value in ("first", "last", "", 1) if check.holds(value)] == ["first", "last"]
    assert not one_of(1).holds(True)


def test_an_optional_value_may_be_none_and_says_so() -> None:
    check = optional(at_least(3))
    assert check.expected == "a whole number from 3, or None"
    assert [value for value in (None, 2, 3) if check.holds(value)] == [None, 3]
