"""What a server says that we do not know: counted by method, and told at most once a minute for each."""

from __future__ import annotations

import math

from tvstreamer.events import Notice

_EVERY = 60.0
_MOST = 1000
"""Methods that are told apart: no server makes us remember every word that it invents."""


class UnknownMethods:
    """Counts them, and says when one is to be told of."""

    __slots__ = ("_told",)

    def __init__(self) -> None:
        self._told: dict[str, tuple[int, float]] = {}
        """By method: how often it came, and when it was told of last."""

    def __repr__(self) -> str:
        return f"<UnknownMethods {sorted(self._told)}>"

    def note(self, method: str, at: float) -> Notice | None:
        """Counts one. The notice that is due, if any."""
        if method not in self._told and len(self._told) >= _MOST:
            method = "*"
        count, last = self._told.get(method, (0, -math.inf))
        due = at - last >= _EVERY
        self._told[method] = (count + 1, at if due else last)
        return Notice(at, "unknown", method, count + 1) if due else None
