"""What a client is told beside its subscriptions, for `st.from_type`: any value that it takes."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import strategies as st

from tvstreamer.protocol.limits import Limits
from tvstreamer.protocol.watchdogs import Watchdogs
from tvstreamer.reconnect import ReconnectPolicy
from tvstreamer.symbols import ADJUSTMENTS, CHARTS, Symbol
from tvstreamer.testing.strategies.trading import symbols

_counts = st.none() | st.integers(1, 100_000)
_patience = st.none() | st.floats(1, 600)

SETTINGS: Final[dict[type, st.SearchStrategy[Any]]] = {
    Limits: st.builds(Limits, history=_counts, series=_counts, quotes=_counts),
    ReconnectPolicy: st.builds(
        ReconnectPolicy,
        initial=st.floats(0, 10),
        factor=st.floats(1, 10),
        maximum=st.floats(0, 300),
        jitter=st.floats(0, 1),
        stable=st.floats(0, 60),
        attempts=st.none() | st.integers(1, 100),
        total=_patience,
    ),
    Symbol: st.builds(
        Symbol,
        symbols(),
        session=st.none() | st.sampled_from(["regular", "extended"]),
        adjustment=st.none() | st.sampled_from(ADJUSTMENTS),
        currency=st.none() | st.sampled_from(["EUR", "USD"]),
        backadjustment=st.booleans(),
        settlement_as_close=st.booleans(),
        chart=st.none() | st.sampled_from(sorted(CHARTS)),
    ),
    Watchdogs: st.builds(Watchdogs, bytes=_patience, heartbeats=_patience, progress=_patience),
}
