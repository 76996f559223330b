"""Hypothesis strategies for what travels on the wire, for events and for faults, made from the declarations of their structs.

A declaration is the schema, so a new packet or field is drawn as soon as it is declared. Values are those that survive a
round trip: text without lone surrogates, finite floats, whole numbers of 64 bits. For faults, of which a declaration tells only
what is wrong, they are such as occur: seconds up to 100, a few messages.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import msgspec.inspect as shapes

from tvstreamer.constants import NO_VALUE
from tvstreamer.errors import MissingDependencyError
from tvstreamer.events import MARKET_EVENTS, STATUS_EVENTS, Event
from tvstreamer.faults import KINDS, Fault, FaultPlan
from tvstreamer.protocol import codec
from tvstreamer.protocol.packets import COMMANDS, REPLIES, Command, Reply

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise MissingDependencyError("hypothesis", "hypothesis") from error

S = TypeVar("S", bound=msgspec.Struct)

F = TypeVar("F", bound=Fault)

_LEAST, _MOST = -(2**63), 2**64 - 1

_seconds = st.floats(0, 100) | st.integers(0, 100)
_lasting = st.floats(0.001, 100)
_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_FAULTS: dict[str, st.SearchStrategy[Any]] = {
    "at": _seconds,
    "after": st.integers(0, 8),
    "method": st.sampled_from(["", "du", "qsd", "timescale_update", "series_completed", "heartbeat", "hello"]),
    "symbol": st.sampled_from(["", "BINANCE:BTCUSDT", "NASDAQ:AAPL"]),
    "probability": st.floats(0.01, 1),
    "connection": st.none() | st.integers(1, 3),
    "times": st.none() | st.integers(1, 4),
    "duration": st.none() | _lasting,
    "code": st.sampled_from([1000, 1001, 1006, 4000]),
    "reason": _text,
    "info": _text,
    "session": _text,
    "text": _text.filter(bool),
    "name": _text.filter(bool),
    "timeout": _seconds,
    "latency": _seconds,
    "jitter": _seconds,
    "delay": _seconds,
    "wait": _lasting,
    "offset": st.floats(-100, 100).filter(bool),
    "bytes": st.integers(0, 1000),
    "rate": st.floats(0.001, 1000),
    "average_size": st.integers(1, 100),
    "size_variation": st.integers(0, 100),
    "copies": st.integers(1, 3),
    "n": st.integers(2, 4),
    "position": st.sampled_from(["first", "last"]),
    "change": st.floats(-0.9, 5).filter(bool),
    "by": st.integers(-5, 5).filter(bool),
    "status": st.sampled_from([403, 429, 503]),
    "retry_after": st.none() | _seconds,
}


def numbers() -> st.SearchStrategy[float]:
    """Finite floats, and the wire's 1e+100 for "no value"."""
    return st.floats(allow_nan=False, allow_infinity=False) | st.just(NO_VALUE)


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
    shape = shapes.type_info(kind)
    assert isinstance(shape, shapes.StructType)
    return _structs(shape, fields)


def commands() -> st.SearchStrategy[Command]:
    """Any command that a client is known to send."""
    return st.sampled_from(COMMANDS).flatmap(structs)


def replies() -> st.SearchStrategy[Reply]:
    """Any reply that we know."""
    return st.sampled_from(REPLIES).flatmap(structs)


def events() -> st.SearchStrategy[Event]:
    """Any event that a user may receive."""
    kinds: tuple[type[Event], ...] = (*MARKET_EVENTS, *STATUS_EVENTS)
    return st.sampled_from(kinds).flatmap(structs)


@st.composite
def faults(draw: st.DrawFn, /, kind: type[F], **fields: st.SearchStrategy[Any]) -> F:
    """Faults of a kind. `fields` replaces what is drawn for a parameter or trigger; one with a default may be left out."""
    values = _FAULTS | {"direction": st.sampled_from(kind.directions)} | fields
    required = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
    optional = {name: values[name] for name in kind.options() if name not in required}
    return kind(**draw(st.fixed_dictionaries({name: values[name] for name in required}, optional=optional)))


@st.composite
def fault_plans(draw: st.DrawFn, /, *kinds: type[Fault], max_size: int = 4, **fields: st.SearchStrategy[Any]) -> FaultPlan:
    """Plans of up to `max_size` faults of these kinds, or of all."""
    one = st.one_of([faults(kind, **fields) for kind in kinds or KINDS.values()])
    return FaultPlan(draw(st.lists(one, max_size=max_size)), draw(st.integers(0, 9)))


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
