"""Trading days and bar windows."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from tvstreamer.errors import MissingDependencyError
from tvstreamer.intervals import Interval
from tvstreamer.server.market.calendar import Calendar

CRYPTO = Calendar("24x7", "Etc/UTC")
FOREX = Calendar("0000-0000:23456", "Etc/UTC")
NASDAQ = Calendar("0930-1600", "America/New_York")
NSE = Calendar("0915-1530", "Asia/Kolkata")


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp())  # type: ignore[misc, arg-type]


def test_the_first_trading_day_is_the_first_monday_of_1990() -> None:
    assert CRYPTO.open_of(0) == FOREX.open_of(0) == utc(1990, 1, 1)
    assert CRYPTO.day_at(utc(1990, 1, 1)) == 0


def test_a_market_that_never_closes_has_a_trading_day_each_day() -> None:
    assert CRYPTO.open_of(7) - CRYPTO.open_of(0) == 7 * 86_400
    assert CRYPTO.close_of(3) == CRYPTO.open_of(4)
    assert CRYPTO.is_open(utc(2025, 2, 15, 12))


def test_the_trading_day_after_friday_is_monday() -> None:
    friday = FOREX.day_at(utc(2025, 2, 14))
    assert FOREX.open_of(friday) == utc(2025, 2, 14)
    assert FOREX.open_of(friday + 1) == utc(2025, 2, 17)


@pytest.mark.parametrize("moment", [utc(2025, 2, 15), utc(2025, 2, 16, 23, 59, 59)])
def test_on_a_weekend_the_newest_trading_day_is_friday(moment: int) -> None:
    assert FOREX.open_of(FOREX.day_at(moment)) == utc(2025, 2, 14)
    assert not FOREX.is_open(moment)


def test_before_the_bell_the_newest_trading_day_is_the_one_before() -> None:
    monday = utc(2025, 2, 17, 14, 30)
    assert NASDAQ.open_of(NASDAQ.day_at(monday)) == monday
    assert NASDAQ.open_of(NASDAQ.day_at(monday - 1)) == utc(2025, 2, 14, 14, 30)
    assert NASDAQ.is_open(monday)
    assert not NASDAQ.is_open(monday - 1)


@pytest.mark.parametrize(
    ("calendar", "at", "opens", "closes"),
    [
        (NASDAQ, utc(2025, 1, 15, 18), utc(2025, 1, 15, 14, 30), utc(2025, 1, 15, 21)),
        (NASDAQ, utc(2025, 7, 15, 18), utc(2025, 7, 15, 13, 30), utc(2025, 7, 15, 20)),
        (NSE, utc(2025, 7, 15, 5), utc(2025, 7, 15, 3, 45), utc(2025, 7, 15, 10)),
        (Calendar("0900-1730", "Europe/Berlin"), utc(2025, 7, 15, 12), utc(2025, 7, 15, 7), utc(2025, 7, 15, 15, 30)),
    ],
)
def test_a_session_opens_by_the_clock_of_its_city(calendar: Calendar, at: int, opens: int, closes: int) -> None:
    day = calendar.day_at(at)
    assert (calendar.open_of(day), calendar.close_of(day)) == (opens, closes)


def test_every_session_of_a_hundred_years_opens_at_the_same_local_time() -> None:
    for day in range(0, 28_000, 97):
        local = datetime.fromtimestamp(NASDAQ.open_of(day), ZoneInfo("America/New_York"))
        assert (local.hour, local.minute) == (9, 30)
        assert NASDAQ.day_at(NASDAQ.open_of(day)) == day


@pytest.mark.parametrize(
    ("interval", "at", "start", "end"),
    [
        ("1", utc(2025, 7, 15, 14, 0, 59), utc(2025, 7, 15, 14), utc(2025, 7, 15, 14, 1)),
        ("60", utc(2025, 7, 15, 14), utc(2025, 7, 15, 13, 30), utc(2025, 7, 15, 14, 30)),
        ("60", utc(2025, 7, 15, 19, 45), utc(2025, 7, 15, 19, 30), utc(2025, 7, 15, 20)),
        ("7S", utc(2025, 7, 15, 13, 30, 8), utc(2025, 7, 15, 13, 30, 7), utc(2025, 7, 15, 13, 30, 14)),
        ("1D", utc(2025, 7, 15, 14), utc(2025, 7, 15, 13, 30), utc(2025, 7, 15, 20)),
        ("1W", utc(2025, 7, 15, 14), utc(2025, 7, 14, 13, 30), utc(2025, 7, 18, 20)),
        ("1M", utc(2025, 2, 14, 15), utc(2025, 2, 3, 14, 30), utc(2025, 2, 28, 21)),
        ("12M", utc(2025, 2, 14, 15), utc(2025, 1, 1, 14, 30), utc(2025, 12, 31, 21)),
        ("5T", utc(2025, 7, 15, 14), utc(2025, 7, 15, 13, 30), utc(2025, 7, 15, 20)),
        ("5R", utc(2025, 7, 15, 14), utc(2025, 7, 15, 13, 30), utc(2025, 7, 15, 20)),
    ],
)
def test_bars_are_counted_from_the_open_and_end_with_the_session(interval: str, at: int, start: int, end: int) -> None:
    assert NASDAQ.window(Interval.parse(interval), at) == (start, end)


def test_what_comes_after_the_session_counts_as_its_end() -> None:
    assert NASDAQ.window(Interval.parse("60"), utc(2025, 7, 15, 23)) == (utc(2025, 7, 15, 19, 30), utc(2025, 7, 15, 20))


def test_a_month_that_begins_on_a_weekend_begins_with_its_first_monday() -> None:
    start, _ = NASDAQ.window(Interval.parse("1M"), utc(2025, 3, 20, 15))
    assert start == utc(2025, 3, 3, 14, 30)
    start, _ = CRYPTO.window(Interval.parse("1M"), utc(2025, 3, 20, 15))
    assert start == utc(2025, 3, 1)


def test_several_days_are_counted_from_1990_and_quarters_from_january() -> None:
    assert FOREX.group(Interval.parse("2D"), 7) == (6, 8)
    assert FOREX.group(Interval.parse("2W"), 7) == (0, 10)
    assert CRYPTO.window(Interval.parse("3M"), utc(2025, 5, 9)) == (utc(2025, 4, 1), utc(2025, 7, 1))


@pytest.mark.parametrize(("interval", "ends"), [("24312M", utc(2026, 1, 1)), ("30000M", utc(2500, 1, 1)), ("99999M", utc(8333, 4, 1))])
def test_a_bar_of_more_months_than_there_were_begins_in_1900(interval: str, ends: int) -> None:
    assert CRYPTO.window(Interval.parse(interval), utc(2025, 5, 9)) == (utc(1900, 1, 1), ends)



def test_a_zone_that_is_not_installed_names_what_to_install() -> None:
    with pytest.raises(MissingDependencyError, match="tzdata"):
        Calendar("0930-1600", "Nowhere/Nowhere")


def test_its_repr_shows_hours_and_zone() -> None:
    assert repr(NSE) == "Calendar('0915-1530', 'Asia/Kolkata')"
