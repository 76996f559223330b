"""What a transport is, and what every one of them promises.

A transport moves **messages**: whole WebSocket text messages, as `str`. Live sockets, tapes, the in-memory pair and the
recording tee all are transports, so that everything above does not know which one it talks to. The promises, which
`tvstreamer.testing.conformance.check_transport` tests one by one:

1. Messages arrive whole, in order and unchanged: empty ones, astral characters, a megabyte.
2. `recv(timeout)` raises `TransportTimeout` when nothing came; a timeout loses nothing. `recv(0)` polls.
3. After the peer closed, messages already received are still handed out, then each `recv` raises
   `TransportClosed(code, reason)`.
4. `close` is idempotent, may be called from any thread, and wakes a blocked `recv`.
5. `send` after close raises `TransportClosed`.
6. Nothing but `TransportError` and its subclasses escapes; the original is the `__cause__`. (A tape as a transport
   also raises `TapeError`.)
7. One reader and one writer may run at once; a second reader gets `TransportBusy`, not a torn stream.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

from tvstreamer.errors import TransportBusy, TransportClosed


class Received(NamedTuple):
    """A message, and when it arrived on the connection's clock (seconds since the epoch)."""

    text: str
    at: float


@dataclass(frozen=True, slots=True)
class TransportInfo:
    """What is known of a connection from its beginning.

    `kind` is `live`, `memory`, `replay` or `record`'s inner one; `opened_at` is on the connection's clock. `url` holds
    no secret.
    """

    kind: str
    url: str
    opened_at: float


class Transport(Protocol):
    """One open connection. The module's docstring says what it promises."""

    def send(self, message: str) -> None: ...

    def recv(self, timeout: float | None = None) -> Received: ...

    def close(self, code: int = 1000, reason: str = "") -> None: ...

    @property
    def info(self) -> TransportInfo: ...


@runtime_checkable
class Tee(Transport, Protocol):
    """A transport that writes down what passes, and whose `recv` may be taken apart: a wait, and what makes a message part of
    the recording. Whoever does the second only when nobody can come between handles messages and sends in the tape's order.
    """

    def follow(self, reached: Callable[[], float]) -> None:
        """Takes who knows up to which moment everything has been handled: an end that this side makes is written down with that.
        Were it the moment of the call, a replay would do what was due meanwhile, and has not been done."""

    def arrival(self, timeout: float | None = None) -> Received:
        """The next message, of which nothing is written yet. Raises what `recv` raises."""

    def keep(self, text: str, at: float) -> float | None:
        """Writes a message down; gives its stamp. None where the end of the connection is on the tape already: it came too
        late, and is not to be handled."""

    def keep_end(self, closed: TransportClosed) -> TransportClosed:
        """Writes the end of the connection down, which `arrival` told; gives the end that is on the tape, as another thread may
        have closed before."""


class Connector(Protocol):
    """Opens a connection, and another one each time it is called again."""

    def __call__(self) -> Transport: ...


class OneReader:
    """Lets one thread read and turns a second one away (promise 7)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[None]:
        if not self._lock.acquire(blocking=False):
            raise TransportBusy("another thread is reading from this transport")
        try:
            yield
        finally:
            self._lock.release()
