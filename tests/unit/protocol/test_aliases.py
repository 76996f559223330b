"""Recorded packets as a client with ids of its own gets them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tvstreamer.constants import MAX_NESTING
from tvstreamer.protocol.aliases import Aliases

ROWS: list[Any] = [{"i": 3, "v": [60.0, 1.0, 2.0, 0.5, 1.5, 0.25]}]
OTHER_ROWS: list[Any] = [{"i": 9, "v": [60.0, 7.0, 8.0, 6.5, 7.5, 9.0]}]


def packet(method: str, *p: object, **more: object) -> str:
    return json.dumps({"m": method, "p": p, **more}, separators=(",", ":"), ensure_ascii=False)

POINTS = {"st": [{"i": 0, "v": [60.0, 1.0]}], "ns": {"d": "", "indexes": []}, "t": "r1_st1"}


def bars(turnaround: str, rows: list[Any] = ROWS) -> dict[str, Any]:
    return {"s": rows, "ns": {"d": "", "indexes": "nochange"}, "t": turnaround, "lbs": {"bar_close_time": 120}}


def update(session: str, **objects: object) -> str:
    return packet("du", session, objects)


def quote(session: str, name: str, **v: object) -> str:
    return packet("qsd", session, {"n": name, "s": "ok", "v": v})


@pytest.fixture
def aliases() -> Aliases:
    """A series, a study, its symbol and a quote of somebody else's run, taken over by a live client."""
    aliases = Aliases()
    aliases.bind_series(("cs_R", "st1"), ("cs_L", "sx", "t1_u1"))
    aliases.bind_series(("cs_R", "s1"), ("cs_L", "x1", "t1"))
    aliases.bind_symbol(("cs_R", "sym"), ("cs_L", "a1"))
    aliases.bind_quote(("qs_R", "A:B"), ("qs_L", "=A:B"))
    return aliases


# --- one recorded thing for one live one --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "live"),
    [
        (quote("qs_R", "A:B", lp=1.0, x=[1e100]), quote("qs_L", "=A:B", lp=1.0, x=[1e100])),
        (packet("qsd", "qs_R", {"n": "A:B", "s": "error", "errmsg": "no", "v": {}}),
         packet("qsd", "qs_L", {"n": "=A:B", "s": "error", "errmsg": "no", "v": {}})),
        (packet("quote_completed", "qs_R", "A:B"), packet("quote_completed", "qs_L", "=A:B")),
        (packet("symbol_resolved", "cs_R", "sym", {"name": "B", "novel": None}, t=1, t_ms=1002),
         packet("symbol_resolved", "cs_L", "a1", {"name": "B", "novel": None}, t=1, t_ms=1002)),
        (packet("symbol_error", "cs_R", "sym", "permission denied", "group", "paid"),
         packet("symbol_error", "cs_L", "a1", "permission denied", "group", "paid")),
        (packet("series_loading", "cs_R", "s1", "r1", t=1, t_ms=1002), packet("series_loading", "cs_L", "x1", "t1", t=1, t_ms=1002)),
        (packet("series_completed", "cs_R", "s1", "streaming", "r1", {"rt_update_period": 5}),
         packet("series_completed", "cs_L", "x1", "streaming", "t1", {"rt_update_period": 5})),
        (packet("series_completed", "cs_R", "s1", "streaming"), packet("series_completed", "cs_L", "x1", "streaming")),
        (packet("series_error", "cs_R", "s1", "r1", {"error": "e"}, "undefined"), packet("series_error", "cs_L", "x1", "t1", {"error": "e"}, "undefined")),
        (packet("series_timeframe", "cs_R", "s1", "r1", 2, 9, "LASTSESSION", True), packet("series_timeframe", "cs_L", "x1", "t1", 2, 9, "LASTSESSION", True)),
        (packet("series_loading", "cs_R", "s1"), packet("series_loading", "cs_L", "x1")),
        (packet("series_deleted", "cs_R", "s1"), packet("series_deleted", "cs_L", "x1")),
        (update("cs_R", s1=bars("r1")), update("cs_L", x1=bars("t1"))),
        (packet("timescale_update", "cs_R", {"s1": {"node": "n", **bars("r1")}}, {"index": 0, "changes": [60.0]}, t=1, t_ms=1002),
         packet("timescale_update", "cs_L", {"x1": {"node": "n", **bars("t1")}}, {"index": 0, "changes": [60.0]}, t=1, t_ms=1002)),
        (packet("critical_error", "cs_R", "invalid parameters", "what"), packet("critical_error", "cs_L", "invalid parameters", "what")),
        (packet("critical_error", "qs_R", "invalid_parameters", "quote_add_symbols"), packet("critical_error", "qs_L", "invalid_parameters", "quote_add_symbols")),
        (packet("study_loading", "cs_R", "st1", "r1_st1", t=1, t_ms=1002), packet("study_loading", "cs_L", "sx", "t1_u1", t=1, t_ms=1002)),
        (packet("study_completed", "cs_R", "st1", "r1_st1"), packet("study_completed", "cs_L", "sx", "t1_u1")),
        (packet("study_error", "cs_R", "st1", "r1_st1", {"error": "e"}, "node"), packet("study_error", "cs_L", "sx", "t1_u1", {"error": "e"}, "node")),
        (packet("study_deleted", "cs_R", "st1", "r1_st1"), packet("study_deleted", "cs_L", "sx", "t1_u1")),
        (packet("study_deleted", "cs_R", "st1"), packet("study_deleted", "cs_L", "sx")),
        (update("cs_R", st1={"node": "n", **POINTS}), update("cs_L", sx={"node": "n", **POINTS, "t": "t1_u1"})),
        (update("cs_R", s1=bars("r1"), st1=POINTS), update("cs_L", x1=bars("t1"), sx={**POINTS, "t": "t1_u1"})),
        (packet("timescale_update", "cs_R", {}, {"index": 300}), packet("timescale_update", "cs_L", {}, {"index": 300})),
        (update("cs_R"), update("cs_L")),
        (update("cs_R", s1="odd"), update("cs_L", x1="odd")),
        (update("cs_R", s1={"s": ROWS}), update("cs_L", x1={"s": ROWS})),
    ],
)  # fmt: skip
def test_ids_are_those_of_the_live_client_and_all_else_stays(aliases: Aliases, recorded: str, live: str) -> None:
    for _ in range(3):
        assert aliases.rewrite(recorded) == [live]


def test_what_is_written_is_written_as_the_wire_does(aliases: Aliases) -> None:
    recorded = '{ "m": "qsd", "p": ["qs_R", {"n": "A:B", "s": "ok", "v": {"lp": 1.0, "x": 1e100, "d": "\\u65e5"}}] }'
    assert aliases.rewrite(recorded) == ['{"m":"qsd","p":["qs_L",{"n":"=A:B","s":"ok","v":{"lp":1.0,"x":1e+100,"d":"日"}}]}']


@pytest.mark.parametrize(
    "payload",
    [
        "~h~12",
        '{"session_id":"0.1.1_demo","timestamp":1}',
        '{"m":"protocol_error","p":["bad auth token"]}',
        '{"m":"novel"}',
        '{"m":"novel","p":[]}',
        '{"m":"novel","p":{"a":1}}',
        '{"m":"novel","p":[1,2]}',
        '{"m":"qsd","p":[{"n":"A:B"}]}',
        "[1]",
        "nonsense",
        '{"m":"qsd","p":["qs_R",{"n":"A:B","s":"ok"',
        '{"m":"study_error","p":["cs_R","\ud800"]}',
        "",
    ],
)
def test_what_has_no_ids_comes_as_it_is(aliases: Aliases, payload: str) -> None:
    assert aliases.rewrite(payload) == [payload]


def test_what_is_nested_too_deeply_to_be_looked_into_comes_as_it_is(aliases: Aliases) -> None:
    for levels in (MAX_NESTING, *range(600, 1_100)):
        for start in ('{"m":"study_error","p":["cs_R",', '{"m":"du","p":["cs_R",{"s1":{"s":'):
            payload = start + "[" * levels + "]" * levels + ("]}" if start.endswith('_R",') else "}}]}")
            assert aliases.rewrite(payload) == [payload]


# --- what nobody asked for ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "recorded",
    [
        quote("qs_R", "C:D", lp=1.0),
        quote("qs_other", "A:B", lp=1.0),
        packet("quote_completed", "qs_R", "C:D"),
        packet("symbol_resolved", "cs_R", "other", {}),
        packet("symbol_error", "cs_other", "sym", "no"),
        packet("series_loading", "cs_R", "s2", "r2"),
        packet("series_completed", "cs_R", "s2", "streaming", "r2"),
        packet("series_deleted", "cs_R", "s2"),
        update("cs_R", s2=bars("r2")),
        update("cs_other", s1=bars("r1")),
        update("cs_other"),
        packet("critical_error", "cs_other", "why", "what"),
        packet("study_loading", "cs_other", "st1", "r1_st1"),
        packet("study_completed", "cs_R", "st2", "r1_st2"),
        packet("study_deleted", "cs_R", "st2"),
        packet("studies_metadata", "metadata_1", {}),
    ],
)
def test_what_nobody_asked_for_comes_out_as_nothing(aliases: Aliases, recorded: str) -> None:
    for _ in range(3):
        assert aliases.rewrite(recorded) == []


def test_a_study_that_nobody_asked_for_is_left_out_beside_the_series(aliases: Aliases) -> None:
    study = {**POINTS, "t": "r1_st2"}
    assert aliases.rewrite(update("cs_R", st2=study)) == []
    assert aliases.rewrite(update("cs_R", st2=study, s1=bars("r1"))) == [update("cs_L", x1=bars("t1"))]
    assert aliases.rewrite(update("cs_R", s1=bars("r1"), st2=study)) == [update("cs_L", x1=bars("t1"))]


def test_of_a_study_that_was_removed_only_that_it_is_gone_is_told(aliases: Aliases) -> None:
    aliases.forget_series("cs_L", "sx")
    assert aliases.rewrite(update("cs_R", st1=POINTS)) == []
    assert aliases.rewrite(packet("study_completed", "cs_R", "st1", "r1_st1")) == []
    assert aliases.rewrite(packet("study_deleted", "cs_R", "st1", "r1_st1")) == [packet("study_deleted", "cs_L", "sx", "t1_u1")]


# --- what several asked for ---------------------------------------------------------------------------------------------


def test_one_recorded_series_feeds_two_live_ones(aliases: Aliases) -> None:
    aliases.bind_series(("cs_R", "s1"), ("cs_M", "y1", "u1"))
    aliases.bind_series(("cs_R", "s1"), ("cs_M", "y1", "u1"))
    for _ in range(3):
        assert aliases.rewrite(update("cs_R", s1=bars("r1"))) == [update("cs_L", x1=bars("t1")), update("cs_M", y1=bars("u1"))]
    assert aliases.rewrite(packet("series_loading", "cs_R", "s1", "r1")) == [
        packet("series_loading", "cs_L", "x1", "t1"), packet("series_loading", "cs_M", "y1", "u1"),
    ]  # fmt: skip
    assert aliases.rewrite(packet("critical_error", "cs_R", "why", "")) == [
        packet("critical_error", "cs_L", "why", ""), packet("critical_error", "cs_M", "why", ""),
    ]  # fmt: skip


def test_two_live_series_of_one_session_come_in_one_packet(aliases: Aliases) -> None:
    aliases.bind_series(("cs_R", "s1"), ("cs_L", "x2", "t2"))
    assert aliases.rewrite(update("cs_R", s1=bars("r1"))) == [update("cs_L", x1=bars("t1"), x2=bars("t2"))]
    assert aliases.rewrite(packet("critical_error", "cs_R", "why", "")) == [packet("critical_error", "cs_L", "why", "")]


def test_one_recorded_quote_feeds_two_live_ones(aliases: Aliases) -> None:
    aliases.bind_quote(("qs_R", "A:B"), ("qs_M", "A:B"))
    for price in (1.0, 2.0, 3.0):
        assert aliases.rewrite(quote("qs_R", "A:B", lp=price)) == [quote("qs_L", "=A:B", lp=price), quote("qs_M", "A:B", lp=price)]


def test_a_live_symbol_is_answered_once_by_what_it_was_bound_to_last(aliases: Aliases) -> None:
    aliases.bind_symbol(("cs_R", "sym2"), ("cs_L", "a1"))
    assert aliases.rewrite(packet("symbol_resolved", "cs_R", "sym", {})) == []
    assert aliases.rewrite(packet("symbol_resolved", "cs_R", "sym2", {})) == [packet("symbol_resolved", "cs_L", "a1", {})]


def test_a_recorded_symbol_answers_two_live_ones(aliases: Aliases) -> None:
    aliases.bind_symbol(("cs_R", "sym"), ("cs_L", "a2"))
    assert aliases.rewrite(packet("symbol_resolved", "cs_R", "sym", {})) == [
        packet("symbol_resolved", "cs_L", "a1", {}), packet("symbol_resolved", "cs_L", "a2", {}),
    ]  # fmt: skip


# --- several series in one recorded packet ------------------------------------------------------------------------------


@pytest.mark.parametrize("turnaround", ["t1", "r1"])
def test_series_of_one_packet_go_where_each_of_them_belongs(aliases: Aliases, turnaround: str) -> None:
    # Clients that call every turnaround alike make packets whose endings look alike, too.
    aliases.bind_series(("cs_R", "s2"), ("cs_M", "y2", "t1"))
    both = update("cs_R", s1=bars(turnaround), s2=bars(turnaround, OTHER_ROWS))
    alone = update("cs_R", s1=bars(turnaround))
    other = update("cs_R", s2=bars(turnaround, OTHER_ROWS))
    for _ in range(2):
        assert aliases.rewrite(both) == [update("cs_L", x1=bars("t1")), update("cs_M", y2=bars("t1", OTHER_ROWS))]
        assert aliases.rewrite(alone) == [update("cs_L", x1=bars("t1"))]
        assert aliases.rewrite(other) == [update("cs_M", y2=bars("t1", OTHER_ROWS))]


def test_a_series_that_nobody_asked_for_is_not_taken_for_its_neighbour() -> None:
    aliases = Aliases()
    aliases.bind_series(("cs_R", "s2"), ("cs_L", "x1", "t1"))
    assert aliases.rewrite(update("cs_R", s1=bars("t1"), s2=bars("t1", OTHER_ROWS))) == [update("cs_L", x1=bars("t1", OTHER_ROWS))]
    assert aliases.rewrite(update("cs_R", s1=bars("t1"))) == []


@pytest.mark.parametrize("name", ["s", "t", "p", 'a"s":', "v"])
def test_a_series_may_have_any_name(name: str) -> None:
    aliases = Aliases()
    aliases.bind_series(("cs_R", name), ("cs_L", "x1", "t1"))
    for rows in (ROWS, OTHER_ROWS, ROWS):
        assert aliases.rewrite(update("cs_R", **{name: bars("t1", rows)})) == [update("cs_L", x1=bars("t1", rows))]


def test_a_turnaround_that_is_the_same_on_both_sides_changes_nothing(aliases: Aliases) -> None:
    for rows in (ROWS, OTHER_ROWS, ROWS):
        assert aliases.rewrite(update("cs_R", s1=bars("t1", rows))) == [update("cs_L", x1=bars("t1", rows))]


def test_a_quote_may_hold_anything(aliases: Aliases) -> None:
    for v in ({"t": "x"}, {"lp": 1.0}, {"s": "y", "x": {"t": "z", "s": "w"}}, {"a": '"t":"', "b": '"s":'}, {}):
        assert aliases.rewrite(quote("qs_R", "A:B", **v)) == [quote("qs_L", "=A:B", **v)]


# --- learning and forgetting while the tape plays -----------------------------------------------------------------------


def test_what_is_bound_later_is_rewritten_from_then_on(aliases: Aliases) -> None:
    assert aliases.rewrite(update("cs_R", s2=bars("t2"))) == []
    aliases.bind_series(("cs_R", "s2"), ("cs_L", "x2", "t2"))
    assert aliases.rewrite(update("cs_R", s2=bars("t2"))) == [update("cs_L", x2=bars("t2"))]
    assert aliases.rewrite(quote("qs_R", "C:D", lp=1.0)) == []
    aliases.bind_quote(("qs_R", "C:D"), ("qs_L", "C:D"))
    assert aliases.rewrite(quote("qs_R", "C:D", lp=1.0)) == [quote("qs_L", "C:D", lp=1.0)]


def test_a_forgotten_series_gets_nothing_more_and_the_others_do(aliases: Aliases) -> None:
    aliases.bind_series(("cs_R", "s1"), ("cs_L", "x2", "t1"))
    aliases.bind_series(("cs_R", "s1"), ("cs_M", "x1", "t1"))
    recorded = update("cs_R", s1=bars("t1"))
    assert len(aliases.rewrite(recorded)) == 2
    aliases.forget_series("cs_L", "x1")
    assert aliases.rewrite(recorded) == [update("cs_L", x2=bars("t1")), update("cs_M", x1=bars("t1"))]
    aliases.forget_series("cs_L")
    assert aliases.rewrite(recorded) == [update("cs_M", x1=bars("t1"))]
    aliases.forget_series("cs_other")
    assert aliases.rewrite(recorded) == [update("cs_M", x1=bars("t1"))]


def test_a_forgotten_quote_gets_nothing_more_and_the_others_do(aliases: Aliases) -> None:
    aliases.bind_quote(("qs_R", "A:B"), ("qs_L", "A:B"))
    aliases.bind_quote(("qs_R", "A:B"), ("qs_M", "=A:B"))
    recorded = quote("qs_R", "A:B", lp=1.0)
    assert len(aliases.rewrite(recorded)) == 3
    aliases.forget_quote("qs_L", "=A:B")
    assert aliases.rewrite(recorded) == [quote("qs_L", "A:B", lp=1.0), quote("qs_M", "=A:B", lp=1.0)]
    aliases.forget_quote("qs_L")
    assert aliases.rewrite(recorded) == [quote("qs_M", "=A:B", lp=1.0)]


def test_it_is_known_which_live_quotes_something_stands_for(aliases: Aliases) -> None:
    assert aliases.has_quote("qs_L", "=A:B")
    assert not aliases.has_quote("qs_L", "A:B")
    assert not aliases.has_quote("qs_R", "=A:B")
    aliases.forget_quote("qs_L", "=A:B")
    assert not aliases.has_quote("qs_L", "=A:B")


def test_that_a_series_is_gone_is_told_to_who_removed_it_but_not_to_who_ended_its_session(aliases: Aliases) -> None:
    aliases.bind_series(("cs_R", "s1"), ("cs_L", "x2", "t2"))
    aliases.bind_series(("cs_R", "s2"), ("cs_M", "y1", "u1"))
    aliases.forget_series("cs_L", "x1")
    assert aliases.rewrite(update("cs_R", s1=bars("r1"))) == [update("cs_L", x2=bars("t2"))]
    assert aliases.rewrite(packet("series_deleted", "cs_R", "s1")) == [
        packet("series_deleted", "cs_L", "x2"), packet("series_deleted", "cs_L", "x1"),
    ]  # fmt: skip
    aliases.forget_series("cs_L")
    assert aliases.rewrite(packet("series_deleted", "cs_R", "s1")) == []
    assert aliases.rewrite(packet("series_deleted", "cs_R", "s2")) == [packet("series_deleted", "cs_M", "y1")]


def test_a_quote_is_unanswered_until_something_comes_for_it(aliases: Aliases) -> None:
    live = ("qs_L", "=A:B")
    for answer in (packet("quote_completed", "qs_R", "A:B"), quote("qs_R", "A:B", lp=1.0)):
        assert aliases.unanswered_quote(*live) == ("qs_R", "A:B")
        aliases.rewrite(quote("qs_R", "C:D", lp=1.0))
        assert aliases.unanswered_quote(*live) == ("qs_R", "A:B")
        aliases.rewrite(answer)
        assert aliases.unanswered_quote(*live) is None
        aliases.bind_quote(("qs_R", "A:B"), live)
    aliases.forget_quote(*live)
    assert aliases.unanswered_quote(*live) is None
