"""Trading days and bar windows: when a market is open, and where its bars begin and end.

Trading days are numbered from 0, which is Monday 1990-01-01, so that "the day before" is a subtraction even across a
weekend. No holidays are kept and no session crosses midnight: every weekday of a market is a full trading day. What a
session's text means and when that is by UTC, `tvstreamer.trading_sessions` knows.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from tvstreamer.intervals import Interval
from tvstreamer.trading_sessions import TradingSession

_UNIX: Final = date(1970, 1, 1).toordinal()
_MONDAY: Final = date(1990, 1, 1).toordinal() - _UNIX


class Calendar:
    """The trading hours of one market, which exist as whole weeks (`24x7`) and Monday to Friday only."""

    __slots__ = ("_days", "_hours", "length", "session", "timezone")

    def __init__(self, session: str, timezone: str) -> None:
        self.session = session
        self.timezone = timezone
        self._hours = TradingSession.of(session, timezone)
        self._days = 7 if session == "24x7" else 5
        ((opens, closes),) = self._hours.spans(_MONDAY)
        self.length = closes - opens

    def open_of(self, day: int) -> int:
        """When the session of a trading day opens, in seconds UTC."""
        week, weekday = divmod(day, self._days)
        return self._hours.spans(_MONDAY + 7 * week + weekday)[0][0]

    def close_of(self, day: int) -> int:
        # The clocks of these markets change on Sundays at night, never within a session.
        return self.open_of(day) + self.length

    def day_at(self, time: float) -> int:
        """The newest trading day whose session has opened by `time`, be it over or not."""
        week, weekday = divmod(self._hours.local_day(time) - _MONDAY, 7)
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
            at = date.fromordinal(_UNIX + _MONDAY + 7 * (day // self._days) + day % self._days)
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
        week, weekday = divmod(date(months // 12, months % 12 + 1, 1).toordinal() - _UNIX - _MONDAY, 7)
        return self._days * week + min(weekday, self._days)

    def __repr__(self) -> str:
        return f"Calendar({self.session!r}, {self.timezone!r})"
