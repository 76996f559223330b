"""What the `hypothesis` entry point calls: `from_type(Bar)` and the like then give values that fit together.

It runs whenever hypothesis is imported, in any project that has tvstreamer installed. So the types alone are imported here;
strategies are, when the first of them is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from tvstreamer.events import MARKET_EVENTS, STATUS_EVENTS, Bar, Event, Quote, Tick
from tvstreamer.intervals import Interval
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.studies import Study


def register() -> None:
    """Tells hypothesis what our types are made of. Safe to repeat."""
    for kind in (*MARKET_EVENTS, *STATUS_EVENTS):
        st.register_type_strategy(kind, _by_declaration)
    for named, name in _BY_NAME.items():
        st.register_type_strategy(named, _named(name))


_BY_NAME: dict[type, str] = {
    Bar: "bars",
    Event: "events",
    Interval: "intervals",
    Quote: "quotes",
    Study: "studies",
    Subscription: "subscriptions",
    Tick: "ticks",
}


def _by_declaration(kind: Any) -> st.SearchStrategy[Any]:
    from tvstreamer.testing.strategies import structs

    return structs(kind)


def _named(name: str) -> Callable[[Any], st.SearchStrategy[Any]]:
    def strategy(_kind: Any) -> st.SearchStrategy[Any]:
        from tvstreamer.testing import strategies

        return getattr(strategies, name)()  # type: ignore[no-any-return]

    return strategy
