"""A bar replay as its user has it: over the fake server, in memory and on a port, and over a server that does odd things."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tvstreamer import (
    Bar,
    CriticalError,
    FakeServer,
    FaultPlan,
    InvalidPlan,
    LocalProtocolError,
    RemoteProtocolError,
    SymbolError,
    TapeMismatch,
    TransportClosed,
    TransportTimeout,
    TvWSClient,
    faults,
)
from tvstreamer.clock import SystemClock
from tvstreamer.server.listener import Listener
from tvstreamer.testing.scripted import ScriptedConnection

BTC = "BINANCE:BTCUSDT"
HOUR = 3600


def server(**options: Any) -> FakeServer:
    return FakeServer(seed=7, speed="max", **options)


def replayed(fake: FakeServer, *, hours: int = 24, **options: Any) -> Any:
    """Begins so many hours before the present."""
    return TvWSClient(source=fake.connect).bar_replay(BTC, "60", fake.clock.now() - hours * HOUR, bars=5, **options)


def shown(bars: list[Bar]) -> list[float]:
    """The bars that are new, by their time."""
    return [bar.time for bar in bars if not bar.closed]


def test_a_replay_begins_in_the_past_and_goes_on_by_steps() -> None:
    with server() as fake, replayed(fake) as replay:
        assert [bar.closed for bar in replay.history] == [True, True, True, True, False]
        begin = replay.history[-1].time
        assert replay.point == begin
        assert fake.clock.now() - 26 * HOUR < begin <= fake.clock.now() - 23 * HOUR
        first = replay.step()
        assert [(bar.time, bar.closed) for bar in first] == [(begin, True), (begin + HOUR, False)]
        assert [bar.time for bar in replay.step(3) if bar.closed] == [begin + HOUR * number for number in (1, 2, 3)]
        assert replay.point == begin + 4 * HOUR
        assert "at 17" in repr(replay)


def test_what_is_replayed_is_what_history_has() -> None:
    with server() as fake:
        with replayed(fake, hours=30) as replay:
            closed = [bar for bar in [*replay.history, *replay.step(20)] if bar.closed]
        with TvWSClient(source=fake.connect) as client:
            real = {bar.time: bar for bar in client.get_history(BTC, "60", 40)}
    assert len(closed) == 24
    for bar in closed:
        known = real[bar.time]
        assert (bar.open, bar.high, bar.low, bar.close, bar.volume) == (
            known.open, known.high, known.low, known.close, known.volume,
        )  # fmt: skip


def test_a_replay_plays_by_itself_until_nobody_listens() -> None:
    with server() as fake, replayed(fake) as replay:
        begin = replay.point
        started = fake.clock.now()
        found = []
        for bar in replay.play(speed=4):
            found.append(bar)
            if len(found) == 8:
                break
        assert begin is not None
        assert found[-1].time == begin + 4 * HOUR
        assert fake.clock.now() - started == pytest.approx(1.0, abs=0.3)
        point = replay.point
        replay.step()
        assert replay.point == (point or 0) + HOUR


def test_a_replay_ends_at_the_present() -> None:
    with server() as fake, replayed(fake, hours=5) as replay:
        assert not replay.ended
        played = shown(list(replay.play(1000)))
        assert len(played) in (3, 4, 5)
        assert replay.ended
        assert replay.step() == []


def test_over_a_port_its_heartbeats_are_echoed_by_a_thread() -> None:
    with FakeServer(seed=7, speed=200, heartbeat_timeout=40) as fake:
        client = TvWSClient(source=fake.url)
        start = datetime.fromtimestamp(fake.clock.now() - 24 * HOUR, UTC)
        with client.bar_replay(BTC, "60", start, bars=5) as replay:
            assert len(shown(replay.step(2))) == 1
            assert len(list(replay.play(50))) > 10
            replay.close()
            with pytest.raises(TransportClosed, match="closed"):
                replay.step()
        assert not [entry for entry in fake.journal if entry.kind == "closed" and "echo" in entry.detail]


def test_what_the_server_refuses_is_raised() -> None:
    with server() as fake:
        with pytest.raises(SymbolError, match="XXXX:NOPE"):
            TvWSClient(source=fake.connect).bar_replay("XXXX:NOPE", "60", 0).__enter__()
        with replayed(fake) as replay:
            fake.set_faults(FaultPlan([faults.critical_error(reason="no more", info="x")]))
            with pytest.raises(CriticalError, match="no more"):
                replay.step()
            with pytest.raises(CriticalError, match="no more"):
                next(replay.play())


def test_faults_of_the_client_disturb_it_too() -> None:
    plan = FaultPlan([faults.close(4000, "enough", after=2)])
    with server() as fake:
        client = TvWSClient(source=fake.connect, faults=plan)
        with pytest.raises(RemoteProtocolError, match="4000 enough"), client.bar_replay(BTC, "60", 9e8) as replay:
            replay.step()
            replay.step()


def test_a_server_that_does_not_answer_is_given_up() -> None:
    with Listener(lambda: (ScriptedConnection(), SystemClock())) as mute:
        client = TvWSClient(source=mute.url)
        with pytest.raises(TransportTimeout, match=r"no bars within 0\.05 s"):
            client.bar_replay(BTC, "60", 0, timeout=0.05).__enter__()


def test_in_memory_too() -> None:
    plan = FaultPlan([faults.drop(after=1)])
    with server(faults=plan) as fake, pytest.raises(TransportTimeout, match="no bars within 30 s"):
        replayed(fake).__enter__()


def test_a_server_that_breaks_the_framing_is_left() -> None:
    with Listener(lambda: (ScriptedConnection("no frame"), SystemClock())) as odd:
        with pytest.raises(RemoteProtocolError, match="1002"):
            TvWSClient(source=odd.url).bar_replay(BTC, "60", 0, timeout=20).__enter__()


def test_a_tape_holds_no_replay(tmp_path: Path) -> None:
    with pytest.raises(TapeMismatch, match="a tape holds none"):
        TvWSClient(source=tmp_path / "s.jsonl").bar_replay(BTC, "60", 0)


def test_a_replay_begins_with_its_block_and_ends_with_it() -> None:
    with server() as fake:
        replay = TvWSClient(source=fake.connect).bar_replay(BTC, "60", 0)
        with pytest.raises(LocalProtocolError, match="has not begun: expected `with"):
            replay.step()
        with replay:
            assert replay.history
        with pytest.raises(TransportClosed, match="is closed"):
            replay.step()


@pytest.mark.parametrize("start", [datetime(2026, 1, 1), "yesterday", True, None])  # noqa: DTZ001 - that is what is refused
def test_a_moment_is_seconds_a_date_or_a_datetime_with_a_timezone(start: Any) -> None:
    with pytest.raises(InvalidPlan, match="start"):
        TvWSClient(source="fake").bar_replay(BTC, "60", start)


def test_it_may_begin_at_a_date() -> None:
    with server() as fake, TvWSClient(source=fake.connect).bar_replay(BTC, "60", "2024-05-01", bars=1) as replay:
        assert replay.point == datetime(2024, 5, 1, tzinfo=UTC).timestamp()


def test_the_token_of_a_function_is_asked_for() -> None:
    asked: list[str] = []

    def fetch() -> str:
        asked.append("once")
        return "good"

    with server(tokens=["good"]) as fake:
        with TvWSClient(source=fake.connect, token=fetch).bar_replay(BTC, "60", 0) as replay:
            assert replay.history
        with pytest.raises(InvalidPlan, match="bars"):
            TvWSClient(source=fake.connect, token=fetch).bar_replay(BTC, "60", 0, bars=0)
    assert asked == ["once", "once"]
