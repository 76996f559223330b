"""One HTTP request from bytes, and the bytes of its answer. It does no I/O.

As much of HTTP/1.1 as a test server on loopback needs: any method, a body of known length, one request a connection.
websockets' own reader of requests knows no bodies, and its answers are for handshakes; a request to upgrade is left to it,
byte for byte (`upgrade`, `taken`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from tvstreamer.constants import SOCKET_PATH
from tvstreamer.errors import shorten

MAX_HEAD: Final = 65_536
MAX_BODY: Final = 1_048_576
_MAX_DIGITS: Final = 12
_TEXT: Final = "text/plain; charset=utf-8"
_END: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What was asked for. `path` is decoded, of a repeated name in `query` the last value counts, header names are small."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer; the connection ends with it."""

    status: int
    body: str = ""
    content_type: str = _TEXT
    headers: tuple[tuple[str, str], ...] = ()

    def parts(self) -> tuple[list[tuple[str, str]], bytes]:
        """All headers, and the body."""
        body = self.body.encode("utf-8", "replace")
        usual = [
            ("Server", "tv"),
            ("Content-Type", self.content_type),
            ("Content-Length", str(len(body))),
            ("Connection", "close"),
        ]
        return [*usual, *self.headers], body

    def encode(self, *, head_only: bool = False) -> bytes:
        """The bytes of the answer, without its body for a HEAD request."""
        headers, body = self.parts()
        first = f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"
        lines = [first, *(f"{name}: {value}" for name, value in headers)]
        return "\r\n".join(lines).encode("latin-1", "replace") + _END + (b"" if head_only else body)


def json_response(status: int, value: Any) -> HttpResponse:
    """An answer in compact JSON, with a newline at its end for whoever reads it in a terminal."""
    return HttpResponse(status, msgspec.json.encode(value).decode() + "\n", "application/json; charset=utf-8")


def not_allowed(request: HttpRequest, *allowed: str) -> HttpResponse | None:
    """The answer to a request with another method than these; None where it is one of them."""
    if request.method in allowed:
        return None
    problem = f"method {shorten(request.method)}: expected {' or '.join(allowed)}\n"
    return HttpResponse(405, problem, headers=(("Allow", ", ".join(allowed)),))


def otherwise(request: HttpRequest) -> HttpResponse:
    """The answer where nobody else has one."""
    if request.path == "/ping":
        return not_allowed(request, "GET", "HEAD") or HttpResponse(200, "pong\n")
    if request.path == SOCKET_PATH:
        return HttpResponse(426, "here is a WebSocket, and only that\n", headers=(("Upgrade", "websocket"),))
    return HttpResponse(404, f"nothing at {shorten(request.path)}; the WebSocket is at {SOCKET_PATH}\n")


class BadRequest(Exception):
    """A request that cannot be answered but with a status and what is wrong with it."""

    def __init__(self, status: int, problem: str) -> None:
        super().__init__(status, problem)
        self.status = status
        self.problem = problem


class RequestReader:
    """Takes bytes until there is a request in them."""

    def __init__(self) -> None:
        self.taken = bytearray()
        self.upgrade = False
        """Whether the head asks for a WebSocket; then `taken` is for whoever speaks that."""
        self.waits = False
        """Whether the client wants to hear `100 Continue` before it sends its body."""
        self._head: HttpRequest | None = None
        self._begin = 0
        self._length = 0

    def feed(self, data: bytes) -> HttpRequest | None:
        """The request, once it is whole. Raises `BadRequest`."""
        self.taken += data
        if self._head is None and not self._read_head():
            return None
        assert self._head is not None
        body = bytes(self.taken[self._begin : self._begin + self._length])
        self.waits = self.waits and not body
        if self.upgrade or len(body) < self._length:
            return None
        head = self._head
        return HttpRequest(head.method, head.path, head.query, head.headers, body)

    def _read_head(self) -> bool:
        end = self.taken.find(_END)
        if (len(self.taken) if end < 0 else end) > MAX_HEAD:
            raise BadRequest(431, f"a head of more than {MAX_HEAD} bytes")
        if end < 0:
            return False
        first, *lines = self.taken[:end].decode("latin-1").split("\r\n")
        words = first.split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            raise BadRequest(400, f"request line {shorten(first)}: expected METHOD PATH HTTP/1.1")
        headers = _headers(lines)
        try:
            parts = urlsplit(words[1])
        except ValueError:
            raise BadRequest(400, f"path {shorten(words[1])}: expected one like /ping") from None
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._head = HttpRequest(words[0], unquote(parts.path), query, headers)
        self._begin = end + len(_END)
        self._length = _length(headers)
        self.upgrade = "websocket" in headers.get("upgrade", "").lower()
        self.waits = headers.get("expect", "").lower() == "100-continue"
        return True


def _headers(lines: list[str]) -> dict[str, str]:
    """Values of a repeated name are joined, as they may be by any proxy on the way."""
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            # Without what stands there: it may be a token.
            raise BadRequest(400, "a header line that is not NAME: VALUE")
        name, value = name.lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequest(411, "a body in chunks: expected one with a Content-Length")
    text = headers.get("content-length", "0")
    if not (text.isascii() and text.isdecimal() and len(text) <= _MAX_DIGITS):
        raise BadRequest(400, f"Content-Length {shorten(text)}: expected a number of bytes")
    if int(text) > MAX_BODY:
        raise BadRequest(413, f"a body of {int(text)} bytes: expected at most {MAX_BODY}")
    return int(text)
