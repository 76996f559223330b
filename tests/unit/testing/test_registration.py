"""What the entry point registers: types that are asked for give values that fit together."""

from __future__ import annotations

import inspect

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import tvstreamer
from tvstreamer import Bar, Interval, Tick
from tvstreamer.faults import KINDS, Fault, parse_plan
from tvstreamer.testing.registration import register

register()

# They have a life, or a secret, or are an answer: nobody makes them up for a test.
NO_VALUES = {
    "BarReplay", "Clock", "Credentials", "FakeServer", "HistoryProgress", "HistoryResult", "HttpClient", "Proxy", "QuoteSnapshot",
    "ScaledClock", "SearchPage", "StreamRouter", "SymbolMatch", "SystemClock", "TvWSClient", "VirtualClock",
}  # fmt: skip
PUBLIC = {name: getattr(tvstreamer, name) for name in tvstreamer.__all__ if inspect.isclass(getattr(tvstreamer, name))}
VALUES = [kind for name, kind in PUBLIC.items() if name not in NO_VALUES and not issubclass(kind, BaseException)]


@given(bar=..., tick=..., interval=...)
def test_the_values_are_those_of_the_strategies(bar: Bar, tick: Tick, interval: Interval) -> None:
    assert bar.low <= bar.high
    assert ":" in tick.symbol
    assert Interval.parse(str(interval)) == interval


@pytest.mark.parametrize("kind", [*VALUES, Fault, *KINDS.values()])
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_kind_is_known(kind: type, data: st.DataObject) -> None:
    assert isinstance(data.draw(st.from_type(kind)), kind)


@given(plan=...)
def test_a_plan_may_have_any_faults_and_comes_back_from_its_file(plan: tvstreamer.FaultPlan) -> None:
    assert parse_plan(plan.to_toml()) == plan


@given(symbol=...)
def test_a_symbol_with_options_is_one_that_can_be_written(symbol: tvstreamer.Symbol) -> None:
    assert tvstreamer.Symbol(str(symbol)) == symbol
