"""How a fake server behaves towards its clients, whatever it serves."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, get_args

from tvstreamer.constants import ANONYMOUS_TOKEN, HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT
from tvstreamer.protocol.packets import Hello
from tvstreamer.server.issued_tokens import IssuedTokens
from tvstreamer.server.plans import UNLIMITED, Plan

NODE: Final = "fake-charts-1-series-1"
REPLY_DELAY: Final = 0.13
MOST_BARS: Final = 20_000
MOST_UNSENT: Final = 8_388_608

REFUSABLE: Final = ("resolve_symbol", "create_series", "create_study")
"""Methods whose answer may be an error with any reason."""

SlowClient = Literal["drop", "conflate"]
SLOW_CLIENTS: Final = ("drop", "conflate")

SiteState = Literal["usual", "forbidden", "captcha", "changed", "busy", "down"]
SITE_STATES: Final[tuple[str, ...]] = get_args(SiteState)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a fake server behaves towards its clients.

    `tokens` are accepted besides the anonymous ones; as a mapping they tell until when, in seconds of the server's clock.
    `heartbeat_timeout=None` never drops a client that does not echo. `reply_delay` is how long replies are collected, in
    seconds of the server's clock. `most_studies` is how many a chart session may have, None for any number; `plan` has the
    other limits of the client's account. `forbidden` are patterns of symbols that it may not see. `errors` are the reasons for
    which the commands of `REFUSABLE` fail, by method. With `refusal` every client is sent away for that reason.
    `issued` are the tokens that its own pages hand out; with `site` all those pages are something else than what they should be.
    `most_unsent` characters may wait for a client that does not take them; beyond that, `slow_client` says whether it is
    dropped or told less (`conflate`).
    """

    tokens: Collection[str] | Mapping[str, float] = ()
    heartbeat_interval: float = HEARTBEAT_INTERVAL
    heartbeat_timeout: float | None = HEARTBEAT_TIMEOUT
    reply_delay: float = REPLY_DELAY
    strict: bool = False
    most_bars: int = MOST_BARS
    most_studies: int | None = None
    plan: Plan = UNLIMITED
    forbidden: Collection[str] = ()
    errors: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""
    slow_client: SlowClient = "drop"
    most_unsent: int = MOST_UNSENT
    issued: IssuedTokens | None = None
    site: SiteState = "usual"

    def accepts(self, token: str, at: float) -> bool:
        if token == ANONYMOUS_TOKEN or token.startswith("widget_user_token"):
            return True
        if self.issued is not None and self.issued.accepts(token, at):
            return True
        if isinstance(self.tokens, Mapping):
            expires: float = self.tokens.get(token, -math.inf)
            return at < expires
        return token in self.tokens


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
