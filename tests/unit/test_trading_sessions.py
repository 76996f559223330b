"""When a market is open, in all the forms in which symbols say it."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tvstreamer.errors import InvalidPlan, MissingDependencyError
from tvstreamer.trading_sessions import TradingSession

NEW_YORK, CHICAGO, KOLKATA, UTC = "America/New_York", "America/Chicago", "Asia/Kolkata", "Etc/UTC"
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


def at(text: str, zone: str = UTC) -> float:
    """`2025-07-15 09:30` on a clock of that zone."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


def hours(session: TradingSession, first: str, last: str, zone: str = UTC) -> list[str]:
    """When it opens and closes between two moments, by that zone's clock; `+` where it opens."""
    time, end, told = at(first, zone), at(last, zone), []
    while (time := session.next_change(time)) < end:
        sign = "+" if session.is_open(time) else "-"
        told.append(f"{sign}{datetime.fromtimestamp(time, ZoneInfo(zone)):%a %H:%M}")
    return told


# 2025-07-14 is a Monday.
WEEK = ("2025-07-13 00:00", "2025-07-20 00:00")
MONDAY, TUESDAY = ("2025-07-14 00:00", "2025-07-15 00:00"), ("2025-07-15 00:00", "2025-07-16 00:00")


# --- the forms of a session ---------------------------------------------------------------------------------------------


def test_without_days_a_session_is_from_monday_to_friday() -> None:
    assert hours(TradingSession.of("0930-1600", UTC), *WEEK) == [
        f"{sign}{day} {time}" for day in ("Mon", "Tue", "Wed", "Thu", "Fri") for sign, time in (("+", "09:30"), ("-", "16:00"))
    ]


def test_days_are_counted_from_sunday() -> None:
    assert hours(TradingSession.of("0930-1600:17", UTC), *WEEK) == ["+Sun 09:30", "-Sun 16:00", "+Sat 09:30", "-Sat 16:00"]


def test_it_is_open_from_the_opening_on_until_before_the_close() -> None:
    session = TradingSession.of("0930-1600", NEW_YORK)
    opens, closes = at("2025-07-15 09:30", NEW_YORK), at("2025-07-15 16:00", NEW_YORK)
    states = [session.is_open(time) for time in (opens - 0.001, opens, closes - 0.001, closes)]
    assert states == [False, True, True, False]


def test_a_day_may_have_several_sessions() -> None:
    session = TradingSession.of("0900-1130,1230-1500", "Asia/Tokyo")
    assert hours(session, *MONDAY, "Asia/Tokyo") == ["+Mon 09:00", "-Mon 11:30", "+Mon 12:30", "-Mon 15:00"]


def test_sessions_may_stand_in_any_order() -> None:
    session = TradingSession.of("1230-1500, 0900-1130", UTC)
    assert session.spans(0) == TradingSession.of("0900-1130,1230-1500", UTC).spans(0)


def test_sessions_that_meet_are_one() -> None:
    session = TradingSession.of("0400-0930,0930-1600,1600-2000", NEW_YORK)
    assert hours(session, *MONDAY, NEW_YORK) == ["+Mon 04:00", "-Mon 20:00"]


def test_sessions_that_overlap_count_once() -> None:
    session = TradingSession.of("0900-1500,1000-1200,1400-1600", UTC)
    assert hours(session, *MONDAY) == ["+Mon 09:00", "-Mon 16:00"]
    assert session.open_seconds(at(MONDAY[0]), at(MONDAY[1])) == 7 * HOUR


def test_a_session_across_midnight_belongs_to_the_day_on_which_it_ends() -> None:
    assert hours(TradingSession.of("1700-1600", CHICAGO), *WEEK, CHICAGO) == [
        "+Sun 17:00", "-Mon 16:00", "+Mon 17:00", "-Tue 16:00", "+Tue 17:00", "-Wed 16:00", "+Wed 17:00", "-Thu 16:00",
        "+Thu 17:00", "-Fri 16:00",
    ]  # fmt: skip


def test_a_whole_day_that_begins_in_the_evening_goes_on_from_day_to_day() -> None:
    session = TradingSession.of("1700-1700:23456", NEW_YORK)
    assert hours(session, *WEEK, NEW_YORK) == ["+Sun 17:00", "-Fri 17:00"]


@pytest.mark.parametrize("text", ["0000-0000", "0000-2400", "24x7:23456"])
def test_from_midnight_to_midnight_is_the_whole_day(text: str) -> None:
    assert hours(TradingSession.of(text, UTC), *WEEK) == ["+Mon 00:00", "-Sat 00:00"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1800F1-1700", ["+Mon 18:00", "-Tue 17:00"]),
        ("1800F1-2300F1,0800-1000", ["+Mon 18:00", "-Mon 23:00", "+Tue 08:00", "-Tue 10:00"]),
        ("1700F2-1200F1", ["+Sun 17:00", "-Mon 12:00"]),
        ("1700-1200F1", ["+Sun 17:00", "-Mon 12:00"]),
        ("0900F1-1200F1", ["+Mon 09:00", "-Mon 12:00"]),
        ("0000F1-0000", ["+Mon 00:00", "-Tue 00:00"]),
    ],
)
def test_f_counts_days_before_the_trading_day(text: str, expected: list[str]) -> None:
    assert hours(TradingSession.of(f"{text}:3", UTC), *WEEK) == expected


def test_hours_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(InvalidPlan, match=r"session '0800-1000,1800F1-0900F1': '1800F1-0900F1' ends before it begins"):
        TradingSession.of("0800-1000,1800F1-0900F1", UTC)


@pytest.mark.parametrize("text", ["0900-1630|0900-1400:2", "0900-1400:2|0900-1630", "0900-1630:3456;0900-1400:2"])
def test_a_group_that_names_a_day_outdoes_one_that_names_none(text: str) -> None:
    session = TradingSession.of(text, UTC)
    assert hours(session, *MONDAY) == ["+Mon 09:00", "-Mon 14:00"]
    assert hours(session, *TUESDAY) == ["+Tue 09:00", "-Tue 16:30"]


def test_groups_that_name_the_same_day_add_up() -> None:
    session = TradingSession.of("0900-1100:23|1300-1500:34", UTC)
    assert hours(session, *TUESDAY) == ["+Tue 09:00", "-Tue 11:00", "+Tue 13:00", "-Tue 15:00"]


@pytest.mark.parametrize("text", ["0930-1600;6", "1;0930-1600"])
def test_a_first_day_of_the_week_says_nothing_of_hours(text: str) -> None:
    assert TradingSession.of(text, UTC).spans(4) == TradingSession.of("0930-1600", UTC).spans(4)


@pytest.mark.parametrize(
    "text",
    [
        "", "7", "open", "0930", "0930-", "930-1600", "0930-1600:", "0930-1600:8", "0930-1600:2,3", "0960-1600", "2500-2600", "0930-2401",
        "0930-1600,", "0930-1600 23456", "24x5", "0930-1600|", "0930F1-1600F2", "dayoff", "\u0660930-1600",
    ],
)  # fmt: skip
def test_what_is_no_session_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InvalidPlan, match=r"^session .*(expected|ends before it begins)"):
        TradingSession.of(text, UTC)


@pytest.mark.parametrize("field", ["session", "timezone", "holidays", "corrections"])
def test_what_is_no_text_is_refused(field: str) -> None:
    given = {"session": "0930-1600", "timezone": UTC, field: None}
    with pytest.raises(InvalidPlan, match=f"{field} None: expected a text"):
        TradingSession.of(**given)  # type: ignore[arg-type]


# --- markets that never close -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["24x7", "0000-0000:1234567", "1700-1700:1234567", "24x7:1234567"])
@pytest.mark.parametrize("zone", [UTC, NEW_YORK])
def test_a_market_that_never_closes(text: str, zone: str) -> None:
    session = TradingSession.of(text, zone)
    assert session.is_open(at("2025-07-13 12:00"))
    assert session.next_change(at("2025-07-13 12:00")) == math.inf
    assert session.open_seconds(1000.5, 1_000_000.0) == 998_999.5
    assert session.open_seconds(1000.0, 999.0) == 0.0


def test_one_that_never_closes_is_at_hand() -> None:
    assert TradingSession.of("24x7", UTC) == TradingSession.ALWAYS
    assert TradingSession.ALWAYS.is_open(0.0)


@pytest.mark.parametrize("zone", ["", "Nowhere/Nowhere"])
def test_a_market_that_never_closes_needs_no_zone(zone: str) -> None:
    assert TradingSession.of("24x7", zone).is_open(0.0)


def test_a_whole_day_a_week_is_not_always() -> None:
    assert hours(TradingSession.of("0000-0000:4", UTC), *WEEK) == ["+Wed 00:00", "-Thu 00:00"]
    assert hours(TradingSession.of("0000-1200:2|0000-0000:134567", UTC), *MONDAY) == ["-Mon 12:00"]


def test_a_market_that_happens_never_to_close_does_not_change_either() -> None:
    session = TradingSession.of("0000-1200,1200-2400:1234567", NEW_YORK)
    assert session.next_change(at("2025-07-13 12:00")) == math.inf
    assert session.open_seconds(at("2025-03-01 00:00"), at("2025-04-01 00:00")) == 31 * DAY


# --- exceptions ---------------------------------------------------------------------------------------------------------


def test_on_a_holiday_there_is_no_session() -> None:
    session = TradingSession.of("0930-1600", NEW_YORK, holidays="20250704,20250715, 20250716,")
    assert hours(session, *WEEK, NEW_YORK) == [
        "+Mon 09:30", "-Mon 16:00", "+Thu 09:30", "-Thu 16:00", "+Fri 09:30", "-Fri 16:00",
    ]  # fmt: skip


def test_a_holiday_takes_the_evening_before_with_it() -> None:
    session = TradingSession.of("1700-1600", CHICAGO, holidays="20250715")
    assert hours(session, "2025-07-14 00:00", "2025-07-17 00:00", CHICAGO) == [
        "-Mon 16:00", "+Tue 17:00", "-Wed 16:00", "+Wed 17:00",
    ]  # fmt: skip


def test_a_market_that_never_closes_may_have_a_holiday() -> None:
    session = TradingSession.of("24x7", UTC, holidays="20250715")
    assert hours(session, *WEEK) == ["-Tue 00:00", "+Wed 00:00"]


def test_corrections_replace_the_hours_of_their_days() -> None:
    session = TradingSession.of(
        "0930-1600", UTC, corrections="0930-1300:20250714,20250715;1000-1100,1400-1500:20250719;dayoff:20250716,20250717"
    )
    assert hours(session, *WEEK) == [
        "+Mon 09:30", "-Mon 13:00", "+Tue 09:30", "-Tue 13:00", "+Fri 09:30", "-Fri 16:00",
        "+Sat 10:00", "-Sat 11:00", "+Sat 14:00", "-Sat 15:00",
    ]  # fmt: skip


def test_corrections_outdo_holidays() -> None:
    session = TradingSession.of("0915-1530", KOLKATA, holidays="20250714,20250715", corrections="1345-1445:20250714;")
    assert hours(session, *MONDAY, KOLKATA) == ["+Mon 13:45", "-Mon 14:45"]
    assert hours(session, *TUESDAY, KOLKATA) == []


def test_a_correction_may_begin_days_before_its_day() -> None:
    session = TradingSession.of("1000-1845", UTC, corrections="1900F4-2350F4,1000-1845:20250715;dayoff:20250714")
    assert hours(session, "2025-07-11 12:00", "2025-07-15 12:00") == ["-Fri 18:45", "+Fri 19:00", "-Fri 23:50", "+Tue 10:00"]
    assert session.is_open(at("2025-07-11 20:00"))


@pytest.mark.parametrize("text", ["2025-12-25", "20251301", "2025122", "251225", "x", "\u06620251225", "2025W521"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlan, match=r"holidays .*: expected a date such as 20251225"):
        TradingSession.of("0930-1600", UTC, holidays=f"20250704,{text}")
    with pytest.raises(InvalidPlan, match=r"corrections .*: expected a date such as 20251225"):
        TradingSession.of("0930-1600", UTC, corrections=f"dayoff:{text}")


@pytest.mark.parametrize("text", ["20250715", "9-13:20250715", ":20250715", "0930-1300"])
def test_what_is_no_correction_is_refused(text: str) -> None:
    with pytest.raises(InvalidPlan, match=r"corrections .*: expected (hours|a date)"):
        TradingSession.of("0930-1600", UTC, corrections=text)


# --- what is asked ------------------------------------------------------------------------------------------------------


def test_the_next_change_is_the_close_while_open_and_the_opening_while_closed() -> None:
    session = TradingSession.of("0930-1600", NEW_YORK)
    assert session.next_change(at("2025-07-18 12:00", NEW_YORK)) == at("2025-07-18 16:00", NEW_YORK)
    assert session.next_change(at("2025-07-18 16:00", NEW_YORK)) == at("2025-07-21 09:30", NEW_YORK)
    assert session.next_change(at("2025-07-21 09:30", NEW_YORK)) == at("2025-07-21 16:00", NEW_YORK)


def test_a_change_that_is_sixty_days_away_is_found_and_one_further_away_is_not() -> None:
    days_off = ",".join(f"{date(2025, 7, 14) + timedelta(days=day):%Y%m%d}" for day in range(90))
    session = TradingSession.of("0000-0000:1234567", UTC, corrections=f"dayoff:{days_off}")
    opens = at("2025-10-12 00:00")
    assert session.next_change(opens - 60 * DAY) == opens
    assert session.next_change(opens - 60 * DAY - 1) == math.inf
    assert session.next_change(at("2025-05-01 00:00")) == math.inf
    assert session.next_change(at("2025-07-10 00:00")) == at("2025-07-14 00:00")


def test_open_seconds_are_those_within_both() -> None:
    session = TradingSession.of("0930-1600", UTC)
    assert session.open_seconds(at("2025-07-14 09:00"), at("2025-07-14 10:00")) == 30 * MINUTE
    assert session.open_seconds(at("2025-07-14 15:59:30"), at("2025-07-15 09:30:15")) == 45.0
    assert session.open_seconds(at("2025-07-14 10:00"), at("2025-07-14 11:00")) == HOUR
    assert session.open_seconds(at("2025-07-12 00:00"), at("2025-07-14 00:00")) == 0.0
    assert session.open_seconds(at("2024-01-01 00:00"), at("2025-01-01 00:00")) == 262 * 6.5 * HOUR
    assert session.open_seconds(at("2025-07-14 11:00"), at("2025-07-14 10:00")) == 0.0


def test_days_are_counted_by_the_calendar_of_the_exchange() -> None:
    sydney, new_york = (TradingSession.of("1000-1600", zone) for zone in ("Australia/Sydney", NEW_YORK))
    evening = at("2025-07-14 22:00")
    assert sydney.local_day(evening) == new_york.local_day(evening) + 1 == 20_284
    assert TradingSession.of("1000-1600", UTC).local_day(-1.0) == -1
    assert sydney.spans(20_284) == ((at("2025-07-15 10:00", "Australia/Sydney"), at("2025-07-15 16:00", "Australia/Sydney")),)


def test_what_is_known_of_a_day_stays_true_however_many_days_are_asked_for() -> None:
    session = TradingSession.of("0930-1600", NEW_YORK)
    first = session.spans(20_284)
    for day in range(2000):
        session.spans(day)
    assert session.spans(20_284) == first
    assert len(session._known) <= 512


def test_two_with_the_same_texts_are_equal_and_a_repr_tells_them() -> None:
    session = TradingSession.of("0930-1600", NEW_YORK, "20251225")
    assert session == TradingSession.of("0930-1600", NEW_YORK, "20251225")
    assert len({session, TradingSession.of("0930-1600", NEW_YORK, "20251225"), TradingSession.of("0930-1600", NEW_YORK)}) == 2
    assert repr(session) == (
        "TradingSession(session='0930-1600', timezone='America/New_York', holidays='20251225', corrections='')"
    )


# --- time zones ---------------------------------------------------------------------------------------------------------


def test_summer_time_moves_the_session_by_utc_and_not_by_the_clock_of_its_city() -> None:
    session = TradingSession.of("0930-1600", NEW_YORK)
    assert session.next_change(at("2025-03-07 21:00")) == at("2025-03-10 13:30")
    assert session.next_change(at("2025-03-06 22:00")) == at("2025-03-07 14:30")


@pytest.mark.parametrize(("day", "length"), [("2025-03-09", 23), ("2025-11-02", 25), ("2025-11-09", 24)])
def test_a_whole_day_is_as_long_as_it_is(day: str, length: int) -> None:
    session = TradingSession.of("0000-0000:1", NEW_YORK)
    start = at(f"{day} 00:00", NEW_YORK)
    assert session.open_seconds(start - DAY, start + 3 * DAY) == length * HOUR


def test_a_session_within_the_hour_that_is_skipped_does_not_take_place() -> None:
    session = TradingSession.of("0230-0300:1", NEW_YORK)
    assert hours(session, "2025-03-08 00:00", "2025-03-12 00:00", NEW_YORK) == []
    assert hours(session, "2025-03-15 00:00", "2025-03-19 00:00", NEW_YORK) == ["+Sun 02:30", "-Sun 03:00"]


def test_a_zone_that_no_database_has_names_what_to_install() -> None:
    with pytest.raises(MissingDependencyError, match="tzdata"):
        TradingSession.of("0930-1600", "Nowhere/Nowhere")


@pytest.mark.parametrize("zone", ["", "../etc"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(InvalidPlan, match=r"timezone .*: expected a name such as America/New_York"):
        TradingSession.of("0930-1600", zone)


def test_without_any_database_utc_and_markets_that_never_close_work() -> None:
    code = """
import sys, zoneinfo
zoneinfo.reset_tzpath(to=())
sys.modules["tzdata"] = None
from tvstreamer.errors import MissingDependencyError
from tvstreamer.trading_sessions import TradingSession
assert TradingSession.of("24x7", "America/New_York").is_open(0.0)
assert TradingSession.of("0930-1600", "Etc/UTC").spans(0) == ((34_200, 57_600),)
try:
    TradingSession.of("0930-1600", "America/New_York")
except MissingDependencyError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert run.stdout == "tzdata is not installed; it comes with: pip install 'tvstreamer[tzdata]'\n"


def test_the_zone_module_is_loaded_when_a_zone_is_needed() -> None:
    code = "import sys, tvstreamer.trading_sessions; sys.exit('zoneinfo' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)
