"""Trading days and bar windows: when a market is open, and where its bars begin and end.

Days are numbered from 0, which is Monday 1990-01-01, by whole weeks or by weekdays, so that weeks and months are
arithmetic. A day that is a holiday keeps its number and has no session. What the texts mean and when that is by UTC,
`tvstreamer.trading_sessions` knows, here as on the side of a client who reads the same texts.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from tvstreamer.intervals import Interval
from tvstreamer.trading_sessions import TradingSession

_UNIX: Final = date(1970, 1, 1).toordinal()
_MONDAY: Final = date(1990, 1, 1).toordinal() - _UNIX
_EARLIEST: Final = 1900 * 12
"""The month, counted from year 0, before which no bar begins."""


class Calendar:
    """The trading hours of one market, which exist as whole weeks (`24x7`) and Monday to Friday only.

    `holidays` and `corrections` are texts as a symbol's info has them. `length` is how long a usual day is open, in
    seconds. A day that ends on the day on which its session does may begin on the day before; it may have breaks.
    """

    __slots__ = ("_ahead", "_days", "_hours", "corrections", "holidays", "length", "session", "timezone")

    def __init__(self, session: str, timezone: str, holidays: str = "", corrections: str = "") -> None:
        self.session = session
        self.timezone = timezone
        self.holidays = holidays
        self.corrections = corrections
        self._hours = TradingSession.of(session, timezone, holidays, corrections)
        self._days = 7 if session == "24x7" else 5
        usual = TradingSession.of(session, timezone)
        spans = usual.spans(_MONDAY)
        self.length = sum(closes - opens for opens, closes in spans)
        # By how many days a session may begin before the day that it belongs to.
        self._ahead = _MONDAY - usual.local_day(spans[0][0])

    def spans(self, day: int) -> tuple[tuple[int, int], ...]:
        """The sessions of a day, in seconds UTC; none on a holiday."""
        week, weekday = divmod(day, self._days)
        return self._hours.spans(_MONDAY + 7 * week + weekday)

    def is_trading_day(self, day: int) -> bool:
        return bool(self.spans(day))

    def open_of(self, day: int) -> int:
        """When the first session of a trading day opens, in seconds UTC."""
        return self.spans(day)[0][0]

    def close_of(self, day: int) -> int:
        """When the last session of a trading day closes."""
        return self.spans(day)[-1][1]

    def trading_day_by(self, day: int) -> int:
        """The newest trading day up to this day."""
        while not self.spans(day):
            day -= 1
        return day

    def trading_day_from(self, day: int) -> int:
        """The first trading day from this day on."""
        while not self.spans(day):
            day += 1
        return day

    def day_at(self, time: float) -> int:
        """The newest trading day whose session has opened by `time`, be it over or not."""
        week, weekday = divmod(self._hours.local_day(time) + self._ahead - _MONDAY, 7)
        day = self.trading_day_by(self._days * week + min(weekday, self._days - 1))
        while self.open_of(day) > time:
            day = self.trading_day_by(day - 1)
        return day

    def is_open(self, time: float) -> bool:
        return any(opens <= time < closes for opens, closes in self.spans(self.day_at(time)))

    def is_holiday(self, time: float) -> bool:
        """Whether it is a day at the exchange that has no session though its weekday would have one."""
        week, weekday = divmod(self._hours.local_day(time) - _MONDAY, 7)
        return weekday < self._days and not self.spans(self._days * week + weekday)

    def group(self, interval: Interval, day: int) -> tuple[int, int]:
        """The days that share a day, week or month bar with `day`: the first, and the first of the next bar.

        Several days or weeks are counted from 1990-01-01, several months from January of year 0, so that a year begins
        a new `3M`, `6M` or `12M` bar; none of these begins before 1900. Holidays count.
        """
        if interval.unit == "M":
            at = date.fromordinal(_UNIX + _MONDAY + 7 * (day // self._days) + day % self._days)
            months = (at.year * 12 + at.month - 1) // interval.count * interval.count
            return self._first_of(months), self._first_of(months + interval.count)
        size = interval.count * (self._days if interval.unit == "W" else 1)
        first = day // size * size
        return first, first + size

    def window(self, interval: Interval, time: float) -> tuple[int, int]:
        """When the bar that `time` falls into opens and when it ends; for ticks and ranges the trading day does.

        Bars within a day are counted from the opening of their session, and the last one ends with it. What falls
        between two sessions counts as the end of the earlier one.
        """
        day = self.day_at(time)
        if not interval.is_intraday:
            first, after = self.group(interval, day)
            return self.open_of(self.trading_day_from(first)), self.close_of(self.trading_day_by(after - 1))
        length = interval.seconds
        if length is None:
            return self.open_of(day), self.close_of(day)
        opens, closes = [span for span in self.spans(day) if span[0] <= time][-1]
        start = opens + int(min(time, closes - 1) - opens) // length * length
        return start, min(start + length, closes)

    def _first_of(self, months: int) -> int:
        """The first day from the beginning of a month on; months are counted from year 0, and begin with 1900."""
        months = max(months, _EARLIEST)
        week, weekday = divmod(date(months // 12, months % 12 + 1, 1).toordinal() - _UNIX - _MONDAY, 7)
        return self._days * week + min(weekday, self._days)

    def __repr__(self) -> str:
        return f"Calendar({self.session!r}, {self.timezone!r})"
