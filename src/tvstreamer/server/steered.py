"""A server's clock that can be stopped and set forward."""

from __future__ import annotations

import threading

from tvstreamer.clock import ScaledClock

_LOOK = 0.05


class SteeredClock(ScaledClock):
    """Real time, `factor` times as fast, with pauses and jumps. It never goes back. For any thread."""

    def __init__(self, factor: float = 1.0, *, start: float | None = None) -> None:
        super().__init__(factor, start=start)
        self._lock = threading.Lock()
        self._ahead = 0.0
        self._stopped: float | None = None

    def __repr__(self) -> str:
        state = "stopped" if self.paused else f"{self.factor:g} times as fast as time"
        return f"<SteeredClock at {self.now()!r}, {state}>"

    @property
    def paused(self) -> bool:
        return self._stopped is not None

    def now(self) -> float:
        with self._lock:
            return self._now()

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """As any clock's; while this one stands still, a wait may return a moment later with False before its time."""
        if self.paused:
            return event.wait(_LOOK)
        return super().wait(event, timeout)

    def pause(self) -> None:
        """Time stands still from here on."""
        with self._lock:
            self._stopped = self._now()

    def resume(self) -> None:
        """Time goes on from where it stood."""
        with self._lock:
            if self._stopped is not None:
                self._ahead += self._stopped - (super().now() + self._ahead)
                self._stopped = None

    def skip(self, seconds: float) -> None:
        """So much time has passed at once."""
        with self._lock:
            if self._stopped is None:
                self._ahead += max(0.0, seconds)
            else:
                self._stopped += max(0.0, seconds)

    def _now(self) -> float:
        return super().now() + self._ahead if self._stopped is None else self._stopped
