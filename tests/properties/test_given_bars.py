"""Bars from a file come out of the fake server as they went in, as history and as live bars, whatever the interval."""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tvstreamer.events import Bar
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.market import Market
from tvstreamer.server.market.bar_market import BarMarket
from tvstreamer.wsclient import TvWSClient

BTC = "BINANCE:BTCUSDT"
FIRST = 1_751_846_400
cents = st.integers(-500, 500).map(lambda number: (10_000 + number) / 100)


@st.composite
def rows(draw: st.DrawFn) -> list[list[float]]:
    """Bars of a minute, with holes; the first two are neighbours, so that the interval is known."""
    minutes = sorted(draw(st.sets(st.integers(2, 90), min_size=3, max_size=25)) | {0, 1})
    found = []
    for minute in minutes:
        low, *inner, high = sorted(draw(st.tuples(cents, cents, cents, cents)))
        open_, close = draw(st.permutations(inner))
        found.append([FIRST + 60 * minute, open_, high, low, close, draw(st.integers(0, 10**6)) / 1_000])
    return found


@given(rows(), st.sampled_from([1, 2, 3, 5, 7, 15, 60]), st.floats(0, 6_000), st.integers(1, 40))
def test_a_series_that_is_kept_up_equals_history_and_both_are_sums(
    bars: list[list[float]], minutes: int, start: float, count: int
) -> None:
    market = Market(sources={"*": BarMarket.of(bars)})
    interval, end = str(minutes), FIRST + 9_000
    now = FIRST + round(start, 3)
    series = market.series(BTC, interval, at=now, count=count)
    assert series.rows == market.history(BTC, interval, now, count)
    for tick in market.ticks(BTC, now, end):
        series.add(tick)
    kept = series.rows
    assert kept == market.history(BTC, interval, end, len(kept))
    whole = market.history(BTC, interval, end, 1_000)
    length = 60 * minutes
    groups: dict[float, list[list[float]]] = {}
    for bar in bars:
        day = bar[0] // 86_400 * 86_400
        groups.setdefault(day + (bar[0] - day) // length * length, []).append(bar)
    assert [row.time for row in whole] == list(groups)
    for row, group in zip(whole, groups.values(), strict=True):
        assert (row.open, row.close) == (group[0][1], group[-1][4])
        assert (row.high, row.low) == (max(bar[2] for bar in group), min(bar[3] for bar in group))
        assert round((row.volume or 0) * 1_000) == sum(round(bar[5] * 1_000) for bar in group)


@settings(max_examples=15)
@given(rows(), st.integers(0, 60), st.sampled_from(["seconds", "milliseconds"]))
def test_a_client_that_follows_a_file_sees_its_rows(bars: list[list[float]], start: int, unit: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bars.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["Timestamp", "Open", "High", "Low", "Close", "Volume"])
            factor = 1_000 if unit == "milliseconds" else 1
            writer.writerows([[bar[0] * factor, *bar[1:]] for bar in reversed(bars)])
        seen: dict[float, list[float | None]] = {}
        with (
            FakeServer(market=path, start=FIRST + start * 60, speed="max") as server,
            TvWSClient([(BTC, "1")], source=server.connect, clock=server.clock, n_init_bars=100) as client,
        ):
            for event in client.stream():
                if isinstance(event, Bar):
                    seen[event.time] = [event.open, event.high, event.low, event.close, event.volume]
                    if (event.time, *seen[event.time]) == tuple(bars[-1]):
                        break
    assert [[time, *values] for time, values in seen.items()] == bars
