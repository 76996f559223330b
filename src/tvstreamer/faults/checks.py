"""What a fault's parameters may be: types that carry a rule, and the words in which an error tells it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Final, NamedTuple

from tvstreamer.errors import InvalidSymbol
from tvstreamer.symbols import parse_symbol

_LONGEST_REASON: Final = 123
"""Bytes that a WebSocket close frame has room for."""


class Check(NamedTuple):
    """`expected` is what an error says; `seconds` marks a length of time, which a file may spell `500ms`."""

    expected: str
    holds: Callable[[Any], bool]
    seconds: bool = False


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and not any("\ud800" <= character <= "\udfff" for character in value)


def _is_close_code(code: Any) -> bool:
    return _is_whole(code) and (1000 <= code <= 1003 or 1006 <= code <= 1014 or 3000 <= code <= 4999)


def _is_symbol(value: object) -> bool:
    try:
        parse_symbol(value)
    except InvalidSymbol:
        return False
    return True


def at_least(least: int) -> Check:
    return Check(f"a whole number from {least}", lambda value: _is_whole(value) and value >= least)


def one_of(*values: object) -> Check:
    return Check(" or ".join(map(repr, values)), lambda value: not isinstance(value, bool) and value in values)


def optional(check: Check) -> Check:
    return check._replace(expected=f"{check.expected}, or None", holds=lambda value: value is None or check.holds(value))


SECONDS: Final = Check("seconds, 0 or more", lambda value: _is_number(value) and value >= 0, seconds=True)
LASTING: Final = Check("seconds, more than 0", lambda value: _is_number(value) and value > 0, seconds=True)

Seconds = Annotated[float, SECONDS]
SecondsOrNone = Annotated[float | None, optional(SECONDS)]
Lasting = Annotated[float, LASTING]
Duration = Annotated[float | None, optional(LASTING)]
Shift = Annotated[float, Check("seconds other than 0", lambda value: _is_number(value) and value != 0, seconds=True)]
Rate = Annotated[float, Check("a number above 0", lambda value: _is_number(value) and value > 0)]
Fraction = Annotated[
    float, Check("a number other than 0, above -1", lambda value: _is_number(value) and value > -1 and value != 0)
]
Probability = Annotated[float, Check("a number above 0, up to 1", lambda value: _is_number(value) and 0 < value <= 1)]
Count = Annotated[int, at_least(0)]
OneOrMore = Annotated[int, at_least(1)]
Copies = Annotated[int, Check("a whole number from 1 to 1000", lambda value: _is_whole(value) and 1 <= value <= 1000)]
TwoOrMore = Annotated[int, at_least(2)]
OneOrMoreOrNone = Annotated[int | None, optional(at_least(1))]
Offset = Annotated[int, Check("a whole number other than 0", lambda value: _is_whole(value) and value != 0)]
Text = Annotated[str, Check("text without lone surrogates", _is_text)]
Words = Annotated[str, Check("text, not empty", lambda value: _is_text(value) and value != "")]
Reason = Annotated[
    str,
    Check(f"text of at most {_LONGEST_REASON} bytes", lambda value: _is_text(value) and len(value.encode()) <= _LONGEST_REASON),
]
CloseCode = Annotated[int, Check("1000 to 1003, 1006 to 1014 or 3000 to 4999; 1006 is no goodbye", _is_close_code)]
Symbol = Annotated[str, Check("EXCHANGE:TICKER", lambda value: value == "" or _is_symbol(value))]
