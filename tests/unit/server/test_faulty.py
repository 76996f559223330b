"""A server's side of a connection behind faults, as what carries it sees it."""

from __future__ import annotations

import pytest

from tvstreamer import faults
from tvstreamer.clock import VirtualClock
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.protocol.framing import packet
from tvstreamer.server.connection import MarketConnection
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.faulty import FaultyPeer
from tvstreamer.server.manners import Manners
from tvstreamer.server.market import Market, market_start
from tvstreamer.testing.scripted import ScriptedConnection

START = 1000.0


class Scene:
    """A scripted server behind a plan, stepped as a carrier steps it."""

    def __init__(self, *plan: Fault) -> None:
        self.clock = VirtualClock(START)
        self.server = ScriptedConnection()
        self.peer = FaultyPeer(self.server, self.clock, FaultPlan(plan, 1))
        self.peer.connected(START)

    def says(self, *moments: float) -> Scene:
        for number, moment in enumerate(moments, start=1):
            self.server.say_at(START + moment, str(number))
        return self

    def run(self, until: float) -> list[tuple[str, float]]:
        """What is sent up to a moment, and when, in seconds since the start."""
        sent = [(text, self.clock.now() - START) for text in self.peer.messages_to_send()]
        while (moment := self.peer.next_deadline()) is not None and moment <= START + until:
            self.clock.advance_to(moment)
            self.peer.handle_deadline(self.clock.now())
            sent += [(text, self.clock.now() - START) for text in self.peer.messages_to_send()]
        self.clock.advance_to(START + until)
        return sent

    def heard(self) -> list[str]:
        got = []
        while not self.server.heard.empty():
            message, _ = self.server.heard.get(timeout=0)
            got.append(message if isinstance(message, str) else "gone")
        return got


def test_without_a_fault_that_concerns_it_the_connection_is_itself() -> None:
    for plan in ((), (faults.drop(connection=2),)):
        scene = Scene(*plan).says(1, 2)
        scene.server.say("hello")
        assert scene.run(10) == [("hello", 0), ("1", 1), ("2", 2)]
        scene.peer.receive("a", START + 10)
        assert scene.peer.next_deadline() is None
        assert scene.peer.active is scene.server.active
        scene.server.say("last")
        assert [frame.text for frame in scene.peer.frames_to_send()] == ["last"]
        scene.server.hang_up(4000, "bye")
        assert scene.peer.closing == (4000, "bye")
        scene.peer.disconnected(START + 11, 4000)
        assert scene.heard() == ["a", "gone"]
        assert (scene.peer.fired, scene.peer.half_open, scene.peer.open) == ([], False, False)


def test_what_the_server_says_comes_through_the_faults_in_its_time() -> None:
    scene = Scene(faults.latency(5), faults.close(1001, after=2)).says(1, 2, 3)
    assert scene.run(100) == [("1", 6), ("2", 7)]
    assert scene.peer.closing == (1001, "")
    assert [fired.kind for fired in scene.peer.fired] == ["latency", "latency", "latency", "close"]


def test_a_late_carrier_gets_the_same() -> None:
    scene = Scene(faults.silence(5, at=2), faults.unknown_packet("x", at=4)).says(1, 3, 9)
    scene.clock.advance(50)
    scene.peer.handle_deadline(scene.clock.now())
    assert scene.peer.messages_to_send() == ["1", packet('{"m":"x","p":[]}'), "2", "3"]


def test_a_long_time_is_caught_up_with_in_parts() -> None:
    scene = Scene().says(1, 50, 62, 200)
    parts = []
    while scene.peer.catch_up(START + 1_000):
        parts.append(scene.peer.messages_to_send())
    assert parts == [["1", "2"], ["3"], ["4"]]
    assert not scene.says(1_001).peer.catch_up(START + 1_001)
    assert scene.peer.messages_to_send() == ["1"]


def test_one_that_makes_one_message_of_a_long_time_is_left_to_it() -> None:
    scene = Scene().says(1, 50, 62, 200)
    scene.server.conflates = True  # type: ignore[attr-defined]
    assert not scene.peer.catch_up(START + 1_000)
    assert scene.peer.messages_to_send() == ["1", "2", "3", "4"]


def test_behind_a_fault_that_closes_the_server_is_not_stepped_any_more() -> None:
    scene = Scene(faults.close(at=2), faults.slow_close(5)).says(1, 3, 4)
    assert scene.run(3) == [("1", 1)]
    scene.peer.receive("into the void", START + 3)
    assert scene.peer.closing is None
    assert scene.peer.next_deadline() == START + 7
    assert scene.run(7) == []
    assert scene.peer.closing == (1000, "")
    assert scene.server.next_deadline() == START + 3
    assert scene.heard() == []


def test_the_servers_own_end_comes_through_the_faults_once() -> None:
    scene = Scene(faults.latency(5))
    scene.server.say("last")
    scene.server.hang_up(4000, "bye")
    assert scene.run(4) == []
    assert scene.peer.closing is None
    assert scene.run(5) == [("last", 5)]
    assert scene.peer.closing == (4000, "bye")


def test_what_is_withheld_from_the_server_reaches_it_in_its_time_and_the_answer_follows_at_once() -> None:
    scene = Scene(faults.latency(5, direction="upstream"))
    scene.server._echo = True
    scene.peer.receive("a", START + 1)
    assert scene.heard() == []
    assert scene.peer.next_deadline() == START + 6
    assert scene.run(10) == [("a", 6)]
    # A carrier that only asks for messages gets the same.
    scene.peer.receive("b", START + 10)
    scene.clock.advance(50)
    assert scene.peer.messages_to_send() == ["b"]


def test_what_waits_for_its_time_makes_a_connection_active() -> None:
    scene = Scene(faults.latency(5), faults.close(at=100))
    scene.server.active = False
    assert not scene.peer.active
    scene.server.say("hello")
    assert scene.run(0) == []
    assert scene.peer.active
    assert scene.run(5) == [("hello", 5)]
    assert not scene.peer.active


def test_half_open_is_told_to_the_carrier() -> None:
    scene = Scene(faults.half_open(5, at=1))
    assert [(scene.run(moment), scene.peer.half_open)[1] for moment in (0, 1, 5, 6)] == [False, True, True, False]


def test_frames_tell_what_is_to_become_of_their_bytes() -> None:
    scene = Scene(faults.slicer(5, after=1))
    scene.server.say("1", "2")
    assert [len(frame.wire) for frame in scene.peer.frames_to_send()] == [0, 1]


# --- another plan while the connection is open ----------------------------------------------------------------------


def test_a_new_plan_counts_from_now() -> None:
    scene = Scene().says(1, 2, 11, 12, 13)
    assert scene.run(10) == [("1", 1), ("2", 2)]
    scene.peer.set_plan(FaultPlan([faults.drop(after=1, at=1.5, times=1)]))
    assert scene.run(20) == [("3", 11), ("5", 13)]
    assert [(fired.at, fired.kind) for fired in scene.peer.fired] == [(START + 12, "drop")]


@pytest.mark.parametrize("fault", [faults.silence(), faults.latency(100), faults.reorder(5, wait=100), faults.chatty_stall()])
def test_what_the_old_plan_withheld_comes_at_once(fault: Fault) -> None:
    for plan in (None, FaultPlan([faults.drop()])):
        scene = Scene(fault).says(1, 2)
        kept = scene.run(5)
        scene.peer.set_plan(plan)
        assert sorted([text for text, _ in kept] + [text for text, _ in scene.run(5)]) == ["1", "2"]


def test_what_several_faults_withheld_comes_in_the_order_in_which_it_was_said() -> None:
    scene = Scene(faults.silence(5, at=2), faults.latency(100)).says(1, 3)
    assert scene.run(4) == []
    scene.peer.set_plan(None)
    assert scene.run(4) == [("1", 4), ("2", 4)]
    assert [fired.kind for fired in scene.peer.fired] == ["latency", "silence"]


def test_what_was_withheld_from_the_server_reaches_it_with_a_new_plan() -> None:
    scene = Scene(faults.slow_reader(10))
    for text in "ab":
        scene.peer.receive(text, START)
    scene.peer.set_plan(None)
    assert scene.heard() == ["a", "b"]


def test_an_end_that_was_withheld_is_seen_with_a_new_plan() -> None:
    for plan in (None, FaultPlan([faults.drop(at=100)])):
        scene = Scene(faults.silence())
        scene.server.hang_up(1001, "bye")
        assert (scene.run(5), scene.peer.closing) == ([], None)
        scene.peer.set_plan(plan)
        assert (scene.run(5), scene.peer.closing) == ([], (1001, "bye"))


def test_a_connection_that_a_fault_has_ended_stays_ended() -> None:
    scene = Scene(faults.timeout(10, at=1)).says(2)
    assert scene.run(5) == []
    scene.peer.set_plan(None)
    assert scene.run(20) == []
    assert scene.peer.closing == (1006, "")


def test_a_plan_that_is_set_before_the_connection_opens_is_the_only_one() -> None:
    server = ScriptedConnection("hello")
    peer = FaultyPeer(server, VirtualClock(START), FaultPlan([faults.drop()]))
    peer.set_plan(FaultPlan([faults.duplicate()]))
    assert peer.fired == []
    peer.connected(START)
    assert peer.messages_to_send() == ["hello", "hello"]


def test_a_new_plan_knows_the_symbols_and_sessions_of_before() -> None:
    start = market_start(1)
    clock = VirtualClock(start)
    peer = FaultyPeer(MarketConnection(Market(1), Manners(reply_delay=0.0)), clock)
    peer.connected(start)
    for payload in (
        '{"m":"quote_create_session","p":["qs_1"]}',
        '{"m":"chart_create_session","p":["cs_1",""]}',
        '{"m":"resolve_symbol","p":["cs_1","sym_1","={\\"symbol\\":\\"BINANCE:BTCUSDT\\"}"]}',
        '{"m":"create_series","p":["cs_1","sds_1","s1","sym_1","1",3,""]}',
    ):
        peer.receive(packet(payload), start)
    peer.handle_deadline(start)
    assert len(peer.messages_to_send()) == 2
    peer.set_plan(FaultPlan([faults.critical_error("no"), faults.close(symbol="BINANCE:BTCUSDT", method="du")]))
    assert peer.messages_to_send() == [packet('{"m":"critical_error","p":["cs_1","no",""]}')]
    for _ in range(1000):
        if peer.closing:
            break
        clock.advance_to(peer.next_deadline() or clock.now())
        peer.handle_deadline(clock.now())
        peer.messages_to_send()
    assert peer.closing == (1000, "")


def test_repr_tells_the_state() -> None:
    server = ScriptedConnection()
    peer = FaultyPeer(server, VirtualClock(START), FaultPlan([faults.drop()]))
    assert repr(peer) == f"<FaultyPeer of {server!r}, None>"
    peer.connected(START)
    assert repr(peer) == f"<FaultyPeer of {server!r}, <FaultFilter open, 1 faults, 0 fired>>"


def test_the_journal_knows_that_the_client_left() -> None:
    with FakeServer(seed=1, speed="max") as server:
        transport = server.connect()
        transport.close(1000, "")
        closed = [entry for entry in server.journal if entry.kind == "closed"]
    assert [(entry.detail, entry.direction) for entry in closed] == [("1000 by the client", "")]
