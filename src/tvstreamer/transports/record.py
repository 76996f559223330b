"""A tee: a transport that writes down what passes through it.

What is sent is written before it goes out, and what came before it is handed on. Where the tape cannot be written, the
connection is closed and `TapeWriteError` raised: nothing passes unrecorded.
"""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from functools import partial

from tvstreamer.errors import TapeWriteError, TransportClosed, TransportTimeout
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.transports.base import Connector, Received, Transport, TransportInfo


class RecordingTransport:
    """Records one connection. Stamps that it hands out are those on the tape.

    `now` stamps what is sent, and the end that this side makes unless somebody else knows better (`follow`).
    """

    def __init__(self, inner: Transport, writer: TapeWriter, connection: int, *, now: Callable[[], float]) -> None:
        self._inner = inner
        self._writer = writer
        self._connection = connection
        self._now = now
        self._reached = now
        self._lock = threading.Lock()
        self._ended: TransportClosed | None = None
        """The end of the connection, as it is on the tape."""
        opened_at = writer.opened(connection, inner.info.url, inner.info.opened_at)
        self._info = dataclasses.replace(inner.info, opened_at=opened_at)

    def __repr__(self) -> str:
        return f"<RecordingTransport of {self._inner!r}>"

    @property
    def info(self) -> TransportInfo:
        return self._info

    def send(self, message: str) -> None:
        if self._ended is None:
            self._guard(lambda: self._writer.sent(self._connection, message, self._now()))
        self._inner.send(message)

    def follow(self, reached: Callable[[], float]) -> None:
        self._reached = reached

    def recv(self, timeout: float | None = None) -> Received:
        while True:
            try:
                text, at = self.arrival(timeout)
            except TransportClosed as closed:
                raise self.keep_end(closed) from closed
            stamp = self.keep(text, at)
            if stamp is not None:
                return Received(text, stamp)

    def arrival(self, timeout: float | None = None) -> Received:
        try:
            return self._inner.recv(timeout)
        except TransportTimeout:
            # The source pauses, so what is buffered may as well be safe.
            self._guard(partial(self._writer.flush, self._now()))
            raise

    def keep(self, text: str, at: float) -> float | None:
        with self._lock:
            if self._ended is not None:
                return None
            return self._guard(lambda: self._writer.received(self._connection, text, at))

    def keep_end(self, closed: TransportClosed) -> TransportClosed:
        at = self._now() if closed.at is None else closed.at
        end = self._end(TransportClosed(closed.code, closed.reason, at=at, by_this_side=closed.by_this_side))
        # A new one, as each that is raised gets a cause and a traceback.
        return TransportClosed(end.code, end.reason, at=end.at, by_this_side=end.by_this_side)

    def _end(self, end: TransportClosed) -> TransportClosed:
        """Writes the end of the connection, once, whoever sees it first; the end that was written."""
        assert end.at is not None
        at, by = end.at, "client" if end.by_this_side else "server"
        with self._lock:
            if self._ended is None:
                self._ended = end
                end.at = self._guard(lambda: self._writer.closed(self._connection, end.code, end.reason, by, at))
            return self._ended

    def close(self, code: int = 1000, reason: str = "") -> None:
        try:
            self._end(TransportClosed(code, reason, at=self._reached(), by_this_side=True))
        finally:
            self._inner.close(code, reason)

    def _guard(self, write: Callable[[], float | None]) -> float | None:
        try:
            return write()
        except TapeWriteError:
            self._inner.close(1001, "recording failed")
            raise


def recording(connector: Connector, writer: TapeWriter, *, now: Callable[[], float]) -> Connector:
    """A connector whose connections are all recorded on one tape, numbered from 1."""
    numbers = iter(range(1, 1 << 31))

    def connect() -> Transport:
        inner = connector()
        try:
            return RecordingTransport(inner, writer, next(numbers), now=now)
        except BaseException:
            inner.close()
            raise

    return connect
