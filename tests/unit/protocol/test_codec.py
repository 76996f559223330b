"""Payloads in, packets out, and the other way round."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tvstreamer.constants import MAX_NESTING, NO_VALUE
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import (
    ChartCreateSession,
    CreateSeries,
    CriticalErrorReply,
    DataUpdate,
    Heartbeat,
    Hello,
    QuoteAddSymbols,
    QuoteData,
    QuoteUpdate,
    SetAuthToken,
    SymbolErrorReply,
    TickData,
    TickUpdate,
    TickValues,
    TimescaleUpdate,
    Unknown,
)

SESSION = Path(__file__).resolve().parents[3] / "fixtures" / "wire" / "minute-session.log"
SENT = [payload for line in SESSION.read_text().splitlines() if line.startswith("WS TX ") for payload in framing.split(line[6:])]
RECEIVED = [payload for line in SESSION.read_text().splitlines() if line.startswith("WS RX ") for payload in framing.split(line[6:])]


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


def wrapped(levels: int) -> str:
    """The same depth, lists and objects in turn."""
    return '[{"a":' * (levels // 2) + nested(levels % 2) * (levels % 2) + "1" * (1 - levels % 2) + "}]" * (levels // 2)


def bushy(levels: int) -> str:
    """The same depth, with as many brackets again that are not nested."""
    return "[" + "{}," * MAX_NESTING + nested(levels - 1) + "]"


def further_inside(calls: int, reply: SymbolErrorReply) -> str:
    """Its reason, as somebody sees it who was called by others."""
    return further_inside(calls - 1, reply) if calls else reply.reason


# --- reading ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("payload", RECEIVED)
def test_a_reply_of_the_wire_is_known_and_comes_back_to_the_letter(payload: str) -> None:
    reply = codec.decode_reply(payload)
    assert not isinstance(reply, Unknown)
    assert codec.encode(reply) == payload
    assert codec.decode_reply(payload.encode()) == reply


@pytest.mark.parametrize("payload", SENT)
def test_a_command_of_the_wire_is_known_and_comes_back_with_the_same_meaning(payload: str) -> None:
    command = codec.decode_command(payload)
    assert not isinstance(command, Unknown)
    assert codec.decode_command(codec.encode(command)) == command
    assert codec.decode_command(payload.encode()) == command


def test_what_a_command_leaves_out_has_the_browsers_value() -> None:
    assert codec.decode_command('{"m":"chart_create_session","p":["cs_1"]}') == ChartCreateSession(ChartCreateSession.Params("cs_1", ""))
    short = codec.decode_command('{"m":"create_series","p":["cs_1","s1","t1","a1","1D"]}')
    assert short == CreateSeries(CreateSeries.Params("cs_1", "s1", "t1", "a1", "1D", 300, ""))


@pytest.mark.parametrize("payload", [each for each in RECEIVED if not each.startswith('{"m":"qsd"')] + ["~h~1", "{", '{"m":"novel","p":[]}'])
def test_where_quotes_are_there_for_ticks_everything_else_is_read_as_ever(payload: str) -> None:
    assert codec.decode_tick_reply(payload) == codec.decode_reply(payload)


def test_where_quotes_are_there_for_ticks_no_more_than_those_need_is_read_of_them() -> None:
    payload = '{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{"volume":7,"lp_time":5,"lp":1,"bid":0.5,"session":"24x7"}}]}'
    values = TickValues(7.0, 5.0, 1.0, "24x7")
    assert codec.decode_tick_reply(payload) == TickData(TickData.Params("qs_1", TickUpdate("A:B", "ok", "", values)))
    bare = '{"m":"qsd","p":["qs_1",{"n":"A:B"}]}'
    assert codec.decode_tick_reply(bare) == TickData(TickData.Params("qs_1", TickUpdate("A:B", "ok", "", TickValues())))


@pytest.mark.parametrize("odd", ['"1"', "true", "[]", "{}", "1" + "0" * 400])
@pytest.mark.parametrize("name", ["lp", "volume", "lp_time"])
def test_a_quote_is_read_as_a_whole_one_where_a_tick_has_an_odd_type(name: str, odd: str) -> None:
    payload = f'{{"m":"qsd","p":["qs_1",{{"n":"A:B","s":"ok","v":{{"{name}":{odd}}}}}]}}'
    assert isinstance(codec.decode_tick_reply(payload), QuoteData)
    assert codec.decode_tick_reply(payload) == codec.decode_reply(payload)


def test_more_than_we_know_of_is_no_obstacle() -> None:
    known = codec.decode_reply('{"m":"critical_error","p":["cs_1","why","what"]}')
    assert known == CriticalErrorReply(CriticalErrorReply.Params("cs_1", "why", "what"))
    assert codec.decode_reply('{"novel":{},"m":"critical_error","p":["cs_1","why","what",7],"t":1}') == known
    assert codec.decode_command('{"m":"set_auth_token","p":["a",1]}') == SetAuthToken(SetAuthToken.Params("a"))


def test_blanks_between_tokens_are_no_obstacle() -> None:
    assert codec.decode_command('{ "m": "quote_add_symbols",\n "p": ["qs_1", "A:B"] }') == QuoteAddSymbols(["qs_1", "A:B"])


def test_the_hello_is_told_by_its_session_id() -> None:
    assert codec.decode_reply('{"session_id":"0.1.2_x","timestamp":5,"javastudies":"3.61"}') == Hello("0.1.2_x", 5, javastudies="3.61")
    assert codec.decode_reply('{"timestamp":5}') == Unknown("", '{"timestamp":5}')


@pytest.mark.parametrize("decode", [codec.decode_reply, codec.decode_command])
@pytest.mark.parametrize("payload", ["~h~1", b"~h~1", '"~h~1"', b'"~h~1"'])
def test_a_heartbeat_is_one_bare_or_as_a_tape_holds_it(decode: Any, payload: str | bytes) -> None:
    assert decode(payload) == Heartbeat("~h~1")


@pytest.mark.parametrize("payload", ["~h~", "~h~x", '"~h~12', '"~h~"', '"~h~1"2', "~j~1"])
def test_what_only_resembles_a_heartbeat_is_none(payload: str) -> None:
    assert codec.decode_reply(payload) == Unknown("", payload)


@pytest.mark.parametrize(
    ("payload", "method"),
    [
        ('{"m":"novel","p":[1]}', "novel"),
        ('{"m":"qsd","p":"odd"}', "qsd"),
        ('{"m":"qsd","p":["qs_1",{"n":"A:B","v":{"lp":1e999}}]}', ""),
        ('{"m":"du","p":["cs_1",{"s1":{"s":[{"i":0,"v":[1,2]}]}}]}', "du"),
        ('{"p":[1]}', ""),
        ('{"m":7}', ""),
        ('{"m":["qsd"]}', ""),
        ('{"m":null}', ""),
        ("[1]", ""),
        ("7", ""),
        ('{"m":"qsd","p":[', ""),
        ('{"m":"novel","p":["\ud800"]}', ""),
        ("", ""),
        (" {\t}\r\n", ""),
        ("\N{ROCKET}", ""),
    ],
)
def test_anything_else_is_unknown_and_kept_to_the_letter(payload: str, method: str) -> None:
    for unknown in (codec.decode_reply(payload), codec.decode_command(payload)):
        assert unknown == Unknown(method, payload)
        assert codec.encode(unknown) == payload


def test_bytes_that_are_no_text_are_unknown_and_kept_byte_for_byte() -> None:
    payload = b'{"m":"novel","p":["\xff\xe9"]}'
    unknown = codec.decode_reply(payload)
    assert isinstance(unknown, Unknown)
    assert codec.encode(unknown).encode("utf-8", "surrogateescape") == payload


@pytest.mark.parametrize("digits", [20, 400, 5_000])
def test_a_whole_number_of_any_length_is_no_exception(digits: int) -> None:
    payload = '{"m":"symbol_error","p":["cs_1","a1",' + "7" * digits + "]}"
    reply = codec.decode_reply(payload)
    assert isinstance(reply, SymbolErrorReply | Unknown)
    assert codec.encode(reply) == payload


# --- nesting ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("inner", [nested, wrapped, bushy])
@pytest.mark.parametrize(
    ("before", "after", "outside"),
    [
        ('{"m":"symbol_error","p":["cs_1","a1",', "]}", 2),
        ('{"m":"series_error","p":["cs_1","s1","t1",', "]}", 2),
        ('{"m":"critical_error","p":["cs_1","why",', "]}", 2),
        ('{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{"lp":', "}}]}", 4),
        ('{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{"bid":', "}}]}", 4),
        ('{"m":"symbol_resolved","p":["cs_1","a1",{"name":', "}]}", 3),
        ('{"session_id":"x","javastudies":', "}", 1),
    ],
)
def test_nesting_is_read_down_to_a_limit_that_is_always_the_same(inner: Any, before: str, after: str, outside: int) -> None:
    deepest = before + inner(MAX_NESTING - outside) + after
    assert not isinstance(codec.decode_reply(deepest), Unknown)
    too_deep = before + inner(MAX_NESTING - outside + 1) + after
    assert codec.decode_reply(too_deep) == Unknown("", too_deep)
    assert codec.decode_reply(too_deep.encode()) == Unknown("", too_deep)
    assert not isinstance(codec.decode_tick_reply(deepest), Unknown)
    assert codec.decode_tick_reply(too_deep) == Unknown("", too_deep)


def test_a_command_nested_too_deeply_is_unknown() -> None:
    payload = '{"m":"create_series","p":["cs_1","s1","t1","a1","1",' + nested(MAX_NESTING) + "]}"
    assert codec.decode_command(payload) == Unknown("", payload)
    assert codec.parameters(payload) == ("", [])


def test_a_reason_of_any_depth_is_no_exception() -> None:
    # Where Python itself gives up depends on who calls, so every depth near that gets its turn, and is used further inside.
    for levels in range(1, 1_100):
        reply = codec.decode_reply('{"m":"symbol_error","p":["cs_1","a1",' + nested(levels) + "]}")
        if isinstance(reply, SymbolErrorReply):
            assert further_inside(20, reply) == nested(levels)
        else:
            assert isinstance(reply, Unknown)


@pytest.mark.parametrize("levels", [200, 990, 5_000])
def test_a_method_that_is_a_deep_list_is_none(levels: int) -> None:
    payload = '{"m":' + nested(levels) + ',"p":[1]}'
    assert codec.decode_reply(payload) == Unknown("", payload)
    assert codec.parameters(payload) == ("", [])


def test_brackets_in_texts_and_side_by_side_are_not_nested() -> None:
    texts = json.dumps(["[{" * MAX_NESTING, '"[' * MAX_NESTING, "\\[" * MAX_NESTING, {"\n": "]"}])
    assert isinstance(codec.decode_reply('{"m":"symbol_error","p":["cs_1","a1",' + texts + "]}"), SymbolErrorReply)
    row = ",".join(['{"i":0,"v":[0,1,1,1,1]}'] * MAX_NESTING)
    assert isinstance(codec.decode_reply('{"m":"du","p":["cs_1",{"s1":{"s":[' + row + "]}}]}"), DataUpdate)
    points = ",".join(["[1]"] * MAX_NESTING)
    assert isinstance(codec.decode_reply('{"m":"qsd","p":["qs_1",{"n":"A:B","v":{"x":[' + points + "]}}]}"), QuoteData)


# --- untyped ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ('{"m":"novel","p":[1,{"a":null}],"t":5}', ("novel", [1, {"a": None}])),
        ('{"m":"novel"}', ("novel", [])),
        ('{"m":"novel","p":{"a":1}}', ("novel", [])),
        ('{"m":7,"p":[1]}', ("", [1])),
        ("[1]", ("", [])),
        ("nonsense", ("", [])),
        ("~h~1", ("", [])),
    ],
)
def test_parameters_are_to_be_had_of_any_packet(payload: str, expected: tuple[str, list[Any]]) -> None:
    assert codec.parameters(payload) == expected
    assert codec.parameters(payload.encode()) == expected


# --- writing ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (NO_VALUE, "1e+100"),
        (-NO_VALUE, "-1e+100"),
        (1751833020.0, "1751833020.0"),
        (-0.0, "-0.0"),
        (300, "300"),
        (354.1, "354.1"),
        (0.0001, "0.0001"),
        (1.5e-7, "0.00000015"),
        (-2e-9, "-0.000000002"),
        (1e16, "1" + "0" * 16 + ".0"),
        (-2.5e20, "-25" + "0" * 19 + ".0"),
        (1e45, "1" + "0" * 45 + ".0"),
        (3e99, "3" + "0" * 99 + ".0"),
        (2e100, "2" + "0" * 100 + ".0"),
        (1e300, "1" + "0" * 300 + ".0"),
    ],
)
def test_numbers_have_no_exponent_but_no_value(number: float, text: str) -> None:
    assert codec.wire_json(number) == text
    assert codec.wire_json([number, {"a": number}]) == f'[{text},{{"a":{text}}}]'
    assert json.loads(text) == number


@pytest.mark.parametrize("exponent", [*range(-300, 300, 7), 99, 101])
def test_no_size_of_a_number_is_written_with_an_exponent(exponent: int) -> None:
    value = float(f"1.25e{exponent}")
    text = codec.wire_json([value])
    assert "e" not in text
    assert json.loads(text) == [value]


def test_no_value_that_is_in_wire_form_already_stays_beside_a_number_that_is_not() -> None:
    assert codec.wire_json([msgspec.Raw(b"1e+100"), 1e16]) == "[1e+100,10000000000000000.0]"


@pytest.mark.parametrize("text", ["a:1e5", "[2e-9,", '":1e30', "\\", '\\":1e30'])
def test_what_looks_like_an_exponent_inside_a_text_stays(text: str) -> None:
    written = codec.wire_json({text: 1e30, "a": [text, 1e-9], text + "b": NO_VALUE})
    assert json.loads(written) == {text: 1e30, "a": [text, 1e-9], text + "b": NO_VALUE}
    assert json.dumps(text) + ":1" + "0" * 30 + ".0" in written
    assert written.endswith(":1e+100}")


def test_text_is_written_as_it_is() -> None:
    assert codec.wire_json({"description": "日経 \N{ROCKET} é"}) == '{"description":"日経 \N{ROCKET} é"}'


@pytest.mark.parametrize(
    ("packet", "text"),
    [
        (Heartbeat("~h~12"), "~h~12"),
        (Unknown("m", " as it was "), " as it was "),
        (Hello("0.1", 5, 5000, "r", "h", 2, "json", "via", ["3.66"]),
         '{"session_id":"0.1","timestamp":5,"timestampMs":5000,"release":"r","studies_metadata_hash":"h","auth_scheme_vsn":2,"protocol":"json","via":"via","javastudies":["3.66"]}'),
        (QuoteAddSymbols(["qs_1", "A:B"]), '{"m":"quote_add_symbols","p":["qs_1","A:B"]}'),
        (QuoteData(QuoteData.Params("qs_1", QuoteUpdate("A:B", v={"volume": NO_VALUE, "lp": 1.0, "rtc": None}))),
         '{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{"volume":1e+100,"lp":1.0,"rtc":null}}]}'),
        (QuoteData(QuoteData.Params("qs_1", QuoteUpdate("A:B", "error", "no_such_symbol", {}))),
         '{"m":"qsd","p":["qs_1",{"n":"A:B","s":"error","errmsg":"no_such_symbol","v":{}}]}'),
        (SymbolErrorReply(["cs_1", "a1", "invalid symbol"], 5, 5001),
         '{"m":"symbol_error","p":["cs_1","a1","invalid symbol"],"t":5,"t_ms":5001}'),
        (TimescaleUpdate(TimescaleUpdate.Params("cs_1", {}), 5, 5001), '{"m":"timescale_update","p":["cs_1",{},{}],"t":5,"t_ms":5001}'),
    ],
)  # fmt: skip
def test_packets_are_written_in_the_wires_order(packet: Any, text: str) -> None:
    assert codec.encode(packet) == text
