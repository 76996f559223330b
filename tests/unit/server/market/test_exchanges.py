"""The hours of exchanges."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tvstreamer.intervals import Interval
from tvstreamer.server.market.exchanges import EXCHANGES


def spans(exchange: str, *day: int, extended: bool = False) -> list[str]:
    place = EXCHANGES[exchange]
    calendar = place.extended_calendar if extended else place.calendar
    assert calendar is not None
    noon = datetime(*day, 23, 59, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]
    return [
        f"{datetime.fromtimestamp(opens, UTC):%d-%H%M}/{datetime.fromtimestamp(closes, UTC):%d-%H%M}"
        for opens, closes in calendar.spans(calendar.day_at(noon))
    ]


@pytest.mark.parametrize(
    ("exchange", "day", "expected"),
    [
        ("NASDAQ", (2025, 3, 7), ["07-1430/07-2100"]),
        ("NASDAQ", (2025, 3, 10), ["10-1330/10-2000"]),
        ("NASDAQ", (2025, 11, 28), ["28-1430/28-1800"]),
        # Good Friday, so the day is the one before.
        ("NASDAQ", (2025, 4, 18), ["17-1330/17-2000"]),
        ("XETR", (2025, 12, 30), ["30-0800/30-1300"]),
        ("TSE", (2025, 7, 15), ["15-0000/15-0230", "15-0330/15-0630"]),
        ("HKEX", (2025, 12, 24), ["24-0130/24-0400"]),
        ("LSE", (2025, 7, 15), ["15-0700/15-1530"]),
    ],
)
def test_sessions_by_utc(exchange: str, day: tuple[int, int, int], expected: list[str]) -> None:
    assert spans(exchange, *day) == expected


def test_extended_hours_lie_around_the_session_and_end_early_too() -> None:
    assert spans("NASDAQ", 2025, 3, 7, extended=True) == ["07-0900/08-0100"]
    assert spans("NASDAQ", 2025, 11, 28, extended=True) == ["28-0900/28-2200"]
    assert EXCHANGES["XETR"].extended_calendar is None


def test_a_session_of_futures_begins_on_the_evening_before() -> None:
    calendar = EXCHANGES["CME_MINI"].calendar
    sunday = datetime(2025, 7, 13, 22, 30, tzinfo=UTC).timestamp()
    assert calendar.is_open(sunday)
    day = calendar.day_at(sunday)
    assert calendar.window(Interval.parse("1D"), sunday) == (sunday - 1_800, sunday - 1_800 + 23 * 3_600)
    assert calendar.day_at(sunday - 3_600) == day - 1
    assert calendar.window(Interval.parse("1W"), sunday)[1] == sunday - 1_800 + 4 * 86_400 + 23 * 3_600


def test_bars_begin_anew_after_lunch() -> None:
    calendar = EXCHANGES["TSE"].calendar
    hour = Interval.parse("60")
    opens = calendar.open_of(calendar.day_at(datetime(2025, 7, 15, 12, tzinfo=UTC).timestamp()))
    assert calendar.window(hour, opens + 7_200) == (opens + 7_200, opens + 9_000)
    # What falls into the break counts as the end of the morning.
    assert calendar.window(hour, opens + 10_000) == (opens + 7_200, opens + 9_000)
    assert calendar.window(hour, opens + 12_600) == (opens + 12_600, opens + 16_200)
    assert calendar.window(Interval.parse("1D"), opens) == (opens, opens + 23_400)
    assert calendar.window(Interval.parse("5T"), opens) == (opens, opens + 23_400)
    assert not calendar.is_open(opens + 10_000)


def test_weeks_and_months_begin_with_their_first_trading_day() -> None:
    calendar = EXCHANGES["NASDAQ"].calendar
    # Labor Day was a Monday, New Year's Day a Wednesday, Good Friday the last weekday of its week.
    tuesday = calendar.window(Interval.parse("1W"), datetime(2025, 9, 5, 15, tzinfo=UTC).timestamp())[0]
    assert datetime.fromtimestamp(tuesday, UTC) == datetime(2025, 9, 2, 13, 30, tzinfo=UTC)
    january = calendar.window(Interval.parse("1M"), datetime(2025, 1, 20, tzinfo=UTC).timestamp())[0]
    assert datetime.fromtimestamp(january, UTC) == datetime(2025, 1, 2, 14, 30, tzinfo=UTC)
    thursday = calendar.window(Interval.parse("1W"), datetime(2025, 4, 15, 15, tzinfo=UTC).timestamp())[1]
    assert datetime.fromtimestamp(thursday, UTC) == datetime(2025, 4, 17, 20, tzinfo=UTC)


def test_a_holiday_is_a_weekday_without_a_session() -> None:
    calendar = EXCHANGES["NASDAQ"].calendar
    assert calendar.is_holiday(datetime(2025, 7, 4, 15, tzinfo=UTC).timestamp())
    assert not calendar.is_holiday(datetime(2025, 7, 3, 15, tzinfo=UTC).timestamp())
    assert not calendar.is_holiday(datetime(2025, 7, 5, 15, tzinfo=UTC).timestamp())
