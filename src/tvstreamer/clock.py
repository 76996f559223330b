"""Clocks: the one place that knows what time it is.

Everything else is handed a `Clock`. `SystemClock` is real time, `ScaledClock` real time that runs N times faster,
`VirtualClock` a number that moves only when somebody waits on it.
"""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Where a component gets the time from, and how it lets time pass."""

    def now(self) -> float:
        """Seconds since the epoch, UTC; never goes back."""
        ...

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Waits until the event is set (True) or `timeout` of this clock's seconds are over (False)."""
        ...


class SystemClock:
    """Wall time at construction plus monotonic time since, so that a stepped system clock cannot turn time back."""

    def __init__(self) -> None:
        self._wall = time.time()
        self._started = time.monotonic()

    def now(self) -> float:
        return self._wall + (time.monotonic() - self._started)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        return event.wait(max(0.0, timeout))


class ScaledClock:
    """Real time, `factor` times as fast. Starts at `start`, or at the present wall time."""

    def __init__(self, factor: float, *, start: float | None = None) -> None:
        if not factor > 0:
            raise ValueError(f"clock factor {factor!r}: expected a number above 0")
        self.factor = factor
        self._start = time.time() if start is None else start
        self._started = time.monotonic()

    def now(self) -> float:
        return self._start + (time.monotonic() - self._started) * self.factor

    def wait(self, event: threading.Event, timeout: float) -> bool:
        return event.wait(max(0.0, timeout) / self.factor)


class VirtualClock:
    """A clock that stands still until it is told to move.

    It drives memory transports and tapes, never a socket: it cannot know that a socket is idle. A `wait` does not
    wait: it moves the clock and returns.
    """

    def __init__(self, start: float = 1_700_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Moves time forward by `seconds`; never back."""
        with self._lock:
            self._now += max(0.0, seconds)

    def advance_to(self, moment: float) -> None:
        """Moves time forward to `moment`; does nothing when that has passed already."""
        with self._lock:
            self._now = max(self._now, moment)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        if event.is_set():
            return True
        self.advance(timeout)
        return event.is_set()
