"""The synthetic market holds together: its ticks, bars and quotes tell one story, whoever asks what and when."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Hashable, Iterable
from datetime import date, datetime
from functools import cache
from itertools import groupby, pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tvstreamer.intervals import Interval
from tvstreamer.server.market import Market, market_start
from tvstreamer.server.market.bars import BarRow, MarketTick
from tvstreamer.server.market.listing import make_listing

SRC = Path(__file__).resolve().parents[2] / "src"
DAY = 86_400
MIDNIGHT = 1_754_006_400
"""The beginning of August 2025."""

HOURS = {"NASDAQ": (ZoneInfo("America/New_York"), 9, 30), "NSE": (ZoneInfo("Asia/Kolkata"), 9, 15)}
AROUND_THE_CLOCK = (ZoneInfo("Etc/UTC"), 0, 0)

# With these seeds the symbols have few ticks, so that a test can afford to look at each of them for months.
THIN_STOCKS = [("NASDAQ:THIN", 0), ("NSE:THIN", 3)]
THIN = [*THIN_STOCKS, ("OTHER:THIN", 4)]

SYMBOLS = ["BINANCE:BTCUSDT", "NASDAQ:AAPL", "NSE:THIN", "XETR:SAP", "FX:EURUSD", "TVC:DXY", "OKX:NEWUSDT"]
BY_CLOCK = ["1S", "7S", "30S", "90S", "1", "2", "7", "45", "60", "188", "240"]
BY_TICKS = ["1T", "3T", "100T", "1R", "5R", "50R", "500R"]
BY_DAYS = ["1D", "2D", "5D", "1W", "2W", "1M", "2M"]

symbols = st.sampled_from(SYMBOLS)
seeds = st.integers(min_value=-(2**70), max_value=2**70)
moments = st.floats(min_value=650_000_000, max_value=4_100_000_000).map(lambda time: round(time, 3))
intervals = st.sampled_from([*BY_CLOCK, *BY_TICKS, *BY_DAYS, "12M"])


def plain_bars(symbol: str, interval: Interval, ticks: Iterable[MarketTick]) -> list[BarRow]:
    """Bars made by looking at every tick, and by the calendar of `datetime`. Their ends are left out."""
    grid = make_listing(symbol, 0).grid
    zone, hour, minute = HOURS.get(symbol.partition(":")[0], AROUND_THE_CLOCK)

    @cache
    def opening(day: float) -> datetime:
        local = datetime.fromtimestamp(day * DAY + DAY / 2, zone)
        return local.replace(hour=hour, minute=minute, second=0, microsecond=0)

    def session(tick: MarketTick) -> datetime:
        # Each of these sessions lies within one day of UTC, whose noon is on the same date there.
        return opening(tick.time // DAY)

    def start(tick: MarketTick) -> float:
        opens = session(tick).timestamp()
        if interval.unit in ("m", "S"):
            return opens + (tick.time - opens) // (interval.seconds or 0) * (interval.seconds or 0)
        return opens

    def bar_of(tick: MarketTick) -> Hashable:
        day = session(tick).date()
        weeks, weekday = divmod((day - date(1990, 1, 1)).days, 7)
        match interval.unit:
            case "D":
                return (weeks * (7 if symbol == "OTHER:THIN" else 5) + weekday) // interval.count
            case "W":
                return weeks // interval.count
            case "M":
                return (day.year * 12 + day.month - 1) // interval.count
            case _:
                return start(tick)

    if interval.unit in ("T", "R"):
        groups = [bar for _, of_day in groupby(ticks, session) for bar in cut(interval, of_day)]
        starts = [bar[0].time for bar in groups]
    else:
        groups = [list(bar) for _, bar in groupby(ticks, bar_of)]
        starts = [start(bar[0]) for bar in groups]
    return [
        BarRow(
            time=opens,
            open=bar[0].price,
            high=max(tick.price for tick in bar),
            low=min(tick.price for tick in bar),
            close=bar[-1].price,
            volume=sum(tick.lots for tick in bar) / grid.volumescale,
            end=0,
        )
        for opens, bar in zip(starts, groups, strict=True)
    ]


def cut(interval: Interval, ticks: Iterable[MarketTick]) -> list[list[MarketTick]]:
    """The ticks of one session in tick or range bars."""
    bars: list[list[MarketTick]] = []
    low = high = 0.0
    for tick in ticks:
        low, high = min(low, tick.units), max(high, tick.units)
        full = bool(bars) and (len(bars[-1]) == interval.count if interval.unit == "T" else high - low > interval.count)
        if full or not bars:
            bars.append([])
            low = high = tick.units
        bars[-1].append(tick)
    return bars


def without_ends(rows: Iterable[BarRow]) -> list[BarRow]:
    return [msgspec.structs.replace(row, end=0) for row in rows]


@settings(max_examples=settings.default.max_examples // 2)  # each looks at all ticks of up to four days
@given(st.sampled_from([*THIN, ("NASDAQ:AAPL", 1)]), st.sampled_from([*BY_CLOCK, *BY_TICKS, "1D"]), moments)
def test_ticks_add_up_to_the_bars_within_a_day(which: tuple[str, int], text: str, until: float) -> None:
    symbol, seed = which
    market = Market(seed)
    ticks = market.ticks(symbol, until // DAY * DAY - 3 * DAY - 0.001, until)
    bars = plain_bars(symbol, Interval.parse(text), ticks)
    assert without_ends(market.history(symbol, text, until, len(bars))) == bars


@settings(max_examples=settings.default.max_examples // 4)  # each looks at all ticks of 75 days
@given(st.sampled_from(THIN_STOCKS), st.sampled_from(BY_DAYS), moments)
def test_ticks_add_up_to_the_bars_of_days_weeks_and_months(which: tuple[str, int], text: str, until: float) -> None:
    symbol, seed = which
    market = Market(seed)
    ticks = market.ticks(symbol, until // DAY * DAY - 75 * DAY - 0.001, until)
    # The first bar may have begun before the first of these ticks.
    bars = plain_bars(symbol, Interval.parse(text), ticks)[1:]
    assert without_ends(market.history(symbol, text, until, len(bars))) == bars


@given(symbols, seeds, st.sampled_from(["1W", "1M", "3M", "12M", "7D"]), moments)
def test_daily_bars_add_up_to_the_longer_ones(symbol: str, seed: int, text: str, until: float) -> None:
    market = Market(seed)
    days = market.history(symbol, "1D", until, 800)
    scale = make_listing(symbol, seed).grid.volumescale
    for long in market.history(symbol, text, until, 2):
        within = [day for day in days if long.time <= day.time < long.end]
        assert (long.open, long.close) == (within[0].open, within[-1].close)
        assert long.high == max(day.high for day in within)
        assert long.low == min(day.low for day in within)
        if long.volume is not None:
            assert round(long.volume * scale) == sum(round((day.volume or 0) * scale) for day in within)


@given(symbols, seeds, intervals, moments, st.integers(min_value=1, max_value=30))
def test_every_bar_is_sound_and_follows_the_one_before(symbol: str, seed: int, text: str, until: float, count: int) -> None:
    market = Market(seed)
    rows = market.history(symbol, text, until, count)
    assert len(rows) == count or rows[0].time < 650_000_000
    for row in rows:
        assert 0 < row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high
        assert row.volume is None if symbol == "TVC:DXY" else (row.volume or 0) > 0
        assert row.time < row.end
    for before, after in pairwise(rows):
        assert before.time < after.time
        assert before.end <= after.time or text[-1] in "TR"
    assert rows[-1].time <= until


@given(symbols, seeds, intervals, moments, st.floats(min_value=0, max_value=5_000), st.integers(1, 20))
@example("BINANCE:BTCUSDT", 0, "100T", MIDNIGHT - 300, 600, 3)
@example("BINANCE:BTCUSDT", 0, "50R", MIDNIGHT - 300, 600, 3)
@example("BINANCE:BTCUSDT", 0, "188", MIDNIGHT - 300, 600, 3)
@example("BINANCE:BTCUSDT", 0, "1M", MIDNIGHT - 300, 600, 3)
def test_a_series_that_is_kept_up_equals_history(
    symbol: str, seed: int, text: str, start: float, seconds: float, count: int
) -> None:
    market = Market(seed)
    series = market.series(symbol, text, at=start, count=count)
    assert series.rows == market.history(symbol, text, start, count)
    ticks = market.ticks(symbol, start, start + seconds)
    for number, tick in enumerate(ticks):
        changed = series.add(tick)
        assert changed == [series.current]
        if number % 500 == 0:
            assert changed == market.history(symbol, text, tick.time, 1)
    rows = series.rows
    assert rows == market.history(symbol, text, start + seconds, len(rows))
    assert series.index == len(rows) - 1


questions = st.tuples(st.sampled_from(["bars", "ticks", "quote", "next", "forming"]), symbols, intervals, moments)


def answer(market: Market, question: tuple[str, str, str, float]) -> object:
    kind, symbol, interval, moment = question
    match kind:
        case "bars":
            return market.history(symbol, interval, moment, 5)
        case "ticks":
            return market.ticks(symbol, moment, moment + 120)
        case "quote":
            return market.quote(symbol, moment)
        case "next":
            return market.next_tick(symbol, moment)
        case _:
            return market.bar_at(symbol, interval, moment)


@given(seeds, st.data())
def test_the_order_of_questions_does_not_matter(seed: int, data: st.DataObject) -> None:
    asked = data.draw(st.lists(questions, min_size=2, max_size=6))
    first, second = Market(seed), Market(seed)
    answers = [answer(first, question) for question in asked]
    for place in data.draw(st.permutations(range(len(asked)))):
        assert answer(second, asked[place]) == answers[place]


@given(symbols, seeds, moments)
def test_a_quote_is_what_the_ticks_of_the_day_say(symbol: str, seed: int, now: float) -> None:
    market = Market(seed)
    quote = market.quote(symbol, now)
    (bar,) = market.history(symbol, "1D", now, 1)
    assert (quote["lp"], quote["open_price"]) == (bar.close, bar.open)
    assert (quote["high_price"], quote["low_price"]) == (bar.high, bar.low)
    (newest,) = market.history(symbol, "1T", now, 1)
    assert quote["lp_time"] == int(newest.time)
    assert quote["lp"] == newest.close


@given(symbols, seeds, moments)
def test_next_tick_is_the_first_of_those_to_come_and_none_is_missed(symbol: str, seed: int, after: float) -> None:
    market = Market(seed)
    tick = market.next_tick(symbol, after)
    assert tick is not None
    assert tick.time > after
    assert market.ticks(symbol, after, tick.time) == [tick]
    # The longest that one of these exchanges was ever closed: from Monday evening to Monday, in September 2001.
    assert tick.time - after < 7 * DAY


steps = st.lists(
    st.tuples(
        st.sampled_from(["tick", "tick", "tick", "close"]),
        st.sampled_from([0, 0.5, 1, 20, 60, 3_000, 90_000]),
        st.integers(min_value=1, max_value=500),
    ),
    max_size=40,
)


@given(steps, st.sampled_from(["5S", "1", "7", "60", "1D", "1W", "1M", "2T", "5R"]), st.booleans())
def test_by_hand_too_a_series_that_is_kept_up_equals_one_made_anew(
    script: list[tuple[str, float, int]], text: str, given_before: bool
) -> None:
    market = Market()
    now = MIDNIGHT - 1_000.0
    market.tick("NASDAQ:AAPL", 1, at=now)
    if given_before:
        market.set_bars("NASDAQ:AAPL", text, [[now - 999, 1, 2, 1, 2, 5], [now - 99, 2, 2, 1, 1, 5]])
    series = market.series("NASDAQ:AAPL", text, at=now, count=100)
    for action, pause, cents in script:
        now += pause
        if action == "tick":
            series.add(market.tick("NASDAQ:AAPL", cents / 100, at=now))
        else:
            market.close_bar("NASDAQ:AAPL", text, now)
            series.close_bar()
    rows = series.rows
    assert rows == market.series("NASDAQ:AAPL", text, at=now, count=100).rows
    times = [row.time for row in rows]
    assert all(before < after for before, after in pairwise(times))
    ticks = [cents / 100 for action, _, cents in script if action == "tick"]
    assert not ticks or market.quote("NASDAQ:AAPL", now)["lp"] == ticks[-1] == rows[-1].close


def fingerprint() -> str:
    """A digest of some of everything."""
    market = Market(11)
    now = market_start(11)
    parts: list[object] = []
    for name in SYMBOLS:
        parts += [market.info(name), market.quote(name, now), market.ticks(name, now, now + 60)]
        parts += [market.history(name, text, now, 20) for text in [*BY_CLOCK, *BY_TICKS, *BY_DAYS]]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


@pytest.mark.parametrize("hash_seed", ["0", "12345"])
def test_another_process_with_other_hashes_tells_the_same_story(hash_seed: str) -> None:
    program = (
        "import importlib.util, sys\n"
        "spec = importlib.util.spec_from_file_location('market_properties', sys.argv[1])\n"
        "module = importlib.util.module_from_spec(spec)\n"
        "sys.modules[spec.name] = module\n"
        "spec.loader.exec_module(module)\n"
        "print(module.fingerprint())\n"
    )
    path = os.pathsep.join([str(SRC), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", program, __file__],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == fingerprint()
