"""Whom the HTTP side of a source talks to: the real site, or a fake server on a port or in this process.

::

    live   live:host=de   http://127.0.0.1:8000   ws://127.0.0.1:8000/socket.io/websocket   a FakeServer

The real site is asked where `live` is written, and nowhere else.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit, urlunsplit

from tvstreamer.addresses import is_loopback, is_theirs
from tvstreamer.constants import SEARCH_HOST, SITE_DOMAIN, SITE_HOST, SOCKET_PATH
from tvstreamer.errors import InvalidSource, shorten

IN_MEMORY: Final = "http://fake.invalid"
"""What a server in this process is called; no name service will ever know that name."""

_SCHEMES: Final = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
_HOST_OPTION: Final = "host="
_HOST: Final = re.compile(r"[A-Za-z0-9.-]+")

Answer = tuple[int, Sequence[tuple[str, str]], bytes]
"""What came of a request: the status, the headers in order, the body as it was sent."""


@runtime_checkable
class Answering(Protocol):
    """A server in this process, such as a `FakeServer`."""

    def answer_http(self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Answer: ...


@dataclass(frozen=True, slots=True)
class Site:
    """The addresses of a site's services, without a slash at their end."""

    pages: str
    search: str
    server: Answering | None = None

    @property
    def keeps_secrets(self) -> bool:
        """Whether a cookie that is sent there can be read on its way by nobody else."""
        return self.pages.startswith("https:") or self.server is not None or is_loopback(self.pages)


def read_site(source: object) -> Site:
    """Reads a source. Raises `InvalidSource`."""
    if isinstance(source, Answering):
        return Site(IN_MEMORY, IN_MEMORY, source)
    if isinstance(source, str):
        if source == "live" or source.startswith("live:"):
            return Site(f"https://{_live_host(source)}", f"https://{SEARCH_HOST}")
        if source.partition(":")[0].lower() in _SCHEMES:
            address = _address(source)
            return Site(address, address)
    raise InvalidSource(
        f"source {shorten(source)}: expected 'live', the http:// or ws:// address of a fake server, or a FakeServer"
    )


def _live_host(source: str) -> str:
    option = source.removeprefix("live").removeprefix(":")
    if not option:
        return SITE_HOST
    name = option.removeprefix(_HOST_OPTION)
    host = name if "." in name else f"{name}.{SITE_DOMAIN}"
    if not name or not option.startswith(_HOST_OPTION) or not _HOST.fullmatch(host) or not is_theirs(f"https://{host}/"):
        raise InvalidSource(f"source {shorten(source)}: expected live, or live:host=de for de.{SITE_DOMAIN}")
    return host


def _address(source: str) -> str:
    expected = "expected http://HOST[:PORT], or the ws:// address of a fake server"
    try:
        parts = urlsplit(source)
        port = parts.port
    except ValueError:
        raise InvalidSource(f"source {shorten(source)}: {expected}") from None
    if parts.username is not None or parts.password is not None:
        raise InvalidSource(f"source (not shown, as it names a user): {expected}")
    path = parts.path.removesuffix("/").removesuffix(SOCKET_PATH)
    if not parts.hostname or path or parts.query or parts.fragment:
        raise InvalidSource(f"source {shorten(source)}: {expected}")
    if is_theirs(source):
        raise InvalidSource(f"source {shorten(source)}: expected 'live' for the real site, and an address for a fake one")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((_SCHEMES[parts.scheme], host if port is None else f"{host}:{port}", "", "", ""))
