"""The client over every kind of source."""

from __future__ import annotations

import base64
import json
import logging
import math
import threading
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tvstreamer import (
    AuthError,
    Bar,
    Connected,
    ConnectFailed,
    ContinuityError,
    Credentials,
    Disconnected,
    Event,
    FakeServer,
    FaultPlan,
    Gap,
    HistoryProgress,
    InvalidPlan,
    InvalidSource,
    LimitExceeded,
    Limits,
    LocalProtocolError,
    MailboxFull,
    Quote,
    Reconnected,
    ReconnectPolicy,
    SeriesError,
    SeriesFailed,
    Stalled,
    Subscription,
    Symbol,
    SymbolError,
    SymbolFailed,
    TapeMismatch,
    TapeWriteError,
    Tick,
    TokenExpired,
    TokenRefreshFailed,
    TransportClosed,
    TransportTimeout,
    TvError,
    TvWSClient,
    VirtualClock,
    Watchdogs,
    faults,
)

PAIR = ("BINANCE:BTCUSDT", "1")


def test_history_comes_beside_the_stream_and_does_not_reach_it() -> None:
    with TvWSClient([PAIR], source="fake:seed=1,speed=max", n_init_bars=5) as client:
        result = client.get_history("NASDAQ:AAPL", "1D", 7)
        events = [event for _ in range(20) for event in client.poll(10) or ()]
    assert len(result) == 7
    assert result.complete
    assert [bar.time for bar in result] == sorted(bar.time for bar in result)
    assert {event.symbol for event in events if isinstance(event, Bar | Tick)} == {PAIR[0]}
    assert result[0].closed
    assert list(result[1:3])


def test_history_over_a_socket_while_streaming() -> None:
    with FakeServer(seed=1) as server, TvWSClient([PAIR], source=server.url, n_init_bars=5) as client:
        assert len(client.get_history("NASDAQ:AAPL", "60", 3, timeout=10)) == 3
        with pytest.raises(SymbolError, match="invalid symbol"):
            client.get_history("XXXX:NOPE", "1", 3, timeout=10)


def test_history_of_a_nonsense_symbol_is_an_error_of_its_own() -> None:
    with TvWSClient(source="fake:speed=max") as client, pytest.raises((SymbolError, SeriesError)):
        client.get_history("XXXX:NOPE", "1", 3)


def test_unknown_symbols_are_events_not_silence() -> None:
    with TvWSClient([("XXXX:NOPE", "1")], source="fake:speed=max") as client:
        events = [event for _ in range(5) for event in client.poll(1) or ()]
    assert [event.symbol for event in events if isinstance(event, SymbolFailed)] == ["XXXX:NOPE"]
    assert [event.reason for event in events if isinstance(event, SeriesFailed)] == ["resolve error"]


def test_a_refused_token_is_raised_after_the_events_before_it() -> None:
    with (
        FakeServer(speed="max") as server,
        TvWSClient([PAIR], source=server.connect, token="not-a-good-one", clock=server.clock) as client,
    ):
        events = []
        with pytest.raises(AuthError, match="bad auth token") as caught:
            for event in client.stream():
                events.append(event)
    assert events
    assert "not-a-good-one" not in str(caught.value) + repr(client)


def test_on_a_tape_history_is_what_was_recorded_or_a_mismatch_at_once(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    with TvWSClient([PAIR], source="fake:seed=1,speed=max", n_init_bars=50, record=tape) as client:
        for _ in range(8):
            client.poll(10)
        assert client.written[0] > 0
    with TvWSClient(source=tape) as client:
        assert len(client.get_history(*PAIR, 10)) == 10
        with pytest.raises(TapeMismatch):
            client.get_history(*PAIR, 51)
        with pytest.raises(TapeMismatch):
            client.get_history("A:B", "1", 1)
        with pytest.raises(LocalProtocolError):
            client.subscribe("A:B")
    with pytest.raises(TapeMismatch, match="nearest"):
        TvWSClient(["A:B"], source=tape).connect()


def test_subscriptions_may_change_before_and_while_streaming() -> None:
    client = TvWSClient(PAIR[0], source="fake:speed=max", n_init_bars=5)
    client.subscribe("NASDAQ:AAPL")
    client.unsubscribe("NASDAQ:AAPL")
    with client:
        client.subscribe(("TVC:DXY", "5"))
        symbols = {event.symbol for _ in range(60) for event in client.poll(60) or () if isinstance(event, Bar | Tick)}
        assert symbols == {PAIR[0], "TVC:DXY"}
        client.unsubscribe(("TVC:DXY", "5"))
        client.poll(60)
        later = {event.symbol for _ in range(60) for event in client.poll(60) or () if isinstance(event, Bar | Tick)}
        assert later == {PAIR[0]}


def test_prices_by_hand_reach_the_stream() -> None:
    with FakeServer(speed="max") as server:
        server.market.bars("TEST:ABC", "1", [[1_700_000_000, 10.0, 11.0, 9.0, 10.5, 100.0]])
        with TvWSClient([("TEST:ABC", "1")], source=server.connect, clock=server.clock) as client:
            first = [event for _ in range(5) for event in client.poll(1) or ()]
            server.market.tick("TEST:ABC", 12.0)
            second = [event for _ in range(5) for event in client.poll(1) or ()]
    assert 10.5 in {event.close for event in first if isinstance(event, Bar)}
    assert 12.0 in {event.close for event in second if isinstance(event, Bar)}
    assert 12.0 in {event.price for event in second if isinstance(event, Tick)}


def test_a_slow_consumer_is_told_and_nothing_is_dropped_silently() -> None:
    with FakeServer(seed=1, speed=100) as server:
        client = TvWSClient([PAIR], source=server.url, n_init_bars=300, backlog=10)
        with client:
            waited = threading.Event()
            waited.wait(0.5)
            with pytest.raises(MailboxFull, match="more than 10 events"):
                for _ in client.stream():
                    pass


def test_close_from_another_thread_ends_the_stream() -> None:
    with FakeServer(seed=1) as server:
        client = TvWSClient([PAIR], source=server.url, n_init_bars=5)
        client.connect()
        closer = threading.Thread(target=client.close)
        for event in client:
            if isinstance(event, Bar) and closer.ident is None:
                closer.start()
        closer.join()
        assert client.poll(0.1) is None or client.poll(0.1) == []
        client.close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n_init_bars": 0}, InvalidPlan),
        ({"backlog": 0}, InvalidPlan),
        ({"begin": 10.0, "end": 5.0}, InvalidPlan),
        ({"begin": -1.0}, InvalidPlan),
        ({"begin": math.nan}, InvalidPlan),
        ({"begin": "1"}, InvalidPlan),
        ({"end": math.inf}, InvalidPlan),
        ({"faults": [faults.close(1006)]}, InvalidPlan),
        ({"auth": "env"}, InvalidPlan),
        ({"token": 7}, InvalidPlan),
        ({"sessionid": 7}, InvalidPlan),
        ({"auth": Credentials(), "token": "x"}, InvalidPlan),
        ({"auth": Credentials(), "sessionid": "x"}, InvalidPlan),
    ],
)
def test_a_wrong_argument_is_refused_when_the_client_is_made(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        TvWSClient([PAIR], source="fake", **options)


@pytest.mark.parametrize("window", [{"begin": 1.0}, {"end": 5.0}])
@pytest.mark.parametrize("subscriptions", [[PAIR], []])
def test_a_part_of_what_is_no_tape_played_whole_is_refused(subscriptions: list[Any], window: dict[str, float]) -> None:
    with pytest.raises(InvalidPlan, match="begin and end: expected a tape that is played whole, without subscriptions"):
        TvWSClient(subscriptions, source="fake:speed=max", **window).connect()


@pytest.mark.parametrize("timeout", [None, "1", math.nan])
def test_a_wait_that_is_no_number_is_refused_and_breaks_nothing(timeout: Any) -> None:
    with TvWSClient([PAIR], source="fake:seed=1,speed=max") as client:
        with pytest.raises(InvalidPlan, match="expected a number of seconds"):
            client.poll(timeout)
        assert any(isinstance(event, Bar) for _ in range(20) for event in client.poll(1) or [])


@pytest.mark.parametrize(
    "source",
    ["fake:seed=x", "fake:speed=0", "fake:color=red", "live:host=", "live:host=no/where", "ws:nowhere", "no-such-file.jsonl", 7],
)
def test_a_source_that_names_nothing_is_refused_with_its_value(source: object) -> None:
    with pytest.raises(InvalidSource, match="source|speed"):
        TvWSClient([PAIR], source=source).connect()


def test_a_closed_client_stays_closed() -> None:
    client = TvWSClient([PAIR], source="fake:speed=max")
    client.close()
    assert client.poll(1) is None
    with pytest.raises(LocalProtocolError):
        client.connect()


# --- a loss, and what the client is told to make of it ----------------------------------------------------------------


def outage(seconds: float = 0.5) -> dict[str, Any]:
    """Options for a client whose first connection is lost after 130 s, to be replaced after some more."""
    return {
        "faults": FaultPlan([faults.close(at=130, connection=1)]),
        "reconnect": ReconnectPolicy(initial=seconds, maximum=seconds, jitter=0.0),
    }


def stream_for(seconds: float, **options: Any) -> tuple[list[Event], TvError | None, TvWSClient]:
    """The events of so many virtual seconds of a fake market, how the stream ended if it did, and the client, closed."""
    events: list[Event] = []
    with FakeServer(seed=1, speed="max") as server:
        until = server.clock.now() + seconds
        client = TvWSClient(
            [PAIR], source=server.connect, clock=server.clock, seed=1, n_init_bars=5, **{"environ": {}, **options}
        )
        try:
            with client:
                while server.clock.now() < until:
                    events += client.poll(until - server.clock.now()) or ()
        except TvError as error:
            return events, error, client
    return events, None, client


def kinds(events: list[Event], *wanted: type[Event]) -> list[str]:
    return [type(event).__name__ for event in events if isinstance(event, wanted)]


STATUS = (Connected, Disconnected, Reconnected, Gap, Stalled)


def test_a_client_comes_back_by_itself() -> None:
    options = outage()
    del options["reconnect"]
    events, end, client = stream_for(600, **options)
    assert end is None
    assert kinds(events, *STATUS) == ["Connected", "Disconnected", "Connected", "Gap", "Reconnected"]
    assert client.ledger.verify()


def test_the_bars_of_an_outage_are_filled_in() -> None:
    events, _, client = stream_for(900, **outage(200))
    (gap,) = [event for event in events if isinstance(event, Gap) and event.interval]
    assert gap.filled == gap.expected == 2
    verdict = client.ledger.verify()
    assert verdict, str(verdict)
    assert verdict.delivered == verdict.expected > 15


def test_the_bars_of_an_outage_may_only_be_told() -> None:
    events, end, client = stream_for(900, on_gap="yield", **outage(200))
    assert end is None
    (gap,) = [event for event in events if isinstance(event, Gap) and event.interval]
    assert (gap.filled, gap.expected) == (0, 2)
    (hole,) = client.ledger.verify().holes
    assert (hole.start, hole.end, hole.bars, hole.reported) == (gap.start, gap.end, 2, True)
    assert not [event for event in events if isinstance(event, Bar) and gap.start <= event.time < gap.end]


def test_the_bars_of_an_outage_may_end_the_stream() -> None:
    events, end, _ = stream_for(900, on_gap="raise", **outage(200))
    assert isinstance(end, ContinuityError)
    assert end.gap in events, "the events before it are told"
    assert stream_for(900, on_gap="raise", **outage(0.5))[1] is None, "a loss without a gap is none"


def test_a_client_may_be_told_not_to_come_back() -> None:
    events, end, _ = stream_for(600, faults=FaultPlan([faults.close(at=130, code=1001)]), reconnect=False)
    assert isinstance(end, TransportClosed)
    assert end.code == 1001
    assert kinds(events, *STATUS) == ["Connected", "Disconnected"]


def test_a_client_gives_up_when_its_policy_says_so() -> None:
    plan = FaultPlan([faults.close(at=130, connection=1), faults.refuse(status=503, connection=2)])
    _, end, _ = stream_for(600, faults=plan, reconnect=ReconnectPolicy(attempts=1))
    assert isinstance(end, ConnectFailed)
    assert "gave up after 1 attempts" in str(end)


def test_watchdogs_say_what_counts_as_a_stall() -> None:
    plan = FaultPlan([faults.silence(at=130, connection=1)])
    events, _, _ = stream_for(600, faults=plan)
    assert [(event.kind, event.seconds) for event in events if isinstance(event, Stalled)] == [("bytes", 25.0)]
    events, _, _ = stream_for(600, faults=plan, watchdogs=Watchdogs(bytes=100.0, heartbeats=50.0))
    assert [(event.kind, event.seconds) for event in events if isinstance(event, Stalled)] == [("heartbeats", 50.0)]


def test_without_watchdogs_silence_goes_on() -> None:
    events, end, _ = stream_for(600, faults=FaultPlan([faults.silence(at=130, connection=1)]), watchdogs=None)
    assert end is None
    assert kinds(events, *STATUS) == ["Connected"]


def test_the_ledger_is_empty_before_there_is_a_stream() -> None:
    client = TvWSClient([PAIR], source="fake:speed=max")
    assert client.ledger.verify().expected == 0
    assert client.statistics().messages == 0


def test_the_faults_of_a_file_are_those_of_the_plan(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(outage()["faults"].to_toml(), encoding="utf-8")
    for file in (path, str(path)):
        assert stream_for(300, **{**outage(), "faults": file})[0] == stream_for(300, **outage())[0]


# --- a reader thread on a virtual clock -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, outage(200)], ids=["undisturbed", "with an outage"])
def test_with_a_reader_thread_the_events_are_the_same(options: dict[str, Any]) -> None:
    inline, threaded = (stream_for(600, threaded=threaded, **options)[0] for threaded in (False, True))
    assert len(inline) > 50
    assert threaded == inline


def test_the_consumer_of_a_reader_thread_gets_its_error_each_time_it_asks() -> None:
    with FakeServer(seed=1, speed="max", faults=FaultPlan([faults.close(at=130)])) as server:
        client = TvWSClient([PAIR], source=server.connect, clock=server.clock, threaded=True, reconnect=False)
        with pytest.raises(TransportClosed):
            for _ in client:
                pass
        with pytest.raises(TransportClosed):
            client.poll(1.0)


def test_history_may_be_asked_for_beside_a_reader_thread_on_a_virtual_clock() -> None:
    with FakeServer(seed=1, speed="max") as server:
        with TvWSClient([PAIR], source=server.connect, clock=server.clock, threaded=True) as client:
            assert len(client.get_history("NASDAQ:AAPL", "60", 3)) == 3


@pytest.mark.parametrize("threaded", [False, True])
def test_history_that_nobody_answers_is_a_timeout(threaded: bool) -> None:
    plan = FaultPlan([faults.silence(at=0)])
    with FakeServer(seed=1, speed="max") as server:
        with TvWSClient(source=server.connect, clock=server.clock, threaded=threaded, faults=plan, watchdogs=None) as client:
            with pytest.raises(TransportTimeout, match="no answer to .* within 7 s"):
                client.get_history("NASDAQ:AAPL", "60", 3, timeout=7.0)


@pytest.mark.parametrize("threaded", [False, True])
def test_history_ends_with_the_stream_that_it_waits_beside(threaded: bool) -> None:
    plan = FaultPlan([faults.silence(at=0), faults.close(at=5)])
    with FakeServer(seed=1, speed="max") as server:
        client = TvWSClient(source=server.connect, clock=server.clock, threaded=threaded, faults=plan, reconnect=False)
        with client, pytest.raises(TransportClosed):
            client.get_history("NASDAQ:AAPL", "60", 3, timeout=60.0)


def nowhere() -> Any:
    raise ConnectFailed("ws://127.0.0.1/", "nobody is there")


def test_a_first_connection_that_fails_leaves_no_new_tape(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    with pytest.raises(ConnectFailed):
        TvWSClient([PAIR], source=nowhere, record=tape).connect()
    assert not tape.exists()


def test_a_first_connection_that_fails_leaves_the_tape_that_was_to_be_replaced(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    tape.write_text("precious")
    with pytest.raises(ConnectFailed):
        TvWSClient([PAIR], source=nowhere, record=tape, overwrite=True).connect()
    assert tape.read_text() == "precious"


def test_a_connection_replaces_the_tape_and_the_figures_stay_when_it_is_over(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    tape.write_text("old")
    with TvWSClient([PAIR], source="fake:seed=1,speed=max", n_init_bars=5, record=tape, overwrite=True) as client:
        client.poll(10)
    assert client.written[0] > 0
    assert client.written[1] == tape.stat().st_size


def test_a_tape_that_cannot_be_replaced_costs_the_connection_that_was_open_already(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with FakeServer(seed=1, speed="max") as server, pytest.raises(TapeWriteError):
        TvWSClient([PAIR], source=server.connect, record=folder, overwrite=True).connect()


@pytest.mark.parametrize("threaded", [False, True])
def test_more_history_than_a_page_comes_page_by_page_with_progress(threaded: bool) -> None:
    progress: list[HistoryProgress] = []
    with TvWSClient([PAIR], source="fake:seed=1,speed=max", n_init_bars=5, threaded=threaded) as client:
        result = client.get_history("BINANCE:ETHUSDT", "60", 12_000, on_progress=progress.append)
    assert [bar.time for bar in result] == sorted({bar.time for bar in result})
    assert (len(result), result.complete, result.limit) == (12_000, True, None)
    assert [each.bars for each in progress] == [5_000, 10_000, 12_000] or threaded
    assert (progress[-1].bars, progress[-1].fraction) == (12_000, 1.0)


def test_history_of_a_span_is_exact_and_the_same_from_its_tape(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    with TvWSClient(source="fake:seed=1,speed=max", record=tape) as client:
        newest = client.get_history(*PAIR, 500)
        start, end = newest[100].time, newest[200].time
        live = client.get_history(*PAIR, start=start, end=datetime.fromtimestamp(end, UTC))
        before = client.get_history(*PAIR, 10, end=end)
    assert [bar.time for bar in live] == [bar.time for bar in newest[100:200]]
    assert list(before) == list(live[-10:])
    with TvWSClient(source=tape) as replay:
        assert list(replay.get_history(*PAIR, start=start, end=end)) == list(live)
        assert list(replay.get_history(*PAIR, 10, end=end)) == list(before)
        with pytest.raises(TapeMismatch, match="holds no series of BINANCE:BTCUSDT 1 with bars from 1 on"):
            replay.get_history(*PAIR, start=1)


def test_history_ends_where_the_data_begin() -> None:
    with FakeServer(seed=1, speed="max") as server:
        now = server.clock.now()
        rows = [[now - 60 * k, 1.0, 2.0, 0.5, 1.5, 3.0] for k in range(403, 0, -1)]
        server.market.bars("EX:SHORT", "1", rows)
        with TvWSClient(source=server.connect) as client:
            result = client.get_history("EX:SHORT", "1", 500, timeout=5)
    assert (len(result), result.complete) == (403, True)


def test_a_moment_that_is_none_is_refused_before_anything_is_sent() -> None:
    with TvWSClient(source="fake:speed=max") as client, pytest.raises(InvalidPlan, match="start 'yesterday'"):
        client.get_history(*PAIR, start="yesterday")


@pytest.mark.parametrize("threaded", [False, True])
def test_a_snapshot_has_a_quote_for_each_symbol_and_says_what_failed(threaded: bool, tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    symbols = [Symbol("NASDAQ:AAPL", chart="renko"), "BINANCE:BTCUSDT", "XXXX:NOPE", "BINANCE:BTCUSDT"]
    with TvWSClient([PAIR], source="fake:seed=1,speed=max", n_init_bars=5, threaded=threaded, record=tape) as client:
        snapshot = client.snapshot(symbols)
        every = client.snapshot("NASDAQ:AAPL", "all")
        events = [event for _ in range(20) for event in client.poll(10) or ()]
    assert list(snapshot) == ["NASDAQ:AAPL", "BINANCE:BTCUSDT", "XXXX:NOPE"]
    assert snapshot.failed == {"XXXX:NOPE": "no_such_symbol"}
    assert snapshot["BINANCE:BTCUSDT"].fields["lp"] > 0
    assert len(every["NASDAQ:AAPL"].fields) > len(snapshot["NASDAQ:AAPL"].fields)
    assert "1 failed" in repr(snapshot)
    assert not any(isinstance(event, SymbolFailed) or getattr(event, "symbol", "") == "NASDAQ:AAPL" for event in events)
    with TvWSClient(source=tape) as replay:
        assert {name: quote.fields for name, quote in replay.snapshot(symbols).items()} == {
            name: quote.fields for name, quote in snapshot.items()
        }
        with pytest.raises(TapeMismatch, match="holds no quote of NASDAQ:TSLA with such fields"):
            replay.snapshot("NASDAQ:TSLA")
        with pytest.raises(TapeMismatch, match="of BINANCE:BTCUSDT with the fields lp, sector"):
            replay.snapshot("BINANCE:BTCUSDT", ["lp", "sector"])
        with pytest.raises(TapeMismatch, match="of BINANCE:BTCUSDT with all fields"):
            replay.snapshot("BINANCE:BTCUSDT", "all")


def test_a_snapshot_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidPlan, match="at least one symbol"):
        TvWSClient(source="fake:speed=max").snapshot([])


def test_the_fields_of_quotes_are_chosen_by_the_client() -> None:
    quotes = Subscription("NASDAQ:AAPL", ticks=False, quotes=True)
    with TvWSClient(quotes, source="fake:speed=max", fields=["lp", "description"]) as client:
        (quote,) = [event for _ in range(3) for event in client.poll(1) or () if isinstance(event, Quote)][:1]
    assert set(quote.fields) == {"lp", "description"}


def token_until(expires: float, name: str) -> str:
    payload = base64.urlsafe_b64encode(json.dumps({"exp": expires}).encode()).decode().rstrip("=")
    return f"e30.{payload}.canary-{name}"


@pytest.mark.parametrize("threaded", [False, True])
def test_another_token_goes_out_on_the_living_connection_before_the_first_expires(
    threaded: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    tape = tmp_path / "s.jsonl"
    clock = VirtualClock()
    tokens = [token_until(clock.now() + seconds, name) for seconds, name in ((600, "one"), (3600, "two"))]
    given = iter(tokens)
    with FakeServer(seed=1, clock=clock, tokens=tokens) as server:
        client = TvWSClient([PAIR], source=server.connect, token=lambda: next(given), threaded=threaded, record=tape, n_init_bars=5)
        with client:
            while clock.now() < VirtualClock().now() + 900:
                client.poll(10)
            assert client.statistics().connections == 1
    sends = [line for line in tape.read_text().splitlines() if "set_auth_token" in line]
    assert len(sends) == 2
    assert "canary" not in tape.read_text() + caplog.text + repr(client)
    assert not any(token in line for token in tokens for line in sends)


def test_where_no_new_token_comes_the_stream_ends_and_says_why() -> None:
    clock = VirtualClock()
    token = token_until(clock.now() + 600, "one")

    def fail(expires: float) -> str:
        raise RuntimeError(f"cannot renew {token}")

    with FakeServer(seed=1, clock=clock, tokens=[token]) as server:
        client = TvWSClient([PAIR], source=server.connect, token=token, on_token_expiring=fail)
        with client, pytest.raises(TokenRefreshFailed, match="the hook raised RuntimeError") as caught:
            while client.poll(10) is not None:
                pass
    assert "canary" not in "".join(traceback.format_exception(caught.value))
    assert VirtualClock().now() + 600 <= clock.now() < VirtualClock().now() + 630


def test_an_expired_token_is_not_sent() -> None:
    connected = []
    with pytest.raises(TokenExpired) as caught:
        TvWSClient([PAIR], source=lambda: connected.append(1), token=token_until(1000, "old")).connect()
    assert not connected
    assert "canary" not in "".join(traceback.format_exception(caught.value))


def test_a_tape_asks_nobody_for_a_token(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    with TvWSClient([PAIR], source="fake:speed=max", n_init_bars=5, record=tape) as client:
        client.poll(10)
    with TvWSClient(source=tape, token=token_until(1000, "old")) as replay:
        assert list(replay.stream())


def test_what_is_beyond_the_limits_is_refused_before_the_server_is_asked() -> None:
    with pytest.raises(LimitExceeded, match="2 series at once: the limit is 1"):
        TvWSClient([PAIR, ("A:B", "1")], limits=Limits(series=1))
    client = TvWSClient([PAIR], source="fake:speed=max", limits=Limits(series=2, history=100, quotes=2), n_init_bars=5)
    with client:
        with pytest.raises(LimitExceeded, match="history of 101 bars: the limit is 100"):
            client.get_history(*PAIR, 101)
        assert len(client.get_history(*PAIR, 100)) == 100
        client.subscribe(("BINANCE:ETHUSDT", "1"))
        with pytest.raises(LimitExceeded, match="3 series at once"):
            client.get_history(*PAIR, 5)
        with pytest.raises(LimitExceeded, match="ticks or quotes of 3 symbols"):
            client.subscribe("NASDAQ:AAPL")
    unopened = TvWSClient([PAIR], source="fake:speed=max", limits=Limits(quotes=1))
    with pytest.raises(LimitExceeded):
        unopened.subscribe("A:B")


def test_the_time_zone_of_charts_may_be_set_at_any_time(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    client = TvWSClient([PAIR], source="fake:speed=max", timezone="Etc/UTC", n_init_bars=5, record=tape)
    client.set_timezone("Europe/Berlin")
    with client:
        client.set_timezone("Asia/Tokyo")
        client.poll(1)
    zones = [zone for zone in ("Etc/UTC", "Europe/Berlin", "Asia/Tokyo") if f'"{zone}"' in tape.read_text()]
    assert zones == ["Europe/Berlin", "Asia/Tokyo"]
