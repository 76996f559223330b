"""What a client says, and what it makes of the answers."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tvstreamer.constants import RESTORE_TIMEOUT, STALL_CODE
from tvstreamer.errors import (
    AuthError,
    ContinuityError,
    CriticalError,
    FramingError,
    InvalidPlan,
    SeriesError,
    ServerError,
    SymbolError,
)
from tvstreamer.events import (
    Bar,
    Connected,
    Disconnected,
    Event,
    Gap,
    HistoryComplete,
    Notice,
    Quote,
    Reconnected,
    SeriesFailed,
    Stalled,
    StudyFailed,
    StudyUpdate,
    SymbolFailed,
    SymbolInfo,
    Tick,
)
from tvstreamer.intervals import Interval
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.packets import (
    ChartDeleteSession,
    CreateSeries,
    CreateStudy,
    Heartbeat,
    QuoteAddSymbols,
    RequestMoreData,
    Unknown,
)
from tvstreamer.protocol.settings import Settings
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.protocol.watchdogs import Watchdogs
from tvstreamer.symbols import Symbol, wire_quote, wire_symbol

HUGE = 10**400


class Talk:
    """A connected client, and the ids that it chose."""

    def __init__(self, *subscriptions: Subscription, **settings: Any) -> None:
        self.client = ClientProtocol(rng=random.Random(1), settings=Settings(**settings))
        self.sent: list[Any] = []
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
                self.sent.append(command)
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

    def load(self, *values: list[float], at: float = 1.0) -> None:
        """Has the first delivery of the newest series, which is about to come, over and done with."""
        self.rows(*values, at=at)
        self.complete(at=at)

    def more(self, index: int, *values: list[float], at: float = 1.0, series: tuple[str, str] | None = None) -> list[Event]:
        """An update, from `index` on; its events."""
        cs, name = series or (self.cs, self.series)
        data = {"s": [{"i": i, "v": v} for i, v in enumerate(values, index)], "t": "s1"}
        return self.hear("du", cs, {name: data}, at=at)

    def lose(self, at: float, cause: str = "gone", **how: Any) -> list[Event]:
        self.client.disconnected(at, cause, **how)
        return self.events()

    def reconnect(self, at: float) -> list[Event]:
        self.client.connected(at)
        self.read()
        return self.events()

    def quote(self, at: float = 1.0, s: str = "ok", **v: Any) -> list[Event]:
        return self.hear("qsd", self.qs, {"n": "EX:SYM", "s": s, "v": v}, at=at)


PAIR = Subscription("EX:SYM", "1")
NO_TICKS = Subscription("EX:SYM", "1", ticks=False)
WATCHED = Watchdogs(bytes=None, heartbeats=None)


AGAIN = ["~h~1", "chart_delete_session", "chart_create_session", "resolve_symbol", "create_series"]
"""What is sent where a first answer did not come and a heartbeat says what time it is."""


def row(time: float, close: float = 1.0) -> list[float]:
    return [time, 1.0, 2.0, 0.5, close, 3.0]


def bars(events: list[Event]) -> list[tuple[float, str | None, int]]:
    """Time, reason for which it is closed, and revision of each bar among them."""
    return [(bar.time, bar.closed_by, bar.revision) for bar in events if isinstance(bar, Bar)]


def gap(start: float, end: float, filled: int | None, expected: int | None, reason: str = "disconnected") -> Gap:
    return Gap("EX:SYM", "1", start, end, reason, filled, expected)


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
    assert talk.quote(lp=1.6, at=4.0) == [Tick("EX:SYM", 77.0, 1.6, 9.0)]
    assert talk.quote(lp=1.7, at=9.0) == [Tick("EX:SYM", 9.0, 1.7, 9.0)]


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
    assert talk.events() == [Connected(3.0, 2), Gap("EX:SYM", None, 1.0, 3.0, "disconnected", None)]
    assert talk.rows(row(0), row(60), row(120), at=4.0) == [], "held back until the delivery is complete"
    *told, complete, back = talk.complete(at=4.0)
    assert bars(told) == [(60, None, 0), (60, "successor", 0), (120, None, 0)]
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


def test_quotes_of_other_symbols_are_counted_and_dropped_whatever_they_say(talk: Talk) -> None:
    assert talk.hear("qsd", talk.qs, {"n": "EX:OTHER", "s": "ok", "v": {"lp": 1}}) == []
    assert talk.hear("qsd", talk.qs, {"n": "EX:OTHER", "s": "error", "errmsg": "no_such_symbol"}) == []
    assert talk.client.statistics().unclaimed == 2
    assert not talk.client.refused


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
    talk.client.end_request(request)
    assert talk.read() == ["chart_delete_session"]


def test_history_fails_when_no_other_connection_will_follow(talk: Talk) -> None:
    request = talk.client.request_history("EX:SYM", Interval.parse("1"), 2)
    talk.client.disconnected(1.0, "bye", code=1000, by_us=True)
    assert not request.done
    talk.client.abandon()
    assert request.done
    assert "connection lost" in str(request.error)
    assert talk.events() == []


# --- after a loss -----------------------------------------------------------------------------------------------------


def test_what_a_reconnect_tells_has_its_order(talk: Talk) -> None:
    talk.quote(lp=1.0)
    talk.load(row(0), row(60))
    assert talk.lose(100.0) == [Disconnected(100.0, 1, 1006, "gone")]
    assert not talk.client.restored
    assert talk.reconnect(250.0) == [Connected(250.0, 2), Gap("EX:SYM", None, 1.0, 250.0, "disconnected", None)]
    talk.rows(row(0), row(60), row(120), row(180), row(240), at=251.0)
    told = talk.complete(at=251.0)
    assert [type(event) for event in told] == [Bar, Bar, Gap, Bar, Bar, Bar, HistoryComplete, Reconnected]
    assert bars(told[:2]) == [(60, None, 0), (60, "successor", 0)]
    assert told[2] == gap(120, 240, 2, 2)
    assert bars(told[3:]) == [(120, "successor", 0), (180, "successor", 0), (240, None, 0)]
    assert told[-1] == Reconnected(251.0, 2, 151.0)
    assert talk.client.restored
    assert bars(talk.more(2, row(120, 1.5), at=252.0)) == [(120, "successor", 1)]
    assert talk.client.ledger.verify()


def test_an_outage_shorter_than_a_bar_leaves_no_gap_among_the_bars(talk: Talk) -> None:
    talk.load(row(0), row(60))
    talk.lose(70.0)
    talk.reconnect(75.0)
    talk.rows(row(0), row(60, 1.5), at=76.0)
    assert [type(event) for event in talk.complete(at=76.0)] == [Bar, HistoryComplete, Reconnected]


def test_a_loss_before_the_first_delivery_is_no_gap(talk: Talk) -> None:
    talk.lose(2.0)
    talk.reconnect(3.0)
    assert bars(talk.rows(row(0), row(60), at=4.0)) == [(0, "successor", 0), (60, None, 0)]
    assert [type(event) for event in talk.complete(at=4.0)] == [HistoryComplete]


def test_a_loss_within_the_first_delivery_is_made_good_by_the_next_one() -> None:
    talk = Talk(NO_TICKS)
    talk.rows(row(0), row(60))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.rows(row(0), row(60), row(120), at=4.0)
    told = talk.complete(at=4.0)
    assert bars(told) == [(60, None, 0), (60, "successor", 0), (120, None, 0)]
    assert [type(event) for event in told[-2:]] == [HistoryComplete, Reconnected]


def test_a_reconnect_asks_for_as_many_bars_as_may_have_been_missed() -> None:
    talk = Talk(NO_TICKS, n_init_bars=5)
    talk.hear_text(json.dumps({"session_id": "x", "timestampMs": 1_000_000}), at=1.0)
    talk.load(row(0), row(960))
    talk.lose(2.0)
    talk.reconnect(1 + 100 * 60.0)
    counts = [command.p.count for command in talk.sent if isinstance(command, CreateSeries)]
    assert counts == [5, 103], "by the server's clock, which is ahead of ours"


def test_an_outage_longer_than_one_window_is_filled_page_by_page() -> None:
    talk = Talk(NO_TICKS)
    talk.load(row(0))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.rows(row(300), row(360), at=4.0)
    assert talk.complete(at=4.0) == [], "what follows is not live yet"
    assert talk.read() == ["request_more_data"]
    assert talk.rows(row(180), row(240), at=5.0) == []
    assert talk.more(2, row(360, 1.1), at=5.0) == [], "what comes live meanwhile has to wait"
    assert talk.complete(at=5.0) == []
    assert talk.read() == ["request_more_data"]
    assert [command.p.count for command in talk.sent if isinstance(command, RequestMoreData)] == [6, 4]
    talk.rows(row(0), row(60), row(120), at=6.0)
    told = talk.complete(at=6.0)
    assert told[2] == gap(60, 360, 5, 5)
    assert bars(told)[2:] == [(time, "successor", 0) for time in (60, 120, 180, 240, 300)] + [(360, None, 0)]
    assert told[-2:] == [HistoryComplete("EX:SYM", "1", 6.0, 2, "streaming"), Reconnected(6.0, 2, 4.0)]


def test_a_server_that_has_no_more_leaves_a_gap_of_unknown_size() -> None:
    talk = Talk(NO_TICKS)
    talk.load(row(0))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.rows(row(300), row(360), at=4.0)
    talk.complete(at=4.0)
    told = talk.complete({"data_completed": "end"}, at=5.0)
    assert told[0] == gap(0, 300, None, None)
    assert told[1] == gap(300, 360, 1, 1)
    assert bars(told) == [(300, "successor", 0), (360, None, 0)]
    assert isinstance(told[-1], Reconnected)


def test_a_server_that_says_that_this_is_all_is_not_asked_for_more() -> None:
    talk = Talk(NO_TICKS)
    talk.load(row(0))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.rows(row(300), row(360), at=4.0)
    assert gap(0, 300, None, None) in talk.complete({"data_completed": "end"}, at=4.0)
    assert talk.read() == []
    assert talk.client.restored


def test_a_server_that_stops_answering_leaves_a_gap_of_unknown_size_after_a_while() -> None:
    talk = Talk(NO_TICKS)
    talk.load(row(0))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.rows(row(300), at=4.0)
    talk.complete(at=4.0)
    assert talk.client.next_deadline() == 3.0 + RESTORE_TIMEOUT
    talk.client.handle_deadline(3.0 + RESTORE_TIMEOUT)
    told = talk.events()
    assert told[0] == gap(0, 300, None, None)
    assert bars(told) == [(300, None, 0)]
    assert told[-1] == HistoryComplete("EX:SYM", "1", 33.0, 1, "streaming")
    assert talk.hear_text("~h~1", at=50.0) == [Reconnected(50.0, 2, 48.0)]
    assert bars(talk.more(1, row(360), at=51.0)) == [(300, "successor", 0), (360, None, 0)]


def test_a_server_that_shows_nothing_is_asked_again_when_the_next_bar_comes() -> None:
    talk = Talk(NO_TICKS)
    talk.load(row(0))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.client.handle_deadline(3.0 + RESTORE_TIMEOUT)
    assert talk.events() == []
    assert talk.hear_text("~h~1", at=33.0) == [], "it is not restored yet, and was asked for again"
    assert talk.read() == AGAIN
    main = (talk.cs, talk.series)
    talk.client.handle_deadline(33.0 + RESTORE_TIMEOUT)
    assert talk.events() == []
    failed = SeriesFailed("EX:SYM", "1", 80.0, "no answer for 60 s")
    assert talk.hear_text("~h~2", at=80.0) == [failed, Reconnected(80.0, 2, 78.0)]
    assert talk.more(5, row(300), at=81.0, series=main) == []
    assert talk.read()[-3:] == ["chart_create_session", "resolve_symbol", "create_series"]
    assert "_backfill_" in talk.cs
    talk.rows(row(0), row(60), row(300), at=82.0)
    told = talk.complete(at=82.0)
    assert told[2] == gap(60, 300, 1, 1)
    assert bars(told)[2:] == [(60, "successor", 0), (300, None, 0)]


def test_a_first_answer_that_does_not_come_is_asked_for_again() -> None:
    talk = Talk(Subscription("EX:SYM", "1", ticks=False, studies=["RSI"]), n_init_bars=3)
    lost = (talk.cs, talk.series)
    assert talk.hear_text("~h~1", at=29.9) == []
    assert talk.read() == ["~h~1"]
    assert talk.hear_text("~h~2", at=30.0) == []
    assert talk.read() == ["~h~2", *AGAIN[1:], "create_study"]
    assert "_again_" in talk.cs
    assert talk.client.statistics().unclaimed == 0
    talk.more(5, row(0), series=lost)
    assert talk.client.statistics().unclaimed == 1, "what comes for the old one is for nobody"
    assert bars(talk.rows(row(0), row(60), at=31.0)) == [(0, "successor", 0), (60, None, 0)]
    assert talk.complete(at=31.0) == [HistoryComplete("EX:SYM", "1", 31.0, 2, "streaming")]
    assert bars(talk.hear_text("~h~9", at=300.0)) == [(60, "time", 0)]
    assert talk.read() == ["~h~9"]


def test_ticks_alone_are_not_missed_while_their_market_is_closed() -> None:
    talk = Talk(Subscription("EX:SYM"), watchdogs=Watchdogs(bytes=None, heartbeats=None))
    assert talk.sent[-2].names == ["lp", "lp_time", "volume", "session", "timezone", "session_holidays"]
    # The clock begins on the eve of a holiday, at seven in New York; on the day behind it the market opens in the 39th hour.
    talk.quote(lp=1.0, session="0930-1600", timezone="America/New_York", session_holidays="19700101")
    for hour in range(1, 39):
        talk.client.handle_deadline(hour * 3_600.0)
        assert talk.client.stalled is None
    talk.client.handle_deadline(39 * 3_600.0)
    assert talk.client.stalled == "stalled: progress for 180 s"
    other = Talk(Subscription("EX:SYM"), watchdogs=Watchdogs(bytes=None, heartbeats=None))
    other.quote(lp=1.0)
    other.client.handle_deadline(3_600.0)
    assert other.client.stalled == "stalled: progress for 180 s"


def test_each_series_has_its_own_time_to_be_answered() -> None:
    talk = Talk(NO_TICKS)
    talk.hear_text("~h~1", at=20.0)
    talk.client.subscribe(Subscription("EX:OTHER", "1", ticks=False))
    talk.read()
    talk.hear_text("~h~1", at=30.0)
    assert talk.read() == AGAIN
    assert talk.sent[-2].p.symbol == wire_symbol("EX:SYM")
    talk.hear_text("~h~1", at=50.0)
    assert talk.read() == AGAIN
    assert talk.sent[-2].p.symbol == wire_symbol("EX:OTHER")


def test_a_session_that_another_client_deleted_after_its_answer_leaves_nothing_behind() -> None:
    talk = Talk(NO_TICKS)
    talk.load(row(0))
    talk.client.adopt(codec.encode(ChartDeleteSession(ChartDeleteSession.Params(talk.cs))))
    talk.hear_text("~h~1", at=50.0)
    assert talk.read() == ["~h~1"]


def test_a_series_without_an_answer_to_the_second_question_has_failed_and_may_still_come() -> None:
    talk = Talk(NO_TICKS)
    for at in (30.0, 60.0):
        assert talk.hear_text("~h~1", at=at) == ([] if at == 30.0 else [SeriesFailed("EX:SYM", "1", 60.0, "no answer for 60 s")])
    assert talk.hear_text("~h~1", at=200.0) == []
    assert talk.read() == [*AGAIN, "~h~1", "~h~1"]
    assert bars(talk.rows(row(0), at=201.0)) == [(0, None, 0)]
    assert isinstance(talk.complete(at=201.0)[0], HistoryComplete)
    talk.lose(202.0)
    talk.reconnect(203.0)
    assert "_again_" not in talk.cs
    talk.rows(row(0), row(60), at=204.0)
    assert bars(talk.complete(at=204.0)) == [(0, None, 0), (0, "successor", 0), (60, None, 0)], "the series goes on"


def test_what_updates_told_before_the_first_answer_is_told_again_in_its_place() -> None:
    talk = Talk(NO_TICKS)
    assert bars(talk.more(3, row(180), at=5.0)) == [(180, None, 0)]
    talk.hear_text("~h~1", at=31.0)
    talk.read()
    assert bars(talk.rows(row(120), row(180, 2.0), at=32.0)) == [(120, "successor", 0), (180, None, 0)]
    assert isinstance(talk.complete(at=32.0)[0], HistoryComplete)


def test_what_was_missed_since_a_bar_closed_without_a_first_answer_is_a_gap() -> None:
    talk = Talk(NO_TICKS)
    assert bars(talk.more(3, row(180), at=5.0)) == [(180, None, 0)]
    assert bars(talk.more(4, row(240), at=6.0)) == [(180, "successor", 0), (240, None, 0)]
    talk.hear_text("~h~1", at=31.0)
    talk.read()
    assert talk.rows(row(120), row(180), row(240, 2.0), row(300), row(360), at=32.0) == []
    told = talk.complete(at=32.0)
    assert gap(300, 360, 1, 1, "missing") in told
    assert bars(told) == [(240, None, 0), (240, "successor", 0), (300, "successor", 0), (360, None, 0)]


@pytest.mark.parametrize("how", ["removed", "series_error", "symbol_error", "critical_error", "lost"])
def test_what_is_over_is_not_asked_for_again(how: str) -> None:
    talk = Talk(NO_TICKS)
    if how == "removed":
        talk.client.unsubscribe(NO_TICKS)
    elif how == "series_error":
        talk.hear("series_error", talk.cs, talk.series, "s1", "resolve error", "node")
    elif how == "symbol_error":
        talk.hear("symbol_error", talk.cs, talk.alias, "invalid symbol")
    elif how == "critical_error":
        talk.hear("critical_error", talk.cs, "invalid parameters", "method: create_series")
    else:
        talk.lose(20.0)
        talk.reconnect(21.0)
    talk.read()
    talk.hear_text("~h~1", at=50.0)
    assert talk.read() == ["~h~1"]


QUOTE_AGAIN = ["~h~1", "quote_remove_symbols", "quote_add_symbols"]
"""What is sent where first quotes did not come and a heartbeat says what time it is."""


def test_first_quotes_that_do_not_come_are_asked_for_again_and_all_at_once() -> None:
    talk = Talk(*(Subscription(symbol) for symbol in ("EX:SYM", "EX:OTHER", "EX:THIRD")))
    talk.hear("qsd", talk.qs, {"n": "EX:THIRD", "s": "ok", "v": {"lp": 1.0}})
    assert talk.hear_text("~h~1", at=29.9) == []
    assert talk.read() == ["~h~1"]
    assert talk.hear_text("~h~1", at=30.0) == []
    assert talk.read() == QUOTE_AGAIN
    assert [command.p[1:] for command in talk.sent[-2:]] == [["EX:SYM", "EX:OTHER"]] * 2
    assert talk.quote(lp=2.0, at=31.0) == [Tick("EX:SYM", 31.0, 2.0, None)]
    assert talk.hear_text("~h~1", at=60.0) == [SymbolFailed("EX:OTHER", 60.0, "no answer for 60 s")]
    assert talk.hear_text("~h~1", at=900.0) == []
    assert talk.read() == ["~h~1"] * 2
    late = talk.hear("qsd", talk.qs, {"n": "EX:OTHER", "s": "ok", "v": {"lp": 3.0}}, at=901.0)
    assert late == [Tick("EX:OTHER", 901.0, 3.0, None)], "it may still come"


@pytest.mark.parametrize("answer", ["update", "error", "completed", "removed", "lost"])
def test_quotes_that_were_answered_are_not_asked_for_again(answer: str) -> None:
    talk = Talk(Subscription("EX:SYM"))
    if answer == "update":
        talk.quote(volume=1e100)
    elif answer == "error":
        talk.hear("qsd", talk.qs, {"n": "EX:SYM", "s": "error", "errmsg": "no_such_symbol", "v": {}})
    elif answer == "completed":
        talk.hear("quote_completed", talk.qs, "EX:SYM")
    elif answer == "removed":
        talk.client.unsubscribe(Subscription("EX:SYM"))
    else:
        talk.lose(20.0)
        talk.reconnect(21.0)
        talk.hear_text("~h~0", at=22.0)
    talk.read()
    assert talk.hear_text("~h~1", at=50.0) == []
    assert talk.read() == ["~h~1"]


def test_each_subscription_gets_both_questions() -> None:
    talk = Talk(Subscription("EX:SYM"))
    talk.hear_text("~h~1", at=30.0)
    talk.client.unsubscribe(Subscription("EX:SYM"))
    talk.client.subscribe(Subscription("EX:SYM"))
    talk.read()
    assert talk.hear_text("~h~1", at=60.0) == []
    assert talk.read() == QUOTE_AGAIN
    assert talk.hear_text("~h~1", at=90.0) == [SymbolFailed("EX:SYM", 90.0, "no answer for 60 s")]


def test_a_symbol_that_is_known_to_have_failed_is_not_told_again_where_its_quotes_do_not_come_either() -> None:
    talk = Talk(PAIR)
    assert talk.hear("symbol_error", talk.cs, talk.alias, "invalid symbol") == [SymbolFailed("EX:SYM", 1.0, "invalid symbol")]
    assert [talk.hear_text("~h~1", at=at) for at in (31.0, 62.0)] == [[], []]
    other = Talk(PAIR)
    other.complete()
    told = [*other.hear_text("~h~1", at=31.0), *other.hear_text("~h~1", at=62.0)]
    assert told == [SymbolFailed("EX:SYM", 62.0, "no answer for 60 s")]
    refused = other.hear("qsd", other.qs, {"n": "EX:SYM", "s": "error", "errmsg": "no_such_symbol", "v": {}}, at=63.0)
    assert refused == [SymbolFailed("EX:SYM", 63.0, "no_such_symbol")], "the reason is news"


def test_ticks_that_were_missed_are_told_of_a_symbol_that_had_no_quote_yet() -> None:
    talk = Talk(Subscription("EX:SYM"))
    talk.lose(2.0)
    assert Gap("EX:SYM", None, 0.0, 3.0, "disconnected", None, None) in talk.reconnect(3.0)


@pytest.mark.parametrize("answered", [True, False])
def test_a_tape_of_quotes_that_did_not_come_tells_the_same(answered: bool) -> None:
    live, tape = Talk(Subscription("EX:SYM", quotes=True)), ClientProtocol(rng=random.Random(2))
    tape.adopt_connection(0.0)
    told: list[Event] = []
    played = tape.events()[1:]
    for beat in range(10):
        live.read()
        for command in live.sent:
            tape.adopt(codec.encode(command))
        live.sent.clear()
        text = f"~h~{beat}"
        if answered and beat == 4:
            text = json.dumps({"m": "qsd", "p": [live.qs, {"n": "EX:SYM", "s": "ok", "v": {"lp": 1.0}}]})
        told += live.hear_text(text, at=10.0 * beat)
        tape.receive(framing.packet(text), 10.0 * beat)
        played += tape.events()
        assert tape.messages_to_send() == [framing.packet(text)] * (not text.startswith("{"))
    assert told == played
    quote = Quote("EX:SYM", 40.0, "ok", {"lp": 1.0}, {"lp": 1.0})
    assert told == ([Tick("EX:SYM", 40.0, 1.0, None), quote] if answered else [SymbolFailed("EX:SYM", 60.0, "no answer for 60 s")])


def test_a_tape_of_an_answer_that_did_not_come_tells_the_same() -> None:
    live, tape = Talk(Subscription("EX:SYM", "1", ticks=False)), ClientProtocol(rng=random.Random(2))
    tape.adopt_connection(0.0)
    told: list[Event] = []
    played = list(tape.events())[1:]

    def adopt() -> None:
        live.read()
        for command in live.sent:
            tape.adopt(codec.encode(command))
        live.sent.clear()

    adopt()
    messages = [(beat, f"~h~{beat // 10}") for beat in range(10, 130, 10)]
    for at, text in messages:
        told += live.hear_text(text, at=float(at))
        tape.receive(framing.packet(text), float(at))
        played += tape.events()
        adopt()
    assert told == played == [SeriesFailed("EX:SYM", "1", 60.0, "no answer for 60 s")]
    update = live.rows(row(0), at=130.0)
    data = {"s": [{"i": 0, "v": row(0)}], "t": "s1"}
    text = json.dumps({"m": "timescale_update", "p": [live.cs, {live.series: data}, {}], "t": 0, "t_ms": 0})
    tape.receive(framing.packet(text), 130.0)
    assert tape.events() == update


def test_a_tape_that_ends_before_the_second_question_leaves_the_series_to_the_next_connection() -> None:
    live, tape = Talk(NO_TICKS), ClientProtocol(rng=random.Random(2))

    def adopt() -> None:
        live.read()
        for command in live.sent:
            tape.adopt(codec.encode(command))
        live.sent.clear()

    def both(payload: str, at: float) -> list[Event]:
        tape.receive(framing.packet(payload), at)
        told = live.hear_text(payload, at=at)
        assert tape.events() == told
        return told

    tape.adopt_connection(0.0)
    tape.events()
    adopt()
    both(_update(live, row(0)), 1.0)
    both(_update(live, row(60)), 2.0)
    both("~h~3", 30.0)
    # The connection is lost before anything of this is on its way.
    live.client.messages_to_send()
    live.sent.clear()
    for client in (live.client, tape):
        client.disconnected(31.0, "gone")
    assert live.events() == tape.events()
    live.client.connected(32.0)
    tape.adopt_connection(32.0)
    adopt()
    assert live.events() == tape.events()
    both(_update(live, row(0), row(60), row(120), row(180)), 33.0)
    told = both(json.dumps({"m": "series_completed", "p": [live.cs, live.series, "streaming", "s1", {}]}), 33.0)
    assert [each for each in told if isinstance(each, Gap)] == [gap(120, 180, 1, 1, "missing")]


def _update(talk: Talk, *values: list[float]) -> str:
    """An update of the newest series, whose bars are a minute apart."""
    data = {"s": [{"i": int(v[0]) // 60, "v": v} for v in values], "t": "s1"}
    return json.dumps({"m": "timescale_update", "p": [talk.cs, {talk.series: data}, {}]})


def test_gaps_may_only_be_told() -> None:
    talk = Talk(NO_TICKS, on_gap="yield")
    talk.load(row(0))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.rows(row(0), row(60), row(120), at=4.0)
    told = talk.complete(at=4.0)
    assert told[2] == gap(60, 120, 0, 1)
    assert bars(told) == [(0, None, 0), (0, "successor", 0), (120, None, 0)]
    assert talk.client.broken is None


def test_gaps_may_end_the_stream() -> None:
    talk = Talk(NO_TICKS, on_gap="raise")
    talk.load(row(0))
    for lost_at, newest in ((2.0, 120), (5.0, 240)):
        talk.lose(lost_at)
        talk.reconnect(lost_at + 1)
        talk.rows(*(row(time) for time in range(0, newest + 1, 60)), at=lost_at + 1)
        assert any(isinstance(event, Gap) for event in talk.complete(at=lost_at + 1))
    broken = talk.client.broken
    assert isinstance(broken, ContinuityError)
    assert str(broken) == (
        "EX:SYM 1: bars from 1970-01-01 00:01:00Z to 1970-01-01 00:02:00Z were missed (disconnected)"
    )
    assert broken.gap == gap(60, 120, 0, 1), "the first one"


def test_a_reconnect_that_missed_nothing_ends_no_stream() -> None:
    talk = Talk(NO_TICKS, on_gap="raise")
    talk.load(row(0))
    talk.lose(2.0)
    talk.reconnect(3.0)
    talk.rows(row(0), row(60), at=4.0)
    talk.complete(at=4.0)
    assert talk.client.broken is None


def test_a_loss_during_the_restoration_is_part_of_the_same_trouble() -> None:
    talk = Talk(PAIR)
    talk.load(row(0))
    talk.lose(100.0)
    talk.reconnect(200.0)
    talk.rows(row(180), at=201.0)
    talk.complete(at=201.0)
    talk.lose(202.0)
    assert talk.reconnect(310.0) == [Connected(310.0, 3), Gap("EX:SYM", None, 201.0, 310.0, "disconnected", None)]
    talk.rows(row(300), at=311.0)
    talk.complete(at=311.0)
    assert "request_more_data" in talk.read(), "the bars of the second connection do not count"
    talk.rows(*(row(time) for time in range(0, 300, 60)), at=312.0)
    told = talk.complete(at=312.0)
    assert [event for event in told if isinstance(event, Gap)] == [gap(60, 300, 4, 4)]
    assert told[-1] == Reconnected(312.0, 3, 212.0)
    assert talk.client.ledger.verify()


def test_two_series_of_a_pair_come_back_each_for_itself() -> None:
    talk = Talk(PAIR, NO_TICKS)
    series = []
    for connection in range(2):
        created = [(command.p.session, command.p.series) for command in talk.sent if isinstance(command, CreateSeries)]
        series = created[-2:]
        for number, (talk.cs, talk.series) in enumerate(series):
            talk.load(*(row(time) for time in range(0, 61 + 60 * (connection + number), 60)), at=2.0 + 10 * connection)
        if not connection:
            talk.lose(5.0)
            talk.reconnect(11.0)
    assert len(talk.client.ledger._tracks) == 2
    assert talk.client.ledger.verify()
    assert talk.client.restored


def test_a_stall_is_told_before_the_loss_that_it_leads_to() -> None:
    talk = Talk(PAIR, watchdogs=Watchdogs(bytes=25.0))
    talk.load(row(0), at=1.0)
    assert talk.client.next_deadline() == 25.0
    talk.client.handle_deadline(25.0)
    assert talk.client.stalled is None
    talk.client.handle_deadline(26.0)
    verdict = talk.client.stalled
    assert verdict == "stalled: bytes for 25 s"
    assert talk.lose(26.0, verdict, code=STALL_CODE, by_us=True) == [
        Stalled(26.0, 1, "bytes", 25.0), Disconnected(26.0, 1, STALL_CODE, verdict)
    ]  # fmt: skip
    assert talk.reconnect(27.0)[1] == Gap("EX:SYM", None, 1.0, 27.0, "stalled", None)
    talk.rows(row(0), row(60), row(120), at=28.0)
    assert gap(60, 120, 1, 1, "stalled") in talk.complete(at=28.0)


def test_a_connection_that_the_user_closed_is_no_loss(talk: Talk) -> None:
    talk.load(row(0))
    assert talk.lose(2.0, "closed", code=1000, by_us=True) == []
    assert talk.lose(3.0) == [], "nor is one that was none"
    assert talk.reconnect(4.0) == [Connected(4.0, 2)]


def test_without_subscriptions_the_first_message_makes_a_loss_good() -> None:
    talk = Talk()
    talk.lose(2.0)
    talk.reconnect(3.0)
    assert talk.hear_text("~h~1", at=4.0) == [Reconnected(4.0, 2, 2.0)]


# --- series that do not come back -------------------------------------------------------------------------------------


def come_back_to(talk: Talk) -> None:
    """Lost at 100 with the bar of 0 forming, connected again at 200."""
    talk.load(row(0))
    talk.lose(100.0)
    talk.reconnect(200.0)


def test_a_series_that_fails_on_the_way_back_leaves_a_gap() -> None:
    talk = Talk(NO_TICKS)
    come_back_to(talk)
    assert talk.hear("series_error", talk.cs, talk.series, "s1", "no", at=201.0) == [
        SeriesFailed("EX:SYM", "1", 201.0, "no"), gap(0, 201, None, None), Reconnected(201.0, 2, 101.0)
    ]  # fmt: skip
    assert talk.client.next_deadline() is None


def test_a_chart_session_that_fails_on_the_way_back_leaves_a_gap() -> None:
    talk = Talk(NO_TICKS)
    come_back_to(talk)
    assert talk.hear("critical_error", talk.cs, "bad", "call", at=201.0) == [
        SeriesFailed("EX:SYM", "1", 201.0, "bad: call"), gap(0, 201, None, None), Reconnected(201.0, 2, 101.0)
    ]  # fmt: skip


def test_a_symbol_that_fails_on_the_way_back_leaves_a_gap() -> None:
    talk = Talk(NO_TICKS, on_gap="raise")
    come_back_to(talk)
    assert talk.hear("symbol_error", talk.cs, talk.alias, "gone", at=201.0) == [
        SymbolFailed("EX:SYM", 201.0, "gone"), gap(0, 201, None, None), Reconnected(201.0, 2, 101.0)
    ]  # fmt: skip
    assert talk.client.broken is not None
    assert talk.hear("series_error", talk.cs, talk.series, "s1", "resolve error", at=202.0) == [
        SeriesFailed("EX:SYM", "1", 202.0, "resolve error")
    ], "and only one"


def test_the_gap_of_a_failed_series_ends_by_the_servers_clock() -> None:
    talk = Talk(NO_TICKS)
    come_back_to(talk)
    talk.hear_text(json.dumps({"session_id": "x", "timestampMs": 500_000}), at=200.0)
    assert gap(0, 501, None, None) in talk.hear("series_error", talk.cs, talk.series, "s1", "no", at=201.0)


# --- a bar that never came --------------------------------------------------------------------------------------------


def jump(talk: Talk) -> tuple[str, str]:
    """The bar of 120 comes as if that of 60 had come; the series, which waits now for a backfill."""
    talk.load(row(0))
    series = (talk.cs, talk.series)
    assert talk.more(2, row(120), at=2.0) == []
    assert talk.read() == ["chart_create_session", "resolve_symbol", "create_series"]
    assert "_backfill_" in talk.cs
    return series


@pytest.fixture
def bare() -> Talk:
    return Talk(NO_TICKS)


def test_a_bar_that_never_came_is_asked_for_on_a_series_of_its_own(bare: Talk) -> None:
    series = jump(bare)
    assert bare.hear("symbol_resolved", bare.cs, bare.alias, {"name": "SYM"}, at=3.0) == []
    assert bare.rows(row(0), row(60), row(120), at=3.0) == []
    assert bare.more(2, row(120, 1.5), at=3.0, series=series) == []
    told = bare.complete(at=3.0)
    assert bars(told) == [(0, None, 0), (0, "successor", 0), (60, "successor", 0), (120, None, 0)]
    assert told[2] == gap(60, 120, 1, 1, "missing")
    assert bare.read() == ["chart_delete_session"]
    assert bars(bare.more(3, row(180), at=4.0, series=series)) == [(120, "successor", 0), (180, None, 0)]
    assert bare.client.ledger.verify()


def test_a_backfill_covers_all_the_time_since_the_last_bar(bare: Talk) -> None:
    bare.load(row(0))
    bare.hear_text(json.dumps({"session_id": "x", "timestampMs": 6_000_000}), at=1.0)
    bare.more(100, row(6000), at=2.0)
    bare.read()
    assert [command.p.count for command in bare.sent if isinstance(command, CreateSeries)] == [300, 103]


def test_bars_out_of_order_are_no_gap_and_the_backfill_is_of_no_use(bare: Talk) -> None:
    series = jump(bare)
    assert bars(bare.more(1, row(60), at=3.0, series=series)) == [(0, "successor", 0), (60, "successor", 0), (120, None, 0)]
    assert bare.client.next_deadline() == 183.0, "when the last bar ends, and not when the wait would have"
    bare.rows(row(0), row(60), row(120), at=3.0)
    assert bare.complete(at=3.0) == []
    assert bare.read() == ["chart_delete_session"]


def test_a_backfill_that_is_refused_leaves_the_gap_unfilled(bare: Talk) -> None:
    jump(bare)
    told = bare.hear("series_error", bare.cs, bare.series, "s1", "no", at=3.0)
    assert told == [gap(0, 120, None, None, "missing"), *told[1:]]
    assert bars(told) == [(120, None, 0)]
    assert bare.read() == ["chart_delete_session"]


def test_a_refusal_when_the_gap_is_closed_already_means_nothing(bare: Talk) -> None:
    series = jump(bare)
    bare.more(1, row(60), at=3.0, series=series)
    assert bare.hear("critical_error", bare.cs, "bad", "call", at=3.0) == []


def test_a_backfill_that_nobody_answers_leaves_the_gap_unfilled(bare: Talk) -> None:
    jump(bare)
    assert bare.client.next_deadline() == 2.0 + RESTORE_TIMEOUT
    bare.client.handle_deadline(2.0 + RESTORE_TIMEOUT)
    told = bare.events()
    assert told[0] == gap(0, 120, None, None, "missing")
    assert bars(told) == [(120, None, 0)]


def test_minutes_without_a_trade_are_no_gap(bare: Talk) -> None:
    bare.load(row(0))
    assert bars(bare.more(1, row(3600), at=2.0)) == [(0, "successor", 0), (3600, None, 0)]
    assert bare.read() == []


def test_a_clearing_update_ends_the_wait_for_a_bar(bare: Talk) -> None:
    (bare.cs, bare.series), backfill = jump(bare), (bare.cs, bare.series)
    assert backfill != (bare.cs, bare.series)
    bare.rows(at=3.0)
    assert bare.client.next_deadline() is None
    assert bars(bare.rows(row(600), at=4.0)) == [(600, None, 0)]


# --- subscriptions that end -------------------------------------------------------------------------------------------


def test_what_is_unsubscribed_while_there_is_no_connection_is_not_missed(talk: Talk) -> None:
    talk.quote(lp=1.0)
    talk.load(row(0))
    talk.lose(2.0)
    talk.client.unsubscribe(PAIR)
    assert talk.reconnect(3.0) == [Connected(3.0, 2)]
    assert talk.hear_text("~h~1", at=4.0) == [Reconnected(4.0, 2, 2.0)]
    talk.client.subscribe(PAIR)
    talk.read()
    assert bars(talk.rows(row(0), row(600), at=5.0)) == [(0, "successor", 0), (600, None, 0)], "it begins anew"


def test_ticks_that_another_subscription_asks_for_are_missed_all_the_same() -> None:
    talk = Talk(PAIR, Subscription("EX:SYM"))
    talk.quote(lp=1.0)
    talk.lose(2.0)
    talk.client.unsubscribe(Subscription("EX:SYM"))
    assert talk.reconnect(3.0)[1:] == [Gap("EX:SYM", None, 1.0, 3.0, "disconnected", None)]


def test_of_two_series_of_a_pair_the_other_one_comes_back() -> None:
    talk = Talk(NO_TICKS, PAIR)
    talk.load(row(0))  # the second one; nothing came for the first
    talk.lose(2.0)
    talk.client.unsubscribe(NO_TICKS)
    talk.reconnect(3.0)
    talk.rows(row(0), row(60), row(120), at=4.0)
    assert gap(60, 120, 1, 1) in talk.complete(at=4.0)


def test_what_was_subscribed_without_a_connection_ends_without_one(bare: Talk) -> None:
    bare.load(row(0))
    bare.lose(2.0)
    bare.client.subscribe(PAIR)
    bare.client.unsubscribe(PAIR)
    bare.reconnect(3.0)
    bare.rows(row(0), row(60), row(120), at=4.0)
    assert gap(60, 120, 1, 1) in bare.complete(at=4.0), "and takes no other's series with it"


def test_what_is_unsubscribed_on_the_way_back_is_not_waited_for(bare: Talk) -> None:
    come_back_to(bare)
    bare.client.unsubscribe(NO_TICKS)
    assert bare.hear_text("~h~1", at=201.0) == [Reconnected(201.0, 2, 101.0)]
    assert bare.client.next_deadline() is None


# --- history ----------------------------------------------------------------------------------------------------------


MINUTE = Interval.parse("1")


def test_history_that_was_asked_for_on_a_lost_connection_is_asked_for_again(talk: Talk) -> None:
    request = talk.client.request_history("EX:OTHER", MINUTE, 2)
    talk.read()
    talk.rows(row(0), row(60))
    talk.lose(2.0)
    talk.reconnect(3.0)
    assert bars(talk.rows(row(120), row(180), at=4.0)) == []
    talk.complete(at=4.0)
    assert [bar.time for bar in request.bars] == [120, 180], "and what came before is not mixed in"


def test_history_may_be_asked_for_and_let_go_without_a_connection() -> None:
    talk = Talk()
    talk.lose(2.0)
    kept, dropped = talk.client.request_history("EX:A", MINUTE, 2), talk.client.request_history("EX:B", MINUTE, 2)
    talk.client.end_request(dropped)
    talk.client.connected(3.0)
    assert talk.read().count("create_series") == 1
    talk.complete(at=4.0)
    assert (kept.done, dropped.done) == (True, False)


def test_history_that_was_answered_is_not_asked_for_again(talk: Talk) -> None:
    request = talk.client.request_history("EX:OTHER", MINUTE, 1)
    talk.read()
    talk.load(row(0))
    assert request.done
    talk.complete()
    talk.lose(2.0)
    talk.client.connected(3.0)
    assert talk.read().count("create_series") == 1, "that of the subscription"


def test_history_is_asked_for_page_by_page(talk: Talk) -> None:
    request = talk.client.request_history("EX:A", MINUTE, 6)
    talk.read()
    talk.load(row(240), row(300))
    assert talk.read() == ["request_more_data"]
    assert talk.sent[-1] == RequestMoreData(RequestMoreData.Params(talk.cs, talk.series, 4))
    talk.load(row(120), row(180))
    assert talk.read() == ["request_more_data"]
    talk.complete({"data_completed": "limit"})
    assert talk.read() == []
    assert ([bar.time for bar in request.bars], request.complete, request.limit) == ([120, 180, 240, 300], False, "limit")


def test_history_of_a_span_says_which(talk: Talk) -> None:
    talk.client.request_history("EX:A", MINUTE, start=60, end=300)
    talk.read()
    created = talk.sent[-1]
    assert (created.p.count, created.p.period) == (5_000, "r,60:300")
    talk.client.request_history("EX:A", MINUTE, 7, end=300)
    talk.read()
    assert (talk.sent[-1].p.count, talk.sent[-1].p.period) == (["bar_count", 300, 7], "")


def test_the_newest_bar_of_history_is_closed_if_its_time_is_over(talk: Talk) -> None:
    requests = []
    for t_ms in (59_999, 60_000):
        requests.append(talk.client.request_history("EX:A", MINUTE, 1))
        talk.read()
        talk.rows(row(0), t_ms=t_ms)
        talk.complete(t_ms=t_ms)
    assert [request.bars[0].closed for request in requests] == [False, True]


def test_history_of_a_symbol_that_fails_is_an_error_and_no_event(talk: Talk) -> None:
    request = talk.client.request_history("EX:NOPE", MINUTE, 1)
    talk.read()
    assert talk.hear("symbol_resolved", talk.cs, talk.alias, {"name": "NOPE"}) == []
    assert talk.hear("symbol_error", talk.cs, talk.alias, "invalid symbol") == []
    assert isinstance(request.error, SymbolError)
    assert str(request.error) == "EX:NOPE: invalid symbol"
    assert talk.hear("series_error", talk.cs, talk.series, "s1", "resolve error") == []
    assert isinstance(request.error, SymbolError), "the first error stands"


def test_a_symbol_that_fails_fails_no_history_of_another(talk: Talk) -> None:
    request = talk.client.request_history("EX:A", MINUTE, 1)
    talk.read()
    talk.hear("symbol_error", talk.cs, "sds_sym_99", "invalid symbol")
    assert not request.done


def test_history_of_a_series_that_fails_is_an_error(talk: Talk) -> None:
    request = talk.client.request_history("EX:A", MINUTE, 1)
    talk.read()
    assert talk.hear("series_error", talk.cs, talk.series, "s1", "no") == []
    assert isinstance(request.error, SeriesError)
    assert str(request.error) == "EX:A 1: no"


def test_without_another_connection_history_fails_for_the_reason_that_the_server_gave(talk: Talk) -> None:
    request = talk.client.request_history("EX:A", MINUTE, 1)
    talk.hear("protocol_error", "token expired")
    talk.lose(2.0)
    talk.client.abandon()
    assert isinstance(request.error, AuthError)


def test_a_history_request_shows_its_state(talk: Talk) -> None:
    request = talk.client.request_history("EX:A", MINUTE, 1)
    assert repr(request) == "<HistoryRequest 1 x EX:A 1: 0 rows so far>"
    talk.read()
    talk.load(row(0))
    assert repr(request) == "<HistoryRequest 1 x EX:A 1: done>"
    failed = talk.client.request_history("EX:A", MINUTE, 1)
    failed.fail(SeriesError("no"))
    assert repr(failed) == "<HistoryRequest 1 x EX:A 1: failed>"


@pytest.mark.parametrize("bars", [0, 1_000_001, 1.5])
def test_an_impossible_length_of_history_is_refused_with_its_value(talk: Talk, bars: Any) -> None:
    with pytest.raises(InvalidPlan, match=f"history of {bars} bars: expected a whole number from 1 to 1000000"):
        talk.client.request_history("EX:A", MINUTE, bars)


# --- a tape's commands ------------------------------------------------------------------------------------------------


class Tape(Talk):
    """A client that is played a tape: its commands are adopted, and nothing is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.cs, self.series, self.alias, self.qs = "cs_a", "sds_1", "sym", "qs_x"
        self.says("chart_create_session", "cs_a", "")
        self.says("resolve_symbol", "cs_a", "sym", "EX:SYM")

    def says(self, method: str, *p: Any) -> None:
        self.client.adopt(json.dumps({"m": method, "p": p}))

    def creates(self, resolution: str = "1", cs: str = "cs_a", series: str = "sds_1") -> None:
        self.says("create_series", cs, series, "s1", "sym", resolution, 300, "")

    def again(self, at: float) -> list[Event]:
        self.client.adopt_connection(at)
        self.says("chart_create_session", "cs_a", "")
        self.says("resolve_symbol", "cs_a", "sym", "EX:SYM")
        return self.events()


def test_a_tapes_commands_give_its_replies_their_names() -> None:
    tape = Tape()
    tape.creates()
    tape.says("quote_create_session", "qs_x")
    tape.says("quote_add_symbols", "qs_x", "EX:SYM")
    assert bars(tape.rows(row(0))) == [(0, None, 0)]
    assert tape.quote(lp=1.0) == [Tick("EX:SYM", 1.0, 1.0, None)]
    tape.says("quote_remove_symbols", "qs_x", "EX:SYM")
    assert tape.quote(lp=2.0) == []
    tape.says("quote_delete_session", "qs_x")
    assert tape.quote(lp=3.0) == []
    assert tape.client.statistics().unclaimed == 2


def test_a_tape_may_hold_what_is_no_command_and_commands_for_nothing() -> None:
    tape = Tape()
    tape.client.adopt("~h~1")
    tape.creates(cs="cs_other")
    tape.says("remove_series", "cs_other", "sds_1")
    tape.says("remove_series", "cs_a", "sds_9")
    tape.says("chart_delete_session", "cs_other")
    tape.says("quote_add_symbols", "qs_other", "EX:SYM")
    assert tape.rows(row(0)) == []


def test_a_modified_series_is_another_one() -> None:
    tape = Tape()
    tape.creates()
    tape.load(row(0))
    tape.says("modify_series", "cs_a", "sds_1", "s2", "sym", "5", "")
    tape.says("modify_series", "cs_a", "sds_2", "s2", "sym", "15", "")
    assert [bar.interval for bar in tape.rows(row(300)) if isinstance(bar, Bar)] == ["5"]
    tape.series = "sds_2"
    assert [bar.interval for bar in tape.rows(row(900)) if isinstance(bar, Bar)] == ["15"]


@pytest.mark.parametrize(
    "ending",
    [
        ("modify_series", "cs_a", "sds_1", "s2", "sym", "5", ""),
        ("remove_series", "cs_a", "sds_1"),
        ("chart_delete_session", "cs_a"),
    ],
)
def test_a_series_that_ends_on_the_way_back_is_not_waited_for(ending: tuple[str, ...]) -> None:
    tape = Tape()
    tape.creates()
    tape.load(row(0))
    tape.lose(2.0)
    tape.again(3.0)
    tape.creates()
    tape.says(*ending)
    assert tape.hear_text("~h~1", at=4.0) == [Reconnected(4.0, 2, 2.0)]


def test_a_series_that_began_anew_is_no_other_ones_continuation() -> None:
    tape = Tape()
    tape.creates()
    tape.load(row(0), row(60))
    tape.lose(2.0)
    tape.again(3.0)
    tape.says("chart_create_session", "cs_anew_b", "")
    tape.says("resolve_symbol", "cs_anew_b", "sym", "EX:SYM")
    tape.creates(cs="cs_anew_b", series="sds_2")
    tape.cs, tape.series = "cs_anew_b", "sds_2"
    assert bars(tape.rows(row(0), row(60), row(120), at=4.0)) == [(0, "successor", 0), (60, "successor", 0), (120, None, 0)]
    tape.complete(at=4.0)
    tape.lose(5.0)
    tape.again(6.0)
    tape.creates()
    tape.cs, tape.series = "cs_a", "sds_1"
    tape.rows(row(120), row(180), row(240), at=7.0)
    assert gap(180, 240, 1, 1) in tape.complete(at=7.0), "but another may continue it"


def test_what_begins_anew_says_so_on_the_wire(bare: Talk) -> None:
    bare.load(row(0))
    bare.lose(2.0)
    bare.client.unsubscribe(NO_TICKS)
    bare.client.subscribe(NO_TICKS)
    bare.reconnect(3.0)
    assert bare.cs.startswith("cs_anew_")
    assert bars(bare.rows(row(0), row(60), at=4.0)) == [(0, "successor", 0), (60, None, 0)]


def test_ticks_are_missed_by_a_session_that_gives_ticks() -> None:
    tape = Tape()
    tape.says("quote_create_session", "qs_ticks_x")
    tape.says("quote_add_symbols", "qs_ticks_x", "EX:SYM")
    tape.lose(2.0)
    tape.again(3.0)
    tape.says("quote_create_session", "qs_quotes_x")
    tape.says("quote_add_symbols", "qs_quotes_x", "EX:SYM")
    assert tape.events() == []
    tape.says("quote_create_session", "qs_ticks_y")
    tape.says("quote_add_symbols", "qs_ticks_y", "EX:OTHER", "EX:SYM")
    (event,) = tape.events()
    assert isinstance(event, Gap)
    assert (event.symbol, event.interval, event.end) == ("EX:SYM", None, 3.0)


def test_ticks_of_what_is_followed_much_later_are_not_missed() -> None:
    tape = Tape()
    tape.says("quote_create_session", "qs_ticks_x")
    tape.says("quote_add_symbols", "qs_ticks_x", "EX:SYM")
    tape.lose(2.0)
    tape.again(3.0)
    tape.hear_text("~h~1", at=4.0)
    tape.says("quote_create_session", "qs_ticks_y")
    tape.says("quote_add_symbols", "qs_ticks_y", "EX:SYM")
    assert tape.events() == []


def test_the_backfill_on_a_tape_fills_the_gap_of_its_series() -> None:
    tape = Tape()
    tape.creates()
    tape.load(row(0))
    tape.more(2, row(120), at=2.0)
    tape.says("chart_create_session", "cs_backfill_abc", "")
    tape.says("resolve_symbol", "cs_backfill_abc", "sym", "EX:SYM")
    tape.creates(cs="cs_backfill_abc", series="sds_2")
    tape.cs, tape.series = "cs_backfill_abc", "sds_2"
    tape.rows(row(0), row(60), at=3.0)
    assert gap(60, 120, 1, 1, "missing") in tape.complete(at=3.0)


def test_history_on_a_tape_is_told_from_the_stream() -> None:
    tape = Tape()
    tape.says("chart_create_session", "cs_history_abc", "")
    tape.says("resolve_symbol", "cs_history_abc", "sym", "EX:SYM")
    tape.creates(cs="cs_history_abc")
    tape.cs = "cs_history_abc"
    assert tape.rows(row(0)) == []
    assert tape.complete() == []
    tape.lose(2.0)
    tape.again(3.0)
    assert tape.read() == [], "nobody waits for it"


def test_a_resolution_that_we_do_not_know_keeps_its_spelling() -> None:
    tape = Tape()
    tape.creates("7X")
    assert [bar.interval for bar in tape.rows(row(0)) if isinstance(bar, Bar)] == ["7X"]
    tape.complete()
    assert tape.more(2, row(120), at=2.0) == []
    assert [command.p.resolution for command in backfills(tape)] == ["7X"]


def backfills(talk: Talk) -> list[CreateSeries]:
    talk.read()
    return [command for command in talk.sent if isinstance(command, CreateSeries) and "_backfill_" in command.p.session]


# --- odds and ends ----------------------------------------------------------------------------------------------------


def test_an_update_may_hold_objects_that_are_no_series(talk: Talk) -> None:
    objects = {"st1": {"st": []}, "other": {"s": [{"i": 0, "v": row(0)}], "t": "s1"}}
    assert talk.hear("du", talk.cs, objects) == []


def test_replies_for_sessions_that_we_do_not_follow_are_counted(talk: Talk) -> None:
    assert talk.hear("series_completed", "cs_other", "sds_1", "streaming", "s1", {}) == []
    assert talk.hear("symbol_resolved", "cs_other", "sym", {"name": "A"}) == []
    assert talk.hear("symbol_error", "cs_other", "sym", "no") == []
    assert talk.hear("qsd", talk.qs, {"n": "EX:OTHER", "s": "ok", "v": {"lp": 1}}) == []
    assert talk.client.statistics().unclaimed == 4


def test_the_completion_of_a_series_that_we_do_not_follow_tells_nothing(talk: Talk) -> None:
    assert talk.hear("series_completed", talk.cs, "sds_99", "streaming", "s1", {}) == []


def test_a_later_delivery_of_a_series_completes_no_history(talk: Talk) -> None:
    talk.load(row(60))
    assert bars(talk.rows(row(0))) == [(0, "successor", 0)]
    assert talk.complete() == []


def test_an_error_of_a_series_that_we_do_not_follow_tells_nothing(talk: Talk) -> None:
    assert talk.hear("series_error", talk.cs, "sds_99", "s1", "no") == []


def test_a_failed_symbol_concerns_its_own_series_only() -> None:
    talk = Talk(NO_TICKS)
    come_back_to(talk)
    assert talk.hear("symbol_error", talk.cs, "sds_sym_99", "no", at=201.0) == [SymbolFailed("sds_sym_99", 201.0, "no")]
    assert not talk.client.restored


def test_a_quote_that_fails_is_a_failed_symbol_once_and_a_quote_each_time() -> None:
    talk = Talk(Subscription("EX:SYM", quotes=True))
    assert [type(event) for event in talk.quote(s="error")] == [SymbolFailed, Quote]
    assert [type(event) for event in talk.quote(s="permission_denied")] == [Quote]


def test_a_symbol_of_which_all_is_refused_is_not_waited_for() -> None:
    talk = Talk(PAIR, watchdogs=WATCHED)
    talk.quote(s="error")
    assert not talk.client.refused
    talk.hear("series_error", talk.cs, talk.series, "s1", "resolve error")
    assert talk.client.refused
    assert stalls(talk, until=1_000.0) == []


def test_a_symbol_that_fails_takes_its_series_with_it() -> None:
    talk = Talk(PAIR)
    talk.hear("symbol_error", talk.cs, talk.alias, "invalid symbol")
    assert not talk.client.refused
    talk.quote(s="error")
    assert talk.client.refused


def test_ticks_are_waited_for_where_only_the_bars_are_refused() -> None:
    talk = Talk(PAIR, watchdogs=WATCHED)
    talk.hear("series_error", talk.cs, talk.series, "s1", "seconds_not_entitled")
    assert not talk.client.refused
    assert stalls(talk, until=1_000.0) == ["stalled: progress for 180 s"]


def test_bars_of_a_chart_type_are_waited_for_where_only_the_quotes_are_refused() -> None:
    talk = Talk(Subscription("EX:SYM{chart=renko}", "1"))
    talk.quote(s="error")
    assert not talk.client.refused
    talk.hear("series_error", talk.cs, talk.series, "s1", "no")
    assert talk.client.refused


def test_what_others_ask_for_is_waited_for_although_a_symbol_is_refused() -> None:
    talk = Talk(Subscription("EX:ONE"), Subscription("EX:SYM"), watchdogs=WATCHED)
    talk.quote(s="error")
    assert not talk.client.refused
    assert stalls(talk, until=1_000.0) == ["stalled: progress for 180 s"]


def test_quotes_that_come_after_all_are_waited_for_again() -> None:
    talk = Talk(Subscription("EX:ONE"), Subscription("EX:SYM"), watchdogs=WATCHED)
    for symbol in ("EX:ONE", "EX:SYM"):
        talk.hear("qsd", talk.qs, {"n": symbol, "s": "error", "v": {}})
    assert talk.client.refused
    talk.quote(lp=1.0)
    talk.quote(lp=2.0)
    assert not talk.client.refused
    assert stalls(talk, until=1_000.0) == ["stalled: progress for 180 s"]


def test_what_was_refused_is_asked_for_and_waited_for_again_on_the_next_connection() -> None:
    talk = Talk(PAIR, watchdogs=WATCHED)
    talk.quote(s="error")
    talk.hear("series_error", talk.cs, talk.series, "s1", "resolve error")
    talk.lose(2.0)
    talk.reconnect(3.0)
    assert not talk.client.refused
    assert stalls(talk, until=1_000.0) == ["stalled: progress for 180 s"]


def stalls(talk: Talk, *, until: float) -> list[str]:
    """What the watchdogs say while heartbeats come and nothing else."""
    for now in range(10, int(until), 10):
        talk.hear_text(f"~h~{now}", at=float(now))
        talk.client.handle_deadline(float(now))
        if talk.client.stalled is not None:
            return [talk.client.stalled]
    return []


def test_an_update_of_the_forming_bar_is_told_and_moves_no_deadline(talk: Talk) -> None:
    talk.load(row(0))
    deadline = talk.client.next_deadline()
    assert bars(talk.more(0, row(0))) == [(0, None, 0)]
    assert talk.client.next_deadline() == deadline


def test_replies_that_say_nothing_new_are_packets_all_the_same(talk: Talk) -> None:
    assert talk.hear("quote_completed", talk.qs, "EX:SYM") == []
    assert (talk.client.statistics().packets, talk.client.statistics().unknown) == (1, 0)


def test_a_hello_without_milliseconds_tells_no_time(talk: Talk) -> None:
    assert talk.hear_text('{"session_id":"x","timestamp":7}') == []
    talk.load(row(0))


def test_a_command_that_comes_from_the_server_is_noticed(talk: Talk) -> None:
    assert talk.hear("remove_series", talk.cs, talk.series) == [Notice(1.0, "unknown", "remove_series", 1)]
    client = ClientProtocol(rng=random.Random(1))
    client.receive_packets([codec.decode_command('{"m":"remove_series","p":["cs","s"]}')], 1.0)
    assert client.events() == [Notice(1.0, "unknown", "remove_series", 1)]


def test_no_server_makes_us_remember_every_word_that_it_invents(talk: Talk) -> None:
    told = [notice for number in range(1003) for notice in talk.hear(f"novel{number}")]
    assert [notice.method for notice in told if isinstance(notice, Notice)][999:] == ["novel999", "*"]


def test_a_gap_beyond_all_calendars_ends_the_stream_with_a_number() -> None:
    talk = Talk(NO_TICKS, on_gap="raise")
    talk.load(row(0.0), row(60.0))
    talk.more(3, row(1e18))
    talk.client.handle_deadline(1.0 + RESTORE_TIMEOUT)
    assert "to 1000000000000000000 were missed" in str(talk.client.broken)


def test_subscribing_while_connected_asks_at_once(talk: Talk) -> None:
    talk.client.subscribe(Subscription("EX:NEW", "5", ticks=False))
    assert talk.read() == ["chart_create_session", "resolve_symbol", "create_series"]
    talk.client.subscribe(Subscription("EX:SYM"))
    assert talk.read() == [], "these ticks come already"


def test_the_kinds_of_quotes_that_are_asked_for_decide_the_quote_session() -> None:
    talk = Talk(Subscription("EX:SYM"))
    talk.client.subscribe(Subscription("EX:SYM", quotes=True))
    assert talk.read() == ["quote_create_session", "quote_set_fields", "quote_remove_symbols", "quote_add_symbols"]
    talk.client.unsubscribe(Subscription("EX:SYM", quotes=True))
    assert talk.read() == ["quote_remove_symbols", "quote_add_symbols"], "the first session is there still"


def test_neither_client_nor_settings_show_a_token() -> None:
    settings = Settings(token="secret")
    client = ClientProtocol(rng=random.Random(1), settings=settings)
    assert repr(client) == "<ClientProtocol closed, connection 0, 0 subscriptions>"
    client.connected(1.0)
    assert repr(client) == "<ClientProtocol open, connection 1, 0 subscriptions>"
    assert "secret" not in repr(settings)


def test_statistics_count_messages_packets_events_and_heartbeats(talk: Talk) -> None:
    talk.hear_text("~h~1", "~h~2")
    talk.quote(lp=1.0)
    counts = talk.client.statistics()
    assert (counts.messages, counts.packets, counts.heartbeats, counts.events, counts.connections) == (2, 3, 2, 2, 1)


def test_what_nobody_asks_for_is_not_missed() -> None:
    """A client that follows nothing, or nothing any more, gets no data, and that is no stall."""
    protocol = ClientProtocol(rng=random.Random(1), settings=Settings(watchdogs=Watchdogs(None, None, 60.0)))
    protocol.connected(0.0)
    protocol.handle_deadline(61.0)
    assert protocol.stalled is None
    protocol.subscribe(Subscription("EX:SYM"))
    protocol.handle_deadline(300.0)
    assert protocol.stalled is not None
    protocol.unsubscribe(Subscription("EX:SYM"))
    protocol.disconnected(300.0, "lost")
    protocol.connected(301.0)
    protocol.handle_deadline(900.0)
    assert protocol.stalled is None


# --- studies ------------------------------------------------------------------------------------------------------------


def with_studies(*studies: str) -> Talk:
    return Talk(Subscription("EX:SYM", "1", ticks=False, studies=studies))


def points(talk: Talk, name: str, *rows: list[float], at: float = 1.0) -> list[Event]:
    return talk.hear("du", talk.cs, {name: {"st": [{"i": i, "v": v} for i, v in enumerate(rows)], "ns": {}, "t": "s1_st1"}}, at=at)


def rsi(time: float, value: float, *, closed: bool = False, study: str = "RSI:14") -> StudyUpdate:
    return StudyUpdate("EX:SYM", "1", study, time, {"rsi": value}, closed)


def test_studies_are_asked_for_behind_their_series() -> None:
    talk = with_studies("RSI:7", "Volume")
    first, second = talk.sent[-2:]
    assert isinstance(talk.sent[-3], CreateSeries)
    assert first.p == CreateStudy.Params(talk.cs, "st1", "st1", talk.series, "RSI@tv-basicstudies-241", {"in_0": 7, "in_1": "close"})
    assert second.p == CreateStudy.Params(talk.cs, "st2", "st2", talk.series, "Volume@tv-basicstudies-241", {"length": 20, "col_prev_close": False})


def test_values_of_studies_are_events() -> None:
    talk = with_studies("RSI:14")
    talk.load([0.0, 1, 1, 1, 1, 1], [60.0, 1, 1, 1, 1, 1])
    assert points(talk, "st1", [0.0, 40.0], [60.0, 50.0]) == [rsi(0.0, 40.0, closed=True), rsi(60.0, 50.0)]
    assert points(talk, "st1", [60.0, 51.0]) == [rsi(60.0, 51.0)]
    assert points(talk, "st2", [60.0, 51.0]) == []


def test_the_clock_closes_the_values_with_the_bar() -> None:
    talk = with_studies("RSI:14")
    talk.rows([60.0, 1, 1, 1, 1, 1], close_time=120, t_ms=61_000)
    talk.complete(t_ms=61_000)
    points(talk, "st1", [60.0, 50.0])
    due = talk.client.next_deadline()
    assert due is not None
    talk.client.handle_deadline(due)
    bar, study = talk.events()
    assert isinstance(bar, Bar) and bar.closed_by == "time"
    assert study == rsi(60.0, 50.0, closed=True)


def test_a_study_goes_on_after_a_reconnect_behind_the_bars_that_were_missed() -> None:
    talk = with_studies("RSI:14")
    talk.load([0.0, 1, 1, 1, 1, 1], [60.0, 1, 1, 1, 1, 1])
    points(talk, "st1", [0.0, 40.0], [60.0, 50.0])
    talk.lose(70.0)
    talk.reconnect(200.0)
    assert isinstance(talk.sent[-1], CreateStudy)
    assert points(talk, "st2", [60.0, 52.0], [120.0, 60.0], at=200.0) == []
    talk.rows([60.0, 1, 1, 1, 1, 1], [120.0, 1, 1, 1, 1, 1], at=200.0)
    told = talk.complete(at=200.0)
    assert [each for each in told if isinstance(each, StudyUpdate)] == [rsi(60.0, 52.0, closed=True), rsi(120.0, 60.0)]
    assert [type(each) for each in told[-3:]] == [StudyUpdate, StudyUpdate, Reconnected]


def test_a_study_that_fails_is_told() -> None:
    talk = with_studies("RSI:14")
    assert talk.hear("study_error", talk.cs, "st1", "s1_st1", "no", "node", t=1, t_ms=1000) == [StudyFailed("EX:SYM", "1", "RSI:14", 1.0, "no")]
    assert talk.hear("study_error", talk.cs, "st1", "s1_st1", "no", "node") == []
    assert talk.client.statistics().unclaimed == 1


def adopt(talk: Talk, method: str, *p: Any) -> None:
    talk.client.adopt(json.dumps({"m": method, "p": p}))


def test_studies_of_another_client_are_followed_as_it_asked_for_them() -> None:
    talk = Talk(NO_TICKS)
    adopt(talk, "create_study", "cs_other", "a", "u1", talk.series, "RSI@tv-basicstudies-1", {})
    adopt(talk, "create_study", talk.cs, "a", "u1", talk.series, "RSI@tv-basicstudies-1", {"length": 5})
    assert points(talk, "a", [60.0, 1.0]) == [rsi(60.0, 1.0, study="RSI:5")]
    adopt(talk, "modify_study", talk.cs, "a", "u2", {"length": 6})
    assert points(talk, "a", [0.0, 1.0]) == [rsi(0.0, 1.0, study="RSI:6")]
    adopt(talk, "resolve_symbol", talk.cs, "b", "EX:OTHER")
    adopt(talk, "modify_series", talk.cs, talk.series, "s2", "b", "5", "")
    assert points(talk, "a", [0.0, 1.0]) == [StudyUpdate("EX:OTHER", "5", "RSI:6", 0.0, {"rsi": 1.0}, False)]
    adopt(talk, "modify_series", talk.cs, "sds_9", "s2", "b", "5", "")
    adopt(talk, "remove_study", talk.cs, "a")
    assert points(talk, "a", [0.0, 1.0]) == []
    adopt(talk, "create_study", talk.cs, "a", "u1", "sds_9", "RSI@tv-basicstudies-1", {"length": 5})
    adopt(talk, "remove_series", talk.cs, "sds_9")
    assert points(talk, "a", [0.0, 1.0]) == []
    adopt(talk, "create_study", talk.cs, "a", "u1", talk.series, "RSI@tv-basicstudies-1", {"length": 5})
    adopt(talk, "chart_delete_session", talk.cs)
    adopt(talk, "chart_create_session", talk.cs)
    assert points(talk, "a", [0.0, 1.0]) == []


def test_two_views_of_one_symbol_are_two_symbols_and_a_chart_type_shares_the_quotes() -> None:
    extended = Symbol("EX:SYM", session="extended")
    renko = Symbol("EX:SYM", chart="renko", inputs={"boxSize": 3})
    talk = Talk(Subscription(extended), Subscription(renko, "1"), Subscription("EX:SYM"))
    added = [command.names for command in talk.sent if isinstance(command, QuoteAddSymbols)]
    assert added == [[wire_quote(extended)], ["EX:SYM"]]
    ticks = talk.hear("qsd", talk.qs, {"n": added[0][0], "s": "ok", "v": {"lp": 1.0}})
    assert [tick.symbol for tick in ticks if isinstance(tick, Tick)] == [extended]
    shown = talk.rows(row(0))
    assert [bar.symbol for bar in shown if isinstance(bar, Bar)] == [renko]
    talk.client.unsubscribe(Subscription("EX:SYM"))
    assert talk.read() == [], "the other still has ticks of it"
    talk.client.unsubscribe(Subscription(renko, "1"))
    assert "quote_remove_symbols" in talk.read()


# --- snapshots --------------------------------------------------------------------------------------------------------


def test_quotes_asked_for_once_reach_their_request_and_not_the_stream(talk: Talk) -> None:
    request = talk.client.request_quotes(["EX:A", "EX:B"], ("lp", "bid"))
    assert talk.read() == ["quote_create_session", "quote_set_fields", "quote_add_symbols"]
    assert talk.sent[-1].names == ["EX:A", "EX:B"]
    assert talk.hear("qsd", talk.qs, {"n": "EX:A", "s": "ok", "v": {"lp": 1.0}}) == []
    assert talk.hear("quote_completed", talk.qs, "EX:A") == []
    assert talk.hear("quote_completed", "qs_other", "EX:B") == []
    assert not request.done
    assert talk.hear("qsd", talk.qs, {"n": "EX:B", "s": "error", "errmsg": "no_such_symbol", "v": {}}) == []
    assert request.done
    talk.client.end_request(request)
    assert talk.read() == ["quote_delete_session"]
    talk.hear("qsd", talk.qs, {"n": "EX:A", "s": "ok", "v": {"lp": 1.0}})
    assert talk.client.statistics().unclaimed == 1


def test_all_fields_are_asked_for_by_naming_none() -> None:
    talk = Talk(Subscription("EX:SYM", quotes=True), quote_fields=None)
    assert "quote_set_fields" not in talk.read()
    assert not any(command.__class__.__name__ == "QuoteSetFields" for command in talk.sent)
    talk.client.request_quotes(["EX:A"], None)
    assert talk.read() == ["quote_create_session", "quote_add_symbols"]


def test_a_request_for_quotes_survives_a_lost_connection_and_fails_without_another(talk: Talk) -> None:
    request = talk.client.request_quotes(["EX:A"], None)
    talk.read()
    other = talk.client.request_quotes(["EX:B"], None)
    talk.read()
    talk.client.end_request(other)
    talk.lose(2.0)
    talk.client.connected(3.0)
    assert talk.read().count("quote_create_session") == 2
    talk.lose(4.0)
    talk.client.abandon()
    assert isinstance(request.error, SeriesError)
    assert str(request.error) == "<QuoteRequest of 1 symbols: missing EX:A>: connection lost"


def test_a_rejected_request_for_quotes_is_an_error_of_its_own(talk: Talk) -> None:
    request = talk.client.request_quotes(["EX:A"], ("lp",))
    talk.read()
    assert talk.hear("critical_error", talk.qs, "invalid_parameters", "quote_add_symbols") == []
    assert isinstance(request.error, CriticalError)
    assert str(request.error) == "quotes: invalid_parameters: quote_add_symbols"


def test_a_snapshot_on_a_tape_is_told_from_the_stream() -> None:
    tape = Tape()
    tape.says("quote_create_session", "qs_snapshot_abc")
    tape.says("quote_add_symbols", "qs_snapshot_abc", "EX:SYM")
    assert tape.hear("qsd", "qs_snapshot_abc", {"n": "EX:SYM", "s": "ok", "v": {"lp": 1.0}}) == []
    assert tape.client.statistics().unclaimed == 0


def test_a_reply_that_means_nothing_to_us_is_none_too_many(talk: Talk) -> None:
    assert talk.hear("series_deleted", talk.cs, talk.series) == []
    assert talk.client.statistics().unknown == 0


def test_another_token_goes_out_at_once_and_with_each_new_connection(talk: Talk) -> None:
    talk.client.authenticate("second")
    assert talk.read() == ["set_auth_token"]
    assert talk.sent[-1].p.token == "second"
    talk.lose(2.0)
    talk.client.authenticate("third")
    assert talk.read() == []
    talk.client.connected(3.0)
    talk.read()
    assert [command.p.token for command in talk.sent if command.__class__.__name__ == "SetAuthToken"][-1] == "third"


def test_a_time_zone_goes_to_each_chart_and_with_each_new_one(talk: Talk) -> None:
    talk.client.set_timezone("Europe/Berlin")
    assert talk.read() == ["switch_timezone"]
    talk.client.subscribe(Subscription("EX:OTHER", "1", ticks=False))
    assert talk.read()[:2] == ["chart_create_session", "switch_timezone"]
    talk.lose(2.0)
    talk.client.set_timezone("Etc/UTC")
    assert talk.read() == []
    talk.client.connected(3.0)
    assert talk.read().count("switch_timezone") == 2
    assert Talk(PAIR, timezone="exchange").sent


def test_a_time_zone_that_the_server_does_not_know_costs_no_series(talk: Talk) -> None:
    (notice,) = talk.hear("critical_error", talk.cs, "invalid timezone", "method: switch_timezone")
    assert isinstance(notice, Notice)
    assert bars(talk.rows(row(0))) == [(0, None, 0)]


@pytest.mark.parametrize("name", ["", "a b", 7, "/", "A" * 40])
def test_what_cannot_be_a_time_zone_is_refused(talk: Talk, name: Any) -> None:
    with pytest.raises(InvalidPlan, match="timezone .*: expected a name such as America/New_York"):
        talk.client.set_timezone(name)
