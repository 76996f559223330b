"""Clocks: the one place that knows what time it is, and how to wait for it.

Everything else is handed a `Clock`. `SystemClock` is real time, `ScaledClock` real time that runs N times faster,
`VirtualClock` a number that moves when everybody waits for it.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Final, Protocol

from tvstreamer.errors import InvalidPlan, shorten

_LOOK = 0.01
"""Real seconds between two looks at an event that cannot tell a virtual clock when it is set."""

_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|[dhms]))+", re.ASCII)
_PART = re.compile(r"([\d.]+)(ms|[dhms])")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Clock(Protocol):
    """Where a component gets the time from, and how it lets time pass."""

    def now(self) -> float:
        """Seconds since the epoch, UTC; never goes back."""
        ...

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Waits until the event is set (True) or `timeout` of this clock's seconds are over (False)."""
        ...

    def event(self) -> threading.Event:
        """A new event, which wakes whoever waits for it on this clock the moment that it is set."""
        ...

    def participant(self, name: str = "") -> AbstractContextManager[object]:
        """A context for a thread whose work takes no time on this clock. Matters to a `VirtualClock` only."""
        ...

    def blocking(self) -> AbstractContextManager[object]:
        """A context in which a participant may block on something other than this clock: a thread's end, a queue."""
        ...


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

    def event(self) -> threading.Event:
        return threading.Event()

    def participant(self, name: str = "") -> AbstractContextManager[object]:
        return nullcontext()

    def blocking(self) -> AbstractContextManager[object]:
        return nullcontext()


class SystemClock(ScaledClock):
    """Wall time at construction plus monotonic time since, so that a stepped system clock cannot turn time back."""

    def __init__(self) -> None:
        super().__init__(1.0)


class VirtualClock:
    """A clock that stands still until everybody waits for it.

    It drives memory transports and tapes, never a socket: it cannot know that a socket is idle.

    **In one thread** nothing blocks: a `wait` moves the clock to its end and returns.

    **Between threads**, those that take part say so: `with clock.participant("reader"):`. One participant runs at a time,
    as long as it likes, until it waits. Whoever was woken by an event meanwhile runs next, and when all of them wait the
    clock jumps to the earliest moment that anyone waits for (`autojump`; without it, time moves only by `advance`). Ties
    go by the order of registration. So nothing depends on how the operating system schedules threads: the same program
    wakes the same participants at the same times.

    To call `participant` is to register, to enter it is to begin. Nobody goes on before all who are registered have begun,
    so let a thread's creator register it, and start it before it waits or enters a context of its own::

        seat = clock.participant("reader")
        threading.Thread(target=read, args=(seat,)).start()     # def read(seat): with seat: ...

    A participant that blocks on something else while others have to run says so with `blocking`. Other threads may wait,
    set events and `advance` too, but nobody waits for them: what they do happens at a time that is as good as random.

    When time has stood still for `patience` real seconds, whoever waits gets a `RuntimeError` that names who is not idle.
    """

    def __init__(self, start: float = 1_700_000_000.0, *, autojump: bool = True, patience: float = 30.0) -> None:
        self._now = start
        self._autojump = autojump
        self._patience = patience
        self._lock = threading.Lock()
        self._advancing = threading.Lock()
        self._numbers = 0
        self._rounds = 0
        self._seats: list[_Seat] = []
        self._seat_of: dict[int, _Seat] = {}
        self._running: _Seat | None = None
        self._waiting: list[_Waiter] = []
        self._ready: list[_Waiter] = []

    def __repr__(self) -> str:
        mode = "" if self._autojump else ", moved by advance only"
        return f"<VirtualClock at {self._now!r}, {len(self._seats)} participants, {len(self._waiting)} waiting{mode}>"

    def now(self) -> float:
        return self._now

    def event(self) -> threading.Event:
        return _VirtualEvent(self)

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Waits until the event is set (True) or `timeout` virtual seconds are over (False); never, for infinity.

        An event that this clock did not make is looked at every 10 real milliseconds, where another thread could set it.
        """
        return event.is_set() or (timeout > 0 and self._wait(event, timeout=timeout))

    def wait_until(self, event: threading.Event, moment: float) -> bool:
        """Like `wait`, and time comes to exactly `moment`, whatever floats make of a difference."""
        return event.is_set() or (moment > self._now and self._wait(event, moment=moment))

    def advance(self, seconds: float | str) -> None:
        """Lets time pass: so many seconds, or a text such as `6h`, `90s`, `1h30m`, `500ms`. It never goes back.

        Everybody who waits for a moment on the way wakes at that moment, in order, and all are idle again before time
        goes on; and once more when it has come to the end. `advance(0)` lets everybody run until all wait.
        """
        passing = max(0.0, duration(seconds))
        self._advance(lambda: self._now + passing)

    def advance_to(self, moment: float) -> None:
        """Lets time pass until `moment`, as `advance` does; time stays where it is when that has passed already."""
        if not math.isfinite(moment):
            raise InvalidPlan(f"moment {moment!r}: expected seconds since the epoch")
        self._advance(lambda: moment)

    @property
    def alone(self) -> bool:
        """Whether nothing can happen but by the caller: it moves the clock, and there is no other participant."""
        with self._lock:
            mine = self._seat_of.get(threading.get_ident())
            return self._autojump and all(seat is mine for seat in self._seats)

    def participant(self, name: str = "") -> AbstractContextManager[object]:
        """Registers a participant: time stands still until it waits. To be entered once, in its thread.

        Its number in ties is that of this call. Within another one in the same thread it changes nothing. `name` is for
        error messages; the thread's own by default.
        """
        with self._lock:
            seat = _Seat(name or "a participant", self._number())
            self._seats.append(seat)
        return self._seated(seat, name)

    @contextmanager
    def _seated(self, seat: _Seat, name: str) -> Iterator[None]:
        thread = threading.get_ident()
        with self._lock:
            nested = thread in self._seat_of
            if nested:
                self._leave(seat)
            else:
                seat.name = name or threading.current_thread().name
                self._seat_of[thread] = seat
        try:
            if not nested:
                with self._lock:
                    self._stand_in_line(seat)
            yield
        finally:
            if not nested:
                with self._lock:
                    del self._seat_of[thread]
                    self._leave(seat)

    @contextmanager
    def blocking(self) -> Iterator[None]:
        """Lets other participants run while this one blocks on something else. Time stands still meanwhile.

        For `thread.join()` of another participant, say, which could not come to its end otherwise. Does nothing in a
        thread that is no participant.
        """
        with self._lock:
            seat = self._seat_of.get(threading.get_ident())
            if seat is not None:
                seat.blocking += 1
                self._put_down(seat, _BLOCKS)
                self._go_on()
        try:
            yield
        finally:
            if seat is not None:
                with self._lock:
                    seat.blocking -= 1
                    if not seat.blocking:
                        self._stand_in_line(seat)

    # --- what follows is called with the lock held, but for _wait and _advance ------------------------------------------

    def _wait(self, event: threading.Event, *, timeout: float = 0.0, moment: float | None = None) -> bool:
        with self._lock:
            deadline = self._now + timeout if moment is None else moment
            if not self._seats and not self._waiting and self._autojump and deadline < math.inf:
                # Nobody else is there: nothing to arrange.
                self._now = max(self._now, deadline)
                return event.is_set()
            return self._sit(self._waiter(deadline, event))

    def _advance(self, target: Callable[[], float]) -> None:
        with self._lock:
            if not self._seats and not self._waiting:
                self._now = max(self._now, target())
                return
            if threading.get_ident() in self._seat_of:
                self._sit(self._waiter(target(), None))
                return
        # Two that are no participants advance one after the other, or the second would lose what the first has gained.
        self._be_patient(threading.current_thread().name, self._patience, lambda real: self._advancing.acquire(timeout=real))
        try:
            with self._lock:
                self._sit(self._waiter(target(), None))
        finally:
            self._advancing.release()

    def _waiter(self, deadline: float, event: threading.Event | None) -> _Waiter:
        seat = self._seat_of.get(threading.get_ident())
        number = self._number() if seat is None else seat.number
        return _Waiter(seat, number, max(self._now, deadline), event, threading.Condition(self._lock))

    def _number(self) -> int:
        self._numbers += 1
        return self._numbers

    def _sit(self, waiter: _Waiter) -> bool:
        """Waits, and returns when it is this thread's turn: True if its event was set."""
        if waiter.seat is not None:
            self._put_down(waiter.seat, _WAITS)
        self._waiting.append(waiter)
        self._go_on()
        return self._come_back(waiter)

    def _stand_in_line(self, seat: _Seat) -> None:
        """Waits for nothing but this participant's turn."""
        waiter = self._waiter(math.inf, None)
        self._put_down(seat, _WAITS)
        self._rouse(waiter, True)
        self._go_on()
        self._come_back(waiter)

    def _come_back(self, waiter: _Waiter) -> bool:
        foreign = waiter.event is not None and not (
            isinstance(waiter.event, _VirtualEvent) and waiter.event.clock is self
        )

        def its_turn(real: float) -> bool:
            if not waiter.awake and not waiter.changed.wait(real) and foreign:
                self._go_on()
            return waiter.awake

        name = threading.current_thread().name if waiter.seat is None else waiter.seat.name
        try:
            self._be_patient(name, min(_LOOK, self._patience) if foreign else self._patience, its_turn)
        except BaseException:
            # It goes on by itself now, out of turn: time stands still until it waits again or leaves.
            for line in (self._waiting, self._ready):
                if waiter in line:
                    line.remove(waiter)
            if waiter.seat is not None:
                waiter.seat.state = _RUNS
            raise
        return waiter.outcome

    def _be_patient(self, name: str, step: float, done: Callable[[float], bool]) -> None:
        """Tries `done`, which may take `step` real seconds, until it holds, or time has stood still for too long."""
        seen, since = self._now, time.monotonic()
        while not done(step):
            if self._now != seen:
                seen, since = self._now, time.monotonic()
            elif time.monotonic() - since >= self._patience:
                raise RuntimeError(
                    f"virtual time has stood at {self._now!r} for {self._patience:g} real seconds, and {name!r} waits: "
                    + self._obstacle()
                )

    def _obstacle(self) -> str:
        busy = [f"{seat.name!r} {seat.state}" for seat in self._seats if seat.state is not _WAITS]
        if busy:
            return f"not idle: {', '.join(busy)}"
        if any(waiter.deadline < math.inf for waiter in self._waiting):
            return "all are idle, and nobody advances the clock"
        return "all are idle, and nobody waits for a moment"

    def _put_down(self, seat: _Seat, state: str) -> None:
        seat.state = state
        if self._running is seat:
            self._running = None

    def _leave(self, seat: _Seat) -> None:
        self._seats.remove(seat)
        self._put_down(seat, _WAITS)
        self._go_on()

    def _go_on(self) -> None:
        """Wakes who is to run next, after letting time pass if nobody can run now. Does nothing while somebody runs."""
        while True:
            for waiter in sorted(self._waiting, key=lambda each: each.number):
                if waiter.event is not None and waiter.event.is_set():
                    self._rouse(waiter, True)
            if self._running is not None or any(seat.state is _ANNOUNCED for seat in self._seats):
                return
            if self._ready:
                # Whoever became ready while the same participant ran goes by number, not by who got here first.
                waiter = min(self._ready, key=lambda each: (each.round, each.number))
                self._ready.remove(waiter)
                self._running = waiter.seat
                self._rounds += 1
                self._wake(waiter, _RUNS)
                return
            if any(seat.state is not _WAITS for seat in self._seats):
                return
            # Who advances the clock comes last: all others are to be idle at that moment.
            due = min(self._waiting, key=lambda each: (each.deadline, each.event is None, each.number), default=None)
            advanced = any(waiter.event is None for waiter in self._waiting)
            if due is None or due.deadline == math.inf or not (self._autojump or advanced):
                return
            self._now = due.deadline
            self._rouse(due, False)

    def _rouse(self, waiter: _Waiter, outcome: bool) -> None:
        """Its wait is over. A participant stands in line now; whoever is none, or blocks elsewhere anyway, just goes on."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        waiter.outcome = outcome
        if waiter.seat is None:
            self._wake(waiter, _RUNS)
        elif waiter.seat.blocking:
            self._wake(waiter, _BLOCKS)
        else:
            waiter.round = self._rounds
            self._ready.append(waiter)

    def _wake(self, waiter: _Waiter, state: str) -> None:
        waiter.awake = True
        if waiter.seat is not None:
            waiter.seat.state = state
        waiter.changed.notify()


_ANNOUNCED: Final = "is announced, and its thread has not begun"
_RUNS: Final = "runs, or blocks on something else than this clock"
_BLOCKS: Final = "says that it blocks on something else"
_WAITS: Final = "waits"


class _Seat:
    """A participant: what it does now, and how often it said that it blocks elsewhere."""

    __slots__ = ("blocking", "name", "number", "state")

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.state: str = _ANNOUNCED
        self.blocking = 0


class _Waiter:
    """One wait: until when and for which event; None for whoever lets time pass, by `advance`."""

    __slots__ = ("awake", "changed", "deadline", "event", "number", "outcome", "round", "seat")

    def __init__(
        self, seat: _Seat | None, number: int, deadline: float, event: threading.Event | None, changed: threading.Condition
    ) -> None:
        self.seat = seat
        self.number = number
        self.deadline = deadline
        self.event = event
        self.changed = changed
        self.awake = False
        self.outcome = False
        self.round = 0


class _VirtualEvent(threading.Event):
    """An event that tells its clock. Its own `wait` counts virtual seconds."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock

    def set(self) -> None:
        with self.clock._lock:
            super().set()
            self.clock._go_on()

    def wait(self, timeout: float | None = None) -> bool:
        return self.clock.wait(self, math.inf if timeout is None else timeout)


def duration(value: float | str) -> float:
    """Seconds: a number, or a text of numbers with `d`, `h`, `m`, `s` or `ms`. Raises `InvalidPlan`."""
    if isinstance(value, str):
        if not _DURATION.fullmatch(value):
            raise InvalidPlan(f"duration {shorten(value)}: expected seconds, or numbers with d, h, m, s, ms, for example 1h30m")
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    if not math.isfinite(value):
        raise InvalidPlan(f"duration {value!r}: expected a finite number of seconds")
    return value


Moment = float | str | datetime
"""A moment as users give it: see `instant`."""


def instant(value: Moment, name: str = "moment") -> float:
    """Seconds since the epoch of a number of them, an aware `datetime`, or an ISO date: `2024-05-01`, `2024-05-01T09:30-04:00`.

    A text without a zone is UTC; a `datetime` without one is refused, as it may be meant in local time. Raises `InvalidPlan`.
    """
    given = value
    if isinstance(value, str):
        try:
            value = float(value) if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII) else datetime.fromisoformat(value)
        except ValueError:
            value = math.nan
        if isinstance(value, datetime) and value.tzinfo is None:
            value = value.replace(tzinfo=UTC)
    seconds = math.nan
    if isinstance(value, datetime):
        seconds = math.nan if value.tzinfo is None else value.timestamp()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = value
    if not -math.inf < seconds < math.inf:
        expected = "seconds since the epoch, a datetime with a time zone, or a date such as 2024-05-01"
        raise InvalidPlan(f"{name} {shorten(given)}: expected {expected}")
    return float(seconds)
