"""The recording tee keeps the promises of what it records."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager

from tvstreamer.clock import SystemClock
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.conformance import OtherEnd, Pair, check_transport
from tvstreamer.testing.scripted import ScriptedConnection, ScriptedPeer
from tvstreamer.transports.memory import ServedTransport, pair
from tvstreamer.transports.record import RecordingTransport


@contextmanager
def writing(clock: SystemClock) -> Iterator[TapeWriter]:
    with TapeWriter(io.BytesIO(), Header(start=clock.now()), redactor=Redactor(key=b"k" * 32)) as writer:
        yield writer


def test_a_recorded_end_of_a_pair_keeps_every_promise() -> None:
    @contextmanager
    def make() -> Iterator[Pair]:
        clock = SystemClock()
        left, right = pair(clock)
        with writing(clock) as writer:
            yield RecordingTransport(left, writer, 1, now=clock.now), OtherEnd(right)

    assert check_transport(make) == []


def test_a_recorded_served_connection_keeps_every_promise() -> None:
    @contextmanager
    def make() -> Iterator[Pair]:
        clock = SystemClock()
        connection = ScriptedConnection()
        inner = ServedTransport(connection, clock)
        with writing(clock) as writer:
            yield RecordingTransport(inner, writer, 1, now=clock.now), ScriptedPeer(connection, inner.call)

    assert check_transport(make) == []
