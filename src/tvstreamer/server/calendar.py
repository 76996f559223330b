"""Trading days and bar windows: when a market is open, and where its bars begin and end.

Trading days are numbered from 0, which is Monday 1990-01-01, so that "the day before" is a subtraction even across a
weekend. No holidays are kept and no session crosses midnight: every weekday of a market is a full trading day.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tvstreamer.errors import MissingDependencyError
from tvstreamer.intervals import Interval

DAY_SECONDS: Final = 86_400
_MONDAY: Final = date(1990, 1, 1).toordinal()
_UNIX: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Calendar:
    """The trading hours of one market, from the wire's session text: `24x7`, `0930-1600`, `0000-0000:23456`.

    The days after the colon count from Sunday as 1. Only whole weeks and Monday to Friday exist here.
    """

    __slots__ = ("_days", "_opens", "_zone", "length", "session", "timezone")

    def __init__(self, session: str, timezone: str) -> None:
        self.session = session
        self.timezone = timezone
        self._days = 7 if session == "24x7" else 5
        hours = "0000-0000" if session == "24x7" else session.partition(":")[0]
        begin, end = hours.split("-")
        self._opens = _seconds(begin)
        self.length = (_seconds(end) - self._opens) % DAY_SECONDS or DAY_SECONDS
        # UTC is arithmetic, quick, and works where no time zone database is installed.
        self._zone = None if timezone == "Etc/UTC" else _zone(timezone)

    def open_of(self, day: int) -> int:
        """When the session of a trading day opens, in seconds UTC."""
        week, weekday = divmod(day, self._days)
        ordinal = _MONDAY + 7 * week + weekday
        if self._zone is None:
            return (ordinal - _UNIX) * DAY_SECONDS + self._opens
        at = date.fromordinal(ordinal)
        hours, rest = divmod(self._opens, 3600)
        return int(datetime(at.year, at.month, at.day, hours, rest // 60, tzinfo=self._zone).timestamp())

    def close_of(self, day: int) -> int:
        # The clocks of these markets change on Sundays at night, never within a session.
        return self.open_of(day) + self.length

    def day_at(self, time: float) -> int:
        """The newest trading day whose session has opened by `time`, be it over or not."""
        if self._zone is None:
            ordinal = int(time // DAY_SECONDS) + _UNIX
        else:
            # Not fromtimestamp, which some platforms refuse before 1970.
            ordinal = (_EPOCH + timedelta(seconds=time)).astimezone(self._zone).toordinal()
        week, weekday = divmod(ordinal - _MONDAY, 7)
        day = self._days * week + min(weekday, self._days - 1)
        return day if self.open_of(day) <= time else day - 1

    def is_open(self, time: float) -> bool:
        return time < self.close_of(self.day_at(time))

    def group(self, interval: Interval, day: int) -> tuple[int, int]:
        """The trading days that share a day, week or month bar with `day`: the first, and the first of the next bar.

        Several days or weeks are counted from 1990-01-01, several months from January of year 0, so that a year begins
        a new `3M`, `6M` or `12M` bar.
        """
        if interval.unit == "M":
            at = date.fromordinal(_MONDAY + 7 * (day // self._days) + day % self._days)
            months = (at.year * 12 + at.month - 1) // interval.count * interval.count
            return self._first_of(months), self._first_of(months + interval.count)
        size = interval.count * (self._days if interval.unit == "W" else 1)
        first = day // size * size
        return first, first + size

    def window(self, interval: Interval, time: float) -> tuple[int, int]:
        """When the bar that `time` falls into opens and when it ends; for ticks and ranges the session does.

        Bars within a day are counted from the session's open, and the last one ends with the session. What falls
        between two sessions counts as the end of the earlier one.
        """
        day = self.day_at(time)
        if not interval.is_intraday:
            first, after = self.group(interval, day)
            return self.open_of(first), self.close_of(after - 1)
        opens = self.open_of(day)
        closes = opens + self.length
        length = interval.seconds
        if length is None:
            return opens, closes
        start = opens + int(min(time, closes - 1) - opens) // length * length
        return start, min(start + length, closes)

    def _first_of(self, months: int) -> int:
        """The first trading day from the beginning of a month on; months are counted from year 0."""
        week, weekday = divmod(date(months // 12, months % 12 + 1, 1).toordinal() - _MONDAY, 7)
        return self._days * week + min(weekday, self._days)

    def __repr__(self) -> str:
        return f"Calendar({self.session!r}, {self.timezone!r})"


def _seconds(clock: str) -> int:
    return int(clock[:2]) * 3600 + int(clock[2:]) * 60


def _zone(timezone: str) -> ZoneInfo:
    try:
        return ZoneInfo(timezone)
    except ZoneInfoNotFoundError as error:
        raise MissingDependencyError("tzdata", "tzdata") from error
