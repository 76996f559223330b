"""What a mailbox does with one event too many, and which events a filter lets through."""

from __future__ import annotations

from typing import Any

import pytest

from tvstreamer.errors import InvalidPlan, MailboxFull
from tvstreamer.events import Bar, Connected, Event, StudyUpdate, Tick
from tvstreamer.routing import Mailbox, bars_of, studies_of, ticks_of


def tick(price: float, symbol: str = "EX:A") -> Tick:
    return Tick(symbol, 0.0, price)


def bar(close: float, *, interval: str = "1", closed: bool = False, revision: int = 0) -> Bar:
    return Bar("EX:A", interval, 0.0, 1.0, 1.0, 1.0, close, closed=closed, revision=revision)


def rsi(value: float, *, interval: str = "1", closed: bool = False) -> StudyUpdate:
    return StudyUpdate("EX:A", interval, "RSI:14", 0.0, {"rsi": value}, closed)


def taken(mailbox: Mailbox) -> list[Event]:
    return list(iter(mailbox.take, None))


@pytest.mark.parametrize(("policy", "left"), [("drop_oldest", [2.0, 3.0]), ("drop_newest", [1.0, 2.0])])
def test_the_one_too_many_is_dropped_and_counted(policy: Any, left: list[float]) -> None:
    mailbox = Mailbox("m", size=2, policy=policy)
    assert all(mailbox.offer(tick(price)) for price in (1.0, 2.0, 3.0))
    assert "1 dropped" in repr(mailbox)
    assert taken(mailbox) == [tick(price) for price in left]
    counts = mailbox.statistics()
    assert (counts.offered, counts.delivered, counts.dropped, counts.waiting) == (3, 2, 1, 0)


def test_a_full_mailbox_that_blocks_takes_nothing() -> None:
    mailbox = Mailbox("m", size=1)
    assert [mailbox.offer(tick(1.0)), mailbox.offer(tick(2.0))] == [True, False]
    assert mailbox.statistics().offered == 1


def test_a_full_mailbox_may_be_an_error() -> None:
    mailbox = Mailbox("m", size=1, policy="error")
    mailbox.offer(tick(1.0))
    with pytest.raises(MailboxFull, match="'m'"):
        mailbox.offer(tick(2.0))


def test_latest_keeps_the_newest_state_of_each_symbol_and_series() -> None:
    mailbox = Mailbox("m", size=3, policy="latest")
    for event in (tick(1.0), bar(1.0), tick(9.0, "EX:B"), tick(2.0), bar(2.0)):
        mailbox.offer(event)
    assert len(mailbox) == 3
    assert mailbox.statistics().conflated == 2
    assert taken(mailbox) == [tick(2.0), bar(2.0), tick(9.0, "EX:B")]


def test_latest_never_gives_up_a_closed_bar_or_a_status() -> None:
    mailbox = Mailbox("m", size=3, policy="latest")
    kept = [bar(1.0, closed=True), bar(1.0, closed=True), Connected(0.0, 1)]
    for event in kept:
        mailbox.offer(event)
    with pytest.raises(MailboxFull):
        mailbox.offer(tick(1.0))
    assert taken(mailbox) == kept


@pytest.mark.parametrize("wrong", [{"size": 0}, {"policy": "lifo"}])
def test_what_no_mailbox_can_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlan):
        Mailbox("m", **wrong)


def test_ticks_are_filtered_by_symbol() -> None:
    assert ticks_of(frozenset())(tick(1.0))
    assert ticks_of(frozenset({"EX:A"}))(tick(1.0))
    assert not ticks_of(frozenset({"EX:B"}))(tick(1.0))
    assert not ticks_of(frozenset())(bar(1.0))


def test_bars_are_filtered_by_series_state_and_revision() -> None:
    assert bars_of(frozenset())(bar(1.0))
    assert bars_of(frozenset({("EX:A", "1")}))(bar(1.0))
    assert not bars_of(frozenset({("EX:A", "5")}))(bar(1.0))
    assert not bars_of(frozenset(), closed=True)(bar(1.0))
    assert bars_of(frozenset(), closed=True)(bar(1.0, closed=True))
    assert not bars_of(frozenset(), revisions=False)(bar(1.0, closed=True, revision=1))
    assert not bars_of(frozenset())(tick(1.0))


def test_studies_go_by_symbol_interval_and_whether_they_are_final() -> None:
    assert studies_of(frozenset())(rsi(1.0))
    assert studies_of(frozenset({("EX:A", "1")}))(rsi(1.0))
    assert not studies_of(frozenset({("EX:A", "5")}))(rsi(1.0))
    assert not studies_of(frozenset(), closed=True)(rsi(1.0))
    assert studies_of(frozenset(), closed=True)(rsi(1.0, closed=True))
    assert not studies_of(frozenset())(bar(1.0))


def test_latest_keeps_the_newest_values_of_a_study_and_all_final_ones() -> None:
    mailbox = Mailbox("m", size=4, policy="latest")
    for event in (rsi(1.0), rsi(2.0), rsi(2.0, closed=True), rsi(3.0, interval="5"), rsi(3.0, closed=True)):
        mailbox.offer(event)
    assert taken(mailbox) == [rsi(2.0), rsi(2.0, closed=True), rsi(3.0, interval="5"), rsi(3.0, closed=True)]
