"""Deltas of a quote session, the state that they add up to, and when one is a tick."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import Event, Quote, SymbolFailed, Tick
from tvstreamer.protocol import codec
from tvstreamer.protocol.packets import QuoteData, QuoteUpdate, TickData, TickUpdate, TickValues
from tvstreamer.protocol.quotes import QuoteSession, number

NAME = "EX:SYM"


class Told:
    """A quote session that follows one symbol; calling it with a delta gives the events."""

    def __init__(self, *, ticks: bool = True, quotes: bool = False, name: str = NAME) -> None:
        self.session = QuoteSession(ticks=ticks, quotes=quotes)
        self.session.add(name)
        self.name = name

    def __call__(self, v: dict[str, Any], *, at: float = 5.0) -> list[Event]:
        events: list[Event] = []
        assert self.session.apply(self.read(v), at, events) is not None
        return events

    def read(self, v: dict[str, Any]) -> QuoteUpdate | TickUpdate:
        return QuoteUpdate(self.name, v=v)

    def refused(self, s: str, errmsg: str = "", v: dict[str, Any] | None = None) -> list[Event]:
        events: list[Event] = []
        assert self.session.refuse(QuoteUpdate(self.name, s, errmsg, v or {}), 5.0, events)
        return events


class Ticking(Told):
    """The same, of a session that is there for ticks alone, and reads no more than those need."""

    def read(self, v: dict[str, Any]) -> QuoteUpdate | TickUpdate:
        payload = codec.wire_json({"m": "qsd", "p": ["qs_ticks_x", {"n": self.name, "s": "ok", "v": v}]})
        reply = codec.decode_tick_reply(payload)
        assert isinstance(reply, QuoteData | TickData)
        return reply.p.update


@pytest.fixture(params=[Told, Ticking], ids=["whole quotes", "as far as ticks need them"])
def told(request: pytest.FixtureRequest) -> Told:
    made: Told = request.param()
    return made


# --- ticks --------------------------------------------------------------------------------------------------------------


def test_there_is_no_tick_before_the_first_price(told: Told) -> None:
    assert told({"volume": 10.5, "ch": 1.0}) == []
    assert told({"volume": 11.5}) == []
    assert told({"lp": 100.5}) == [Tick(NAME, 5.0, 100.5, 11.5)]


def test_a_change_of_the_price_or_of_the_days_volume_is_a_tick(told: Told) -> None:
    assert told({"lp": 100.5, "volume": 10}) == [Tick(NAME, 5.0, 100.5, 10.0)]
    assert told({"volume": 11.0}) == [Tick(NAME, 5.0, 100.5, 11.0)]
    assert told({"lp": 100}) == [Tick(NAME, 5.0, 100.0, 11.0)]


@pytest.mark.parametrize("v", [{}, {"ch": 0.5}, {"lp": 100.5}, {"volume": 10}, {"lp": 100.5, "volume": 10.0, "lp_time": 99}, {"rtc": None}])
def test_an_update_that_changes_neither_is_none(told: Told, v: dict[str, Any]) -> None:
    told({"lp": 100.5, "volume": 10.0})
    assert told(v) == []


@pytest.mark.parametrize("nothing", [None, NO_VALUE, "", "7", True, [], {}, 10**400])
def test_no_value_replaces_a_volume_and_a_missing_field_does_not(told: Told, nothing: object) -> None:
    told({"lp": 100.5, "volume": 10.0})
    assert told({"lp": 101.0}) == [Tick(NAME, 5.0, 101.0, 10.0)]
    assert told({"volume": nothing}) == [Tick(NAME, 5.0, 101.0, None)]
    assert told({"volume": nothing}) == []


@pytest.mark.parametrize("nothing", [None, NO_VALUE])
def test_without_a_price_there_is_no_tick_until_one_comes_back(told: Told, nothing: object) -> None:
    told({"lp": 100.5, "volume": 10.0})
    assert told({"lp": nothing}) == []
    assert told({"volume": 11.0}) == []
    assert told({"lp": 100.5}) == [Tick(NAME, 5.0, 100.5, 11.0)]


@pytest.mark.parametrize(("lp_time", "time"), [(77, 77.0), (77.5, 77.5), (2**70, 2.0**70), (None, 5.0), (NO_VALUE, 5.0), (10**400, 5.0), ("77", 5.0)])
def test_a_tick_has_the_feeds_time_of_the_price_or_that_of_its_arrival(told: Told, lp_time: object, time: float) -> None:
    assert told({"lp": 1.0, "lp_time": lp_time}) == [Tick(NAME, time, 1.0, None)]


@pytest.mark.parametrize(("later", "time"), [(0.0, 77.0), (1.5, 77.0), (2.0, 82.0), (600.0, 680.0)])
def test_two_prices_of_one_second_have_the_time_that_the_feed_sends_once(told: Told, later: float, time: float) -> None:
    told({"lp": 1.0, "lp_time": 77}, at=80.0)
    assert told({"lp": 2.0, "volume": 3.0}, at=80.0 + later) == [Tick(NAME, time, 2.0, 3.0)]


def test_the_time_of_a_price_holds_also_where_it_came_by_itself_and_not_where_it_was_taken_back(told: Told) -> None:
    told({"lp": 1.0})
    assert told({"lp_time": 77}, at=80.0) == []
    assert told({"lp": 2.0}, at=80.5) == [Tick(NAME, 77.0, 2.0, None)]
    assert told({"lp_time": None}, at=81.0) == []
    assert told({"lp": 3.0}, at=81.5) == [Tick(NAME, 81.5, 3.0, None)]


def test_the_feeds_time_of_an_earlier_price_is_not_that_of_a_later_tick(told: Told) -> None:
    told({"lp": 1.0, "lp_time": 77})
    assert told({"volume": 3.0}, at=80.5) == [Tick(NAME, 80.5, 1.0, 3.0)]


def test_a_session_for_quotes_gives_no_ticks_and_one_for_ticks_no_quotes() -> None:
    assert [type(event) for event in Told(ticks=False, quotes=True)({"lp": 1.0})] == [Quote]
    assert [type(event) for event in Told(ticks=True, quotes=False)({"lp": 1.0})] == [Tick]
    assert [type(event) for event in Told(ticks=True, quotes=True)({"lp": 1.0})] == [Tick, Quote]
    assert Told(ticks=False, quotes=False)({"lp": 1.0}) == []


# --- quotes -------------------------------------------------------------------------------------------------------------


def test_a_quote_has_what_came_and_everything_known_by_now() -> None:
    told = Told(ticks=False, quotes=True)
    assert told({"lp": 1.0, "bid": 0.5}) == [Quote(NAME, 5.0, "ok", {"lp": 1.0, "bid": 0.5}, {"lp": 1.0, "bid": 0.5})]
    assert told({"bid": 0.75, "ask": 2}) == [Quote(NAME, 5.0, "ok", {"bid": 0.75, "ask": 2}, {"lp": 1.0, "bid": 0.75, "ask": 2})]


@pytest.mark.parametrize("told", [Told(ticks=False, quotes=True), Told(), Ticking()], ids=["quotes", "ticks and all", "ticks"])
def test_the_hours_of_a_market_are_handed_on_whatever_a_session_is_there_for(told: Told) -> None:
    changes = told.session.apply(told.read({"session": "0930-1600", "timezone": "America/New_York"}), 5.0, [])
    assert changes == TickValues(session="0930-1600", timezone="America/New_York")
    assert told.session.apply(told.read({"ch": 1.0}), 5.0, []) == TickValues()


def test_an_update_without_changes_is_told_as_such() -> None:
    told = Told(ticks=False, quotes=True)
    told({"lp": 1.0})
    assert told({}) == [Quote(NAME, 5.0, "ok", {}, {"lp": 1.0})]


@pytest.mark.parametrize("nothing", [None, NO_VALUE])
def test_null_and_no_value_are_none_and_erase(nothing: object) -> None:
    told = Told(ticks=False, quotes=True)
    told({"rtc": 1.0, "lp": 2.0})
    assert told({"rtc": nothing, "bid": 1.5}) == [Quote(NAME, 5.0, "ok", {"rtc": None, "bid": 1.5}, {"rtc": None, "lp": 2.0, "bid": 1.5})]


def test_the_quote_of_earlier_is_not_touched_by_what_comes_later() -> None:
    told = Told(ticks=False, quotes=True)
    (earlier,) = told({"lp": 1.0})
    told({"lp": 2.0})
    assert earlier == Quote(NAME, 5.0, "ok", {"lp": 1.0}, {"lp": 1.0})


# --- errors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("s", "errmsg", "reason"),
    [
        ("error", "no_such_symbol", "no_such_symbol"),
        ("permission_denied", "Permission denied", "Permission denied"),
        ("permission_denied", "", "permission_denied"),
    ],
)
def test_a_status_that_is_not_ok_is_a_failed_symbol(s: str, errmsg: str, reason: str) -> None:
    assert Told().refused(s, errmsg) == [SymbolFailed(NAME, 5.0, reason)]


def test_the_values_of_an_error_are_no_tick() -> None:
    told = Told()
    assert told.refused("error", v={"lp": 1.0}) == [SymbolFailed(NAME, 5.0, "error")]
    assert told({"volume": 2.0}) == []


def test_a_session_for_quotes_tells_the_status_too() -> None:
    told = Told(ticks=False, quotes=True)
    v = {"alternative": "paid"}
    assert told.refused("permission_denied", "no", v) == [SymbolFailed(NAME, 5.0, "no"), Quote(NAME, 5.0, "permission_denied", v, v)]


# --- symbols ------------------------------------------------------------------------------------------------------------


def test_a_symbol_is_followed_by_its_wire_string_and_told_by_its_spelling() -> None:
    wire = "=" + json.dumps({"adjustment": "dividends", "currency-id": "INR", "symbol": NAME})
    assert Told(name=wire)({"lp": 1.0}) == [Tick(f"{NAME}{{adjustment=dividends+currency=INR}}", 5.0, 1.0, None)]


def test_a_symbol_that_is_not_followed_is_not_claimed() -> None:
    session = QuoteSession(ticks=True, quotes=True)
    session.add(NAME)
    events: list[Event] = []
    assert session.apply(QuoteUpdate("EX:OTHER", v={"lp": 1.0}), 5.0, events) is None
    assert not session.refuse(QuoteUpdate("EX:OTHER", "error"), 5.0, events)
    session.remove(NAME)
    session.remove(NAME)
    assert session.apply(QuoteUpdate(NAME, v={"lp": 1.0}), 5.0, events) is None
    assert events == []


def test_a_symbol_that_is_added_again_starts_anew() -> None:
    told = Told(ticks=True, quotes=True)
    told({"lp": 1.0, "volume": 5.0})
    told.session.add(NAME)
    assert told({"ch": 1.0}) == [Quote(NAME, 5.0, "ok", {"ch": 1.0}, {"ch": 1.0})]


def test_what_was_answered_may_be_refused_later() -> None:
    told = Told()
    told({"lp": 1.0})
    assert told.refused("permission_denied", "no more") == [SymbolFailed(NAME, 5.0, "no more")]


def test_two_symbols_do_not_know_of_each_other() -> None:
    told = Told()
    told.session.add("EX:OTHER")
    told({"lp": 1.0, "volume": 5.0})
    events: list[Event] = []
    told.session.apply(QuoteUpdate("EX:OTHER", v={"lp": 2.0}), 6.0, events)
    assert events == [Tick("EX:OTHER", 6.0, 2.0, None)]


# --- numbers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5),
        (7, 7.0),
        (-0.0, 0.0),
        (2**53 + 1, float(2**53)),
        (NO_VALUE, None),
        (10**100, None),
        (10**400, None),
        (None, None),
        (True, None),
        ("1", None),
        ([1], None),
    ],
)
def test_a_number_is_a_float_or_none(value: object, expected: float | None) -> None:
    found = number(value)
    assert found == expected
    assert found is None or type(found) is float


# --- first answers ------------------------------------------------------------------------------------------------------


def test_a_symbol_waits_for_its_first_answer() -> None:
    session = QuoteSession(ticks=True, quotes=False)
    assert session.due == math.inf
    session.add(NAME, 30.0)
    session.add("EX:OTHER", 40.0)
    assert (session.due, session.symbols, NAME in session, "EX:NONE" in session) == (30.0, [NAME, "EX:OTHER"], True, False)
    session.apply(QuoteUpdate(NAME, v={}), 5.0, [])
    assert (session.due, session.symbols, NAME in session) == (40.0, [NAME, "EX:OTHER"], True)
    session.remove("EX:OTHER")
    assert (session.due, session.symbols) == (math.inf, [NAME])


def test_what_is_missed_is_to_be_added_again_and_has_failed_the_second_time() -> None:
    session = QuoteSession(ticks=True, quotes=False)
    session.add(NAME, 30.0)
    session.add("EX:OTHER", 40.0)
    assert session.miss(30.0, 60.0) == ([NAME], [])
    session.remove(NAME)
    session.add(NAME, 60.0)
    assert session.miss(60.0, 90.0) == (["EX:OTHER"], [NAME])
    assert session.due == 90.0
    assert session.miss(90.0, 120.0) == ([], ["EX:OTHER"]), "though nobody has added it again"
    session.remove(NAME)
    session.add(NAME, 200.0)
    assert session.miss(200.0, 230.0) == ([NAME], []), "of whom it had been waited for in vain, that is over"
    session.answered(NAME)
    session.remove(NAME)
    session.add(NAME, 300.0)
    assert session.miss(300.0, 330.0) == ([NAME], [])


def test_who_has_answered_need_not_do_so_again() -> None:
    session = QuoteSession(ticks=True, quotes=False)
    session.add(NAME, 30.0)
    assert session.answered(NAME) is not None
    assert session.answered(NAME) is None
    session.add(NAME, 50.0)
    assert session.due == math.inf
