"""Which methods and symbols a message is about."""

from __future__ import annotations

import pytest

from tvstreamer.faults.kinds import DOWNSTREAM, UPSTREAM
from tvstreamer.faults.subjects import Subjects, only_heartbeats, payloads_of
from tvstreamer.protocol.framing import join

RESOLVE = '{"m":"resolve_symbol","p":["cs_1","sym_1","={\\"symbol\\":\\"binance:BTCUSDT\\"}"]}'
CREATE = '{"m":"create_series","p":["cs_1","sds_1","s1","sym_1","1",300,""]}'
ROW = '{"s":[{"i":1,"v":[60,1,1,1,1,1]}],"t":"s1"}'


def followed() -> Subjects:
    subjects = Subjects()
    subjects.follow(join([RESOLVE, CREATE]))
    return subjects


@pytest.mark.parametrize(
    ("payload", "method", "symbols"),
    [
        ("~h~7", "heartbeat", set()),
        ('{"session_id":"0.1","timestamp":1}', "hello", set()),
        ('{"m":"nonsense","p":[1]}', "nonsense", set()),
        ("[]", "", set()),
        ('{"m":"qsd","p":["qs_1",{"n":"NASDAQ:AAPL","s":"ok","v":{}}]}', "qsd", {"NASDAQ:AAPL"}),
        ('{"m":"quote_completed","p":["qs_1","={\\"symbol\\":\\"NASDAQ:AAPL\\"}"]}', "quote_completed", {"NASDAQ:AAPL"}),
        (f'{{"m":"du","p":["cs_1",{{"sds_1":{ROW},"sds_9":{ROW}}}]}}', "du", {"BINANCE:BTCUSDT"}),
        (f'{{"m":"timescale_update","p":["cs_1",{{"sds_1":{ROW}}},{{}}]}}', "timescale_update", {"BINANCE:BTCUSDT"}),
        (f'{{"m":"du","p":["cs_2",{{"sds_1":{ROW}}}]}}', "du", set()),
        ('{"m":"symbol_resolved","p":["cs_1","sym_1",{}]}', "symbol_resolved", {"BINANCE:BTCUSDT"}),
        ('{"m":"symbol_error","p":["cs_1","sym_1","invalid symbol"]}', "symbol_error", {"BINANCE:BTCUSDT"}),
        ('{"m":"symbol_error","p":[]}', "symbol_error", set()),
        ('{"m":"series_loading","p":["cs_1","sds_1","s1"]}', "series_loading", {"BINANCE:BTCUSDT"}),
        ('{"m":"series_completed","p":["cs_1","sds_1","streaming","s1"]}', "series_completed", {"BINANCE:BTCUSDT"}),
        ('{"m":"series_error","p":["cs_1","sds_1","s1","x"]}', "series_error", {"BINANCE:BTCUSDT"}),
        ('{"m":"protocol_error","p":["x"]}', "protocol_error", set()),
    ],
)
def test_a_reply_is_about_its_method_and_its_symbol(payload: str, method: str, symbols: set[str]) -> None:
    about = followed().about(join([payload]), DOWNSTREAM)
    assert about.methods == {method}
    assert about.symbols == symbols


@pytest.mark.parametrize(
    ("payload", "method", "symbols"),
    [
        ("~h~7", "heartbeat", set()),
        ('{"m":"set_locale","p":["en","US"]}', "set_locale", set()),
        (RESOLVE, "resolve_symbol", {"BINANCE:BTCUSDT"}),
        (CREATE, "create_series", {"BINANCE:BTCUSDT"}),
        ('{"m":"modify_series","p":["cs_1","sds_1","s2","sym_1","5",""]}', "modify_series", {"BINANCE:BTCUSDT"}),
        ('{"m":"remove_series","p":["cs_1","sds_1"]}', "remove_series", {"BINANCE:BTCUSDT"}),
        ('{"m":"request_more_data","p":["cs_1","sds_1",10]}', "request_more_data", {"BINANCE:BTCUSDT"}),
        ('{"m":"quote_add_symbols","p":["qs_1","A:B","c:d"]}', "quote_add_symbols", {"A:B", "C:D"}),
        ('{"m":"quote_remove_symbols","p":["qs_1","A:B"]}', "quote_remove_symbols", {"A:B"}),
        ('{"m":"quote_fast_symbols","p":["qs_1","A:B"]}', "quote_fast_symbols", {"A:B"}),
    ],
)
def test_a_command_is_about_its_method_and_its_symbols(payload: str, method: str, symbols: set[str]) -> None:
    about = followed().about(join([payload]), UPSTREAM)
    assert about.methods == {method}
    assert about.symbols == symbols


def test_a_message_is_about_all_that_its_packets_are() -> None:
    message = join(["~h~1", '{"m":"quote_completed","p":["qs_1","A:B"]}', '{"m":"quote_completed","p":["qs_1","C:D"]}'])
    assert Subjects().about(message, DOWNSTREAM) == ({"heartbeat", "quote_completed"}, {"A:B", "C:D"})


def test_a_message_that_is_not_well_framed_is_about_nothing() -> None:
    subjects = Subjects()
    subjects.follow("~m~5~m~x")
    assert subjects.about("~m~5~m~x", DOWNSTREAM) == (frozenset(), frozenset())
    assert payloads_of("no header") == []


def test_the_same_text_means_something_else_in_each_direction_and_after_each_command() -> None:
    subjects = Subjects()
    completed = join(['{"m":"series_completed","p":["cs_1","sds_1","streaming","s1"]}'])
    assert subjects.about(completed, UPSTREAM).methods == {"series_completed"}
    assert subjects.about(completed, DOWNSTREAM).symbols == frozenset()
    assert subjects.about(completed, DOWNSTREAM).symbols == frozenset()
    subjects.follow(join([RESOLVE, CREATE]))
    assert subjects.about(completed, DOWNSTREAM).symbols == {"BINANCE:BTCUSDT"}


def test_the_newest_chart_session_comes_before_any_quote_session() -> None:
    subjects = Subjects()
    assert subjects.session == ""
    subjects.follow(join(['{"m":"quote_create_session","p":["qs_1"]}']))
    assert subjects.session == "qs_1"
    subjects.follow(join(['{"m":"chart_create_session","p":["cs_1",""]}', '{"m":"chart_create_session","p":["cs_2",""]}']))
    subjects.follow(join(['{"m":"quote_create_session","p":["qs_2"]}', '{"m":"set_locale","p":["en","US"]}']))
    assert subjects.session == "cs_2"


@pytest.mark.parametrize(
    ("message", "only"), [(join(["~h~1"]), True), (join(["~h~1", "~h~2"]), True), (join(["~h~1", "{}"]), False), ("", False), ("x", False)]
)
def test_a_message_may_hold_only_heartbeats(message: str, only: bool) -> None:
    assert only_heartbeats(message) is only
