"""Each fault over a real socket, as the live transport sees it."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tvstreamer import Bar, FakeServer, TvWSClient, faults
from tvstreamer.clock import SystemClock
from tvstreamer.errors import AuthError, ConnectFailed, TransportClosed, TransportTimeout, UnsupportedFault
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.protocol.framing import packet, split
from tvstreamer.server.faulty import FaultyPeer
from tvstreamer.server.listener import Listener
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.websocket_client import WebSocketTransport, connect

CLOCK = SystemClock()
PATIENCE = 20.0
BRIEF = 0.05
BEAT, DATA = packet("~h~1"), packet('{"m":"x","p":[],"t":1000,"t_ms":1000000}')


class Scene:
    """A scripted server on a port, with a plan, and one client."""

    def __init__(self, listener: Listener, server: ScriptedConnection, peer: FaultyPeer[ScriptedConnection]) -> None:
        self.listener = listener
        self.server = server
        self.peer = peer
        self.client: WebSocketTransport = connect(listener.url, clock=CLOCK)

    def says(self, *messages: str) -> Scene:
        self.listener.call(self.server.say, *messages)
        return self

    def received(self, count: int) -> list[str]:
        return [self.client.recv(PATIENCE).text for _ in range(count)]

    def nothing_comes(self) -> bool:
        try:
            self.client.recv(BRIEF)
        except TransportTimeout:
            return True
        return False

    def end(self) -> tuple[int, str]:
        with pytest.raises(TransportClosed) as caught:
            for _ in range(100):
                self.client.recv(PATIENCE)
        return caught.value.code, caught.value.reason

    def fired(self) -> list[str]:
        return [fired.kind for fired in self.listener.call(lambda: self.peer.fired)]


@contextmanager
def scene(*plan: Fault) -> Iterator[Scene]:
    server = ScriptedConnection()
    clock = SystemClock()
    peer = FaultyPeer(server, clock, FaultPlan(plan, 1))
    with Listener(lambda: (peer, clock)) as listener:
        made = Scene(listener, server, peer)
        try:
            yield made
        finally:
            made.client.close()


# --- bytes ----------------------------------------------------------------------------------------------------------


def test_a_reset_in_the_midst_of_a_frame_is_an_end_without_a_goodbye_and_without_the_message() -> None:
    with scene(faults.reset_mid_frame(after=1)) as one:
        one.says("whole", "x" * 100_000, "never")
        assert one.received(1) == ["whole"]
        code, _ = one.end()
        assert code == 1006
        assert one.fired() == ["reset_mid_frame"]


def test_half_a_frame_really_goes_out_before_the_reset() -> None:
    server, clock = ScriptedConnection("x" * 1000), SystemClock()
    peer = FaultyPeer(server, clock, FaultPlan([faults.reset_mid_frame()]))
    with Listener(lambda: (peer, clock)) as listener, socket.create_connection(("127.0.0.1", listener.port), 20) as raw:
        raw.sendall(
            b"GET /socket.io/websocket HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
        )
        raw.settimeout(PATIENCE)
        read = b""
        with pytest.raises(ConnectionResetError):
            while data := raw.recv(65_536):
                read += data
        frame = read.partition(b"\r\n\r\n")[2]
        # Four bytes of header announce 1,000; half of the frame is there.
        assert (frame[:4], len(frame)) == (b"\x81\x7e\x03\xe8", 502)


def test_a_half_open_connection_neither_reads_nor_writes_and_stays_open() -> None:
    with scene(faults.half_open(after=1)) as one:
        one.says("first", "second")
        assert one.received(1) == ["first"]
        one.client.send("unread")
        assert one.nothing_comes()
        with pytest.raises(TransportTimeout):
            one.server.next_heard(BRIEF)
        assert one.fired() == ["half_open"]
        # Another plan thaws it.
        one.listener.call(one.peer.set_plan, None)
        assert one.received(1) == ["second"]
        assert one.server.next_heard(PATIENCE) == "unread"


def test_a_half_open_connection_comes_back_by_itself_when_its_time_is_over() -> None:
    with scene(faults.half_open(0.2, after=1)) as one:
        one.says("first", "second")
        one.client.send("unread before")
        assert one.received(2) == ["first", "second"]
        assert one.server.next_heard(PATIENCE) == "unread before"


def test_a_server_stops_though_a_connection_is_half_open() -> None:
    with scene(faults.half_open()) as one:
        assert one.nothing_comes()
        one.listener.stop()
        code, _ = one.end()
        assert code in (1001, 1006)


def test_a_limited_bandwidth_takes_its_time() -> None:
    with scene(faults.bandwidth(100)) as one:
        before = CLOCK.now()
        one.says("x" * 20_000)
        assert one.received(1) == ["x" * 20_000]
        # The pause behind the last piece is not waited for by who reads it.
        assert CLOCK.now() - before >= 0.14


def test_sliced_frames_arrive_whole() -> None:
    messages = ["x" * 1_000, "\N{GRINNING FACE}" * 50, ""]
    with scene(faults.slicer(7, 5, delay=0.0001)) as one:
        one.says(*messages)
        assert one.received(3) == messages
        assert one.fired() == ["slicer"] * 3


def test_a_client_that_waits_little_loses_nothing_of_slices_that_come_slowly() -> None:
    with scene(faults.slicer(10, delay=0.01)) as one:
        one.says("x" * 100)
        for _ in range(10_000):
            try:
                assert one.client.recv(0.001).text == "x" * 100
                break
            except TransportTimeout:
                continue
        else:
            pytest.fail("it never came")


# --- handshakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "retry_after"), [(403, None), (429, 7), (503, 1.5)])
@pytest.mark.parametrize("on_a_port", [True, False])
def test_a_refused_handshake_has_its_status_and_the_next_one_comes_through(
    status: int, retry_after: float | None, on_a_port: bool
) -> None:
    plan = FaultPlan([faults.refuse(status, retry_after)])
    with FakeServer(faults=plan) as server:

        def open_one() -> Any:
            return connect(server.url, clock=CLOCK) if on_a_port else server.connect()

        with pytest.raises(ConnectFailed) as caught:
            open_one()
        # Over HTTP whole seconds are told.
        told = None if retry_after is None else float(-(-retry_after // 1)) if on_a_port else retry_after
        assert (caught.value.status, caught.value.retry_after) == (status, told)
        assert [(fired.kind, fired.detail, fired.connection) for fired in server.fired] == [("refuse", str(status), 1)]
        open_one().close()


def test_a_plain_http_request_is_no_connection() -> None:
    with FakeServer(faults=FaultPlan([faults.refuse()])) as server:
        client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        client.request("GET", "/ping")
        assert client.getresponse().status == 200
        client.close()
        assert server.fired == []


# --- messages -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "said", "got"),
    [
        (faults.drop(times=1), ["1", "2"], ["2"]),
        (faults.duplicate(times=1), ["1", "2"], ["1", "1", "2"]),
        (faults.reorder(times=1), ["1", "2", "3"], ["2", "1", "3"]),
        (faults.merge(2), ["1", "2"], ["12"]),
        (faults.glue_heartbeat(), [BEAT, DATA], [BEAT + DATA]),
        (faults.latency(0.05, jitter=0.05), ["1", "2"], ["1", "2"]),
        (faults.silence(0.1), ["1", "2"], ["1", "2"]),
        (faults.chatty_stall(0.1), [DATA, BEAT], [BEAT, DATA]),
        (faults.wrong_length(), [BEAT], ["~m~5~m~~h~1"]),
        (faults.clock_skew(5), [DATA], [packet('{"m":"x","p":[],"t":1005,"t_ms":1005000}')]),
        (faults.unknown_packet("y", after=1), ["1"], ["1", packet('{"m":"y","p":[]}')]),
        (faults.critical_error("no", session="cs_1", after=1), ["1"], ["1", packet('{"m":"critical_error","p":["cs_1","no",""]}')]),
    ],
    ids=lambda each: each.kind if isinstance(each, Fault) else "",
)
def test_a_fault_of_messages_changes_what_arrives(fault: Fault, said: list[str], got: list[str]) -> None:
    with scene(fault) as one:
        one.says(*said)
        assert one.received(len(got)) == got
        assert fault.kind in one.fired()


@pytest.mark.parametrize(
    ("fault", "said", "end"),
    [
        (faults.close(after=1), [], (1000, "")),
        (faults.close(1001, "going away", after=1), [], (1001, "going away")),
        (faults.close(4000, "stale", after=1), [], (4000, "stale")),
        (faults.close(1006, after=1), [], (1006, None)),
        (faults.reset_peer(after=1), [], (1006, None)),
        (faults.timeout(0.05, after=1), [], (1006, None)),
        (faults.limit_data(1), [], (1006, None)),
        (faults.token_expired(after=1), [packet('{"m":"protocol_error","p":["bad auth token"]}')], (1000, "bad auth token")),
        (faults.protocol_error("banned", after=1), [packet('{"m":"protocol_error","p":["banned"]}')], (1000, "banned")),
    ],
    ids=lambda each: repr(each) if isinstance(each, Fault) else "",
)
def test_a_fault_that_ends_the_connection_has_its_code(fault: Fault, said: list[str], end: tuple[int, str | None]) -> None:
    with scene(fault) as one:
        one.says("1", "2")
        assert one.received(1 + len(said)) == ["1", *said]
        code, reason = one.end()
        assert code == end[0]
        assert end[1] in (None, reason)
        assert one.fired() == [fault.kind]


def test_a_slow_close_comes_later() -> None:
    with scene(faults.slow_close(0.2)) as one:
        before = CLOCK.now()
        one.listener.call(one.server.hang_up, 1001, "bye")
        assert one.end() == (1001, "bye")
        assert CLOCK.now() - before >= 0.2


@pytest.mark.parametrize("fault", [faults.silence(direction="upstream"), faults.drop(direction="upstream"), faults.slow_reader(1000)])
def test_what_a_fault_keeps_from_the_server_is_not_heard(fault: Fault) -> None:
    with scene(fault) as one:
        one.client.send("x")
        with pytest.raises(TransportTimeout):
            one.server.next_heard(BRIEF)


def test_a_slow_reader_hears_later_what_was_sent() -> None:
    with scene(faults.slow_reader(0.05)) as one:
        for text in "abc":
            one.client.send(text)
        assert [one.server.next_heard(PATIENCE) for _ in "abc"] == ["a", "b", "c"]


# --- a market -------------------------------------------------------------------------------------------------------


def rows(*times: int) -> list[list[float]]:
    return [[1_700_000_000 - 1_700_000_000 % 60 + 60 * time, 10.0, 11.0, 9.0, 10.5, 5.0] for time in times]


@pytest.mark.parametrize("on_a_port", [True, False])
def test_a_client_sees_a_bar_revised_and_a_name_beyond_the_plane(on_a_port: bool) -> None:
    plan = FaultPlan([faults.revise_bar(0.5, after=4, symbol="TEST:ABC"), faults.astral()])
    with FakeServer(faults=plan) as server:
        server.market.bars("TEST:ABC", "1", rows(1, 2, 3))
        source: object = server.url if on_a_port else server.connect
        with TvWSClient([("TEST:ABC", "1")], source=source) as client:
            events: list[Any] = []

            def until(holds: Any) -> None:
                for _ in range(1000):
                    if any(map(holds, events)):
                        return
                    events.extend(client.poll(PATIENCE) or ())
                raise AssertionError(f"it never came: {events}")

            until(lambda event: isinstance(event, Bar) and not event.closed)
            for price in (20.0, 30.0, 40.0):
                server.market.close_bar("TEST:ABC", "1")
                server.market.tick("TEST:ABC", price)
            until(lambda event: isinstance(event, Bar) and event.revision == 1)
    bars = [event for event in events if isinstance(event, Bar)]
    assert {20.0, 30.0, 40.0} <= {bar.close for bar in bars}
    (revised,) = [bar for bar in bars if bar.revision]
    (before,) = [bar for bar in bars if bar.time == revised.time and bar.closed and not bar.revision]
    assert revised.close == 1.5 * before.close
    assert any("\N{GRINNING FACE}" in getattr(event, "description", "") for event in events)
    assert {fired.kind for fired in server.fired} == {"revise_bar", "astral"}


def test_an_expired_token_is_an_error_of_the_stream() -> None:
    with FakeServer(faults=FaultPlan([faults.token_expired(method="series_completed")])) as server:
        with TvWSClient([("BINANCE:BTCUSDT", "1")], source=server.url) as client, pytest.raises(AuthError, match="bad auth token"):
            for _ in range(1000):
                client.poll(PATIENCE)


def test_connections_are_numbered_in_memory_and_on_the_port_alike() -> None:
    with FakeServer(faults=FaultPlan([faults.close(4000, connection=2), faults.close(4001, connection=3)])) as server:
        first, second, third = connect(server.url, clock=CLOCK), server.connect(), connect(server.url, clock=CLOCK)
        assert split(first.recv(PATIENCE).text)
        for transport, code in ((second, 4000), (third, 4001)):
            with pytest.raises(TransportClosed) as caught:
                transport.recv(PATIENCE)
            assert caught.value.code == code
        assert [(fired.kind, fired.connection) for fired in server.fired] == [("close", 2), ("close", 3)]
        first.close()


@pytest.mark.parametrize("on_a_port", [True, False])
def test_faults_can_be_set_while_connections_are_open(on_a_port: bool) -> None:
    with FakeServer() as server:
        client = connect(server.url, clock=CLOCK) if on_a_port else server.connect()
        assert "session_id" in client.recv(PATIENCE).text
        server.set_faults(FaultPlan([faults.close(4000, "now")]))
        with pytest.raises(TransportClosed, match="4000: now"):
            client.recv(PATIENCE)
        with pytest.raises(TransportClosed, match="4000: now"):
            server.connect().recv(PATIENCE)
        server.set_faults(None)
        assert "session_id" in server.connect().recv(PATIENCE).text


def test_faults_of_bytes_are_refused_in_memory_and_change_nothing() -> None:
    plan = FaultPlan([faults.half_open()])
    with FakeServer() as server:
        client = server.connect()
        with pytest.raises(UnsupportedFault, match="half_open is a fault of bytes, which a connection in memory cannot produce"):
            server.set_faults(plan)
        assert "session_id" in server.connect().recv(PATIENCE).text
        client.close()
    with FakeServer(faults=plan) as server:
        with pytest.raises(UnsupportedFault, match="the fake server on a port can"):
            server.connect()
        connect(server.url, clock=CLOCK).close()
