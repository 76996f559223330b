"""Bars asked for on purpose: the newest so many, those before a moment, or those of a span, page by page.

Whether a request is answered is told by the bars themselves and by the server's word that there are no more, never by a count
alone: a symbol may have fewer bars than were asked for, and a server may give fewer in one answer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tvstreamer.constants import MOST_BARS_A_REQUEST
from tvstreamer.errors import InvalidPlan, TvError
from tvstreamer.events import Bar
from tvstreamer.protocol.charts import bar_event
from tvstreamer.protocol.packets import BarValues

MOST_BARS = 1_000_000
_LATEST = 253_402_300_800.0
"""The end of the year 9999."""
_DAY = 86_400


@dataclass(frozen=True, slots=True)
class HistoryProgress:
    """How far a request for history is: `bars` so far, the `oldest` of them, and the `fraction` done, from 0 to 1."""

    bars: int
    oldest: float | None
    fraction: float


class HistoryRequest:
    """One request. `done` turns True with the answer; `error` says why there is none.

    `bars` alone asks for the newest so many, with `end` for the newest before that moment. With `start` it is all bars from
    that moment on, up to but not including `end`. Raises `InvalidPlan`.
    """

    def __init__(
        self,
        symbol: str,
        interval: str,
        seconds: int | None,
        bars: int | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> None:
        if (bars is None) == (start is None):
            raise InvalidPlan("history: expected either a number of bars or a start, not both")
        if bars is not None and not (isinstance(bars, int) and 1 <= bars <= MOST_BARS):
            raise InvalidPlan(f"history of {bars!r} bars: expected a whole number from 1 to {MOST_BARS}")
        for name, moment in (("start", start), ("end", end)):
            if moment is not None and not 0 <= moment < _LATEST:
                raise InvalidPlan(f"history: {name} {moment!r}: expected seconds since the epoch, before the year 10000")
        if start is not None and end is not None and not start < end:
            raise InvalidPlan(f"history from {start:.0f} to {end:.0f}: expected a start before the end")
        self.symbol = symbol
        self.interval = interval
        self.seconds = seconds
        self.wanted = bars
        self.start = start
        self.end = end
        self.pages = 0
        """Answers so far, those on connections that were lost included."""
        self.bars: list[Bar] = []
        self.done = False
        self.complete = False
        self.limit: str | None = None
        self.error: TvError | None = None
        self._forget()

    def _forget(self) -> None:
        self._rows: dict[float, BarValues] = {}
        self._oldest, self._newest = math.inf, -math.inf
        self._reached = math.inf
        """The oldest bar of the pages before the last one."""

    @classmethod
    def recorded(cls, symbol: str, interval: str) -> HistoryRequest:
        """One on a tape: nobody waits for the answer, but its rows still have to be told from a stream's."""
        request = cls(symbol, interval, None, 1)
        request.done = True
        return request

    def __repr__(self) -> str:
        what = f"{self.wanted} x {self.symbol} {self.interval}"
        if self.wanted is None:
            what = f"{self.symbol} {self.interval} from {self.start:.0f}"
        state = "failed" if self.error else "done" if self.done else f"{len(self._rows)} rows so far"
        return f"<HistoryRequest {what}: {state}>"

    def opening(self, now: float) -> tuple[int | list[Any], str]:
        """What `create_series` has to say: its count and its period. Forgets what an earlier connection brought.

        Where a server makes nothing of a moment or a period, it begins with the newest bars, and there are more pages.
        """
        self._forget()
        if self.start is not None:
            end = max(now, self.start) + _DAY if self.end is None else self.end
            return MOST_BARS_A_REQUEST, f"r,{math.floor(self.start)}:{math.ceil(end)}"
        assert self.wanted is not None
        count = min(self.wanted, MOST_BARS_A_REQUEST)
        return (count if self.end is None else ["bar_count", math.ceil(self.end), count]), ""

    def take(self, rows: Iterable[BarValues]) -> None:
        """Bars of a page, or of the live updates between two pages; of two words on one bar the later holds."""
        if not self.done:
            page = {values.time: values for values in rows}
            self._rows.update(page)
            self._oldest = min(self._oldest, min(page, default=math.inf))
            self._newest = max(self._newest, max(page, default=-math.inf))

    def completed(self, details: Mapping[str, Any], server_now: float | None) -> int:
        """A page is complete. Returns how many older bars to ask for; 0 with the answer, or where nobody waits for one."""
        if self.done:
            return 0
        self.pages += 1
        before, self._reached = self._reached, self._oldest
        word = details.get("data_completed")
        enough = self._has_enough()
        if not enough and word is None and self._oldest < before:
            if len(self._rows) < MOST_BARS:
                return MOST_BARS_A_REQUEST if self.wanted is None else min(MOST_BARS_A_REQUEST, self.wanted - self._count())
            word = f"{MOST_BARS} bars"
        self.complete = enough or word == "end"
        self.limit = None if self.complete or word is None else str(word)
        self.bars = self._answer(server_now)
        self.done = True
        return 0

    def fail(self, error: TvError) -> None:
        if not self.done:
            self.error = error
            self.done = True

    @property
    def progress(self) -> HistoryProgress:
        if self.done:
            fraction = 1.0
        elif self.wanted is not None:
            fraction = self._count() / self.wanted
        else:
            assert self.start is not None
            newest = min(self._newest, self.end or math.inf)
            fraction = (newest - self._oldest) / (newest - self.start) if self.start < newest else 0.0
        return HistoryProgress(
            len(self.bars) if self.done else self._count(),
            None if self._oldest == math.inf else self._oldest,
            min(1.0, max(0.0, fraction)),
        )

    def _count(self) -> int:
        """How many of the rows are asked for."""
        if self.start is None and self.end is None:
            return len(self._rows)
        return sum(1 for time in self._rows if self._is_wanted(time))

    def _is_wanted(self, time: float) -> bool:
        return (self.start is None or time >= self.start) and (self.end is None or time < self.end)

    def _has_enough(self) -> bool:
        if self.start is not None:
            return self._oldest <= self.start
        assert self.wanted is not None
        return self._count() >= self.wanted

    def _answer(self, server_now: float | None) -> list[Bar]:
        newest = self._newest
        over = self.seconds is not None and server_now is not None and newest + self.seconds <= server_now
        times = sorted(time for time in self._rows if self._is_wanted(time))
        if self.wanted is not None:
            times = times[-self.wanted :]
        rows = [self._rows[time] for time in times]
        self._rows.clear()
        return [
            bar_event(self.symbol, self.interval, values, "successor" if values.time < newest else "time" if over else None)
            for values in rows
        ]
