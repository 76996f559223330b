"""Series of bars: what a snapshot and the updates after it mean, and when a bar is closed.

Bars are keyed by their time, so the wire's indexes (which may be negative, and start again after a reconnect) need no
logic. No bar says that it is closed: a later bar does, or the server's clock once it has passed the bar's end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from tvstreamer.constants import CLOSE_GRACE, NO_VALUE
from tvstreamer.events import Bar, Event
from tvstreamer.protocol.packets import BarValues

ClosedBy = Literal["successor", "time"]
_DELAYED = re.compile(r"delayed_streaming_([0-9]{1,6})")


class Series:
    """The bars of one symbol and interval, as one chart session delivers them."""

    __slots__ = (
        "_closed", "_delay", "_grace", "_newest", "close_time", "completed", "forming", "interval", "loaded", "seconds",
        "symbol",
    )  # fmt: skip

    def __init__(self, symbol: str, interval: str, seconds: int | None) -> None:
        self.symbol = symbol
        self.interval = interval
        self.seconds = seconds
        self._closed: dict[float, tuple[BarValues, ClosedBy, int]] = {}
        self._newest = float("-inf")
        self.restart()
        self.forming: BarValues | None = None
        self.close_time: float | None = None
        """When the forming bar ends, by the server's clock."""

    def __repr__(self) -> str:
        state = "live" if self.completed else "loading"
        return f"<Series {self.symbol} {self.interval} {state}, {len(self._closed)} closed, forming={self.forming}>"

    def restart(self) -> None:
        """A new first delivery is about to come, on a new connection. Bars that were reported stay known."""
        self.completed = False
        self.loaded = 0
        self._grace = CLOSE_GRACE
        self._delay: int | None = None

    def clear(self) -> None:
        """Forgets all bars: the series was given another symbol, interval or range."""
        self._closed.clear()
        self._newest = float("-inf")
        self.forming = None
        self.close_time = None
        self.restart()

    def complete(self, update_mode: str, rt_update_period: float) -> None:
        """The first delivery is over; from here the clock may close bars."""
        delayed = _DELAYED.search(update_mode)
        self._delay = int(delayed.group(1)) if delayed else None
        self._grace = CLOSE_GRACE + rt_update_period
        self.completed = True

    def update(self, values: BarValues, close_time: float | None, events: list[Event]) -> bool:
        """`apply` for a single row, which in most cases is the forming bar once more."""
        forming = self.forming
        if forming is None or values.time != forming.time:
            return self.apply([values], close_time, events)
        self.forming = values
        events.append(_bar(self.symbol, self.interval, values))
        if close_time is None or close_time == self.close_time:
            return False
        self.close_time = close_time
        return True

    def apply(self, rows: list[BarValues], close_time: float | None, events: list[Event]) -> bool:
        """Takes a snapshot or an update, appends the events due in order of time.

        Returns whether the moment at which the forming bar ends has changed.
        """
        if not rows:
            return False
        if not self.completed:
            self.loaded += len(rows)
        self._apply_many(sorted(rows, key=lambda values: values.time), close_time, events)
        return True

    def _apply_many(self, rows: list[BarValues], close_time: float | None, events: list[Event]) -> None:
        newest = max(self._newest, rows[-1].time)
        for values in rows:
            forming = self.forming
            if forming is not None and values.time > forming.time:
                self._close(forming, "successor", events)
            known = self._closed.get(values.time)
            if known is not None:
                self._revise(values, *known, events)
            elif values.time < newest:
                self._close(values, "successor", events)
            else:
                self.forming = values
                self.close_time = self._end_of(values, close_time)
                events.append(_bar(self.symbol, self.interval, values))
        self._newest = newest

    def _end_of(self, values: BarValues, close_time: float | None) -> float | None:
        if close_time is not None or self.seconds is None:
            return close_time
        return values.time + self.seconds

    def _close(self, values: BarValues, by: ClosedBy, events: list[Event]) -> None:
        if self.forming is not None and self.forming.time == values.time:
            self.forming = None
        self._closed[values.time] = (values, by, 0)
        events.append(_bar(self.symbol, self.interval, values, by))

    def _revise(
        self, values: BarValues, old: BarValues, by: ClosedBy, revision: int, events: list[Event]
    ) -> None:
        if values != old:
            self._closed[values.time] = (values, by, revision + 1)
            events.append(_bar(self.symbol, self.interval, values, by, revision + 1))

    def due(self) -> float | None:
        """The server's time at which the forming bar counts as closed; None while that cannot be said."""
        if self.forming is None or not self.completed or self.close_time is None:
            return None
        end = self.close_time
        if self._delay is not None:
            end = max(end, self.forming.time + (self.seconds or 0) + self._delay)
        return end + self._grace

    def close_by_time(self, events: list[Event]) -> None:
        """Closes the forming bar because its time is over."""
        assert self.forming is not None
        self._close(self.forming, "time", events)


def history_bars(symbol: str, interval: str, rows: Iterable[BarValues], newest_is_closed: bool) -> list[Bar]:
    """The bars of a history request, oldest first, each time once."""
    ordered = sorted({values.time: values for values in rows}.values(), key=lambda values: values.time)
    bars = [_bar(symbol, interval, values, "successor") for values in ordered[:-1]]
    for values in ordered[-1:]:
        bars.append(_bar(symbol, interval, values, "time" if newest_is_closed else None))
    return bars


def _bar(symbol: str, interval: str, values: BarValues, by: ClosedBy | None = None, revision: int = 0) -> Bar:
    volume = values.volume
    return Bar(
        symbol,
        interval,
        values.time,
        values.open,
        values.high,
        values.low,
        values.close,
        None if volume == NO_VALUE else volume,
        by is not None,
        by,
        revision,
    )
