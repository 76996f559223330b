"""What an account may ask for at once, so that the client says no before the server does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields

from tvstreamer.errors import InvalidPlan, LimitExceeded, shorten
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.symbols import wire_quote


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked for at once; None: as many as you like.

    `history` are bars in one series, `series` those at the same time, history requests included, `quotes` symbols whose ticks or
    quotes are followed. Raises `InvalidPlan`.
    """

    history: int | None = None
    series: int | None = None
    quotes: int | None = None

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not (isinstance(value, int) and not isinstance(value, bool) and value > 0):
                raise InvalidPlan(f"limit {each.name} {value!r}: expected a whole number above 0, or None")

    @classmethod
    def of(cls, value: object) -> Limits:
        """Limits as they are, those of a plan by its name, or none."""
        if value is None:
            return NONE
        if isinstance(value, Limits):
            return value
        if isinstance(value, str) and value in PLANS:
            return PLANS[value]
        raise InvalidPlan(f"limits {shorten(value)}: expected a Limits, None, or one of {', '.join(PLANS)}")

    def check_subscriptions(self, subscriptions: Iterable[Subscription], requests: int = 0) -> None:
        """Raises `LimitExceeded` where these, and so many history requests beside them, are too many."""
        wanted = list(subscriptions)
        series = sum(each.wants_bars for each in wanted) + requests
        if self.series is not None and series > self.series:
            raise LimitExceeded(f"{series} series at once: the limit is {self.series}")
        quotes = len({wire_quote(each.symbol) for each in wanted if each.ticks or each.quotes})
        if self.quotes is not None and quotes > self.quotes:
            raise LimitExceeded(f"ticks or quotes of {quotes} symbols: the limit is {self.quotes}")

    def check_history(self, bars: int | None) -> None:
        """Raises `LimitExceeded` where these are too many bars; of a span nobody knows how many it has."""
        if self.history is not None and bars is not None and bars > self.history:
            raise LimitExceeded(f"history of {bars} bars: the limit is {self.history}")


NONE = Limits()

PLANS = {
    "free": Limits(history=5_000),
    "essential": Limits(history=10_000),
    "plus": Limits(history=10_000),
    "premium": Limits(history=20_000),
    "expert": Limits(history=25_000),
    "ultimate": Limits(history=40_000),
}
"""Bars of history, as other clients quote TradingView's support pages; not measured. How many series a plan has is not known."""
