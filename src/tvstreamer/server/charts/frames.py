"""Frames: the stretch of time that a client wants to see of a series, as the last parameter of its command says it.

`r,FROM:TO` is a range of Unix seconds. All others are periods that end now: `LASTSESSION`, `YTD`, `ALL`, or a number and
one of `D`, `W`, `M`; a number alone is one of days, as an old browser strips the `D`.
"""

from __future__ import annotations

import math
import re
from calendar import monthrange
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.instrument import Instrument

_RANGE: Final = re.compile(r"r,(-?\d{1,12})(?:\.\d+)?:(-?\d{1,12})(?:\.\d+)?", re.ASCII)
_PERIOD: Final = re.compile(r"(\d{1,4})([DWM]?)", re.ASCII)
_DAY: Final = Interval(1, "D")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MONTH: Final = 28 * 86_400


class Frame(NamedTuple):
    """From when to when; `text` is how the server names it in its answer."""

    text: str
    start: float
    end: float

    def holds(self, times: list[tuple[int, float]]) -> tuple[int, int]:
        """The indexes of the first and last of these points that it shows; of the nearest ones where it shows none."""
        inside = [index for index, time in times if self.start <= time <= self.end]
        if inside:
            return inside[0], inside[-1]
        nearest = times[0] if times and self.end < times[0][1] else times[-1] if times else (0, 0.0)
        return nearest[0], nearest[0]


def read_frame(text: str, instrument: Instrument, at: float) -> Frame | None:
    """What a client's text means for an instrument now; None for what is no frame."""
    given = _RANGE.fullmatch(text)
    if given:
        return Frame(text, float(given[1]), float(given[2]))
    name = text.upper()
    if name == "ALL":
        return Frame(text, -math.inf, math.inf)
    if name == "LASTSESSION":
        return Frame(text, _days_back(instrument, 1, at), math.inf)
    now = _EPOCH + timedelta(seconds=at)
    if name == "YTD":
        return Frame(text, now.replace(month=1, day=1, hour=0, minute=0, second=0, microsecond=0).timestamp(), math.inf)
    period = _PERIOD.fullmatch(name)
    number = int(period[1]) if period else 0
    if period is None or not number:
        return None
    if period[2] == "M":
        return Frame(text, _months_back(now, number), math.inf)
    if period[2] == "W":
        return Frame(text, at - number * 7 * 86_400, math.inf)
    return Frame(text, _days_back(instrument, number, at), math.inf)


def bars_since(start: float, interval: Interval, at: float) -> float:
    """At most how many bars began since a moment; infinity where their length says nothing of it."""
    length = _MONTH * interval.count if interval.unit == "M" else interval.seconds
    return math.inf if length is None or math.isinf(start) else max(0.0, (at - start) // length + 2)


def _days_back(instrument: Instrument, number: int, at: float) -> float:
    """When the trading day began that was so many ago, counted with the one of this moment."""
    days = instrument.history(_DAY, until=at, count=number, at=at)
    return days[0].time if days else at


def _months_back(now: datetime, number: int) -> float:
    months = now.year * 12 + now.month - 1 - number
    year, month = max(1, months // 12), months % 12 + 1
    # The 31st goes back to the last day of a month that has none.
    day = min(now.day, monthrange(year, month)[1])
    return (now.replace(year=year, month=month, day=day) - _EPOCH).total_seconds()
