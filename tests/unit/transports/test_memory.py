"""What the conformance battery does not cover: virtual time, the peer's deadlines, and how a connection ends."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager

import pytest

from tvstreamer.clock import ScaledClock, SystemClock, VirtualClock
from tvstreamer.errors import TransportClosed, TransportTimeout
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.memory import MemoryTransport, ServedTransport, pair


def test_on_a_virtual_clock_an_empty_recv_moves_time_instead_of_waiting() -> None:
    clock = VirtualClock(1000.0)
    left, _ = pair(clock)
    with pytest.raises(TransportTimeout):
        left.recv(3600.0)
    assert clock.now() == 4600.0


def test_on_a_virtual_clock_an_endless_recv_with_nothing_to_come_times_out_at_once() -> None:
    clock = VirtualClock(1000.0)
    left, _ = pair(clock)
    with pytest.raises(TransportTimeout):
        left.recv()
    assert clock.now() == 1000.0


def test_between_participants_an_endless_recv_waits_for_the_other_end() -> None:
    clock = VirtualClock(1000.0)
    left, right = pair(clock)
    seats = [clock.participant("left"), clock.participant("right")]

    def ask_twice() -> list[object]:
        with seats[0]:
            left.send("one")
            first = left.recv()
            clock.advance(60)
            left.send("two")
            return [first, left.recv()]

    def answer_late() -> list[object]:
        with seats[1]:
            heard = []
            for _ in range(2):
                heard.append(right.recv())
                clock.advance(5)
                right.send(f"heard {heard[-1].text}")
            return heard

    with ThreadPoolExecutor(2) as pool:
        asked, answered = pool.submit(ask_twice), pool.submit(answer_late)
        assert asked.result(20) == [("heard one", 1005.0), ("heard two", 1070.0)]
        assert answered.result(20) == [("one", 1000.0), ("two", 1065.0)]


def test_two_ends_that_wait_for_each_other_are_an_error_and_time_does_not_race_away() -> None:
    clock = VirtualClock(1000.0, patience=0.1)
    seats = [clock.participant(), clock.participant()]

    def listen(end: MemoryTransport, seat: AbstractContextManager[object]) -> None:
        with seat:
            end.recv()

    with ThreadPoolExecutor(2) as pool:
        for told in [pool.submit(listen, end, seat) for end, seat in zip(pair(clock), seats, strict=True)]:
            with pytest.raises(RuntimeError, match="stood at 1000.0 for .* all are idle"):
                told.result(20)


def test_a_message_arrives_when_it_was_sent() -> None:
    clock = VirtualClock(1000.0)
    left, right = pair(clock)
    left.send("now")
    clock.advance(5)
    assert right.recv(0) == ("now", 1000.0)


def test_a_message_to_a_peer_that_has_closed_goes_nowhere_until_the_close_is_read() -> None:
    left, right = pair(VirtualClock())
    right.close(4000, "gone")
    left.send("into the void")
    with pytest.raises(TransportClosed, match="4000: gone"):
        left.recv(0)
    with pytest.raises(TransportClosed, match="4000: gone"):
        left.send("late")


def test_the_first_close_decides_the_code_for_both_ends() -> None:
    left, right = pair(VirtualClock())
    left.close(4001)
    right.close(4002)
    for end, code in ((left, 4001), (right, 4002)):
        with pytest.raises(TransportClosed) as caught:
            end.recv(0)
        assert caught.value.code == code


def test_repr_tells_the_state() -> None:
    left, right = pair(VirtualClock())
    right.send("x")
    assert repr(left) == "<MemoryTransport open, 1 waiting>"
    left.close(4001)
    assert repr(left) == "<MemoryTransport closed with 4001, 0 waiting>"


def test_each_deadline_of_the_peer_fires_at_its_own_virtual_time() -> None:
    clock = VirtualClock(1000.0)
    server = ScriptedConnection("hello")
    server.say_at(1020.0, "second")
    server.say_at(1010.0, "first")
    transport = ServedTransport(server, clock)

    assert [transport.recv(60) for _ in range(3)] == [("hello", 1000.0), ("first", 1010.0), ("second", 1020.0)]


def test_a_deadline_beyond_the_timeout_does_not_fire() -> None:
    clock = VirtualClock(1000.0)
    server = ScriptedConnection()
    server.say_at(1010.0, "later")
    transport = ServedTransport(server, clock)

    with pytest.raises(TransportTimeout):
        transport.recv(9.0)
    assert clock.now() == 1009.0
    assert transport.recv(1.0) == ("later", 1010.0)


def test_an_endless_recv_goes_on_to_the_next_deadline_and_times_out_when_there_is_none() -> None:
    clock = VirtualClock(1000.0)
    server = ScriptedConnection()
    server.say_at(5000.0, "at last")
    transport = ServedTransport(server, clock)

    assert transport.recv() == ("at last", 5000.0)
    with pytest.raises(TransportTimeout):
        transport.recv()


def test_a_deadline_that_was_passed_by_fires_now_and_time_does_not_go_back() -> None:
    clock = VirtualClock(1000.0)
    server = ScriptedConnection()
    server.say_at(1010.0, "late")
    transport = ServedTransport(server, clock)
    clock.advance(50)

    assert transport.recv(0) == ("late", 1050.0)


def test_what_the_peer_had_to_do_before_a_message_it_has_done_before_it_though_nobody_read() -> None:
    clock = VirtualClock(1000.0)
    server = ScriptedConnection(echo=True)
    server.say_at(1010.0, "due")
    server.say_at(1060.0, "not yet")
    transport = ServedTransport(server, clock)
    clock.advance(50)
    transport.send("asked")

    assert [transport.recv(60).text for _ in range(3)] == ["due", "asked", "not yet"]


def test_a_message_to_a_peer_that_hung_up_before_it_goes_nowhere() -> None:
    clock = VirtualClock(1000.0)
    server = ScriptedConnection(echo=True)
    server.hang_up_at(1010.0, 1001, "away")
    transport = ServedTransport(server, clock)
    clock.advance(50)
    transport.send("asked")

    with pytest.raises(TransportClosed):
        transport.recv(60)
    with pytest.raises(TransportClosed):
        server.next_heard(1)  # the first that it hears is the end


def test_between_participants_the_peers_deadlines_fire_at_their_own_times_and_a_call_wakes_the_reader() -> None:
    clock = VirtualClock(1000.0)
    server = ScriptedConnection()
    for moment in (1010.0, 1030.0):
        server.say_at(moment, "timed")
    transport = ServedTransport(server, clock)
    seats = [clock.participant("reader"), clock.participant("hand")]

    def read() -> list[object]:
        with seats[0]:
            return [transport.recv() for _ in range(3)]

    def interrupt() -> None:
        with seats[1]:
            clock.advance(20.5)
            transport.call(server.say, "by hand")

    with ThreadPoolExecutor(2) as pool:
        got = pool.submit(read)
        pool.submit(interrupt).result(20)
        assert got.result(20) == [("timed", 1010.0), ("by hand", 1020.5), ("timed", 1030.0)]


def test_a_close_by_another_participant_ends_a_recv_at_that_moment() -> None:
    clock = VirtualClock(1000.0)
    transport = ServedTransport(ScriptedConnection(), clock)
    seats = [clock.participant("reader"), clock.participant("closer")]

    def read() -> None:
        with seats[0]:
            transport.recv(3600)

    def close() -> None:
        with seats[1]:
            clock.advance(7)
            transport.close()

    with ThreadPoolExecutor(2) as pool:
        told = pool.submit(read)
        pool.submit(close).result(20)
        with pytest.raises(TransportClosed):
            told.result(20)
    assert clock.now() == 1007.0


def test_a_deadline_is_met_exactly_whatever_floats_make_of_the_difference() -> None:
    clock = VirtualClock(0.8)
    server = ScriptedConnection()
    server.say_at(3.9, "due")
    assert ServedTransport(server, clock).recv(60) == ("due", 3.9)


def test_on_a_scaled_clock_the_deadline_is_waited_for() -> None:
    clock = ScaledClock(1000.0, start=1000.0)
    server = ScriptedConnection()
    server.say_at(1010.0, "due")
    transport = ServedTransport(server, clock)

    got = transport.recv(10_000)
    assert got.text == "due"
    assert got.at >= 1010.0


@pytest.mark.parametrize("timeout", [20, None])
def test_on_a_real_clock_what_another_thread_has_the_peer_say_wakes_the_reader(timeout: float | None) -> None:
    server = ScriptedConnection()
    transport = ServedTransport(server, SystemClock())
    threading.Thread(target=transport.call, args=(server.say, "by hand")).start()
    assert transport.recv(timeout).text == "by hand"


def test_the_peer_is_asked_to_close_only_after_all_that_it_had_to_say() -> None:
    server = ScriptedConnection("last words")
    server.hang_up(4000, "done")
    transport = ServedTransport(server, VirtualClock())

    transport.send("too late")
    assert transport.recv(0).text == "last words"
    with pytest.raises(TransportClosed, match="4000: done"):
        transport.recv(0)
    with pytest.raises(TransportClosed, match="4000"):
        server.next_heard(0)


def test_the_peer_is_told_once_that_the_client_has_closed() -> None:
    server = ScriptedConnection()
    transport = ServedTransport(server, VirtualClock(1000.0))
    transport.close(1001)
    transport.close(1000)

    message, at = server.heard.get(timeout=1)
    assert isinstance(message, TransportClosed)
    assert (message.code, at) == (1001, 1000.0)
    assert server.heard.empty()


def test_a_served_transports_repr_tells_the_state() -> None:
    transport = ServedTransport(ScriptedConnection("x"), VirtualClock())
    assert repr(transport) == "<ServedTransport open, 1 waiting>"
    transport.close()
    assert repr(transport) == "<ServedTransport closed with 1000, 0 waiting>"
