"""A symbol as a bar replay shows it: its bars up to a moment of the past, which moves on when the client says so."""

from __future__ import annotations

import math
import sys
from typing import Any, Final

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.instrument import Instrument, SeriesRefused, bars_after, first_bar
from tvstreamer.server.market.bars import BarRow, LiveBars, LookedUpBars

_MONTH: Final = 31 * 86_400


class ReplayPosition:
    """Where a bar replay stands: at a whole bar of its base series. Nothing that came later is known."""

    def __init__(self) -> None:
        self.base: tuple[Instrument, Interval] | None = None
        self.bar: BarRow | None = None
        """The newest bar that is shown, of what was the base series when it came."""
        self.interval = Interval(1, "m")
        """The interval of that bar."""
        self.at = 0.0
        """The server's time as of the last move: up to then the market has history."""

    @property
    def until(self) -> float:
        """The last moment at which a bar that is shown may have opened."""
        return -math.inf if self.bar is None else max(self.bar.time, math.nextafter(self.bar.end, 0))

    def place(self, moment: float, at: float) -> None:
        """At the newest bar that opened by `moment` and is over; at the first one where there is none."""
        assert self.base is not None, "a series comes first"
        instrument, interval = self.base
        self.at = at
        rows = instrument.history(interval, until=min(moment, at), count=2, at=at)
        over = [row for row in rows if row.end <= at]
        self.bar = over[-1] if over else first_bar(instrument, interval, at)
        self.interval = interval

    def advance(self, count: int, at: float) -> int:
        """Goes on by so many bars, or as far as there are bars that are over; returns how many.

        The first is the next one that opened when all that is shown was over, also where the interval is another by now.
        """
        assert self.base is not None, "a series comes first"
        assert self.bar is not None, "a moment comes first"
        instrument, interval = self.base
        self.at = at
        rows = [row for row in bars_after(instrument, interval, self.until, count, at) if row.end <= at]
        if rows:
            self.bar, self.interval = rows[-1], interval
        return len(rows)


class ReplayInstrument:
    """An instrument at the position of a bar replay. `position` is None where there is no such replay."""

    is_live = False

    def __init__(self, session: str, inner: Instrument, position: ReplayPosition | None) -> None:
        self.key = replay_key(session)
        self._session = session
        self._inner = inner
        self._position = position

    def __repr__(self) -> str:
        return f"<ReplayInstrument {self._session} of {self._inner!r}>"

    def info(self, at: float) -> dict[str, Any]:
        return self._inner.info(at)

    def series(self, interval: Interval, *, at: float, count: int) -> LiveBars:
        if self._position is None or self._position.bar is None:
            raise SeriesRefused(f"Upstream error, errmsg: session {self._session} was not created in time")
        rows = self.history(interval, until=math.inf, count=count, at=at)
        # A step may go over many bars, and where the replay stands is not a matter of any tick's time.
        return LookedUpBars(rows, sys.maxsize, lambda last, _: self._shown_since(interval, last))

    def _shown_since(self, interval: Interval, time: float) -> list[BarRow]:
        """All bars that the replay shows from that one on, and perhaps some before it."""
        count = 2
        while True:
            rows = self.history(interval, until=math.inf, count=count, at=math.inf)
            if len(rows) < count or rows[0].time <= time:
                return rows
            count *= 2

    def history(self, interval: Interval, *, until: float, count: int, at: float) -> list[BarRow]:
        position = self._position
        if position is None:
            return []
        rows = self._inner.history(interval, until=min(until, position.until), count=count, at=position.at)
        return [*rows[:-1], *(self._so_far(row, interval, position) for row in rows[-1:])]

    def _so_far(self, row: BarRow, interval: Interval, position: ReplayPosition) -> BarRow:
        """The part of a bar that the replay has reached, made of bars like the newest that is shown."""
        assert position.bar is not None
        base = position.interval
        if base == interval or row.end <= position.bar.end:
            return row
        longest = interval.seconds or interval.count * _MONTH
        parts = math.ceil(longest / (base.seconds or longest)) + 1
        known = self._inner.history(base, until=position.bar.time, count=parts, at=position.at)
        inside = [each for each in known if each.time >= row.time]
        if not inside:
            return row
        volumes = [each.volume for each in inside if each.volume is not None]
        return BarRow(
            time=row.time,
            open=inside[0].open,
            high=max(each.high for each in inside),
            low=min(each.low for each in inside),
            close=inside[-1].close,
            # Rounded, as the sum of floats is not the float of the sum.
            volume=round(sum(volumes), 8) if volumes else None,
            end=row.end,
        )


def replay_key(session: str) -> str:
    """What the instruments of a bar replay have as their key; no symbol looks like it."""
    return f"replay {session}"
