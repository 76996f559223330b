"""Tick marks: how heavy each point of a chart's time scale is, and which points are still to come.

A mark is `[span, time, index]`. The span tells the largest boundary of the calendar, in the chart's timezone, that lies
between a point and the one before it (the table fits captures of 2023 and 2025). The time is shifted to that timezone;
that of a day, week or month is the midnight of its trading day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tvstreamer.errors import InvalidPlan, MissingDependencyError
from tvstreamer.intervals import Interval, Unit
from tvstreamer.trading_sessions import TradingSession

PROVISIONAL: Final = 5
"""The span of a point that has just been added by the live market."""

_DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BOUNDARIES: Final = ((33, 43_200), (32, 21_600), (31, 10_800), (30, 3_600), (22, 1_800), (21, 300), (20, 60))
_SECOND, _WEEK, _DAILY, _MONTH, _YEAR = 10, 50, 40, 60, 70
_FIRST: Final[dict[Unit, int]] = {"T": 10, "S": 10, "R": 10, "m": 20, "D": 40, "W": 50, "M": 60}
"""The span of a point that has none before it."""
_STEP: Final = 900
"""No timezone changes its offset between two multiples of this."""
_EVENING: Final = 7 * 3_600
"""A session that opens this long before midnight, or less, is that of the day to come: 17:00 in New York."""
_FARTHEST: Final = 800

Offset = Callable[[float], int]
"""By how many seconds local time is ahead of UTC at a moment."""


def offsets(timezone: str) -> Offset | None:
    """The offsets of a timezone by its IANA name; None where there is no such zone."""
    if timezone in ("Etc/UTC", "UTC"):
        return lambda _: 0
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None
    known: dict[int, int] = {}

    def offset(time: float) -> int:
        step = int(time // _STEP)
        found = known.get(step)
        if found is None:
            moment = (_EPOCH + timedelta(seconds=step * _STEP)).astimezone(zone)
            found = known[step] = int((moment.utcoffset() or timedelta()).total_seconds())
        return found

    return offset


def marks(points: Iterable[tuple[int, float]], interval: Interval, chart: Offset, exchange: Offset) -> list[list[int]]:
    """The marks of points in order of time, each given as index and time of its bar."""
    local = _wall_clock(interval, chart, exchange)
    result: list[list[int]] = []
    before: int | None = None
    for index, time in points:
        now = local(time)
        span = _FIRST[interval.unit] if before is None else _span(before, now)
        result.append([span, now, index])
        before = now
    return result


def provisional(index: int, time: float, interval: Interval, chart: Offset, exchange: Offset) -> list[int]:
    """The mark of a point that the live market adds."""
    return [PROVISIONAL, _wall_clock(interval, chart, exchange)(time), index]


def _wall_clock(interval: Interval, chart: Offset, exchange: Offset) -> Callable[[float], int]:
    if interval.is_intraday:
        return lambda time: int(time) + chart(time)
    return lambda time: (int(time) + exchange(time) + _EVENING) // _DAY * _DAY


def _span(before: int, now: int) -> int:
    if before // _DAY == now // _DAY:
        return next((span for span, length in _BOUNDARIES if before // length != now // length), _SECOND)
    then, today = (_EPOCH + timedelta(seconds=before)), (_EPOCH + timedelta(seconds=now))
    if then.year != today.year:
        return _YEAR
    if then.month != today.month:
        return _MONTH
    # The first of January 1970 was a Thursday.
    return _WEEK if (before // _DAY + 3) // 7 != (now // _DAY + 3) // 7 else _DAILY


def coming(interval: Interval, newest: float, info: dict[str, Any], count: int) -> list[float]:
    """The times of up to `count` bars that would follow one, by the hours of its symbol."""
    session = _session(info)
    if not interval.is_intraday:
        return list(islice(_coming_days(interval, newest, session), count))
    length = interval.seconds
    if length is None:
        # Nobody knows when a number of ticks or a range of prices will have passed.
        return []
    times: list[float] = []
    time = float(newest)
    while len(times) < count and time < float("inf"):
        following = time + length
        time = following if session.is_open(following) else session.next_change(following)
        times.append(time)
    return [time for time in times if time < float("inf")]


def _coming_days(interval: Interval, newest: float, session: TradingSession) -> Iterable[float]:
    day = session.local_day(newest + _EVENING)
    current = _period(interval, day)
    for later in range(day + 1, day + _FARTHEST * interval.count):
        spans = session.spans(later)
        if spans and _period(interval, later) != current:
            current = _period(interval, later)
            yield float(spans[0][0])


def _period(interval: Interval, day: int) -> int:
    if interval.unit == "D":
        return day // interval.count
    if interval.unit == "W":
        return (day + 3) // 7 // interval.count
    date = _EPOCH + timedelta(days=day)
    return (date.year * 12 + date.month - 1) // interval.count


def _session(info: dict[str, Any]) -> TradingSession:
    texts = [info.get(name, "") for name in ("session", "timezone", "session_holidays", "corrections")]
    try:
        return TradingSession.of(*texts)
    except (InvalidPlan, MissingDependencyError):
        return TradingSession.ALWAYS
