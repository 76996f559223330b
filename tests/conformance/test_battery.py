"""The battery itself notices a transport that breaks a promise."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from tvstreamer.clock import SystemClock
from tvstreamer.errors import TransportClosed, TransportTimeout
from tvstreamer.testing.conformance import Pair, Unsupported, check_transport
from tvstreamer.testing.scripted import ScriptedConnection, ScriptedPeer
from tvstreamer.transports.base import Received
from tvstreamer.transports.memory import ServedTransport


class Swallows(ServedTransport):
    """Loses empty messages."""

    def recv(self, timeout: float | None = None) -> Received:
        return super().recv(timeout) if (got := super().recv(timeout)).text == "" else got


class LosesOnTimeout(ServedTransport):
    def recv(self, timeout: float | None = None) -> Received:
        got = super().recv(timeout)
        if timeout is not None and 0 < timeout < 0.01:
            raise TransportTimeout("too late")
        return got


class ForgetsTheCode(ServedTransport):
    def recv(self, timeout: float | None = None) -> Received:
        try:
            return super().recv(timeout)
        except TransportClosed as exc:
            raise TransportClosed(1006) from exc


class LeaksAForeignError(ServedTransport):
    def recv(self, timeout: float | None = None) -> Received:
        try:
            return super().recv(timeout)
        except TransportClosed as exc:
            raise ConnectionResetError("leaked") from exc


class SendsIntoTheVoid(ServedTransport):
    def send(self, message: str) -> None:
        try:
            super().send(message)
        except TransportClosed:
            return


class EndsQuietly(ServedTransport):
    """Says the end of the connection with an empty message, as some libraries do."""

    def recv(self, timeout: float | None = None) -> Received:
        try:
            return super().recv(timeout)
        except TransportClosed:
            return Received("", 0.0)


@pytest.mark.parametrize(
    ("broken", "promise"),
    [
        (Swallows, "promise 1"),
        (LosesOnTimeout, "promise 2"),
        (ForgetsTheCode, "promise 3"),
        (EndsQuietly, "promise 3"),
        (SendsIntoTheVoid, "promise 5"),
        (LeaksAForeignError, "promise 6"),
    ],
)
def test_a_broken_promise_is_named(broken: type[ServedTransport], promise: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(promise)):
        check_transport(_maker(broken))


def test_what_a_peer_cannot_do_is_skipped_and_reported() -> None:
    class Mute(ScriptedPeer):
        def send(self, message: str) -> None:
            raise Unsupported("it never speaks")

    def make() -> Pair:
        connection = ScriptedConnection()
        transport = ServedTransport(connection, SystemClock())
        return transport, Mute(connection, transport.call)

    told: list[str] = []
    skipped = check_transport(make, report=told.append)

    assert "a timeout loses nothing" in skipped
    assert "close is idempotent" not in skipped
    assert told == [f"skipped: {name} (it never speaks)" for name in skipped]


def _maker(transport_type: type[ServedTransport]) -> Callable[[], Pair]:
    def make() -> Pair:
        connection = ScriptedConnection()
        transport = transport_type(connection, SystemClock())
        return transport, ScriptedPeer(connection, transport.call)

    return make
