"""How a fake server behaves towards its clients, whatever it serves."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from tvstreamer.constants import ANONYMOUS_TOKEN, HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT
from tvstreamer.protocol.packets import Hello

NODE: Final = "fake-charts-1-series-1"
REPLY_DELAY: Final = 0.13
MOST_BARS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Manners:
    """How a fake server behaves towards its clients.

    `tokens` are accepted besides the anonymous ones. `heartbeat_timeout=None` never drops a client that does not echo.
    `reply_delay` is how long replies are collected, in seconds of the server's clock. `most_studies` is how many a chart
    session may have, None for any number.
    """

    tokens: Collection[str] = ()
    heartbeat_interval: float = HEARTBEAT_INTERVAL
    heartbeat_timeout: float | None = HEARTBEAT_TIMEOUT
    reply_delay: float = REPLY_DELAY
    strict: bool = False
    most_bars: int = MOST_BARS
    most_studies: int | None = None

    def accepts(self, token: str) -> bool:
        return token == ANONYMOUS_TOKEN or token.startswith("widget_user_token") or token in self.tokens


def hello(number: int, now: float) -> Hello:
    """The greeting of the fake's n-th connection."""
    return Hello(
        session_id=f"0.{number}.1_fake-charts-free-1-tvbs-{number}",
        timestamp=int(now),
        timestampMs=round(now * 1000),
        release="release_210-6",
        studies_metadata_hash="0" * 40,
        auth_scheme_vsn=2,
        protocol="json",
        via="127.0.0.1:443",
        javastudies=["3.66"],
    )
