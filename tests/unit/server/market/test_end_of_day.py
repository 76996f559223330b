"""A feed that brings each day when it is over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tvstreamer import Bar, HistoryComplete, TvWSClient
from tvstreamer.errors import SeriesError
from tvstreamer.intervals import Interval
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.market import Market
from tvstreamer.server.market.end_of_day import EndOfDaySymbol
from tvstreamer.server.market.listing import make_listing
from tvstreamer.server.market.synthetic import SyntheticSymbol
from tvstreamer.server.market.variants import Variant, variant_of

NAME = "EXAMPLE:ENDOFDAY"
DAY = Interval.parse("1D")


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


NOON, EVENING = utc(2025, 7, 16, 16), utc(2025, 7, 16, 21)
CLOSE = utc(2025, 7, 16, 20)


def punctual() -> SyntheticSymbol:
    return SyntheticSymbol(make_listing(NAME, 0), 0)


def test_a_day_is_known_when_it_is_over() -> None:
    market, other = Market(), punctual()
    assert [row.time for row in market.history(NAME, "1D", NOON, 2)] == [utc(2025, 7, 14, 13, 30), utc(2025, 7, 15, 13, 30)]
    assert market.history(NAME, "1D", EVENING, 3) == other.history(DAY, EVENING, 3, EVENING)
    assert market.history(NAME, "1D", utc(2025, 7, 13, 12), 1)[0].time == utc(2025, 7, 11, 13, 30), "on a Sunday it is Friday"
    assert market.history(NAME, "1D", 0.0, 1) == []
    (week,) = market.history(NAME, "1W", NOON, 1)
    assert week.close == market.history(NAME, "1D", NOON, 1)[0].close
    assert market.bar_at(NAME, "1W", NOON) == week
    assert market.bar_at(NAME, "1D", NOON) is None


def test_there_are_no_bars_within_a_day() -> None:
    market = Market()
    for interval in ("1", "60", "10S", "5T"):
        with pytest.raises(SeriesError, match="unsupported resolution"):
            market.history(NAME, interval, EVENING, 1)
    info = market.info(NAME)
    assert info is not None and info["has_intraday"] is False


def test_a_quote_is_that_of_the_last_close_whatever_the_market_does() -> None:
    market = Market()
    quote = market.quote(NAME, NOON)
    assert (quote["update_mode"], quote["current_session"]) == ("endofday", "market")
    assert quote["lp"] == market.history(NAME, "1D", NOON, 1)[0].close
    assert market.quote(NAME, EVENING)["current_session"] == "post_market"
    assert market.quote(NAME, NOON, ["lp"]) == {"lp": quote["lp"]}


def test_there_is_a_tick_a_day() -> None:
    market = Market()
    ticks = market.ticks(NAME, utc(2025, 7, 10, 12), NOON)
    assert [tick.due for tick in ticks] == [utc(2025, 7, day, 20) for day in (10, 11, 14, 15)]
    assert [tick.price for tick in ticks] == [row.close for row in market.history(NAME, "1D", NOON, 4)]
    assert market.next_tick(NAME, NOON) == market.ticks(NAME, NOON, CLOSE)[0]
    assert market.ticks(NAME, NOON, CLOSE - 1) == []
    assert market.next_tick(NAME, utc(2100, 1, 2)) is None, "there is nothing any more"
    series = market.series(NAME, "1D", at=NOON, count=2)
    for tick in market.ticks(NAME, NOON, utc(2025, 7, 17, 23)):
        assert [row.time for row in series.add(tick)] == [tick.due - 6.5 * 3_600]
    assert series.rows == market.history(NAME, "1D", utc(2025, 7, 17, 23), 4)


def test_with_extended_hours_a_day_is_over_later() -> None:
    market, name = Market(), variant_of(NAME, Variant("extended"))
    assert [tick.due for tick in market.ticks(name, NOON, utc(2025, 7, 17, 3))] == [utc(2025, 7, 17)]
    assert isinstance(market._find(name), EndOfDaySymbol)
    assert repr(market._find(name)) == f"<EndOfDaySymbol <SyntheticSymbol {NAME}, seed 0>>"


def test_a_client_gets_a_closed_day_at_its_end() -> None:
    with FakeServer(seed=1, speed="max", start=NOON) as server:
        with TvWSClient([(NAME, "1D")], source=server.connect, clock=server.clock, n_init_bars=2) as client:
            events: list[object] = []
            while not any(isinstance(event, Bar) and event.closed and event.time == utc(2025, 7, 16, 13, 30) for event in events):
                events += client.poll(3_600) or ()
    complete = next(event for event in events if isinstance(event, HistoryComplete))
    assert (complete.bars, complete.update_mode) == (2, "endofday")
