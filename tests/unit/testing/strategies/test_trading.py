"""Strategies for what a market is made of: values that fit together, within the bounds that were asked for."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.events import Bar, Quote, Tick, event_from_json
from tvstreamer.intervals import Interval
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.server.market import Market
from tvstreamer.symbols import parse_symbol
from tvstreamer.testing.strategies import bar_series, bars, intervals, markets, quotes, subscriptions, symbols, ticks


@given(symbols())
def test_symbols_are_canonical(symbol: str) -> None:
    assert parse_symbol(symbol) == symbol


@given(symbols(exchanges=["NSE", "TSE"]))
def test_symbols_are_of_the_exchanges_asked_for(symbol: str) -> None:
    assert symbol.partition(":")[0] in ("NSE", "TSE")
    assert parse_symbol(symbol) == symbol


@given(intervals(units=["S", "D"], min_count=2, max_count=30))
def test_intervals_are_within_their_bounds(interval: Interval) -> None:
    assert interval.unit in ("S", "D")
    assert 2 <= interval.count <= 30


@given(subscriptions() | subscriptions(symbols=st.just("A:B"), intervals=st.just("5")))
def test_subscriptions_are_such_as_a_client_takes(subscription: Subscription) -> None:
    assert Subscription.of(subscription) is subscription
    assert subscription.symbol != "A:B" or subscription.wants_bars


@given(ticks(symbols=st.just("A:B"), min_price=-1.5, max_price=2, price_step=0.25, min_time=10, max_time=20))
def test_ticks_are_within_their_bounds_and_on_their_grid(tick: Tick) -> None:
    assert tick.symbol == "A:B"
    assert -1.5 <= tick.price <= 2
    assert tick.price * 4 == int(tick.price * 4)
    assert tick.time in range(10, 21)


@given(bars() | bars(intervals=intervals(), min_time=0, max_time=10**10))
def test_bars_hold_together(bar: Bar) -> None:
    assert bar.low <= min(bar.open, bar.close) <= max(bar.open, bar.close) <= bar.high
    assert bar.closed == (bar.closed_by is not None)
    assert bar.closed or not bar.revision
    assert bar.time % (Interval.parse(bar.interval).seconds or 1) == 0
    assert event_from_json(bar.to_json()) == bar


@given(bars(closed=True), bars(closed=False))
def test_bars_are_closed_or_forming_as_asked_for(closed: Bar, forming: Bar) -> None:
    assert closed.closed
    assert not forming.closed


@given(st.data(), st.integers(0, 4), st.integers(0, 4), st.booleans(), st.booleans())
def test_a_series_is_one(data: st.DataObject, least: int, more: int, gaps: bool, forming: bool) -> None:
    """Even where there is hardly room for it."""
    end = 60.0 * (least + more + 3)
    series = data.draw(
        bar_series(interval="1", min_size=least, max_size=least + more, min_time=60, max_time=end, gaps=gaps, forming=forming)
    )
    assert least <= len(series) <= least + more
    assert all(60 <= bar.time <= end and bar.time % 60 == 0 for bar in series)
    assert all(later.time - bar.time >= 60 for bar, later in pairwise(series))
    assert gaps or all(later.time - bar.time == 60 for bar, later in pairwise(series))
    assert all(bar.closed for bar in series[:-1])
    assert forming or all(bar.closed for bar in series)
    assert len({(bar.symbol, bar.interval, bar.volume is None) for bar in series}) <= 1


@given(quotes(statuses=["ok", "error"]))
def test_a_quote_knows_what_it_changed(quote: Quote) -> None:
    assert quote.changes.items() <= quote.fields.items()
    assert quote.status == "ok" or not quote.fields
    assert event_from_json(quote.to_json()) == quote


@given(markets(max_seed=3, by_hand=["TEST:ONE"], max_bars=3))
def test_a_market_has_a_seed_and_bars_by_hand(market: Market) -> None:
    assert 0 <= market.seed <= 3
    assert market.is_by_hand("TEST:ONE")
    assert len(market.history("TEST:ONE", "1", 2e9, 10)) <= 3
