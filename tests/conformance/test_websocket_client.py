"""The live transport keeps the promises over a loopback socket, in the clear and over TLS."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from queue import SimpleQueue

import pytest
import trustme
import websockets.exceptions
import websockets.sync.server

from tvstreamer.clock import SystemClock
from tvstreamer.errors import TransportClosed
from tvstreamer.server.listener import Listener
from tvstreamer.testing.conformance import Pair, Unsupported, check_transport
from tvstreamer.testing.scripted import ScriptedConnection, ScriptedPeer
from tvstreamer.transports.websocket_client import connect


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_live_transport_keeps_every_promise_with_our_listener(backend: str) -> None:
    @contextmanager
    def make() -> Iterator[Pair]:
        clock = SystemClock()
        connection = ScriptedConnection()
        with Listener(lambda: (connection, clock), backend=backend) as listener:
            yield connect(listener.url, clock=clock), ScriptedPeer(connection, listener.call)

    assert check_transport(make) == []


class LibraryPeer:
    """The other end as websockets' own threaded server has it: an implementation that is not ours.

    Sending and closing wait for the client there, so they are done in order by a thread of their own.
    """

    def __init__(self, connection: websockets.sync.server.ServerConnection) -> None:
        self._connection = connection
        self._sender = ThreadPoolExecutor(max_workers=1)

    def send(self, message: str) -> None:
        self._sender.submit(self._connection.send, message)

    def recv(self, timeout: float) -> str:
        try:
            return self._connection.recv(timeout, decode=True)
        except websockets.exceptions.ConnectionClosed as exc:
            raise TransportClosed(exc.rcvd.code if exc.rcvd else 1006) from exc

    def close(self, code: int, reason: str) -> None:
        self._sender.submit(self._connection.close, code, reason)

    def reset(self) -> None:
        raise Unsupported("websockets offers no reset")


def test_a_live_transport_keeps_its_promises_over_tls_with_another_server() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)

    @contextmanager
    def make() -> Iterator[Pair]:
        connections: SimpleQueue[websockets.sync.server.ServerConnection] = SimpleQueue()
        finished = threading.Event()

        def handle(connection: websockets.sync.server.ServerConnection) -> None:
            connections.put(connection)
            finished.wait(60)

        with websockets.sync.server.serve(
            handle, "127.0.0.1", 0, ssl=server_side, max_size=None, compression=None
        ) as server:
            thread = threading.Thread(target=server.serve_forever, daemon=True)
            thread.start()
            port = server.socket.getsockname()[1]
            transport = connect(f"wss://127.0.0.1:{port}/", clock=SystemClock(), ssl_context=client_side)
            try:
                yield transport, LibraryPeer(connections.get(timeout=10))
            finally:
                finished.set()
                transport.close()
                server.shutdown()
                thread.join(10)

    assert check_transport(make) == ["a reset is a close with 1006"]
