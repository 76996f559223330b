"""Ctrl-C and SIGTERM as a clean stop: a flag that loops look at between two messages.

An exception could arrive in the middle of anything, for example after a message was recorded and before its events were
written. A second signal does raise, for whoever cannot wait; so does the first where nothing can be left half done.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopping:
    """A context in which signals ask to stop. `bool()` tells whether one has; with `at_once` it raises `KeyboardInterrupt`."""

    def __init__(self, *, at_once: bool = False) -> None:
        self._at_once = at_once
        self._asked = False
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self._asked

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        again, self._asked = self._asked, True
        if again or self._at_once:
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
