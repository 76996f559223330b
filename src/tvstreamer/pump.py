"""One turn of the loop: send what is pending, wait for a message or a deadline, feed the core, take the events.

Nothing else. The same turn runs inline in the caller's thread, for tapes and memory, and in one reader thread for sockets.
A deadline that falls between two messages is handled at its own time, and before a message of the same time, however late
the thread gets to it: so a live run and its replay handle everything in the same order.

`Pump` drives a `ClientProtocol` over transports; `TapePump` plays a whole tape into one, sends included, without the
detour over message text.
"""

from __future__ import annotations

import contextlib
import logging
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

from tvstreamer.clock import Clock, VirtualClock
from tvstreamer.constants import STALL_CODE
from tvstreamer.errors import (
    AuthError,
    ConnectFailed,
    RemoteProtocolError,
    TapeError,
    TapeExhausted,
    TapeWriteError,
    TransportClosed,
    TransportError,
    TransportTimeout,
    TvError,
)
from tvstreamer.events import Event
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.reconnect import Backoff
from tvstreamer.tape.format import Decoded, Header, Record, moment
from tvstreamer.transports.base import Connector, Received, Tee, Transport

logger = logging.getLogger(__name__)

LONGEST = 3600.0
"""Seconds that a turn waits when nobody limits it; every wait has an end."""


_REASON = 100
"""Characters of an error that go into a close; its frame holds 123 bytes."""

BATCH = 64
"""Records that a tape at full speed plays in one turn."""


_Arrival = Received | TransportClosed | RemoteProtocolError | None


class EndOfStream(Exception):
    """The source has ended as it should: nothing more comes."""


class Turning(Protocol):
    """What drives a client: something that connects, gives events turn by turn, and can be closed."""

    protocol: ClientProtocol
    lock: threading.RLock

    def connect(self) -> None: ...

    def flush(self) -> None: ...

    def catch_up(self) -> None: ...

    def turn(self, longest: float = LONGEST) -> list[Event]: ...

    def close(self) -> None: ...


def fire(protocol: ClientProtocol, now: float) -> None:
    """Handles the deadlines up to `now`, each at its own time."""
    while (deadline := protocol.next_deadline()) is not None and deadline <= now:
        protocol.handle_deadline(deadline)


class Pump:
    """Drives a `ClientProtocol` over the connections that a connector gives, and over their ends.

    `lock` guards the protocol: `turn` may run in one thread while others, holding the lock, subscribe and `flush`.

    A connection that is lost, or given up because it has stalled or sends what cannot be read, is replaced as `backoff` says;
    without one the end of a connection is the end of the stream, and `turn` raises why. `more` tells whether the source has a
    further connection of its own accord, as a tape does, for what is subscribed.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        connector: Connector,
        clock: Clock,
        more: Callable[[Sequence[Subscription]], bool] | None = None,
        *,
        backoff: Backoff | None = None,
    ) -> None:
        self.protocol = protocol
        self.lock = threading.RLock()
        self.reached = clock.now()
        """The moment up to which everything has been handled."""
        self._connector = connector
        self._clock = clock
        self._more = more
        self._backoff = backoff
        self._transport: Transport | None = None
        self._tee: Tee | None = None
        """The transport where it is one that records."""
        self._retry_at: float | None = None
        self._trouble: TransportError | None = None
        """What the last connection, or the last attempt at one, came to."""
        self._closing = clock.event()
        self._end: Exception | None = None

    def connect(self) -> None:
        """Opens the next connection and greets. Raises what the connector raises."""
        transport = self._connector()
        opened_at = transport.info.opened_at
        with self.lock:
            self._transport = transport
            self._tee = transport if isinstance(transport, Tee) else None
            if self._tee is not None:
                self._tee.follow(lambda: self.reached)
            self._retry_at = None
            self.reached = max(self.reached, opened_at)
            if self._backoff is not None:
                self._backoff.connected(opened_at)
            self.protocol.connected(opened_at)
            self.flush()
        if self._closing.is_set():
            transport.close()

    def flush(self) -> None:
        """Sends what is pending, from whichever thread asks. Holds the lock, so that sends keep their order.

        What cannot be sent any more is dropped: a new connection begins with everything that is asked for.
        """
        with self.lock:
            if self._transport is not None:
                for message in self.protocol.messages_to_send():
                    # Whoever reads finds the end of the connection, behind what came before it. Each message is tried all
                    # the same: a recording holds what was asked for, also where it came too late.
                    with contextlib.suppress(TransportClosed):
                        self._transport.send(message)

    def catch_up(self) -> None:
        """Handles the deadlines up to now, from whichever thread asks.

        To be called before what is asked for changes: a tape has the moment of that, and its replay handles first what was due.
        """
        self._advance(self._clock.now())

    def turn(self, longest: float = LONGEST) -> list[Event]:
        """Waits for one message, one deadline or one attempt to connect, at most `longest` seconds, and gives the events that
        came of it.

        After the last events raises `EndOfStream` at the regular end, and else the error that says why it ended.
        """
        if self._end is not None:
            raise self._end
        transport = self._transport
        if transport is not None:
            self._work(transport, longest)
        elif self._retry_at is not None:
            self._try_again(self._retry_at, longest)
        else:
            raise EndOfStream
        with self.lock:
            if self.protocol.broken is not None and self._end is None:
                self._end = self.protocol.broken
                if self._transport is not None:
                    self._transport.close()
            return self.protocol.events()

    def _work(self, transport: Transport, longest: float) -> None:
        try:
            self.flush()
            arrived = self._arrival(transport, longest)
            with self.lock:
                self._handle(transport, arrived)
        except TapeWriteError as error:
            transport.close(1001)
            self._end = error

    def _arrival(self, transport: Transport, longest: float) -> _Arrival:
        """A message, the end of the connection, what cannot be read, or None where a deadline or `longest` comes first."""
        deadline = self.protocol.next_deadline()
        timeout = longest if deadline is None else min(longest, max(0.0, deadline - self._clock.now()))
        try:
            return transport.recv(timeout) if self._tee is None else self._tee.arrival(timeout)
        except TransportTimeout:
            return None
        except (TransportClosed, RemoteProtocolError) as error:
            return error

    def _handle(self, transport: Transport, arrived: _Arrival) -> None:
        """Handles what arrived, as one with its consequences: no other thread changes in between what is asked for."""
        if isinstance(arrived, TransportClosed):
            self._ended(arrived if self._tee is None else self._tee.keep_end(arrived))
            return
        try:
            if isinstance(arrived, RemoteProtocolError):
                raise arrived
            if arrived is None:
                self._advance(self._clock.now())
            else:
                self._receive(*arrived)
            self.flush()
            verdict = self.protocol.stalled
            if verdict is not None:
                self._replace(transport, STALL_CODE, verdict)
        except RemoteProtocolError as error:
            self._replace(transport, 1002, str(error)[:_REASON])
            if self._end is not None:
                self._end = error

    def _receive(self, text: str, at: float) -> None:
        if self._tee is not None:
            # Another thread may have changed what is asked for since the message arrived: the tape has both in the order, and at
            # the times, in which they are handled here.
            stamp = self._tee.keep(text, max(at, self.reached))
            if stamp is None:
                return
            at = stamp
        self._advance(at)
        self.protocol.receive(text, at)

    def _advance(self, now: float) -> None:
        with self.lock:
            fire(self.protocol, now)
            self.reached = max(self.reached, now)

    # --- ends and beginnings --------------------------------------------------------------------------------------

    def _replace(self, transport: Transport, code: int, reason: str) -> None:
        """Gives up a connection that is still open."""
        transport.close(code, reason)
        try:
            # A recording has written down when that was, to the nanosecond that a tape can hold, or that it was over before.
            transport.recv(0)
        except TransportClosed as closed:
            if self._tee is None:
                at = self.reached if closed.at is None else closed.at
                closed = TransportClosed(code, reason, at=at, by_this_side=True)
            self._ended(closed)

    def _ended(self, closed: TransportClosed) -> None:
        at = self.reached if closed.at is None and self._closing.is_set() else closed.at
        self._advance(self._clock.now() if at is None else at)
        # A recording knows who was first, as its replay has to.
        ours = closed.by_this_side or (self._closing.is_set() and self._tee is None)
        with self.lock:
            self._transport = None
            self.protocol.disconnected(self.reached, closed.reason, code=closed.code, by_us=ours)
        self._trouble = closed
        failure = self.protocol.failure
        if self._closing.is_set():
            self._end = EndOfStream()
        elif self._more is not None:
            if self._more(self.protocol.subscriptions):
                self.connect()
            else:
                self._finish(failure or EndOfStream())
        elif self._backoff is None or isinstance(failure, AuthError):
            self._finish(failure or closed)
        else:
            self._backoff.lost(self.reached)
            self._plan_attempt(self.reached, 0.0)

    def _plan_attempt(self, now: float, not_before: float) -> None:
        assert self._backoff is not None
        self._retry_at = self._backoff.next_attempt(now, not_before=not_before)
        if self._retry_at is None:
            self._finish(self._gave_up(self._backoff, now))
        else:
            logger.info("= attempt %d to connect, in %.1f s: %s", self._backoff.attempts, self._retry_at - now, self._trouble)

    def _try_again(self, moment: float, longest: float) -> None:
        clock = self._clock
        clock.wait(self._closing, min(longest, moment - clock.now()))
        if self._closing.is_set():
            self._end = EndOfStream()
        elif clock.now() >= moment:
            try:
                self.connect()
            except ConnectFailed as error:
                self._trouble = error
                if error.permanent:
                    self._finish(error)
                else:
                    self._plan_attempt(clock.now(), error.retry_after or 0.0)
            except TapeExhausted as error:
                self._finish(self._trouble or error)
            except TransportClosed as error:
                self._trouble = error
                self._plan_attempt(clock.now(), 0.0)

    def _gave_up(self, backoff: Backoff, now: float) -> TransportError:
        since = now - (now if backoff.lost_at is None else backoff.lost_at)
        effort = f"gave up after {backoff.attempts} attempts in {since:.0f} s"
        match self._trouble:
            case ConnectFailed(url=url, reason=reason, status=status):
                return ConnectFailed(url, f"{reason}; {effort}", status=status)
            case TransportClosed(code=code, reason=reason) if code != STALL_CODE:
                return TransportClosed(code, f"{reason}; {effort}" if reason else effort)
            case trouble:
                return TransportTimeout(f"{getattr(trouble, 'reason', trouble)}; {effort}")

    def _finish(self, end: Exception) -> None:
        self._end = end
        with self.lock:
            self.protocol.abandon(end if isinstance(end, TvError) else None)

    def close(self) -> None:
        """Ends the connection, from any thread; a turn that waits comes back."""
        self._closing.set()
        transport = self._transport
        if transport is not None:
            transport.close()


class TapePump:
    """Plays a tape open-loop: its own sends name the series, its own times drive the clock.

    `begin_ns` and `end_ns` are offsets from the tape's start: what lies before the first is played, for what it teaches,
    but its events are not given; what lies behind the second is not played at all. `copy` is handed each record played, as
    long as they are not decoded yet.
    """

    def __init__(
        self,
        protocol: ClientProtocol,
        header: Header,
        records: Iterator[Record] | Iterator[Decoded],
        clock: Clock,
        *,
        begin_ns: int = 0,
        end_ns: int | None = None,
        copy: Callable[[Record], None] | None = None,
    ) -> None:
        self.protocol = protocol
        self.lock = threading.RLock()
        self._start = header.start
        self._records = records
        self._clock = clock
        self._begin = begin_ns
        self._end_ns = end_ns
        self._copy = copy
        self._waiting: Record | Decoded | None = None
        self._closing = clock.event()
        self._now = -math.inf
        self._batch = BATCH if isinstance(clock, VirtualClock) else 1
        self._over = False
        self._failure: TvError | None = None

    def connect(self) -> None:
        """Nothing: the tape opens its connections itself."""

    def flush(self) -> None:
        """Nobody listens to what the client would send."""
        self.protocol.messages_to_send()

    def catch_up(self) -> None:
        """Nothing: the tape has its own moments."""

    def turn(self, longest: float = LONGEST) -> list[Event]:
        """Plays until there are events, or `longest` seconds of the clock are over.

        At full speed it plays a batch of records at a time; there is nobody who could tell the difference.
        """
        protocol = self.protocol
        limit = self._clock.now() + longest
        with self.lock:
            for _ in range(self._batch):
                if self._closing.is_set():
                    raise EndOfStream
                try:
                    record = self._waiting or next(self._records, None)
                except TapeError as error:
                    # What the records before it told comes first.
                    self._failure, self._over = error, True
                    break
                self._waiting = None
                if record is None or (self._end_ns is not None and record.t > self._end_ns):
                    self._over = True
                    break
                at = self._start + record.t / 1e9  # `moment`, without the call
                if at > self._now and not self._reach(record, at, limit):
                    break
                if isinstance(record, Record):
                    if self._copy is not None:
                        self._copy(record)
                    record = record.decoded(protocol.decode_reply)
                if record.k == "open":
                    # The run itself came over what was wrong with the connection before.
                    self._failure = None
                elif self._failure is not None and record.k not in ("close", "http"):
                    self._over = True
                    break
                try:
                    self._play(record, at)
                except RemoteProtocolError as error:
                    self._failure = error
                if protocol.broken is not None:
                    self._failure = protocol.broken
                    self._over = True
                    break
                if record.t < self._begin:
                    protocol.events()
            if isinstance(self._clock, VirtualClock) and self._now > -math.inf:
                self._clock.advance_to(self._now)
            events = protocol.events()
            protocol.messages_to_send()
        if not events and self._over:
            # Where the server had said why it hangs up, that is how the run ended.
            raise self._failure or protocol.failure or EndOfStream
        return events

    def _reach(self, record: Record | Decoded, at: float, limit: float) -> bool:
        """Lets the clock come to a record's time; False, and the record waits, where that would be too long."""
        if self._batch == 1 and not self._wait_for(record, min(at, limit)):
            return False
        self._now = at
        return True

    def _wait_for(self, record: Record | Decoded, until: float) -> bool:
        """Lets the clock come to the record's time; False where that would be too long."""
        self._clock.wait(self._closing, until - self._clock.now())
        if self._closing.is_set() or moment(self._start, record.t) > until:
            self._waiting = record
            return False
        return True

    def _play(self, record: Decoded, at: float) -> None:
        protocol = self.protocol
        if record.k == "recv":
            fire(protocol, at)
            if record.p is not None:
                protocol.receive_packets(record.p, at)
            else:
                protocol.receive(record.raw or "", at)
        elif record.k == "send":
            fire(protocol, at)
            for packet in record.p or ():
                protocol.adopt_packet(packet)
        elif record.k == "open":
            protocol.adopt_connection(at)
        elif record.k == "close":
            fire(protocol, at)
            protocol.disconnected(at, record.reason, code=record.code, by_us=record.by == "client")

    def close(self) -> None:
        """Ends the replay, from any thread."""
        self._closing.set()
