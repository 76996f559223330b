"""What a client says, and what it makes of the answers."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tvstreamer.errors import AuthError, FramingError, ServerError
from tvstreamer.events import (
    Bar,
    Connected,
    Disconnected,
    Event,
    Gap,
    HistoryComplete,
    Notice,
    Reconnected,
    SeriesFailed,
    SymbolFailed,
    SymbolInfo,
    Tick,
)
from tvstreamer.intervals import Interval
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.packets import CreateSeries, Heartbeat, QuoteAddSymbols, Unknown
from tvstreamer.protocol.subscription import Subscription

HUGE = 10**400


class Talk:
    """A connected client, and the ids that it chose."""

    def __init__(self, *subscriptions: Subscription) -> None:
        self.client = ClientProtocol(rng=random.Random(1))
        for each in subscriptions:
            self.client.subscribe(each)
        self.client.connected(0.0)
        self.read()
        self.events()

    def read(self) -> list[str]:
        """The methods of what the client sent since, with its newest ids taken note of."""
        methods = []
        for message in self.client.messages_to_send():
            for payload in framing.split(message):
                command = codec.decode_command(payload)
                assert not isinstance(command, Unknown)
                methods.append(command.text if isinstance(command, Heartbeat) else json.loads(payload)["m"])
                if isinstance(command, CreateSeries):
                    self.cs, self.series, self.alias = command.p.session, command.p.series, command.p.alias
                elif isinstance(command, QuoteAddSymbols):
                    self.qs = command.session
        return methods

    def hear(self, method: str, *p: Any, at: float = 1.0, **more: Any) -> list[Event]:
        return self.hear_text(json.dumps({"m": method, "p": p, **more}), at=at)

    def hear_text(self, *payloads: str, at: float = 1.0) -> list[Event]:
        self.client.receive(framing.join(payloads), at)
        return self.events()

    def events(self) -> list[Event]:
        return self.client.events()

    def rows(self, *values: list[float], close_time: float | None = None, at: float = 1.0, t_ms: int = 0) -> list[Event]:
        data: dict[str, Any] = {"s": [{"i": i, "v": v} for i, v in enumerate(values)], "t": "s1"}
        if close_time is not None:
            data["lbs"] = {"bar_close_time": close_time}
        return self.hear("timescale_update", self.cs, {self.series: data}, {}, at=at, t=0, t_ms=t_ms)

    def complete(self, details: dict[str, Any] | None = None, at: float = 1.0, t_ms: int = 0) -> list[Event]:
        return self.hear("series_completed", self.cs, self.series, "streaming", "s1", details or {}, at=at, t_ms=t_ms)

    def quote(self, at: float = 1.0, s: str = "ok", **v: Any) -> list[Event]:
        return self.hear("qsd", self.qs, {"n": "EX:SYM", "s": s, "v": v}, at=at)


def row(time: float) -> list[float]:
    return [time, 1.0, 2.0, 0.5, 1.0, 3.0]


@pytest.fixture
def talk() -> Talk:
    return Talk(Subscription("EX:SYM", "1"))


def test_a_connection_greets_and_issues_what_was_subscribed_before() -> None:
    client = ClientProtocol(rng=random.Random(1))
    client.subscribe(Subscription("EX:SYM", "1"))
    client.subscribe(Subscription("EX:SYM", "1"))
    client.connected(5.0)
    methods = [json.loads(framing.split(message)[0])["m"] for message in client.messages_to_send()]
    assert methods == [
        "set_auth_token", "set_locale", "quote_create_session", "quote_set_fields", "quote_add_symbols",
        "chart_create_session", "resolve_symbol", "create_series",
    ]  # fmt: skip
    assert client.events() == [Connected(5.0, 1)]


def test_unsubscribing_ends_the_series_and_the_quote(talk: Talk) -> None:
    talk.client.unsubscribe(Subscription("EX:SYM", "1"))
    talk.client.unsubscribe(Subscription("EX:SYM", "1"))
    assert talk.read() == ["remove_series", "chart_delete_session", "quote_remove_symbols"]
    assert talk.client.subscriptions == []


def test_a_heartbeat_is_echoed_once(talk: Talk) -> None:
    talk.hear_text("~h~7")
    assert talk.read() == ["~h~7"]


def test_a_tick_has_the_feeds_time_or_that_of_arrival(talk: Talk) -> None:
    assert talk.quote(lp=1.5, volume=9, lp_time=77, at=3.0) == [Tick("EX:SYM", 77.0, 1.5, 9.0)]
    assert talk.quote(lp=1.6, at=4.0) == [Tick("EX:SYM", 4.0, 1.6, 9.0)]


def test_a_bar_closes_when_the_servers_clock_says_so(talk: Talk) -> None:
    talk.rows(row(0), close_time=60, at=1.0, t_ms=50_000)
    talk.complete({"rt_update_period": 3}, at=1.0, t_ms=50_000)
    assert talk.client.next_deadline() == 1.0 + 10 + 3 + 2
    talk.client.handle_deadline(15.9)
    assert talk.events() == []
    talk.client.handle_deadline(16.0)
    assert [(bar.time, bar.closed_by) for bar in talk.events() if isinstance(bar, Bar)] == [(0.0, "time")]
    assert talk.client.next_deadline() is None


def test_a_deadline_that_has_come_is_kept_by_a_message_too(talk: Talk) -> None:
    talk.rows(row(0), close_time=60, t_ms=50_000)
    talk.complete(t_ms=50_000)
    closed = talk.hear("series_loading", talk.cs, talk.series, "s1", t_ms=62_000, at=2.0)
    assert [bar.closed_by for bar in closed if isinstance(bar, Bar)] == ["time"]


def test_a_reconnect_closes_no_bar_twice(talk: Talk) -> None:
    talk.rows(row(0), row(60))
    assert [type(event) for event in talk.complete()] == [HistoryComplete]
    talk.client.disconnected(2.0, "gone")
    assert talk.events() == [Disconnected(2.0, 1, 1006, "gone")]
    talk.client.connected(3.0)
    talk.read()
    assert talk.events() == [Connected(3.0, 2), Gap("EX:SYM", None, 2.0, 3.0, "disconnected", None)]
    assert talk.rows(row(0), row(60), row(120), at=4.0) == [], "held back until the delivery is complete"
    *bars, complete, back = talk.complete(at=4.0)
    assert [(bar.time, bar.closed_by) for bar in bars if isinstance(bar, Bar)] == [
        (60, None), (60, "successor"), (120, None)
    ]  # fmt: skip
    assert complete == HistoryComplete("EX:SYM", "1", 4.0, 3, "streaming")
    assert back == Reconnected(4.0, 2, 2.0)


def test_the_clearing_update_forgets_the_bars(talk: Talk) -> None:
    talk.rows(row(0), row(60))
    assert talk.rows() == []
    assert [event.closed for event in talk.rows(row(0), row(60)) if isinstance(event, Bar)] == [True, False]


def test_a_symbol_fails_once_for_all_its_sessions(talk: Talk) -> None:
    assert talk.hear("symbol_error", talk.cs, talk.alias, "invalid symbol") == [
        SymbolFailed("EX:SYM", 1.0, "invalid symbol")
    ]
    assert talk.quote(s="error") == []


def test_permission_denied_is_a_failed_symbol(talk: Talk) -> None:
    assert talk.quote(s="permission_denied") == [SymbolFailed("EX:SYM", 1.0, "permission_denied")]


def test_errors_of_a_series_name_it(talk: Talk) -> None:
    assert talk.hear("series_error", talk.cs, talk.series, "s1", {"error": "no"}) == [
        SeriesFailed("EX:SYM", "1", 1.0, '{"error":"no"}')
    ]
    assert talk.hear("critical_error", talk.cs, "bad call", "x") == [SeriesFailed("EX:SYM", "1", 1.0, "bad call: x")]


def test_a_critical_error_of_nothing_we_know_is_a_notice(talk: Talk) -> None:
    assert talk.hear("critical_error", "cs_other", "bad call", [1]) == [
        Notice(1.0, "critical_error", "critical_error", 1, "bad call: [1]")
    ]


@pytest.mark.parametrize(("reason", "kind"), [("wrong data", ServerError), ("expired token", AuthError)])
def test_a_protocol_error_is_the_failure_of_the_connection(talk: Talk, reason: str, kind: type) -> None:
    assert talk.hear("protocol_error", reason) == [Notice(1.0, "protocol_error", "protocol_error", 1, reason)]
    assert type(talk.client.failure) is kind


def test_an_unknown_method_is_noticed_once_a_minute(talk: Talk) -> None:
    noticed = [talk.hear("novel", 1, at=at) for at in (0.0, 59.9, 60.0)]
    assert noticed == [[Notice(0.0, "unknown", "novel", 1)], [], [Notice(60.0, "unknown", "novel", 3)]]
    assert talk.hear("other", at=60.0) == [Notice(60.0, "unknown", "other", 1)]


def test_broken_framing_is_an_error(talk: Talk) -> None:
    with pytest.raises(FramingError):
        talk.client.receive("~m~9~m~x", 1.0)


@pytest.mark.parametrize("levels", [1, 500, 950, 1000, 5000])
def test_deep_nesting_is_no_exception(talk: Talk, levels: int) -> None:
    deep = "[" * levels + "]" * levels
    talk.hear_text(deep, f'{{"m":"du","p":{deep}}}', f'{{"m":"qsd","p":["{talk.qs}",{{"n":"EX:SYM","v":{{"lp":{deep}}}}}]}}')
    assert talk.quote(lp=1.0) == [Tick("EX:SYM", 1.0, 1.0, None)]


def test_numbers_too_large_to_count_with_are_no_exception(talk: Talk) -> None:
    assert talk.quote(lp=HUGE) == []
    assert talk.hear_text(f'{{"session_id":"x","timestampMs":{HUGE}}}') == [Notice(1.0, "unknown", "", 1)]
    assert talk.hear("series_loading", talk.cs, talk.series, "s1", t_ms=HUGE) == [
        Notice(1.0, "unknown", "series_loading", 1)
    ]
    assert talk.rows(row(0), close_time=HUGE) == [Notice(1.0, "unknown", "timescale_update", 1)]
    assert [type(event) for event in talk.complete({"rt_update_period": HUGE})] == [HistoryComplete]


def test_no_value_and_null_are_none(talk: Talk) -> None:
    assert talk.quote(lp=1e100) == []
    assert talk.quote(lp=1.0, volume=None) == [Tick("EX:SYM", 1.0, 1.0, None)]


def test_packets_of_other_sessions_are_counted_and_dropped(talk: Talk) -> None:
    assert talk.hear("du", "cs_other", {}) == []
    assert talk.hear("qsd", "qs_other", {"n": "EX:SYM", "v": {"lp": 1}}) == []
    assert talk.client.statistics().unclaimed == 2


def test_symbol_info_keeps_what_it_does_not_know(talk: Talk) -> None:
    info = {"name": "SYM", "type": "stock", "novel": [1]}
    assert talk.hear("symbol_resolved", talk.cs, talk.alias, info) == [
        SymbolInfo("EX:SYM", name="SYM", kind="stock", extra={"novel": [1]})
    ]


def test_history_answers_its_request_and_not_the_stream(talk: Talk) -> None:
    request = talk.client.request_history("EX:SYM", Interval.parse("1"), 2)
    talk.read()
    assert talk.rows(row(0), row(60), row(120), t_ms=130_000) == []
    assert talk.complete(t_ms=130_000) == []
    assert (request.done, request.complete, request.error) == (True, True, None)
    assert [(bar.time, bar.closed) for bar in request.bars] == [(60.0, True), (120.0, False)]
    talk.client.end_history(request)
    assert talk.read() == ["chart_delete_session"]


def test_history_fails_when_no_other_connection_will_follow(talk: Talk) -> None:
    request = talk.client.request_history("EX:SYM", Interval.parse("1"), 2)
    talk.client.disconnected(1.0, "bye", code=1000, by_us=True)
    assert not request.done
    talk.client.abandon()
    assert request.done
    assert "connection lost" in str(request.error)
    assert talk.events() == []
