"""Quotes asked for once."""

from __future__ import annotations

from typing import Any

from tvstreamer.errors import SeriesError
from tvstreamer.protocol.packets import QuoteUpdate
from tvstreamer.protocol.snapshots import QuoteRequest
from tvstreamer.symbols import wire_quote

EXTENDED = "A:B{session=extended}"


def asked(*symbols: str) -> QuoteRequest:
    request = QuoteRequest(symbols, ("lp", "volume"))
    request.begin()
    return request


def update(name: str, s: str = "ok", errmsg: str = "", **v: Any) -> QuoteUpdate:
    return QuoteUpdate(name, s, errmsg, v)


def test_a_symbol_is_complete_with_the_word_of_the_server_and_not_with_its_first_part() -> None:
    request = asked("A:B")
    request.take(update("A:B", lp=1.0), 1.0)
    request.take(update("A:B", lp=2.0, volume=1e100), 2.0)
    assert not request.done
    request.completed("A:B", 3.0)
    assert (request.done, request.pages, request.failed) == (True, 1, {})
    quote = request.quotes["A:B"]
    assert (quote.time, quote.status, quote.fields) == (2.0, "ok", {"lp": 2.0, "volume": None})
    request.take(update("A:B", lp=9.0), 4.0)
    request.completed("A:B", 4.0)
    assert request.quotes["A:B"] is quote


def test_a_symbol_that_fails_is_told_with_its_reason_and_spoils_no_other() -> None:
    request = asked("A:B", "A:C", "A:D")
    request.take(update("A:C", "error", "no_such_symbol"), 1.0)
    request.take(update("A:D", "permission_denied", alternative="paid"), 1.0)
    request.completed("A:D", 1.0)
    assert not request.done
    request.completed("A:B", 1.0)
    assert request.done
    assert request.failed == {"A:C": "no_such_symbol", "A:D": "permission_denied"}
    assert {symbol: quote.status for symbol, quote in request.quotes.items()} == {
        "A:C": "error", "A:D": "permission_denied", "A:B": "ok"
    }  # fmt: skip
    assert request.quotes["A:B"].fields == {}


def test_what_nobody_asked_for_changes_nothing() -> None:
    request = asked("A:B")
    request.take(update("A:C", lp=1.0), 1.0)
    request.completed("A:C", 1.0)
    assert (request.quotes, request.done) == ({}, False)


def test_a_new_connection_begins_anew_with_what_is_not_complete() -> None:
    request = asked("A:B", EXTENDED)
    request.take(update("A:B", lp=1.0), 1.0)
    request.take(update(wire_quote(EXTENDED), lp=1.0), 1.0)
    request.completed(wire_quote(EXTENDED), 1.0)
    request.begin()
    assert list(request.quotes) == [EXTENDED]


def test_answers_of_another_request_are_taken_over_once() -> None:
    request, other = asked("A:B", "A:C", "A:D"), asked("A:B", "A:C", "A:D")
    other.take(update("A:B", lp=1.0), 1.0)
    other.completed("A:B", 1.0)
    other.take(update("A:C", "error"), 1.0)
    request.merge(other)
    request.merge(other)
    assert (set(request.quotes), request.failed, request.pages) == ({"A:B", "A:C"}, {"A:C": "error"}, 2)


def test_a_failure_is_an_answer_and_a_recorded_one_waits_for_none() -> None:
    request, error = asked("A:B"), SeriesError("no")
    assert repr(request) == "<QuoteRequest of 1 symbols: missing A:B>"
    request.fail(error)
    request.fail(SeriesError("later"))
    assert (request.done, request.error) == (True, error)
    recorded = QuoteRequest.recorded()
    assert recorded.done
    assert repr(recorded) == "<QuoteRequest of 0 symbols: done>"
