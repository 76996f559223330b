"""The tee: what passes is on the tape, with the very stamps that were handed out, and nothing passes unrecorded."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from tvstreamer.clock import VirtualClock
from tvstreamer.errors import ConnectFailed, TapeWriteError, TransportClosed, TransportTimeout
from tvstreamer.tape.format import Header, Record, moment
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.transports.base import Received, Transport, TransportInfo
from tvstreamer.transports.memory import MemoryTransport, pair
from tvstreamer.transports.record import RecordingTransport, recording

START = 1_700_000_000.1
PACKET = '~m~11~m~{"m":"x_y"}'


class Disk(io.BytesIO):
    """A file that is full from a certain write on, and whose bytes outlive its close."""

    def __init__(self, room: int = 1_000_000) -> None:
        super().__init__()
        self.room = room

    def write(self, data: object, /) -> int:
        self.room -= 1
        if self.room < 0:
            raise OSError(28, "No space left on device")
        return super().write(data)  # type: ignore[arg-type]

    def close(self) -> None:
        pass


class EndedByItself:
    """A transport, like a tape's, that tells when and by whom the recorded connection ended."""

    info = TransportInfo("replay", "memory:", START)

    def send(self, message: str) -> None:
        raise AssertionError("nothing is sent here")

    def recv(self, timeout: float | None = None) -> Received:
        raise TransportClosed(1000, "done", at=START + 2, by_this_side=True)

    def close(self, code: int = 1000, reason: str = "") -> None:
        pass


class ClosedMeanwhile(EndedByItself):
    """A transport that is closed from outside while the only message of its peer arrives."""

    def __init__(self) -> None:
        self.arrived = False
        self.close_outside: Callable[[], None] = lambda: None

    def recv(self, timeout: float | None = None) -> Received:
        if self.arrived:
            return super().recv(timeout)
        self.arrived = True
        self.close_outside()
        return Received(PACKET, START)


def writer_to(disk: Disk, *, flush_every: int = 100) -> TapeWriter:
    return TapeWriter(disk, Header(start=START), redactor=Redactor(key=b"k" * 32), flush_every=flush_every)


def tape(disk: Disk) -> list[Record]:
    return list(TapeReader(io.BytesIO(disk.getvalue())))


class Scene:
    """A recorded end, its peer, and the tape."""

    def __init__(self, *, room: int = 1_000_000, flush_every: int = 100) -> None:
        self.clock = VirtualClock(START)
        self.disk = Disk(room)
        self.writer = writer_to(self.disk, flush_every=flush_every)
        self.inner, self.peer = pair(self.clock)

    def open(self) -> RecordingTransport:
        return RecordingTransport(self.inner, self.writer, 1, now=self.clock.now)

    def records(self) -> list[Record]:
        self.writer.finish()
        return tape(self.disk)


@pytest.fixture
def scene() -> Scene:
    return Scene()


def test_both_directions_are_recorded_in_the_order_in_which_they_passed(scene: Scene) -> None:
    transport = scene.open()
    transport.send("asked")
    scene.peer.send("answered")
    assert transport.recv(0).text == "answered"
    assert scene.peer.recv(0).text == "asked"
    assert [(record.k, record.raw) for record in scene.records()] == [("open", None), ("send", "asked"), ("recv", "answered")]


def test_the_stamp_handed_out_is_the_float_that_the_reader_computes(scene: Scene) -> None:
    transport = scene.open()
    stamps = [transport.info.opened_at]
    for _ in range(50):
        scene.clock.advance(0.1234567891234)
        scene.peer.send(PACKET)
        stamps.append(transport.recv(0).at)
    assert stamps == [moment(START, record.t) for record in scene.records()]


def test_an_arrival_that_seems_earlier_than_the_last_gets_the_time_of_that_one(scene: Scene) -> None:
    transport = scene.open()
    scene.peer.send("a")
    scene.clock.advance(5)
    transport.send("b")
    assert transport.recv(0).at == START + 5


def test_the_close_of_the_peer_is_recorded_once_as_the_servers(scene: Scene) -> None:
    transport = scene.open()
    scene.peer.close(4000, "gone")
    for _ in range(2):
        with pytest.raises(TransportClosed, match="4000: gone") as closed:
            transport.recv(0)
    assert closed.value.at == START
    ends = [(record.code, record.reason, record.by) for record in scene.records() if record.k == "close"]
    assert ends == [(4000, "gone", "server")]


def test_the_own_close_is_recorded_once_as_the_clients_and_reading_on_adds_nothing(scene: Scene) -> None:
    transport = scene.open()
    transport.close(1001, "enough")
    transport.close()
    with pytest.raises(TransportClosed):
        transport.recv(0)
    ends = [(record.code, record.reason, record.by) for record in scene.records() if record.k == "close"]
    assert ends == [(1001, "enough", "client")]


def test_what_came_when_this_side_had_closed_is_neither_recorded_nor_handed_on(scene: Scene) -> None:
    transport = scene.open()
    scene.peer.send("late")
    arrived = transport.arrival(0)
    transport.close()
    assert transport.keep(*arrived) is None
    assert [record.k for record in scene.records()] == ["open", "close"]


def test_whoever_waits_for_a_message_while_another_thread_closes_finds_the_end(scene: Scene) -> None:
    inner = ClosedMeanwhile()
    transport = RecordingTransport(inner, scene.writer, 1, now=scene.clock.now)
    inner.close_outside = transport.close
    with pytest.raises(TransportClosed, match="1000"):
        transport.recv(0)
    assert [record.k for record in scene.records()] == ["open", "close"]


def test_what_is_waited_for_is_written_down_when_it_is_kept(scene: Scene) -> None:
    transport = scene.open()
    for take in (transport.recv, transport.arrival):
        scene.peer.send(PACKET)
        assert take(0) == Received(PACKET, START)
    assert transport.keep(PACKET, START + 3) == START + 3
    scene.peer.close(4000, "gone")
    with pytest.raises(TransportClosed) as closed:
        transport.arrival(0)
    scene.clock.advance(5)
    end = transport.keep_end(closed.value)
    assert (end.code, end.reason, end.at) == (4000, "gone", START + 5)
    assert [(record.k, moment(START, record.t)) for record in scene.records()] == [
        ("open", START), ("recv", START), ("recv", START + 3), ("close", START + 5)
    ]  # fmt: skip


def test_whoever_is_told_of_the_end_is_told_of_that_on_the_tape(scene: Scene) -> None:
    transport = scene.open()
    transport.close(1001, "enough")
    scene.clock.advance(5)
    for end in (transport.keep_end(TransportClosed(4000, "gone")), transport.keep_end(TransportClosed())):
        assert (end.code, end.reason, end.at, end.by_this_side) == (1001, "enough", START, True)
    assert [(record.k, record.code) for record in scene.records()][1:] == [("close", 1001)]


def test_a_close_behind_the_end_that_the_peer_made_changes_nothing(scene: Scene) -> None:
    transport = scene.open()
    transport.keep_end(TransportClosed(4000, "gone"))
    transport.close()
    end = transport.keep_end(TransportClosed())
    assert (end.code, end.reason, end.at, end.by_this_side) == (4000, "gone", START, False)


def test_an_own_close_is_stamped_with_what_has_been_handled_by_then(scene: Scene) -> None:
    transport = scene.open()
    transport.follow(lambda: START + 3)
    scene.clock.advance(9)
    transport.close()
    assert [moment(START, record.t) for record in scene.records()] == [START, START + 3]


def test_an_end_that_tells_its_time_and_its_maker_is_recorded_so() -> None:
    scene = Scene()
    transport = RecordingTransport(EndedByItself(), scene.writer, 1, now=scene.clock.now)
    with pytest.raises(TransportClosed) as closed:
        transport.recv(0)
    assert (closed.value.at, closed.value.by_this_side) == (START + 2, True)
    end = scene.records()[-1]
    assert (end.k, end.by, moment(START, end.t)) == ("close", "client", START + 2)


def test_what_is_sent_after_the_end_is_neither_recorded_nor_sent(scene: Scene) -> None:
    transport = scene.open()
    transport.close()
    with pytest.raises(TransportClosed):
        transport.send("late")
    assert [record.k for record in scene.records()] == ["open", "close"]


def test_a_pause_of_the_source_makes_what_was_recorded_safe(scene: Scene) -> None:
    transport = scene.open()
    scene.peer.send("kept")
    transport.recv(0)
    with pytest.raises(TransportTimeout):
        transport.recv(0)
    assert [record.k for record in tape(scene.disk)] == ["open", "recv"]


def test_nothing_is_sent_that_could_not_be_recorded() -> None:
    scene = Scene(room=2, flush_every=1)
    transport = scene.open()
    with pytest.raises(TapeWriteError, match="No space left"):
        transport.send("unrecorded")
    with pytest.raises(TransportClosed, match="1001: recording failed"):
        scene.peer.recv(0)


def test_nothing_is_handed_on_that_could_not_be_recorded() -> None:
    scene = Scene(room=2, flush_every=1)
    transport = scene.open()
    scene.peer.send("unrecorded")
    with pytest.raises(TapeWriteError, match="No space left"):
        transport.recv(0)
    with pytest.raises(TransportClosed, match="1001: recording failed"):
        scene.peer.recv(0)


def test_a_failed_recording_still_closes_the_connection() -> None:
    scene = Scene(room=2, flush_every=1)
    transport = scene.open()
    with pytest.raises(TapeWriteError):
        transport.close()
    with pytest.raises(TransportClosed):
        scene.inner.recv(0)


def test_a_recorder_numbers_its_connections_from_one() -> None:
    clock = VirtualClock(START)
    disk = Disk()
    writer = writer_to(disk)
    connect = recording(lambda: pair(clock)[0], writer, now=clock.now)
    for _ in range(3):
        connect().close()
    writer.finish()
    assert [record.c for record in tape(disk) if record.k == "open"] == [1, 2, 3]


def test_a_connection_that_cannot_be_recorded_from_its_beginning_is_closed() -> None:
    clock = VirtualClock(START)
    ends: list[MemoryTransport] = []

    def connector() -> Transport:
        here, there = pair(clock)
        ends.append(there)
        return here

    connect = recording(connector, writer_to(Disk(room=1), flush_every=1), now=clock.now)
    with pytest.raises(TapeWriteError):
        connect()
    with pytest.raises(TransportClosed):
        ends[0].recv(0)


def test_a_connection_that_does_not_come_about_takes_no_number() -> None:
    clock = VirtualClock(START)
    disk = Disk()
    writer = writer_to(disk)
    refused = [True]

    def connector() -> Transport:
        if refused.pop() if refused else False:
            raise ConnectFailed("memory:", "refused")
        return pair(clock)[0]

    connect = recording(connector, writer, now=clock.now)
    with pytest.raises(ConnectFailed):
        connect()
    connect()
    writer.finish()
    assert [record.c for record in tape(disk)] == [1]


def test_the_repr_names_the_transport_inside(scene: Scene) -> None:
    assert repr(scene.open()) == "<RecordingTransport of <MemoryTransport open, 0 waiting>>"
