"""What a user asks for: a symbol, an interval, and which kinds of events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.intervals import Interval
from tvstreamer.studies import Study
from tvstreamer.symbols import parse_symbol


@dataclass(frozen=True, slots=True)
class Subscription:
    """A symbol, and the bars of one interval where there is one.

    Symbol and interval are brought to their canonical spelling. It is a value: equal subscriptions are the same one, and
    it survives reconnects. `studies` are computed from these bars by the server: `Study("RSI", length=14)`, or `"RSI:14"`.
    Raises `InvalidSymbol`, `InvalidInterval`, `InvalidStudy`, or `InvalidPlan` where nothing at all is asked for.
    """

    symbol: str
    interval: str | None = None
    ticks: bool = field(default=True, kw_only=True)
    quotes: bool = field(default=False, kw_only=True)
    bars: bool = field(default=True, kw_only=True)
    studies: Sequence[Study | str] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        object.__setattr__(self, "symbol", parse_symbol(self.symbol))
        if self.interval is not None:
            object.__setattr__(self, "interval", str(Interval.parse(self.interval)))
        if not (self.ticks or self.quotes or self.wants_bars):
            raise InvalidPlan(f"subscription to {self.symbol}: expected ticks, quotes, or bars of an interval")
        named = [self.studies] if isinstance(self.studies, str | Study) else self.studies
        object.__setattr__(self, "studies", tuple(dict.fromkeys(map(Study.parse, named))))
        if self.studies and not self.wants_bars:
            raise InvalidPlan(f"studies of {self.symbol}: expected bars of an interval too, as they are computed from them")

    @property
    def wants_bars(self) -> bool:
        return self.bars and self.interval is not None

    @classmethod
    def of(cls, value: object) -> Subscription:
        """A subscription from one, from "EX:SYM", or from ("EX:SYM", "1")."""
        if isinstance(value, Subscription):
            return value
        if isinstance(value, str):
            return cls(value)
        if isinstance(value, list | tuple) and len(value) == 2:
            symbol, interval = value
            return cls(symbol, interval)
        raise InvalidPlan(
            f"subscription {shorten(value)}: expected a Subscription, 'EXCHANGE:TICKER', or ('EXCHANGE:TICKER', interval)"
        )

    def describe(self) -> dict[str, Any]:
        """As a tape's header lists it; studies only where there are any."""
        plain = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "studies"}
        return plain | ({"studies": [str(study) for study in self.studies]} if self.studies else {})


def subscriptions(values: object) -> list[Subscription]:
    """Reads one subscription or an iterable of them, without repeats, in order."""
    if isinstance(values, str | Subscription) or not isinstance(values, Iterable) or _is_pair(values):
        return [Subscription.of(values)]
    return list(dict.fromkeys(Subscription.of(value) for value in values))


def _is_pair(values: object) -> bool:
    """Whether a tuple is a symbol and its interval, not two subscriptions."""
    if not isinstance(values, tuple) or len(values) != 2:
        return False
    second = values[1]
    return ":" not in second if isinstance(second, str) else second is None or isinstance(second, Interval)
