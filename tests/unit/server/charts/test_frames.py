"""What a client's frame means."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest

from tvstreamer.intervals import Interval
from tvstreamer.server.charts.frames import Frame, bars_since, read_frame
from tvstreamer.server.charts.instrument import MarketInstrument
from tvstreamer.server.market import Market

APPLE = MarketInstrument(Market(1), "NASDAQ:AAPL")
NOW = datetime(2025, 3, 31, 15, tzinfo=UTC).timestamp()


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]  # mypy knows no star here


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("LASTSESSION", at(2025, 3, 31, 13, 30)),
        ("1D", at(2025, 3, 31, 13, 30)),
        ("5d", at(2025, 3, 25, 13, 30)),
        ("5", at(2025, 3, 25, 13, 30)),
        ("2W", at(2025, 3, 17, 15)),
        ("1M", at(2025, 2, 28, 15)),
        ("12M", at(2024, 3, 31, 15)),
        ("60M", at(2020, 3, 31, 15)),
        ("YTD", at(2025, 1, 1)),
        ("ALL", -math.inf),
    ],
)
def test_a_period_ends_now(text: str, start: float) -> None:
    assert read_frame(text, APPLE, NOW) == Frame(text, start, math.inf)


@pytest.mark.parametrize("text", ["r,1732838400:1766016000", "r,1732838400.5:1766016000.0"])
def test_a_range_is_taken_as_it_is(text: str) -> None:
    assert read_frame(text, APPLE, NOW) == Frame(text, 1_732_838_400, 1_766_016_000)


@pytest.mark.parametrize("text", ["soon", "0D", "r,1", "r,x:y", "-1D", "1Y", "99999D"])
def test_what_is_no_frame(text: str) -> None:
    assert read_frame(text, APPLE, NOW) is None


def test_a_symbol_without_days_is_shown_from_now() -> None:
    market = Market(1)
    market.set_bars("X:Y", "1D", [])
    assert read_frame("5D", MarketInstrument(market, "X:Y"), NOW) == Frame("5D", NOW, math.inf)


@pytest.mark.parametrize(
    ("start", "end", "held"), [(10, 30, (1, 3)), (11, 29, (2, 2)), (0, 5, (0, 0)), (90, 99, (4, 4)), (21, 29, (4, 4))]
)
def test_a_frame_holds_the_points_within_it(start: float, end: float, held: tuple[int, int]) -> None:
    assert Frame("", start, end).holds([(0, 6), (1, 10), (2, 20), (3, 30), (4, 40)]) == held


def test_nothing_is_held_of_nothing() -> None:
    assert Frame("", 0, 1).holds([]) == (0, 0)


@pytest.mark.parametrize(("interval", "bars"), [("1", 62.0), ("60", 3.0), ("1D", 2.0), ("1M", 2.0), ("1T", math.inf)])
def test_bars_are_counted_generously(interval: str, bars: float) -> None:
    assert bars_since(NOW - 3_600, Interval.parse(interval), NOW) == bars
    assert bars_since(-math.inf, Interval.parse(interval), NOW) == math.inf
