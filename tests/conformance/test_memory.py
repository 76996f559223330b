"""The in-memory transports keep the promises: both ends of a pair, and a client's end served by an object."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tvstreamer.clock import SystemClock
from tvstreamer.testing.conformance import Pair, check_transport
from tvstreamer.testing.scripted import ScriptedConnection, ScriptedPeer
from tvstreamer.transports.base import Transport
from tvstreamer.transports.memory import ServedTransport, pair


class OtherEnd:
    """A transport as the peer of another one. `reset` is a close without a goodbye."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def send(self, message: str) -> None:
        self._transport.send(message)

    def recv(self, timeout: float) -> str:
        return self._transport.recv(timeout).text

    def close(self, code: int, reason: str) -> None:
        self._transport.close(code, reason)

    def reset(self) -> None:
        self._transport.close(1006)


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
