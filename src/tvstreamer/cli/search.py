"""`search`."""

from __future__ import annotations

from tvstreamer.cli.output import printer
from tvstreamer.cli.stopping import Stopping
from tvstreamer.http import HttpClient
from tvstreamer.sources import fake_options


def search(
    text: str,
    type: str | None,
    exchange: str | None,
    country: str | None,
    limit: int,
    source: str,
    format: str,
    timeout: float,
) -> int:
    show = printer(format)
    # No cookie is needed to search, so none is looked for.
    with Stopping(at_once=True), HttpClient(_site(source), timeout=timeout, environ={}) as client:
        for row in client.search(text, limit=limit, type=type, exchange=exchange, country=country):
            show(row)
    return 0


def _site(source: str) -> object:
    """What to ask: a fake one answers in this process."""
    if source.partition(":")[0] != "fake":
        return source
    from tvstreamer.server.fake import FakeServer

    return FakeServer(seed=int(fake_options(source).get("seed", 0)))
