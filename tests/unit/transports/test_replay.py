"""A tape as a transport: its messages, at its own times, for whoever listens now."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tvstreamer.clock import ScaledClock, VirtualClock
from tvstreamer.errors import TapeExhausted, TapeFormatError, TapeMismatch, TransportClosed, TransportTimeout
from tvstreamer.protocol import framing
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.transports.replay import ReplayConnector, ReplayTransport

START = 1_700_000_000.0


def beat(number: int) -> str:
    return framing.packet(f"~h~{number}")


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    path = tmp_path / "tape.jsonl"
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        writer.note(0, {"before": "everything"}, START)
        writer.opened(1, "wss://host/", START + 1)
        writer.received(1, beat(1), START + 2)
        writer.received(1, framing.packet('{"m":"qsd","p":["qs_x",{"n":"A:B","s":"ok","v":{}}]}'), START + 2.5)
        writer.received(1, beat(2), START + 3)
        writer.closed(1, 4001, "enough", "server", START + 4)
        writer.opened(2, "wss://host/", START + 5)
        writer.received(2, beat(3), START + 6)
    return path


@pytest.fixture
def connector(tape: Path) -> ReplayConnector:
    return ReplayConnector(tape, VirtualClock)


def test_messages_come_at_their_own_times_and_what_nobody_asked_for_does_not(connector: ReplayConnector) -> None:
    transport = connector()
    assert transport.info.opened_at == START + 1
    assert transport.recv() == (beat(1), START + 2)
    assert transport.recv() == (beat(2), START + 3)
    assert connector.clock.now() == START + 3
    for _ in range(2):
        with pytest.raises(TransportClosed) as told:
            transport.recv()
        assert (told.value.code, told.value.reason, told.value.at, told.value.by_this_side) == (4001, "enough", START + 4, False)
    with pytest.raises(TransportClosed):
        transport.send(beat(1))
    connector.close()


def test_a_timeout_lets_the_clock_come_to_it_and_loses_nothing(connector: ReplayConnector) -> None:
    transport = connector()
    with pytest.raises(TransportTimeout):
        transport.recv(0.5)
    assert connector.clock.now() == START + 0.5
    assert transport.recv(10).text == beat(1)
    connector.close()


def test_each_connection_is_one_call_and_then_there_are_no_more(connector: ReplayConnector) -> None:
    first = connector()
    first.recv()
    assert connector.more()
    second = connector()
    assert second.recv().text == beat(3)
    with pytest.raises(TransportClosed) as told:
        second.recv()
    assert told.value.by_this_side
    assert not connector.more()
    with pytest.raises(TapeExhausted, match="no further connection"):
        connector()


def test_the_end_of_one_connection_leads_to_the_next(connector: ReplayConnector) -> None:
    first = connector()
    for _ in range(2):
        first.recv()
    with pytest.raises(TransportClosed):
        first.recv()
    assert connector().recv().text == beat(3)
    connector.close()


def test_asking_for_what_is_not_there_is_a_mismatch(connector: ReplayConnector) -> None:
    transport = connector()
    with pytest.raises(TapeMismatch, match="A:B"):
        transport.send(framing.packet('{"m":"quote_add_symbols","p":["qs_1","A:B"]}'))
    connector.close()


# --- whose connection it is -------------------------------------------------------------------------------------------


def quotes(symbol: str) -> str:
    return framing.packet(f'{{"m":"quote_add_symbols","p":["qs_{symbol[-1]}","{symbol}"]}}')


def price(symbol: str, price: float) -> str:
    values = f'{{"n":"{symbol}","s":"ok","v":{{"lp":{price}}}}}'
    return framing.packet(f'{{"m":"qsd","p":["qs_{symbol[-1]}",{values}]}}')


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A tape of two clients beside each other, the first of which comes again after both; nobody saw it end."""
    path = tmp_path / "shared.jsonl"
    with TapeWriter(path, Header(start=START), redactor=Redactor(key=b"k" * 32)) as writer:
        writer.opened(1, "wss://one/", START + 1)
        writer.opened(2, "wss://two/", START + 2)
        writer.sent(1, quotes("T:A"), START + 3)
        writer.sent(2, quotes("T:B"), START + 3)
        writer.received(2, price("T:B", 1), START + 4)
        writer.received(1, price("T:A", 2), START + 5)
        writer.received(2, price("T:B", 3), START + 6)
        writer.closed(2, 4001, "enough", "server", START + 7)
        writer.received(1, beat(1), START + 8)
        writer.opened(3, "wss://one/", START + 9)
        writer.sent(3, quotes("T:A"), START + 10)
        writer.received(3, price("T:A", 4), START + 11)
    return path


def received(transport: ReplayTransport) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    with pytest.raises(TransportClosed):
        while True:
            found.append(transport.recv())
    return found


def test_a_client_gets_the_connection_that_holds_what_it_wants_and_nothing_of_another(shared: Path) -> None:
    connector = ReplayConnector(shared, VirtualClock, [Subscription("T:B")])
    assert connector.clock.now() == START + 2, "where that connection begins"
    transport = connector()
    assert (transport.info.url, transport.info.opened_at) == ("wss://two/", START + 2)
    transport.send(quotes("T:B"))
    assert received(transport) == [(price("T:B", 1), START + 4), (price("T:B", 3), START + 6)]
    assert not connector.more([Subscription("T:B")])
    with pytest.raises(TapeExhausted):
        connector()


def test_after_the_end_of_one_it_gets_the_next_that_holds_what_it_wants_by_then(shared: Path) -> None:
    connector = ReplayConnector(shared, VirtualClock, [Subscription("T:A")])
    assert connector.clock.now() == START, "that of the tape, as this is its first connection"
    first = connector()
    first.send(quotes("T:A"))
    assert received(first) == [(price("T:A", 2), START + 5), (beat(1), START + 8)]
    assert not connector.more([Subscription("T:A"), Subscription("T:C")])
    connector = ReplayConnector(shared, VirtualClock, [Subscription("T:A")])
    received(connector())
    assert connector.more([Subscription("T:A")])
    second = connector()
    second.send(quotes("T:A"))
    assert received(second) == [(price("T:A", 4), START + 11)]
    connector.close()


def test_one_that_was_given_up_is_passed_over(shared: Path) -> None:
    connector = ReplayConnector(shared, VirtualClock, [Subscription("T:A")])
    connector().close()
    second = connector()
    assert second.info.opened_at == START + 9
    second.send(quotes("T:A"))
    assert second.recv().text == price("T:A", 4)
    connector.close()


def test_what_is_broken_is_told_of_when_it_is_reached(shared: Path) -> None:
    shared.write_bytes(b"".join([*shared.read_bytes().splitlines(keepends=True)[:10], b"broken\n"]))
    told = r"shared.jsonl:11: not a record: b'broken'"
    connector = ReplayConnector(shared, VirtualClock, [Subscription("T:A")])
    goes_on = connector()
    goes_on.send(quotes("T:A"))
    assert [goes_on.recv().text for _ in range(2)] == [price("T:A", 2), beat(1)]
    with pytest.raises(TapeFormatError, match=told):
        goes_on.recv()
    connector.close()
    connector = ReplayConnector(shared, VirtualClock, [Subscription("T:B")])
    ended = connector()
    ended.send(quotes("T:B"))
    assert [text for text, _ in received(ended)] == [price("T:B", 1), price("T:B", 3)]
    with pytest.raises(TapeFormatError, match=told):
        connector.more([Subscription("T:B")])


def test_what_may_stand_in_what_is_broken_is_not_said_to_be_nowhere(shared: Path) -> None:
    shared.write_bytes(b"".join([*shared.read_bytes().splitlines(keepends=True)[:10], b"broken\n"]))
    with pytest.raises(TapeFormatError, match="shared.jsonl:11: not a record: b'broken'"):
        ReplayConnector(shared, VirtualClock, [Subscription("T:C")])


def test_a_tape_without_the_beginning_of_a_connection_has_none(shared: Path) -> None:
    lines = shared.read_bytes().splitlines(keepends=True)
    shared.write_bytes(b"".join([lines[0], *lines[3:9]]))
    with pytest.raises(TapeExhausted, match="no further connection"):
        ReplayConnector(shared, VirtualClock, [Subscription("T:A")])()


def test_what_no_connection_holds_is_a_mismatch_before_anything_is_played(shared: Path) -> None:
    with pytest.raises(TapeMismatch, match=r"T:C is not on the tape; the nearest on the tape is T:[AB] \(quote"):
        ReplayConnector(shared, VirtualClock, [Subscription("T:C")])
    with pytest.raises(TapeMismatch, match="connection 1 lacks T:B; connection 2 lacks T:A; connection 3 lacks T:B"):
        ReplayConnector(shared, VirtualClock, [Subscription("T:A"), Subscription("T:B")])


def test_close_ends_it_for_reader_and_writer(connector: ReplayConnector) -> None:
    transport = connector()
    assert "open" in repr(transport)
    transport.close()
    transport.close()
    with pytest.raises(TransportClosed):
        transport.recv()
    with pytest.raises(TransportClosed):
        transport.send(beat(1))
    assert "closed" in repr(transport)
    assert "tape.jsonl" in repr(connector)
    connector.close()


def test_close_wakes_a_reader_that_waits_in_real_time(tape: Path) -> None:
    connector = ReplayConnector(tape, lambda start: ScaledClock(0.001, start=start))
    transport = connector()
    ended: list[object] = []

    def read() -> None:
        try:
            ended.append(transport.recv())
        except TransportClosed as closed:
            ended.append(closed)

    thread = threading.Thread(target=read)
    thread.start()
    transport.close()
    thread.join(20)
    assert not thread.is_alive()
    assert isinstance(ended[0], TransportClosed)
    connector.close()


@pytest.mark.parametrize("timeout", [None, 3600, 1.9])
def test_a_close_by_another_participant_ends_a_recv_at_that_moment(connector: ReplayConnector, timeout: float | None) -> None:
    transport, clock = connector(), connector.clock
    told: list[TransportClosed] = []

    def read(seat: AbstractContextManager[object]) -> None:
        with seat, pytest.raises(TransportClosed) as closed:
            transport.recv(timeout)
        told.append(closed.value)

    with clock.participant("closer"):
        thread = threading.Thread(target=read, args=(clock.participant("reader"),))
        thread.start()
        clock.wait(clock.event(), 1.5)
        transport.close()
    thread.join(20)
    assert [closed.by_this_side for closed in told] == [True]
    assert clock.now() == START + 1.5
    connector.close()
