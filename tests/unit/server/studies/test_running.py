"""Studies against plain computations from the textbook, bar by bar, and against values of the real server."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.constants import NO_VALUE
from tvstreamer.server.market.bars import BarRow
from tvstreamer.server.studies.running import Running
from tvstreamer.studies import SOURCES, Study

Plots = list[float | None]


# --- the textbook: slow, and each value from the whole history ----------------------------------------------------------


def sma(values: Sequence[float], length: int) -> float | None:
    return None if len(values) < length else math.fsum(values[-length:]) / length


def smoothed(values: Sequence[float], length: int, alpha: float) -> float | None:
    if len(values) < length:
        return None
    average = math.fsum(values[:length]) / length
    for value in values[length:]:
        average = alpha * value + (1 - alpha) * average
    return average


def ema(values: Sequence[float], length: int) -> float | None:
    return smoothed(values, length, 2 / (length + 1))


def rsi(values: Sequence[float], length: int) -> float | None:
    changes = [after - before for before, after in itertools.pairwise(values)]
    rise = smoothed([max(each, 0.0) for each in changes], length, 1 / length)
    fall = smoothed([max(-each, 0.0) for each in changes], length, 1 / length)
    if rise is None or fall is None:
        return None
    return 100.0 if fall == 0 else 100 * rise / (rise + fall)


def macd(values: Sequence[float], fast: int, slow: int, signal: int) -> Plots:
    line: list[float] = []
    for count in range(1, len(values) + 1):
        quick, late = ema(values[:count], fast), ema(values[:count], slow)
        if quick is not None and late is not None:
            line.append(quick - late)
    mean = ema(line, signal)
    complete = len(values) >= max(fast, slow)
    return [None if mean is None else line[-1] - mean, line[-1] if complete else None, mean]


def bollinger(values: Sequence[float], length: int, mult: float) -> Plots:
    if len(values) < length:
        return [None, None, None]
    mean, width = statistics.fmean(values[-length:]), mult * statistics.pstdev(values[-length:])
    return [mean, mean + width, mean - width]


def volume(bars: Sequence[BarRow], length: int) -> Plots:
    newest = bars[-1]
    return [newest.volume, 1.0 if newest.close < newest.open else 0.0, sma([bar.volume or 0.0 for bar in bars], length)]


TEXTBOOK: dict[str, Callable[[list[BarRow]], Plots]] = {
    "SMA:3": lambda bars: [sma([bar.close for bar in bars], 3)],
    "SMA:1,source=high": lambda bars: [bars[-1].high],
    "EMA:4": lambda bars: [ema([bar.close for bar in bars], 4)],
    "EMA:2,source=hl2": lambda bars: [ema([(bar.high + bar.low) / 2 for bar in bars], 2)],
    "EMA:2,source=hlc3": lambda bars: [ema([(bar.high + bar.low + bar.close) / 3 for bar in bars], 2)],
    "EMA:2,source=ohlc4": lambda bars: [ema([(bar.open + bar.high + bar.low + bar.close) / 4 for bar in bars], 2)],
    "EMA:2,source=hlcc4": lambda bars: [ema([(bar.high + bar.low + 2 * bar.close) / 4 for bar in bars], 2)],
    "RSI:3": lambda bars: [rsi([bar.close for bar in bars], 3)],
    "RSI:1,source=low": lambda bars: [rsi([bar.low for bar in bars], 1)],
    "MACD:2,4,3": lambda bars: macd([bar.close for bar in bars], 2, 4, 3),
    "MACD:5,3,2,source=open": lambda bars: macd([bar.open for bar in bars], 5, 3, 2),
    "BB:4,2": lambda bars: bollinger([bar.close for bar in bars], 4, 2),
    "Volume:3": lambda bars: volume(bars, 3),
}


@st.composite
def bars(draw: st.DrawFn) -> list[list[BarRow]]:
    """Bars, each with the states that it passed through; the last one is how it ended."""
    price = st.integers(1_000, 9_999).map(lambda units: units / 100)
    forming = st.tuples(price, price, price, price, st.integers(0, 10**6).map(lambda lots: lots / 1000))
    return [
        [
            BarRow(60.0 * number, open_, max(a, b, open_, close), min(a, b, open_, close), close, volume, 60.0 * number + 60)
            for open_, a, b, close, volume in states
        ]
        for number, states in enumerate(draw(st.lists(st.lists(forming, min_size=1, max_size=3), max_size=14)))
    ]


@pytest.mark.parametrize("text", TEXTBOOK)
@given(data=st.data())
def test_each_update_of_each_bar_has_the_textbooks_values(text: str, data: st.DataObject) -> None:
    running = Running(Study.parse(text))
    closed: list[BarRow] = []
    for index, states in enumerate(data.draw(bars())):
        for bar in states:
            time, *values = running.update(index, bar)
            assert time == bar.time
            expected = TEXTBOOK[text]([*closed, bar])
            assert len(values) == len(expected) == len(running.study.plots)
            for found, wanted in zip(values, expected, strict=True):
                assert found == (NO_VALUE if wanted is None else pytest.approx(wanted, rel=1e-9, abs=1e-9))
        closed.append(states[-1])


@pytest.mark.parametrize("source", SOURCES)
def test_every_source_can_be_looked_at(source: str) -> None:
    bar = BarRow(0.0, 2.0, 5.0, 1.0, 3.0, None, 60.0)
    (_, value) = Running(Study("SMA", length=1, source=source)).update(0, bar)
    assert 1.0 <= value <= 5.0


def test_a_symbol_without_volume_has_no_values_of_it() -> None:
    running = Running(Study("Volume", length=1))
    assert running.update(0, BarRow(0.0, 2.0, 5.0, 1.0, 3.0, None, 60.0)) == [0.0, NO_VALUE, NO_VALUE, NO_VALUE]
    assert repr(running) == "<Running Volume:1 at bar 0>"


def test_volume_may_be_coloured_by_the_close_before() -> None:
    running = Running(Study("Volume", length=1, col_prev_close=True))
    rows = [(0.0, 2.0, 3.0), (60.0, 2.0, 2.5), (120.0, 3.0, 2.75)]
    colours = [running.update(i, BarRow(t, o, 5.0, 1.0, c, 7.0, t + 60))[2] for i, (t, o, c) in enumerate(rows)]
    assert colours == [0.0, 1.0, 0.0]


def test_a_price_that_never_falls_has_an_rsi_of_100() -> None:
    running = Running(Study("RSI", length=2))
    values = [running.update(i, BarRow(60.0 * i, c, c, c, c, None, 0.0))[1] for i, c in enumerate((1.0, 2.0, 2.0, 3.0))]
    assert values == [NO_VALUE, NO_VALUE, 100.0, 100.0]


def test_bars_of_the_same_time_are_told_apart_by_their_index() -> None:
    running = Running(Study("SMA", length=2))
    values = [running.update(i, BarRow(0.0, c, c, c, c, None, 0.0))[1] for i, c in enumerate((1.0, 3.0, 5.0))]
    assert values == [NO_VALUE, 2.0, 4.0]


# --- the real server ----------------------------------------------------------------------------------------------------


def test_values_are_those_of_the_real_server(captures: Path) -> None:
    """Volume and Bollinger bands of 300 bars of an hour, as it sent them on 2025-06-25."""
    rows: dict[float, list[float]] = {}
    points: dict[str, dict[float, list[float]]] = {}
    for packet in json.loads((captures / "tradingview-rs_events_2025-06-25.json").read_text()):
        for name, data in packet["p"][1].items() if packet["m"] in ("du", "timescale_update") else ():
            rows |= {row["v"][0]: row["v"] for row in data.get("s", ())}
            points[name] = {point["v"][0]: point["v"][1:] for point in data.get("st", ())}
    volume, bands = Running(Study("Volume")), Running(Study("BB"))
    times = sorted(rows)
    assert len(times) == 300
    for index, time in enumerate(times):
        bar = BarRow(*rows[time], end=time + 3600)
        _, *found_volume = volume.update(index, bar)
        _, *found_bands = bands.update(index, bar)
        assert found_volume[:2] == points["st1"][time][:2]
        if index >= 19:
            assert found_volume == pytest.approx(points["st1"][time], rel=1e-12)
            assert found_bands == pytest.approx(points["st2"][time], rel=1e-11)
