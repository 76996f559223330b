"""When a connection counts as stalled, and when it is merely quiet."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec import UNSET

from tvstreamer.errors import InvalidPlan
from tvstreamer.events import SymbolInfo
from tvstreamer.protocol.watchdogs import DEFAULT_WATCHDOGS, OFF, Watch, Watchdogs

HOUR = 3600.0
NEW_YORK: dict[str, Any] = {"session": "0930-1600", "timezone": "America/New_York"}


def at(text: str) -> float:
    """Seconds since the epoch of a moment in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def watching(now: float = 0.0, *infos: SymbolInfo, **settings: float | None) -> Watch:
    """A watch over a connection that opened now, with only the given dogs."""
    watch = Watch(Watchdogs(**{"bytes": None, "heartbeats": None, "progress": None, **settings}))
    watch.expect("EX:SYM")
    watch.connected(now)
    for info in infos:
        watch.follow(info)
    return watch


def alarm_at(watch: Watch, until: float, ahead: float | None = 0.0) -> float | None:
    """When it raises the alarm, if nothing comes any more; None if not before `until`."""
    looks = 0
    while (now := watch.next_look) <= until:
        watch.look(now, None if ahead is None else now + ahead)
        if watch.verdict is not None:
            return now
        assert watch.next_look > now, "time goes on"
        looks += 1
        assert looks < 1000, "and no faster than need be"
    return None


def test_the_default_is_the_one_that_the_documents_tell_of() -> None:
    assert Watchdogs(bytes=25.0, heartbeats=35.0, progress=180.0) == DEFAULT_WATCHDOGS
    assert Watchdogs(None, None, None) == OFF


@pytest.mark.parametrize("kind", ["bytes", "heartbeats", "progress"])
def test_each_kind_of_silence_is_a_stall_after_its_time(kind: str) -> None:
    watch = watching(100.0, **{kind: 30.0})
    watch.look(129.9, 129.9)
    assert watch.verdict is None
    assert alarm_at(watch, 1000.0) == 130.0
    assert watch.verdict == f"stalled: {kind} for 30 s"


@pytest.mark.parametrize("kind", ["bytes", "heartbeats", "progress"])
def test_what_comes_in_time_puts_a_stall_off(kind: str) -> None:
    watch = watching(100.0, **{kind: 30.0})
    setattr(watch, kind, 120.0)
    assert alarm_at(watch, 1000.0) == 150.0


def test_what_comes_of_another_kind_puts_no_stall_off() -> None:
    watch = watching(100.0, heartbeats=30.0)
    watch.bytes = watch.progress = 125.0
    assert alarm_at(watch, 1000.0) == 130.0


def test_the_first_silence_that_is_too_long_is_the_verdict() -> None:
    watch = watching(0.0, bytes=25.0, heartbeats=20.0, progress=180.0)
    assert alarm_at(watch, 1000.0) == 20.0
    watch.look(500.0, None)
    assert watch.verdict == "stalled: heartbeats for 20 s"


def test_dogs_that_are_off_never_bark() -> None:
    watch = watching(0.0)
    assert watch.next_look == math.inf
    watch.look(1e9, 1e9)
    assert watch.verdict is None
    watch.follow(SymbolInfo("EX:SYM"))
    assert watch.next_look == math.inf


def test_what_lay_waiting_takes_the_alarm_back() -> None:
    watch = watching(0.0, bytes=25.0)
    assert alarm_at(watch, 100.0) == 25.0
    watch.bytes = 24.0
    assert watch.verdict is None
    assert alarm_at(watch, 100.0) == 50.0, "and the next look is as far away as ever"


def test_a_new_connection_begins_without_an_alarm() -> None:
    watch = watching(0.0, bytes=25.0)
    alarm_at(watch, 100.0)
    watch.disconnected()
    assert (watch.verdict, watch.next_look) == (None, math.inf)
    watch.connected(60.0)
    assert (watch.verdict, watch.next_look) == (None, 85.0)


# --- what is asked for ------------------------------------------------------------------------------------------------


def test_who_asks_for_nothing_waits_for_no_data_but_for_signs_of_life() -> None:
    watch = watching(0.0, progress=180.0)
    watch.forget("EX:SYM")
    assert alarm_at(watch, HOUR) is None
    watch = watching(0.0, bytes=600.0, progress=180.0)
    watch.forget("EX:SYM")
    assert alarm_at(watch, HOUR) == 600.0
    assert watch.verdict == "stalled: bytes for 600 s"


def test_the_wait_for_data_begins_when_something_is_asked_for() -> None:
    watch = watching(0.0, progress=180.0)
    watch.forget("EX:SYM")
    watch.bytes = 1000.0
    assert alarm_at(watch, 1000.0) is None
    watch.expect("EX:SYM")
    assert alarm_at(watch, 2000.0) == 1180.0
    assert watch.verdict == "stalled: progress for 180 s"


def test_asking_for_more_puts_no_stall_off() -> None:
    watch = watching(0.0, progress=180.0)
    watch.bytes = 100.0
    watch.expect("EX:OTHER")
    assert alarm_at(watch, 1000.0) == 180.0


def test_the_hours_of_what_is_not_asked_for_any_more_do_not_count() -> None:
    night = at("2025-07-12 03:00")
    watch = watching(night, SymbolInfo("NYSE:A", **NEW_YORK), SymbolInfo("BINANCE:B"), progress=180.0)
    watch.expect("NYSE:A")
    watch.forget("BINANCE:B")
    assert alarm_at(watch, night + HOUR) is None, "only New York is left, and it is closed"
    watch.forget("NYSE:OTHER")
    assert alarm_at(watch, night + HOUR) is None


# --- markets ----------------------------------------------------------------------------------------------------------


def test_where_only_quotes_tell_of_a_symbols_hours_those_hold() -> None:
    night = at("2025-07-09T02:00:00")
    watch = watching(night, progress=180.0)
    watch.follow_quote("EX:SYM", *NEW_YORK.values(), "20250709")
    assert alarm_at(watch, at("2025-07-10T13:30:00")) is None, "it is closed on that day, and at night"
    watch.follow_quote("EX:SYM", "24x7", "Etc/UTC", "")
    assert alarm_at(watch, at("2025-07-10T14:30:00")) == at("2025-07-10T13:33:00"), "what is known holds"
    watch.follow(SymbolInfo("EX:SYM", session="24x7", timezone="Etc/UTC"))
    assert alarm_at(watch, at("2025-07-11T02:30:00")) is not None, "a chart knows better"


@pytest.mark.parametrize(
    "hours",
    [(UNSET, UNSET, UNSET), ("0930-1600", UNSET, ""), (UNSET, "America/New_York", ""), (None, "America/New_York", ""), (5, 6, 7)],
)
def test_a_quote_that_tells_of_no_hours_changes_nothing(hours: tuple[Any, Any, Any]) -> None:
    night = at("2025-07-09T02:00:00")
    watch = watching(night, progress=180.0)
    watch.follow_quote("EX:SYM", *hours)
    watch.follow_quote("EX:OTHER", *NEW_YORK.values(), "")
    assert alarm_at(watch, night + HOUR) == night + 180.0


def test_a_closed_market_makes_no_progress_and_that_is_no_stall() -> None:
    friday = at("2025-07-11 20:30")  # half an hour after the close in New York
    watch = watching(friday, SymbolInfo("NYSE:A", **NEW_YORK), progress=180.0)
    assert alarm_at(watch, friday + 90 * HOUR) == at("2025-07-14 13:33"), "three minutes after the opening on Monday"


def test_only_time_in_which_a_market_is_open_counts() -> None:
    before_close = at("2025-07-10 19:58")
    watch = watching(before_close, SymbolInfo("NYSE:A", **NEW_YORK), progress=180.0)
    assert alarm_at(watch, before_close + 90 * HOUR) == at("2025-07-11 13:31"), "two minutes on Thursday, one on Friday"


def test_one_open_market_is_enough() -> None:
    night = at("2025-07-10 03:00")
    shares, coins = SymbolInfo("NYSE:A", **NEW_YORK), SymbolInfo("BINANCE:B", session="24x7", timezone="Etc/UTC")
    assert alarm_at(watching(night, shares, coins, progress=180.0), night + HOUR) == night + 180.0


def test_a_market_that_is_followed_later_and_open_is_watched_at_once() -> None:
    night = at("2025-07-10 03:00")
    watch = watching(night, SymbolInfo("NYSE:A", **NEW_YORK), progress=180.0)
    assert alarm_at(watch, night + 600.0) is None
    watch.bytes = watch.progress = night + 700.0
    watch.follow(SymbolInfo("BINANCE:B", session="24x7", timezone="Etc/UTC"))
    assert alarm_at(watch, night + HOUR) == night + 880.0


def test_hours_are_those_of_the_servers_clock() -> None:
    opening = at("2025-07-10 13:30")
    watch = watching(opening - 5000.0, SymbolInfo("NYSE:A", **NEW_YORK), progress=180.0)
    assert alarm_at(watch, opening, ahead=4000.0) == opening - 4000.0 + 180.0


def test_without_the_servers_time_our_own_has_to_do() -> None:
    opening = at("2025-07-10 13:30")
    watch = watching(opening - HOUR, SymbolInfo("NYSE:A", **NEW_YORK), progress=180.0)
    assert alarm_at(watch, opening + HOUR, ahead=None) == opening + 180.0


def test_a_holiday_is_no_stall() -> None:
    info = SymbolInfo("NYSE:A", **NEW_YORK, session_holidays="20250704")
    morning = at("2025-07-04 12:00")
    assert alarm_at(watching(morning, info, progress=180.0), morning + 90 * HOUR) == at("2025-07-07 13:33")


@pytest.mark.parametrize(
    "told",
    [
        {"extra": {"corrections": "0930-1300:20250703"}},
        {
            "subsession_id": "regular",
            "subsessions": [{"id": "other"}, {"id": "regular", "session-correction": "0930-1300:20250703"}],
        },
    ],
)
def test_half_a_day_ends_early(told: dict[str, Any]) -> None:
    afternoon = at("2025-07-03 17:30")
    info = SymbolInfo("NYSE:A", **NEW_YORK, session_holidays="20250704", **told)
    assert alarm_at(watching(afternoon, info, progress=180.0), afternoon + 99 * HOUR) == at("2025-07-07 13:33")


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"session": "whenever", "timezone": "America/New_York"},
        {"session": "0930-1600", "timezone": "Mars/Olympus"},
    ],
)
def test_a_market_whose_hours_cannot_be_read_counts_as_open(told: dict[str, Any]) -> None:
    night = at("2025-07-12 03:00")
    assert alarm_at(watching(night, SymbolInfo("EX:SYM", **told), progress=180.0), night + HOUR) == night + 180.0


# --- patience ---------------------------------------------------------------------------------------------------------


def quiet(watch: Watch, now: float, *, last: float = 1.0) -> float:
    """Another connection, on which only what there is already comes, until `last` seconds after its begin; for how long it
    lasts."""
    watch.disconnected()
    watch.connected(now)
    watch.progress = now + last
    found = alarm_at(watch, now + 1e6)
    assert found is not None
    return found - now - last


def test_each_quiet_connection_that_missed_nothing_doubles_the_patience_up_to_a_limit() -> None:
    watch = watching(0.0, progress=180.0)
    assert [quiet(watch, number * 1e5) / 180.0 for number in range(1, 9)] == [1, 1, 2, 4, 8, 16, 16, 16]


def test_a_connection_that_missed_something_was_rightly_given_up_and_costs_no_patience() -> None:
    watch = watching(0.0, progress=180.0)
    for number in range(1, 5):
        assert quiet(watch, number * 1e5) == 180.0
        watch.found_gap = True


def test_something_new_ends_the_patience_at_once() -> None:
    watch = watching(0.0, progress=180.0)
    for number in range(1, 6):
        quiet(watch, number * 1e5)
    assert quiet(watch, 9e5, last=60.0) == 180.0
    assert [quiet(watch, number * 1e5) / 180.0 for number in (10, 11)] == [1, 2]


def test_patience_is_with_progress_only() -> None:
    watch = watching(0.0, bytes=2000.0, progress=180.0)
    lasted = [quiet(watch, number * 1e5) / 180.0 for number in range(1, 6)]
    assert lasted == [1, 1, 2, 4, 8]
    assert quiet(watch, 9e5, last=0.0) == 2000.0
    assert watch.verdict == "stalled: bytes for 2000 s"


@pytest.mark.parametrize("kind", ["bytes", "heartbeats", "progress"])
@pytest.mark.parametrize("value", [0, -1.0, math.nan])
def test_a_time_that_is_none_is_refused_with_its_value(kind: str, value: float) -> None:
    with pytest.raises(InvalidPlan, match=f"watchdog {kind} {value!r}: expected a number of seconds above 0, or None"):
        Watchdogs(**{kind: value})


def test_a_watch_shows_its_verdict() -> None:
    watch = watching(0.0, bytes=25.0)
    assert repr(watch).endswith(", well>")
    alarm_at(watch, 100.0)
    assert repr(watch).endswith(", stalled: bytes for 25 s>")
