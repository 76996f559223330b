"""A server's side of a connection that says what a test tells it to, and keeps what it is told.

It speaks no protocol: messages are any text. `ServedTransport` and the listener carry it, as they carry the fake
server's connections.
"""

from __future__ import annotations

import queue
from collections.abc import Callable
from typing import Any

from tvstreamer.errors import TransportClosed, TransportTimeout


class ScriptedConnection:
    """`say` and `hang_up` take effect when the carrier looks next: use its `call` to run them."""

    def __init__(self, *greeting: str, active: bool = True, echo: bool = False) -> None:
        self.active = active
        self.closing: tuple[int, str] | None = None
        self.heard: queue.SimpleQueue[tuple[str | TransportClosed, float]] = queue.SimpleQueue()
        self.connected_at: float | None = None
        self._echo = echo
        self._outgoing = list(greeting)
        self._timed: list[tuple[float, str | tuple[int, str]]] = []

    def say(self, *messages: str) -> None:
        self._outgoing.extend(messages)

    def say_at(self, moment: float, message: str) -> None:
        """Has `message` sent when the connection's clock reaches `moment`."""
        self._plan(moment, message)

    def hang_up(self, code: int, reason: str) -> None:
        self.closing = (code, reason)

    def hang_up_at(self, moment: float, code: int, reason: str) -> None:
        """Hangs up when the connection's clock reaches `moment`."""
        self._plan(moment, (code, reason))

    def _plan(self, moment: float, what: str | tuple[int, str]) -> None:
        self._timed.append((moment, what))
        self._timed.sort(key=lambda timed: timed[0])

    def next_heard(self, timeout: float) -> str:
        """The next message from the client. Raises `TransportClosed` once it is gone, `TransportTimeout` if none came.
        `timeout` is in real seconds."""
        try:
            message, _ = self.heard.get(timeout=timeout)
        except queue.Empty:
            raise TransportTimeout(f"the client sent nothing within {timeout:g} s") from None
        if isinstance(message, TransportClosed):
            self.heard.put((message, 0.0))
            raise message
        return message

    # What the carrier calls.

    def connected(self, now: float) -> None:
        self.connected_at = now

    def receive(self, message: str, at: float) -> None:
        self.heard.put((message, at))
        if self._echo:
            self._outgoing.append(message)

    def messages_to_send(self) -> list[str]:
        messages, self._outgoing = self._outgoing, []
        return messages

    def next_deadline(self) -> float | None:
        return self._timed[0][0] if self._timed else None

    def handle_deadline(self, now: float) -> None:
        while self._timed and self._timed[0][0] <= now:
            _, what = self._timed.pop(0)
            if isinstance(what, str):
                self._outgoing.append(what)
            else:
                self.closing = what

    def disconnected(self, at: float, code: int, reason: str = "") -> None:
        self.heard.put((TransportClosed(code, reason), at))


class ScriptedPeer:
    """The peer that `check_transport` wants, over a `ScriptedConnection` and the `call` of what carries it."""

    def __init__(self, connection: ScriptedConnection, call: Callable[..., Any]) -> None:
        self._connection = connection
        self._call = call

    def send(self, message: str) -> None:
        self._call(self._connection.say, message)

    def recv(self, timeout: float) -> str:
        return self._connection.next_heard(timeout)

    def close(self, code: int, reason: str) -> None:
        self._call(self._connection.hang_up, code, reason)

    def reset(self) -> None:
        self._call(self._connection.hang_up, 1006, "")
