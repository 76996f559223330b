"""What a client is told once and for all: who it is, how much it asks for, what it does about gaps and silence."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args

from tvstreamer.constants import ANONYMOUS_TOKEN, QUOTE_FIELDS
from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.protocol.charts import OnGap
from tvstreamer.protocol.watchdogs import OFF, Watchdogs

_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]{0,31}(/[A-Za-z0-9_+\-]{1,31}){0,2}")


def is_nobodys(token: str) -> bool:
    """Whether a token proves nothing of anybody: the anonymous one, or that of a widget on somebody's page."""
    return token == ANONYMOUS_TOKEN or token.startswith("widget_user_token")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client says of itself, and how much it asks for. The token is kept out of every repr."""

    n_init_bars: int = 300
    token: str = ANONYMOUS_TOKEN
    locale: tuple[str, str] = ("en", "US")
    quote_fields: tuple[str, ...] | None = QUOTE_FIELDS
    """None for all that there are."""
    on_gap: OnGap = "fill"
    watchdogs: Watchdogs = OFF
    timezone: str | None = None
    """Of charts: it moves where days, weeks and months begin. None leaves it to the server."""

    def __post_init__(self) -> None:
        if not (isinstance(self.n_init_bars, int) and 1 <= self.n_init_bars <= 1_000_000):
            raise InvalidPlan(f"n_init_bars {self.n_init_bars!r}: expected a whole number from 1 to 1000000")
        if self.on_gap not in get_args(OnGap):
            raise InvalidPlan(f"on_gap {self.on_gap!r}: expected one of {', '.join(get_args(OnGap))}")

        if self.timezone is not None:
            check_timezone(self.timezone)

    def __repr__(self) -> str:
        return f"Settings(n_init_bars={self.n_init_bars})"


DEFAULTS = Settings()


def check_timezone(name: object) -> None:
    """Raises `InvalidPlan` for what cannot be the name of a time zone; whether there is one, the server knows."""
    if not (isinstance(name, str) and _ZONE.fullmatch(name)):
        raise InvalidPlan(f"timezone {shorten(name)}: expected a name such as America/New_York, Etc/UTC or exchange")
