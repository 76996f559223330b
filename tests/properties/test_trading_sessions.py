"""Trading sessions hold together: what is asked in different ways has one answer, and clocks agree with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.trading_sessions import TradingSession

ZONES = ["Etc/UTC", "America/New_York", "Europe/London", "Australia/Sydney", "Asia/Kolkata", "Pacific/Kiritimati", "Pacific/Pago_Pago"]
DAY = 86_400.0
JULY = 1_751_328_000.0
"""The beginning of July 2025."""

clocks = st.builds("{:02}{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))
moments = st.floats(JULY - 400 * DAY, JULY + 400 * DAY)


hours = st.lists(st.builds("{}{}-{}".format, clocks, st.sampled_from(["", "", "F1", "F3"]), clocks), min_size=1, max_size=3).map(",".join)
days = st.lists(st.integers(1, 7), unique=True).map(lambda digits: "".join(map(str, digits)))
groups = st.builds(lambda text, digits: f"{text}:{digits}" if digits else text, hours | st.just("24x7"), days)
dates = st.lists(st.dates(date(2025, 5, 1), date(2025, 8, 31)).map("{:%Y%m%d}".format), min_size=1, max_size=5).map(",".join)
sessions = st.builds(
    TradingSession.of,
    st.lists(groups, min_size=1, max_size=2).map("|".join),
    st.sampled_from(ZONES),
    st.just("") | dates,
    st.lists(st.builds("{}:{}".format, hours | st.just("dayoff"), dates), max_size=2).map(";".join),
)


@given(sessions, moments)
def test_between_now_and_the_next_change_nothing_changes(session: TradingSession, time: float) -> None:
    now, change = session.is_open(time), session.next_change(time)
    assert change > time
    until = min(change, time + 60 * DAY)
    # Opening hours are whole minutes: if it changed in between, some quarter of an hour, or the minute after it, would show it.
    first = math.ceil(time / 60) * 60
    samples = [moment for moment in range(first, int(min(until, time + 9 * DAY)), 60) if moment // 60 % 15 in (0, 14)]
    assert {session.is_open(moment) for moment in samples} <= {now}
    if change < math.inf:
        assert session.is_open(change) is not now
        assert session.is_open(math.nextafter(change, 0)) is now


@given(sessions, st.lists(moments, min_size=2, max_size=5))
def test_open_seconds_add_up(session: TradingSession, times: list[float]) -> None:
    times.sort()
    parts = [session.open_seconds(start, end) for start, end in pairwise(times)]
    assert all(0 <= part <= end - start + 1e-6 for part, (start, end) in zip(parts, pairwise(times), strict=True))
    assert session.open_seconds(times[0], times[-1]) == pytest.approx(sum(parts), abs=1e-3)


@given(sessions, moments)
def test_open_seconds_are_counted_from_change_to_change(session: TradingSession, time: float) -> None:
    counted, moment, end = 0.0, time, time + 5 * DAY
    while moment < end:
        following = min(session.next_change(moment), end)
        counted += (following - moment) * session.is_open(moment)
        moment = following
    assert session.open_seconds(time, end) == pytest.approx(counted, abs=1e-3)


def by_the_clock(zone: str, time: float) -> tuple[int, int]:
    """Day of the week, Monday as 0, and minute of the day."""
    local = datetime.fromtimestamp(time, ZoneInfo(zone))
    return local.weekday(), local.hour * 60 + local.minute


def regular(zone: str, time: float) -> bool:
    day, minute = by_the_clock(zone, time)
    return day < 5 and 570 <= minute < 960


def overnight(zone: str, time: float) -> bool:
    day, minute = by_the_clock(zone, time)
    if minute >= 1020:
        day = (day + 1) % 7
    return day < 5 and not 960 <= minute < 1020


def weekend(zone: str, time: float) -> bool:
    return by_the_clock(zone, time)[0] >= 5


SUNDAYS = [
    ("America/New_York", "2025-03-09"), ("America/New_York", "2025-11-02"), ("Europe/London", "2025-03-30"),
    ("Europe/London", "2025-10-26"), ("Australia/Sydney", "2025-04-06"), ("Australia/Sydney", "2025-10-05"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), [("0930-1600", regular), ("1700-1600", overnight), ("0000-0000:17", weekend)])
@pytest.mark.parametrize(("zone", "sunday"), SUNDAYS)
def test_on_the_weekend_on_which_clocks_change_sessions_keep_to_the_clock(
    zone: str, sunday: str, text: str, expected: Callable[[str, float], bool]
) -> None:
    session = TradingSession.of(text, zone)
    start = datetime.fromisoformat(sunday).replace(tzinfo=ZoneInfo(zone)).timestamp() - 3 * DAY
    minutes = [start + 60 * number for number in range(7 * 24 * 60)]
    was_open = [session.is_open(minute) for minute in minutes]
    assert was_open == [expected(zone, minute) for minute in minutes]
    assert session.open_seconds(start, start + 7 * DAY) == 60 * sum(was_open)


@given(st.text("0123456789-:,;|Fx7 ") | st.text(), st.sampled_from([*ZONES, "", "x"]), st.text("0123456789, "), st.text("0123456789,;:-dayoff "))
@example("0930-1600:23456", "Etc/UTC", "20251225", "dayoff:00010101")
def test_any_text_at_all_is_read_or_refused(session: str, zone: str, holidays: str, corrections: str) -> None:
    try:
        read = TradingSession.of(session, zone, holidays, corrections)
    except (ValueError, ImportError) as error:
        assert "expected" in str(error) or "ends before" in str(error) or "tzdata" in str(error)
    else:
        assert read.next_change(JULY) > JULY
