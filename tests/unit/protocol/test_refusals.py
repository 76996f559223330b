"""What a server refuses, and what may come of what is asked for all the same."""

from __future__ import annotations

import pytest

from tvstreamer.protocol.refusals import Refusals
from tvstreamer.protocol.subscription import Subscription

TICKS = Subscription("EX:ONE")
BARS = Subscription("EX:ONE", "5", ticks=False)
BOTH = Subscription("EX:ONE", "5")
QUOTES = Subscription("EX:ONE", ticks=False, quotes=True)


def test_a_symbol_fails_once_for_a_connection() -> None:
    refusals = Refusals()
    assert [refusals.tell(symbol) for symbol in ("EX:ONE", "EX:TWO", "EX:ONE")] == [True, True, False]
    refusals.connected()
    assert refusals.tell("EX:ONE")


@pytest.mark.parametrize("interval", ["", "5"])
def test_nothing_comes_of_a_symbol_once_all_that_is_asked_of_it_is_refused(interval: str) -> None:
    refusals = Refusals()
    other = "" if interval else "5"
    assert refusals.refuse("EX:ONE", interval, [BOTH]) == []
    assert not refusals.all_of([BOTH])
    assert refusals.refuse("EX:ONE", other, [BOTH]) == ["EX:ONE"]
    assert refusals.all_of([BOTH])
    refusals.connected()
    assert not refusals.all_of([BOTH])


@pytest.mark.parametrize(("asked", "interval"), [(TICKS, ""), (QUOTES, ""), (BARS, "5")])
def test_what_was_not_asked_for_is_not_waited_for(asked: Subscription, interval: str) -> None:
    refusals = Refusals()
    assert refusals.refuse("EX:ONE", interval, [asked]) == ["EX:ONE"]
    assert refusals.all_of([asked])


def test_of_two_that_ask_for_a_symbol_one_is_enough_to_wait() -> None:
    refusals = Refusals()
    assert refusals.refuse("EX:ONE", "5", [BARS, TICKS]) == []
    assert refusals.refuse("EX:TWO", "", [BARS, TICKS]) == []
    assert not refusals.all_of([BARS, TICKS])


def test_quotes_that_are_refused_concern_all_that_are_quoted_under_that_name() -> None:
    refusals = Refusals()
    averaged = Subscription("EX:ONE{chart=heikin-ashi}", ticks=True)
    assert refusals.refuse("EX:ONE", "", [averaged]) == ["EX:ONE{chart=heikin-ashi}"]
    assert refusals.admit("EX:ONE", [averaged, Subscription("EX:TWO")]) == ["EX:ONE{chart=heikin-ashi}"]
    assert not refusals.all_of([averaged])


def test_what_was_not_refused_need_not_be_admitted() -> None:
    refusals = Refusals()
    refusals.refuse("EX:ONE", "5", [BARS])
    assert refusals.admit("EX:ONE", [BARS]) == []
    assert repr(refusals) == "<Refusals [('EX:ONE', '5')]>"


def test_where_nothing_is_asked_for_nothing_is_refused() -> None:
    refusals = Refusals()
    refusals.refuse("EX:ONE", "", [])
    assert not refusals.all_of([])
