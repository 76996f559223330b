"""On which weekdays an exchange is closed, or closes early, from 1990 to 2040: by its rules, not by a list of dates.

The rules are those that the exchanges publish, with the changes that they made over the years, and the closures that no
rule foresaw. Holidays that follow the moon by observation or by decree (most of India's, and the Lunar New Year and its
kin in Hong Kong) are left out: there trading goes on in this market. Outside of these years no day is a holiday.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from functools import cache
from typing import Final, NamedTuple

FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2040

_MONDAY, _, _WEDNESDAY, _THURSDAY, _FRIDAY, _SATURDAY, _SUNDAY = range(7)
_ONE: Final = timedelta(days=1)

# Funerals of presidents, the attacks of 2001, a hurricane.
_US_UNFORESEEN: Final = (
    "1994-04-27 2001-09-11 2001-09-12 2001-09-13 2001-09-14 2004-06-11 2007-01-02 2012-10-29 2012-10-30 2018-12-05 2025-01-09"
)
_US_EARLY_ONCE: Final = "1996-12-24 1997-12-26 1999-12-31 2003-12-26"
# Five hundred years of the Reformation.
_DE_ONCE: Final = "2017-10-31"
# The millennium, jubilees, weddings, a funeral and a coronation; and bank holidays that were moved for them.
_GB_ONCE: Final = "1999-12-31 2002-06-03 2011-04-29 2012-06-05 2020-05-08 2022-06-03 2022-09-19 2023-05-08 1995-05-08"
_GB_EARLY_MAY_MOVED: Final = frozenset((1995, 2020))
_GB_SPRING_MOVED: Final = {2002: date(2002, 6, 4), 2012: date(2012, 6, 4), 2022: date(2022, 6, 2)}
# An enthronement, a wedding; the abdication and what it brought about; a day on which the exchange's machines failed.
_JP_ONCE: Final = "1990-11-12 1993-06-09 2019-04-30 2019-05-01 2019-05-02 2019-10-22 2020-10-01"


class Closures(NamedTuple):
    """Weekdays on which there is no trading, and those on which it ends early, each in order of time."""

    holidays: tuple[date, ...]
    early: tuple[date, ...]


@cache
def closures(rules: str) -> Closures:
    """The closures under the rules of a country, by its code; none under `""`."""
    holidays, early = _RULES[rules]
    years = range(FIRST_YEAR, LAST_YEAR + 1)
    closed = {day for year in years for day in holidays(year) if day.weekday() < _SATURDAY}
    ending = {day for year in years for day in early(year) if day.weekday() < _SATURDAY}
    return Closures(tuple(sorted(closed)), tuple(sorted(ending - closed)))


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar, by the computus of Meeus, Jones and Butcher."""
    golden = year % 19
    century, of_century = divmod(year, 100)
    leaps, rest = divmod(century, 4)
    moon = (19 * golden + century - leaps - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    quarters, odd = divmod(of_century, 4)
    weekday = (32 + 2 * rest + 2 * quarters - moon - odd) % 7
    shift = (golden + 11 * moon + 22 * weekday) // 451
    month, day = divmod(moon + weekday - 7 * shift + 114, 31)
    return date(year, month, day + 1)


def _nothing(year: int) -> Iterator[date]:
    yield from ()


def _us(year: int) -> Iterator[date]:
    yield from _us_by_rule(year)
    yield from _once(_US_UNFORESEEN, year)


def _us_by_rule(year: int) -> Iterator[date]:
    new_year = date(year, 1, 1)
    yield new_year + _ONE if new_year.weekday() == _SUNDAY else new_year
    if year >= 1998:
        yield _nth(year, 1, _MONDAY, 3)
    yield _nth(year, 2, _MONDAY, 3)
    yield _good_friday(year)
    yield _last(year, 5, _MONDAY)
    if year >= 2022:
        yield _nearest_weekday(date(year, 6, 19))
    yield _nearest_weekday(date(year, 7, 4))
    yield _nth(year, 9, _MONDAY, 1)
    yield _nth(year, 11, _THURSDAY, 4)
    yield _nearest_weekday(date(year, 12, 25))


def _us_early(year: int) -> Iterator[date]:
    if year < 1993:
        return
    yield _nth(year, 11, _THURSDAY, 4) + _ONE
    yield from _once(_US_EARLY_ONCE, year)
    if year >= 1997:
        yield date(year, 12, 24)
    if year >= 1995:
        eve = date(year, 7, 3)
        if eve.weekday() == _WEDNESDAY and year < 2013:
            yield date(year, 7, 5)
        elif eve.weekday() <= _THURSDAY:
            yield eve


def _cme(year: int) -> Iterator[date]:
    new_year = date(year, 1, 1)
    yield new_year + _ONE if new_year.weekday() == _SUNDAY else new_year
    yield _good_friday(year)
    yield _nearest_weekday(date(year, 12, 25))


def _cme_early(year: int) -> Iterator[date]:
    # Where shares have a holiday, futures trade until noon.
    yield from _us_by_rule(year)
    yield from _us_early(year)


def _de(year: int) -> Iterator[date]:
    yield date(year, 1, 1)
    yield _good_friday(year)
    yield easter(year) + _ONE
    yield date(year, 5, 1)
    # Whit Monday and the day of German unity were holidays of the exchange for some years only.
    if year == 2007 or 2015 <= year < 2022:
        yield easter(year) + 50 * _ONE
    if 2014 <= year < 2022:
        yield date(year, 10, 3)
    yield from _once(_DE_ONCE, year)
    yield from (date(year, 12, day) for day in (24, 25, 26, 31))


def _de_early(year: int) -> Iterator[date]:
    # The last trading day of the year.
    if year >= 2010:
        last = date(year, 12, 30)
        yield last - max(0, last.weekday() - _FRIDAY) * _ONE


def _gb(year: int) -> Iterator[date]:
    yield _next_weekday(date(year, 1, 1))
    yield _good_friday(year)
    yield easter(year) + _ONE
    if year not in _GB_EARLY_MAY_MOVED:
        yield _nth(year, 5, _MONDAY, 1)
    yield _GB_SPRING_MOVED.get(year) or _last(year, 5, _MONDAY)
    yield _last(year, 8, _MONDAY)
    christmas = date(year, 12, 25)
    yield from (christmas, christmas + _ONE)
    # What the weekend takes of the two is made up for on the days after it.
    if christmas.weekday() >= _SATURDAY:
        yield date(year, 12, 27)
    if christmas.weekday() in (_FRIDAY, _SATURDAY):
        yield date(year, 12, 28)
    yield from _once(_GB_ONCE, year)


def _gb_early(year: int) -> Iterator[date]:
    for last in (date(year, 12, 24), date(year, 12, 31)):
        yield last - max(0, last.weekday() - _FRIDAY) * _ONE


def _in(year: int) -> Iterator[date]:
    yield _good_friday(year)
    yield from (date(year, month, day) for month, day in ((1, 26), (4, 14), (5, 1), (8, 15), (10, 2), (12, 25)))


def _hk(year: int) -> Iterator[date]:
    yield _monday_after_sunday(date(year, 1, 1))
    yield _good_friday(year)
    yield easter(year) + _ONE
    if year >= 1997:
        yield from (_monday_after_sunday(date(year, 7, 1)), _monday_after_sunday(date(year, 10, 1)))
    if year >= 1999:
        yield _monday_after_sunday(date(year, 5, 1))
    christmas = date(year, 12, 25)
    yield from (christmas, christmas + _ONE)
    if christmas.weekday() in (_SATURDAY, _SUNDAY):
        yield date(year, 12, 27)


def _hk_early(year: int) -> Iterator[date]:
    yield from (date(year, 12, 24), date(year, 12, 31))


def _jp(year: int) -> Iterator[date]:
    """National holidays and their substitutes, and the days around New Year on which the exchange is closed."""
    named = set(_jp_named(year)) | set(_once(_JP_ONCE, year))
    days = set(named)
    for day in sorted(named):
        if day.weekday() == _SUNDAY:
            substitute = day + _ONE
            while substitute in named and year >= 2007:
                substitute += _ONE
            days.add(substitute)
        # A day between two holidays is one too.
        if day + 2 * _ONE in named and day + _ONE not in days and (day + _ONE).weekday() != _SUNDAY:
            days.add(day + _ONE)
    yield from days
    yield from (date(year, 1, 2), date(year, 1, 3), date(year, 12, 31))


def _jp_named(year: int) -> Iterator[date]:
    yield date(year, 1, 1)
    yield _nth(year, 1, _MONDAY, 2) if year >= 2000 else date(year, 1, 15)
    yield date(year, 2, 11)
    if year >= 2020:
        yield date(year, 2, 23)
    yield date(year, 3, _equinox(20.8431, year))
    yield from (date(year, month, day) for month, day in ((4, 29), (5, 3), (5, 5)))
    if year >= 2007:
        yield date(year, 5, 4)
    yield from _jp_summer(year)
    if year >= 2003:
        yield _nth(year, 9, _MONDAY, 3)
    else:
        yield date(year, 9, 15)
    yield date(year, 9, _equinox(23.2488, year))
    yield from (date(year, 11, 3), date(year, 11, 23))
    if year <= 2018:
        yield date(year, 12, 23)


def _jp_summer(year: int) -> Iterator[date]:
    """The days of the sea, of the mountains and of sports, which the Olympic Games of 2020 and 2021 shifted."""
    if year == 2020:
        yield from (date(year, 7, 23), date(year, 7, 24), date(year, 8, 10))
    elif year == 2021:
        yield from (date(year, 7, 22), date(year, 7, 23), date(year, 8, 8))
    else:
        if year >= 2003:
            yield _nth(year, 7, _MONDAY, 3)
        elif year >= 1996:
            yield date(year, 7, 20)
        if year >= 2016:
            yield date(year, 8, 11)
        yield _nth(year, 10, _MONDAY, 2) if year >= 2000 else date(year, 10, 10)


def _equinox(day_in_1980: float, year: int) -> int:
    """The day of the month, by the formula of the National Astronomical Observatory, good from 1980 to 2099."""
    return int(day_in_1980 + 0.242194 * (year - 1980) - (year - 1980) // 4)


def _good_friday(year: int) -> date:
    return easter(year) - 2 * _ONE


def _nth(year: int, month: int, weekday: int, number: int) -> date:
    first = date(year, month, 1)
    return first + ((weekday - first.weekday()) % 7 + 7 * (number - 1)) * _ONE


def _last(year: int, month: int, weekday: int) -> date:
    end = date(year, month, 31)
    return end - (end.weekday() - weekday) % 7 * _ONE


def _nearest_weekday(day: date) -> date:
    return day + {_SATURDAY: -1, _SUNDAY: 1}.get(day.weekday(), 0) * _ONE


def _next_weekday(day: date) -> date:
    return day + (7 - day.weekday()) * _ONE if day.weekday() >= _SATURDAY else day


def _monday_after_sunday(day: date) -> date:
    return day + _ONE if day.weekday() == _SUNDAY else day


def _once(days: str, year: int) -> Iterable[date]:
    return (day for day in map(date.fromisoformat, days.split()) if day.year == year)


_Rule = Callable[[int], Iterator[date]]
_RULES: Final[dict[str, tuple[_Rule, _Rule]]] = {
    "": (_nothing, _nothing),
    "US": (_us, _us_early),
    "US-CME": (_cme, _cme_early),
    "DE": (_de, _de_early),
    "GB": (_gb, _gb_early),
    "IN": (_in, _nothing),
    "JP": (_jp, _nothing),
    "HK": (_hk, _hk_early),
}
