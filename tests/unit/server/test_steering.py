"""A fake server that is steered while clients are connected, in memory and over the port."""

from __future__ import annotations

import http.client
import json
from urllib.parse import urlsplit

import pytest

from tvstreamer import Disconnected, Tick, TvWSClient
from tvstreamer.clock import SystemClock
from tvstreamer.errors import InvalidPlan, TransportClosed
from tvstreamer.server.fake import FakeServer
from tvstreamer.transports.websocket_client import connect

BTC = "BINANCE:BTCUSDT"
CLOCK = SystemClock()


@pytest.mark.parametrize("over_loopback", [False, True])
def test_who_is_hung_up_on_sees_code_and_reason(over_loopback: bool) -> None:
    with FakeServer(seed=1) as server:
        first, second = (connect(server.url, clock=CLOCK) if over_loopback else server.connect() for _ in range(2))
        assert [first.recv(20).text[:3], second.recv(20).text[:3]] == ["~m~", "~m~"]
        assert server.connections == [1, 2]
        assert server.disconnect(code=4001, reason="bye", number=1) == [1]
        with pytest.raises(TransportClosed) as caught:
            first.recv(20)
        assert (caught.value.code, caught.value.reason) == (4001, "bye")
        assert server.disconnect(number=2) == [2]
        with pytest.raises(TransportClosed) as caught:
            second.recv(20)
        assert caught.value.code == 1006
        assert server.disconnect() == []


@pytest.mark.parametrize("options", [{"code": 999}, {"code": 1005}, {"code": 5000}, {"reason": "x" * 124}])
def test_a_goodbye_that_no_frame_can_carry_is_refused(options: dict[str, object]) -> None:
    with FakeServer() as server, pytest.raises(InvalidPlan, match="expected"):
        server.disconnect(**options)  # type: ignore[arg-type]


@pytest.mark.parametrize("over_loopback", [False, True])
def test_hours_that_are_skipped_are_told_at_once_and_nobody_misses_an_echo(over_loopback: bool) -> None:
    with FakeServer(seed=1, heartbeat_interval=10.0, heartbeat_timeout=20.0) as server:
        source: object = server.url if over_loopback else server.connect
        with TvWSClient([BTC], source=source) as client:
            events = client.stream()
            first = next(event for event in events if isinstance(event, Tick))
            server.seek("+5m")
            ticks = [next(event for event in events if isinstance(event, Tick)) for _ in range(50)]
            assert all(tick.symbol == BTC for tick in ticks)
            assert ticks[-1].time > first.time
        assert not [entry for entry in server.journal if "no echo" in entry.detail]


def test_while_a_client_is_told_a_year_that_was_skipped_the_server_answers_others() -> None:
    with FakeServer(seed=1) as server:
        with TvWSClient([BTC], source=server.url) as client:
            events = client.stream()
            first = next(event for event in events if isinstance(event, Tick))
            server.seek("+300d")
            with TvWSClient([BTC], source=server.url) as other:
                now = next(event for event in other.stream() if isinstance(event, Tick))
            assert now.time > first.time + 299 * 86_400
            assert server.disconnect(number=1) == [1]
            assert next(event for event in events if isinstance(event, Disconnected)).code == 1006


def test_a_stopped_server_says_nothing_but_prices_by_hand_until_it_goes_on() -> None:
    with FakeServer(seed=1, heartbeat_interval=0.05, reply_delay=0.0) as server:
        transport = connect(server.url, clock=CLOCK)
        assert "session_id" in transport.recv(20).text
        server.pause()
        server.pause()
        at = server.clock.now()
        server.market.tick("EX:SYM", 1.0)
        server.market.tick("EX:SYM", 2.0)
        assert server.clock.now() == pytest.approx(at + 0.002)
        server.resume()
        assert "~h~" in transport.recv(20).text
        server.resume()
        transport.close()


def test_a_virtual_server_is_set_forward_but_has_no_time_to_stop() -> None:
    with FakeServer(seed=1, speed="max") as server:
        at = server.clock.now()
        transport = server.connect()
        server.seek(at + 3600)
        assert server.clock.now() == at + 3600
        assert "session_id" in transport.recv(0).text
        for stop in (server.pause, server.resume):
            with pytest.raises(InvalidPlan, match="real time"):
                stop()
        assert not server.paused


def test_a_clock_that_is_the_users_own_is_left_alone() -> None:
    with FakeServer(clock=SystemClock()) as server:
        with pytest.raises(InvalidPlan, match="its own"):
            server.seek("+1h")
        with pytest.raises(InvalidPlan, match="never goes back"):
            server.seek(0)


def test_a_client_reconnects_after_a_loss_that_was_ordered() -> None:
    with FakeServer(seed=1) as server:
        with TvWSClient([BTC], source=server.url, seed=1) as client:
            events = client.stream()
            next(event for event in events if isinstance(event, Tick))
            server.disconnect()
            assert next(event for event in events if isinstance(event, Disconnected)).code == 1006


def test_the_control_port_answers_and_is_gone_after_the_end() -> None:
    with FakeServer(seed=1, control=True) as server:
        address = urlsplit(server.control_url)
        assert address.hostname == "127.0.0.1"
        client = http.client.HTTPConnection("127.0.0.1", address.port or 0, timeout=20)
        client.request("GET", "/ping")
        assert client.getresponse().read() == b"pong\n"
        client.request("GET", "/status", headers={"Authorization": f"Bearer {server.control_token}"})
        assert json.loads(client.getresponse().read())["connections"] == []
    client.close()
    with pytest.raises(ConnectionRefusedError):
        client.request("GET", "/ping")
    with pytest.raises(InvalidPlan, match="closed"):
        _ = server.control_url
    with FakeServer() as other, pytest.raises(InvalidPlan, match="control=True"):
        _ = other.control_url
