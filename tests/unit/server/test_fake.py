"""`FakeServer` as its users meet it: in memory, over loopback, by hand, and from a tape."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any

import pytest

from tvstreamer import Bar, Event, Subscription, Tick, TvWSClient
from tvstreamer.auth import page_token, token_expiry
from tvstreamer.clock import VirtualClock
from tvstreamer.errors import (
    AuthError,
    ConnectFailed,
    FramingError,
    InvalidPlan,
    SeriesError,
    SymbolError,
    TransportClosed,
    VerificationFailed,
)
from tvstreamer.events import HistoryComplete, SeriesFailed, StudyFailed, SymbolFailed
from tvstreamer.faults import close
from tvstreamer.http import HttpClient
from tvstreamer.protocol import framing
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.plans import Plan
from tvstreamer.server.steered import SteeredClock
from tvstreamer.server.verification import Expected
from tvstreamer.studies import Study
from tvstreamer.symbols import Symbol

BTC = "BINANCE:BTCUSDT"


def take(client: TvWSClient, turns: int = 200, until: Any = lambda events: False) -> list[Event]:
    events: list[Event] = []
    for _ in range(turns):
        batch = client.poll(20)
        if batch is None:
            break
        events += batch
        if until(events):
            break
    return events


def test_the_same_seed_gives_the_same_messages() -> None:
    def messages(seed: int) -> list[str]:
        with FakeServer(seed=seed, speed="max") as server:
            transport = server.connect()
            transport.send(framing.packet('{"m":"quote_create_session","p":["qs_1"]}'))
            transport.send(framing.packet(f'{{"m":"quote_add_symbols","p":["qs_1","{BTC}"]}}'))
            return [transport.recv(3600).text for _ in range(50)]

    assert messages(7) == messages(7) != messages(8)


@pytest.mark.parametrize("over_loopback", [False, True])
def test_an_unknown_symbol_is_told_and_history_of_it_raises(over_loopback: bool) -> None:
    with FakeServer(seed=1, speed=1) as server:
        source: object = server.url if over_loopback else server.connect
        with TvWSClient([("XXXX:NOPE", "1")], source=source) as client:
            events = take(client, until=lambda told: sum(isinstance(event, SymbolFailed | SeriesFailed) for event in told) >= 1)
            assert any(isinstance(event, SymbolFailed | SeriesFailed) and event.symbol == "XXXX:NOPE" for event in events)
            with pytest.raises(SymbolError):
                client.get_history("XXXX:NOPE", "1", 5, timeout=20)


@pytest.mark.parametrize("over_loopback", [False, True])
def test_a_bad_token_is_refused_at_the_end_of_the_stream(over_loopback: bool) -> None:
    with FakeServer(seed=1, speed=1, tokens=["good"]) as server:
        source: object = server.url if over_loopback else server.connect
        with TvWSClient([BTC], source=source, token="bad") as client:
            with pytest.raises(AuthError, match="bad auth token"):
                take(client)


@pytest.mark.parametrize("over_loopback", [False, True])
def test_a_token_is_good_until_it_expires(over_loopback: bool) -> None:
    with FakeServer(seed=1, speed=1, tokens={"late": 4e9, "gone": 1e9}) as server:
        source: object = server.url if over_loopback else server.connect
        with TvWSClient([BTC], source=source, token="late") as client:
            assert take(client, until=lambda told: any(isinstance(event, Tick) for event in told))
        with TvWSClient([BTC], source=source, token="gone") as client:
            with pytest.raises(AuthError, match="bad auth token"):
                take(client)


def test_a_plan_ends_the_history_and_says_so() -> None:
    with FakeServer(seed=1, speed="max", plan=Plan(bars=12)) as server:
        with TvWSClient(source=server.connect, clock=server.clock) as client:
            history = client.get_history(BTC, "1", 20)
    assert (len(history), history.complete, history.limit) == (12, False, "limit")


def test_a_plan_has_so_many_studies_and_no_more() -> None:
    with FakeServer(seed=1, speed="max", plan="free") as server:
        studies = [Study("EMA", length=length) for length in (5, 6, 7)]
        with TvWSClient([Subscription(BTC, "1", studies=studies)], source=server.connect, clock=server.clock) as client:
            events = take(client, until=lambda told: any(isinstance(event, StudyFailed) for event in told))
    (failed,) = [event for event in events if isinstance(event, StudyFailed)]
    assert failed.reason.startswith("The maximum number of studies")


@pytest.mark.parametrize("over_loopback", [False, True])
def test_a_plan_has_so_many_connections_at_a_time(over_loopback: bool) -> None:
    with FakeServer(seed=1, speed=1, plan=Plan(connections=1)) as server:
        source: object = server.url if over_loopback else server.connect
        with TvWSClient([BTC], source=source) as first:
            assert take(first, until=lambda told: any(isinstance(event, Tick) for event in told))
            with TvWSClient([BTC], source=source) as second:
                with pytest.raises(AuthError, match="user connections limit reached"):
                    take(second)
            assert take(first, until=lambda told: any(isinstance(event, Tick) for event in told))


def test_a_symbol_that_is_forbidden_fails_in_charts_and_quotes() -> None:
    with FakeServer(seed=1, speed="max", forbidden="ECONOMICS:*") as server:
        with TvWSClient([("ECONOMICS:USGDP", "1D")], source=server.connect, clock=server.clock) as client:
            events = take(client, until=lambda told: any(isinstance(event, SeriesFailed) for event in told))
    assert any("permission denied" in event.reason for event in events if isinstance(event, SymbolFailed))


@pytest.mark.parametrize(
    ("errors", "kind", "reason"),
    [
        ({"create_series": "custom_resolution"}, SeriesFailed, "custom_resolution"),
        ({"resolve_symbol": "out of service"}, SymbolFailed, "out of service"),
        ({"create_study": "Study not allowed in this connection"}, StudyFailed, "Study not allowed in this connection"),
    ],
)
def test_commands_fail_for_any_reason_on_demand(errors: dict[str, str], kind: type[Event], reason: str) -> None:
    with FakeServer(seed=1, speed="max", errors=errors) as server:
        wanted = Subscription(BTC, "1", studies=[Study("SMA", length=3)])
        with TvWSClient([wanted], source=server.connect, clock=server.clock) as client:
            events = take(client, until=lambda told: any(isinstance(event, kind) for event in told))
        assert next(event for event in events if isinstance(event, kind)).reason.startswith(reason)
        assert any(entry.kind == "reply" and "error" in entry.method for entry in server.journal)


def test_a_reason_on_demand_comes_before_those_of_an_account() -> None:
    with FakeServer(seed=1, speed="max", plan="anonymous", errors={"create_series": "custom_resolution"}) as server:
        renko = Subscription(Symbol(BTC, chart="renko"), "1", ticks=False)
        with TvWSClient([renko], source=server.connect, clock=server.clock) as client:
            events = take(client, until=lambda told: any(isinstance(event, SeriesFailed) for event in told))
    assert [event.reason for event in events if isinstance(event, SeriesFailed)] == ["custom_resolution"]


@pytest.mark.parametrize(
    ("errors", "problem"),
    [
        ({"quote_add_symbols": "no"}, "errors 'quote_add_symbols': expected some of resolve_symbol, create_series, create_study"),
        ({"create_series": ""}, "errors create_series: reason '': expected a text"),
        ({"create_series": 5}, "errors create_series: reason 5: expected a text"),
    ],
)
def test_errors_that_cannot_be_had_are_refused(errors: dict[str, Any], problem: str) -> None:
    with pytest.raises(InvalidPlan, match=problem):
        FakeServer(errors=errors)


def test_a_plan_that_nobody_knows_is_refused() -> None:
    with pytest.raises(InvalidPlan, match="plan 'gold': expected one of anonymous"):
        FakeServer(plan="gold")


def test_history_has_as_many_bars_as_asked_for() -> None:
    with FakeServer(seed=1, speed="max") as server:
        with TvWSClient(source=server.connect, clock=server.clock) as client:
            history = client.get_history(BTC, "1", 7)
    assert len(history) == 7
    assert history.complete
    times = [bar.time for bar in history]
    assert times == sorted(set(times))
    assert all(bar.closed for bar in history[:-1])


def test_prices_by_hand_are_told_to_everybody() -> None:
    with FakeServer(seed=1, speed="max") as server:
        server.market.bars("TEST:HAND", "1", [[1_700_000_040.0, 1, 2, 0.5, 1.5, 10]])
        with TvWSClient([("TEST:HAND", "1")], source=server.connect, clock=server.clock) as client:
            take(client, turns=5)
            server.market.tick("TEST:HAND", 42.5)
            server.market.close_bar("TEST:HAND", "1")
            server.market.tick("TEST:HAND", 43.5)
            events = take(client, turns=5)
    assert [event.price for event in events if isinstance(event, Tick)] == [42.5, 43.5]
    assert {event.close for event in events if isinstance(event, Bar)} >= {42.5, 43.5}


def test_a_client_that_does_not_echo_is_dropped_after_a_minute() -> None:
    with FakeServer(seed=1, speed="max") as server:
        transport = server.connect()
        start = server.clock.now()
        with pytest.raises(TransportClosed, match="no echo of ~h~1 within 60 s"):
            for _ in range(20):
                transport.recv(3600)
        assert server.clock.now() == start + 70


def test_without_a_heartbeat_timeout_nobody_is_dropped() -> None:
    with FakeServer(seed=1, speed="max", heartbeat_timeout=None) as server:
        transport = server.connect()
        beats = [transport.recv(3600).text for _ in range(20)]
    assert beats[-1] == framing.packet("~h~19")


def test_broken_packets_end_the_stream_of_a_client_that_does_not_reconnect(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with FakeServer(seed=1, speed="max") as server:
        with TvWSClient([BTC], source=server.connect, clock=server.clock, record=path, reconnect=False) as client:
            take(client, turns=3)
            peer, transport = server._peers[0]
            assert transport is not None
            assert peer.inner.protocol is not None
            transport.call(peer.inner.protocol.send, "~m~99~m~short")
            with pytest.raises(FramingError):
                take(client)
    with pytest.raises(FramingError), TvWSClient(source=path) as replay:
        take(replay)


def test_a_tape_is_served_to_a_client_with_other_ids(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with TvWSClient([(BTC, "1")], source="fake:seed=7,speed=max", n_init_bars=5, record=path) as client:
        recorded = [event for event in take(client, turns=30) if isinstance(event, Bar | Tick)]
    with FakeServer(tape=path, speed="max") as server:
        with TvWSClient([(BTC, "1")], source=server.connect, clock=server.clock, seed=99, n_init_bars=5) as client:
            served = [event for event in take(client, turns=60) if isinstance(event, Bar | Tick)]
    assert [event for event in served if isinstance(event, Tick)][:5] == [event for event in recorded if isinstance(event, Tick)][:5]
    assert len(recorded) > 10
    assert [event for event in served if isinstance(event, Bar)][:9] == [event for event in recorded if isinstance(event, Bar)][:9]


def test_the_speed_decides_the_clock() -> None:
    for speed, kind in ((1, SteeredClock), ("2", SteeredClock), ("max", VirtualClock)):
        with FakeServer(speed=speed) as server:
            assert isinstance(server.clock, kind)
            assert repr(server) == "<FakeServer seed=0 in memory, 0 connections so far>"


@pytest.mark.parametrize("options", [{"speed": "fast"}, {"speed": 0}, {"speed": float("inf")}, {"port": -1}, {"port": 65_536},
    {"control": -1}, {"control": 65_536}, {"control_token": "short"}, {"control_token": "two words!"}])
def test_arguments_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlan, match="expected"):
        FakeServer(**options)


def test_a_closed_server_does_not_start_again() -> None:
    server = FakeServer()
    server.close()
    server.close()
    with pytest.raises(InvalidPlan, match="closed"):
        server.start()
    with pytest.raises(ConnectFailed, match="the server is closed"):
        server.connect()


def test_its_faults_are_a_plan_or_the_file_of_one(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text('[[fault]]\nkind = "refuse"\nstatus = 429\n', encoding="utf-8")
    with FakeServer(faults=path) as server:
        with pytest.raises(ConnectFailed, match="429"):
            server.connect()
        with pytest.raises(InvalidPlan, match="expected a FaultPlan"):
            server.set_faults([close(1006)])  # type: ignore[arg-type]
        server.set_faults(None)
        server.connect()


def test_the_journal_tells_what_was_asked_for() -> None:
    with FakeServer(seed=1, speed="max") as server:
        server.connect().send(framing.packet('{"m":"set_locale","p":["en","US"]}') + framing.packet('{"m":"dance","p":[]}'))
        server.connect().send(framing.packet('{"m":"set_locale","p":["en","US"]}'))
        told = [(entry.connection, entry.kind, entry.method) for entry in server.journal]
        assert told == [(1, "command", "set_locale"), (1, "ignored", "dance"), (2, "command", "set_locale")]


def test_plain_http_on_the_port_knows_what_the_market_knows(tmp_path: Path) -> None:
    def found(server: FakeServer, text: str) -> list[str]:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
        client.request("GET", f"/symbol_search/v3/?text={text}")
        rows = json.loads(client.getresponse().read())["symbols"]
        client.request("GET", f"/symbol?symbol={text}&fields=close")
        client.getresponse().read()
        client.close()
        return [f"{row['exchange']}:{row['symbol']}" for row in rows]

    path = tmp_path / "tape.jsonl"
    with TvWSClient([(BTC, "1")], source="fake:seed=7,speed=max", n_init_bars=5, record=path) as client:
        take(client, turns=5)
    with FakeServer(seed=1) as market, FakeServer(tape=path) as tape:
        assert found(market, BTC)[:1] == found(tape, BTC) == [BTC]
        assert found(market, "OTHER:SYM") == ["OTHER:SYM"]
        assert found(tape, "OTHER:SYM") == []


def test_connections_that_are_over_are_forgotten_in_the_end_and_open_ones_are_not() -> None:
    with FakeServer(seed=1, speed="max") as server:
        first = server.connect()
        first.send(framing.packet('{"m":"set_locale","p":["en","US"]}'))
        for _ in range(2_500):
            server.connect().close()
        known = {entry.connection for entry in server.journal}
        assert 1 in known
        assert 2 not in known
        assert len(server._peers) < 2_010


def test_what_clients_did_can_be_verified() -> None:
    with FakeServer(seed=1, speed="max") as server:
        with TvWSClient([(BTC, "1")], source=server.connect, clock=server.clock, n_init_bars=5) as client:
            take(client, turns=5)
        [series] = server.verify("create_series", symbol=BTC, interval="1m", count=1)
        assert series.connection == 1
        server.verify("create_series", symbol="NASDAQ:AAPL", count=0)
        server.verify_order("chart_create_session", Expected("create_series", BTC))
        with pytest.raises(VerificationFailed, match="create_series"):
            server.verify("create_series", interval="1D")


def test_a_verification_waits_for_clients_that_are_still_at_it() -> None:
    with FakeServer(seed=1) as server:
        with TvWSClient([(BTC, "1")], source=server.url, n_init_bars=5):
            server.verify("create_series", symbol=BTC, timeout=20)
            server.verify("series_completed", kind="reply", timeout=20)


def test_a_market_of_bars_begins_when_it_is_told_to(tmp_path: Path) -> None:
    path = tmp_path / "bars.csv"
    path.write_text("time,open,high,low,close,volume\n" + "".join(f"{60 * n},{n},{n},{n},{n},1\n" for n in range(20)))
    with FakeServer(market={"BINANCE:*": path, "*": "fake:seed=3"}, start=600, speed="max") as server:
        assert server.clock.now() == 600
        with TvWSClient([(BTC, "1")], source=server.connect, n_init_bars=5) as client:
            bars = [event for event in take(client, turns=30) if isinstance(event, Bar)]
            assert [bar.time for bar in bars][:5] == [360, 420, 480, 540, 600]
            assert max(bar.time for bar in bars) > 600
            with pytest.raises(SeriesError, match=f"unsupported resolution: {BTC}, 30S"):
                client.get_history(BTC, "30S", 5)
            assert len(client.get_history("NASDAQ:AAPL", "1D", 5)) == 0
    with FakeServer(market=path, start=600, speed=1000) as server:
        assert 600 <= server.clock.now() < 600_000


def test_a_tape_as_a_market_answers_what_it_was_not_asked(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    with TvWSClient([(BTC, "1")], source="fake:seed=7,speed=max", n_init_bars=30, record=tape) as client:
        take(client, turns=40)
    with FakeServer(market=tape, speed="max") as server:
        with TvWSClient([(BTC, "5")], source=server.connect, n_init_bars=3) as client:
            longer = {bar.time: bar for bar in client.get_history(BTC, "5", 3)}
    with FakeServer(seed=7, speed="max") as server:
        with TvWSClient([(BTC, "5")], source=server.connect) as client:
            original = {bar.time: bar for bar in client.get_history(BTC, "5", 30)}
    # The newest is still forming, here and there.
    whole = sorted(longer)[:-1]
    assert len(whole) == 2
    assert [longer[time].volume for time in whole] == [original[time].volume for time in whole]


def test_a_tape_is_served_or_is_a_market(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="expected one of them"):
        FakeServer(tape=tmp_path / "a.jsonl", market="fake")


def test_a_delayed_feed_says_so_and_its_bars_are_late() -> None:
    with FakeServer(speed="max") as server:
        begin = server.clock.now()
        with TvWSClient([("EXAMPLE:DELAYED", "1")], source=server.connect, n_init_bars=5) as client:
            events = take(client, turns=40)
        complete = next(event for event in events if isinstance(event, HistoryComplete))
        assert complete.update_mode == "delayed_streaming_900"
        assert [bar.time for bar in events if isinstance(bar, Bar)][4] <= begin - 900


def test_a_request_is_answered_in_this_process_as_on_the_port() -> None:
    with FakeServer(seed=7) as server:
        asked = [
            ("GET", "/symbol_search/v3/?text=aapl&exchange=NASDAQ", [("Accept", "*/*")], b""),
            ("HEAD", "/symbol_search/", [], b""),
            ("GET", "/ping", [], b""),
            ("GET", "/nothing", [], b""),
            ("GET", "/socket.io/websocket", [], b""),
            ("POST", "/america/scan", [("Content-Length", "14")], b'{"columns":[]}'),
            ("GET", "/", [("Content-Length", "x")], b""),
        ]
        for method, target, headers, body in asked:
            client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)
            client.putrequest(method, target, skip_accept_encoding=True)
            for name, value in headers:
                client.putheader(name, value)
            client.endheaders(body or None)
            response = client.getresponse()
            on_the_port = (response.status, response.getheaders(), response.read())
            client.close()
            assert server.answer_http(method, target, headers, body) == on_the_port, target


def test_a_closed_server_answers_nobody() -> None:
    server = FakeServer(seed=7)
    server.close()
    with HttpClient(server) as client, pytest.raises(ConnectFailed, match="the server is closed"):
        list(client.search("btc"))


def test_a_body_is_as_long_as_it_is_where_no_header_says_so() -> None:
    body = b'{"symbols":{"tickers":["NASDAQ:AAPL"]},"columns":["name"]}'
    assert b'"AAPL"' in FakeServer(seed=7).answer_http("POST", "/america/scan", body=body)[2]


def test_a_request_to_upgrade_cannot_be_answered_without_a_port() -> None:
    status, headers, _ = FakeServer(seed=7).answer_http("GET", "/socket.io/websocket", [("Upgrade", "websocket")])
    assert status == 426
    assert ("Upgrade", "websocket") in headers


def test_its_pages_hand_out_tokens_that_it_accepts_for_a_time() -> None:
    server = FakeServer(seed=7, speed=1, token_lifetime=600)
    session = [("Cookie", "sessionid=a; sessionid_sign=b")]
    page = server.answer_http("GET", "/chart/", session)[2].decode()
    token = page_token(page)
    assert 0 < (token_expiry(token) or 0.0) - server.clock.now() <= 600
    with TvWSClient([(BTC, "1")], source=server.connect, token=token) as client:
        assert take(client, until=lambda events: any(isinstance(event, Bar) for event in events))
    named = FakeServer(seed=7, tokens=["named"])
    assert page_token(named.answer_http("GET", "/chart/", session)[2].decode()) == "named"


@pytest.mark.parametrize(("options", "said"), [({"site": "closed"}, "site 'closed': expected one of usual"), ({"token_lifetime": 0}, "token_lifetime 0")])
def test_a_site_that_there_is_not_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidPlan, match=said):
        FakeServer(**options)
