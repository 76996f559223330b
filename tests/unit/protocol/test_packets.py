"""What the declarations say of the wire: positions, what may be left out, and what is no number to count with."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from tvstreamer.protocol.packets import (
    COMMANDS,
    REPLIES,
    BarRow,
    BarValues,
    CreateStudy,
    CriticalErrorReply,
    DataUpdate,
    Hello,
    LastBarStatus,
    ModifySeries,
    ModifyStudy,
    ProtocolErrorReply,
    QuoteAddSymbols,
    QuoteData,
    QuoteHibernateAll,
    QuoteListFields,
    QuoteSetFields,
    QuoteUpdate,
    RequestHistoryData,
    SeriesCompleted,
    SeriesData,
    SeriesErrorReply,
    SeriesLoading,
    SetAuthToken,
    StudyCompleted,
    StudyDeleted,
    StudyErrorReply,
    StudyLoading,
    StudyRow,
    SymbolErrorReply,
    SymbolResolved,
    TimescaleUpdate,
)

NS = {"d": "", "indexes": "nochange"}


def read(kind: Any, text: str) -> Any:
    return msgspec.json.decode(text, type=kind)


@pytest.mark.parametrize("kind", [*COMMANDS, *REPLIES], ids=lambda kind: kind.__name__)
def test_the_method_is_the_class_name_in_the_wires_spelling(kind: type[msgspec.Struct]) -> None:
    words = re.sub("(?<=[a-z])(?=[A-Z])", "_", kind.__name__.removesuffix("Reply")).lower()
    assert kind.__struct_config__.tag == {"quote_data": "qsd", "data_update": "du"}.get(words, words)
    assert kind.__struct_config__.tag_field == "m"


def test_no_method_is_declared_twice() -> None:
    tags = [kind.__struct_config__.tag for kind in (*COMMANDS, *REPLIES)]
    assert len(set(tags)) == len(tags)


def test_a_token_is_not_shown() -> None:
    command = SetAuthToken(SetAuthToken.Params("secret"))
    assert repr(command) == "SetAuthToken(<token>)"
    assert "secret" not in f"{command} {[command]}"


# --- commands -----------------------------------------------------------------------------------------------------------


def test_a_quote_list_is_a_session_and_names() -> None:
    command = read(QuoteAddSymbols, '{"m":"quote_add_symbols","p":["qs_1","A:B","C:D"]}')
    assert (command.session, command.names) == ("qs_1", ["A:B", "C:D"])
    assert QuoteSetFields(["qs_1"]).names == []
    assert (QuoteHibernateAll([]).session, QuoteHibernateAll([]).names) == ("", [])


@pytest.mark.parametrize("p", ['["qs_1","A:B",{"flags":["force_permission"]}]', '["qs_1",["A:B"]]', '["qs_1",7]', '"qs_1"'])
def test_a_quote_list_holds_strings_only(p: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(QuoteAddSymbols, f'{{"m":"quote_add_symbols","p":{p}}}')


def test_modify_series_has_six_parameters_and_no_count() -> None:
    command = read(ModifySeries, '{"m":"modify_series","p":["cs_1","s1","t2","a2","60","r,0:600"]}')
    assert command.p == ModifySeries.Params(session="cs_1", series="s1", turnaround="t2", alias="a2", resolution="60", period="r,0:600")


def test_a_study_is_created_with_inputs_or_none() -> None:
    command = read(CreateStudy, '{"m":"create_study","p":["cs_1","st1","st1","s1","Volume@tv-basicstudies-246",{"length":20}]}')
    assert command.p == CreateStudy.Params("cs_1", "st1", "st1", "s1", "Volume@tv-basicstudies-246", {"length": 20})
    assert CreateStudy.Params("cs_1", "st1", "st1", "s1", "X").inputs == {}
    changed = read(ModifyStudy, '{"m":"modify_study","p":["cs_1","st1","st2",{"in_0":5}]}')
    assert changed.p == ModifyStudy.Params("cs_1", "st1", "st2", {"in_0": 5})


# --- replies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reply", "moment"),
    [
        ('{"m":"series_loading","p":["cs_1","s1","t1"],"t":1700000000,"t_ms":1700000000123}',
         SeriesLoading(SeriesLoading.Params("cs_1", "s1", "t1"), 1700000000, 1700000000123), 1700000000123),
        ('{"m":"series_loading","p":["cs_1","s1"]}', SeriesLoading(SeriesLoading.Params("cs_1", "s1", "")), None),
        ('{"m":"symbol_resolved","p":["cs_1","a1",{"type":"spot"}],"t":1,"t_ms":1002}',
         SymbolResolved(SymbolResolved.Params("cs_1", "a1", {"type": "spot"}), 1, 1002), 1002),
        ('{"m":"symbol_error","p":["cs_1","a1","invalid symbol"],"t":1,"t_ms":1002}',
         SymbolErrorReply(["cs_1", "a1", "invalid symbol"], 1, 1002), 1002),
        ('{"m":"series_completed","p":["cs_1","s1","streaming","t1",{"rt_update_period":5}],"t":1,"t_ms":1002}',
         SeriesCompleted(SeriesCompleted.Params("cs_1", "s1", "streaming", "t1", {"rt_update_period": 5}), 1, 1002), 1002),
        ('{"m":"series_completed","p":["cs_1","s1","delayed_streaming_900","t1"]}',
         SeriesCompleted(SeriesCompleted.Params("cs_1", "s1", "delayed_streaming_900", "t1", {})), None),
        ('{"m":"series_error","p":["cs_1","s1","t1","resolve error","node@node"],"t":1,"t_ms":1002}',
         SeriesErrorReply(SeriesErrorReply.Params("cs_1", "s1", "t1", "resolve error", "node@node"), 1, 1002), 1002),
        ('{"m":"series_error","p":["cs_1","s1","t1",{"error":"e","ctx":{}},"undefined"]}',
         SeriesErrorReply(SeriesErrorReply.Params("cs_1", "s1", "t1", {"error": "e", "ctx": {}}, "undefined")), None),
        ('{"m":"study_error","p":["cs_1","st1","t1_st1","no"],"t":1,"t_ms":1002}',
         StudyErrorReply(StudyErrorReply.Params("cs_1", "st1", "t1_st1", "no"), 1, 1002), 1002),
        ('{"m":"study_error","p":["cs_1","st1","t1_st1",{"error":"e","ctx":{}},"undefined","more"]}',
         StudyErrorReply(StudyErrorReply.Params("cs_1", "st1", "t1_st1", {"error": "e", "ctx": {}}, "undefined")), None),
        ('{"m":"study_loading","p":["cs_1","st1","t1_st1"],"t":1,"t_ms":1002}',
         StudyLoading(StudyLoading.Params("cs_1", "st1", "t1_st1"), 1, 1002), 1002),
        ('{"m":"study_completed","p":["cs_1","st1","t1_st1"],"t":1,"t_ms":1002}',
         StudyCompleted(StudyCompleted.Params("cs_1", "st1", "t1_st1"), 1, 1002), 1002),
        ('{"m":"study_deleted","p":["cs_1","st1"],"t":1,"t_ms":1002}',
         StudyDeleted(StudyDeleted.Params("cs_1", "st1"), 1, 1002), 1002),
    ],
)  # fmt: skip
def test_replies_with_the_servers_time(text: str, reply: Any, moment: int | None) -> None:
    assert reply.t_ms == moment
    assert read(type(reply), text) == reply


@pytest.mark.parametrize(
    ("text", "reply"),
    [
        ('{"m":"critical_error","p":["qs_1","invalid_parameters","quote_add_symbols"]}',
         CriticalErrorReply(CriticalErrorReply.Params("qs_1", "invalid_parameters", "quote_add_symbols"))),
        ('{"m":"critical_error","p":["rs_1","no_point_or_series",{"command":"step"}]}',
         CriticalErrorReply(CriticalErrorReply.Params("rs_1", "no_point_or_series", {"command": "step"}))),
        ('{"m":"critical_error","p":["cs_1"]}', CriticalErrorReply(CriticalErrorReply.Params("cs_1", "", ""))),
        ('{"m":"protocol_error","p":["bad auth token"]}', ProtocolErrorReply(ProtocolErrorReply.Params("bad auth token"))),
        ('{"m":"protocol_error","p":[]}', ProtocolErrorReply(ProtocolErrorReply.Params(""))),
        ('{"m":"qsd","p":["qs_1",{"n":"A:B","s":"permission_denied","errmsg":"Permission denied","v":{"alternative":"x"}}]}',
         QuoteData(QuoteData.Params("qs_1", QuoteUpdate("A:B", "permission_denied", "Permission denied", {"alternative": "x"})))),
        ('{"m":"qsd","p":["qs_1",{"n":"A:B"}]}', QuoteData(QuoteData.Params("qs_1", QuoteUpdate("A:B", "ok", "", {})))),
    ],
)  # fmt: skip
def test_replies_without_a_time(text: str, reply: Any) -> None:
    assert read(type(reply), text) == reply


@pytest.mark.parametrize(
    ("p", "session", "alias", "reason"),
    [
        (["cs_1", "a1", "invalid symbol"], "cs_1", "a1", "invalid symbol"),
        (["cs_1", "a1", "permission denied", "group", "paid"], "cs_1", "a1", "permission denied, group, paid"),
        (["cs_1", "a1", "no", {"error": 1}, None, True], "cs_1", "a1", 'no, {"error":1}, null, true'),
        (["cs_1", "a1"], "cs_1", "a1", "no reason given"),
        (["cs_1", "a1", ""], "cs_1", "a1", "no reason given"),
        (["cs_1"], "cs_1", "", "no reason given"),
        ([], "", "", "no reason given"),
        ([7, 8, "why"], "7", "8", "why"),
    ],
)
def test_a_symbol_error_has_a_session_an_alias_and_reasons(p: list[Any], session: str, alias: str, reason: str) -> None:
    reply = SymbolErrorReply(p)
    assert (reply.session, reply.alias, reply.reason) == (session, alias, reason)


def test_a_bar_has_a_volume_or_five_values() -> None:
    assert read(BarValues, "[1700000040.0,1,2.5,0.5,2,3]") == BarValues(1700000040.0, 1.0, 2.5, 0.5, 2.0, 3.0)
    assert read(BarValues, "[1700000040,1,2,0.5,1.5]").volume is None
    assert read(BarValues, "[1700000040,1,2,0.5,1.5,1e+100]").volume == 1e100
    with pytest.raises(msgspec.ValidationError):
        read(BarValues, "[1700000040,1,2,0.5]")


def test_a_live_update_and_a_snapshot_have_one_shape() -> None:
    update = read(DataUpdate, '{"m":"du","p":["cs_1",{"s1":{"s":[{"i":-3,"v":[60.0,1,2,0.5,1.5,0.0]}],"ns":{"d":"","indexes":"nochange"},"t":"t1","lbs":{"bar_close_time":120}}}]}')
    row = BarRow(-3, BarValues(60.0, 1.0, 2.0, 0.5, 1.5, 0.0))
    assert update.p.objects == {"s1": SeriesData(s=[row], ns=NS, t="t1", lbs=LastBarStatus(120))}
    snapshot = read(TimescaleUpdate, '{"m":"timescale_update","p":["cs_1",{"s1":{"node":"n","s":[],"ns":{},"t":"t1"}},{"index":0}],"t":1,"t_ms":1002}')
    assert snapshot.p.objects == {"s1": SeriesData(node="n", s=[], ns={}, t="t1")}
    assert bytes(snapshot.p.timescale) == b'{"index":0}'
    assert snapshot.t_ms == 1002


def test_a_study_has_points_in_place_of_bars_and_future_tick_marks_have_no_object() -> None:
    study = read(DataUpdate, '{"m":"du","p":["cs_1",{"st1":{"node":"n","st":[{"i":0,"v":[60.0,1e+100]}],"ns":{},"t":"t1_st1"}}]}')
    assert study.p.objects["st1"].s is None
    assert study.p.objects["st1"].st == [StudyRow(0, [60.0, 1e100])]
    assert read(TimescaleUpdate, '{"m":"timescale_update","p":["cs_1",{}]}').p.objects == {}


@pytest.mark.parametrize("number", ["9007199254740993", "-9007199254740993", "1" + "0" * 400])
def test_a_time_that_no_float_can_hold_is_none_of_the_wires(number: str) -> None:
    for kind, text in (
        (SeriesLoading, f'{{"m":"series_loading","p":["cs_1","s1","t1"],"t":1,"t_ms":{number}}}'),
        (Hello, f'{{"session_id":"x","timestampMs":{number}}}'),
    ):
        with pytest.raises(msgspec.ValidationError):
            read(kind, text)


@pytest.mark.parametrize("number", ["9007199254740992", "-9007199254740992", "0"])
def test_the_largest_time_is_one_that_a_float_can_hold(number: str) -> None:
    assert read(Hello, f'{{"session_id":"x","timestampMs":{number}}}').timestampMs == int(number)


@pytest.mark.parametrize(("text", "moment"), [("1700000220", 1700000220), ("1700000220.5", 1700000220.5), ("null", None)])
def test_the_end_of_a_bar_is_a_whole_number_mostly(text: str, moment: float | None) -> None:
    assert read(LastBarStatus, f'{{"bar_close_time":{text}}}') == LastBarStatus(moment)
    assert read(LastBarStatus, "{}") == LastBarStatus(None)


@pytest.mark.parametrize("kind", [QuoteListFields, RequestHistoryData])
@pytest.mark.parametrize(("p", "session"), [("[]", ""), ('["x_1",0]', "x_1"), ("[5]", "")])
def test_a_list_of_anything_has_a_session_where_it_begins_with_a_text(kind: Any, p: str, session: str) -> None:
    method = kind.__struct_config__.tag
    assert read(kind, f'{{"m":"{method}","p":{p}}}').session == session
