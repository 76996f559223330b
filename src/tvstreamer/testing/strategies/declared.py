"""What is drawn from the declaration of a struct: packets of either side, and any event.

A declaration is the schema, so a new packet or field is drawn as soon as it is declared. Values are those that survive a
round trip: text without lone surrogates, finite floats, whole numbers of 64 bits.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any, TypeVar

import msgspec
import msgspec.inspect as shapes
from hypothesis import strategies as st

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import MARKET_EVENTS, STATUS_EVENTS, Event
from tvstreamer.protocol import codec
from tvstreamer.protocol.packets import COMMANDS, REPLIES, Command, Reply

S = TypeVar("S", bound=msgspec.Struct)

_LEAST, _MOST = -(2**63), 2**64 - 1


def numbers() -> st.SearchStrategy[float]:
    """Finite floats, and the wire's 1e+100 for "no value"."""
    return st.floats(allow_nan=False, allow_infinity=False) | st.just(NO_VALUE)


@lru_cache
def json_values(*, max_leaves: int = 6) -> st.SearchStrategy[Any]:
    """Any JSON value."""
    plain = st.none() | st.booleans() | st.integers(_LEAST, _MOST) | numbers() | st.text(max_size=8)
    return st.recursive(
        plain,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
        max_leaves=max_leaves,
    )


def structs(kind: type[S], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[S]:
    """Instances of a struct. `fields` replaces what its declaration would give; one with a default may be left out."""
    return _structs(_shape(kind), fields) if fields else _plain(kind)


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Any command that a client is known to send."""
    command: Command = draw(_any_of(COMMANDS))
    return command


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """Any reply that we know."""
    reply: Reply = draw(_any_of(REPLIES))
    return reply


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Any event that its declaration allows, whether or not a market could bring it."""
    event: Event = draw(_any_of((*MARKET_EVENTS, *STATUS_EVENTS)))
    return event


# Looking into declarations takes longer than drawing, so it is done once for each.


@lru_cache
def _any_of(kinds: tuple[type[S], ...]) -> st.SearchStrategy[S]:
    return st.one_of([structs(kind) for kind in kinds])


@cache
def _plain(kind: type[S]) -> st.SearchStrategy[S]:
    return _structs(_shape(kind), {})


def _shape(kind: type[msgspec.Struct]) -> shapes.StructType:
    shape = shapes.type_info(kind)
    assert isinstance(shape, shapes.StructType)
    return shape


def _structs(shape: shapes.StructType, given: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    fields = given | {field.name: _values(field.type) for field in shape.fields if field.name not in given}
    optional = {field.name: fields.pop(field.name) for field in shape.fields if not field.required}
    return st.fixed_dictionaries(fields, optional=optional).map(lambda values: shape.cls(**values))


def _values(shape: shapes.Type) -> st.SearchStrategy[Any]:
    match shape:
        case shapes.AnyType():
            return json_values()
        case shapes.NoneType():
            return st.none()
        case shapes.BoolType():
            return st.booleans()
        case shapes.IntType(ge=least, le=most):
            return st.integers(_LEAST if least is None else least, _MOST if most is None else most)
        case shapes.FloatType():
            return numbers()
        case shapes.StrType():
            return st.text(max_size=8)
        case shapes.LiteralType(values=values):
            return st.sampled_from(values)
        case shapes.RawType():
            return json_values().map(lambda value: msgspec.Raw(codec.wire_json(value).encode()))
        case shapes.ListType(item_type=item):
            return st.lists(_values(item), max_size=4)
        case shapes.DictType(key_type=key, value_type=value):
            return st.dictionaries(_values(key), _values(value), max_size=3)
        case shapes.UnionType(types=types):
            return st.one_of(*map(_values, types))
        case shapes.StructType():
            return _structs(shape, {})
        case _:
            raise NotImplementedError(f"no strategy for {shape!r}: declare one in {__name__}")
