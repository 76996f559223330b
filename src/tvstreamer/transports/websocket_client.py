"""A live connection over websocket-client's low-level `WebSocket`: the only module that imports that library.

It knows how to open a socket (proxies from the environment, TLS, the handshake) and how to make the library keep the
seven promises of `transports.base`. What the messages mean, and when to connect again, is left to others.

The library has one timeout for both directions, and OpenSSL allows one thread at a time in a connection. So the socket
is non-blocking, and the library gets a `_Wire` in its place: that waits for readability up to the deadline of the
present `recv` and for writability up to `SEND_DEADLINE`, each on its own, and holds its lock only while nothing can
block. When a `recv` runs out of time in the middle of a frame, the library keeps what it has and the next `recv` goes
on from there.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import websocket
from websocket import ABNF

from tvstreamer.addresses import is_loopback
from tvstreamer.auth import require_header_safe
from tvstreamer.clock import Clock
from tvstreamer.constants import DEFAULT_ORIGIN, HOSTS, MAX_MESSAGE, SOCKET_PATH
from tvstreamer.errors import ConnectFailed, TransportClosed, TransportError, TransportTimeout, shorten
from tvstreamer.transports.base import OneReader, Received, TransportInfo

DEFAULT_URL: Final = f"wss://{HOSTS['data']}{SOCKET_PATH}"

SEND_DEADLINE: Final = 30.0
"""Real seconds in which the peer must take at least one byte of what is being sent."""

CLOSE_DEADLINE: Final = 1.0
"""Real seconds that `close` spends on saying goodbye to a peer that takes nothing."""

NO_CODE: Final = 1005
ABNORMAL: Final = 1006
"""What RFC 6455 calls a goodbye without a code, and an end without a goodbye; neither is ever sent."""

_MAX_BYTES: Final = MAX_MESSAGE * 4
_CHUNK: Final = 65_536
_DIGITS: Final = 10
_MOST_SAID: Final = 1_000
_PUBLIC_QUERY: Final = frozenset({"date", "type", "client"})


def connect(
    url: str = DEFAULT_URL,
    *,
    clock: Clock,
    origin: str | None = DEFAULT_ORIGIN,
    headers: Iterable[tuple[str, str]] = (),
    cookie: str | None = None,
    timeout: float = 10.0,
    ssl_context: ssl.SSLContext | None = None,
) -> WebSocketTransport:
    """Opens a connection; `timeout` is in real seconds, for each step of it. With `origin=None` none is sent.

    A proxy is taken from `http_proxy`, `https_proxy` and `no_proxy`, except for
    loopback addresses. TLS certificates are verified unless `ssl_context` says otherwise. Redirects are not followed:
    they would carry the cookie elsewhere. Raises `ConnectFailed`, and `InvalidPlan` for a header that holds control
    characters.
    """
    shown = public_url(url)
    require_header_safe("url", url)
    require_header_safe("origin", origin or "")
    require_header_safe("cookie", cookie or "")
    lines = []
    for name, value in headers:
        require_header_safe("header name", name)
        require_header_safe(f"header {name}", value)
        lines.append(f"{name}: {value}")

    secure = url.lower().startswith("wss:")
    client = _Client(
        sslopt={"context": ssl_context or ssl.create_default_context()} if secure else {},
        skip_utf8_validation=True,
    )
    # A proxy "host" that is exempt for every destination is how the library is told not to look at the environment.
    direct = {"http_proxy_host": "none", "http_no_proxy": ["*"]} if is_loopback(url) else {}
    try:
        client.connect(  # type: ignore[no-untyped-call]
            url,
            origin=origin,
            suppress_origin=origin is None,
            header=lines,
            cookie=cookie,
            timeout=timeout,
            redirect_limit=0,
            **direct,
        )
    except (OSError, websocket.WebSocketException, ValueError) as exc:
        status = getattr(exc, "status_code", None) or client.status
        raise ConnectFailed(
            shown,
            _why_not(exc, status, url, origin, timeout),
            status=status,
            retry_after=_retry_after(exc),
            # Another certificate or address takes another call.
            permanent=isinstance(exc, ssl.SSLCertVerificationError | ValueError),
        ) from exc
    return WebSocketTransport(client, clock, shown)


class WebSocketTransport:
    """An open live connection. One thread may read, any number may send, any may close."""

    def __init__(self, client: _Client, clock: Clock, url: str) -> None:
        self._client = client
        self._clock = clock
        assert client.sock is not None
        self._wire = _Wire(client.sock, clock, self._check_size)
        client.sock = self._wire  # type: ignore[assignment]
        self._reader = OneReader()
        self._state = threading.Lock()
        self._sending = threading.Lock()
        self._over: tuple[int, str] | None = None
        self._send_failed: tuple[int, str] | None = None
        self._info = TransportInfo("live", url, clock.now())

    @property
    def info(self) -> TransportInfo:
        return self._info

    def send(self, message: str) -> None:
        """Sends one text message. Raises `TransportClosed` also when the peer takes nothing for `SEND_DEADLINE`."""
        try:
            data = message.encode()
        except UnicodeEncodeError as exc:
            raise TransportError(f"cannot send {shorten(message)}: expected text without lone surrogates") from exc
        with self._sending:
            failed = self._over or self._send_failed
            if failed:
                raise TransportClosed(*failed)
            try:
                self._client.send(data, ABNF.OPCODE_TEXT)
            except (OSError, websocket.WebSocketException) as exc:
                # A frame may be cut in half now, so nothing can follow it. What the peer has sent can still be read.
                self._send_failed = failed = (1006, f"sending failed: {_describe(exc)}")
                if isinstance(exc, TimeoutError | websocket.WebSocketTimeoutException):
                    self._wire.cut()
                raise TransportClosed(*failed) from exc

    def recv(self, timeout: float | None = None) -> Received:
        try:
            with self._reader.reading():
                return self._recv(timeout)
        finally:
            if self._over:
                self._release()

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Says goodbye and ends the connection, without waiting for the peer's answer. For any thread.

        With 1005 the goodbye has no code, and with 1006 there is none.
        """
        if not self._end(code, reason):
            return
        if self._sending.acquire(timeout=CLOSE_DEADLINE):
            try:
                if self._send_failed is None and code != ABNORMAL:
                    self._wire.send_deadline = CLOSE_DEADLINE
                    self._client.send_goodbye(code, reason.encode(errors="replace")[:123])
            finally:
                self._sending.release()
        self._wire.cut()
        self._release()

    def __repr__(self) -> str:
        state = "open" if self._over is None else f"closed with {self._over[0]}"
        return f"<WebSocketTransport {self._info.url} {state}>"

    def _recv(self, timeout: float | None) -> Received:
        if self._over:
            raise TransportClosed(*self._over)
        self._wire.read_until = None if timeout is None else self._clock.now() + timeout
        try:
            opcode, data = self._client.recv_data()
        except (OSError, websocket.WebSocketException) as exc:
            if self._over:  # closed by another thread meanwhile: that is the reason, not what its `cut` looks like here
                raise TransportClosed(*self._over) from exc
            if isinstance(exc, TimeoutError | websocket.WebSocketTimeoutException):
                raise TransportTimeout(f"no message within {timeout:g} s") from None
            raise self._fail(exc) from exc
        if opcode == ABNF.OPCODE_CLOSE:
            code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else 1005
            self._end(code, data[2:].decode(errors="replace"))
            raise TransportClosed(*(self._over or (code, "")))
        at = self._clock.now()
        try:
            text = data.decode()
        except UnicodeDecodeError as exc:
            problem = f"message is not UTF-8 at byte {exc.start}"
            self.close(1007, problem)
            raise TransportClosed(1007, problem) from exc
        if len(text) > MAX_MESSAGE:
            raise self._fail(_TooLong(len(text)))
        return Received(text, at)

    def _fail(self, exc: Exception) -> TransportClosed:
        """Ends the connection because of what was read, or because nothing can be; returns what to raise."""
        if isinstance(exc, _TooLong):
            code, reason = 1009, str(exc)
        elif isinstance(exc, websocket.WebSocketProtocolException | websocket.WebSocketPayloadException):
            code, reason = 1002, f"the peer broke the WebSocket protocol: {shorten(str(exc))}"
        else:
            self._end(1006, _describe(exc))
            return TransportClosed(*(self._over or (1006, "")))
        self.close(code, reason)
        return TransportClosed(*(self._over or (code, reason)))

    def _check_size(self) -> None:
        """Runs before each read from the socket, when the header of the frame that is being read is known."""
        begun = self._client.cont_frame.cont_data
        size = (self._client.frame_buffer.length or 0) + (len(begun[1]) if begun else 0)
        if size > _MAX_BYTES:
            raise _TooLong(size)

    def _end(self, code: int, reason: str) -> bool:
        """The first end counts. Tells whether this was it."""
        with self._state:
            if self._over is not None:
                return False
            self._over = (code, reason)
            return True

    def _release(self) -> None:
        """Frees the socket, but not under a reader: one that is still there calls this when it leaves."""
        with suppress(TransportError), self._reader.reading(), self._sending:
            self._wire.close()


class _Client(websocket.WebSocket):
    def send_goodbye(self, code: int, reason: bytes) -> None:
        if code != NO_CODE:
            self.send_close(code, reason)
            return
        with suppress(OSError, websocket.WebSocketException):
            self.send(b"", ABNF.OPCODE_CLOSE)

    def send_close(self, status: int = 1000, reason: str | bytes = b"") -> None:
        # A goodbye to a peer that is gone already must not hide the code with which it went.
        with suppress(OSError, websocket.WebSocketException):
            super().send_close(status, reason)


class _TooLong(websocket.WebSocketException):
    def __init__(self, size: int) -> None:
        super().__init__(f"message of {size} or more, expected at most {MAX_MESSAGE} characters")


class _Wire:
    """Stands in for the library's socket. `recv` is for one thread, `send` for one at a time (the library's lock)."""

    def __init__(self, sock: socket.socket, clock: Clock, before_read: Callable[[], None]) -> None:
        sock.setblocking(False)
        self._sock = sock
        self._clock = clock
        self._before_read = before_read
        self._lock = threading.Lock()
        self._readable = selectors.DefaultSelector()
        self._readable.register(sock, selectors.EVENT_READ)
        self._ahead = b""
        self._taken = 0
        self._closed = False
        self.read_until: float | None = None
        self.send_deadline = SEND_DEADLINE

    def recv(self, size: int) -> bytes:
        # The library asks for a frame in three bites; reading ahead spares two system calls of three.
        if self._taken == len(self._ahead):
            self._ahead, self._taken = self._read(), 0
        piece = self._ahead[self._taken : self._taken + size]
        self._taken += len(piece)
        return piece

    def _read(self) -> bytes:
        self._before_read()
        while True:
            try:
                with self._lock:
                    return self._sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError):
                left = None if self.read_until is None else self.read_until - self._clock.now()
                if left is not None and left <= 0:
                    raise TimeoutError("nothing to read") from None
                self._readable.select(left)
            except ssl.SSLWantWriteError:
                self._wait_writable()

    def send(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest:
            try:
                with self._lock:
                    rest = rest[self._sock.send(rest) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                self._wait_writable()
            except ssl.SSLWantReadError:
                # TLS wants to hear from the peer first; the reader may be taking that in, so look again soon.
                self._readable.select(0.01)
        return len(data)

    def _wait_writable(self) -> None:
        with selectors.DefaultSelector() as writable:
            writable.register(self._sock, selectors.EVENT_WRITE)
            if not writable.select(self.send_deadline):
                raise TimeoutError(f"the peer took nothing for {self.send_deadline:g} s")

    def cut(self) -> None:
        """Ends both directions, which wakes whoever waits on this socket."""
        # Not SSLSocket.shutdown: that drops the TLS state under a thread that is using it.
        with suppress(OSError):
            socket.socket.shutdown(self._sock, socket.SHUT_RDWR)

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._readable.close()
            self._sock.close()

    def gettimeout(self) -> float:
        return SEND_DEADLINE

    def settimeout(self, timeout: float | None) -> None:
        """The library's timeout is not used: `read_until` and `send_deadline` are."""

    def fileno(self) -> int:
        return self._sock.fileno()


def public_url(url: str) -> str:
    """The address without user name, password, and those values of the query that may be secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "(malformed address)"
    query = urlencode(
        [(name, value if name in _PUBLIC_QUERY else "...") for name, value in parse_qsl(parts.query, True)], safe=":."
    )
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, query, ""))


def _why_not(exc: Exception, status: int | None, url: str, origin: str | None, timeout: float) -> str:
    if status is not None and status != 101:
        return _why_status(status, origin) + _said(exc)
    match exc:
        case websocket.WebSocketAddressException():
            return "host name not found"
        case websocket.WebSocketProxyException():
            return f"the proxy from the environment did not connect: {shorten(str(exc))}"
        case websocket.WebSocketConnectionClosedException():
            return "the server hung up during the handshake"
        case websocket.WebSocketTimeoutException() | TimeoutError():
            return f"no answer within {timeout:g} s"
        case websocket.WebSocketException():
            return f"what answered is not a WebSocket server: {shorten(str(exc))}"
        case OSError():
            return _describe(exc)
        case _:
            return f"not a WebSocket address, expected ws://HOST[:PORT]/PATH or wss://...: {shorten(str(exc))}"


def _why_status(status: int, origin: str | None) -> str:
    if status == 403:
        sent = "" if origin is None else f" (sent {origin!r})"
        return (
            f"HTTP 403, forbidden: a missing or foreign Origin is refused{sent}, "
            "and so are some networks; expected an Origin of tradingview.com"
        )
    if status == 429:
        return "HTTP 429, too many connection attempts: wait before the next one"
    if status in range(300, 400):
        return f"HTTP {status}, a redirect, which is not followed"
    return f"HTTP {status} instead of a WebSocket handshake"


def _said(exc: Exception) -> str:
    """The first line of an answer that is plain text: a proxy or a fake server says there what is wrong."""
    headers = getattr(exc, "resp_headers", None) or {}
    lines = (getattr(exc, "resp_body", None) or b"")[:_MOST_SAID].decode(errors="replace").splitlines()
    if not lines or not str(headers.get("content-type", "")).startswith("text/plain"):
        return ""
    return f": {shorten(lines[0], 200)}"


def _retry_after(exc: Exception) -> float | None:
    """The seconds of a `Retry-After` in the answer. Its other form, a date, is not used where clients are told to slow down."""
    headers = getattr(exc, "resp_headers", None) or {}
    text = str(headers.get("retry-after", "")).strip()
    return float(text) if text.isascii() and text.isdecimal() and len(text) < _DIGITS else None


def _describe(exc: Exception) -> str:
    match exc:
        case ssl.SSLCertVerificationError():
            return f"TLS certificate not accepted: {exc.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {exc.reason or exc}"
        case ConnectionRefusedError():
            return "connection refused, nothing listens there"
        case ConnectionResetError():
            return "connection reset by the peer"
        case websocket.WebSocketConnectionClosedException():
            return "connection lost"
        case OSError():
            return exc.strerror or str(exc)
        case _:
            return str(exc)
