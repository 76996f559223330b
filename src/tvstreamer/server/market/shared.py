"""A market that many clients ask the same questions.

All who follow a symbol want to know of the same tick at the same time. What a market answers depends on nothing but the
question, so one answer does for all of them; with a thousand clients that is most of the work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, TypeVar

from tvstreamer.intervals import Interval
from tvstreamer.server.market.bars import MarketTick
from tvstreamer.server.market.market import Market

T = TypeVar("T")


class _Missing:
    """No answer yet; None is one."""


_MISSING: Final = _Missing()

_ANSWERS: Final = 4096


class SharedMarket(Market):
    """A `Market` that remembers its newest answers about ticks and quotes, until something is put in by hand."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._answers: dict[Any, Any] = {}

    def quote(
        self, symbol: str, now: float, fields: Collection[str] | None = None, **about: Any
    ) -> dict[str, Any]:
        key = ("quote", symbol, now, None if fields is None else tuple(fields), *about.items())
        # A copy: each client goes on changing its own.
        return dict(self._once(key, lambda: super(SharedMarket, self).quote(symbol, now, fields, **about)))

    def ticks(self, symbol: str, after: float, until: float, **about: Any) -> list[MarketTick]:
        key = ("ticks", symbol, after, until, *about.items())
        return list(self._once(key, lambda: super(SharedMarket, self).ticks(symbol, after, until, **about)))

    def next_tick(self, symbol: str, after: float, **about: Any) -> MarketTick | None:
        key = ("next", symbol, after, *about.items())
        return self._once(key, lambda: super(SharedMarket, self).next_tick(symbol, after, **about))

    def tick(self, symbol: str, price: float, *, size: float = 1.0, at: float) -> MarketTick:
        try:
            return super().tick(symbol, price, size=size, at=at)
        finally:
            self._answers = {}

    def set_bars(self, symbol: str, interval: Interval | str, rows: Sequence[Sequence[float]]) -> None:
        try:
            super().set_bars(symbol, interval, rows)
        finally:
            self._answers = {}

    def close_bar(self, symbol: str, interval: Interval | str, at: float) -> None:
        try:
            super().close_bar(symbol, interval, at)
        finally:
            self._answers = {}

    def _once(self, key: Any, ask: Callable[[], T]) -> T:
        # Any thread may ask, and another put something in meanwhile: then this answer is of the time before.
        answers = self._answers
        found: T | _Missing = answers.get(key, _MISSING)
        if not isinstance(found, _Missing):
            return found
        if len(answers) >= _ANSWERS:
            answers = self._answers = {}
        answer = answers[key] = ask()
        return answer
