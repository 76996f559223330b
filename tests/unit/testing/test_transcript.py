"""What a failed test shows of its connections."""

from __future__ import annotations

import io
import itertools
from pathlib import Path

import pytest

from tvstreamer import FakeServer, TvWSClient
from tvstreamer.clock import VirtualClock
from tvstreamer.errors import TapeMismatch, TransportClosed
from tvstreamer.protocol import framing
from tvstreamer.tape.format import Header
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.transcript import Observer
from tvstreamer.transports.base import Received, Tee, TransportInfo
from tvstreamer.transports.memory import pair
from tvstreamer.transports.record import recording

SECRET = "canary-7f3a9b"
REDACTOR = Redactor(key=b"k" * 32, secrets=[SECRET])


def test_each_thing_asked_for_has_a_state() -> None:
    with FakeServer(seed=3, speed="max", unknown=("TEST:*",)) as server:
        observer = Observer()
        connect = observer.observed(server.connect)
        connect.clock = server.clock  # type: ignore[attr-defined]
        with TvWSClient([("BINANCE:BTCUSDT", "1"), "TEST:GONE"], source=connect, n_init_bars=5) as client:
            list(itertools.islice(client.stream(), 20))
        (transcript,) = observer.transcripts
        states = {state.partition(":")[0] for state in transcript.states()}
        assert states == {"quote BINANCE", "symbol BINANCE", "series BINANCE", "quote TEST"}
        text = transcript.explain(REDACTOR)
        assert "series BINANCE:BTCUSDT 1: completed" in text
        assert "symbol BINANCE:BTCUSDT: resolved, 1 packets" in text
        assert transcript.closed
        observer.close_leaked()
        assert observer.left_open() == []


def test_what_was_not_answered_is_what_was_waited_for() -> None:
    observer = Observer()
    near, far = pair(VirtualClock())
    transport = observer.observed(lambda: near)()
    transport.send(framing.packet('{"m":"resolve_symbol","p":["cs_1","a","TEST:ONE"]}'))
    transport.send(framing.packet('{"m":"create_series","p":["cs_1","x","t","a","1",10,""]}'))
    far.send(framing.packet('{"m":"series_loading","p":["cs_1","x","t"]}'))
    far.send(framing.packet('{"m":"odd","p":["cs_1",7]}'))
    far.send("no frame")
    for _ in range(3):
        transport.recv(1)
    (transcript,) = observer.transcripts
    assert transcript.waiting() == ["symbol TEST:ONE", "series TEST:ONE 1"]
    text = transcript.explain(REDACTOR)
    assert "waited for: symbol TEST:ONE, series TEST:ONE 1" in text
    assert "series TEST:ONE 1: begun, 1 packets" in text
    assert text.splitlines()[-1].endswith("no frame")
    assert repr(transport).startswith("<ObservedTransport of ")
    assert transport.info is near.info


def test_what_a_client_lets_a_recorder_keep_is_seen_and_what_came_too_late_is_not() -> None:
    observer, clock = Observer(), VirtualClock()
    near, far = pair(clock)
    with TapeWriter(io.BytesIO(), Header(start=clock.now()), redactor=REDACTOR) as writer:
        tee = observer.observed(recording(lambda: near, writer, now=clock.now))()
        assert isinstance(tee, Tee)
        (transcript,) = observer.transcripts
        far.send("first")
        arrived = tee.arrival(0)
        assert list(transcript.messages) == []
        stamp = tee.keep(*arrived)
        assert list(transcript.messages) == [("recv", stamp, "first")]
        far.send("second")
        arrived = tee.arrival(0)
        far.close(1000, "bye")
        with pytest.raises(TransportClosed) as closed:
            tee.arrival(0)
        assert transcript.closed
        assert tee.keep_end(closed.value).at == clock.now()
        assert tee.keep(*arrived) is None
        assert [text for _, _, text in transcript.messages] == ["first"]


def test_secrets_are_neither_shown_nor_saved(tmp_path: Path) -> None:
    observer = Observer()
    near, far = pair(VirtualClock())
    transport = observer.observed(lambda: near)()
    transport.send(framing.packet(f'{{"m":"set_auth_token","p":["{SECRET}"]}}'))
    far.send(framing.packet(f'{{"m":"odd","p":["{SECRET}","{"x" * 300}"]}}'))
    transport.recv(1)
    shown = observer.transcripts[0].explain(REDACTOR)
    assert "set_auth_token" in shown
    assert "characters)" in shown
    assert SECRET not in shown
    path = tmp_path / "slice.jsonl"
    assert observer.save(path, REDACTOR) == 2
    assert SECRET not in path.read_text()
    with TapeReader(path) as reader:
        assert [record.k for record in reader] == ["open", "send", "recv"]


def test_what_is_left_open_is_closed_and_named() -> None:
    observer = Observer()
    near, far = pair(VirtualClock())
    other, _ = pair(VirtualClock())
    connectors = iter([near, other])
    connect = observer.observed(lambda: next(connectors))
    left = connect()
    connect().close()
    observer.close_leaked()
    assert observer.left_open() == [f"{near.info.kind} connection to {near.info.url}"]
    with pytest.raises(TransportClosed):
        far.recv(1)
    # Its client was only late.
    left.close()
    assert observer.left_open() == []


class Mismatching:
    info = TransportInfo("replay", "", 0.0)

    def send(self, message: str) -> None:
        raise TapeMismatch("not on the tape", diff="-a\n+b")

    def recv(self, timeout: float | None = None) -> Received:
        raise TransportClosed(1000, at=1.0)

    def close(self, code: int = 1000, reason: str = "") -> None: ...


def test_a_mismatch_is_told_with_its_diff() -> None:
    observer = Observer()
    transport = observer.observed(Mismatching)()
    with pytest.raises(TapeMismatch):
        transport.send("~m~")
    with pytest.raises(TransportClosed):
        transport.recv()
    text = observer.transcripts[0].explain(REDACTOR)
    assert "  failed: not on the tape\n  -a\n  +b" in text
    assert text.startswith("replay connection to memory")
    assert observer.transcripts[0].closed
