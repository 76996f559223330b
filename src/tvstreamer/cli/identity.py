"""`--auth`: where token and cookies come from, and whether a token is fetched with the cookies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

from tvstreamer.auth import Credentials
from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.sources import socket_url


class Identity(TypedDict):
    """What a `TvWSClient` takes of it."""

    auth: Credentials
    token: Callable[[], str] | None


def identity(spec: str, source: str, environ: Mapping[str, str]) -> Identity:
    """Who `--auth` says that the user is. With `session` a token is fetched, and renewed, from the site of the source.

    Raises `InvalidPlan`, and as `Credentials.of` does.
    """
    kind, _, where = spec.partition(":")
    if kind != "session":
        return Identity(auth=Credentials.of(spec, environ), token=None)
    if spec == "session:":
        raise InvalidPlan(f"auth {shorten(spec)}: expected session, session:keyring, session:keyring:SERVICE or session:har:FILE")
    credentials = Credentials.of(where or "env", environ)
    url = socket_url(source)
    if url is None:
        expected = "expected live, or a ws:// address, which have a site"
        raise InvalidPlan(f"auth {shorten(spec)} and source {shorten(source)}: {expected}")
    # The hosts of `live:host=...` are those of sockets.
    site = "live" if source.partition(":")[0] == "live" else url

    def fetch() -> str:
        from tvstreamer.http import HttpClient

        with HttpClient(site, auth=credentials) as client:
            return client.fetch_token()

    return Identity(auth=credentials, token=fetch)
