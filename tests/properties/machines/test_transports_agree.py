"""A fake server in memory, one on a port, and a replay of what was just recorded: asked alike, they answer alike."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from tvstreamer.clock import ScaledClock, SystemClock, VirtualClock
from tvstreamer.errors import TransportClosed, TransportTimeout
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import (
    ChartCreateSession,
    ChartDeleteSession,
    Command,
    CreateSeries,
    Heartbeat,
    QuoteAddSymbols,
    QuoteCreateSession,
    QuoteDeleteSession,
    QuoteRemoveSymbols,
    RemoveSeries,
    ResolveSymbol,
)
from tvstreamer.server.fake import FakeServer
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.transports.base import Received, Transport
from tvstreamer.transports.record import recording
from tvstreamer.transports.replay import ReplayConnector
from tvstreamer.transports.websocket_client import connect

START = 1_700_000_040.0
PATIENCE = 20.0
"""Real seconds after which something that ought to come counts as not coming."""
LONG = 1e6
"""Longer than anything takes on a tape."""
BY_HAND, BY_ITSELF, UNKNOWN, UNHEARD = "TEST:HAND", "TEST:AUTO", "XXXX:NOPE", "TEST:ELSE"
symbols = st.sampled_from([BY_HAND, BY_ITSELF, UNKNOWN])


class SharedClock(ScaledClock):
    """Time passes while somebody in memory waits; the server on the port, for which it practically stands, sees it pass."""

    def __init__(self) -> None:
        super().__init__(1e-9)
        self.moment = START

    def now(self) -> float:
        return self.moment

    def wait(self, event: threading.Event, timeout: float) -> bool:
        self.moment += timeout
        return event.is_set()


class Connection:
    """What went over one connection, in order: what was sent, and what came when."""

    def __init__(self) -> None:
        self.traffic: list[str | Received] = []
        self.quotes: list[str] = []
        self.series: list[tuple[str, str]] = []
        self.unechoed: list[str] = []
        self.ending: tuple[int, str] | None = None


class TransportsAgree(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.tape = Path(self.folder.name, "tape.jsonl")
        self.clock = SharedClock()
        self.servers: list[FakeServer] = []
        self.redactor = Redactor(key=b"k" * 32)
        self.writer = TapeWriter(self.tape, Header(start=START), redactor=self.redactor)
        self.connector = recording(self.connect_in_memory, self.writer, now=self.clock.now)
        self.number = 0
        self.connections: list[Connection] = []
        self.agreed = False
        self.open()

    def open(self) -> None:
        # New servers: one with several clients on its port tells them one after the other, which takes time.
        self.close()
        self.servers = [FakeServer(seed=1, clock=self.clock, reply_delay=0) for _ in range(2)]
        for server in self.servers:
            server.market.bars(BY_HAND, "1", [[START - 60, 1, 2, 0.5, 1.5, 10]])
        self.memory = self.connector()
        self.socket = connect(self.servers[1].url, clock=SystemClock())
        self.connections.append(Connection())
        self.compare()
        self.probe = self.new("cs")
        self.ask(ChartCreateSession(ChartCreateSession.Params(self.probe)))

    def connect_in_memory(self) -> Transport:
        return self.servers[0].connect()

    def close(self) -> None:
        """Ends what there is. The client says goodbye first, or the server would wait for its answer."""
        if self.servers:
            self.memory.close()
            self.socket.close()
        for server in self.servers:
            server.close()

    @property
    def connection(self) -> Connection:
        return self.connections[-1]

    def new(self, kind: str) -> str:
        """An id; a replay uses the same with another middle."""
        self.number += 1
        return f"{kind}_LIVE{self.number}"

    def ask(self, *commands: Command | Heartbeat) -> None:
        # The last command has an answer on any server. So when that is there, all of them have been carried out.
        probe = ResolveSymbol(ResolveSymbol.Params(self.probe, self.new("a"), UNKNOWN))
        self.send(framing.join([codec.encode(command) for command in (*commands, probe)]))
        self.compare()

    def send(self, message: str) -> None:
        self.agreed = False
        self.connection.traffic.append(message)
        self.memory.send(message)
        self.socket.send(message)

    def compare(self) -> None:
        """What there is in memory comes over the socket too."""
        self.agreed = False
        while (message := self.next_in_memory(0)) is not None:
            self.take(message)
        self.agreed = True

    def pass_time(self, seconds: float) -> None:
        """One message after the other: what is due at one moment has been said before the next moment comes."""
        self.agreed = False
        connection, until = self.connection, self.clock.now() + seconds
        while (message := self.next_in_memory(until - self.clock.now())) is not None:
            # Whatever is done to the server on the port makes it look at the time.
            self.servers[1].market.tick(UNHEARD, 1.0)
            self.take(message)
        self.agreed = True
        if connection.ending is None:
            self.ask()

    def next_in_memory(self, timeout: float) -> Received | None:
        """None where nothing comes in time, and where the connection has ended, which then is a new one."""
        try:
            return self.memory.recv(max(0, timeout))
        except TransportTimeout:
            return None
        except TransportClosed as closed:
            self.servers[1].market.tick(UNHEARD, 1.0)
            with pytest.raises(TransportClosed) as told:
                self.socket.recv(PATIENCE)
            self.connection.ending = (closed.code, closed.reason)
            assert (told.value.code, told.value.reason) == self.connection.ending
            self.open()
            return None

    def take(self, message: Received) -> None:
        assert self.socket.recv(PATIENCE).text == message.text
        self.connection.traffic.append(message)
        self.connection.unechoed += filter(framing.heartbeat, framing.split(message.text))

    # --- what may happen

    @rule(symbol=symbols)
    def follow_quotes(self, symbol: str) -> None:
        session = self.new("qs")
        self.connection.quotes.append(session)
        self.ask(QuoteCreateSession(QuoteCreateSession.Params(session)), QuoteAddSymbols([session, symbol]))

    @precondition(lambda self: self.connection.quotes)
    @rule(data=st.data(), symbol=symbols, command=st.sampled_from([QuoteAddSymbols, QuoteRemoveSymbols]))
    def change_quotes(self, data: st.DataObject, symbol: str, command: type[QuoteAddSymbols | QuoteRemoveSymbols]) -> None:
        self.ask(command([data.draw(st.sampled_from(self.connection.quotes)), symbol]))

    @precondition(lambda self: self.connection.quotes)
    @rule(data=st.data())
    def end_quotes(self, data: st.DataObject) -> None:
        session = data.draw(st.sampled_from(self.connection.quotes))
        self.connection.quotes.remove(session)
        self.ask(QuoteDeleteSession(QuoteDeleteSession.Params(session)))

    @rule(symbol=symbols, interval=st.sampled_from(["1", "5", "1D"]), bars=st.integers(1, 5))
    def follow_bars(self, symbol: str, interval: str, bars: int) -> None:
        session, alias, series, turnaround = self.new("cs"), self.new("a"), self.new("sds"), self.new("s")
        self.connection.series.append((session, series))
        self.ask(
            ChartCreateSession(ChartCreateSession.Params(session)),
            ResolveSymbol(ResolveSymbol.Params(session, alias, symbol)),
            CreateSeries(CreateSeries.Params(session, series, turnaround, alias, interval, bars)),
        )

    @precondition(lambda self: self.connection.series)
    @rule(data=st.data(), whole_session=st.booleans())
    def end_bars(self, data: st.DataObject, whole_session: bool) -> None:
        session, series = data.draw(st.sampled_from(self.connection.series))
        self.connection.series.remove((session, series))
        if whole_session:
            self.ask(ChartDeleteSession(ChartDeleteSession.Params(session)))
        else:
            self.ask(RemoveSeries(RemoveSeries.Params(session, series)))

    @rule(seconds=st.floats(0.001, 30))
    def let_time_pass(self, seconds: float) -> None:
        self.pass_time(seconds)

    @rule(price=st.integers(1, 1000).map(lambda cents: cents / 100))
    def trade(self, price: float) -> None:
        self.pass_time(0.001)  # two trades cannot share a moment
        for server in self.servers:
            server.market.tick(BY_HAND, price)
        self.compare()

    @rule()
    def end_a_bar(self) -> None:
        for server in self.servers:
            server.market.close_bar(BY_HAND, "1")
        self.compare()

    @rule(glued=st.booleans())
    def echo(self, glued: bool) -> None:
        beats, self.connection.unechoed = self.connection.unechoed, []
        if not glued:
            for beat in beats:
                self.send(framing.packet(beat))
        self.ask(*map(Heartbeat, beats if glued else ()))

    @rule()
    def hang_up(self) -> None:
        self.open()

    @rule()
    def replay(self) -> None:
        """The recording so far, played to somebody who asks the same with other ids, gives the same at the same times."""
        self.writer.flush()
        connector = ReplayConnector(self.tape, VirtualClock)
        try:
            for connection in self.connections:
                self.replay_one(connector, connection)
        finally:
            connector.close()

    def replay_one(self, connector: ReplayConnector, connection: Connection) -> None:
        transport = connector()
        for message in connection.traffic:
            if isinstance(message, str):
                transport.send(renamed(message))
            else:
                # Addresses are not on the tape.
                assert transport.recv(LONG) == (renamed(self.redactor.message(message.text)), message.at)
        if connection.ending is not None:
            with pytest.raises(TransportClosed) as told:
                transport.recv(LONG)
            assert (told.value.code, told.value.reason) == connection.ending

    def teardown(self) -> None:
        try:
            if self.agreed:
                self.ask()  # Nothing is left over that only one of them has said.
        finally:
            self.close()
            self.writer.finish()
            self.folder.cleanup()


def renamed(message: str) -> str:
    return message.replace("_LIVE", "_ECHO")


TestTransportsAgree = TransportsAgree.TestCase
TestTransportsAgree.settings = settings(stateful_step_count=30, deadline=None, max_examples=settings.default.max_examples // 3)
