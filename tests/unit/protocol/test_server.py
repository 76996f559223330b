"""The server's side: what it takes, keeps, refuses, and when it loses patience."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.errors import FramingError, InvalidPlan
from tvstreamer.protocol import framing
from tvstreamer.protocol.journal import JournalEntry
from tvstreamer.protocol.packets import (
    CreateSeries,
    CreateStudy,
    Hello,
    ModifySeries,
    ModifyStudy,
    QuoteAddSymbols,
    QuoteCompleted,
    RemoveStudy,
    SeriesLoading,
    SetLocale,
)
from tvstreamer.protocol.server import UNANSWERED, ServerProtocol

SESSION = Path(__file__).resolve().parents[3] / "fixtures" / "wire" / "minute-session.log"
HELLO = Hello("0.1.1_demo-1", 5, 5000, "demo", "0", 2, "json", "192.0.2.1:443", ["3.66"])


class Talk:
    """A greeted client, on a clock that starts at 0."""

    def __init__(self, **manners: Any) -> None:
        self.server = ServerProtocol(HELLO, **manners)
        self.server.connected(0.0)
        self.server.messages_to_send()

    def say(self, method: str, *p: object, at: float = 1.0) -> list[dict[str, Any]]:
        return self.say_text(json.dumps({"m": method, "p": p}), at=at)

    def say_text(self, *payloads: str, at: float = 1.0) -> list[dict[str, Any]]:
        """The packets with which the server answers by itself."""
        self.server.receive(framing.join(payloads), at)
        return [json.loads(payload) for message in self.server.messages_to_send() for payload in framing.split(message)]

    def wait(self, until: float) -> list[str]:
        self.server.handle_deadline(until)
        return self.server.messages_to_send()

    @property
    def journal(self) -> list[tuple[str, str, str]]:
        """Takes kind, method and detail of what has been noted since."""
        entries = [(entry.kind, entry.method, entry.detail) for entry in self.server.journal if entry.kind != "reply"]
        self.server.journal.clear()
        return entries


@pytest.fixture
def talk() -> Talk:
    return Talk()


@pytest.fixture
def charted() -> Talk:
    """With a chart session, a symbol, a series, and a quote session."""
    talk = Talk()
    talk.say("chart_create_session", "cs_1", "")
    talk.say("resolve_symbol", "cs_1", "a1", "EX:SYM")
    talk.say("create_series", "cs_1", "s1", "t1", "a1", "1", 10, "")
    talk.say("quote_create_session", "qs_1")
    assert len(talk.server.requests()) == 4
    assert [kind for kind, _, _ in talk.journal] == ["command"] * 4
    return talk


# --- greeting and taking ------------------------------------------------------------------------------------------------


def test_the_greeting_is_the_hello_alone_in_its_message() -> None:
    server = ServerProtocol(HELLO)
    assert server.messages_to_send() == []
    server.connected(0.0)
    (message,) = server.messages_to_send()
    (payload,) = framing.split(message)
    assert json.loads(payload)["session_id"] == "0.1.1_demo-1"
    assert next(iter(json.loads(payload))) == "session_id"
    assert server.messages_to_send() == []


def test_commands_come_out_once_and_in_order(talk: Talk) -> None:
    talk.say_text('{"m":"set_auth_token","p":["x"]}', '{"m":"set_locale","p":["en","US"]}')
    talk.say("chart_create_session", "cs_1")
    assert [command.__struct_config__.tag for command in talk.server.requests()] == ["set_auth_token", "set_locale", "chart_create_session"]
    assert talk.server.requests() == []


def test_what_a_client_was_seen_to_say_is_taken_without_a_word_against_it(talk: Talk) -> None:
    sent = [line[6:] for line in SESSION.read_text().splitlines() if line.startswith("WS TX ")]
    for message in sent:
        talk.server.receive(message, 1.0)
    commands = [message for message in sent if "~h~" not in message]
    assert len(talk.server.requests()) == len(commands)
    assert talk.server.messages_to_send() == []
    assert {kind for kind, _, _ in talk.journal} == {"command", "ignored"}, "the fixture echoes a heartbeat that was not sent here"
    assert talk.server.quotes["qs_handmade0001"].names == {"DEMO:COIN": None}
    assert list(talk.server.charts["cs_handmade0001"].series) == ["s1"]


def test_a_message_without_packets_says_nothing(talk: Talk) -> None:
    talk.server.receive("", 1.0)
    assert (talk.server.requests(), talk.journal) == ([], [])


def test_the_journal_tells_when_and_what_but_no_token(talk: Talk) -> None:
    talk.say("set_auth_token", "secret", at=2.5)
    assert list(talk.server.journal) == [JournalEntry(2.5, "command", "set_auth_token", "")]
    assert "secret" not in repr(list(talk.server.journal))


def test_the_journal_tells_which_symbols_and_interval_and_what_was_answered(talk: Talk) -> None:
    talk.say("chart_create_session", "cs_1", "")
    talk.say("resolve_symbol", "cs_1", "sym", '={"symbol":"NASDAQ:AAPL"}')
    talk.say("create_series", "cs_1", "s1", "t1", "sym", "1D", 10, "")
    talk.say("request_more_data", "cs_1", "s1", 5)
    talk.say("request_more_data", "cs_2", "s1", 5, at=7.0)
    told = [(entry.kind, entry.method, entry.symbols, entry.interval) for entry in talk.server.journal]
    assert told[1:] == [
        ("command", "resolve_symbol", ("NASDAQ:AAPL",), ""),
        ("command", "create_series", ("NASDAQ:AAPL",), "1D"),
        ("command", "request_more_data", ("NASDAQ:AAPL",), ""),
        ("command", "request_more_data", (), ""),
        ("rejected", "request_more_data", (), ""),
        ("reply", "critical_error", (), ""),
    ]
    talk.server.reply([QuoteCompleted(QuoteCompleted.Params("qs", "A:B"))])
    talk.server.reply([QuoteCompleted(QuoteCompleted.Params("qs", "A:B"))], 9.0)
    talk.server.send(framing.join(['{"m":"du","p":[]}', '{"m":"qsd","p":[]}']))
    talk.server.send(framing.packet('{"m":"du","p":[]}'), 11.0)
    told_at = [(entry.at, entry.method) for entry in talk.server.journal if entry.kind == "reply"]
    assert told_at[1:] == [(7.0, "quote_completed"), (9.0, "quote_completed"), (7.0, "du"), (7.0, "qsd"), (11.0, "du")]


@pytest.mark.parametrize(
    ("payload", "entry"),
    [
        ('{"m":"novel","p":["cs_1"]}', ("ignored", "novel", "unknown method")),
        ('{"m":"qsd","p":["qs_1",{"n":"A:B"}]}', ("ignored", "qsd", "unknown method")),
        ('{"m":7,"p":[]}', ("ignored", "", "not a command")),
        ("[1]", ("ignored", "", "not a command")),
        ("nonsense", ("ignored", "", "not a command")),
        ("", ("ignored", "", "not a command")),
        ('{"m":"create_series","p":' + "[" * 990 + "]" * 990 + "}", ("ignored", "", "not a command")),
    ],
)
@pytest.mark.parametrize("strict", [False, True])
def test_what_is_no_command_is_ignored_and_noted(payload: str, entry: tuple[str, str, str], strict: bool) -> None:
    talk = Talk(strict=strict)
    assert talk.say_text(payload) == []
    assert (talk.server.requests(), talk.journal) == ([], [entry])


# --- strict and lenient -------------------------------------------------------------------------------------------------

LOCALE = '{"m":"set_locale","p":["en","US"]}'


@pytest.mark.parametrize("message", [f"~m~9~m~{LOCALE}", f"~m~999~m~{LOCALE}"])
def test_a_wrong_length_is_forgiven_unless_strict(message: str) -> None:
    talk = Talk()
    talk.server.receive(message, 1.0)
    assert talk.server.requests() == [SetLocale(SetLocale.Params("en", "US"))]
    (tolerated, command) = talk.journal
    assert tolerated[0] == "tolerated"
    assert command == ("command", "set_locale", "")
    with pytest.raises(FramingError):
        Talk(strict=True).server.receive(message, 1.0)


def test_what_is_noted_of_a_wrong_length_shows_nothing_of_the_message() -> None:
    talk = Talk()
    talk.server.receive('~m~28~m~{"m":"set_auth_token","p":["secret"]}', 1.0)
    assert "secret" not in repr(list(talk.server.journal))
    assert talk.journal[0] == ("tolerated", "", "expected ~m~ at character 36")


@pytest.mark.parametrize("strict", [False, True])
def test_a_message_without_any_header_is_an_error_to_both(strict: bool) -> None:
    with pytest.raises(FramingError):
        Talk(strict=strict).server.receive("garbage", 1.0)


@pytest.mark.parametrize("p", [["qs_1", ["A:B", "C:D"]], ["qs_1", ["A:B"], "C:D"], [["qs_1", "A:B", "C:D"]]])
def test_symbols_in_a_list_of_their_own_are_taken_unless_strict(p: list[Any]) -> None:
    talk = Talk()
    talk.say("quote_create_session", "qs_1")
    assert talk.say("quote_add_symbols", *p) == []
    assert talk.server.requests()[1:] == [QuoteAddSymbols(["qs_1", "A:B", "C:D"])]
    assert talk.journal[1:] == [
        ("tolerated", "quote_add_symbols", "a list inside the list of symbols"), ("command", "quote_add_symbols", ""),
    ]  # fmt: skip
    strict = Talk(strict=True)
    strict.say("quote_create_session", "qs_1")
    assert strict.say("quote_add_symbols", *p)[0]["m"] == "critical_error"
    assert len(strict.server.requests()) == 1


@pytest.mark.parametrize("strict", [False, True])
def test_flags_among_the_symbols_are_rejected_as_the_real_server_does(strict: bool) -> None:
    talk = Talk(strict=strict)
    talk.say("quote_create_session", "qs_1")
    assert talk.say("quote_add_symbols", "qs_1", "A:B", {"flags": ["force_permission"]}) == [
        {"m": "critical_error", "p": ["qs_1", "invalid_parameters", "quote_add_symbols"]}
    ]
    assert talk.server.quotes["qs_1"].names == {}
    assert talk.journal[-1] == ("rejected", "quote_add_symbols", "invalid_parameters")


@pytest.mark.parametrize(
    ("method", "p", "session"),
    [
        ("create_series", ["cs_1", "s1"], "cs_1"),
        ("resolve_symbol", ["cs_1", "a1", {"symbol": "A:B"}], "cs_1"),
        ("request_more_data", ["cs_1", "s1", "10"], "cs_1"),
        ("set_locale", [], ""),
        ("chart_create_session", [7], ""),
    ],
)
def test_a_known_method_with_odd_parameters_is_rejected(talk: Talk, method: str, p: list[Any], session: str) -> None:
    assert talk.say(method, *p) == [{"m": "critical_error", "p": [session, "invalid_parameters", method]}]
    assert talk.journal == [("rejected", method, "invalid_parameters")]
    assert talk.server.requests() == []
    assert talk.server.closing is None


# --- the books ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "p"),
    [
        ("resolve_symbol", ["x_1", "a1", "A:B"]),
        ("create_series", ["x_1", "s1", "t1", "a1", "1", 10, ""]),
        ("modify_series", ["x_1", "s1", "t1", "a1", "1", ""]),
        ("create_study", ["x_1", "st1", "st1", "s1", "RSI@tv-basicstudies-241", {}]),
        ("modify_study", ["x_1", "st1", "st1", {}]),
        ("request_more_data", ["x_1", "s1", 10]),
        ("request_more_tickmarks", ["x_1", "s1", 10]),
        ("get_first_bar_time", ["x_1", "a1", "1D"]),
        ("create_pointset", ["x_1", "ps1", "t1"]),
        ("replay_add_series", ["x_1", "t1", "A:B", "1"]),
        ("replay_remove_series", ["x_1", "t1", "A:B", "1"]),
        ("replay_reset", ["x_1", "t1", 5]),
        ("replay_step", ["x_1", "t1", 1]),
        ("quote_list_fields", ["x_1"]),
        ("quote_list_fields", [7]),
        ("quote_set_fields", ["x_1", "lp"]),
        ("quote_add_symbols", ["x_1", "A:B"]),
        ("quote_add_symbols", []),
    ],
)
def test_a_session_that_nobody_created_is_an_invalid_one(talk: Talk, method: str, p: list[Any]) -> None:
    assert talk.say(method, *p) == [
        {"m": "critical_error", "p": ["x_1" if p and p[0] == "x_1" else "", "invalid_session", method]}
    ]
    assert talk.server.requests() == []
    assert talk.journal == [("command", method, ""), ("rejected", method, "invalid_session")]


def test_a_chart_session_is_no_quote_session(charted: Talk) -> None:
    assert charted.say("quote_add_symbols", "cs_1", "A:B")[0]["p"][1] == "invalid_session"
    assert charted.say("resolve_symbol", "qs_1", "a1", "A:B")[0]["p"][1] == "invalid_session"


def test_symbols_and_series_are_kept(charted: Talk) -> None:
    chart = charted.server.charts["cs_1"]
    assert chart.symbols == {"a1": "EX:SYM"}
    assert chart.series == {"s1": CreateSeries(CreateSeries.Params("cs_1", "s1", "t1", "a1", "1", 10, ""))}


def test_a_series_that_is_modified_is_kept_as_if_it_had_been_created_so(charted: Talk) -> None:
    charted.say("modify_series", "cs_1", "s1", "t2", "a2", "5", "r,0:600")
    assert charted.server.charts["cs_1"].series["s1"] == CreateSeries(CreateSeries.Params("cs_1", "s1", "t2", "a2", "5", 10, "r,0:600"))
    assert charted.server.requests() == [ModifySeries(ModifySeries.Params("cs_1", "s1", "t2", "a2", "5", "r,0:600"))]


def test_a_series_that_is_modified_before_it_exists_is_created(charted: Talk) -> None:
    charted.say("modify_series", "cs_1", "s2", "t2", "a1", "5", "")
    assert charted.server.charts["cs_1"].series["s2"].p.count == 300
    assert charted.journal[-1] == ("tolerated", "modify_series", "no series 's2': created")


def test_a_session_that_is_created_twice_goes_on_as_it_is(charted: Talk) -> None:
    charted.say("quote_add_symbols", "qs_1", "A:B")
    charted.server.requests()
    charted.say("chart_create_session", "cs_1")
    charted.say("quote_create_session", "qs_1")
    assert charted.server.requests() == []
    assert list(charted.server.charts["cs_1"].series) == ["s1"]
    assert list(charted.server.quotes["qs_1"].names) == ["A:B"]
    assert [entry for entry in charted.journal if entry[0] == "tolerated"] == [
        ("tolerated", "chart_create_session", "session 'cs_1' exists already"),
        ("tolerated", "quote_create_session", "session 'qs_1' exists already"),
    ]


def test_symbols_are_wanted_in_real_time_until_told_otherwise(charted: Talk) -> None:
    charted.say("quote_add_symbols", "qs_1", "A:B", "C:D")
    quotes = charted.server.quotes["qs_1"]
    assert quotes.fast is None
    charted.say("quote_fast_symbols", "qs_1", "C:D")
    assert quotes.fast == {"C:D"}
    charted.say("quote_fast_symbols", "qs_1", "A:B", "E:F")
    assert quotes.fast == {"A:B", "E:F"}
    assert charted.journal[-1] == ("tolerated", "quote_fast_symbols", "not added: ['E:F']")
    charted.say("quote_hibernate_all", "qs_1")
    assert quotes.fast == frozenset()


@pytest.mark.parametrize("method", sorted(UNANSWERED))
def test_a_method_without_an_answer_is_noted_with_the_reason(talk: Talk, method: str) -> None:
    assert talk.say(method, "x_1", {"whatever": 1}) == []
    assert talk.server.requests() == []
    assert talk.journal == [("ignored", method, UNANSWERED[method])]


def test_studies_are_handed_on(charted: Talk) -> None:
    charted.say("create_study", "cs_1", "st1", "st1", "s1", "RSI@tv-basicstudies-241", {"in_0": 7})
    charted.say("modify_study", "cs_1", "st1", "st2", {"in_0": 8})
    charted.say("remove_study", "cs_1", "st1")
    assert charted.server.requests() == [
        CreateStudy(CreateStudy.Params("cs_1", "st1", "st1", "s1", "RSI@tv-basicstudies-241", {"in_0": 7})),
        ModifyStudy(ModifyStudy.Params("cs_1", "st1", "st2", {"in_0": 8})),
        RemoveStudy(RemoveStudy.Params("cs_1", "st1")),
    ]


def test_a_series_that_is_removed_is_forgotten(charted: Talk) -> None:
    charted.say("remove_series", "cs_1", "s1")
    assert [command.__struct_config__.tag for command in charted.server.requests()] == ["remove_series"]
    charted.say("remove_series", "cs_1", "s1")
    assert charted.journal[-1] == ("ignored", "remove_series", "no series 's1'")
    assert charted.server.requests() == []
    assert charted.server.charts["cs_1"].series == {}


def test_a_session_that_is_deleted_is_forgotten_and_its_name_is_free(charted: Talk) -> None:
    charted.say("quote_add_symbols", "qs_1", "A:B")
    for method in ("chart_delete_session", "quote_delete_session"):
        charted.say(method, "cs_1" if "chart" in method else "qs_1")
        charted.say(method, "cs_1" if "chart" in method else "qs_1")
    assert (charted.server.charts, charted.server.quotes) == ({}, {})
    charted.say("chart_create_session", "cs_1", "")
    charted.say("quote_create_session", "qs_1")
    assert charted.server.charts["cs_1"].series == {}
    assert charted.server.quotes["qs_1"].names == {}


def test_a_bar_replay_has_its_series_until_they_are_removed(talk: Talk) -> None:
    talk.say("replay_create_session", "rs_1")
    talk.say("replay_add_series", "rs_1", "t1", "A:B", "1")
    talk.say("replay_add_series", "rs_1", "t2", "A:B", "5")
    assert list(talk.server.replays["rs_1"].series) == [("A:B", "1"), ("A:B", "5")]
    talk.say("replay_remove_series", "rs_1", "t3", "A:B", "1")
    talk.say("replay_remove_series", "rs_1", "t4", "C:D", "1")
    assert list(talk.server.replays["rs_1"].series) == [("A:B", "5")]
    assert talk.say("replay_delete_session", "rs_1") == []
    assert talk.server.replays == {}


def test_a_quote_session_has_all_fields_until_it_names_some(charted: Talk) -> None:
    assert charted.server.quotes["qs_1"].fields is None
    charted.say("quote_set_fields", "qs_1", "lp", "volume")
    assert charted.server.quotes["qs_1"].fields == ["lp", "volume"]
    charted.say("quote_set_fields", "qs_1", "ch")
    assert charted.server.quotes["qs_1"].fields == ["ch"]


def test_a_quote_session_follows_each_symbol_once_by_the_string_it_was_given(charted: Talk) -> None:
    wire = '={"symbol":"A:B"}'
    charted.say("quote_add_symbols", "qs_1", "A:B", wire, "A:B")
    charted.say("quote_add_symbols", "qs_1", "A:B", "C:D")
    assert list(charted.server.quotes["qs_1"].names) == ["A:B", wire, "C:D"]
    charted.say("quote_remove_symbols", "qs_1", "A:B", "never")
    assert list(charted.server.quotes["qs_1"].names) == [wire, "C:D"]


@pytest.mark.parametrize(
    ("method", "p"),
    [
        ("chart_delete_session", ["x_1"]),
        ("quote_delete_session", ["x_1"]),
        ("remove_series", ["x_1", "s1"]),
        ("remove_study", ["x_1", "st1"]),
        ("quote_remove_symbols", ["x_1", "A:B"]),
        ("quote_fast_symbols", ["x_1", "A:B"]),
        ("quote_hibernate_all", ["x_1"]),
        ("switch_timezone", ["x_1", "Etc/UTC"]),
    ],
)
def test_commands_without_an_answer_are_ignored_in_a_session_that_nobody_created(
    talk: Talk, method: str, p: list[Any]
) -> None:
    assert talk.say(method, *p) == []
    assert talk.server.requests() == []
    assert talk.journal == [("command", method, ""), ("ignored", method, "no session 'x_1'")]


def test_commands_that_keep_nothing_are_handed_on(charted: Talk) -> None:
    for method, p in (
        ("switch_timezone", ["cs_1", "Etc/UTC"]),
        ("request_more_data", ["cs_1", "s1", 10]),
        ("request_history_data", ["hs_1", 0]),
        ("quote_list_fields", ["qs_1"]),
    ):
        assert charted.say(method, *p) == []
        assert [command.__struct_config__.tag for command in charted.server.requests()] == [method]


# --- answers ------------------------------------------------------------------------------------------------------------


def test_packets_given_together_are_one_message(talk: Talk) -> None:
    talk.server.reply([SeriesLoading(SeriesLoading.Params("cs_1", "s1", "t1")), QuoteCompleted(QuoteCompleted.Params("qs_1", "A:B"))])
    talk.server.reply([])
    talk.server.send("as it is")
    assert talk.server.messages_to_send() == [
        framing.join(['{"m":"series_loading","p":["cs_1","s1","t1"]}', '{"m":"quote_completed","p":["qs_1","A:B"]}']), "as it is",
    ]  # fmt: skip
    assert talk.server.messages_to_send() == []


@pytest.mark.parametrize(
    ("info", "method"),
    [
        ("request_more_data", "request_more_data"),
        ('method: create_series. args: "[s1, t1, a1, 1.5, 100]"', "create_series"),
        ("", ""),
    ],
)
def test_a_rejection_is_sent_and_noted_under_its_method(talk: Talk, info: str, method: str) -> None:
    talk.server.reject("cs_1", "invalid parameters", info, 1.0)
    (message,) = talk.server.messages_to_send()
    assert framing.split(message) == [json.dumps({"m": "critical_error", "p": ["cs_1", "invalid parameters", info]}, separators=(",", ":"))]
    assert talk.journal == [("rejected", method, "invalid parameters")]


def test_a_refusal_says_why_and_hangs_up(talk: Talk) -> None:
    talk.server.refuse("bad auth token", 2.0)
    assert talk.server.messages_to_send() == [framing.packet('{"m":"protocol_error","p":["bad auth token"]}')]
    assert talk.server.closing == (1000, "bad auth token")
    assert talk.journal == [("rejected", "protocol_error", "bad auth token"), ("closed", "", "1000 bad auth token")]


def test_only_the_first_end_counts(talk: Talk) -> None:
    talk.server.close(1001, "", 2.0)
    talk.server.close(1000, "later", 3.0)
    assert talk.server.closing == (1001, "")
    assert talk.journal == [("closed", "", "1001")]


def test_a_server_shows_its_state(charted: Talk) -> None:
    assert repr(charted.server) == "<ServerProtocol open, 1 chart and 1 quote sessions>"
    charted.server.close(1000, "over", 1.0)
    assert repr(charted.server) == "<ServerProtocol closing (1000, 'over'), 1 chart and 1 quote sessions>"


# --- heartbeats and patience --------------------------------------------------------------------------------------------


def test_heartbeats_are_counted_and_stand_alone_in_their_messages(talk: Talk) -> None:
    assert talk.server.next_deadline() == 10.0
    assert talk.wait(9.9) == []
    assert talk.wait(10.0) == ["~m~4~m~~h~1"]
    assert talk.server.next_deadline() == 20.0
    assert talk.wait(40.5) == ["~m~4~m~~h~2", "~m~4~m~~h~3", "~m~4~m~~h~4"]
    assert talk.server.next_deadline() == 50.0
    assert (talk.server.heartbeats, talk.server.unechoed) == (4, 4)


def test_the_tenth_heartbeat_is_longer() -> None:
    talk = Talk(heartbeat_timeout=None)
    assert talk.wait(100.0)[-1] == "~m~5~m~~h~10"


def test_nothing_is_due_before_the_connection_is_open() -> None:
    server = ServerProtocol(HELLO)
    assert server.next_deadline() is None
    server.handle_deadline(1000.0)
    assert server.messages_to_send() == []


def test_an_echo_is_taken_in_any_order_and_place(talk: Talk) -> None:
    talk.wait(30.0)
    talk.say_text(LOCALE, "~h~2", at=30.5)
    assert talk.server.unechoed == 2
    talk.say_text("~h~3", "~h~1", at=30.5)
    assert talk.server.unechoed == 0
    assert talk.journal == [("command", "set_locale", "")]


@pytest.mark.parametrize("payload", ["~h~2", "~h~01"])
def test_an_echo_of_nothing_is_ignored_and_noted(talk: Talk, payload: str) -> None:
    talk.wait(10.0)
    assert talk.say_text(payload) == []
    assert talk.server.unechoed == 1
    assert talk.journal == [("ignored", "heartbeat", f"{payload} was not waited for")]


def test_a_second_echo_is_one_of_nothing(talk: Talk) -> None:
    talk.wait(10.0)
    talk.say_text("~h~1", "~h~1")
    assert talk.journal == [("ignored", "heartbeat", "~h~1 was not waited for")]


def test_patience_ends_with_the_oldest_heartbeat_that_was_not_echoed() -> None:
    talk = Talk(heartbeat_timeout=25.0)
    talk.wait(10.0)
    talk.wait(20.0)
    talk.say_text("~h~1", at=20.0)
    talk.wait(40.0)
    assert talk.server.closing is None
    assert talk.server.next_deadline() == 45.0
    assert talk.wait(44.9) == []
    assert talk.server.closing is None
    assert talk.wait(45.0) == []
    assert talk.server.closing == (1000, "no echo of ~h~2 within 25 s")
    assert talk.journal == [("closed", "", "1000 no echo of ~h~2 within 25 s")]


def test_the_next_heartbeat_may_be_due_before_patience_ends() -> None:
    talk = Talk(heartbeat_timeout=60.0)
    talk.wait(10.0)
    assert talk.server.next_deadline() == 20.0


def test_patience_shorter_than_the_interval_ends_before_the_next_heartbeat() -> None:
    talk = Talk(heartbeat_interval=10.0, heartbeat_timeout=2.5)
    talk.wait(10.0)
    assert talk.server.next_deadline() == 12.5
    assert talk.wait(12.5) == []
    assert talk.server.closing == (1000, "no echo of ~h~1 within 2.5 s")


def test_patience_counts_from_when_a_heartbeat_was_due_however_late_somebody_looked() -> None:
    talk = Talk(heartbeat_timeout=60.0)
    assert len(talk.wait(35.0)) == 3
    talk.wait(69.9)
    assert talk.server.closing is None
    talk.wait(70.0)
    assert talk.server.closing is not None


def test_a_client_that_echoes_is_never_dropped(talk: Talk) -> None:
    for number in range(1, 51):
        assert talk.wait(number * 10.0) == [framing.packet(f"~h~{number}")]
        talk.say_text(f"~h~{number}", at=number * 10.0)
    assert (talk.server.closing, talk.journal) == (None, [])


def test_patience_may_be_without_end() -> None:
    talk = Talk(heartbeat_timeout=None)
    talk.wait(10_000.0)
    assert (talk.server.unechoed, talk.server.closing) == (1_000, None)
    assert talk.server.next_deadline() == 10_010.0


def test_nothing_is_due_once_the_connection_is_to_be_closed(talk: Talk) -> None:
    talk.wait(10.0)
    talk.server.close(1000, "over", 10.0)
    assert talk.server.next_deadline() is None
    assert talk.wait(1_000.0) == []


@pytest.mark.parametrize("interval", [0, -1.0, float("nan")])
def test_an_interval_in_which_time_would_stand_still_is_refused(interval: float) -> None:
    with pytest.raises(InvalidPlan, match="heartbeat_interval .*: expected seconds above 0"):
        ServerProtocol(HELLO, heartbeat_interval=interval)


def test_what_is_unsent_is_counted_until_it_is_taken(talk: Talk) -> None:
    talk.server.messages_to_send()
    assert talk.server.unsent == 0
    talk.server.send("12345")
    talk.server.send("678")
    assert talk.server.unsent == 8
    assert talk.server.messages_to_send() == ["12345", "678"]
    assert talk.server.unsent == 0


def test_time_that_is_set_forward_brings_no_heartbeats_and_misses_no_echo(talk: Talk) -> None:
    ServerProtocol(talk.server._hello).jump(5.0)  # not connected yet: nothing is due
    talk.server.handle_deadline(talk.server.next_deadline() or 0.0)
    due = talk.server.next_deadline()
    assert due is not None
    sent = talk.server.heartbeats
    talk.server.jump(86_400.0)
    assert talk.server.next_deadline() == due + 86_400.0
    talk.server.handle_deadline(due + 86_399.0)
    assert (talk.server.heartbeats, talk.server.closing) == (sent, None)
