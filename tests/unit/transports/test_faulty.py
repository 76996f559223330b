"""A plan in front of a transport: on virtual time, between threads, over a replay, and for refused connections."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tvstreamer import Bar, TvWSClient, faults
from tvstreamer.clock import Clock, ScaledClock, SystemClock, VirtualClock
from tvstreamer.errors import ConnectFailed, TransportClosed, TransportTimeout, UnsupportedFault
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.protocol.framing import packet
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.base import Received, Transport, TransportInfo
from tvstreamer.transports.faulty import FaultyTransport, faulty
from tvstreamer.transports.memory import ServedTransport
from tvstreamer.transports.replay import ReplayConnector

START = 1000.0


class Scene:
    """A server that says what it is told, at its moments, and its client's end with a plan in front."""

    def __init__(self, *plan: Fault, clock: Clock | None = None) -> None:
        self.clock = clock or VirtualClock(START)
        self.server = ScriptedConnection()
        self.inner = ServedTransport(self.server, self.clock)
        self.transport = FaultyTransport(
            self.inner, FaultPlan(plan, 1).filter(1, self.inner.info.opened_at, random.Random), self.clock
        )

    def says(self, *moments: float) -> Scene:
        for number, moment in enumerate(moments, start=1):
            self.server.say_at(START + moment, str(number))
        return self

    def received(self, timeout: float = 100) -> list[tuple[str, float]]:
        """All that comes until nothing does for so long, with seconds since the start."""
        got = []
        try:
            while True:
                text, at = self.transport.recv(timeout)
                got.append((text, at - START))
        except (TransportTimeout, TransportClosed):
            return got

    def end(self) -> TransportClosed:
        with pytest.raises(TransportClosed) as caught:
            self.transport.recv(0)
        return caught.value


# --- virtual time, one thread ---------------------------------------------------------------------------------------


def test_what_comes_later_has_the_later_stamp_and_the_clock_is_there() -> None:
    scene = Scene(faults.latency(0.5)).says(10, 10.25)
    assert scene.transport.recv(100) == ("1", START + 10.5)
    assert scene.clock.now() == START + 10.5
    assert scene.transport.recv(100) == ("2", START + 10.75)
    assert [fired.kind for fired in scene.transport.fired] == ["latency", "latency"]


def test_a_recv_that_waits_for_what_is_withheld_times_out_and_loses_nothing() -> None:
    scene = Scene(faults.latency(5)).says(1)
    with pytest.raises(TransportTimeout):
        scene.transport.recv(5.5)
    assert scene.clock.now() == START + 5.5
    assert scene.transport.recv(0.5) == ("1", START + 6)


def test_without_a_limit_a_recv_goes_on_as_long_as_something_can_come() -> None:
    scene = Scene(faults.drop(times=2)).says(10, 20, 30)
    assert scene.transport.recv() == ("3", START + 30)
    with pytest.raises(TransportTimeout):
        scene.transport.recv()


def test_a_poll_passes_over_what_is_dropped() -> None:
    scene = Scene(faults.drop(times=2))
    scene.server.say("1", "2", "3")
    assert scene.transport.recv(0).text == "3"


def test_a_fault_by_the_clock_needs_no_message() -> None:
    scene = Scene(faults.close(4000, "enough", at=7))
    assert scene.received() == []
    closed = scene.end()
    assert (closed.code, closed.reason, closed.at, closed.by_this_side) == (4000, "enough", START + 7, False)
    assert scene.clock.now() == START + 7
    with pytest.raises(TransportClosed, match="4000"):
        scene.transport.send("late")
    with pytest.raises(TransportClosed, match="1000"):
        scene.server.next_heard(0)


def test_behind_a_fault_that_closes_nothing_arrives_on_either_side() -> None:
    scene = Scene(faults.close(after=1), faults.latency(5)).says(1, 2)
    scene.transport.send("before")
    assert scene.transport.recv(10) == ("1", START + 6)
    scene.transport.send("into the void")
    assert scene.received() == []
    assert scene.server.next_heard(0) == "before"
    with pytest.raises(TransportClosed):
        scene.server.next_heard(0)


def test_what_is_withheld_from_the_server_goes_out_in_its_time() -> None:
    scene = Scene(faults.latency(5, direction="upstream")).says(3, 9)
    scene.transport.send("a")
    assert scene.received() == [("1", 3), ("2", 9)]
    assert scene.server.heard.get(timeout=0) == ("a", START + 5)


def test_the_end_behind_is_seen_with_its_own_code_after_what_was_withheld() -> None:
    scene = Scene(faults.latency(5)).says(1)
    assert scene.transport.recv(6).text == "1"
    scene.server.hang_up(4001, "bye")
    with pytest.raises(TransportTimeout):
        scene.transport.recv(4)
    scene.transport.send("goes nowhere")
    with pytest.raises(TransportClosed) as caught:
        scene.transport.recv(4)
    assert (caught.value.code, caught.value.reason, caught.value.at) == (4001, "bye", START + 11)


def test_an_end_that_is_never_seen_leaves_a_quiet_connection() -> None:
    scene = Scene(faults.silence())
    scene.server.hang_up(1000, "")
    with pytest.raises(TransportTimeout):
        scene.transport.recv(100)
    with pytest.raises(TransportTimeout):
        scene.transport.recv()
    assert scene.clock.now() == START + 100
    scene.transport.close(1001)
    assert scene.end().code == 1001


def test_repr_tells_the_state() -> None:
    scene = Scene(faults.drop())
    assert repr(scene.transport) == "<FaultyTransport open of <ServedTransport open, 0 waiting>>"
    assert scene.transport.info == scene.inner.info
    scene.transport.close(1001)
    scene.transport.close(1000)
    assert repr(scene.transport) == "<FaultyTransport closed with 1001 of <ServedTransport closed with 1001, 0 waiting>>"


class Broken:
    """A connection that has ended by itself, as a tape's does, and in which nothing can be sent."""

    info = TransportInfo("replay", "memory:", START)

    def send(self, message: str) -> None:
        raise TransportClosed(1006, "lost")

    def recv(self, timeout: float | None = None) -> Received:
        raise TransportClosed(1000, "end of tape", at=START - 3, by_this_side=True)

    def close(self, code: int = 1000, reason: str = "") -> None:
        pass


def broken(*plan: Fault) -> FaultyTransport:
    return FaultyTransport(Broken(), FaultPlan(plan).filter(1, START, random.Random), VirtualClock(START))


def test_how_the_connection_behind_ended_is_handed_on() -> None:
    with pytest.raises(TransportClosed) as caught:
        broken(faults.drop()).recv(1)
    closed = caught.value
    assert (closed.code, closed.reason, closed.at, closed.by_this_side) == (1000, "end of tape", START - 3, True)
    assert isinstance(closed.__cause__, TransportClosed)


def test_a_send_that_fails_behind_fails_here_but_not_for_a_reader() -> None:
    with pytest.raises(TransportClosed, match="lost"):
        broken(faults.drop()).send("x")
    transport = broken(faults.slow_reader(0), faults.latency(1, direction="upstream"))
    transport.send("x")
    transport._clock.wait(threading.Event(), 2)
    with pytest.raises(TransportClosed, match="end of tape"):
        transport.recv(1)


def test_a_send_that_meets_a_connection_just_ended_by_a_fault_goes_nowhere() -> None:
    broken(faults.close(direction="upstream", after=1)).send("x")


# --- between threads ------------------------------------------------------------------------------------------------


def in_thread(action: Callable[[], object]) -> Callable[[], object]:
    """Starts `action` in another thread; what this returns waits for its outcome."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(action())
        except (TransportClosed, TransportTimeout) as exc:
            outcome.append(exc)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> object:
        thread.join(20)
        assert not thread.is_alive()
        return outcome[0]

    return result


def test_a_fault_that_a_send_sets_off_wakes_a_reader_in_another_thread() -> None:
    scene = Scene(faults.close(1011, after=1, direction="upstream"), clock=SystemClock())
    result = in_thread(scene.transport.recv)
    scene.transport.send("the last straw")
    closed = result()
    assert isinstance(closed, TransportClosed)
    assert closed.code == 1011
    assert scene.server.next_heard(20) == "the last straw"


def test_a_reader_that_waits_already_lets_go_what_another_thread_sends_too_slowly() -> None:
    scene = Scene(faults.latency(1, direction="upstream"), clock=ScaledClock(20.0, start=START))
    scene.server._echo = True
    result = in_thread(lambda: scene.transport.recv(400).text)
    scene.transport.send("a")
    assert result() == "a"
    assert scene.server.heard.get(timeout=20)[1] >= START + 1


def test_close_wakes_a_reader_behind_an_end_that_is_never_seen() -> None:
    scene = Scene(faults.silence(), clock=SystemClock())
    scene.server.hang_up(1000, "")
    with pytest.raises(TransportTimeout):
        scene.transport.recv(0)
    result = in_thread(scene.transport.recv)
    scene.transport.close(1001)
    closed = result()
    assert isinstance(closed, TransportClosed)
    assert closed.code == 1001


# --- connectors -----------------------------------------------------------------------------------------------------


class Servers:
    """A connector whose servers greet with their number."""

    def __init__(self) -> None:
        self.clock = VirtualClock(START)
        self.count = 0

    def __repr__(self) -> str:
        return "<Servers>"

    def __call__(self) -> Transport:
        self.count += 1
        return ServedTransport(ScriptedConnection(f"hello {self.count}"), self.clock)


def test_each_connection_has_its_own_faults_and_one_without_any_is_left_alone() -> None:
    servers = Servers()
    connect = faulty(servers, FaultPlan([faults.drop(connection=2)]), clock=servers.clock)
    first, second = connect(), connect()
    assert isinstance(first, ServedTransport)
    assert isinstance(second, FaultyTransport)
    assert first.recv(0).text == "hello 1"
    with pytest.raises(TransportTimeout):
        second.recv(0)
    assert connect.fired == [(START, "drop", "", 2)]
    assert repr(connect) == "<FaultyConnector of <Servers>, 2 connections so far>"


def test_a_refused_connection_counts_and_never_reaches_the_server() -> None:
    servers = Servers()
    plan = FaultPlan([faults.refuse(429, retry_after=7, times=2), faults.drop(connection=3)])
    connect = faulty(servers, plan, clock=servers.clock)
    for _ in range(2):
        with pytest.raises(ConnectFailed, match="HTTP 429, as the fault plan wants it") as caught:
            connect()
        assert (caught.value.status, caught.value.retry_after) == (429, 7)
    assert servers.count == 0
    assert isinstance(connect(), FaultyTransport)
    assert connect.fired == [(START, "refuse", "429", 1), (START, "refuse", "429", 2)]


def test_faults_of_bytes_are_refused_before_anything_is_opened() -> None:
    servers = Servers()
    with pytest.raises(UnsupportedFault, match="half_open is a fault of bytes, which a transport cannot produce; the fake server on a port"):
        faulty(servers, FaultPlan([faults.half_open()]), clock=servers.clock)


# --- a replay -------------------------------------------------------------------------------------------------------


def test_a_matched_replay_suffers_faults_too(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    wanted = [("BINANCE:BTCUSDT", "1")]
    with TvWSClient(wanted, source="fake:seed=7,speed=max", n_init_bars=5, record=tape) as client:
        recorded = [event for _ in range(60) for event in client.poll(100) or ()]

    def replayed(*plan: Fault) -> list[object]:
        with_faults = ReplayConnector(tape, VirtualClock)
        connect = faulty(with_faults, FaultPlan(plan), clock=with_faults.clock)
        with TvWSClient(wanted, source=connect, clock=with_faults.clock, n_init_bars=5) as client:
            events: list[object] = []
            try:
                while (batch := client.poll(100)) is not None:
                    events += batch
            except TransportClosed:
                pass
        with_faults.close()
        return events

    def bars(events: list[object]) -> int:
        return sum(isinstance(event, Bar) for event in events)

    # The end of the tape is an event of its own, and a recording has none of its client's leaving.
    assert replayed(faults.drop(at=1e9))[: len(recorded)] == recorded
    assert 5 <= bars(replayed(faults.drop(method="du"))) < bars(recorded)


def test_messages_of_the_protocol_pass_unharmed() -> None:
    scene = Scene(faults.glue_heartbeat())
    scene.server.say(packet("~h~1"), packet("{}"))
    assert scene.transport.recv(0).text == packet("~h~1") + packet("{}")
