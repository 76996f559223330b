"""Listens on a socket and lets sans-I/O server connections talk WebSocket there.

It runs in one background thread: websockets' sans-I/O core on anyio's streams, so that the bytes are in our hands. What
is said, and when a heartbeat is due, is the connection's business; this module carries messages to and fro, fires
deadlines on the connection's clock, and hands plain HTTP to whoever answers it. Import it late: anyio and websockets
take their time.
"""

from __future__ import annotations

import asyncio
import logging
import math
import socket
import ssl
import struct
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import Any, Final, TypeVar

import anyio
import anyio.abc
import anyio.from_thread
import anyio.lowlevel
from anyio.streams.tls import TLSListener, TLSStream
from websockets.datastructures import Headers
from websockets.exceptions import InvalidOrigin
from websockets.exceptions import ProtocolError as WebSocketProtocolError
from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request, Response
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.typing import Origin

from tvstreamer.addresses import is_theirs
from tvstreamer.clock import Clock, VirtualClock
from tvstreamer.constants import MAX_MESSAGE, SOCKET_PATH
from tvstreamer.errors import ConnectFailed, ServerStartError
from tvstreamer.faults.stages import Message
from tvstreamer.faults.wire import writes
from tvstreamer.server.faulty import FaultyPeer, ServedConnection
from tvstreamer.server.http.http11 import BadRequest, HttpRequest, HttpResponse, RequestReader, otherwise
from tvstreamer.server.manners import MOST_UNSENT, SlowClient

logger = logging.getLogger(__name__)

T = TypeVar("T")

HANDSHAKE_DEADLINE: Final = 10.0
"""Real seconds that a client has for its request."""

GOODBYE_DEADLINE: Final = 1.0
"""Real seconds that a client which has said goodbye has to close its socket."""

STOP_DEADLINE: Final = 0.5
"""Real seconds that `stop` gives the clients to answer its goodbye; one that is not reading does not."""

BREATH: Final = 0.05
"""Real seconds after a command in which virtual time waits for the next one."""

_CHUNK: Final = 65_536
_HEAD: Final = 16
"""Characters in which a heartbeat that stands alone is seen as one."""
LEAVE_DEADLINE: Final = 30.0
"""Real seconds that a client has to take what it is to read before a goodbye."""

LOOK: Final = 0.25
"""Real seconds between two looks at those who take nothing."""

_TIMER_STEP: Final = 1e-6
"""What a moment since the epoch, as a float, may be off by, in seconds."""
_FAILED: Final = (1011, "internal error")
_GONE = (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError)


MakeConnection = Callable[[], tuple[ServedConnection, Clock]]
"""Called for each client whose handshake is in order; raises `ConnectFailed` with a status to refuse it nevertheless."""

Wake = Callable[[], None]
"""Makes the listener look at a connection again: for more messages, deadlines, whether it wants to close. For any thread."""

Admit = Callable[[Request, Wake], Awaitable[tuple[ServedConnection, Clock]]]
"""The same as `MakeConnection` for who wants to see the request, or has to wait before it can say yes."""

OnHttp = Callable[[HttpRequest], HttpResponse | None]
"""From a plain request to its answer; None: not mine. It is called in the listener's thread."""


class Listener:
    """Serves each client with a connection of its own, made by `make_connection` or `admit` together with its clock.

    With neither it answers plain HTTP only.

    On a `SystemClock` or `ScaledClock`, deadlines fire when their time has come. On a `VirtualClock`, which then must
    be the connection's own, they fire as fast as the client takes what they send, once the connection is `active`;
    before that only those that are due. `start`, `stop` and `call` are for other threads; the connections never leave
    the listener's.
    """

    def __init__(
        self,
        make_connection: MakeConnection | None = None,
        *,
        admit: Admit | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        strict_origin: bool = False,
        on_http: OnHttp | None = None,
        tls: ssl.SSLContext | None = None,
        slow_client: SlowClient = "drop",
        most_unsent: int = MOST_UNSENT,
        backend: str = "asyncio",
    ) -> None:
        self._admit = admit if make_connection is None else _at_once(make_connection)
        self._host = host
        self._port = port
        self._strict_origin = strict_origin
        self._on_http = on_http
        self._tls = tls
        self._slow = (slow_client, most_unsent)
        self._backend = backend
        self._thread: threading.Thread | None = None
        self._portal: anyio.from_thread.BlockingPortal | None = None
        self._stopping: anyio.Event | None = None
        self._soon: Callable[[Callable[[], None]], object]
        self._clients: set[_Client] = set()

    def start(self) -> None:
        """Listens from here on. Raises `ServerStartError` when the address cannot be had."""
        if self._thread is not None:
            return
        started: Future[int] = Future()
        thread = threading.Thread(target=self._run, args=(started,), name="tvstreamer-listener", daemon=True)
        thread.start()
        try:
            self._port = started.result()
        except OSError as exc:
            thread.join()
            problem = exc.strerror or str(exc)
            raise ServerStartError(f"cannot listen on {self._host}:{self._port}: {problem}") from exc
        self._thread = thread

    def stop(self) -> None:
        """Closes all connections with 1001 and stops listening. Returns within a few seconds; may be called again."""
        thread, self._thread = self._thread, None
        if thread is None or self._portal is None or self._stopping is None:
            return
        with suppress(RuntimeError):  # the portal is closed already: the thread ended by itself
            self._portal.start_task_soon(self._stopping.set)
        thread.join(5.0)

    def call(self, function: Callable[..., T], *args: Any) -> T:
        """Runs `function` in the listener's thread, where all connections live, and returns what it returns.

        Afterwards each connection is asked anew for messages, deadlines and whether it wants to close.
        """
        if self._thread is None or self._portal is None:
            raise ServerStartError(f"the listener on {self._host}:{self._port} is not running")
        return self._portal.call(self._call, partial(function, *args))

    def _call(self, function: Callable[[], T]) -> T:
        try:
            return function()
        finally:
            for client in self._clients:
                client.wake()
                client.look()

    @property
    def port(self) -> int:
        """The port, once `start` has returned; before that what was asked for."""
        return self._port

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        scheme = "ws" if self._tls is None else "wss"
        return f"{scheme}://{host}:{self._port}{SOCKET_PATH}"

    def __enter__(self) -> Listener:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def __repr__(self) -> str:
        state = "stopped" if self._thread is None else f"{len(self._clients)} connected"
        return f"<Listener {self._host}:{self._port} {state}>"

    def _run(self, started: Future[int]) -> None:
        try:
            anyio.run(self._main, started, backend=self._backend)
        except BaseException as exc:
            if started.done():
                raise
            started.set_exception(exc)

    async def _main(self, started: Future[int]) -> None:
        listener = await anyio.create_tcp_listener(local_host=self._host, local_port=self._port)
        async with listener, anyio.from_thread.BlockingPortal() as portal, anyio.create_task_group() as clients:
            self._portal, self._stopping, self._soon = portal, anyio.Event(), _runner(self._backend)
            if self._tls is None:
                clients.start_soon(listener.serve, self._serve, clients)
            else:
                secure = _TlsListener(listener, self._tls, standard_compatible=False, handshake_timeout=HANDSHAKE_DEADLINE)
                clients.start_soon(secure.serve, self._serve, clients)
            clients.start_soon(self._look_after)
            started.set_result(listener.extra(anyio.abc.SocketAttribute.local_port))
            await self._stopping.wait()
            for client in self._clients:
                client.leave(1001, "server stops")
            with anyio.move_on_after(STOP_DEADLINE):
                while self._clients:
                    await next(iter(self._clients)).ended.wait()
            clients.cancel_scope.cancel()

    def _wake(self, client: _Client) -> None:
        # Not by the portal, which waits until it was done: a loop that is about to end might never do it.
        with suppress(RuntimeError):  # the loop is closed: there is nobody left to be woken
            self._soon(client.wake)

    async def _look_after(self) -> None:
        """Sees to those who take nothing; all others see to themselves."""
        while True:
            await anyio.sleep(LOOK)
            for client in self._clients:
                client.look()

    async def _serve(self, stream: anyio.abc.ByteStream) -> None:
        client = _Client(stream, self._strict_origin, self._admit, self._wake, self._slow)
        self._clients.add(client)
        try:
            if self._stopping is not None and not self._stopping.is_set():
                await client.run(self._on_http)
        except _GONE:
            logger.debug("= a client went away during the handshake")
        except Exception:
            # A fault in one connection's code must not take the other clients down with it.
            logger.exception("! %s failed", client.name)
        finally:
            self._clients.discard(client)
            client.let_go()
            client.ended.set()
            await anyio.aclose_forcefully(stream)


class _Client:
    """One socket: its handshake, then a task that reads and a task that writes and fires deadlines.

    The reader never writes, so that a client which sends a lot before it reads cannot block both sides.
    """

    def __init__(
        self,
        stream: anyio.abc.ByteStream,
        strict_origin: bool,
        admit: Admit | None,
        wake: Callable[[_Client], None],
        slow: tuple[SlowClient, int],
    ) -> None:
        self.ended = anyio.Event()
        self._stream = stream
        self._admission = admit
        self._wake_from_anywhere = partial(wake, self)
        self._made: tuple[ServedConnection, Clock] | None = None
        self._slow_client, self._most_unsent = slow
        self._sending = False
        self._leaving = math.inf
        """Since when it is to be told goodbye, and has not taken what comes before."""
        self._served: tuple[FaultyPeer[Any], Clock, anyio.CancelScope] | None = None
        self._websocket = _WebSocket(strict_origin)
        self._writing = anyio.Lock(fast_acquire=True)
        self._woken = anyio.Event()
        self._thawed = anyio.Event()
        self._greeting = anyio.CancelScope()
        self._heard = float("-inf")
        """When the client last asked for something."""
        self._goodbye: tuple[int, str] | None = None
        self._failure: Exception | None = None
        """What went wrong while nothing could be written."""
        self._early: list[Any] = []
        self._fragments: list[bytes] = []

    async def run(self, on_http: OnHttp | None) -> None:
        upgraded = False
        with self._greeting, suppress(anyio.EndOfStream):
            with anyio.move_on_after(HANDSHAKE_DEADLINE):
                upgraded = await self._greet(on_http)
                if not upgraded:
                    await self._linger(GOODBYE_DEADLINE)
        if self._made is None or not upgraded or self._greeting.cancel_called:
            return
        (made, clock), self._made = self._made, None
        connection: FaultyPeer[Any] = made if isinstance(made, FaultyPeer) else FaultyPeer(made, clock)
        try:
            async with anyio.create_task_group() as tasks:
                self._served = (connection, clock, tasks.cancel_scope)
                connection.connected(clock.now())
                tasks.start_soon(self._write, connection, clock, tasks.cancel_scope)
                await self._read(connection, clock)
                tasks.cancel_scope.cancel()
        except* _GONE:
            logger.debug("= a client went away without a goodbye")
        except* Exception:
            self._goodbye = self._goodbye or _FAILED
            with anyio.CancelScope(shield=True), anyio.move_on_after(GOODBYE_DEADLINE), suppress(*_GONE):
                self._websocket.fail(*_FAILED)
                await self._put()
            raise
        finally:
            now = clock.now()
            if self._goodbye is not None:
                connection.give_up(*self._goodbye, now)
            connection.disconnected(now, *self._how_it_ended())
        if self._failure is not None:
            raise self._failure

    @property
    def name(self) -> str:
        """What to call it: a connection goes by the number that it has in the journal."""
        return "a request" if self._served is None else f"connection {self._served[0].number}"

    def wake(self) -> None:
        self._woken.set()

    def let_go(self) -> None:
        """Ends a connection that was made for a client which was gone before it could begin."""
        if self._made is not None:
            connection, clock = self._made
            connection.disconnected(clock.now(), 1006)

    def look(self) -> None:
        """Lets time pass for a client that is being sent something and does not take it, and ends it when it is too slow.

        On a virtual clock time passes as fast as the client reads, so there is no such thing as being slow.
        """
        if self._served is None or not self._sending:
            return
        connection, clock, _ = self._served
        if isinstance(clock, VirtualClock):
            return
        if connection.closing is not None:
            # What it is to read before the goodbye it may read at its own pace, but not for ever.
            self._leaving = min(self._leaving, anyio.current_time())
            if anyio.current_time() - self._leaving > LEAVE_DEADLINE:
                self._cut(connection.closing)
            return
        now = clock.now()
        try:
            connection.let_time_pass(now, most_unsent=self._most_unsent)
        except Exception as error:
            # It is raised where this client alone is served, as whoever looks here looks after all of them.
            self._failure = error
            self._cut(_FAILED)
            return
        if self._slow_client == "drop" and connection.unsent > self._most_unsent:
            connection.give_up(1013, f"too slow: {connection.unsent} characters unsent", now)
        if connection.closing is not None:
            self._cut(connection.closing)

    def _cut(self, why: tuple[int, str]) -> None:
        """Ends the connection without a goodbye: to get one, the client would have to read."""
        self._goodbye = why
        self._reset()
        if self._served is not None:
            self._served[2].cancel()

    def _reset(self) -> None:
        """With no time to linger, closing the socket resets the connection."""
        raw = self._stream.extra(anyio.abc.SocketAttribute.raw_socket)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def leave(self, code: int, reason: str) -> None:
        """Makes the client say goodbye as soon as its writer gets to it; ends a handshake at once."""
        self._goodbye = self._goodbye or (code, reason)
        self._greeting.cancel()
        self._woken.set()
        self._thawed.set()

    async def _greet(self, on_http: OnHttp | None) -> bool:
        """Reads the request and answers it; whether it became a WebSocket."""
        reader = RequestReader()
        request = None
        try:
            while request is None and not reader.upgrade:
                request = reader.feed(await self._stream.receive(_CHUNK))
                if reader.waits:
                    reader.waits = False
                    await self._stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        except BadRequest as bad:
            await self._respond(HttpResponse(bad.status, f"{bad.problem}\n"))
            return False
        if request is None:
            return await self._upgrade(bytes(reader.taken))
        response = (on_http(request) if on_http else None) or otherwise(request)
        await self._respond(response, head_only=request.method == "HEAD")
        return False

    async def _respond(self, response: HttpResponse, *, head_only: bool = False) -> None:
        await self._stream.send(response.encode(head_only=head_only))
        await self._end()

    async def _upgrade(self, head: bytes) -> bool:
        self._websocket.receive_data(head)
        events = self._websocket.events_received()
        if events:
            request, *self._early = events
            assert isinstance(request, Request)
            response = self._websocket.accept(request)
            if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
                response = await self._admit(request) or response
            response.headers["Server"] = "tv"
            self._websocket.send_response(response)
        await self._put()
        return self._websocket.state is OPEN

    async def _admit(self, request: Request) -> Response | None:
        """Makes the connection; where it is refused, the answer that says so."""
        if self._admission is None:
            return self._websocket.reject(HTTPStatus.NOT_FOUND, "no WebSocket here\n")
        try:
            self._made = await self._admission(request, self._wake_from_anywhere)
        except ConnectFailed as refused:
            response = self._websocket.reject(HTTPStatus(refused.status or 503), f"{refused.reason}\n")
            if refused.retry_after is not None:
                response.headers["Retry-After"] = str(math.ceil(refused.retry_after))
            return response
        return None

    def _how_it_ended(self) -> tuple[int, str]:
        """The close code and the reason of whoever closed first; 1006 when the client vanished."""
        if self._goodbye is not None:
            return self._goodbye
        close = self._websocket.close_sent if self._websocket.parser_exc else self._websocket.close_rcvd
        return (1006, "") if close is None else (int(close.code), close.reason)

    async def _read(self, connection: FaultyPeer[Any], clock: Clock) -> None:
        """Until the client is gone."""
        events, self._early = self._early, []
        while True:
            for event in events:
                if isinstance(event, Frame) and event.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
                    self._take(event, connection, clock)
            self._woken.set()
            if self._websocket.eof_sent:
                break
            try:
                await self._thaw(connection)
                data = await self._stream.receive(_CHUNK)
                # It may have waited for this when it became half open; then it is not looked at before that is over.
                await self._thaw(connection)
                self._websocket.receive_data(data)
            except anyio.EndOfStream:
                self._websocket.receive_eof()
                break
            events = self._websocket.events_received()
        with anyio.move_on_after(GOODBYE_DEADLINE), suppress(*_GONE):
            await self._put()
        await self._linger(GOODBYE_DEADLINE)

    async def _thaw(self, connection: FaultyPeer[Any]) -> None:
        """Waits while the connection is half open, or too much of what it asked for already is unsent."""
        while (connection.half_open or connection.unsent > self._most_unsent) and self._goodbye is None:
            self._thawed = anyio.Event()
            await self._thawed.wait()

    def _take(self, frame: Frame, connection: ServedConnection, clock: Clock) -> None:
        self._fragments.append(bytes(frame.data))
        if not frame.fin:
            return
        data, self._fragments = b"".join(self._fragments), []
        try:
            text = data.decode()
        except UnicodeDecodeError as exc:
            if not self._websocket.eof_sent:
                self._websocket.fail(1007, f"message is not UTF-8 at byte {exc.start}")
                self._goodbye = self._goodbye or (1007, "")
            return
        if connection.closing is None and self._goodbye is None:
            if "~h~" not in text[:_HEAD]:
                self._heard = anyio.current_time()
            connection.receive(text, clock.now())

    async def _write(self, connection: FaultyPeer[Any], clock: Clock, client: anyio.CancelScope) -> None:
        try:
            goodbye = await self._serve(connection, clock)
            self._goodbye = goodbye
            await self._say_goodbye(*goodbye)
            client.cancel()
        except _GONE:
            # The reader is left to find out how the client went: its goodbye may lie unread in the socket.
            logger.debug("= a client takes nothing any more")

    async def _serve(self, connection: FaultyPeer[Any], clock: Clock) -> tuple[int, str]:
        """Sends what there is to send and fires deadlines, until the server wants to close; returns code and reason."""
        virtual = isinstance(clock, VirtualClock)
        factor = getattr(clock, "factor", 1.0)
        while True:
            if self._woken.is_set():
                self._woken = anyio.Event()
            for frame in connection.frames_to_send():
                if self._websocket.state is OPEN:
                    await self._send(frame, math.inf if virtual else factor)
            self._thawed.set()
            goodbye = self._goodbye or connection.closing
            if goodbye is not None:
                return goodbye
            await self._put()
            if virtual:
                # Virtual time runs as fast as the client reads, but its commands must get their turn: what it asks for in one
                # breath belongs to one moment, however the operating system schedules it.
                await anyio.lowlevel.checkpoint()
                rest = self._heard + BREATH - anyio.current_time()
                if rest > 0 and connection.active:
                    with anyio.move_on_after(rest):
                        await self._woken.wait()
                    continue
            deadline = connection.next_deadline()
            if virtual and deadline is not None and connection.active:
                clock.advance_to(deadline)  # type: ignore[attr-defined]
            now = clock.now()
            stands_still = virtual or getattr(clock, "paused", False)
            if deadline is None or (stands_still and deadline > now):
                await self._woken.wait()
            elif deadline > now:
                # Half a turn too early would cost a whole one.
                with anyio.move_on_after((deadline - now) / factor + _TIMER_STEP):
                    await self._woken.wait()
            elif connection.catch_up(now):
                # What was said may be nothing, and then nothing below waits for anything.
                await anyio.lowlevel.checkpoint()

    async def _send(self, frame: Message, factor: float) -> None:
        """Sends a message with the next `_put`, unless its bytes are to suffer something: then now, and as its faults have it."""
        if not frame.wire:
            self._websocket.send_text(frame.text.encode())
            return
        await self._put()
        async with self._writing:
            self._websocket.send_text(frame.text.encode())
            for data, pause in writes(b"".join(self._websocket.data_to_send()), frame.wire):
                await self._stream.send(data)
                await anyio.sleep(pause / factor)

    async def _say_goodbye(self, code: int, reason: str) -> None:
        if code == 1006:
            await self._put()
            self._reset()
            return
        if self._websocket.state is OPEN:
            try:
                if code == CloseCode.NO_STATUS_RCVD:
                    self._websocket.send_close()
                else:
                    self._websocket.send_close(code, reason)
            except WebSocketProtocolError:
                self._websocket.send_close(1011, f"no close code: {code}")
        await self._put()
        # The reader ends the connection when the client has answered, however long it takes to read what came before.
        await anyio.sleep_forever()

    async def _put(self) -> None:
        if not self._websocket.writes:
            return
        async with self._writing:
            pieces = self._websocket.data_to_send()
            data = b"".join(pieces)
            if data:
                self._sending = True
                await self._stream.send(data)
                self._sending = False
            if b"" in pieces:
                await self._end()

    async def _end(self) -> None:
        # anyio cannot half-close a TLS connection; there the client has to go by what was said.
        if not isinstance(self._stream, TLSStream):
            await self._stream.send_eof()

    async def _linger(self, seconds: float) -> None:
        """Reads until the client has closed too: to close a socket with unread data is to reset it."""
        with anyio.move_on_after(seconds), suppress(anyio.EndOfStream, *_GONE):
            while True:
                await self._stream.receive(_CHUNK)


class _TlsListener(TLSListener):
    """One that takes a client which does not trust it, or does not speak TLS, for nothing unusual."""

    @staticmethod
    async def handle_handshake_error(exc: BaseException, stream: anyio.abc.AnyByteStream) -> None:
        await anyio.aclose_forcefully(stream)
        if not isinstance(exc, Exception):
            raise exc
        logger.debug("= no TLS with a client: %s", exc)


def _runner(backend: str) -> Callable[[Callable[[], None]], object]:
    """What has a function run in the event loop of this thread, asked from any other thread."""
    if backend == "trio":
        import trio

        return trio.lowlevel.current_trio_token().run_sync_soon
    return asyncio.get_running_loop().call_soon_threadsafe


def _at_once(make_connection: MakeConnection) -> Admit:
    async def admit(request: Request, wake: Wake) -> tuple[ServedConnection, Clock]:
        return make_connection()

    return admit


class _WebSocket(ServerProtocol):
    """Lenient about `Origin`: some clients send two, most of those that are not browsers none."""

    def __init__(self, strict_origin: bool) -> None:
        super().__init__(max_size=MAX_MESSAGE, logger=logger)
        self._strict_origin = strict_origin
        self.debug = False  # it would log headers, and so the client's cookie

    def process_origin(self, headers: Headers) -> Origin | None:
        origins = headers.get_all("Origin")
        if self._strict_origin and not (len(origins) == 1 and is_theirs(origins[0])):
            raise InvalidOrigin(", ".join(origins) or None)
        return Origin(origins[0]) if origins else None
