"""What time it is for the server: told by the times on its messages, and by how long ago the newest of them came."""

from __future__ import annotations

import math


class ServerClock:
    """The clock of the other end, as far as this connection has heard of it. Moments are ours unless said otherwise."""

    __slots__ = ("_heard_at", "_seconds", "ahead")

    def __init__(self) -> None:
        self._seconds = 0.0
        self._heard_at: float | None = None
        self.ahead = 0.0
        """By how much it was ahead of ours when last heard of, on whichever connection."""

    def __repr__(self) -> str:
        return f"<ServerClock {'unheard of' if self._heard_at is None else f'{self.ahead:+.3f} s'}>"

    def connected(self) -> None:
        """A new connection: perhaps to another server, of which nothing is known yet."""
        self._heard_at = None

    def note(self, seconds: float, at: float) -> bool:
        """Takes the server's time on a message that came at `at`; whether it is later than what was known.

        Nodes of the service differ by a millisecond or so within one message; the newest time wins.
        """
        if self._heard_at is not None and seconds <= self._seconds:
            return False
        self._seconds = seconds
        self._heard_at = at
        self.ahead = seconds - at
        return True

    def now(self, at: float) -> float | None:
        """The server's time at a moment; None while nothing has been heard of it."""
        return None if self._heard_at is None else self._seconds + (at - self._heard_at)

    def ours(self, seconds: float) -> float:
        """The moment at which it is that late for the server; infinitely far while nothing has been heard of its time."""
        return math.inf if self._heard_at is None else self._heard_at + (seconds - self._seconds)
