"""Faults, and plans of them.

A declaration tells only which values are wrong, so those drawn are such as occur: seconds up to 100, a few messages.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from hypothesis import strategies as st

from tvstreamer.faults import KINDS, Fault, FaultPlan
from tvstreamer.testing.strategies.bounds import check_size

F = TypeVar("F", bound=Fault)

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


def faults(kind: type[F], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[F]:
    """Faults of a kind. `fields` replaces what is drawn for a parameter or trigger; one with a default may be left out."""
    values = _FAULTS | {"direction": st.sampled_from(kind.directions)} | fields
    required = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
    optional = {name: values[name] for name in kind.options() if name not in required}
    drawn = st.fixed_dictionaries({name: values[name] for name in required}, optional=optional)
    return drawn.map(lambda options: kind(**options))


@st.composite
def fault_plans(draw: st.DrawFn, /, *kinds: type[Fault], max_size: int = 4, **fields: st.SearchStrategy[Any]) -> FaultPlan:
    """Plans of up to `max_size` faults of these kinds, or of all."""
    check_size(0, max_size)
    one = _any_of(kinds or tuple(KINDS.values()), tuple(fields.items()))
    return FaultPlan(draw(st.lists(one, max_size=max_size)), draw(st.integers(0, 9)))


@lru_cache
def _any_of(
    kinds: tuple[type[Fault], ...], fields: tuple[tuple[str, st.SearchStrategy[Any]], ...]
) -> st.SearchStrategy[Fault]:
    """Made once for each plan's draws: there are many kinds, each with a dozen options."""
    return st.one_of([faults(kind, **dict(fields)) for kind in kinds])
