"""The rules of exchanges' holidays, against days that the exchanges published."""

from __future__ import annotations

from datetime import date

import pytest

from tvstreamer.server.market.holidays import FIRST_YEAR, LAST_YEAR, closures, easter


def days(text: str) -> list[date]:
    return [date.fromisoformat(day) for day in text.split()]


@pytest.mark.parametrize(
    "day", days("1990-04-15 2000-04-23 2008-03-23 2011-04-24 2024-03-31 2025-04-20 2026-04-05 2035-03-25 2038-04-25")
)
def test_easter(day: date) -> None:
    assert easter(day.year) == day


PUBLISHED = [
    # New York: a presidential funeral, and Juneteenth.
    ("US", 2025, "01-01 01-09 01-20 02-17 04-18 05-26 06-19 07-04 09-01 11-27 12-25", "07-03 11-28 12-24"),
    # Independence Day on a Saturday, New Year's Day on one, which is not made up for.
    ("US", 2020, "01-01 01-20 02-17 04-10 05-25 07-03 09-07 11-26 12-25", "11-27 12-24"),
    ("US", 2022, "01-17 02-21 04-15 05-30 06-20 07-04 09-05 11-24 12-26", "11-25"),
    # Before Martin Luther King's day, and with a half day behind the Fourth of July.
    ("US", 1996, "01-01 02-19 04-05 05-27 07-04 09-02 11-28 12-25", "07-05 11-29 12-24"),
    ("US", 2001, "01-01 01-15 02-19 04-13 05-28 07-04 09-03 09-11 09-12 09-13 09-14 11-22 12-25", "07-03 11-23 12-24"),
    ("DE", 2025, "01-01 04-18 04-21 05-01 12-24 12-25 12-26 12-31", "12-30"),
    ("DE", 2017, "04-14 04-17 05-01 06-05 10-03 10-31 12-25 12-26", "12-29"),
    ("GB", 2022, "01-03 04-15 04-18 05-02 06-02 06-03 08-29 09-19 12-26 12-27", "12-23 12-30"),
    ("GB", 2021, "01-01 04-02 04-05 05-03 05-31 08-30 12-27 12-28", "12-24 12-31"),
    ("GB", 2020, "01-01 04-10 04-13 05-08 05-25 08-31 12-25 12-28", "12-24 12-31"),
    ("JP", 2025, "01-01 01-02 01-03 01-13 02-11 02-24 03-20 04-29 05-05 05-06 07-21 08-11 09-15 09-23 10-13 11-03 11-24 12-31", ""),
    ("JP", 2019, "01-01 01-02 01-03 01-14 02-11 03-21 04-29 04-30 05-01 05-02 05-03 05-06 07-15 08-12 09-16 09-23 10-14 10-22 11-04 12-31", ""),
    # A day between two holidays.
    ("JP", 2015, "01-01 01-02 01-12 02-11 04-29 05-04 05-05 05-06 07-20 09-21 09-22 09-23 10-12 11-03 11-23 12-23 12-31", ""),
    ("JP", 2021, "01-01 01-11 02-11 02-23 04-29 05-03 05-04 05-05 07-22 07-23 08-09 09-20 09-23 11-03 11-23 12-31", ""),
    ("US-CME", 2025, "01-01 04-18 12-25", "01-20 02-17 05-26 06-19 07-03 07-04 09-01 11-27 11-28 12-24"),
    ("IN", 2025, "04-14 04-18 05-01 08-15 10-02 12-25", ""),
    ("HK", 2025, "01-01 04-18 04-21 05-01 07-01 10-01 12-25 12-26", "12-24 12-31"),
    ("HK", 2022, "04-15 04-18 05-02 07-01 12-26 12-27", ""),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "year", "holidays", "early"), PUBLISHED)
def test_the_closures_of_a_year(rules: str, year: int, holidays: str, early: str) -> None:
    closed = closures(rules)
    assert [f"{day:%m-%d}" for day in closed.holidays if day.year == year] == holidays.split()
    assert [f"{day:%m-%d}" for day in closed.early if day.year == year] == early.split()


def test_no_rules_no_holidays() -> None:
    assert closures("") == ((), ())


@pytest.mark.parametrize("rules", ["US", "US-CME", "DE", "GB", "IN", "JP", "HK"])
def test_all_are_weekdays_in_order_within_the_years_and_never_both(rules: str) -> None:
    closed = closures(rules)
    for listed in closed:
        assert list(listed) == sorted(set(listed))
        assert all(day.weekday() < 5 and FIRST_YEAR <= day.year <= LAST_YEAR for day in listed)
    assert not set(closed.holidays) & set(closed.early)
    assert len(closed.holidays) > 2 * (LAST_YEAR - FIRST_YEAR)
