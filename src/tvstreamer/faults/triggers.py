"""When a fault of a plan fires on one connection."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from tvstreamer.faults.kinds import Fault, Once
from tvstreamer.faults.subjects import Subjects

if TYPE_CHECKING:
    from random import Random


class Fired(NamedTuple):
    """That a fault fired: when, which kind, what it did, and on which connection."""

    at: float
    kind: str
    detail: str
    connection: int


class Trigger:
    """Counts what passes one fault and how often it fired. `log` is told each time."""

    def __init__(
        self, fault: Fault, connection: int, opened_at: float, rng: Random, subjects: Subjects, log: Callable[[Fired], object]
    ) -> None:
        self._fault = fault
        self._connection = connection
        self._rng = rng
        self._subjects = subjects
        self._log = log
        self._from = opened_at + fault.at
        self._window: float | None = None if isinstance(fault, Once) else getattr(fault, "duration", None)
        self._until = math.inf
        if self._window is not None and not fault.after:
            self._until = self._from + self._window
        self._seen = 0
        self._fired = 0
        self._clockwork = isinstance(fault, Once) and not (fault.after or fault.method or fault.symbol or fault.probability < 1)

    @property
    def left(self) -> bool:
        """Whether it may still fire."""
        return self._fault.times is None or self._fired < self._fault.times

    def due(self) -> float | None:
        """When it fires by the clock, without a message; None where it does not."""
        return self._from if self._clockwork and not self._fired else None

    def open(self, at: float) -> bool:
        """Whether the time and the number of messages that have passed allow it to fire."""
        if not self.left or at < self._from or self._seen < self._fault.after:
            return False
        if self._window is not None and self._until == math.inf:
            self._until = at + self._window
        return at < self._until

    def strikes(self, message: str, at: float) -> bool:
        """Whether a fault of messages fires on this one. Counts it."""
        strikes = self._meant(message, at)
        self._seen += 1
        return strikes

    def follows(self, message: str, at: float) -> bool:
        """Whether a fault of the connection fires behind this message. Counts it."""
        self._seen += 1
        return self._meant(message, at)

    def _meant(self, message: str, at: float) -> bool:
        fault = self._fault
        if not self.open(at):
            return False
        if fault.method or fault.symbol:
            about = self._subjects.about(message, fault.direction)
            if fault.method and fault.method not in about.methods:
                return False
            if fault.symbol and fault.symbol not in about.symbols:
                return False
        return fault.probability == 1 or self._rng.random() < fault.probability

    def fire(self, at: float, detail: str = "") -> None:
        """Notes that it fired."""
        self._fired += 1
        self._log(Fired(at, self._fault.kind, detail, self._connection))
