"""A tape as a transport keeps the promises, as far as a tape can: nobody hears what is sent to it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tvstreamer.clock import SystemClock
from tvstreamer.errors import TapeMismatch, TransportBusy, TransportClosed
from tvstreamer.tape.format import Header, Record
from tvstreamer.tape.player import Playback
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.conformance import PATIENCE, Pair, Unsupported, check_transport
from tvstreamer.transports.replay import ReplayTransport

LATER = 3600.0
"""Seconds after which a connection ends that nobody has closed: a tape that is over would end it at once."""


class TapePeer:
    """Says what is on a tape, until the tape is read for the first time."""

    def __init__(self, path: Path, clock: SystemClock) -> None:
        self._path = path
        self._clock = clock
        self._said: list[tuple[str, float]] = []
        self._end = (1000, "")
        self._ends_at = clock.now() + LATER
        self._started = False
        self.header = Header(start=clock.now())

    def send(self, message: str) -> None:
        self._not_yet_played()
        self._said.append((message, self._clock.now()))

    def recv(self, timeout: float) -> str:
        raise Unsupported("nobody hears what is sent to a tape")

    def close(self, code: int, reason: str) -> None:
        self._not_yet_played()
        self._end, self._ends_at = (code, reason), self._clock.now()

    def reset(self) -> None:
        self.close(1006, "")

    def _not_yet_played(self) -> None:
        if self._started:
            raise Unsupported("a tape is complete before it is played")

    def records(self) -> Iterator[Record]:
        """Those of the tape, which is written when the first of them is asked for."""
        self._started = True
        with TapeWriter(self._path, self.header, redactor=Redactor(key=b"k" * 32), overwrite=True) as writer:
            for message, at in self._said:
                writer.received(1, message, at)
            writer.closed(1, *self._end, "server", self._ends_at)
        with TapeReader(self._path) as reader:
            yield from reader


@contextmanager
def opened(peer: TapePeer, clock: SystemClock) -> Iterator[ReplayTransport]:
    playback = Playback(1, peer.records(), [])
    yield ReplayTransport(playback, peer.header, Record(0, 1, "open"), clock, "tape")
    # A garbage collector might find the file before the generator that closes it.
    playback.close()


def test_a_tape_keeps_the_promises_that_a_tape_can_keep(tmp_path: Path) -> None:
    @contextmanager
    def make() -> Iterator[Pair]:
        clock = SystemClock()
        peer = TapePeer(tmp_path / "tape.jsonl", clock)
        with opened(peer, clock) as transport:
            yield transport, peer

    assert check_transport(make) == [
        "sent messages arrive whole in order and unchanged",
        "a timeout loses nothing",
        "the peer learns of close",
        "a second reader is turned away",
        "one reader and one writer run at once",
    ]


class Watched(SystemClock):
    """A clock that tells when somebody waits by it."""

    def __init__(self) -> None:
        super().__init__()
        self.in_use = threading.Event()

    def wait(self, event: threading.Event, timeout: float) -> bool:
        self.in_use.set()
        return super().wait(event, timeout)


def test_a_second_reader_of_a_tape_is_turned_away(tmp_path: Path) -> None:
    clock = Watched()
    with opened(TapePeer(tmp_path / "tape.jsonl", clock), clock) as transport:
        outcome: list[object] = []

        def read() -> None:
            try:
                outcome.append(transport.recv(PATIENCE))
            except TransportClosed as closed:
                outcome.append(closed)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        try:
            assert clock.in_use.wait(PATIENCE)
            with pytest.raises(TransportBusy):
                transport.recv(0)
        finally:
            transport.close()
            reader.join(PATIENCE)
        assert isinstance(outcome[0], TransportClosed)


def test_what_is_no_packet_is_a_mismatch_as_all_that_a_tape_cannot_answer(tmp_path: Path) -> None:
    clock = SystemClock()
    with opened(TapePeer(tmp_path / "tape.jsonl", clock), clock) as transport, pytest.raises(TapeMismatch, match="whole packets"):
        transport.send("no packet")
