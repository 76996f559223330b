"""The client over every kind of source."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tvstreamer import (
    AuthError,
    Bar,
    FakeServer,
    InvalidPlan,
    InvalidSource,
    LocalProtocolError,
    MailboxFull,
    SeriesError,
    SeriesFailed,
    SymbolError,
    SymbolFailed,
    TapeMismatch,
    Tick,
    TvWSClient,
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
        threading.Timer(0.2, client.close).start()
        assert [event for event in client if isinstance(event, Bar)]
        assert client.poll(0.1) is None or client.poll(0.1) == []
        client.close()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"n_init_bars": 0}, InvalidPlan),
        ({"backlog": 0}, InvalidPlan),
    ],
)
def test_a_wrong_argument_is_refused_when_the_client_is_made(options: dict[str, int], error: type[Exception]) -> None:
    with pytest.raises(error):
        TvWSClient([PAIR], source="fake", **options)  # type: ignore[arg-type]


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
