"""`Proxy`: any client, in any language, through to any server, recorded and disturbed on the way.

The listener lets the client in once the server behind has; a `Relay` carries the messages. Import it late: it needs anyio,
websockets and websocket-client.
"""

from __future__ import annotations

import os
import random
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from websockets.http11 import Request

from tvstreamer import __version__
from tvstreamer.clock import Clock, SystemClock
from tvstreamer.constants import SOCKET_PATH
from tvstreamer.errors import ConnectFailed, InvalidPlan, InvalidSource, ServerStartError, TapeWriteError, shorten
from tvstreamer.faults import FaultPlan, Fired, plan_of
from tvstreamer.lifetimes import current_watch
from tvstreamer.server.listener import Listener, Wake
from tvstreamer.server.relay import RecordedPeer, Relay
from tvstreamer.sources import socket_url
from tvstreamer.tape.compression import compression_of
from tvstreamer.tape.format import Header
from tvstreamer.tape.parts import Rotation
from tvstreamer.tape.redact import Redactor, new_key
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.transports.websocket_client import WebSocketTransport, connect

TIMEOUT: Final = 8.0
"""Real seconds that the server behind has for its answer to the handshake; the client's own end a little later."""

_LAST_PORT: Final = 65_535
_MOST_CLIENTS_AT_THE_DOOR: Final = 100
_OF_THIS_HOP: Final = frozenset(
    {"host", "connection", "upgrade", "keep-alive", "te", "trailer", "transfer-encoding", "content-length"}
)
_SHORTEST_SECRET: Final = 16
_STATUSES: Final = frozenset(HTTPStatus)


class Proxy:
    """Listens on a port of this machine and passes each client through to the server at `to`.

    `to` is `live`, `live:host=prodata`, or a `ws://` or `wss://` address without a path of its own: path and query are the
    client's, and so are its headers. Messages pass to the letter, closes with their code. What the server refuses
    with a status is refused with that status; a server that cannot be reached is a 502, one that does not answer a 504.

    `to_ca` is a PEM file of authorities that a `wss://` server behind may have its certificate from, besides those that
    the system trusts.

    `record` is the tape to write, with a connection of its own for each client; `rotate` and `fsync` are those of
    `TvWSClient`. `faults` stand between the two, and the tape between them and the client: it has what the client saw.
    """

    def __init__(
        self,
        to: str,
        *,
        to_ca: str | os.PathLike[str] | None = None,
        record: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        rotate: str | None = None,
        fsync: str = "never",
        faults: FaultPlan | str | os.PathLike[str] | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        timeout: float = TIMEOUT,
    ) -> None:
        if not 0 <= port <= _LAST_PORT:
            raise InvalidPlan(f"port {port!r}: expected 0, for a free one, or a number up to {_LAST_PORT}")
        self.to = _server(to)
        self._trust = None if to_ca is None else _trusting(to_ca, self.to)
        self._clock: Clock = SystemClock()
        self._plan = plan_of(faults)
        self._timeout = timeout
        self._lock = threading.Lock()
        self._peers: list[RecordedPeer] = []
        self._refused: list[Fired] = []
        self._count = 0
        self._leaving = False
        self._failure: TapeWriteError | None = None
        self._doors: anyio.CapacityLimiter | None = None
        self._listener = Listener(admit=self._admit, host=host, port=port)
        self._started = False
        self._watch = current_watch()
        self._redactor = Redactor(key=new_key())
        self._writer = None if record is None else self._new_tape(record, overwrite, rotate, fsync)

    def __repr__(self) -> str:
        return f"<Proxy to {self.to}, {self._count} connections so far>"

    def _new_tape(self, record: str | os.PathLike[str], overwrite: bool, rotate: str | None, fsync: str) -> TapeWriter:
        rotation = Rotation() if rotate is None else Rotation.parse(rotate)
        header = Header(start=self._clock.now(), tool=f"tvstreamer {__version__}", url=self.to)
        return TapeWriter(
            record,
            header,
            redactor=self._redactor,
            overwrite=overwrite,
            rotate_bytes=rotation.bytes,
            rotate_seconds=rotation.seconds,
            fsync=fsync,
            compress=compression_of(Path(record)),
        )

    # --- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts to listen, if that has not been done. Raises `ServerStartError`."""
        with self._lock:
            if self._leaving:
                raise ServerStartError(f"{self!r} is closed; make a new one")
            if not self._started:
                self._listener.start()
                self._started = True
                self._watch.opened(self)

    @property
    def url(self) -> str:
        """The address for clients. The first reading binds the port."""
        self.start()
        return self._listener.url

    @property
    def port(self) -> int:
        """The port of `url`."""
        self.start()
        return self._listener.port

    def close(self) -> None:
        """Hangs up on both sides with 1001, and finishes the tape. Safe to repeat. Raises `TapeWriteError`."""
        with self._lock:
            self._leaving = True
        self._watch.closed(self)
        self._listener.stop()
        if self._writer is not None:
            self._writer.finish()
        self.check()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    # --- what happened --------------------------------------------------------------------------------------------

    @property
    def connections(self) -> int:
        """How many clients came so far, those that were refused included."""
        return self._count

    @property
    def messages(self) -> int:
        """How many messages are on the tape."""
        return 0 if self._writer is None else self._writer.messages

    @property
    def fired(self) -> list[Fired]:
        """The faults that fired so far, refused handshakes included, in order of time."""
        with self._lock:
            fired = [*self._refused, *(each for peer in self._peers for each in peer.fired)]
        return sorted(fired, key=lambda each: each.at)

    def check(self) -> None:
        """Raises `TapeWriteError` where the tape could not be written: from then on nobody is let through."""
        if self._failure is not None:
            raise self._failure

    # --- a client comes -------------------------------------------------------------------------------------------

    async def _admit(self, request: Request, wake: Wake) -> tuple[RecordedPeer, Clock]:
        number = self._next_number()
        self._redactor.learn(_secrets(request))
        url = self.to + request.path
        transport = await self._reach(url, _headers(request, self.to))
        relay = Relay(transport, self._clock, wake, self._flush)
        peer = RecordedPeer(
            relay,
            self._clock,
            url=url,
            plan=self._plan,
            number=number,
            writer=self._writer,
            leaving=lambda: self._leaving,
            failed=self._stop_recording,
        )
        with self._lock:
            self._peers.append(peer)
        return peer, self._clock

    def _next_number(self) -> int:
        """The number of the connection that begins. Raises `ConnectFailed` where it may not."""
        with self._lock:
            self._count += 1
            number = self._count
        if self._failure is not None:
            raise ConnectFailed(self.to, "the recording failed", status=HTTPStatus.SERVICE_UNAVAILABLE)
        refusal = self._plan.refusal(number, random.Random)
        if refusal is not None:
            self._refused.append(Fired(self._clock.now(), refusal.kind, str(refusal.status), number))
            problem = f"HTTP {refusal.status}, as the fault plan wants it"
            raise ConnectFailed(self.to, problem, status=refusal.status, retry_after=refusal.retry_after)
        return number

    async def _reach(self, url: str, headers: list[tuple[str, str]]) -> WebSocketTransport:
        """Connects to the server behind, in a thread. Raises `ConnectFailed` with the status that the client is to get."""
        if self._doors is None:
            self._doors = anyio.CapacityLimiter(_MOST_CLIENTS_AT_THE_DOOR)
        # The library's timeout is for each step, so the one that counts is set around all of them.
        attempt = _Attempt(
            partial(
                connect,
                url,
                clock=self._clock,
                origin=None,
                headers=headers,
                timeout=2 * self._timeout,
                ssl_context=self._trust,
            )
        )
        wanted = False
        try:
            with anyio.fail_after(self._timeout):
                transport = await anyio.to_thread.run_sync(attempt.run, abandon_on_cancel=True, limiter=self._doors)
                wanted = True
                return transport
        except TimeoutError:
            problem = f"no answer within {self._timeout:g} s"
            raise ConnectFailed(self.to, problem, status=HTTPStatus.GATEWAY_TIMEOUT) from None
        except ConnectFailed as failed:
            raise _passed_on(failed) from failed
        finally:
            if not wanted:
                attempt.abandon()

    def _flush(self) -> None:
        if self._writer is not None:
            try:
                self._writer.flush(self._clock.now())
            except TapeWriteError as error:
                self._stop_recording(error)

    def _stop_recording(self, error: TapeWriteError) -> None:
        self._failure = self._failure or error


class _Attempt:
    """A connection that is being opened in a thread, and closed again if nobody waits for it any more."""

    def __init__(self, connect: Callable[[], WebSocketTransport]) -> None:
        self._connect = connect
        self._lock = threading.Lock()
        self._made: WebSocketTransport | None = None
        self._abandoned = False

    def run(self) -> WebSocketTransport:
        made = self._connect()
        with self._lock:
            self._made = made
            abandoned = self._abandoned
        if abandoned:
            made.close()
        return made

    def abandon(self) -> None:
        with self._lock:
            self._abandoned = True
            made = self._made
        if made is not None:
            made.close()


def _server(to: str) -> str:
    """Scheme and host of the server behind. Raises `InvalidSource`."""
    # Without what may be a secret in front of the host and behind the path.
    shown = shorten(to.rpartition("@")[2].partition("?")[0])
    url = socket_url(to)
    if url is None:
        raise InvalidSource(f"to {shown}: expected live, live:host=..., ws://HOST[:PORT] or wss://HOST[:PORT]")
    parts = urlsplit(url)
    whole = parts.username is None and parts.hostname and parts.path in ("", "/", SOCKET_PATH)
    if not whole or parts.query or parts.fragment:
        raise InvalidSource(f"to {shown}: expected {parts.scheme}://HOST[:PORT]; user, path and query are the client's")
    return f"{parts.scheme}://{parts.netloc}"


def _trusting(to_ca: str | os.PathLike[str], to: str) -> ssl.SSLContext:
    """The system's trust and that in a file. Raises `InvalidPlan`."""
    if not to.startswith("wss:"):
        raise InvalidPlan(f"to_ca {shorten(os.fspath(to_ca))}: expected a wss:// server behind, not {to}")
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(to_ca)
    except (OSError, ValueError) as exc:
        problem = getattr(exc, "strerror", None) or str(exc)
        raise InvalidPlan(f"to_ca {shorten(os.fspath(to_ca))}: {problem}; expected a PEM file of certificates") from exc
    return context


def _headers(request: Request, to: str) -> list[tuple[str, str]]:
    """The client's headers for the server behind: all but those of the connection to this proxy.

    Most libraries make up an Origin from the address that they connect to. Here that is the proxy's, so it becomes that of
    the server, as it would have been without a proxy between.
    """
    here = request.headers.get_all("Host")
    parts = urlsplit(to)
    there = f"{'https' if parts.scheme == 'wss' else 'http'}://{parts.netloc.rpartition('@')[2]}"
    headers = []
    for name, value in request.headers.raw_items():
        lower = name.lower()
        if lower in _OF_THIS_HOP or lower.startswith(("sec-websocket-", "proxy-")):
            continue
        if lower == "origin" and value.partition("://")[2] in here:
            headers.append((name, there))
        else:
            headers.append((name, value))
    return headers


def _secrets(request: Request) -> Iterator[str]:
    """What in the client's headers is long enough to be a secret, and not a word that may stand anywhere."""
    for name in ("Cookie", "Authorization"):
        for header in request.headers.get_all(name):
            for word in re.split(r"[;\s]+", header):
                value = word.partition("=")[2] if name == "Cookie" else word
                if len(value) >= _SHORTEST_SECRET:
                    yield value


def _passed_on(failed: ConnectFailed) -> ConnectFailed:
    """The failure as the client is to see it: with the server's status if that says why, else as a bad gateway."""
    status = failed.status
    if status is None or status not in _STATUSES or status < HTTPStatus.MULTIPLE_CHOICES:
        status = HTTPStatus.BAD_GATEWAY
    return ConnectFailed(failed.url, str(failed), status=status, retry_after=failed.retry_after)
