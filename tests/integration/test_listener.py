"""The listener on loopback: who is let in, what it answers to plain HTTP, and how connections end."""

from __future__ import annotations

import http.client
import socket
import struct
from pathlib import Path

import pytest

from tvstreamer import FakeServer, FaultPlan, faults
from tvstreamer.clock import ScaledClock, SystemClock, VirtualClock
from tvstreamer.errors import ConnectFailed, ServerStartError, TransportClosed, TransportTimeout
from tvstreamer.protocol import framing
from tvstreamer.server.http.http11 import HttpResponse
from tvstreamer.server.listener import Listener
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.websocket_client import connect

CLOCK = SystemClock()


def echo() -> tuple[ScriptedConnection, SystemClock]:
    return ScriptedConnection(echo=True), CLOCK


@pytest.mark.parametrize("origin", ["https://www.tradingview.com", "https://tradingview.com", "http://elsewhere.test"])
def test_any_origin_is_let_in_by_default(origin: str) -> None:
    with Listener(echo) as listener:
        transport = connect(listener.url + "?any=thing", clock=CLOCK, origin=origin, headers=[("Origin", "second")])
        transport.send("x")
        assert transport.recv(20).text == "x"
        transport.close()


@pytest.mark.parametrize("origin", ["https://eviltradingview.com", "https://tradingview.com.evil.test", "null", ""])
def test_a_strict_listener_refuses_a_foreign_origin(origin: str) -> None:
    with Listener(echo, strict_origin=True) as listener:
        with pytest.raises(ConnectFailed) as caught:
            connect(listener.url, clock=CLOCK, origin=origin)
        assert caught.value.status == 403
        connect(listener.url, clock=CLOCK, origin="https://de.tradingview.com").close()


@pytest.mark.parametrize(
    ("path", "status"), [("/ping", 200), ("/socket.io/websocket", 426), ("/x", 404), ("/own", 203)]
)
def test_plain_http_gets_a_line_of_text(path: str, status: int) -> None:
    with Listener(echo, on_http=lambda asked: HttpResponse(203, "mine") if asked.path == "/own" else None) as listener:
        client = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=20)
        client.request("GET", path)
        answer = client.getresponse()
        assert (answer.status, bool(answer.read())) == (status, True)
        client.close()


def test_a_port_that_is_taken_is_named() -> None:
    with Listener(echo) as first, pytest.raises(ServerStartError, match=f"127.0.0.1:{first.port}"):
        Listener(echo, port=first.port).start()


def test_stop_closes_every_connection_with_1001_and_may_be_repeated() -> None:
    listener = Listener(echo)
    listener.start()
    transport = connect(listener.url, clock=CLOCK)
    listener.stop()
    listener.stop()
    with pytest.raises(TransportClosed) as caught:
        transport.recv(20)
    assert caught.value.code == 1001
    with pytest.raises(ServerStartError, match="not running"):
        listener.call(lambda: None)


def test_a_client_that_resets_does_not_disturb_another(caplog: pytest.LogCaptureFixture) -> None:
    with Listener(echo) as listener:
        steady = connect(listener.url, clock=CLOCK)
        for _ in range(3):
            rude = socket.create_connection(("127.0.0.1", listener.port), timeout=20)
            rude.sendall(b"GET / HTTP/1.1\r\n")
            rude.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            rude.close()
        steady.send("still here")
        assert steady.recv(20).text == "still here"
        steady.close()
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


class Faulty(ScriptedConnection):
    """A server whose code fails on what it hears."""

    def receive(self, message: str, at: float) -> None:
        raise LookupError(message)


def test_a_failure_of_the_server_ends_one_connection_and_is_told_as_that(caplog: pytest.LogCaptureFixture) -> None:
    faulty, sound = Faulty(), ScriptedConnection(echo=True)
    made = iter([faulty, sound])
    with Listener(lambda: (next(made), CLOCK)) as listener:
        unlucky, steady = connect(listener.url, clock=CLOCK), connect(listener.url, clock=CLOCK)
        unlucky.send("x")
        with pytest.raises(TransportClosed) as caught:
            unlucky.recv(20)
        steady.send("still here")
        assert steady.recv(20).text == "still here"
        steady.close()
    assert (caught.value.code, caught.value.reason) == (1011, "internal error")
    with pytest.raises(TransportClosed) as ended:
        faulty.next_heard(20)
    assert (ended.value.code, ended.value.reason) == (1011, "internal error")
    assert "! connection 1 failed" in caplog.text
    assert "LookupError: x" in caplog.text


TAPE = """{"tape":1,"start":1700000000.0}
{"t":0,"c":1,"k":"open"}
{"t":1,"c":1,"k":"send","p":[{"m":"quote_add_symbols","p":["qs_1","A:B"]}]}
{"t":2,"c":1,"k":"recv","p":["~h~1"]}
broken
"""


@pytest.mark.parametrize("plan", [None, FaultPlan([faults.duplicate(at=1_000_000.0)])])
def test_the_journal_knows_that_the_server_ended_it(tmp_path: Path, plan: FaultPlan | None) -> None:
    (tmp_path / "tape.jsonl").write_text(TAPE)
    with FakeServer(tape=tmp_path / "tape.jsonl", speed="max", faults=plan) as server:
        client = connect(server.url, clock=CLOCK)
        client.send(framing.join(['{"m":"quote_create_session","p":["qs_1"]}', '{"m":"quote_add_symbols","p":["qs_1","A:B"]}']))
        [failed] = server.verify("", kind="closed", count=1, timeout=20)
        client.close()
    assert failed.detail == "1011 internal error"
    with FakeServer(seed=1, faults=plan) as server:
        client = connect(server.url, clock=CLOCK)
        client.recv(20)
    [stopped] = server.verify("", kind="closed", count=1, timeout=20)
    client.close()
    assert stopped.detail == "1001 server stops"


def test_a_connection_that_cannot_begin_is_ended_as_one_that_fails_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "tape.jsonl").write_text(TAPE.replace('{"t":2,"c":1,"k":"recv","p":["~h~1"]}\n', ""))
    with FakeServer(tape=tmp_path / "tape.jsonl", speed="max") as server:
        client = connect(server.url, clock=CLOCK)
        with pytest.raises(TransportClosed) as ended:
            client.recv(20)
    assert (ended.value.code, ended.value.reason) == (1011, "internal error")
    assert "! connection 1 failed" in caplog.text


class Stuck(ScriptedConnection):
    """A server that says more than a socket takes, and whose code fails while it waits."""

    def __init__(self) -> None:
        super().__init__("x" * 20_000_000)

    def next_deadline(self) -> float | None:
        return None if self._outgoing else 0.0

    def handle_deadline(self, now: float) -> None:
        raise LookupError("while it waits")


def test_a_failure_while_a_client_takes_nothing_ends_that_client_alone(caplog: pytest.LogCaptureFixture) -> None:
    stuck, sound = Stuck(), ScriptedConnection(echo=True)
    made = iter([stuck, sound])
    with Listener(lambda: (next(made), CLOCK)) as listener:
        unlucky, steady = connect(listener.url, clock=CLOCK), connect(listener.url, clock=CLOCK)
        with pytest.raises(TransportClosed) as ended:
            stuck.next_heard(20)
        steady.send("still here")
        assert steady.recv(20).text == "still here"
        unlucky.close()
        steady.close()
    assert (ended.value.code, ended.value.reason) == (1011, "internal error")
    assert "LookupError: while it waits" in caplog.text


def test_on_a_scaled_clock_a_deadline_fires_in_scaled_time() -> None:
    clock = ScaledClock(1000.0, start=1000.0)
    connection = ScriptedConnection()
    connection.say_at(1050.0, "due")
    with Listener(lambda: (connection, clock)) as listener:
        transport = connect(listener.url, clock=SystemClock())
        assert transport.recv(20).text == "due"
        assert clock.now() >= 1050.0
        transport.close()


def test_virtual_time_stands_still_until_the_connection_is_active() -> None:
    clock = VirtualClock(1000.0)
    connection = ScriptedConnection(active=False)
    connection.say_at(1_000_000.0, "much later")
    with Listener(lambda: (connection, clock)) as listener:
        transport = connect(listener.url, clock=SystemClock())
        with pytest.raises(TransportTimeout):
            transport.recv(0.05)
        listener.call(setattr, connection, "active", True)
        assert transport.recv(20).text == "much later"
        assert clock.now() == 1_000_000.0
        transport.close()


def asked(listener: Listener, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as raw:
        raw.sendall(data)
        return b"".join(iter(lambda: raw.recv(65_536), b""))


def test_a_body_is_asked_for_and_handed_on() -> None:
    with Listener(echo, on_http=lambda request: HttpResponse(200, request.body.decode())) as listener:
        head = b"POST /x HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        assert asked(listener, head + b"hello").endswith(b"\r\n\r\nhello")
        with socket.create_connection(("127.0.0.1", listener.port), timeout=20) as raw:
            raw.sendall(head)
            assert raw.recv(100).startswith(b"HTTP/1.1 100 ")
            raw.sendall(b"later")
            assert b"".join(iter(lambda: raw.recv(65_536), b"")).endswith(b"later")


def test_a_broken_request_is_answered_and_a_head_has_no_body() -> None:
    with Listener(echo) as listener:
        assert asked(listener, b"NONSENSE\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert asked(listener, b"HEAD /ping HTTP/1.1\r\n\r\n").endswith(b"\r\n\r\n")


def test_a_listener_without_connections_has_no_websocket() -> None:
    with Listener(None) as listener, pytest.raises(ConnectFailed) as caught:
        connect(listener.url, clock=CLOCK)
    assert caught.value.status == 404
