"""What drives a client: one turn after another, over the ends of connections and over a tape."""

from __future__ import annotations

import contextlib
import io
import json
import random
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from tvstreamer.clock import ScaledClock, VirtualClock
from tvstreamer.constants import STALL_CODE
from tvstreamer.errors import (
    AuthError,
    ConnectFailed,
    ContinuityError,
    FramingError,
    RemoteProtocolError,
    ServerError,
    TapeExhausted,
    TapeFormatError,
    TapeWriteError,
    TransportClosed,
    TransportTimeout,
    TvError,
)
from tvstreamer.events import Bar, Connected, Disconnected, Event, Gap, Notice, Stalled, Tick
from tvstreamer.intervals import Interval
from tvstreamer.protocol import framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.settings import Settings
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.protocol.watchdogs import Watchdogs
from tvstreamer.pump import EndOfStream, Pump, TapePump
from tvstreamer.reconnect import Backoff, ReconnectPolicy
from tvstreamer.tape.format import Header, PacketRecord, Record
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.scripted import ScriptedConnection
from tvstreamer.transports.base import Received, Transport, TransportInfo
from tvstreamer.transports.memory import ServedTransport
from tvstreamer.transports.record import RecordingTransport

START = 1_700_000_000.0
POLICY = ReconnectPolicy(initial=1.0, factor=2.0, maximum=8.0, jitter=0.0, stable=10.0)


def packet(method: str, *p: Any) -> str:
    return framing.packet(json.dumps({"m": method, "p": p}))


class Broken:
    """A transport with nothing behind it, whose `recv` raises always the same."""

    def __init__(self, error: Exception) -> None:
        self.error = error
        self.after_close = error
        self.closed: list[tuple[int, str]] = []
        self.info = TransportInfo("memory", "memory:", START)

    def send(self, message: str) -> None:
        raise TransportClosed(1006, "gone")

    def recv(self, timeout: float | None = None) -> Received:
        raise self.error

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.closed.append((code, reason))
        self.error = self.after_close


class Rig:
    """A pump on a virtual clock, and what its attempts to connect come to: one after the other."""

    def __init__(
        self, *steps: ScriptedConnection | Transport | Exception, policy: ReconnectPolicy | None = POLICY, **options: Any
    ) -> None:
        self.clock = VirtualClock(START)
        self.steps = list(steps)
        self.attempts: list[float] = []
        settings = options.pop("settings", Settings())
        self.protocol = ClientProtocol(rng=random.Random(1), settings=settings)
        backoff = None if policy is None else Backoff(policy, random.Random(1))
        self.pump = Pump(self.protocol, self.dial, self.clock, backoff=backoff, **options)

    def dial(self) -> Transport:
        self.attempts.append(self.clock.now() - START)
        step = self.steps.pop(0)
        if isinstance(step, Exception):
            raise step
        return ServedTransport(step, self.clock) if isinstance(step, ScriptedConnection) else step

    def run(self, turns: int = 50) -> tuple[list[Event], Exception | None]:
        """The events up to the end, and the end; None where it goes on."""
        events: list[Event] = []
        for _ in range(turns):
            try:
                events += self.pump.turn(20.0)
            except (EndOfStream, TvError) as end:
                return events, end
        return events, None


def server(*greeting: str, until: float | None = None, code: int = 1006, reason: str = "") -> ScriptedConnection:
    """One that hangs up at a time, in seconds since the start."""
    connection = ScriptedConnection(*greeting)
    if until is not None:
        connection.hang_up_at(START + until, code, reason)
    return connection


def started(rig: Rig) -> Rig:
    rig.pump.connect()
    return rig


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


# --- connections come and go ------------------------------------------------------------------------------------------


def test_a_lost_connection_is_replaced_after_the_delay() -> None:
    rig = started(Rig(server(until=5.0, reason="bye"), server()))
    events, end = rig.run()
    assert end is None
    assert rig.attempts == [0.0, 6.0]
    assert events == [
        Connected(START, 1), Disconnected(START + 5.0, 1, 1006, "bye"), Connected(START + 6.0, 2)
    ]  # fmt: skip


def test_everything_is_asked_for_on_the_new_connection() -> None:
    first, second = server(until=5.0), server()
    rig = Rig(first, second)
    rig.protocol.subscribe(Subscription("EX:SYM"))
    started(rig).run()
    asked = [[framing.split(text)[0] for text in heard(connection)] for connection in (first, second)]
    methods = [[json.loads(payload)["m"] for payload in each] for each in asked]
    assert methods[0] == methods[1] == [
        "set_auth_token", "set_locale", "quote_create_session", "quote_set_fields", "quote_add_symbols"
    ]  # fmt: skip


def test_what_is_asked_for_between_two_connections_is_asked_on_the_next() -> None:
    second = server()
    rig = started(Rig(server(until=5.0), second))
    rig.run(1)
    rig.protocol.subscribe(Subscription("EX:SYM"))
    rig.pump.flush()
    rig.run(2)
    assert "quote_add_symbols" in "".join(heard(second))


def heard(connection: ScriptedConnection) -> list[str]:
    texts: list[str] = []
    while not connection.heard.empty():
        text, _ = connection.heard.get()
        if isinstance(text, str):
            texts.append(text)
    return texts


def closed_with(connection: ScriptedConnection) -> int:
    while True:
        text, _ = connection.heard.get(timeout=5)
        if isinstance(text, TransportClosed):
            return text.code


def refused(**options: Any) -> ConnectFailed:
    return ConnectFailed("memory:", "refused", **options)


def test_attempts_that_fail_are_repeated_with_growing_delays() -> None:
    rig = started(Rig(server(until=5.0), refused(), TransportClosed(1006, "in the middle of it"), refused(), server()))
    events, end = rig.run()
    assert end is None
    assert rig.attempts == [0.0, 6.0, 8.0, 12.0, 20.0]
    assert kinds(events) == ["Connected", "Disconnected", "Connected"]


def test_a_server_that_says_when_to_come_back_is_obeyed() -> None:
    rig = started(Rig(server(until=5.0), refused(status=503, retry_after=100.0), server()))
    rig.run()
    assert rig.attempts == [0.0, 6.0, 106.0]


def test_a_turn_that_may_not_wait_for_the_next_attempt_comes_back_without_it() -> None:
    rig = started(Rig(server(until=5.0), server()))
    assert kinds(rig.pump.turn(20.0)) == ["Connected", "Disconnected"]
    assert rig.pump.turn(0.25) == []
    assert rig.attempts == [0.0]
    assert kinds(rig.pump.turn(20.0)) == ["Connected"]


def test_a_failure_that_lasts_ends_the_stream_at_once() -> None:
    failure = refused(status=403, permanent=True)
    rig = started(Rig(server(until=5.0), failure, server()))
    assert rig.run()[1] is failure
    assert rig.attempts == [0.0, 6.0]
    with pytest.raises(ConnectFailed):
        rig.pump.turn()


def test_the_first_attempt_is_the_callers() -> None:
    rig = Rig(refused(), server())
    with pytest.raises(ConnectFailed):
        rig.pump.connect()
    with pytest.raises(EndOfStream):
        rig.pump.turn()


def test_giving_up_tells_what_the_last_attempt_came_to_and_how_long_it_was_tried() -> None:
    policy = ReconnectPolicy(initial=1.0, factor=2.0, jitter=0.0, attempts=3)
    rig = started(Rig(server(until=5.0), *[refused(status=503) for _ in range(3)], policy=policy))
    _, end = rig.run()
    assert isinstance(end, ConnectFailed)
    assert str(end) == "cannot connect to memory:: refused; gave up after 3 attempts in 7 s"
    assert end.status == 503


@pytest.mark.parametrize(
    ("reason", "text"), [("bye", "bye; gave up after 1 attempts in 2 s"), ("", "gave up after 1 attempts in 2 s")]
)
def test_giving_up_connections_that_do_not_last_tells_how_they_end(reason: str, text: str) -> None:
    policy = ReconnectPolicy(initial=1.0, jitter=0.0, attempts=1)
    rig = started(Rig(server(until=5.0), server(until=7.0, code=1012, reason=reason), policy=policy))
    _, end = rig.run()
    assert isinstance(end, TransportClosed)
    assert (end.code, end.reason) == (1012, text)


def test_giving_up_connections_that_stall_is_a_timeout() -> None:
    policy = ReconnectPolicy(initial=1.0, jitter=0.0, attempts=1, stable=100.0)
    rig = started(Rig(server(), server(), policy=policy, settings=Settings(watchdogs=Watchdogs(bytes=25.0))))
    _, end = rig.run()
    assert isinstance(end, TransportTimeout)
    assert str(end) == "stalled: bytes for 25 s; gave up after 1 attempts in 26 s"


def test_what_is_waited_for_fails_when_there_will_be_no_other_connection() -> None:
    rig = started(Rig(server(until=5.0), refused(permanent=True)))
    request = rig.protocol.request_history("EX:SYM", Interval.parse("1"), 5)
    _, end = rig.run()
    assert request.error is end


def test_a_refused_token_is_not_offered_again() -> None:
    refusal = packet("protocol_error", "bad auth token")
    rig = started(Rig(server(refusal, until=5.0), server()))
    events, end = rig.run()
    assert isinstance(end, AuthError)
    assert kinds(events) == ["Connected", "Notice", "Disconnected"]
    assert rig.attempts == [0.0]


def test_another_error_of_the_server_is_a_loss_like_any() -> None:
    rig = started(Rig(server(packet("protocol_error", "wrong data"), until=5.0), server()))
    events, end = rig.run()
    assert end is None
    assert [type(event) for event in events] == [Connected, Notice, Disconnected, Connected]


@pytest.mark.parametrize(("reason", "kind"), [("wrong data", ServerError), (None, TransportClosed)])
def test_without_reconnect_the_end_of_the_connection_is_that_of_the_stream(reason: str | None, kind: type) -> None:
    greeting = [] if reason is None else [packet("protocol_error", reason)]
    rig = started(Rig(server(*greeting, until=5.0, code=1001), policy=None))
    events, end = rig.run()
    assert type(end) is kind
    assert isinstance(events[-1], Disconnected)


def test_what_cannot_be_read_costs_the_connection() -> None:
    first = server("~m~9~m~x")
    rig = started(Rig(first, server()))
    events, end = rig.run()
    assert end is None
    assert kinds(events) == ["Connected", "Disconnected", "Connected"]
    assert isinstance(events[1], Disconnected)
    assert events[1].code == closed_with(first) == 1002
    assert "broken framing" in events[1].reason


def test_what_a_transport_itself_cannot_read_costs_the_connection_too() -> None:
    first = Broken(RemoteProtocolError("no message of ours"))
    first.after_close = TransportClosed(1000, "closed by this side", by_this_side=True)
    rig = started(Rig(first, server()))
    events, end = rig.run()
    assert end is None
    assert kinds(events) == ["Connected", "Disconnected", "Connected"]
    assert first.closed == [(1002, "no message of ours")]


def test_without_reconnect_what_cannot_be_read_ends_the_stream() -> None:
    rig = started(Rig(server("~m~9~m~x"), policy=None))
    assert isinstance(rig.run()[1], FramingError)


def test_a_stall_costs_the_connection() -> None:
    first = server()
    rig = started(Rig(first, server(), settings=Settings(watchdogs=Watchdogs(bytes=25.0))))
    events, _ = rig.run(4)
    assert events[1:3] == [
        Stalled(START + 25.0, 1, "bytes", 25.0), Disconnected(START + 25.0, 1, STALL_CODE, "stalled: bytes for 25 s")
    ]  # fmt: skip
    assert closed_with(first) == STALL_CODE
    assert rig.attempts == [0.0, 26.0]


def test_a_gap_that_ends_the_stream_closes_the_connection() -> None:
    second = server()
    rig = Rig(server(until=5.0), second, settings=Settings(on_gap="raise"))
    started(rig).run(5)
    rig.protocol.broken = ContinuityError("missed")
    assert rig.run()[1] is rig.protocol.broken
    assert closed_with(second) == 1000


def test_a_gap_that_ends_the_stream_does_so_without_a_connection_too() -> None:
    rig = started(Rig(server(until=5.0), server()))
    rig.run(1)
    rig.protocol.broken = ContinuityError("missed")
    with pytest.raises(ContinuityError):
        for _ in range(2):
            rig.pump.turn(0.25)
    assert rig.attempts == [0.0]


def test_a_source_that_is_exhausted_ends_the_stream_as_its_last_connection_did() -> None:
    rig = started(Rig(server(until=5.0, code=1001), TapeExhausted("no more")))
    _, end = rig.run()
    assert isinstance(end, TransportClosed)
    assert end.code == 1001


def test_a_tape_that_cannot_be_written_ends_the_stream() -> None:
    full = Broken(TapeWriteError("disk full"))
    rig = started(Rig(full, server()))
    assert rig.run()[1] is full.error
    assert full.closed == [(1001, "")]
    assert rig.attempts == [0.0]


def test_a_source_that_has_another_connection_needs_no_delay() -> None:
    more = iter([True, False])
    rig = started(Rig(server(until=5.0), server(until=7.0), more=lambda _: next(more)))
    events, end = rig.run()
    assert isinstance(end, EndOfStream)
    assert rig.attempts == [0.0, 5.0]
    assert kinds(events) == ["Connected", "Disconnected", "Connected", "Disconnected"]


def test_a_source_is_asked_for_another_connection_by_what_is_subscribed_by_then() -> None:
    asked: list[list[str]] = []
    rig = Rig(server(until=5.0), more=lambda wanted: asked.append([each.symbol for each in wanted]))
    for symbol in ("T:A", "T:B"):
        rig.protocol.subscribe(Subscription(symbol))
    started(rig)
    rig.protocol.unsubscribe(Subscription("T:A"))
    assert isinstance(rig.run()[1], EndOfStream)
    assert asked == [["T:B"]]


def test_the_last_connection_of_a_source_may_end_with_the_servers_error() -> None:
    rig = started(Rig(server(packet("protocol_error", "bad auth token"), until=5.0), more=lambda _: False))
    assert isinstance(rig.run()[1], AuthError)


def test_the_source_says_when_and_by_whom_a_connection_ended() -> None:
    ended = Broken(TransportClosed(1000, "done", at=START + 3.0, by_this_side=True))
    rig = started(Rig(ended, more=lambda _: False))
    events, end = rig.run()
    assert isinstance(end, EndOfStream)
    assert events == [Connected(START, 1)], "the client closed it when it was recorded"
    assert rig.pump.reached == START + 3.0


# --- close ------------------------------------------------------------------------------------------------------------


def test_closing_ends_the_stream_without_a_loss() -> None:
    first = server()
    rig = started(Rig(first))
    rig.pump.close()
    events, end = rig.run()
    assert isinstance(end, EndOfStream)
    assert events == [Connected(START, 1)]
    assert closed_with(first) == 1000


def test_closing_ends_the_wait_for_the_next_attempt() -> None:
    rig = started(Rig(server(until=5.0), server()))
    rig.run(1)
    rig.pump.close()
    assert isinstance(rig.run()[1], EndOfStream)
    assert rig.attempts == [0.0]


def test_a_connection_that_comes_about_while_closing_is_closed() -> None:
    late = server()
    rig = Rig(late)
    rig.pump.close()
    assert isinstance(started(rig).run()[1], EndOfStream)
    assert closed_with(late) == 1000


def test_what_is_asked_for_on_a_dead_connection_is_dropped() -> None:
    rig = started(Rig(Broken(TransportClosed(1006, "gone")), server()))
    rig.protocol.subscribe(Subscription("EX:SYM"))
    rig.pump.flush()
    assert rig.protocol.messages_to_send() == []


# --- one turn ---------------------------------------------------------------------------------------------------------


def test_a_turn_without_anything_takes_as_long_as_it_may() -> None:
    rig = started(Rig(server()))
    rig.pump.turn(7.0)
    assert rig.clock.now() == START + 7.0
    assert rig.pump.reached == START + 7.0


def test_a_deadline_comes_at_its_time_and_before_a_message_of_that_time() -> None:
    connection = server(packet_timed("series_loading", 0))
    rig = Rig(connection)
    rig.protocol.subscribe(Subscription("EX:SYM", "1", ticks=False))
    started(rig)
    rig.run(2)
    create = next(json.loads(framing.split(text)[0]) for text in heard(connection) if "create_series" in text)
    cs, series = create["p"][:2]
    rows = {series: {"s": [{"i": 0, "v": [START - 20.0, 1.0, 1.0, 1.0, 1.0]}], "t": "s1"}}
    connection.say(
        framing.packet(json.dumps({"m": "timescale_update", "p": [cs, rows, {}], "t_ms": round(rig.clock.now() * 1000)})),
        packet("series_completed", cs, series, "streaming", "s1", {}),
    )
    rig.run(2)
    due = rig.protocol.next_deadline()
    assert due == START + 42.0, "40 s until the bar ends, and 2 s grace"
    connection.say_at(due, packet("du", cs, {series: {"s": [{"i": 0, "v": [START - 20.0, 1.0, 2.0, 1.0, 2.0]}], "t": "s1"}}))
    events, _ = rig.run(6)
    assert [(event.close, event.closed_by, event.revision) for event in events if isinstance(event, Bar)] == [
        (1.0, "time", 0), (2.0, "time", 1)
    ]  # fmt: skip


def test_what_is_due_comes_before_what_is_asked_for_changes() -> None:
    connection = server()
    rig = Rig(connection)
    pair = Subscription("EX:SYM", "1", ticks=False)
    rig.protocol.subscribe(pair)
    started(rig)
    create = next(json.loads(framing.split(text)[0]) for text in heard(connection) if "create_series" in text)
    cs, series = create["p"][:2]
    rows = {series: {"s": [{"i": 0, "v": [START - 20.0, 1.0, 1.0, 1.0, 1.0]}], "t": "s1"}}
    connection.say(
        framing.packet(json.dumps({"m": "timescale_update", "p": [cs, rows, {}], "t_ms": round(START * 1000)})),
        packet("series_completed", cs, series, "streaming", "s1", {}),
    )
    rig.run(2)
    rig.clock.advance(60.0)
    rig.pump.catch_up()
    rig.protocol.unsubscribe(pair)
    assert rig.pump.reached == rig.clock.now()
    assert [event.closed_by for event in rig.pump.turn(0) if isinstance(event, Bar)] == ["time"]


def packet_timed(method: str, t_ms: int) -> str:
    return framing.packet(json.dumps({"m": method, "p": ["cs", "s", "s1"], "t_ms": t_ms}))


# --- a recording, while other threads ask for something -----------------------------------------------------------------


class Between:
    """A transport with messages that wait, and an end; `meanwhile` happens between the arrival of one and its handling."""

    def __init__(self, *messages: tuple[float, str]) -> None:
        self.messages = list(messages)
        self.meanwhile: Callable[[], object] = lambda: None
        self.end = TransportClosed(4000, "gone")
        self.info = TransportInfo("memory", "memory:", START)

    def send(self, message: str) -> None:
        pass

    def recv(self, timeout: float | None = None) -> Received:
        if not self.messages:
            self.meanwhile()
            raise self.end
        seconds, text = self.messages.pop(0)
        self.meanwhile()
        return Received(text, START + seconds)

    def close(self, code: int = 1000, reason: str = "") -> None:
        pass


class Disk(io.BytesIO):
    """A file that says what is written to it, and whose bytes outlive its close."""

    written: Callable[[bytes], object] = staticmethod(lambda data: None)

    def write(self, data: Any, /) -> int:
        self.written(data)
        return super().write(data)

    def close(self) -> None:
        pass


class ClosedBehind(RecordingTransport):
    """A recorder that another thread closes when what has just come is written down."""

    close_outside: Callable[[], None]

    def keep(self, text: str, at: float) -> float | None:
        stamp = super().keep(text, at)
        self.close_outside()
        return stamp

    def keep_end(self, closed: TransportClosed) -> TransportClosed:
        end = super().keep_end(closed)
        self.close_outside()
        return end


class Recorded:
    """A pump over a connection that is recorded, record by record."""

    def __init__(self, connection: Between, *, closed_behind: bool = False) -> None:
        self.clock = VirtualClock(START)
        self.disk = Disk()
        self.writer = TapeWriter(self.disk, Header(start=START), redactor=Redactor(key=b"k" * 32), flush_every=1)
        self.connection = connection
        self.recorder = ClosedBehind if closed_behind else RecordingTransport
        self.pump = Pump(ClientProtocol(rng=random.Random(1)), self.connect, self.clock)

    def connect(self) -> Transport:
        transport = self.recorder(self.connection, self.writer, 1, now=self.clock.now)
        if isinstance(transport, ClosedBehind):
            transport.close_outside = self.pump.close
        return transport

    def run(self) -> list[Event]:
        events: list[Event] = []
        with contextlib.suppress(EndOfStream, TvError):
            while True:
                events += self.pump.turn(0)
        self.writer.finish()
        return events

    def tape(self) -> TapeReader:
        return TapeReader(io.BytesIO(self.disk.getvalue()))

    def replayed(self) -> list[Event]:
        reader = self.tape()
        return play(TapePump(ClientProtocol(rng=random.Random(2)), reader.header, iter(reader), VirtualClock(START)))[0]


@pytest.mark.parametrize(
    ("message", "kinds"), [("~m~4~m~~h~1", ["recv", "close"]), ("~m~9~m~x", ["recv", "close"]), (None, ["close"])]
)
def test_what_arrives_is_written_down_when_nobody_can_change_what_is_asked_for_before_it_is_handled(
    message: str | None, kinds: list[str]
) -> None:
    rig = Recorded(Between(*[] if message is None else [(1.0, message)]))
    rig.pump.connect()
    free: list[tuple[str, bool]] = []

    def probe(kind: str) -> None:
        has = rig.pump.lock.acquire(blocking=False)
        free.append((kind, has))
        if has:
            rig.pump.lock.release()

    def look(data: bytes) -> None:
        for kind in ("recv", "close"):
            if f'"k":"{kind}"'.encode() in data:
                thread = threading.Thread(target=probe, args=(kind,))
                thread.start()
                thread.join()

    rig.disk.written = look
    rig.run()
    assert free == [(kind, False) for kind in kinds]


def test_what_comes_while_another_thread_handles_what_is_due_comes_behind_that_on_the_tape_too() -> None:
    connection = Between()
    rig = Recorded(connection)
    rig.pump.protocol.subscribe(Subscription("EX:SYM", "1"))
    rig.pump.connect()
    create = next(payload for record in rig.tape() for payload in record.payloads() if "create_series" in payload)
    cs, series = json.loads(create)["p"][:2]

    def rows(method: str, close: float, *more: Any, **times: Any) -> str:
        data = {series: {"s": [{"i": 0, "v": [START - 20.0, 1.0, close, 1.0, close]}], "t": "s1"}}
        return framing.packet(json.dumps({"m": method, "p": [cs, data, *more], **times}))

    snapshot = rows("timescale_update", 1.0, {}, t_ms=round(START * 1000))
    completed = packet("series_completed", cs, series, "streaming", "s1", {})
    connection.messages = [(0.0, snapshot), (0.0, completed), (39.0, rows("du", 2.0))]
    live = rig.pump.turn(0) + rig.pump.turn(0)

    def meanwhile() -> None:
        rig.clock.advance(50.0)
        rig.pump.catch_up()

    connection.meanwhile = meanwhile
    live += rig.run()
    bars = [(event.close, event.closed_by) for event in live if isinstance(event, Bar)]
    assert bars[:2] == [(1.0, None), (1.0, "time")], "it was closed before the last message was handled"
    assert rig.replayed() == live


def test_an_end_that_another_thread_was_before_is_the_end_that_it_made() -> None:
    connection = Between()
    rig = Recorded(connection)
    rig.pump.connect()
    connection.meanwhile = rig.pump.close
    assert rig.run() == rig.replayed() == [Connected(START, 1)]


def test_whoever_closes_behind_the_servers_end_is_told_of_that() -> None:
    connection = Between()
    connection.end = TransportClosed(1000, "bye")
    rig = Recorded(connection, closed_behind=True)
    rig.pump.connect()
    assert rig.run() == rig.replayed() == [Connected(START, 1), Disconnected(START, 1, 1000, "bye")]


def test_a_connection_that_cannot_be_read_and_is_closed_meanwhile_is_not_lost() -> None:
    rig = Recorded(Between((1.0, "~m~9~m~x")), closed_behind=True)
    rig.pump.connect()
    assert rig.run() == rig.replayed() == [Connected(START, 1)]


def test_a_message_that_came_too_late_for_the_tape_is_not_handled() -> None:
    connection = Between((1.0, "~m~4~m~~h~1"))
    rig = Recorded(connection)
    rig.pump.connect()
    connection.meanwhile = rig.pump.close
    rig.run()
    assert rig.pump.protocol.statistics().messages == 0
    assert [record.k for record in rig.tape() if record.k != "send"] == ["open", "close"]


# --- a tape, played whole ---------------------------------------------------------------------------------------------


def record(seconds: float, k: Any, *packets: str, c: int = 1, **more: Any) -> Record:
    payloads = [msgspec.Raw(payload.encode()) for text in packets for payload in framing.split(text)]
    return Record(round(seconds * 1e9), c, k, p=payloads or None, **more)


QUOTES = [packet("quote_create_session", "qs_ticks_a"), packet("quote_add_symbols", "qs_ticks_a", "EX:SYM")]


def price(value: float) -> str:
    return packet("qsd", "qs_ticks_a", {"n": "EX:SYM", "s": "ok", "v": {"lp": value}})


def opening(seconds: float, c: int = 1) -> list[Record]:
    return [record(seconds, "open", c=c, url="memory:"), record(seconds, "send", *QUOTES, c=c)]


def player(*records: Record, clock: Any = None, **options: Any) -> TapePump:
    return TapePump(
        ClientProtocol(rng=random.Random(1), settings=options.pop("settings", Settings())),
        Header(start=START),
        iter(records),
        clock or VirtualClock(START),
        **options,
    )


def play(pump: TapePump) -> tuple[list[Event], Exception]:
    events: list[Event] = []
    for _ in range(1000):
        try:
            events += pump.turn()
        except (EndOfStream, TvError) as end:
            return events, end
    raise AssertionError("it never ends")


def test_a_tape_is_played_to_its_end() -> None:
    pump = player(*opening(0), record(1, "recv", price(1.5)), record(2, "close", by="client", code=1000))
    pump.connect()
    pump.flush()
    events, end = play(pump)
    assert events == [Connected(START, 1), Tick("EX:SYM", START + 1, 1.5, None)]
    assert isinstance(end, EndOfStream)
    with pytest.raises(EndOfStream):
        pump.turn()


def test_what_was_due_on_a_tape_comes_before_what_was_asked_for_then() -> None:
    asked = [
        packet("chart_create_session", "cs_1", ""),
        packet("resolve_symbol", "cs_1", "sym", "EX:SYM"),
        packet("create_series", "cs_1", "sds_1", "s1", "sym", "1", 300, ""),
    ]
    rows = {"sds_1": {"s": [{"i": 0, "v": [START - 20.0, 1.0, 1.0, 1.0, 1.0]}], "t": "s1"}}
    snapshot = framing.packet(json.dumps({"m": "timescale_update", "p": ["cs_1", rows, {}], "t_ms": round(START * 1000)}))
    pump = player(
        *opening(0),
        record(0, "send", *asked),
        record(0, "recv", snapshot, packet("series_completed", "cs_1", "sds_1", "streaming", "s1", {})),
        record(42, "send", packet("chart_delete_session", "cs_1")),
    )
    pump.connect()
    pump.catch_up()
    events, _ = play(pump)
    assert [event.closed_by for event in events if isinstance(event, Bar)] == [None, "time"]


def test_a_tape_of_several_connections_tells_their_losses() -> None:
    events, _ = play(player(
        *opening(0), record(1, "recv", price(1.5)), record(2, "close", code=1006, reason="gone", by="server"),
        *opening(5, c=2), record(6, "recv", price(1.6), c=2),
    ))  # fmt: skip
    assert kinds(events) == ["Connected", "Tick", "Disconnected", "Connected", "Gap", "Tick", "Reconnected"]
    assert Gap("EX:SYM", None, START + 1, START + 5, "disconnected", None) in events


def test_a_framing_error_that_the_run_came_over_is_no_end() -> None:
    events, end = play(player(
        *opening(0), record(1, "recv", raw="~m~9~m~x"), record(1, "close", code=1002, reason="broken framing", by="client"),
        *opening(2, c=2), record(3, "recv", price(1.6), c=2),
    ))  # fmt: skip
    assert isinstance(end, EndOfStream)
    assert kinds(events)[:3] == ["Connected", "Disconnected", "Connected"]
    assert Tick("EX:SYM", START + 3, 1.6, None) in events


def test_a_framing_error_that_the_run_did_not_come_over_is_its_end() -> None:
    events, end = play(player(*opening(0), record(1, "recv", raw="~m~9~m~x"), record(2, "recv", price(1.5))))
    assert isinstance(end, FramingError)
    assert kinds(events) == ["Connected"]


def test_what_a_tape_tells_before_a_line_that_is_broken_comes_before_the_error() -> None:
    def records() -> Iterator[Record]:
        yield from [*opening(0), record(1, "recv", price(1.5))]
        raise TapeFormatError("not a record", path="tape", line=5)

    pump = TapePump(ClientProtocol(rng=random.Random(1)), Header(start=START), records(), VirtualClock(START))
    events, end = play(pump)
    assert kinds(events) == ["Connected", "Tick"]
    assert isinstance(end, TapeFormatError)
    with pytest.raises(TapeFormatError):
        pump.turn()


def test_a_raw_message_is_framed_like_any_other() -> None:
    events, _ = play(player(*opening(0), record(1, "recv", raw=price(1.5))))
    assert events[1:] == [Tick("EX:SYM", START + 1, 1.5, None)]


def test_sends_that_are_kept_raw_and_notes_mean_nothing() -> None:
    between = [record(1, "send", raw="~m~9~m~x"), record(1, "note", note="a")]
    events, _ = play(player(*opening(0), *between, record(2, "recv", price(1.5))))
    assert kinds(events) == ["Connected", "Tick"]


def test_what_lies_before_the_begin_is_learned_from_and_not_told() -> None:
    records = [*opening(0), record(1, "recv", price(1.5)), record(2, "recv", price(1.6)), record(3, "recv", price(1.7))]
    events, _ = play(player(*records, begin_ns=2 * 10**9, end_ns=2 * 10**9))
    assert events == [Tick("EX:SYM", START + 2, 1.6, None)]


def test_each_record_that_is_played_is_handed_to_the_copy() -> None:
    copied: list[Record] = []
    records = [*opening(0), record(1, "recv", price(1.5)), record(3, "recv", price(1.6))]
    play(player(*records, copy=copied.append, end_ns=2 * 10**9))
    assert copied == records[:3]


def test_records_may_come_decoded() -> None:
    records: list[PacketRecord] = [each.decoded() for each in [*opening(0), record(1, "recv", price(1.5))]]
    pump = TapePump(ClientProtocol(rng=random.Random(1)), Header(start=START), iter(records), VirtualClock(START))
    assert kinds(play(pump)[0]) == ["Connected", "Tick"]


def test_a_gap_that_ends_the_stream_ends_a_tape_too() -> None:
    def rows(*times: float) -> str:
        data = [{"i": i, "v": [time, 1.0, 1.0, 1.0, 1.0]} for i, time in enumerate(times)]
        return packet("timescale_update", "cs_a", {"s1": {"s": data, "t": "t"}}, {})

    chart = [
        packet("chart_create_session", "cs_a", ""), packet("resolve_symbol", "cs_a", "y", "EX:SYM"),
        packet("create_series", "cs_a", "s1", "t", "y", "1", 300, ""),
    ]  # fmt: skip
    done = packet("series_completed", "cs_a", "s1", "streaming", "t", {})
    records = [
        record(0, "open"), record(0, "send", *chart), record(1, "recv", rows(0), done), record(2, "close", by="server"),
        record(3, "open", c=2), record(3, "send", *chart, c=2), record(4, "recv", rows(0, 60, 120), done, c=2),
        record(5, "recv", rows(180), c=2),
    ]  # fmt: skip
    events, end = play(player(*records, settings=Settings(on_gap="raise")))
    assert isinstance(end, ContinuityError)
    assert 180.0 not in [event.time for event in events if isinstance(event, Bar)]


def test_a_tape_moves_its_clock() -> None:
    clock = VirtualClock(START)
    play(player(*opening(0), record(90, "recv", price(1.5)), clock=clock))
    assert clock.now() == START + 90


def test_a_paced_tape_waits_for_each_record_and_no_longer_than_a_turn() -> None:
    clock = ScaledClock(1000.0)
    pump = TapePump(
        ClientProtocol(rng=random.Random(1)),
        Header(start=clock.now()),
        iter([*opening(0), record(50, "recv", price(1.5)), record(100_000, "recv", price(1.6))]),
        clock,
    )
    events: list[Event] = []
    while len(events) < 2:
        events += pump.turn(10.0)
    assert kinds(events) == ["Connected", "Tick"]
    assert pump.turn(10.0) == [], "the last one is far away"
    threading.Timer(0.05, pump.close).start()
    with pytest.raises(EndOfStream):
        for _ in range(1000):
            pump.turn(50_000.0)


def test_an_exchange_says_nothing_of_a_connection() -> None:
    page = record(1.5, "http", c=0, http={})
    events, end = play(player(
        page, *opening(0), record(1, "recv", raw="~m~9~m~x"), record(1, "close", code=1002, reason="broken framing", by="client"),
        page, *opening(2, c=2), record(3, "recv", price(1.6), c=2), page,
    ))  # fmt: skip
    assert isinstance(end, EndOfStream)
    assert kinds(events)[:3] == ["Connected", "Disconnected", "Connected"]
    broken = player(*opening(0), record(1, "recv", raw="~m~9~m~x"), page, record(2, "recv", price(1.5)))
    assert isinstance(play(broken)[1], FramingError)
