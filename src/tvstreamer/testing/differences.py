"""How two lists of events differ, told so that one sees it at once: the first difference by field, and what came before it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

from tvstreamer.errors import shorten
from tvstreamer.events import Event

_BEFORE = 3
"""Events that are shown before the first difference."""
_WIDTH = 160


def first_difference(expected: Sequence[Event], got: Sequence[Event]) -> list[str]:
    """Lines of text that tell where `got` first differs from `expected`; none where it does not."""
    number = next((number for number, (one, other) in enumerate(zip(expected, got, strict=False)) if one != other), None)
    if number is None:
        number = min(len(expected), len(got))
        if len(expected) == len(got):
            return []
    lines = [f"event {number} differs, of {len(got)}; expected are {len(expected)}"]
    lines += [f"    {place}  {_brief(expected[place])}" for place in range(max(0, number - _BEFORE), number)]
    one = expected[number] if number < len(expected) else None
    other = got[number] if number < len(got) else None
    lines.append(f"  - {number}  {_brief(one)}")
    lines.append(f"  + {number}  {_brief(other)}")
    return lines + [f"      {line}" for line in _details(one, other) + _shift(expected, got, number)]


def explain_difference(left: Sequence[object], right: Sequence[object]) -> list[str] | None:
    """What pytest shows for `left == right`, the right side being what is expected; None where these are no lists of events."""
    got = [each for each in left if isinstance(each, Event)]
    expected = [each for each in right if isinstance(each, Event)]
    if len(got) < len(left) or len(expected) < len(right):
        return None
    return [f"{_counts(got)} == {_counts(expected)}", *first_difference(expected, got)]


def _counts(events: Sequence[Event]) -> str:
    counts = Counter(type(event).__name__ for event in events)
    return f"<{len(events)} events: {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}>"


def _details(one: Event | None, other: Event | None) -> list[str]:
    """The fields in which two events of one kind differ."""
    if one is None or other is None or type(one) is not type(other):
        return []
    values = ((name, getattr(one, name), getattr(other, name)) for name in one.__struct_fields__)
    return [f"{name}: expected {_json(was)}, got {_json(now)}" for name, was, now in values if was != now]


def _shift(expected: Sequence[Event], got: Sequence[Event], number: int) -> list[str]:
    """Whether only one event too many or too few is what is wrong here."""
    if expected[number + 1 : number + 2] == got[number : number + 1] != []:
        return ["an event is missing here: the next one that was expected has come"]
    if expected[number : number + 1] == got[number + 1 : number + 2] != []:
        return ["an event too many is here: what was expected comes after it"]
    return []


def _brief(event: Event | None) -> str:
    if event is None:
        return "nothing: the events end here"
    line = event.to_json().decode()
    return line if len(line) <= _WIDTH else f"{line[:_WIDTH]}..."


def _json(value: object) -> str:
    return shorten(value, _WIDTH) if isinstance(value, str) else msgspec.json.encode(value).decode()[:_WIDTH]
