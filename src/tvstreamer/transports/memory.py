"""Connections inside one process: a connected pair, and a client's end whose peer is a sans-I/O server connection.

Both work inline, in one thread, and between threads. On a `VirtualClock` nothing blocks inline: a `recv` that finds nothing
moves the clock instead, and raises `TransportTimeout`.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from tvstreamer.clock import Clock, VirtualClock
from tvstreamer.errors import TransportClosed, TransportTimeout
from tvstreamer.transports.base import OneReader, Received, TransportInfo

T = TypeVar("T")

_LONG = 3600.0
"""Seconds of one wait among those that together have no end."""


class ServedPeer(Protocol):
    """A server's side of one connection, without I/O: text and the time go in, text and deadlines come out."""

    def connected(self, now: float) -> None: ...

    def receive(self, message: str, at: float) -> None: ...

    def messages_to_send(self) -> list[str]: ...

    def next_deadline(self) -> float | None: ...

    def handle_deadline(self, now: float) -> None: ...

    def disconnected(self, at: float, code: int, reason: str = "") -> None: ...

    @property
    def closing(self) -> tuple[int, str] | None:
        """Code and reason, once the server wants to close after what it has to send; 1006 means without a goodbye."""
        ...


def pair(clock: Clock, *, url: str = "memory:") -> tuple[MemoryTransport, MemoryTransport]:
    """Two ends of one connection.

    A message that is sent after the peer closed, but before that was read, goes nowhere, as on a network. On a
    `VirtualClock` without other participants, `recv(None)` with nothing there raises `TransportTimeout` at once: nothing
    could ever come.
    """
    lock = threading.Lock()
    left, right = MemoryTransport(clock, lock, url), MemoryTransport(clock, lock, url)
    left._peer, right._peer = right, left
    return left, right


class MemoryTransport:
    """One end of a `pair`."""

    _peer: MemoryTransport

    def __init__(self, clock: Clock, lock: threading.Lock, url: str) -> None:
        self._clock = clock
        self._lock = lock
        self._reader = OneReader()
        self._inbox: deque[Received] = deque()
        self._arrived = clock.event()
        self._peer_closed: tuple[int, str] | None = None
        self._over: tuple[int, str] | None = None
        self._info = TransportInfo("memory", url, clock.now())

    @property
    def info(self) -> TransportInfo:
        return self._info

    def send(self, message: str) -> None:
        with self._lock:
            if self._over:
                raise TransportClosed(*self._over)
            if self._peer_closed is None:
                self._peer._inbox.append(Received(message, self._clock.now()))
                self._peer._arrived.set()

    def recv(self, timeout: float | None = None) -> Received:
        with self._reader.reading():
            until = None if timeout is None else self._clock.now() + timeout
            while True:
                with self._lock:
                    if self._over:
                        raise TransportClosed(*self._over)
                    if self._inbox:
                        return self._inbox.popleft()
                    if self._peer_closed:
                        self._over = self._peer_closed
                        raise TransportClosed(*self._over)
                    self._arrived.clear()
                _wait(self._clock, self._arrived, until)

    def close(self, code: int = 1000, reason: str = "") -> None:
        with self._lock:
            if self._over:
                return
            self._over = (code, reason)
            if self._peer_closed is None:
                self._peer._peer_closed = (code, reason)
            self._inbox.clear()
            self._arrived.set()
            self._peer._arrived.set()

    def __repr__(self) -> str:
        state = "open" if self._over is None else f"closed with {self._over[0]}"
        return f"<MemoryTransport {state}, {len(self._inbox)} waiting>"


class ServedTransport:
    """A client's end whose peer is a `ServedPeer` object, stepped by whoever reads and sends here.

    The peer's deadlines fire while the client waits in `recv`. On a `VirtualClock` each fires at its own time, which is
    also the `at` of what it sends; on a real or scaled clock it fires when its time has come. `recv(None)` on a
    `VirtualClock` without other participants raises `TransportTimeout` at once when the peer has nothing queued and no
    deadline.
    """

    def __init__(self, peer: ServedPeer, clock: Clock, *, url: str = "memory:") -> None:
        self._peer = peer
        self._clock = clock
        self._lock = threading.RLock()
        self._reader = OneReader()
        self._changed = clock.event()
        self._inbox: deque[Received] = deque()
        self._over: tuple[int, str] | None = None
        self._info = TransportInfo("memory", url, clock.now())
        with self._lock:
            peer.connected(clock.now())
            self._collect(clock.now())

    @property
    def info(self) -> TransportInfo:
        return self._info

    def send(self, message: str) -> None:
        """Hands a message to the peer. One that comes after the peer's close, not yet read here, goes nowhere."""
        with self._lock:
            if self._over:
                raise TransportClosed(*self._over)
            now = self._clock.now()
            deadline = self._peer.next_deadline()
            if deadline is not None and deadline < now:
                # What the peer had to do before this message it has done before it, though nobody has read since.
                self._peer.handle_deadline(now)
            if self._peer.closing is None:
                self._peer.receive(message, now)
            self._collect(now)
            self._changed.set()

    def recv(self, timeout: float | None = None) -> Received:
        clock = self._clock
        with self._reader.reading():
            until = None if timeout is None else clock.now() + timeout
            while True:
                with self._lock:
                    if self._over:
                        raise TransportClosed(*self._over)
                    self._collect(clock.now())
                    if self._inbox:
                        return self._inbox.popleft()
                    if self._peer.closing:
                        self._end(*self._peer.closing)
                        continue
                    deadline = self._peer.next_deadline()
                    now = clock.now()
                    if deadline is not None and deadline <= now:
                        self._peer.handle_deadline(now)
                        self._collect(now)
                        continue
                    self._changed.clear()
                if deadline is None or (until is not None and until < deadline):
                    _wait(clock, self._changed, until)
                elif isinstance(clock, VirtualClock):
                    clock.wait_until(self._changed, deadline)
                else:
                    clock.wait(self._changed, deadline - now)

    def close(self, code: int = 1000, reason: str = "") -> None:
        with self._lock:
            if self._over is None:
                self._inbox.clear()
                self._end(code, reason)
                self._changed.set()

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs `function` while nothing else happens on this connection, then lets a waiting reader look again.

        This is how another thread changes what the peer serves: a price by hand, say.
        """
        with self._lock:
            result = function(*args)
            self._collect(self._clock.now())
            self._changed.set()
            return result

    def __repr__(self) -> str:
        state = "open" if self._over is None else f"closed with {self._over[0]}"
        return f"<ServedTransport {state}, {len(self._inbox)} waiting>"

    def _collect(self, at: float) -> None:
        self._inbox.extend(Received(message, at) for message in self._peer.messages_to_send())

    def _end(self, code: int, reason: str) -> None:
        self._over = (code, reason)
        self._peer.disconnected(self._clock.now(), code, reason)


def _wait(clock: Clock, event: threading.Event, until: float | None) -> None:
    """Waits for the event; raises `TransportTimeout` when `until` comes first, or nothing could ever come."""
    if until is not None:
        now = clock.now()
        if until > now and clock.wait(event, until - now):
            return
        if clock.now() >= until:
            raise TransportTimeout("no message in time")
    elif not isinstance(clock, VirtualClock):
        clock.wait(event, _LONG)
    elif clock.alone:
        raise TransportTimeout("no message, and virtual time alone brings none")
    else:
        # No moment at all, or two who wait for each other would make the clock race through the years.
        clock.wait(event, math.inf)
