"""How heavy points of time are, and which are to come."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.tickmarks import Offset, coming, marks, offsets, provisional

STOCK = {"session": "0930-1600", "timezone": "America/New_York"}
CRYPTO = {"session": "24x7", "timezone": "Etc/UTC"}
FOREX = {"session": "1700-1700", "timezone": "America/New_York"}


def zone(name: str = "Etc/UTC") -> Offset:
    found = offsets(name)
    assert found is not None
    return found


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]  # mypy knows no star here


def spans(interval: str, *times: float) -> list[int]:
    return [mark[0] for mark in marks(enumerate(times), Interval.parse(interval), zone(), zone())]


def test_the_span_is_the_largest_boundary_since_the_point_before() -> None:
    assert spans(
        "1S",
        at(2025, 7, 6, 10, 0, 0), at(2025, 7, 6, 10, 0, 1), at(2025, 7, 6, 10, 1), at(2025, 7, 6, 10, 5),
        at(2025, 7, 6, 10, 30), at(2025, 7, 6, 11), at(2025, 7, 6, 12), at(2025, 7, 6, 15), at(2025, 7, 6, 18),
        at(2025, 7, 7), at(2025, 7, 8), at(2025, 8, 1), at(2026, 1, 1),
    ) == [10, 10, 20, 21, 22, 30, 33, 31, 32, 50, 40, 60, 70]  # fmt: skip


@pytest.mark.parametrize(
    ("interval", "first"), [("1", 20), ("60", 20), ("1D", 40), ("1W", 50), ("1M", 60), ("5S", 10), ("1T", 10), ("5R", 10)]
)
def test_the_first_point_has_the_span_of_its_interval(interval: str, first: int) -> None:
    assert spans(interval, at(2025, 1, 1)) == [first]


def test_days_of_a_capture() -> None:
    """2026-10-02, three days of a pair."""
    assert marks(enumerate([1790726400.0, 1790812800.0, 1790899200.0]), Interval.parse("1D"), zone("America/New_York"), zone()) == [
        [40, 1790726400, 0], [60, 1790812800, 1], [40, 1790899200, 2],
    ]  # fmt: skip


def test_minutes_are_shifted_to_the_charts_timezone_and_days_to_their_midnight() -> None:
    """2025-07-06: a new minute in New York."""
    interval = Interval.parse("1")
    assert provisional(300, 1751833080.0, interval, zone("America/New_York"), zone()) == [5, 1751818680, 300]
    opening = at(2025, 7, 7, 13, 30)
    (mark,) = marks([(0, opening)], Interval.parse("1D"), zone("Asia/Kolkata"), zone("America/New_York"))
    assert mark[1] == at(2025, 7, 7)


def test_a_session_that_opens_in_the_evening_is_of_the_next_day() -> None:
    (mark,) = marks([(0, at(2025, 7, 6, 21))], Interval.parse("1D"), zone(), zone("America/New_York"))
    assert mark[1] == at(2025, 7, 7)


def test_summer_time_counts() -> None:
    offset = zone("America/New_York")
    assert [offset(at(2025, 1, 1)), offset(at(2025, 7, 1)), offset(at(2025, 3, 9, 6, 59)), offset(at(2025, 3, 9, 7))] == [
        -18_000, -14_400, -18_000, -14_400,
    ]  # fmt: skip
    assert offset(at(2025, 1, 1)) == -18_000


@pytest.mark.parametrize("name", ["Nowhere/Nowhere", "", "../etc", "America"])
def test_what_is_no_timezone(name: str) -> None:
    assert offsets(name) is None


@pytest.mark.parametrize(
    ("interval", "info", "newest", "expected"),
    [
        ("1", CRYPTO, at(2025, 7, 6, 10), [at(2025, 7, 6, 10, 1), at(2025, 7, 6, 10, 2)]),
        ("30", STOCK, at(2025, 7, 3, 19), [at(2025, 7, 3, 19, 30), at(2025, 7, 4, 13, 30)]),
        ("30", STOCK | {"session_holidays": "20250704"}, at(2025, 7, 3, 19, 30), [at(2025, 7, 7, 13, 30), at(2025, 7, 7, 14)]),
        ("1D", STOCK, at(2025, 7, 3, 13, 30), [at(2025, 7, 4, 13, 30), at(2025, 7, 7, 13, 30)]),
        ("1D", FOREX, at(2025, 7, 3, 21), [at(2025, 7, 6, 21), at(2025, 7, 7, 21)]),
        ("1W", STOCK, at(2025, 6, 30, 13, 30), [at(2025, 7, 7, 13, 30), at(2025, 7, 14, 13, 30)]),
        ("1M", CRYPTO, at(2025, 7, 1), [at(2025, 8, 1), at(2025, 9, 1)]),
        ("3M", CRYPTO, at(2025, 10, 1), [at(2026, 1, 1), at(2026, 4, 1)]),
        ("10T", CRYPTO, at(2025, 7, 1), []),
        ("1", {"session": "whenever"}, at(2025, 7, 6, 10), [at(2025, 7, 6, 10, 1), at(2025, 7, 6, 10, 2)]),
        ("1", STOCK | {"session": "0930-1600:7", "session_holidays": "20250712,20250719,20250726,20250802,20250809,20250816,20250823,20250830,20250906,20250913"}, at(2025, 7, 6), []),
    ],
)  # fmt: skip
def test_points_to_come_keep_to_the_hours(interval: str, info: dict[str, Any], newest: float, expected: list[float]) -> None:
    times = coming(Interval.parse(interval), int(newest), info, 2)
    assert times == expected
    assert all(isinstance(time, float) for time in times)
