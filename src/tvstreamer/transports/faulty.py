"""A fault plan in front of any transport: what comes from it, and what is sent through it, passes the plan's faults.

It can do what a message carries, and refuse connections. Faults of bytes need the fake server on a port.
"""

from __future__ import annotations

import random
import threading
from collections import deque
from contextlib import suppress
from typing import Final

from tvstreamer.clock import Clock, VirtualClock
from tvstreamer.errors import ConnectFailed, TransportClosed, TransportTimeout
from tvstreamer.faults import FaultFilter, FaultPlan, Fired
from tvstreamer.transports.base import Connector, OneReader, Received, Transport, TransportInfo

_LONG: Final = 3600.0
"""Seconds of one wait among those that together have no end."""

_GLANCE: Final = 0.05
"""Real seconds after which a reader that waits looks whether another thread's sends have made something due."""


class FaultyTransport:
    """One connection, seen through the faults of a filter.

    Whatever comes later than it would has the later stamp. A fault that ends the connection closes the one behind it with 1000.
    What is withheld from the server goes out while somebody reads here. That is noticed a moment later where another thread
    sends, and on a `VirtualClock` between threads only with the next message or deadline.
    """

    def __init__(self, inner: Transport, filter: FaultFilter, clock: Clock) -> None:
        self._inner = inner
        self._filter = filter
        self._clock = clock
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._reader = OneReader()
        self._woken = threading.Event()
        self._inbox: deque[Received] = deque()
        self._outgoing: deque[str] = deque()
        self._inner_over = False
        self._inner_end: TransportClosed | None = None
        """How the connection behind ended, if it did so by itself."""
        self._over: TransportClosed | None = None

    def __repr__(self) -> str:
        state = "open" if self._over is None else f"closed with {self._over.code}"
        return f"<FaultyTransport {state} of {self._inner!r}>"

    @property
    def info(self) -> TransportInfo:
        return self._inner.info

    @property
    def fired(self) -> list[Fired]:
        """The faults that fired so far, in order."""
        with self._lock:
            return self._filter.fired

    def send(self, message: str) -> None:
        """Sends through the faults. A message behind an end that was not yet read here goes nowhere, as on a network."""
        with self._lock:
            if self._over is not None:
                raise _again(self._over)
            self._outgoing += self._filter.sent(message, self._clock.now())
            self._woken.set()
        try:
            self._flush()
        except TransportClosed:
            # A reader may just have found out that a fault has ended the connection, and closed the one behind.
            if not self._filter.hung_up:
                raise
        self._leave_if_hung_up()

    def recv(self, timeout: float | None = None) -> Received:
        with self._reader.reading():
            until = None if timeout is None else self._clock.now() + timeout
            nothing_came = False
            while True:
                # One moment for both: what was due by then has come, and what comes later is later than a timeout.
                now = self._clock.now()
                try:
                    with self._lock:
                        received, deadline = self._look(now)
                    with suppress(TransportClosed):  # that end is read in its turn
                        self._flush(wait=False)
                finally:
                    self._leave_if_hung_up()
                if received is not None:
                    return received
                if nothing_came and self._is_over(now, until, deadline):
                    raise TransportTimeout("no message in time")
                nothing_came = not self._wait(deadline, until)

    def close(self, code: int = 1000, reason: str = "") -> None:
        with self._lock:
            if self._over is None:
                self._over = TransportClosed(code, reason)
                self._inbox.clear()
            self._woken.set()
        self._inner.close(code, reason)

    def _look(self, now: float) -> tuple[Received | None, float | None]:
        """The next message if there is one, and when something is due; raises the end once all before it was read."""
        if self._over is not None:
            raise _again(self._over)
        self._inbox.extend(Received(text, at) for text, at in self._filter.deliveries(now))
        self._outgoing += self._filter.messages_to_send()
        if self._inbox:
            return self._inbox.popleft(), None
        end = self._filter.end
        if end is not None:
            inner = self._inner_end
            by_this_side = inner is not None and inner.by_this_side
            self._over = TransportClosed(end.code, end.reason, at=end.at, by_this_side=by_this_side)
            raise _again(self._over) from inner
        self._woken.clear()
        return None, self._filter.next_deadline()

    def _is_over(self, now: float, until: float | None, deadline: float | None) -> bool:
        """Whether to wait no longer. Without a limit that is so on a clock by which alone nothing more can come."""
        if until is None:
            return deadline is None and isinstance(self._clock, VirtualClock)
        return now >= until

    def _wait(self, deadline: float | None, until: float | None) -> bool:
        """Until something came from behind, which is True, or something is due, somebody woke this reader, or `until`."""
        clock = self._clock
        moment = min((each for each in (deadline, until) if each is not None), default=None)
        wait = None if moment is None else max(0.0, moment - clock.now())
        if self._inner_over:
            if wait is not None or not isinstance(clock, VirtualClock):
                clock.wait(self._woken, _LONG if wait is None else wait)
            return False
        if self._filter.acts_upstream and not isinstance(clock, VirtualClock):
            glance = _GLANCE * getattr(clock, "factor", 1.0)
            wait = glance if wait is None else min(wait, glance)
        try:
            text, at = self._inner.recv(wait)
        except TransportTimeout:
            return False
        except TransportClosed as closed:
            with self._lock:
                self._inner_over = True
                if not self._filter.hung_up:
                    self._inner_end = closed
                    self._filter.ended(closed.code, closed.reason, clock.now() if closed.at is None else closed.at)
            return True
        with self._lock:
            self._filter.received(text, at)
        return True

    def _flush(self, *, wait: bool = True) -> None:
        """Sends what may go to the server, in order. Who does not wait leaves it to whoever is sending already: a reader that
        waited for a peer which itself waits to be read would never come back."""
        while self._outgoing and self._sending.acquire(blocking=wait):
            try:
                while self._outgoing:
                    self._inner.send(self._outgoing.popleft())
            finally:
                self._sending.release()

    def _leave_if_hung_up(self) -> None:
        """Ends the connection behind when a fault has ended this one. That wakes a reader that waits there."""
        if self._filter.hung_up and not self._inner_over:
            self._inner_over = True
            self._inner.close()


def _again(closed: TransportClosed) -> TransportClosed:
    return TransportClosed(closed.code, closed.reason, at=closed.at, by_this_side=closed.by_this_side)


class FaultyConnector:
    """Opens another connector's connections, numbered from 1, each with the faults that the plan has for it.

    An attempt that is refused counts as a connection. `clock` is the one that the connections are on.
    """

    def __init__(self, connector: Connector, plan: FaultPlan, clock: Clock) -> None:
        plan.require(("message", "handshake"), "a transport")
        self.plan = plan
        self._connector = connector
        self.clock = clock
        self._lock = threading.Lock()
        self._count = 0
        self._refused: list[Fired] = []
        self._opened: list[FaultyTransport] = []

    def __repr__(self) -> str:
        return f"<FaultyConnector of {self._connector!r}, {self._count} connections so far>"

    def __call__(self) -> Transport:
        """The next connection. Raises `ConnectFailed` where the plan refuses it, and what the other connector raises."""
        with self._lock:
            self._count += 1
            number = self._count
        refusal = self.plan.refusal(number, random.Random)
        if refusal is not None:
            self._refused.append(Fired(self.clock.now(), refusal.kind, str(refusal.status), number))
            problem = f"HTTP {refusal.status}, as the fault plan wants it"
            raise ConnectFailed("a disturbed source", problem, status=refusal.status, retry_after=refusal.retry_after)
        inner = self._connector()
        filter = self.plan.filter(number, inner.info.opened_at, random.Random)
        if filter.idle:
            return inner
        transport = FaultyTransport(inner, filter, self.clock)
        self._opened.append(transport)
        return transport

    @property
    def fired(self) -> list[Fired]:
        """The faults that fired on all connections so far, in order of time."""
        fired = [each for transport in self._opened for each in transport.fired]
        return sorted([*self._refused, *fired], key=lambda each: each.at)


def faulty(connector: Connector, plan: FaultPlan, *, clock: Clock) -> FaultyConnector:
    """A connector whose connections suffer the faults of a plan; its `fired` tells which did.

    `clock` is that of the connections. Raises `UnsupportedFault` for a plan with faults of bytes.
    """
    return FaultyConnector(connector, plan, clock)
