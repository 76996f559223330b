"""Strategies made from declarations: they draw all that a declaration allows, and nothing else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.events import MARKET_EVENTS, STATUS_EVENTS, Bar, Event, event_from_json
from tvstreamer.protocol.packets import COMMANDS, REPLIES, Whole
from tvstreamer.testing.strategies import commands, events, json_values, replies, structs


class Shape(msgspec.Struct, frozen=True):
    """One field of each kind that packets and events have."""

    text: str
    whole: Whole
    word: Literal["one", "two"]
    many: dict[str, list[float | None]]
    raw: msgspec.Raw
    flag: bool = False
    anything: Any = None


@given(structs(Shape))
def test_what_is_drawn_fits_its_declaration(shape: Shape) -> None:
    assert msgspec.json.decode(msgspec.json.encode(shape), type=Shape) == shape


@given(structs(Bar, symbol=st.just("TEST:ONE"), revision=st.integers(0, 3)))
def test_a_field_can_be_given_another_strategy(bar: Bar) -> None:
    assert bar.symbol == "TEST:ONE"
    assert 0 <= bar.revision <= 3


@given(events())
def test_every_event_is_read_back_from_its_json(event: Event) -> None:
    assert event_from_json(event.to_json()) == event


@given(json_values())
def test_json_values_are_what_json_can_say(value: object) -> None:
    assert msgspec.json.decode(msgspec.json.encode(value)) == value


@pytest.mark.parametrize(
    ("strategy", "kinds"),
    [(commands(), COMMANDS), (replies(), REPLIES), (events(), (*MARKET_EVENTS, *STATUS_EVENTS))],
    ids=["commands", "replies", "events"],
)
@given(data=st.data())
def test_nothing_else_is_drawn(strategy: st.SearchStrategy[object], kinds: tuple[type, ...], data: st.DataObject) -> None:
    assert type(data.draw(strategy)) in kinds


def test_a_type_that_no_packet_has_is_refused_by_name() -> None:
    class Odd(msgspec.Struct):
        price: Decimal

    with pytest.raises(NotImplementedError, match="DecimalType"):
        structs(Odd)
