"""The in-memory transports keep the promises: both ends of a pair, and a client's end served by an object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tvstreamer.clock import SystemClock
from tvstreamer.testing.conformance import OtherEnd, Pair, check_transport
from tvstreamer.testing.scripted import ScriptedConnection, ScriptedPeer
from tvstreamer.transports.memory import ServedTransport, pair


def test_the_first_end_of_a_pair_keeps_every_promise() -> None:
    @contextmanager
    def make() -> Iterator[Pair]:
        left, right = pair(SystemClock())
        yield left, OtherEnd(right)

    assert check_transport(make) == []


def test_the_second_end_of_a_pair_keeps_every_promise() -> None:
    def make() -> Pair:
        left, right = pair(SystemClock())
        return right, OtherEnd(left)

    assert check_transport(make) == []


def test_a_served_transport_keeps_every_promise() -> None:
    def make() -> Pair:
        connection = ScriptedConnection()
        transport = ServedTransport(connection, SystemClock())
        return transport, ScriptedPeer(connection, transport.call)

    assert check_transport(make) == []
