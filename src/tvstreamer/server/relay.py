"""One client's connection through to a real server, in the place of one that a fake server makes up.

`Relay` is carried by the listener on the client's side and carries a transport on the server's: messages go through to the
letter, and so do the code and reason of whoever closes. `RecordedPeer` puts faults and a tape in front of it. The tape
stands next to the client: it has what the client was sent, faults and all, and what it sent itself.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final

from tvstreamer.clock import Clock
from tvstreamer.errors import TapeWriteError, TransportClosed, TransportTimeout
from tvstreamer.faults import FaultPlan
from tvstreamer.faults.stages import Message
from tvstreamer.faults.wire import FirstHalf
from tvstreamer.server.faulty import FaultyPeer
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.transports.base import Transport

ROOM: Final = 8 * 1024 * 1024
"""Characters that may wait for a client; while there are more, the server is not read."""

PAUSE: Final = 0.2
"""Real seconds without a message after which what was recorded goes to the file."""

_GOING_AWAY: Final = 1001


class Relay:
    """What the server behind `transport` says and does, as a served connection.

    One thread reads the transport and one sends, as either may have to wait; both end with the connection.
    """

    active = True

    def __init__(self, transport: Transport, clock: Clock, wake: Callable[[], None], idle: Callable[[], None]) -> None:
        self._transport = transport
        self._clock = clock
        self._wake = wake
        self._idle = idle
        self._lock = threading.Lock()
        self._incoming: deque[str] = deque()
        self._waiting = 0
        self._room = threading.Event()
        self._room.set()
        self._ended: tuple[int, str] | None = None
        self._outgoing: queue.SimpleQueue[str | tuple[int, str]] = queue.SimpleQueue()
        """Messages for the server, then the client's goodbye."""
        self._begin(self._send)

    def __repr__(self) -> str:
        return f"<Relay to {self._transport.info.url}>"

    # --- what the carrier calls -----------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        self._begin(self._read)

    def receive(self, message: str, at: float) -> None:
        self._outgoing.put(message)

    def messages_to_send(self) -> list[str]:
        with self._lock:
            messages = list(self._incoming)
            self._incoming.clear()
            self._waiting = 0
            self._room.set()
        return messages

    def next_deadline(self) -> float | None:
        return None

    def handle_deadline(self, now: float) -> None:
        """Nothing is ever due: the server behind has its own clock."""

    @property
    def closing(self) -> tuple[int, str] | None:
        """The server's goodbye, once all that came before it was taken."""
        with self._lock:
            return None if self._incoming else self._ended

    def disconnected(self, at: float, code: int, reason: str = "") -> None:
        self._outgoing.put((code, reason))

    # --- the server's side ----------------------------------------------------------------------------------------

    @staticmethod
    def _begin(work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="tvstreamer-relay", daemon=True).start()

    def _read(self) -> None:
        while True:
            self._room.wait()
            try:
                message = self._transport.recv(PAUSE).text
            except TransportTimeout:
                self._idle()
                continue
            except TransportClosed as closed:
                with self._lock:
                    self._ended = (closed.code, closed.reason)
                self._wake()
                return
            with self._lock:
                first = not self._incoming
                self._incoming.append(message)
                self._waiting += len(message)
                if self._waiting > ROOM:
                    self._room.clear()
            if first:
                self._wake()

    def _send(self) -> None:
        while True:
            item = self._outgoing.get()
            if isinstance(item, tuple):
                self._transport.close(*item)
                self._room.set()
                return
            try:
                self._transport.send(item)
            except TransportClosed:
                # The reader finds out how it ended; only the client's goodbye is still waited for.
                continue


class RecordedPeer(FaultyPeer[Relay]):
    """A relay behind the faults of a plan, with a tape in front. Nothing passes that could not be recorded.

    `leaving` tells whether the proxy itself is about to end its connections; `failed` is called where the tape cannot be
    written.
    """

    def __init__(
        self,
        relay: Relay,
        clock: Clock,
        *,
        url: str,
        plan: FaultPlan,
        number: int,
        writer: TapeWriter | None,
        leaving: Callable[[], bool],
        failed: Callable[[TapeWriteError], None],
    ) -> None:
        super().__init__(relay, clock, plan, number)
        self._url = url
        self._tape = writer
        self._leaving = leaving
        self._failed = failed
        self._connection = number
        self._broken: tuple[int, str] | None = None

    def connected(self, now: float) -> None:
        self._write(lambda tape: tape.opened(self._connection, self._url, now))
        super().connected(now)

    def receive(self, message: str, at: float) -> None:
        self._write(lambda tape: tape.sent(self._connection, message, at))
        if self._broken is None:
            super().receive(message, at)

    def frames_to_send(self) -> list[Message]:
        frames = super().frames_to_send()
        for frame in frames:
            # Of a message that is cut off in the middle the client sees nothing.
            if not any(isinstance(treatment, FirstHalf) for treatment in frame.wire):
                self._write(partial(TapeWriter.received, connection=self._connection, text=frame.text, at=frame.at))
        return frames if self._broken is None else []

    @property
    def closing(self) -> tuple[int, str] | None:
        return self._broken or super().closing

    def disconnected(self, at: float, code: int, reason: str = "") -> None:
        if self.open:
            by_server = self.closing is not None or self._leaving()
            code, reason = self.closing or (code, reason)
            self._write(lambda tape: tape.closed(self._connection, code, reason, "server" if by_server else "client", at))
        if self._leaving() or self._broken:
            code, reason = _GOING_AWAY, ""
        super().disconnected(at, code, reason)

    def _write(self, write: Callable[[TapeWriter], float]) -> None:
        if self._tape is None or self._broken is not None:
            return
        try:
            write(self._tape)
        except TapeWriteError as error:
            self._broken = (1011, "recording failed")
            self._failed(error)
