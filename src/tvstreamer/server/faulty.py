"""A server's side of a connection with the faults of a plan, in the place of one without."""

from __future__ import annotations

import random
from typing import Generic, Protocol, TypeVar

from tvstreamer.clock import Clock
from tvstreamer.faults import FaultFilter, FaultPlan, Fired
from tvstreamer.faults.stages import Message
from tvstreamer.protocol.packets import ChartCreateSession, Command, QuoteCreateSession, ResolveSymbol
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.transports.memory import ServedPeer


class ServedConnection(ServedPeer, Protocol):
    """What a fake server makes for each client."""

    @property
    def active(self) -> bool:
        """Whether the client has subscribed to something, so that virtual time may run."""
        ...


C = TypeVar("C", bound=ServedConnection)

_PART = 60.0
"""Seconds of the server's clock that are caught up with at once."""
_LONG_PART = 86_400.0
"""Where they make one message only."""


class FaultyPeer(Generic[C]):
    """One client's connection, the n-th, behind the faults of a plan. Not thread-safe: one owner at a time.

    Who has the bytes in his hands takes `frames_to_send` and heeds `half_open`; anybody else takes `messages_to_send`.
    """

    def __init__(self, inner: C, clock: Clock, plan: FaultPlan | None = None, number: int = 1) -> None:
        self.inner = inner
        self._clock = clock
        self._plan = plan
        self._number = number
        self._filter: FaultFilter | None = None
        self._told_of_end = False
        self._freed: list[str] = []
        self._past: list[Fired] = []
        self.open = False

    @property
    def number(self) -> int:
        """The connection's number, from 1."""
        return self._number

    def __repr__(self) -> str:
        return f"<FaultyPeer of {self.inner!r}, {self._filter!r}>"

    @property
    def fired(self) -> list[Fired]:
        """The faults that fired on this connection, in order."""
        return [*self._past, *(self._filter.fired if self._filter else ())]

    def set_plan(self, plan: FaultPlan | None) -> None:
        """From now on another plan, whose `at` and `after` count from now.

        What the old one withheld comes at once, past the new one. A connection that a fault has ended stays ended.
        """
        self._plan = plan
        old, now = self._filter, self._clock.now()
        if not self.open or (old is not None and old.hung_up and self.inner.closing is None):
            return
        to_client, to_server = old.give_up() if old else ([], [])
        self._past = self.fired
        self._told_of_end = False
        self._filter = self._start(now)
        self._freed += to_client
        for message in to_server:
            self.inner.receive(message, now)

    def _start(self, now: float) -> FaultFilter | None:
        if not self._plan:
            return None
        work = self._plan.filter(self._number, now, random.Random)
        protocol = getattr(self.inner, "protocol", None)
        if isinstance(protocol, ServerProtocol):
            work.learn(_commands_so_far(protocol))
        return None if work.idle else work

    # --- what the carrier calls -----------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        self.open = True
        self.inner.connected(now)
        self._filter = self._start(now)

    def disconnected(self, at: float, code: int, reason: str = "") -> None:
        self.open = False
        self.inner.disconnected(at, code, reason)
        protocol = getattr(self.inner, "protocol", None)
        if isinstance(protocol, ServerProtocol) and self.closing is None and self.inner.closing is None:
            protocol.note(at, "closed", "", f"{code} by the client" + (f": {reason}" if reason else ""))

    def receive(self, message: str, at: float) -> None:
        if self._filter is None:
            self.inner.receive(message, at)
        else:
            self._hand_over(self._filter.sent(message, at), at)

    def messages_to_send(self) -> list[str]:
        if self._filter is None and not self._freed:
            return self.inner.messages_to_send()
        return [frame.text for frame in self.frames_to_send()]

    def frames_to_send(self) -> list[Message]:
        """The messages that are to be sent, with what is to become of their bytes."""
        now = self._clock.now()
        freed, self._freed = self._freed, []
        frames = [Message(text, now) for text in freed]
        if self._filter is None:
            return [*frames, *(Message(text, now) for text in self.inner.messages_to_send())]
        while True:
            self._take_in(now)
            frames += self._filter.frames(now)
            let_go = self._filter.messages_to_send()
            if not let_go:
                return frames
            self._hand_over(let_go, now)

    def next_deadline(self) -> float | None:
        work = self._filter
        if work is None:
            return self.inner.next_deadline()
        moments = (work.next_deadline(), None if work.hung_up else self.inner.next_deadline())
        return min((moment for moment in moments if moment is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Does what is due, in order of time; a fault comes before what the connection says at the same moment."""
        work = self._filter
        if work is None:
            self.inner.handle_deadline(now)
            return
        while (moment := self.next_deadline()) is not None and moment <= now:
            if work.next_deadline() == moment:
                work.handle_deadline(moment)
                self._hand_over(work.messages_to_send(), moment)
            else:
                self.inner.handle_deadline(moment)
            self._take_in(moment)

    def catch_up(self, now: float) -> bool:
        """Does what is due, and of a long time, as `seek` leaves one behind, only a part; True where there is more of it.

        So others get their turn, and what is said is sent before more of it is made.
        """
        deadline = self.next_deadline()
        if deadline is None:
            return False
        until = deadline + (_LONG_PART if getattr(self.inner, "conflates", False) else _PART)
        self.handle_deadline(min(now, until))
        return until < now

    @property
    def closing(self) -> tuple[int, str] | None:
        return self.inner.closing if self._filter is None else self._filter.closing

    @property
    def active(self) -> bool:
        return self.inner.active or (self._filter is not None and self._filter.withholds)

    @property
    def unsent(self) -> int:
        """How many characters wait for somebody to send them."""
        protocol = getattr(self.inner, "protocol", None)
        return protocol.unsent if isinstance(protocol, ServerProtocol) else 0

    def let_time_pass(self, now: float, *, most_unsent: int) -> None:
        """Goes on with a client that takes nothing at present; once so much is unsent, no further than its heartbeats.

        Behind faults nothing goes on: when they are to happen is up to whoever sends.
        """
        protocol = getattr(self.inner, "protocol", None)
        if self._filter is not None:
            return
        if self.unsent <= most_unsent:
            deadline = self.inner.next_deadline()
            if deadline is not None and deadline <= now:
                self.catch_up(now)
        elif isinstance(protocol, ServerProtocol):
            protocol.handle_deadline(now)

    def give_up(self, code: int, reason: str, now: float) -> None:
        """Ends the connection, for the journal to know why."""
        protocol = getattr(self.inner, "protocol", None)
        if isinstance(protocol, ServerProtocol):
            protocol.close(code, reason, now)

    def jump(self, seconds: float) -> None:
        """Time is about to be set forward."""
        protocol = getattr(self.inner, "protocol", None)
        if isinstance(protocol, ServerProtocol):
            protocol.jump(seconds)

    @property
    def half_open(self) -> bool:
        """Whether nothing is to be read or written at present."""
        return self._filter is not None and self._filter.half_open

    def _take_in(self, at: float) -> None:
        """What the connection behind says goes into the faults."""
        assert self._filter is not None
        for text in self.inner.messages_to_send():
            self._filter.received(text, at)
        if self.inner.closing is not None and not self._told_of_end:
            self._told_of_end = True
            self._filter.ended(*self.inner.closing, at)

    def _hand_over(self, messages: list[str], at: float) -> None:
        for message in messages:
            self.inner.receive(message, at)


def _commands_so_far(protocol: ServerProtocol) -> list[Command]:
    """What made the sessions, symbols and series that a connection has."""
    commands: list[Command] = [QuoteCreateSession(QuoteCreateSession.Params(session)) for session in protocol.quotes]
    for session, chart in protocol.charts.items():
        commands.append(ChartCreateSession(ChartCreateSession.Params(session)))
        commands += [
            ResolveSymbol(ResolveSymbol.Params(session, alias, symbol)) for alias, symbol in chart.symbols.items()
        ]
        commands += chart.series.values()
    return commands
