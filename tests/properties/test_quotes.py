"""Quote deltas add up: told one by one or in one go they end in the same state, and only what is told changes."""

from __future__ import annotations

import random
from functools import reduce
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import Event, Quote, Tick
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.packets import QuoteAddSymbols, QuoteCreateSession, QuoteData, QuoteUpdate
from tvstreamer.testing.strategies import json_values

Delta = dict[str, Any]

# Its purpose makes it a session for ticks and quotes.
SESSION = "qs_full_x"
SYMBOL = "TEST:ONE"

fields = st.sampled_from(["lp", "volume", "lp_time", "bid", "ch", "description"])
# Few of them, so that often one comes again.
prices = st.sampled_from([1, 1.0, 2.5, 0, -37.63])
deltas = st.dictionaries(fields, st.none() | st.just(NO_VALUE) | prices | json_values())


class Follower:
    """A client that follows one symbol."""

    def __init__(self) -> None:
        self._client = ClientProtocol(rng=random.Random(1))
        self._client.adopt_connection(0.0)
        self._client.adopt(codec.encode(QuoteCreateSession(QuoteCreateSession.Params(SESSION))))
        self._client.adopt(codec.encode(QuoteAddSymbols([SESSION, SYMBOL])))
        self._client.events()

    def told(self, delta: Delta) -> list[Event]:
        update = QuoteData(QuoteData.Params(SESSION, QuoteUpdate(SYMBOL, v=delta)))
        self._client.receive(framing.packet(codec.encode(update)), 7.0)
        return self._client.events()


def quote(events: list[Event]) -> Quote:
    (found,) = (event for event in events if isinstance(event, Quote))
    return found


def ticks(events: list[Event]) -> list[Tick]:
    return [event for event in events if isinstance(event, Tick)]


def plain(delta: Delta) -> Delta:
    """What a delta says, with None where it says that there is no value."""
    return {name: None if value == NO_VALUE else value for name, value in delta.items()}


@given(st.lists(deltas, min_size=1), deltas)
@example([{"lp": 1.0, "volume": 5.0}, {"lp": None}], {"volume": 6.0})
@example([{"lp": 1.0}, {"lp": NO_VALUE}, {"lp": 1.0}], {"lp": 1.0})
def test_deltas_one_by_one_end_in_the_state_of_their_merge(parts: list[Delta], further: Delta) -> None:
    one_by_one, in_one_go = Follower(), Follower()
    last = [quote(one_by_one.told(delta)) for delta in parts][-1]
    merged: Delta = reduce(lambda state, delta: {**state, **delta}, parts)
    assert last.fields == quote(in_one_go.told(merged)).fields == plain(merged)
    # Neither is there a hidden difference that shows later.
    assert one_by_one.told(further) == in_one_go.told(further)


@given(st.lists(deltas, min_size=1))
@example([{"lp": 1.0, "bid": 2.0}, {"bid": None}, {}])
def test_a_missing_field_never_erases_and_null_does(parts: list[Delta]) -> None:
    follower = Follower()
    before: Delta = {}
    for delta in parts:
        told = quote(follower.told(delta))
        assert told.changes == plain(delta)
        for name in before.keys() | delta.keys():
            assert told.fields[name] == (plain(delta)[name] if name in delta else before[name])
        assert told.fields.keys() == before.keys() | delta.keys()
        before = told.fields


@given(st.lists(st.fixed_dictionaries({}, optional={"lp": st.none() | prices, "volume": st.none() | prices, "bid": prices})))
@example([{"lp": 1.0}, {"bid": 2.0}, {"volume": 2.5}, {"lp": None}, {"volume": 1.0}, {"lp": 1.0}])
def test_a_tick_tells_the_last_known_price_and_volume_whichever_of_them_changed(parts: list[Delta]) -> None:
    follower = Follower()
    price = volume = None
    for delta in parts:
        known = (price, volume)
        price, volume = delta.get("lp", price), delta.get("volume", volume)
        expected = [Tick(SYMBOL, 7.0, price, volume)] if price is not None and (price, volume) != known else []
        assert ticks(follower.told(delta)) == expected
