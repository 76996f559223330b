"""What the `hypothesis` entry point calls: `from_type(Bar)` and the like then give values that fit together.

It runs whenever hypothesis is imported, in any project that has tvstreamer installed. So the types alone are imported here;
strategies are, when the first of them is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tvstreamer.events import MARKET_EVENTS, STATUS_EVENTS, Bar, Event, Quote, Tick
from tvstreamer.faults import KINDS, Fault, FaultPlan
from tvstreamer.intervals import Interval
from tvstreamer.protocol.limits import Limits
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.protocol.watchdogs import Watchdogs
from tvstreamer.reconnect import ReconnectPolicy
from tvstreamer.studies import Study
from tvstreamer.symbols import Symbol


def register() -> None:
    """Tells hypothesis what our types are made of. Safe to repeat."""
    for kind in (*MARKET_EVENTS, *STATUS_EVENTS):
        st.register_type_strategy(kind, _by_declaration)
    for named, name in _BY_NAME.items():
        st.register_type_strategy(named, _named(name))
    kinds_of_faults: tuple[type[Fault], ...] = (Fault, *KINDS.values())
    for fault in kinds_of_faults:
        st.register_type_strategy(fault, _of_faults)
    for setting in (Limits, ReconnectPolicy, Symbol, Watchdogs):
        st.register_type_strategy(setting, _of_settings)


_BY_NAME: dict[type, str] = {
    Bar: "bars",
    Event: "events",
    FaultPlan: "fault_plans",
    Interval: "intervals",
    Quote: "quotes",
    Study: "studies",
    Subscription: "subscriptions",
    Tick: "ticks",
}


def _by_declaration(kind: Any) -> st.SearchStrategy[Any]:
    from tvstreamer.testing.strategies import structs

    return structs(kind)


def _of_faults(kind: Any) -> st.SearchStrategy[Any]:
    from tvstreamer.testing.strategies import faults

    return st.one_of([faults(each) for each in KINDS.values()]) if kind is Fault else faults(kind)


def _of_settings(kind: Any) -> st.SearchStrategy[Any]:
    from tvstreamer.testing.strategies.settings import SETTINGS

    return SETTINGS[kind]


def _named(name: str) -> Callable[[Any], st.SearchStrategy[Any]]:
    def strategy(_kind: Any) -> st.SearchStrategy[Any]:
        from tvstreamer.testing import strategies

        return getattr(strategies, name)()  # type: ignore[no-any-return]

    return strategy
