"""When a market is open, from what the server says of a symbol: hours, time zone, holidays, corrections.

The forms, as symbols and TradingView's charting library have them:

* `24x7`; `0930-1600`; several hours of a day, `0900-1130,1230-1500`; `0000-0000` is the whole day.
* Days follow a colon, Sunday as 1: `0930-1600:23456`. Without them, Monday to Friday.
* Groups, divided by `|` or `;`: `0900-1630|0900-1400:2`. A group that names a day outdoes one that names none. A digit
  alone is the library's first day of the week and says nothing of hours.
* Hours that do not end after they begin, `1700-1600`, begin on the day before: a session belongs to the day on which it
  ends, so that Monday's begins on Sunday evening. `F` counts days before the trading day: `1800F1-1700`, `1900F4-2350F4`.
* Holidays are trading days without a session: `20251225,20260101`.
* Corrections are trading days with hours of their own, holidays among them: `0930-1300:20250703,20251128;dayoff:20250705`.

That sessions belong to the day of their end, and that corrections outdo holidays, is what the library's manual says;
captures show the forms but no bar that would prove it. `1700-1700`, with a whole day's length, is read in the same way.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Self

from tvstreamer.errors import InvalidPlan, MissingDependencyError, shorten

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

_Hours = tuple[tuple[int, int], ...]
"""Begin and end of a trading day's sessions, in seconds of the wall clock from its midnight; negative on days before."""

_DAY: Final = 86_400
_UNIX: Final = date(1970, 1, 1).toordinal()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EASTERNMOST: Final = 14 * 3600
_WESTERNMOST: Final = 12 * 3600
_HORIZONS: Final = (2 * _DAY, 8 * _DAY, 60 * _DAY)
_KEPT: Final = 512

_PERIOD: Final = re.compile(r"(\d\d)(\d\d)(?:F(\d{1,2}))?-(\d\d)(\d\d)(?:F(\d{1,2}))?", re.ASCII)
_EXPECTED: Final = "expected hours such as 24x7, 0930-1600, 0900-1130,1230-1500 or 1700-1600:23456"


@dataclass(frozen=True, slots=True)
class TradingSession:
    """When a market is open. Two are equal if their texts are.

    Raises `InvalidPlan` for what cannot be read: to this module the text is an argument, whoever sent it, and as a
    `RemoteProtocolError` it would pass for the end of the connection, when all that it need end is knowing the hours.
    Where it does not matter, go on with `TradingSession.ALWAYS`. Raises `MissingDependencyError` for a zone that no
    time zone database here has; `Etc/UTC`, and a market that never closes, need none.
    """

    ALWAYS: ClassVar[TradingSession]
    """A market that never closes."""

    session: str
    timezone: str
    holidays: str = ""
    corrections: str = ""
    _week: tuple[_Hours, ...] = field(init=False, repr=False, compare=False)
    _exceptions: dict[int, _Hours] = field(init=False, repr=False, compare=False)
    _zone: ZoneInfo | None = field(init=False, repr=False, compare=False)
    _always: bool = field(init=False, repr=False, compare=False)
    _reach: tuple[int, int] = field(init=False, repr=False, compare=False)
    _known: dict[int, tuple[tuple[int, int], ...]] = field(init=False, repr=False, compare=False)

    @classmethod
    def of(cls, session: str, timezone: str, holidays: str = "", corrections: str = "") -> Self:
        """Reads what a symbol says of its hours: `session`, `timezone`, `session_holidays`, and the corrections."""
        return cls(session, timezone, holidays, corrections)

    def __post_init__(self) -> None:
        for name in ("session", "timezone", "holidays", "corrections"):
            value: object = getattr(self, name)
            if not isinstance(value, str):
                raise InvalidPlan(f"{name} {shorten(value)}: expected a text")
        week = _week(self.session)
        exceptions: dict[int, _Hours] = dict.fromkeys(_dates(self.holidays, f"holidays {shorten(self.holidays)}"), ())
        exceptions |= _corrections(self.corrections)
        begin, end = week[0][0] if week[0] else (0, 0)
        always = not exceptions and end - begin == _DAY and set(week) == {((begin, end),)}
        edges = [edge for hours in (*week, *exceptions.values()) for period in hours for edge in period]
        read = {
            "_week": week,
            "_exceptions": exceptions,
            "_always": always,
            "_reach": (min(edges, default=0), max(edges, default=0)),
            "_zone": _zone(self.timezone, needed=not always),
            "_known": {},
        }
        for name, part in read.items():
            object.__setattr__(self, name, part)

    def is_open(self, time: float) -> bool:
        """Whether the market is open at `time`, in seconds since the epoch: from the opening on, until before the close."""
        return self._always or any(
            begin <= time < end for day in self._days(time, time) for begin, end in self.spans(day)
        )

    def next_change(self, time: float) -> float:
        """When it opens or closes next, after `time`. Infinity if it does neither within 60 days."""
        if self._always:
            return math.inf
        for horizon in _HORIZONS:
            for span in self._open(time, time + horizon):
                for edge in span:
                    if time < edge <= time + horizon:
                        return float(edge)
        return math.inf

    def open_seconds(self, start: float, end: float) -> float:
        """For how long it is open between two moments; 0 if the second is not after the first."""
        if self._always:
            return max(0.0, end - start)
        return sum((max(0.0, min(closes, end) - max(opens, start)) for opens, closes in self._open(start, end)), 0.0)

    def spans(self, day: int) -> tuple[tuple[int, int], ...]:
        """When the sessions of one trading day begin and end, in seconds since the epoch.

        Days count from 1970-01-01 by the calendar of the exchange. Its first session may begin on a day before.
        """
        known = self._known.get(day)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            hours = self._exceptions.get(day, self._week[(day + 4) % 7])
            moments = ((self._moment(day, begin), self._moment(day, end)) for begin, end in hours)
            # A session within the hour that the change to summer skips does not take place.
            known = self._known[day] = tuple((begin, end) for begin, end in moments if begin < end)
        return known

    def local_day(self, time: float) -> int:
        """Which day it is at the exchange, counted as `spans` does."""
        if self._zone is None:
            return int(time // _DAY)
        # Not fromtimestamp, which some platforms refuse before 1970.
        return (_EPOCH + timedelta(seconds=time)).astimezone(self._zone).toordinal() - _UNIX

    def _moment(self, day: int, seconds: int) -> int:
        if self._zone is None:
            return day * _DAY + seconds
        wall = datetime.fromordinal(day + _UNIX) + timedelta(seconds=seconds)
        # A time that the change to summer skips is taken an hour later, one that comes twice is the first of them.
        return int(wall.replace(tzinfo=self._zone).timestamp())

    def _days(self, start: float, end: float) -> range:
        """The trading days whose sessions may touch what lies between two moments, wherever on earth that is."""
        earliest, latest = self._reach
        first = math.floor((start - latest - _WESTERNMOST) / _DAY)
        last = math.floor((end - earliest + _EASTERNMOST) / _DAY)
        return range(first, last + 1)

    def _open(self, start: float, end: float) -> list[tuple[int, int]]:
        """When it opens and closes between two moments: sessions that meet or overlap are one."""
        joined: list[tuple[int, int]] = []
        for begin, close in sorted(span for day in self._days(start, end) for span in self.spans(day)):
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], close))
            else:
                joined.append((begin, close))
        return joined


def _week(session: str) -> tuple[_Hours, ...]:
    """The hours of each day of the week, Sunday first."""
    problem = f"session {shorten(session)}"
    named: dict[int, list[tuple[int, int]]] = {}
    others: dict[int, list[tuple[int, int]]] = {}
    for group in re.split("[|;]", session):
        text, colon, digits = group.strip().partition(":")
        if re.fullmatch("[1-7]", text):
            continue
        hours = _hours(text, problem)
        if colon and not re.fullmatch("[1-7]+", digits):
            raise InvalidPlan(f"{problem}: days {shorten(digits)}: expected digits, from 1 for Sunday to 7 for Saturday")
        for digit in sorted(set(digits)) or ("1234567" if text == "24x7" else "23456"):
            (named if colon else others).setdefault(int(digit), []).extend(hours)
    if not named and not others:
        raise InvalidPlan(f"{problem}: {_EXPECTED}")
    return tuple(tuple(sorted(named.get(day) or others.get(day) or ())) for day in range(1, 8))


def _hours(text: str, problem: str) -> _Hours:
    return ((0, _DAY),) if text == "24x7" else tuple(sorted(_period(part.strip(), problem) for part in text.split(",")))


def _period(text: str, problem: str) -> tuple[int, int]:
    if text == "0000-0000":
        return 0, _DAY
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise InvalidPlan(f"{problem}: {_EXPECTED}")
    begin, end = _seconds(match[1], match[2], problem), _seconds(match[4], match[5], problem)
    end_before = int(match[6] or 0)
    begin_before = end_before + (begin >= end) if match[3] is None else int(match[3])
    begin, end = begin - begin_before * _DAY, end - end_before * _DAY
    if begin >= end:
        raise InvalidPlan(f"{problem}: {shorten(text)} ends before it begins")
    return begin, end


def _seconds(hours: str, minutes: str, problem: str) -> int:
    seconds = int(hours) * 3600 + int(minutes) * 60
    if seconds > _DAY or int(minutes) >= 60:
        raise InvalidPlan(f"{problem}: time {hours + minutes!r}: expected 0000 to 2400")
    return seconds


def _corrections(text: str) -> dict[int, _Hours]:
    """Hours by trading day; a day off has none."""
    problem = f"corrections {shorten(text)}"
    corrected: dict[int, _Hours] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        hours, _, dates = part.rpartition(":")
        corrected |= dict.fromkeys(_dates(dates, problem), () if hours == "dayoff" else _hours(hours, problem))
    return corrected


def _dates(text: str, problem: str) -> list[int]:
    """Days since 1970-01-01 from `20251225,20260101`."""
    days = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        try:
            # Of the forms that ISO has for a date, this is the one.
            days.append(date.fromisoformat(part if re.fullmatch("[0-9]{8}", part) else "").toordinal() - _UNIX)
        except ValueError:
            raise InvalidPlan(f"{problem}: {shorten(part)}: expected a date such as 20251225") from None
    return days


def _zone(timezone: str, *, needed: bool) -> ZoneInfo | None:
    """The zone of that name; None for UTC, which is arithmetic, quick, and works where no database is installed."""
    if timezone in ("Etc/UTC", "UTC"):
        return None
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(timezone)
    except ZoneInfoNotFoundError as error:
        if needed:
            raise MissingDependencyError("tzdata", "tzdata") from error
    # Some versions stumble over the name of a folder.
    except (ValueError, OSError) as error:
        if needed:
            raise InvalidPlan(f"timezone {shorten(timezone)}: expected a name such as America/New_York") from error
    return None


TradingSession.ALWAYS = TradingSession("24x7", "Etc/UTC")
