"""A client who reads a symbol's info knows when the fake market trades: at no other time is there a tick or a bar."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tvstreamer.server.market import Market
from tvstreamer.server.market.variants import Variant, variant_of
from tvstreamer.trading_sessions import TradingSession

SYMBOLS = [
    "NASDAQ:THIN", "XETR:SAP", "LSE:VOD", "NSE:INFY", "TSE:7203", "HKEX:700", "CME_MINI:ES1!", "FX:EURUSD", "BINANCE:BTCUSDT",
    "EXAMPLE:HALTS", "EXAMPLE:THIN", "EXAMPLE:SPLIT", variant_of("NYSE:IBM", Variant("extended")),
    variant_of("EXAMPLE:SPLIT", Variant("extended", "none")), variant_of("EXAMPLE:REVERSE", Variant("extended", "none")),
]  # fmt: skip
moments = st.floats(min_value=650_000_000, max_value=4_100_000_000).map(lambda time: round(time, 3))


def hours(market: Market, symbol: str) -> TradingSession:
    """As a client reads them, see `protocol.watchdogs`."""
    info = market.info(symbol)
    assert info is not None
    (chosen,) = [each for each in info["subsessions"] if each["id"] == info["subsession_id"]]
    return TradingSession.of(
        info["session"], info["timezone"], info.get("session_holidays", ""), chosen.get("session-correction", "")
    )


@given(st.sampled_from(SYMBOLS), st.integers(0, 9), moments)
def test_there_are_ticks_only_while_the_info_says_that_the_market_is_open(symbol: str, seed: int, moment: float) -> None:
    market = Market(seed)
    session = hours(market, symbol)
    tick = market.next_tick(symbol, moment)
    assert tick is not None and session.is_open(tick.time)
    # And in every stretch of trading there is one, so that no day is missed.
    after = tick.time if session.is_open(moment) else moment
    opens = session.next_change(after)
    while opens < float("inf") and not session.is_open(opens):
        opens = session.next_change(opens)
    if opens < float("inf"):
        first = market.next_tick(symbol, opens - 0.001)
        assert first is not None and first.time < session.next_change(opens)


@given(st.sampled_from(SYMBOLS), st.sampled_from(["1", "7", "30", "60", "240"]), moments)
def test_bars_open_while_the_market_is_open_and_end_no_later_than_its_session(symbol: str, text: str, until: float) -> None:
    market = Market(1)
    session = hours(market, symbol)
    rows = market.history(symbol, text, until, 12)
    for row in rows:
        assert session.is_open(row.time)
        assert session.open_seconds(row.time, row.end) == row.end - row.time
    assert all(before.end <= after.time for before, after in pairwise(rows))


@settings(max_examples=settings.default.max_examples // 2)  # each looks at all minutes of a day
@given(st.sampled_from(SYMBOLS), st.integers(0, 9), moments)
def test_a_day_is_the_sum_of_its_minutes_whatever_its_hours(symbol: str, seed: int, until: float) -> None:
    market = Market(seed)
    (day,) = market.history(symbol, "1D", until, 1, at=until + 90_000)
    minutes = market.history(symbol, "1", day.end - 0.001, 1_500)
    within = [row for row in minutes if row.time >= day.time]
    assert (within[0].open, within[-1].close) == (day.open, day.close)
    assert (max(row.high for row in within), min(row.low for row in within)) == (day.high, day.low)
    assert sum(row.volume or 0 for row in within) == pytest.approx(day.volume or 0)


def test_a_halt_is_a_pause_of_minutes_within_a_day_and_most_days_have_none() -> None:
    market = Market(2)
    pauses = []
    for day in market.history("EXAMPLE:HALTS", "1D", 1_751_500_000, 60):
        ticks = market.ticks("EXAMPLE:HALTS", day.time - 0.001, day.end - 0.001)
        times = [tick.time for tick in ticks]
        busy = {int(time // 60) for time in times}
        pauses.append(max(after - before for before, after in pairwise(sorted(busy))) - 1)
    halts = [pause for pause in pauses if pause >= 20]
    assert 5 <= len(halts) <= 30
    assert max(pauses) <= 90


def test_the_thin_example_has_minutes_without_a_bar() -> None:
    rows = Market().history("EXAMPLE:THIN", "1", 1_751_500_000, 50)
    gaps = [after.time - before.time for before, after in pairwise(rows)]
    assert sum(gap > 60 for gap in gaps) > 25


@pytest.mark.parametrize(("symbol", "elements"), [("EXAMPLE:INDEX", 5), ("EXAMPLE:NOVOLUME", 5), ("EXAMPLE:PLAIN", 6)])
def test_some_examples_have_no_volume(symbol: str, elements: int) -> None:
    (row,) = Market().history(symbol, "1D", 1_751_500_000, 1)
    assert (5 if row.volume is None else 6) == elements


def test_names_are_not_only_letters_of_the_basic_plane() -> None:
    info = Market().info("EXAMPLE:ASTRAL")
    assert info is not None and any(ord(letter) > 0xFFFF for letter in info["description"])
    assert Market().knows("EXAMPLE:PLAIN") and not Market().knows("EXAMPLE:SOMETHING")
