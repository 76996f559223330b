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
import contextlib
import json
import re
import zlib
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import msgspec

from tvstreamer.addresses import is_loopback
from tvstreamer.constants import MAX_BODY
from tvstreamer.errors import TapeFormatError, TapeWriteError, shorten
from tvstreamer.tape.redact import Redactor, nameless, page_tokens

Headers = tuple[tuple[str, str], ...]

_UNREADABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_LONG: Final = 1 << 20
_METHOD = re.compile(r"[A-Z]{1,20}")
_SESSION = re.compile(r"(?:^|[;,\s])(?:sessionid|sessionid_sign|device_t)=\"?([^;,\s\"]+)", re.IGNORECASE)
_CHARSET = re.compile(r"charset=\"?([a-z0-9_-]+)")
_MOST_FILES: Final = 64
_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_SHORTEST: Final = 8
"""Characters of a value that is learned to be secret; a shorter one may stand anywhere by chance."""
_PACKED = re.compile(rb"\x1f\x8b|\x78[\x01\x5e\x9c\xda]")
"""How bytes begin that gzip or zlib has packed."""


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

    def __repr__(self) -> str:
        # It may not have been scrubbed yet, and whoever shows an error shows what it was raised for.
        return f"<Exchange {self.method} {len(self.sent)} bytes, {self.status} {len(self.body)} bytes>"

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
    # What is said of it says nothing either.
    shown = replace(exchange, url=redactor.url(exchange.url))
    sent = _read(_unpacked(shown, exchange.sent_headers, exchange.sent), exchange.sent_headers)
    received = _read(_unpacked(shown, exchange.headers, exchange.body), exchange.headers)
    redactor.learn(_secrets(exchange, received))
    sent_headers, sent_body = _scrubbed_part(exchange.sent_headers, exchange.sent, sent, redactor)
    headers, body = _scrubbed_part(exchange.headers, exchange.body, received, redactor)
    url, reason = redactor.url(exchange.url), redactor.note(exchange.reason)
    return replace(exchange, url=url, reason=reason, sent_headers=sent_headers, sent=sent_body, headers=headers, body=body)


class _Text(NamedTuple):
    """A body as it is read, and in which coding."""

    text: str
    codec: str


def _read(body: bytes, headers: Headers) -> _Text:
    named = _CHARSET.search(_header(headers, "content-type"))
    # In UTF-16 the letters of a secret stand apart. In most others they are those of ASCII, wherever it stands.
    for codec in (json.detect_encoding(body), named[1] if named else "utf-8"):
        with contextlib.suppress(UnicodeError, LookupError):
            if codec.startswith(("utf-16", "utf-32", "utf-8")):
                return _Text(body.decode(codec), codec)
    return _Text(body.decode("latin-1"), "latin-1")


def _scrubbed_part(headers: Headers, packed: bytes, body: _Text, redactor: Redactor) -> tuple[Headers, bytes]:
    # What does not say what it is may be one.
    kind = _header(headers, "content-type")
    clean = redactor.body(body.text, form=not kind or kind.startswith(_FORMS))
    pairs = [tuple(redactor.note(list(pair))) for pair in headers]
    if clean == body.text:
        return tuple(pairs), packed
    plain = clean.encode(body.codec)
    kept = [pair for pair in pairs if pair[0].lower() != "content-encoding"]
    return tuple((name, str(len(plain)) if name.lower() == "content-length" else value) for name, value in kept), plain


def _header(headers: Headers, name: str) -> str:
    return ", ".join(value for each, value in headers if each.lower() == name).strip().lower()


def _unpacked(exchange: Exchange, headers: Headers, body: bytes) -> bytes:
    """The body as it was before it was packed for the way."""
    for coding in reversed([each.strip() for each in _header(headers, "content-encoding").split(",")]):
        if coding in ("", "identity") or not body:
            continue
        if coding not in ("gzip", "x-gzip", "deflate"):
            expected = "expected gzip or deflate, as Accept-Encoding can ask for"
            raise TapeWriteError(f"{exchange}: a body in {shorten(coding)} cannot be searched for secrets: {expected}")
        plain = _inflated(body)
        if plain is None and _PACKED.match(body):
            raise TapeWriteError(f"{exchange}: a body in {coding} that is damaged cannot be searched for secrets")
        if plain is None:
            return body  # It has been unpacked already, or never was packed.
        if len(plain) > MAX_BODY:
            raise TapeWriteError(f"{exchange}: a body of more than {MAX_BODY} bytes, once it is unpacked")
        body = plain
    return body


def _inflated(body: bytes) -> bytes | None:
    """What gzip or zlib has packed, or deflate without the head of either, as some send it; None for anything else."""
    plain, rest = b"", body
    try:
        # One file of gzip may follow another, and all are one body.
        for _ in range(_MOST_FILES):
            unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)
            plain += unpacker.decompress(rest, MAX_BODY + 1)
            rest = unpacker.unused_data
            if len(plain) > MAX_BODY or not _PACKED.match(rest):
                return plain + rest
        return None
    except zlib.error:
        unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        plain = unpacker.decompress(body, MAX_BODY + 1)
    except zlib.error:
        return None
    # A text may happen to begin as such a stream does.
    is_whole = len(plain) > MAX_BODY or (unpacker.eof and not unpacker.unused_data)
    return plain if is_whole else None


def _secrets(exchange: Exchange, body: _Text) -> list[str]:
    """The cookies of a session that were sent or set, and the tokens that were handed out."""
    found = page_tokens(body.text)
    for name, value in (*exchange.headers, *exchange.sent_headers):
        if name.lower() in ("cookie", "set-cookie"):
            found += _SESSION.findall(value)
    return [secret for secret in found if len(secret) >= _SHORTEST]
