"""What a market needs of whoever makes prices: a symbol that answers, and a source of such symbols."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Protocol

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import BarRow, LiveBars, MarketTick
from tvstreamer.server.market.variants import Variant


class MarketSymbol(Protocol):
    """Ticks, bars and quotes of one symbol. The questions are those of `Market`, which says what they mean."""

    @property
    def update_mode(self) -> str:
        """`streaming`, or `delayed_streaming_900` for a feed that is 900 seconds late."""
        ...

    def supports(self, interval: Interval) -> bool: ...
    def info(self) -> dict[str, Any]: ...
    def quote(self, now: float, fields: Collection[str] | None) -> dict[str, Any]: ...
    def ticks(self, after: float, until: float) -> list[MarketTick]: ...
    def next_tick(self, after: float) -> MarketTick | None: ...
    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]: ...
    def series(self, interval: Interval, at: float, count: int, *, keep: int) -> LiveBars: ...
    def bar_at(self, interval: Interval, moment: float) -> BarRow | None: ...


class MarketSource(Protocol):
    """Where symbols come from: a seed, a file of bars, a tape."""

    @property
    def start(self) -> float | None:
        """The moment at which a server's clock should begin for what is told to be live; None where any will do."""
        ...

    def find(self, name: str, variant: Variant) -> MarketSymbol | None:
        """The symbol of that name in its canonical spelling; None where there is none. The same one each time."""
        ...
