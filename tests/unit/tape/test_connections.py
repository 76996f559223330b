"""The connections of a tape, and which of them is for a client."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tvstreamer import Subscription
from tvstreamer.symbols import wire_symbol
from tvstreamer.tape.connections import Question, TapedConnection, answering, questions, records_of, taped_connections, unanswered
from tvstreamer.tape.reader import scan_sends

HEADER = '{"tape":1,"start":1700000000.0,"tool":"by hand"}'
ONE, TWO = Subscription("TEST:ONE", "1"), Subscription("TEST:TWO", "5")


def line(connection: int, kind: str, **values: object) -> str:
    return json.dumps({"t": 7, "c": connection, "k": kind, **values}, separators=(",", ":"))


def sent(connection: int, *subscriptions: Subscription) -> list[str]:
    """What a client sends for the sake of these, each command in a record of its own."""
    commands: list[tuple[str, list[object]]] = []
    for number, each in enumerate(subscriptions):
        series, alias = f"sds_{number}", f"sym_{number}"
        commands += [
            ("quote_add_symbols", ["qs_1", each.symbol]),
            ("resolve_symbol", ["cs_1", alias, wire_symbol(each.symbol)]),
            ("create_series", ["cs_1", series, "s1", alias, each.interval or "1", 10, ""]),
        ]
    return [line(connection, "send", p=[{"m": method, "p": p}]) for method, p in commands]


def study(connection: int, name: str) -> str:
    p = ["cs_1", name, name, "sds_0", "RSI@tv-basicstudies-241", {"length": 14}]
    return line(connection, "send", p=[{"m": "create_study", "p": p}])


def read(path: Path, *lines: str) -> list[TapedConnection]:
    path.write_text("\n".join([HEADER, *lines, ""]))
    return taped_connections(path, scan_sends(path))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tape.jsonl"


@pytest.fixture
def both(path: Path) -> list[TapedConnection]:
    """Two clients, beside each other."""
    return read(
        path, line(1, "open", url="wss://a/"), line(2, "open", url="wss://b/"), *sent(1, ONE), *sent(2, TWO),
        line(2, "close"), line(1, "recv", p=["~h~1"]), line(1, "close"),
    )  # fmt: skip


def test_the_records_of_a_connection_are_its_own_without_its_opening(path: Path) -> None:
    read(path, line(1, "open"), line(2, "open"), line(1, "recv", raw="a"), line(2, "recv", raw="b"), line(1, "close", code=1000))
    assert [(record.k, record.raw) for record in records_of(path, 1)] == [("recv", "a"), ("close", None)]
    assert [record.raw for record in records_of(path, 2)] == ["b"]
    assert list(records_of(path, 3)) == []



def test_a_subscription_asks_for_quotes_series_and_studies() -> None:
    assert list(questions(Subscription("TEST:ONE", "1", studies=["RSI:14"]))) == [
        Question("quote", "TEST:ONE"), Question("series", "TEST:ONE", "1"), Question("study", "TEST:ONE", "1", "RSI:14"),
    ]  # fmt: skip
    assert list(questions(Subscription("TEST:ONE", "1", ticks=False))) == [Question("series", "TEST:ONE", "1")]
    assert list(questions(Subscription("TEST:ONE", "1", bars=False, quotes=True))) == [Question("quote", "TEST:ONE")]
    assert str(Question("study", "TEST:ONE", "1", "RSI:14")) == "TEST:ONE 1 RSI:14"


def test_connections_come_in_the_order_of_their_beginning_with_the_places_of_their_records(both: list[TapedConnection]) -> None:
    assert [(each.number, each.begin, each.end, each.opened.url) for each in both] == [
        (1, 0, 11, "wss://a/"), (2, 1, 9, "wss://b/"),
    ]  # fmt: skip
    assert [each.opened.t for each in both] == [7, 7]
    assert [offer.kind for offer in both[1].offers] == ["quote", "symbol", "series"]


def test_a_client_gets_the_first_connection_that_holds_all_that_it_wants(both: list[TapedConnection]) -> None:
    assert answering(both, [ONE]) is both[0]
    assert answering(both, [TWO]) is both[1]
    assert answering(both, [TWO], 1) is both[1]
    assert answering(both, [ONE, TWO]) is None
    assert answering(both, []) is both[0]


def test_one_that_had_begun_before_the_other_ended_is_of_somebody_else(path: Path) -> None:
    first, beside, after = read(
        path, line(1, "open"), *sent(1, ONE), line(2, "open"), *sent(2, ONE), line(1, "close"), line(3, "open"), *sent(3, ONE)
    )
    assert answering([first, beside, after], [ONE], first.end) is after
    assert answering([first, beside, after], [ONE], after.end) is None


def test_studies_are_looked_for_too(path: Path) -> None:
    plain, studied = read(path, line(1, "open"), *sent(1, ONE), line(2, "open"), *sent(2, ONE), study(2, "st1"))
    wanted = [Subscription("TEST:ONE", "1", studies=["RSI:14"])]
    assert answering([plain, studied], wanted) is studied
    assert plain.lacks(wanted) == [Question("study", "TEST:ONE", "1", "RSI:14")]


def test_a_symbol_without_options_stands_for_however_it_was_recorded(path: Path) -> None:
    extended = Subscription("TEST:ONE{session=extended}", "1", ticks=False)
    recorded = read(path, line(1, "open"), *sent(1, extended))
    assert answering(recorded, [extended]) is recorded[0]
    assert answering(recorded, [Subscription("TEST:ONE", "1", ticks=False)]) is recorded[0]
    assert answering(recorded, [Subscription("TEST:ONE{adjustment=dividends}", "1", ticks=False)]) is None


def test_a_connection_beside_another_is_for_nobody_else(path: Path) -> None:
    notes = [
        line(2, "note", note={"beside": 1, "shift": -2}),
        line(1, "note", note={"beside": 1, "shift": 0}),
        line(1, "note", note={"why": "none of ours"}),
        line(1, "note", note="text"),
        line(9, "note", note={"beside": 1, "shift": 0}),
        line(3, "note", note={"beside": 2, "shift": 0}),
    ]
    connections = read(path, line(1, "open"), *sent(1, ONE), line(2, "open"), *sent(2, TWO), line(3, "open"), *notes)
    assert [(each.beside, each.shift) for each in connections] == [(0, 0.0), (1, -2.0), (0, 0.0)]
    assert answering(connections, [TWO]) is None
    assert str(unanswered(connections, [TWO])) == "TEST:TWO: connection 2 was recorded beside 1 for it; only use_tape plays both"


def test_what_is_not_on_the_tape_is_told_with_the_nearest(both: list[TapedConnection]) -> None:
    told = unanswered(both, [ONE, Subscription("TEST:TWO", "1", ticks=False)])
    assert str(told) == (
        "TEST:TWO 1 is not on the tape; the nearest on the tape is TEST:TWO 5 (series, at 0.000 s of connection 2)"
    )
    assert str(unanswered([], [ONE])) == "TEST:ONE is not on the tape"


def test_what_each_connection_lacks_is_told_where_only_several_together_have_all(path: Path) -> None:
    many = [Subscription(f"TEST:S{number}", "1", ticks=False) for number in range(5)]
    lines = [each for number in range(5) for each in (line(number + 1, "open"), *sent(number + 1, many[number]))]
    told = unanswered(read(path, *lines), many)
    assert str(told) == (
        "no connection of the tape holds all that is subscribed:"
        " connection 1 lacks TEST:S1 1, TEST:S2 1, TEST:S3 1 and 1 more;"
        " connection 2 lacks TEST:S0 1, TEST:S2 1, TEST:S3 1 and 1 more;"
        " connection 3 lacks TEST:S0 1, TEST:S1 1, TEST:S3 1 and 1 more"
    )


def test_two_that_lack_the_other_each_are_told_as_they_are(both: list[TapedConnection]) -> None:
    lacks = "connection 1 lacks TEST:TWO, TEST:TWO 5; connection 2 lacks TEST:ONE, TEST:ONE 1"
    assert str(unanswered(both, [ONE, TWO])) == f"no connection of the tape holds all that is subscribed: {lacks}"
