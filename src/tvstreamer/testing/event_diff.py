"""How two lists of events differ, for people."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence

from tvstreamer.events import Event

_MOST = 40
_CONTEXT = 2


def explain_difference(left: Sequence[object], right: Sequence[object]) -> list[str] | None:
    """What pytest shows for `left == right`; None where these are no lists of events."""
    if not all(isinstance(each, Event) for each in (*left, *right)):
        return None
    first = next((number for number, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
    diff = difflib.unified_diff(list(map(repr, right)), list(map(repr, left)), "right", "left", lineterm="", n=_CONTEXT)
    lines = list(diff)[2:]
    rest = [f"... {len(lines) - _MOST} more lines"] if len(lines) > _MOST else []
    return [f"{_counts(left)} == {_counts(right)}", f"they differ from event {first} on", *lines[:_MOST], *rest]


def _counts(events: Sequence[object]) -> str:
    counts = Counter(type(event).__name__ for event in events)
    return f"<{len(events)} events: {', '.join(f'{count} {name}' for name, count in sorted(counts.items()))}>"
