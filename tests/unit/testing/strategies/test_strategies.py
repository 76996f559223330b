"""The package as a whole: what it needs, what its strategies shrink to, and that they refuse late."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

from tvstreamer import Bar, FaultPlan, Interval, Quote, Subscription, Tick
from tvstreamer.testing import strategies
from tvstreamer.testing.strategies import (
    bar_series,
    bars,
    commands,
    fault_plans,
    intervals,
    markets,
    messages,
    packets,
    payloads,
    quotes,
    replies,
    subscriptions,
    symbols,
    tapes,
    ticks,
)

SRC = Path(__file__).resolve().parents[4] / "src"
NEW_YEAR = 1_577_836_800.0
FLAT = Bar("BINANCE:BTCUSDT", "1", NEW_YEAR, 0.01, 0.01, 0.01, 0.01)


@pytest.mark.parametrize(
    ("strategy", "plainest"),
    [
        (symbols(), "BINANCE:BTCUSDT"),
        (intervals(), Interval(1, "m")),
        (subscriptions(), Subscription("BINANCE:BTCUSDT")),
        (ticks(), Tick("BINANCE:BTCUSDT", NEW_YEAR, 0.01, None)),
        (bars(), FLAT),
        (bar_series(max_size=5), []),
        (quotes(), Quote("BINANCE:BTCUSDT", NEW_YEAR, "ok", {}, {})),
        (payloads(), "~h~1"),
        (packets(), "~m~4~m~~h~1"),
        (messages(), "~m~4~m~~h~1"),
        (fault_plans(), FaultPlan([])),
        (markets().map(repr), "Market(seed=0, by_hand=[])"),
    ],
    ids=repr,
)
def test_what_each_shrinks_to(strategy: st.SearchStrategy[Any], plainest: object) -> None:
    assert find(strategy, lambda value: True, settings=settings(database=None)) == plainest


def test_what_fails_shrinks_to_the_least_that_fails() -> None:
    tall = find(bars(), lambda bar: bar.high > bar.low and bar.closed, settings=settings(database=None))
    assert (tall.time, tall.high, tall.low, tall.closed_by) == (FLAT.time, 0.02, 0.01, "successor")


@pytest.mark.parametrize(
    ("name", "bounds", "told"),
    [
        ("symbols", {"exchanges": []}, "exchanges=[]: expected a collection that is not empty"),
        ("symbols", {"exchanges": "NASDAQ"}, "exchanges='NASDAQ': expected a collection"),
        ("intervals", {"min_count": 5, "max_count": 1}, "min_count=5, max_count=1: expected numbers from 1"),
        ("intervals", {"units": ["H"]}, "units=['H']: expected some of m, "),
        ("ticks", {"min_price": 2, "max_price": 1}, "min_price=2, max_price=1: expected finite numbers"),
        ("ticks", {"max_time": float("inf")}, "max_time=inf: expected finite numbers"),
        ("ticks", {"price_step": 0}, "price_step=0: expected a number above 0"),
        ("bars", {"intervals": st.just("1"), "min_time": 61, "max_time": 62}, "min_time=61, max_time=62: expected a multiple of 60"),
        ("bar_series", {"min_size": 3, "max_size": 2}, "min_size=3, max_size=2: expected numbers from 0"),
        ("bar_series", {"min_size": -1}, "min_size=-1, max_size=None: expected numbers from 0"),
        ("quotes", {"statuses": ()}, "statuses=(): expected a collection that is not empty"),
        ("messages", {"min_size": 2, "max_size": 1}, "min_size=2, max_size=1: expected numbers from 0"),
        ("tapes", {"max_size": -1}, "min_size=0, max_size=-1: expected numbers from 0"),
        ("fault_plans", {"max_size": -1}, "min_size=0, max_size=-1: expected numbers from 0"),
        ("studies", {"names": ["Moon"]}, "names=['Moon']: expected some of "),
        ("markets", {"min_seed": 1, "max_seed": 0}, "min_seed=1, max_seed=0: expected finite numbers"),
    ],
    ids=str,
)
def test_bounds_that_cannot_be_are_refused_when_a_value_is_drawn(name: str, bounds: dict[str, Any], told: str) -> None:
    strategy = getattr(strategies, name)(**bounds)
    with pytest.raises(InvalidArgument) as refused:
        find(strategy, lambda value: True, settings=settings(database=None, phases=[Phase.generate]))
    assert told in str(refused.value)


@given(st.data())
def test_they_say_what_they_are(data: st.DataObject) -> None:
    for strategy in (bars(closed=True), commands(), replies(), tapes(max_size=1), payloads(known=True)):
        assert repr(strategy).partition("(")[0] in strategies.__all__
        data.draw(strategy)


@pytest.mark.parametrize("module", ["tvstreamer.testing.strategies", "tvstreamer.testing.machine"])
def test_without_hypothesis_the_extra_is_named(module: str) -> None:
    script = f"import sys; sys.modules['hypothesis'] = None; import {module}"
    run = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(SRC)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 1
    assert "pip install 'tvstreamer[hypothesis]'" in run.stderr
