"""Extended hours and unadjusted prices, laid over the regular process."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tvstreamer.server.market import Market
from tvstreamer.server.market.variants import REGULAR, Variant, is_variant, split_variant, variant_of

AAPL = "NASDAQ:AAPL"
EXTENDED = variant_of(AAPL, Variant("extended"))
RAW = variant_of(AAPL, Variant(adjustment="none"))


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def test_the_name_of_a_variant_is_no_symbol() -> None:
    assert variant_of(AAPL, REGULAR) == AAPL
    assert split_variant(EXTENDED) == (AAPL, Variant("extended"))
    assert split_variant(AAPL) == (AAPL, REGULAR)
    assert split_variant("odd}") == ("odd}", REGULAR)
    assert (is_variant(RAW), is_variant(AAPL)) == (True, False)
    assert not Market().knows(EXTENDED)
    assert Market().info(EXTENDED) is not None


def test_extended_hours_add_bars_before_and_after_those_of_the_session() -> None:
    market, evening = Market(), utc(2025, 7, 16, 23)
    regular = market.history(AAPL, "30", evening, 13)
    extended = market.history(EXTENDED, "30", evening, 30)
    assert len(regular) == 13
    assert {row.time for row in regular} < {row.time for row in extended}
    within = [row for row in extended if regular[0].time <= row.time < regular[-1].end]
    assert within == regular
    (day,) = market.history(EXTENDED, "1D", evening, 1)
    assert day.time == utc(2025, 7, 16, 8)
    # Trading goes on until midnight by UTC, an hour from now.
    assert day.end == utc(2025, 7, 17)


def test_the_info_says_which_hours_are_shown() -> None:
    regular, extended = Market().info(AAPL), Market().info(EXTENDED)
    assert regular is not None and extended is not None
    assert (regular["subsession_id"], regular["session"]) == ("regular", "0930-1600")
    assert (extended["subsession_id"], extended["session"]) == ("extended", "0400-2000")
    assert [each["id"] for each in regular["subsessions"]] == ["regular", "extended"]
    assert regular["has_extended_hours"] is True


def test_where_there_are_no_extended_hours_they_are_the_regular_ones() -> None:
    market, now = Market(), utc(2025, 7, 16, 12)
    for symbol in ("XETR:SAP", "BINANCE:BTCUSDT"):
        other = variant_of(symbol, Variant("extended", "none"))
        assert market.history(other, "60", now, 20) == market.history(symbol, "60", now, 20)
        assert market.info(other) == market.info(symbol)


@pytest.mark.parametrize(
    ("moment", "session"),
    [
        (utc(2025, 7, 16, 9), "pre_market"),
        (utc(2025, 7, 16, 15), "market"),
        (utc(2025, 7, 16, 21), "post_market"),
        (utc(2025, 7, 16, 5), "out_of_session"),
        (utc(2025, 7, 4, 15), "holiday"),
        (utc(2025, 7, 5, 15), "out_of_session"),
    ],
)
def test_a_quote_names_the_part_of_the_day(moment: float, session: str) -> None:
    for name in (AAPL, EXTENDED):
        assert Market().quote(name, moment, ["current_session"]) == {"current_session": session}


def test_before_a_split_a_price_was_a_multiple_and_afterwards_the_same() -> None:
    market = Market()
    for moment, times in ((utc(2020, 8, 28, 22), 4), (utc(2020, 8, 31, 22), 1), (utc(2014, 6, 6, 22), 28)):
        (adjusted,), (raw,) = market.history(AAPL, "1D", moment, 1), market.history(RAW, "1D", moment, 1)
        assert raw.time == adjusted.time
        assert (raw.open, raw.close) == pytest.approx((adjusted.open * times, adjusted.close * times))
        assert (raw.volume or 0) == pytest.approx((adjusted.volume or 0) / times)
    info = market.info(AAPL)
    assert info is not None and (info["has_adjustment"], info["allowed_adjustment"]) == (True, "splits")


def test_before_a_reverse_split_a_price_was_a_part_of_it_and_its_info_has_the_digits() -> None:
    market, symbol = Market(), "EXAMPLE:REVERSE"
    raw_name = variant_of(symbol, Variant(adjustment="none"))
    for moment, times in ((utc(2025, 6, 13, 22), 10), (utc(2025, 6, 16, 22), 1)):
        (adjusted,), (raw,) = market.history(symbol, "1D", moment, 1), market.history(raw_name, "1D", moment, 1)
        assert [raw.open, raw.high, raw.low, raw.close] == pytest.approx(
            [price / times for price in (adjusted.open, adjusted.high, adjusted.low, adjusted.close)], abs=1e-9
        )
        assert raw.volume == pytest.approx((adjusted.volume or 0) * times)
    info, raw_info = market.info(symbol), market.info(raw_name)
    assert info is not None and raw_info is not None
    assert raw_info["pricescale"] == 10 * info["pricescale"]
    assert market.quote(raw_name, utc(2025, 6, 13, 22), ["lp"])["lp"] == raw_close(market, raw_name)


def raw_close(market: Market, name: str) -> float:
    return market.history(name, "1D", utc(2025, 6, 13, 22), 1)[0].close


def test_range_bars_before_a_reverse_split_are_as_long_as_behind_it() -> None:
    market = Market()
    name = variant_of("EXAMPLE:REVERSE", Variant(adjustment="none"))
    # A step stays a cent, however many digits the prices have.
    for row in market.history(name, "50R", utc(2025, 6, 16, 19), 5):
        assert round((row.high - row.low) * 100) <= 50


@pytest.mark.parametrize(("symbol", "low", "high"), [("EXAMPLE:SPLIT", 2.5, 3.5), ("EXAMPLE:REVERSE", 0.08, 0.12)])
def test_unadjusted_ticks_add_up_to_unadjusted_bars_within_extended_hours_too(symbol: str, low: float, high: float) -> None:
    market = Market()
    name = variant_of(symbol, Variant("extended", "none"))
    until = utc(2025, 6, 17)
    rows = market.history(name, "1D", until, 2)
    for row in rows:
        ticks = market.ticks(name, row.time - 0.001, row.end - 0.001)
        assert (ticks[0].price, ticks[-1].price) == (row.open, row.close)
        assert (max(tick.price for tick in ticks), min(tick.price for tick in ticks)) == (row.high, row.low)
        assert ticks[-1].day_volume == row.volume
    # The last of these days is that of the split.
    assert low < rows[0].close / rows[1].open < high
