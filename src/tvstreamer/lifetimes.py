"""Who wants to know what opens and is not closed, and which tapes are used: whoever runs tests, and as a rule nobody.

A client, a server and the like asks for the watch when it is made, and tells it when it opens and closes. So the watch knows
its own: what was made before it, or for longer than it lasts, has another one.
"""

from __future__ import annotations

import threading
from typing import Protocol


class Closable(Protocol):
    """Something that holds a connection, a port or a thread from its opening to its end."""

    def close(self) -> None: ...


class Watch:
    """Keeps what has opened until it closes. Any thread may tell it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[int, Closable] | None = {}

    def opened(self, thing: Closable) -> None:
        """Safe to repeat. Does nothing once the watch has ended."""
        with self._lock:
            if self._open is not None:
                self._open[id(thing)] = thing

    def closed(self, thing: Closable) -> None:
        """Safe to repeat, and for what never opened."""
        with self._lock:
            if self._open is not None:
                self._open.pop(id(thing), None)

    def uses(self, tape: str) -> None:
        """The path of a tape that is replayed or recorded. Nothing comes of it here."""

    def end(self) -> list[Closable]:
        """What is still open, in the order in which it opened. From now on nothing is kept."""
        with self._lock:
            left, self._open = self._open or {}, None
        return list(left.values())


class _Nobody(Watch):
    """Keeps nothing."""

    def opened(self, thing: Closable) -> None: ...

    def closed(self, thing: Closable) -> None: ...


_NOBODY = _Nobody()
_current: Watch = _NOBODY


def current_watch() -> Watch:
    """The watch of what is made now."""
    return _current


def watch_with(watch: Watch | None) -> Watch | None:
    """From now on this is the watch, or nobody's; returns the one before."""
    global _current
    before, _current = _current, watch or _NOBODY
    return None if before is _NOBODY else before
