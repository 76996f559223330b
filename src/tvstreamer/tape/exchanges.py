"""HTTP exchanges on a tape: what an `http` record holds, and what of it is secret.

::

    {"request":{"method":"GET","url":"https://...","headers":[["accept","*/*"]]},
     "response":{"status":200,"reason":"OK","headers":[["content-type","text/html"]],"text":"..."}}

A body is kept to the byte: as `text` where it is readable UTF-8, else as `base64`; one that is empty is left out. Headers are
pairs in order, so that one may occur more than once.
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from tvstreamer.addresses import is_loopback
from tvstreamer.constants import MAX_BODY
from tvstreamer.errors import TapeFormatError, TapeWriteError, shorten
from tvstreamer.tape.redact import Redactor, nameless

Headers = tuple[tuple[str, str], ...]

_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONG: Final = 1 << 20
_METHOD = re.compile(r"[A-Z]{1,20}")
_SESSION = ("sessionid", "sessionid_sign", "device_t")
_SHORTEST: Final = 8
"""Characters of a value that is learned to be secret; a shorter one may stand anywhere by chance."""
_TOKEN = re.compile(r'"auth_token\\?"\s*:\s*\\?"([^"\\]+)')
_WINDOWS: Final = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its answer. Bodies are as they were on the wire, packed if they were."""

    method: str
    url: str
    status: int
    reason: str = ""
    sent_headers: Headers = ()
    sent: bytes = b""
    headers: Headers = ()
    body: bytes = b""

    def __str__(self) -> str:
        return f"{self.method} {shorten(self.url)}"

    def stored(self) -> dict[str, Any]:
        """What stands in a record. Raises `TapeWriteError` for a body that is too long."""
        return {
            "request": {"method": self.method, "url": self.url, **self._part(self.sent_headers, self.sent)},
            "response": {"status": self.status, "reason": self.reason, **self._part(self.headers, self.body)},
        }

    def _part(self, headers: Headers, body: bytes) -> dict[str, Any]:
        if len(body) > MAX_BODY:
            raise TapeWriteError(f"{self}: a body of {len(body)} bytes, a tape takes at most {MAX_BODY}")
        return {"headers": [list(pair) for pair in headers], **_stored_body(body)}


def canonical_url(url: str, redactor: Redactor) -> str:
    """What of an address is the same in each recording of the same request.

    That is not what is secret in it, nor the order of its parameters, nor a port of this machine: a server that a test starts
    has a new one each time.
    """
    url = nameless(redactor.url(url))
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    where = parts.netloc if port is None or not is_loopback(url) else parts.hostname or ""
    return urlunsplit((parts.scheme, where, parts.path or "/", urlencode(sorted(parse_qsl(parts.query, True))), ""))


class _Part(msgspec.Struct, gc=False):
    headers: list[tuple[str, str]] = []
    text: str | None = None
    base64: str | None = None


class _Request(_Part, gc=False):
    method: str = ""
    url: str = ""


class _Response(_Part, gc=False):
    status: Annotated[int, msgspec.Meta(ge=100, le=999)] = 0
    reason: str = ""


class _Stored(msgspec.Struct, gc=False):
    request: _Request
    response: _Response


def read_exchange(value: Any) -> Exchange:
    """The exchange of a record. Raises `TapeFormatError` for what is none."""
    try:
        stored = msgspec.convert(value, _Stored)
        request, response = stored.request, stored.response
        exchange = Exchange(
            request.method, request.url, response.status, response.reason,
            tuple(request.headers), _body(request), tuple(response.headers), _body(response),
        )  # fmt: skip
    except (msgspec.ValidationError, binascii.Error, ValueError) as error:
        raise TapeFormatError(f"an http record that is none: {shorten(str(error))}") from None
    if not _METHOD.fullmatch(exchange.method) or not exchange.url or not exchange.status:
        expected = "expected a method, a url and a status"
        raise TapeFormatError(f"an http record that is none: {expected}, got {exchange} {exchange.status}")
    return exchange


def _stored_body(body: bytes) -> dict[str, str]:
    if not body:
        return {}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        text = "\x00"
    # What JSON has to escape takes twice the room, which matters where the body is long already.
    crowded = len(body) > _LONG and 3 * sum(map(text.count, '"\\\n\t\r')) > len(body)
    if _UNREADABLE.search(text) or crowded:
        return {"base64": base64.b64encode(body).decode()}
    return {"text": text}


def _body(part: _Part) -> bytes:
    body = b"" if part.base64 is None else base64.b64decode(part.base64, validate=True)
    body = body if part.text is None else part.text.encode()
    if len(body) > MAX_BODY:
        raise ValueError(f"a body of {len(body)} bytes, expected at most {MAX_BODY}")
    return body


# --- secrets ----------------------------------------------------------------------------------------------------------


def scrubbed(exchange: Exchange, redactor: Redactor) -> Exchange:
    """The exchange without its secrets, which the redactor knows from here on.

    A body in which there is none stays as it was, to the byte. One that has some is kept unpacked. Raises `TapeWriteError` for
    a body that cannot be looked into.
    """
    sent = _unpacked(exchange, exchange.sent_headers, exchange.sent)
    received = _unpacked(exchange, exchange.headers, exchange.body)
    redactor.learn(_secrets(exchange, received))
    sent_headers, sent = _scrubbed_part(exchange.sent_headers, exchange.sent, sent, redactor)
    headers, body = _scrubbed_part(exchange.headers, exchange.body, received, redactor)
    url = redactor.url(exchange.url)
    return replace(exchange, url=url, sent_headers=sent_headers, sent=sent, headers=headers, body=body)


def _scrubbed_part(headers: Headers, packed: bytes, body: bytes, redactor: Redactor) -> tuple[Headers, bytes]:
    is_form = _header(headers, "content-type").startswith("application/x-www-form-urlencoded")
    try:
        clean = redactor.body(body.decode(), form=is_form).encode()
    except UnicodeDecodeError:
        # What is secret is ASCII, wherever it stands.
        clean = redactor.body(body.decode("latin-1"), form=is_form).encode("latin-1")
    pairs = [tuple(redactor.note(list(pair))) for pair in headers]
    if clean == body:
        return tuple(pairs), packed
    kept = [pair for pair in pairs if pair[0].lower() != "content-encoding"]
    return tuple((name, str(len(clean)) if name.lower() == "content-length" else value) for name, value in kept), clean


def _header(headers: Headers, name: str) -> str:
    return ", ".join(value for each, value in headers if each.lower() == name).strip().lower()


def _unpacked(exchange: Exchange, headers: Headers, body: bytes) -> bytes:
    """The body as it was before it was packed for the way."""
    for coding in reversed([each.strip() for each in _header(headers, "content-encoding").split(",")]):
        if coding in ("", "identity") or not body:
            continue
        window = _WINDOWS.get(coding)
        if window is None:
            expected = "expected gzip or deflate, as Accept-Encoding can ask for"
            raise TapeWriteError(f"{exchange}: a body in {shorten(coding)} cannot be searched for secrets: {expected}")
        unpacker = zlib.decompressobj(window)
        try:
            plain = unpacker.decompress(body, MAX_BODY + 1)
        except zlib.error:
            return body  # It has been unpacked already, or never was packed.
        if len(plain) > MAX_BODY:
            raise TapeWriteError(f"{exchange}: a body of more than {MAX_BODY} bytes, once it is unpacked")
        body = plain
    return body


def _secrets(exchange: Exchange, body: bytes) -> list[str]:
    """The cookies of a session that were sent or set, and the tokens that were handed out."""
    found = _TOKEN.findall(body.decode("latin-1"))
    cookies = [value.split(";")[:1] for name, value in exchange.headers if name.lower() == "set-cookie"]
    cookies += [value.split(";") for name, value in exchange.sent_headers if name.lower() == "cookie"]
    for pairs in cookies:
        for pair in pairs:
            name, _, value = pair.strip().partition("=")
            if name in _SESSION:
                found.append(value)
    return [secret for secret in found if len(secret) >= _SHORTEST]
