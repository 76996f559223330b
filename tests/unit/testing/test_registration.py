"""What the entry point registers: types that are asked for give values that fit together."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tvstreamer import Bar, Event, Gap, Interval, Quote, Study, Subscription, SymbolInfo, Tick
from tvstreamer.testing.registration import register

register()


@given(bar=..., tick=..., interval=...)
def test_the_values_are_those_of_the_strategies(bar: Bar, tick: Tick, interval: Interval) -> None:
    assert bar.low <= bar.high
    assert ":" in tick.symbol
    assert Interval.parse(str(interval)) == interval


@pytest.mark.parametrize("kind", [Event, Gap, Quote, Study, Subscription, SymbolInfo])
@given(data=st.data())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_kind_is_known(kind: type, data: st.DataObject) -> None:
    assert isinstance(data.draw(st.from_type(kind)), kind)
