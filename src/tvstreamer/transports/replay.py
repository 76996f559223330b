"""A tape as a transport: what was received comes again, at its own times, with the ids of whoever listens now.

The clock decides the pace: a `VirtualClock` jumps from record to record, a `ScaledClock` started at the tape's beginning
plays in real time or N times as fast. Either way the stamps handed out are the recorded ones.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from math import inf
from pathlib import Path

from tvstreamer.clock import Clock
from tvstreamer.errors import TapeExhausted, TransportClosed, TransportTimeout
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.tape.connections import TapedConnection, answering, taped_connections, unanswered
from tvstreamer.tape.format import Header, Record, moment
from tvstreamer.tape.player import Playback
from tvstreamer.tape.reader import TapeReader, scan_sends
from tvstreamer.transports.base import OneReader, Received, TransportInfo


class ReplayTransport:
    """One connection of a tape, matched to what is sent. Raises `TapeMismatch` from `send` for what is not on it."""

    def __init__(self, playback: Playback, header: Header, opened: Record, clock: Clock, name: str) -> None:
        self._playback = playback
        self._header = header
        self._clock = clock
        self._closed = clock.event()
        self._ending: TransportClosed | None = None
        self._reader = OneReader()
        self._lock = threading.Lock()
        self.info = TransportInfo("replay", opened.url or header.url or name, moment(header.start, opened.t))

    def __repr__(self) -> str:
        return f"<ReplayTransport {self.info.url!r}, {'closed' if self._closed.is_set() else 'open'}>"

    @property
    def due(self) -> float | None:
        """When the next message, or the end that the server made, is due; None where nothing is left but the tape's own end."""
        with self._lock:
            record = None if self._ending is not None else self._playback.peek()
        if record is None or (record.k == "close" and record.by == "client"):
            return None
        return moment(self._header.start, record.t)

    def send(self, message: str) -> None:
        if self._closed.is_set() or self._ending is not None:
            raise self._ending or TransportClosed(1000, "closed by this side", by_this_side=True)
        with self._lock:
            self._playback.sent(message)

    def recv(self, timeout: float | None = None) -> Received:
        with self._reader.reading():
            limit = None if timeout is None else self._clock.now() + timeout
            while True:
                if self._closed.is_set():
                    raise TransportClosed(1000, "closed by this side", by_this_side=True)
                if self._ending is not None:
                    raise self._ending
                received = self._next(limit)
                if received is not None:
                    return received

    def _next(self, limit: float | None) -> Received | None:
        with self._lock:
            record = self._playback.peek()
        if record is None:
            self._ending = TransportClosed(1000, "end of tape", by_this_side=True)
            return None
        due = moment(self._header.start, record.t)
        if limit is not None and due > limit:
            if self._clock.wait(self._closed, limit - self._clock.now()):
                return None
            raise TransportTimeout(f"nothing on the tape before {limit:.3f}")
        if due > self._clock.now() and self._clock.wait(self._closed, due - self._clock.now()):
            return None
        if record.k == "close":
            self._ending = TransportClosed(record.code, record.reason, at=due, by_this_side=record.by == "client")
            return None
        with self._lock:
            text = self._playback.take()
        return None if text is None else Received(text, due)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._closed.set()


class ReplayConnector:
    """Hands out those connections of a tape that hold what a client subscribes to, one after the other.

    The first one is looked for at once where there are subscriptions: `TapeMismatch` says that there is none. Later on
    `TapeExhausted` says that there are no more. The clock begins with the tape, or with the first connection where that is
    not the tape's.
    """

    def __init__(
        self, path: Path, clock_from: Callable[[float], Clock], subscriptions: Sequence[Subscription] = ()
    ) -> None:
        self._path = path
        self._wanted = subscriptions
        self._next: TapedConnection | None = None
        self._place = 0
        """Behind the last record of the present connection, among all records."""
        self._reader = TapeReader(path)
        self.header = self._reader.header
        self._records = enumerate(self._reader)
        start = self.header.start
        if subscriptions:
            if not self.more(subscriptions) and self._taped:
                raise unanswered(self._taped, subscriptions)
            first = self._next
            if first is not None and first is not self._taped[0]:
                start = moment(start, first.opened.t)
        self.clock = clock_from(start)

    def __repr__(self) -> str:
        return f"<ReplayConnector {str(self._path)!r}>"

    @cached_property
    def _taped(self) -> list[TapedConnection]:
        return taped_connections(self._path, scan_sends(self._path))

    def more(self, subscriptions: Sequence[Subscription] = ()) -> bool:
        """Whether the tape holds a further connection that answers these, one that begins behind the end of the present one."""
        self._next = answering(self._taped, subscriptions, self._place)
        if self._next is None:
            try:
                # The looks at the tape passed over what is broken, which is told of when it is reached.
                for _ in self._records:
                    pass
            finally:
                self.close()
        return self._next is not None

    def __call__(self) -> ReplayTransport:
        if self._next is None:
            self.more(self._wanted)
        taped, self._next = self._next, None
        if taped is None:
            raise TapeExhausted(f"{self._path}: the tape holds no further connection")
        self._place = taped.end
        playback = Playback(taped.number, self._of(taped), taped.offers)
        return ReplayTransport(playback, self.header, taped.opened, self.clock, self._path.name)

    def close(self) -> None:
        """Closes the file."""
        self._reader.close()

    def _of(self, taped: TapedConnection) -> Iterator[Record]:
        """What the tape holds of a connection. Where others come behind it is read to its last record, and no further."""
        limit = taped.end if any(each.begin >= taped.end for each in self._taped) else inf
        for place, record in self._records:
            if record.c == taped.number and record.k != "open":
                yield record
            if place + 1 >= limit:
                return
