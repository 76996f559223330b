"""What can be asked for, and how it may be written."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from tvstreamer.errors import InvalidInterval, InvalidPlan, InvalidStudy, InvalidSymbol
from tvstreamer.intervals import Interval
from tvstreamer.protocol.subscription import Subscription, subscriptions
from tvstreamer.studies import Study


def test_symbol_and_interval_are_brought_to_their_canonical_spelling() -> None:
    subscription = Subscription(" ex:sym ", "1h")
    assert (subscription.symbol, subscription.interval) == ("EX:SYM", "60")


def test_equal_subscriptions_are_the_same_one() -> None:
    assert Subscription("ex:sym", "1h") == Subscription("EX:SYM", "60")
    assert len({Subscription("ex:sym", "1m"), Subscription("EX:SYM", "1"), Subscription("EX:SYM", "1M")}) == 2
    assert Subscription("EX:SYM", "1") != Subscription("EX:SYM", "1", quotes=True)


def test_a_subscription_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Subscription("EX:SYM").symbol = "EX:OTHER"  # type: ignore[misc]


def test_by_default_ticks_are_asked_for_and_the_bars_of_an_interval() -> None:
    plain, bars = Subscription("EX:SYM"), Subscription("EX:SYM", "1")
    assert (plain.ticks, plain.quotes, plain.wants_bars) == (True, False, False)
    assert (bars.ticks, bars.quotes, bars.wants_bars) == (True, False, True)
    assert not Subscription("EX:SYM", "1", bars=False).wants_bars


@pytest.mark.parametrize(("interval", "kinds"), [(None, {}), (None, {"bars": True}), ("1", {"bars": False})])
def test_a_subscription_to_nothing_is_refused(interval: str | None, kinds: dict[str, bool]) -> None:
    with pytest.raises(InvalidPlan, match="subscription to EX:SYM: expected ticks, quotes, or bars of an interval"):
        Subscription("EX:SYM", interval, ticks=False, **kinds)


@pytest.mark.parametrize(
    ("interval", "kinds"), [(None, {"quotes": True, "ticks": False}), ("1", {"ticks": False}), ("1", {"bars": False})]
)
def test_any_one_kind_is_enough(interval: str | None, kinds: dict[str, bool]) -> None:
    assert Subscription("EX:SYM", interval, **kinds).symbol == "EX:SYM"


@pytest.mark.parametrize("studies", [["rsi:14", Study("MACD"), "RSI"], ("RSI", Study("MACD"))])
def test_studies_are_named_as_values_or_as_text(studies: Any) -> None:
    subscription = Subscription("EX:SYM", "1", studies=studies)
    assert subscription.studies == (Study("RSI"), Study("MACD"))
    assert subscription == Subscription("EX:SYM", "1", studies=(Study("RSI"), Study("MACD")))
    assert Subscription("EX:SYM", "1", studies="BB:20,2").studies == (Study("BB"),)  # one alone
    assert Subscription("EX:SYM", "1", studies=Study("BB")).studies == (Study("BB"),)  # type: ignore[arg-type]
    assert subscription != Subscription("EX:SYM", "1")


def test_studies_are_listed_in_a_tapes_header_where_there_are_any() -> None:
    assert "studies" not in Subscription("EX:SYM", "1").describe()
    assert Subscription("EX:SYM", "1", studies=["RSI", "MACD"]).describe()["studies"] == ["RSI:14", "MACD:12,26,9"]


def test_studies_need_bars() -> None:
    for kinds in ({"interval": None}, {"interval": "1", "bars": False}):
        with pytest.raises(InvalidPlan, match="studies of EX:SYM: expected bars of an interval too"):
            Subscription("EX:SYM", studies=["RSI"], **kinds)
    with pytest.raises(InvalidStudy):
        Subscription("EX:SYM", "1", studies=["NOPE"])


def test_odd_symbols_and_intervals_are_refused_as_such() -> None:
    with pytest.raises(InvalidSymbol):
        Subscription("nothing")
    with pytest.raises(InvalidInterval):
        Subscription("EX:SYM", "1Mo")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("ex:sym", Subscription("EX:SYM")),
        (("EX:SYM", "1m"), Subscription("EX:SYM", "1")),
        (["EX:SYM", "1D"], Subscription("EX:SYM", "1D")),
        (("EX:SYM", None), Subscription("EX:SYM")),
        (("EX:SYM", Interval(5, "m")), Subscription("EX:SYM", "5")),
        (Subscription("EX:SYM", quotes=True), Subscription("EX:SYM", quotes=True)),
    ],
)
def test_a_subscription_is_made_of_what_stands_for_one(value: object, expected: Subscription) -> None:
    assert Subscription.of(value) == expected


@pytest.mark.parametrize("value", [None, 7, b"EX:SYM", (), ("EX:SYM",), ("EX:SYM", "1", "5"), {"EX:SYM": "1"}])
def test_anything_else_is_refused_with_the_value_and_what_was_expected(value: object) -> None:
    with pytest.raises(InvalidPlan) as caught:
        Subscription.of(value)
    assert str(caught.value).startswith(f"subscription {value!r}: expected a Subscription, 'EXCHANGE:TICKER'")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((), []),
        ("EX:SYM", ["EX:SYM"]),
        (Subscription("EX:SYM"), ["EX:SYM"]),
        (("EX:SYM", "1"), ["EX:SYM 1"]),
        (("EX:SYM", Interval(1, "m")), ["EX:SYM 1"]),
        (("EX:SYM", None), ["EX:SYM"]),
        (("EX:SYM", "EX:OTHER"), ["EX:SYM", "EX:OTHER"]),
        (("EX:SYM", ("EX:OTHER", "1")), ["EX:SYM", "EX:OTHER 1"]),
        ((("EX:SYM", "1"), "EX:OTHER"), ["EX:SYM 1", "EX:OTHER"]),
        ((("EX:SYM", "1"), ("EX:SYM", "5")), ["EX:SYM 1", "EX:SYM 5"]),
        (["EX:SYM", "EX:OTHER"], ["EX:SYM", "EX:OTHER"]),
        ([("EX:SYM", "1"), "ex:sym", ["EX:SYM", "1m"]], ["EX:SYM 1", "EX:SYM"]),
        (("EX:SYM", "EX:SYM"), ["EX:SYM"]),
        (iter(["EX:B", "EX:A", "EX:B"]), ["EX:B", "EX:A"]),
    ],
)
def test_one_or_several_are_read_in_order_and_without_repeats(values: Any, expected: list[str]) -> None:
    read = [f"{each.symbol} {each.interval or ''}".strip() for each in subscriptions(values)]
    assert read == expected


@pytest.mark.parametrize("values", [None, 7, [None], ["EX:SYM", 7], {"EX:SYM": "1", 7: "1"}])
def test_what_stands_for_no_subscription_is_refused(values: object) -> None:
    with pytest.raises(InvalidPlan):
        subscriptions(values)


def test_a_tape_lists_all_there_is_to_a_subscription() -> None:
    listed = Subscription("EX:SYM", "1", quotes=True).describe()
    assert listed == {"symbol": "EX:SYM", "interval": "1", "ticks": True, "quotes": True, "bars": True}
    assert list(listed) == ["symbol", "interval", "ticks", "quotes", "bars"]
    symbol, interval = listed.pop("symbol"), listed.pop("interval")
    assert Subscription(symbol, interval, **listed) == Subscription("EX:SYM", "1", quotes=True)
