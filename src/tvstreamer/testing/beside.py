"""What a client asks for on a connection that is played from a tape and does not hold it: another connection, beside it.

The client sees one connection. What the played one holds comes from there; the rest is asked of a connection beside it, which is
recorded as a connection of its own, with a note that says whose it is and by how much its times are off. The next time both are
played, and the client sees the very same messages at the very same moments.

A connection beside has no say in what concerns the connection as a whole: its hello, its heartbeats, which are echoed here, and
its times of the server (`t_ms`), which may be years away from those of the tape, do not reach the client.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, nextafter

from tvstreamer.clock import Clock
from tvstreamer.errors import FramingError, TapeMismatch, TransportClosed, TransportTimeout
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import (
    CreateSeries,
    CreateStudy,
    ModifySeries,
    ModifyStudy,
    QuoteAddSymbols,
    RequestMoreData,
    ResolveSymbol,
)
from tvstreamer.transports.base import Received, Transport, TransportInfo
from tvstreamer.transports.replay import ReplayTransport

_OF_THE_CONNECTION = ("set_auth_token", "set_locale", "set_data_quality")
_QUESTIONS = (CreateSeries, CreateStudy, ModifySeries, ModifyStudy, QuoteAddSymbols, RequestMoreData)
_SERVER_TIME = re.compile(r',"t_ms":\d+')


@dataclass(slots=True)
class SideConnection:
    """A connection beside another: `shift` is what its times lack to be those of the other, `clock` its own."""

    transport: Transport
    clock: Clock
    shift: float
    sessions: set[str] = field(default_factory=set)
    """Those that it has heard of; "" stands for the connection as a whole."""
    asked: set[tuple[str, str]] = field(default_factory=set)
    """Session and name of what it was asked for: symbols, series, studies and quotes."""
    silent: set[tuple[str, str]] = field(default_factory=set)
    """Symbols that it had to be told and that others answer."""
    waiting: Received | None = None
    """What has come and is not due yet, by the times of the other."""
    ended: bool = False

    def send(self, payload: str) -> None:
        self.transport.send(framing.packet(payload))

    def prepare(self, payload: str, command: object) -> None:
        """Sends what the client wants no answer to. A tape need not hold it."""
        if isinstance(command, ResolveSymbol):
            self.silent.add((command.p.session, command.p.alias))
        with contextlib.suppress(TapeMismatch):
            self.send(payload)


class BesideTransport:
    """A played connection, and those beside it, which last as long as it does, and longer where the tape has no end for it.

    `known` gives those that the tape has, one after the other; `record` opens one that is recorded, None where nothing may be.
    """

    def __init__(
        self,
        main: ReplayTransport,
        clock: Clock,
        known: Iterator[SideConnection],
        record: Callable[[], SideConnection] | None,
    ) -> None:
        self._main = main
        self._clock = clock
        self._known = known
        self._record = record
        self._lock = threading.Lock()
        self._sides: list[SideConnection] = []
        self._closed = clock.event()
        self._prepared: dict[str, list[tuple[str, object]]] = {}
        """What was sent of each session, and of the connection (""), that those beside have to hear before they are asked."""

    def __repr__(self) -> str:
        return f"<BesideTransport of {self._main!r} and {len(self._sides)} beside it>"

    @property
    def info(self) -> TransportInfo:
        return self._main.info

    # --- what the client sends ------------------------------------------------------------------------------------------

    def send(self, message: str) -> None:
        try:
            payloads = framing.split(message)
        except FramingError:
            payloads = []
        if not payloads:
            self._main.send(message)
        with self._lock:
            for payload in payloads:
                self._send(payload)

    def _send(self, payload: str) -> None:
        command = None if framing.heartbeat(payload) else codec.decode_command(payload)
        if isinstance(command, QuoteAddSymbols) and len(command.names) > 1:
            # One by one, as some may be on the tape and others not.
            for name in command.names:
                self._send(codec.encode(QuoteAddSymbols([command.session, name])))
            return
        asked: SideConnection | None = None
        try:
            self._main.send(framing.packet(payload))
        except TapeMismatch as mismatch:
            asked = self._ask(payload, command)
            if asked is None:
                raise mismatch
        if command is not None and (asked is None or isinstance(command, ResolveSymbol)):
            self._prepare(payload, command, asked)

    def _ask(self, payload: str, command: object) -> SideConnection | None:
        """Asks those beside, and then one that is recorded; which of them takes it. None where nobody can answer that."""
        p = codec.parameters(payload)[1]
        if len(p) < 2:
            return None
        session, name = str(p[0]), str(p[1])
        if isinstance(command, CreateStudy):
            needed = (session, command.p.parent)
        elif isinstance(command, ResolveSymbol | CreateSeries | QuoteAddSymbols):
            needed = None
        else:
            needed = (session, name)
        for side in self._all_sides():
            if not side.ended and (needed is None or needed in side.asked) and self._asked(side, session, name, payload):
                return side
        if self._record is None or needed is not None:
            return None
        side = self._record()
        self._sides.append(side)
        self._asked(side, session, name, payload)
        return side

    def _all_sides(self) -> Iterator[SideConnection]:
        yield from list(self._sides)
        for side in self._known:
            self._sides.append(side)
            yield side

    def _asked(self, side: SideConnection, session: str, name: str, payload: str) -> bool:
        for each in ("", session):
            if each not in side.sessions:
                side.sessions.add(each)
                for prepared, command in self._prepared.get(each, []):
                    side.prepare(prepared, command)
        try:
            side.send(payload)
        except TapeMismatch:
            return False
        side.asked.add((session, name))
        side.silent.discard((session, name))
        return True

    def _prepare(self, payload: str, command: object, asked: SideConnection | None) -> None:
        """What asks for nothing, and the names of symbols, are for whoever has the session, now or later."""
        method, p = codec.parameters(payload)
        session = "" if method in _OF_THE_CONNECTION or not p else str(p[0])
        takes_back = method.startswith(("remove_", "quote_remove_"))
        if not takes_back and (isinstance(command, ResolveSymbol) or not isinstance(command, _QUESTIONS)):
            self._prepared.setdefault(session, []).append((payload, command))
        elif not takes_back:
            return
        for side in self._sides:
            has_it = not takes_back or any((session, str(name)) in side.asked for name in p[1:])
            if side is not asked and not side.ended and session in side.sessions and has_it:
                side.prepare(payload, command)

    # --- what it gets ---------------------------------------------------------------------------------------------------

    def recv(self, timeout: float | None = None) -> Received:
        limit = None if timeout is None else self._clock.now() + timeout
        while True:
            with self._lock:
                sides = [side for side in self._sides if not side.ended]
            if not sides:
                return self._of_main(limit)
            due = self._main.due
            received = self._of_sides(sides, due, limit)
            if received is not None:
                return received
            if self._closed.is_set():
                raise TransportClosed(1000, "closed by this side", by_this_side=True)
            now = self._clock.now()
            if due is not None and due <= now:
                # It may not concern the client, so no longer than for this one.
                with contextlib.suppress(TransportTimeout):
                    return self._of_main(now)
            elif limit is not None and limit <= now:
                raise TransportTimeout(f"nothing came before {limit:.3f}")

    def _of_main(self, until: float | None) -> Received:
        try:
            return self._main.recv(None if until is None else max(0.0, until - self._clock.now()))
        except TransportClosed:
            self._close_sides(1001, "the connection that this was beside has ended")
            raise

    def _of_sides(self, sides: Sequence[SideConnection], due: float | None, limit: float | None) -> Received | None:
        """Their earliest message that comes before what the played one has next, and before the limit.

        One that comes at that very moment waits: the client may have something to ask first. Only where no time is given, it gets
        what there is by now. None when the moment has come, or when one of them has ended.
        """
        until = min(inf if due is None else due, inf if limit is None else limit)
        now = self._clock.now()
        if until <= now and due != until:
            until = nextafter(now, inf)
        for side in sides:
            if not self._look(side, until):
                return None
        came = [(received.at, number) for number, side in enumerate(sides) if (received := side.waiting) is not None]
        at, number = min(came, default=(inf, 0))
        if now < min(at, until) < inf and self._clock.wait(self._closed, min(at, until) - now):
            return None
        if at >= until:
            return None
        received, sides[number].waiting = sides[number].waiting, None
        return received

    def _look(self, side: SideConnection, until: float) -> bool:
        """Takes the next message that is for the client, if one comes before that; False where the connection has ended."""
        played = side.transport if isinstance(side.transport, ReplayTransport) else None
        while side.waiting is None:
            wait = until - side.shift
            due = None if played is None else played.due
            if played is not None and due is None and self._main.due is not None:
                # It was recorded to here, and may hold what is asked yet.
                return True
            if due is not None:
                if due >= wait:
                    return True
                # No longer than for this one: the next may be the answer to what will only be asked then.
                wait = due
            try:
                text, at = side.transport.recv(None if wait == inf else max(0.0, wait - side.clock.now()))
            except TransportTimeout:
                if due is None:
                    return True
                # It was not for the client.
                continue
            except TransportClosed:
                side.ended = True
                return False
            kept = self._of_interest(side, text)
            if kept:
                side.waiting = Received(framing.join(kept), at + side.shift)
        return True

    def _of_interest(self, side: SideConnection, text: str) -> list[str]:
        kept = []
        for payload in framing.split(text):
            if framing.heartbeat(payload):
                side.send(payload)
                continue
            method, p = codec.parameters(payload)
            answers = method in ("symbol_resolved", "symbol_error") and tuple(p[:2]) in side.silent
            if method and not answers:
                kept.append(_SERVER_TIME.sub("", payload))
        return kept

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._closed.set()
        self._close_sides(code, reason)
        self._main.close(code, reason)

    def _close_sides(self, code: int, reason: str) -> None:
        with self._lock:
            sides = list(self._sides)
        for side in sides:
            side.ended = True
            side.transport.close(code, reason)
