"""Symbols that are computed from others."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.errors import SeriesError
from tvstreamer.intervals import Interval
from tvstreamer.server.market import Market, market_start
from tvstreamer.server.market.bar_market import BarMarket
from tvstreamer.server.market.bars import BarRow
from tvstreamer.server.market.spread import SpreadSymbol, is_single, parse_spread

A, B = "NASDAQ:AAPL", "NASDAQ:MSFT"
RATIO = f"{A}/{B}"
NOW = market_start(1) + 3 * 3_600
T = 1_751_832_000


@pytest.mark.parametrize(
    ("text", "legs", "value"),
    [
        (RATIO, (A, B), 4.0),
        (f"{A}*2-{B}", (A, B), 14.0),
        (f"2*{A}-{B}/2", (A, B), 15.0),
        (f"({A}+{B})/2", (A, B), 5.0),
        (f"{A} - ({B} - {A})", (A, B), 14.0),
        (f"1/{B}", (B,), 0.5),
        (f"{A}-{B}-{B}", (A, B), 4.0),
        (f"{A}/{B}/{B}", (A, B), 2.0),
        ("NSE:M&M/CME_MINI:ES1!", ("NSE:M&M", "CME_MINI:ES1!"), 4.0),
        (f"{A}*1.5", (A,), 12.0),
    ],
)
def test_an_expression_is_computed_by_the_usual_rules(text: str, legs: tuple[str, ...], value: float) -> None:
    spread = parse_spread(text)
    assert spread is not None
    assert spread.legs == legs
    assert spread.value(dict(zip(legs, (8.0, 2.0) if legs[0] != B else (2.0,), strict=False)), 1000) == value


@pytest.mark.parametrize(
    "text",
    [
        A, "COINBASE:BTC-USD", "NASDAQ:BRK-B", f"{A}/", f"/{A}", f"({A}/{B}", f"{A}/{B})", f"{A}{B}", f"{A}//{B}", f"{A}^2", "1/2",
        "", f"{A}*\N{ARABIC-INDIC DIGIT TWO}", f"{A}/msft", f"({A})({B})", f"{A}/()", "+".join([A] * 20), "+".join(f"X:Y{number}" for number in range(11)),
    ],
)  # fmt: skip
def test_what_is_no_expression_is_no_spread(text: str) -> None:
    assert parse_spread(text) is None


def test_ten_symbols_are_as_many_as_there_may_be() -> None:
    spread = parse_spread("+".join(f"X:Y{number}" for number in range(10)))
    assert spread is not None
    assert len(spread.legs) == 10


@given(st.lists(st.sampled_from(["A:B", "C:D", "2", "0.5", "+", "-", "*", "/", "(", ")", " "]), max_size=12))
def test_whatever_is_given_is_read_or_is_none(tokens: list[str]) -> None:
    spread = parse_spread("".join(tokens))
    if spread is not None:
        # A number right behind a leg belongs to its name.
        assert all(leg.startswith(("A:B", "C:D")) for leg in spread.legs)
        value = spread.value({leg: 3.0 * number for number, leg in enumerate(spread.legs)}, 100)
        assert value is None or value == round(value * 100) / 100


@pytest.mark.parametrize("text", ["NASDAQ:AAPL", "BINANCE:BTCUSDT.P", "COINBASE:BTC-USD", "NSE:M&M", "CME_MINI:ES1!", "A:B/C", "A:\N{LATIN CAPITAL LETTER O WITH DIAERESIS}", "A-B:C"])
def test_a_symbol_may_have_signs_in_its_name(text: str) -> None:
    assert parse_spread(text) is None
    assert is_single(text)


@pytest.mark.parametrize("value", [1e308, -1e308, math.inf, math.nan])
def test_a_price_that_is_no_number_any_more_is_none(value: float) -> None:
    spread = parse_spread("A:B*1")
    assert spread is not None
    assert spread.value({"A:B": value}, 100_000) is None


def test_its_bars_are_computed_from_those_of_its_legs() -> None:
    market = Market(1)
    spread = market.history(RATIO, "5", NOW, 20)
    legs = [{row.time: row for row in market.history(leg, "5", NOW, 40)} for leg in (A, B)]
    assert len(spread) == 20
    for row in spread:
        a, b = (of_leg[row.time] for of_leg in legs)
        assert row.open == round(a.open / b.open * 100_000) / 100_000
        assert row.close == round(a.close / b.close * 100_000) / 100_000
        assert row.high >= max(row.open, row.close)
        assert row.low <= min(row.open, row.close)
        assert (row.volume, row.end) == (None, a.end)


def test_its_ticks_are_those_of_its_legs_and_end_where_its_bars_do() -> None:
    market = Market(1)
    start = NOW - 300
    ticks = market.ticks(RATIO, start, NOW)
    of_legs = {tick.due for leg in (A, B) for tick in market.ticks(leg, start, NOW)}
    assert [tick.due for tick in ticks] == sorted(of_legs)
    assert market.next_tick(RATIO, start) == ticks[0]
    assert ticks[-1].price == market.quote(RATIO, NOW)["lp"] == market.history(RATIO, "1", NOW, 1)[0].close
    series = market.series(RATIO, "1", at=start, count=3)
    known = dict(enumerate(series.rows))
    for tick in ticks:
        changed = series.add(tick)
        known |= dict(zip(range(series.index + 1 - len(changed), series.index + 1), changed, strict=True))
    assert list(known.values()) == series.rows == market.history(RATIO, "1", NOW, len(known))
    series.close_bar()
    assert series.rows[-1] == market.bar_at(RATIO, "1", NOW) or series.rows[-1].end <= NOW


def test_a_series_of_a_spread_may_run_for_ever() -> None:
    market = Market(1)
    series = market.series(RATIO, "30S", at=NOW - 1_800, count=2, keep=5)
    for tick in market.ticks(RATIO, NOW - 1_800, NOW):
        series.add(tick)
    assert len(series.rows) <= 10
    assert series.rows == market.history(RATIO, "30S", NOW, len(series.rows))
    assert series.index > 30


def test_days_of_markets_with_other_hours_are_the_same_days() -> None:
    market, until = Market(1), datetime(2025, 7, 16, 23, tzinfo=UTC).timestamp()
    mixed = f"{A}/BINANCE:BTCUSDT"
    for interval, count in (("1D", 4), ("1W", 2), ("1M", 1)):
        rows = market.history(mixed, interval, until, count)
        assert [row.time for row in rows] == [row.time for row in market.history(A, interval, until, count)]
    assert market.history(f"BINANCE:BTCUSDT-{A}", "60", until, 8) == [], "one has its hours at half past, the other on the hour"
    minutes = market.history(f"BINANCE:BTCUSDT-{A}", "1", until + 4 * 86_400, 3)
    assert [row.time for row in minutes] == [row.time for row in market.history(A, "1", until + 4 * 86_400, 3)]


class Never:
    """A leg with a bar of each minute, at seconds of its own. `looked_at` is how many it was asked for."""

    update_mode = "streaming"

    def __init__(self, second: int) -> None:
        self._second = second
        self.looked_at = 0

    def info(self) -> dict[str, Any]:
        return {"pricescale": 100}

    def history(self, interval: Interval, until: float, count: int, at: float) -> list[BarRow]:
        self.looked_at += count
        newest = (until - self._second) // 60 * 60 + self._second
        return [BarRow(newest - 60 * back, 1.0, 1.0, 1.0, 1.0, None, newest) for back in reversed(range(count))]


@pytest.mark.parametrize("count", [1, 300, 5_000])
def test_legs_that_never_meet_are_not_looked_at_for_ever(count: int) -> None:
    spread = parse_spread("A:B-C:D")
    assert spread is not None
    legs = {"A:B": Never(0), "C:D": Never(30)}
    assert SpreadSymbol("A:B-C:D", spread, cast(Any, legs)).history(Interval.parse("1"), NOW, count, NOW) == []
    assert all(leg.looked_at < 10_000 + count for leg in legs.values())


def test_its_info_and_quote_tell_what_it_is() -> None:
    market = Market(1)
    info, quote = market.info(RATIO), market.quote(RATIO, NOW)
    assert info is not None
    assert (info["full_name"], info["type"], info["legs"], info["pricescale"]) == (RATIO, "spread", [A, B], 100_000)
    assert (quote["pro_name"], quote["volume"]) == (RATIO, 1e100)
    assert quote["ch"] == pytest.approx(quote["lp"] - quote["prev_close_price"])
    assert quote["lp_time"] == max(market.quote(leg, NOW)["lp_time"] for leg in (A, B))
    assert "bid" not in quote
    # The ratio of two lows is no low where a leg fell and the other rose; the lowest of what is known is.
    known = [quote["lp"], quote["open_price"], quote["high_price"], quote["low_price"]]
    assert (quote["high_price"], quote["low_price"]) == (max(known), min(known))
    assert quote["high_price"] > quote["low_price"]
    assert market.quote(RATIO, NOW, ["lp"]) == {"lp": quote["lp"]}
    assert market.update_mode(RATIO) == "streaming"
    assert market.update_mode(f"{A}/EXAMPLE:DELAYED") == "delayed_streaming_900"
    assert market.update_mode(f"EXAMPLE:DELAYED/EXAMPLE:ENDOFDAY-{A}") == "endofday"


def test_what_a_leg_does_not_have_a_spread_has_not() -> None:
    rows = [[T + 60 * at, 10, 12, 9, 11] for at in range(5)]
    market = Market(1, sources={"X:*": BarMarket.of(rows, "1"), "Y:*": BarMarket.of(rows[1:3], "1")})
    assert market.knows("X:A/Y:B")
    assert not market.knows("X:A/NASDAQ:AAPL")
    assert not Market(1, unknown=[A]).knows(f"{B}-{A}")
    assert [row.time for row in market.history("X:A/Y:B", "1", T + 600, 9)] == [T + 60, T + 120]
    assert market.history("X:A/Y:B", "1", T + 600, 0) == []
    for interval in ("30S", "10T", "5R"):
        with pytest.raises(SeriesError, match="unsupported resolution"):
            market.history("X:A/Y:B", interval, T + 600, 1)


def test_a_spread_without_a_price_says_nothing() -> None:
    rows = [[T + 60 * at, 10, 10, 10, 10] for at in range(3)]
    market = Market(1, sources={"X:*": BarMarket.of(rows, "1")})
    nothing = "X:A/(X:B-X:C)"
    assert market.history(nothing, "1", T + 600, 5) == []
    assert market.ticks(nothing, T - 1, T + 600) == []
    assert market.next_tick(nothing, T - 1) is None
    assert market.next_tick("X:A-X:B", T + 600) is None
    assert market.bar_at(nothing, "1", T) is None
    assert "lp" not in market.quote(nothing, T + 60)
    assert market.quote(nothing, T + 60)["current_session"] == "market"
    series = market.series(nothing, "1", at=T - 1, count=3)
    assert (series.rows, series.index) == ([], -1)
    with_price = market.series("X:A-X:B", "1", at=T - 1, count=3)
    (tick, *_) = market.ticks("X:A-X:B", T - 1, T)
    assert with_price.add(tick) == [BarRow(T, 0.0, 0.0, 0.0, 0.0, None, T + 60)]
    assert with_price.add(tick) == []


def test_prices_by_hand_of_a_leg_move_it() -> None:
    market = Market(1)
    market.tick("X:A", 10.0, at=T)
    market.tick("X:B", 4.0, at=T + 1)
    assert [tick.price for tick in market.ticks("X:A/X:B", T - 1, T + 5)] == [2.5]
    market.tick("X:A", 12.0, at=T + 2)
    assert market.quote("X:A/X:B", T + 3)["lp"] == 3.0


def test_it_is_told_from_other_symbols_by_its_repr() -> None:
    assert isinstance(Market(1)._find(RATIO), SpreadSymbol)
    assert repr(Market(1)._find(RATIO)) == f"<SpreadSymbol {RATIO}>"
