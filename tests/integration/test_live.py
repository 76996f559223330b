"""The live transport against sockets that misbehave: what users read when a connection fails, and what is kept."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tvstreamer.clock import SystemClock
from tvstreamer.errors import ConnectFailed, TransportClosed, TransportError, TransportTimeout
from tvstreamer.server.listener import Listener
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.websocket_client import WebSocketTransport, connect


@contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A plain socket that hands its one client to `handle`; gives the port."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)

        def run() -> None:
            client, _ = server.accept()
            with client:
                client.settimeout(20)
                handle(client)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        thread.join(20)


def request(client: socket.socket) -> bytes:
    text = b""
    while b"\r\n\r\n" not in text:
        text += client.recv(4096)
    return text


def accept(client: socket.socket) -> None:
    found = re.search(rb"Sec-WebSocket-Key: (\S+)", request(client))
    assert found is not None
    key = base64.b64encode(hashlib.sha1(found[1] + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    client.sendall(
        b"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + key + b"\r\n\r\n"
    )


def dial(port: int, cookie: str | None = None) -> WebSocketTransport:
    return connect(f"ws://127.0.0.1:{port}/?auth=secret", clock=SystemClock(), cookie=cookie, timeout=10)


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", 403, "Origin"),
        (b"HTTP/1.1 429 Too Many Requests\r\n\r\n", 429, "too many"),
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", 302, "redirect"),
        (b"HTTP/1.1 503 Busy\r\n\r\n", 503, "HTTP 503"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", None, "not a WebSocket server"),
        (b"", None, "hung up"),
    ],
)
def test_a_refused_handshake_says_why_and_shows_no_secret(answer: bytes, status: int | None, reason: str) -> None:
    def refuse(client: socket.socket) -> None:
        request(client)
        client.sendall(answer)

    with serving(refuse) as port, pytest.raises(ConnectFailed, match=reason) as caught:
        dial(port, cookie="sessionid=secret")
    assert caught.value.status == status
    assert "secret" not in str(caught.value)


def test_a_port_where_nothing_listens_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(ConnectFailed, match="refused"):
        dial(port)


def test_a_loopback_address_is_never_reached_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    clock = SystemClock()
    with Listener(lambda: (ScriptedConnection("hello"), clock)) as listener:
        transport = connect(listener.url, clock=clock)
        assert transport.recv(20).text == "hello"
        transport.close()


def test_a_frame_in_slices_survives_timeouts_between_them() -> None:
    more = threading.Event()

    def slices(client: socket.socket) -> None:
        accept(client)
        for piece in (b"\x81", b"\x05h", b"el", b"lo"):
            client.sendall(piece)
            more.wait(20)
            more.clear()
        request_end = client.recv(4096)
        assert request_end

    with serving(slices) as port:
        transport = dial(port)
        for _ in range(3):
            with pytest.raises(TransportTimeout):
                transport.recv(0.02)
            more.set()
        assert transport.recv(20).text == "hello"
        more.set()
        transport.close()


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        (b"\x81\x02\xff\xfe", 1007),
        (b"\x81\x7f" + (2**40).to_bytes(8, "big") + b"x", 1009),
        (b"\xf1\x00", 1002),
        (b"\x88\x00", 1005),
        (b"\x88\x05\x0f\xa1bye", 4001),
    ],
)
def test_every_end_of_a_connection_has_its_code(frames: bytes, code: int) -> None:
    def speak(client: socket.socket) -> None:
        accept(client)
        client.sendall(b"\x82\x02ok" + frames)
        while client.recv(4096):
            pass

    with serving(speak) as port:
        transport = dial(port)
        assert transport.recv(20).text == "ok"
        for _ in range(2):
            with pytest.raises(TransportClosed) as caught:
                transport.recv(20)
            assert caught.value.code == code
        transport.close()
        assert repr(transport) == f"<WebSocketTransport ws://127.0.0.1:{port}/?auth=... closed with {code}>"


def test_text_that_is_no_unicode_is_not_sent() -> None:
    clock = SystemClock()
    with Listener(lambda: (ScriptedConnection(), clock)) as listener:
        transport = connect(listener.url, clock=clock)
        with pytest.raises(TransportError, match="lone surrogates"):
            transport.send("\ud800")
        transport.close()
