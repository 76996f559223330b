"""What is too much is refused before it is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tvstreamer.errors import InvalidPlan, LimitExceeded
from tvstreamer.protocol.limits import Limits
from tvstreamer.protocol.subscription import Subscription

PAIRS = [Subscription("A:B", "1"), Subscription("A:B", "5"), Subscription("A:B{chart=renko}", "5"), Subscription("A:C")]


def test_limits_come_as_they_are_by_the_name_of_a_plan_or_not_at_all() -> None:
    own = Limits(series=3)
    assert Limits.of(own) is own
    assert Limits.of("premium").history == 20_000
    assert Limits.of(None) == Limits()


@pytest.mark.parametrize("value", ["gold", 7])
def test_another_plan_is_refused(value: object) -> None:
    with pytest.raises(InvalidPlan, match="expected a Limits, None, or one of free, essential"):
        Limits.of(value)


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_limit_is_a_number(value: Any) -> None:
    with pytest.raises(InvalidPlan, match="limit series .*: expected a whole number above 0"):
        Limits(series=value)


def test_series_are_counted_with_history_and_symbols_once() -> None:
    limits = Limits(series=3, quotes=2)
    limits.check_subscriptions(PAIRS)
    with pytest.raises(LimitExceeded, match="4 series at once: the limit is 3"):
        limits.check_subscriptions(PAIRS, 1)
    with pytest.raises(LimitExceeded, match="ticks or quotes of 3 symbols: the limit is 2"):
        limits.check_subscriptions([*PAIRS, Subscription("A:D")])
    Limits().check_subscriptions([*PAIRS, Subscription("A:D", ticks=False, quotes=True)], 1000)


def test_bars_are_counted_where_they_are_known() -> None:
    limits = Limits(history=10)
    limits.check_history(10)
    limits.check_history(None)
    Limits().check_history(1_000_000)
    with pytest.raises(LimitExceeded, match="history of 11 bars: the limit is 10"):
        limits.check_history(11)
