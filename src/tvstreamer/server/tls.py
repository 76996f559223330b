"""Certificates for a fake server that has to be a `wss://` one: made up on the spot, or the user's own."""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from tvstreamer.errors import InvalidPlan, MissingDependencyError, shorten


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a listener needs, and the file that makes its clients trust it; `discard` removes what was made up."""

    context: ssl.SSLContext
    ca_pem: Path
    discard: Callable[[], None] = field(default=lambda: None)


def made_up(host: str) -> Certificate:
    """A certificate for this host and for loopback, signed by an authority that nobody knows.

    The authority's key is never written anywhere. Raises `MissingDependencyError`.
    """
    try:
        import trustme
    except ImportError as error:
        raise MissingDependencyError("trustme", "tls") from error
    authority = trustme.CA()
    names = dict.fromkeys(("localhost", "127.0.0.1", "::1", *_names(host)))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    descriptor, path = tempfile.mkstemp(prefix="tvstreamer-ca-", suffix=".pem")
    with open(descriptor, "wb") as file:
        file.write(authority.cert_pem.bytes())

    def discard() -> None:
        with suppress(OSError):
            os.unlink(path)

    return Certificate(context, Path(path), discard)


def own(certificate: str | Path, key: str | Path) -> Certificate:
    """A certificate in PEM files, with its chain if it has one. Raises `InvalidPlan`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        # Without this callback OpenSSL would ask the terminal for the password of a key that has one.
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ValueError) as exc:
        problem = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        files = f"certificate {shorten(str(certificate))} and key {shorten(str(key))}"
        raise InvalidPlan(f"{files}: {problem}; expected a PEM certificate and its key without a password") from exc
    return Certificate(context, Path(certificate))


def _names(host: str) -> tuple[str, ...]:
    # An address to bind to that stands for all addresses is no name that a client could ask for.
    return () if host in ("0.0.0.0", "::", "") else (host,)


def _no_password() -> str:
    return ""
