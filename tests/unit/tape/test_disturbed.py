"""Records of a tape as they would have come over a worse connection."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tvstreamer import faults
from tvstreamer.errors import UnsupportedFault
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.protocol import framing
from tvstreamer.tape.disturbed import disturbed
from tvstreamer.tape.format import Header, Record

HEADER = Header(start=1_700_000_000.0)
SECOND = 1_000_000_000


def quote(number: int) -> str:
    return framing.packet(f'{{"m":"qsd","p":["qs_1",{{"n":"EX:SYM","s":"ok","v":{{"lp":{number}.5}}}}]}}')


def recv(second: float, text: str, connection: int = 1) -> Record:
    return Record(round(second * SECOND), connection, "recv", raw=text)


TAPE = [
    Record(0, 1, "open", url="u"),
    Record(0, 1, "send", raw=framing.packet('{"m":"quote_add_symbols","p":["qs_1","EX:SYM"]}')),
    *[recv(number, quote(number)) for number in range(1, 6)],
    Record(6 * SECOND, 1, "close", code=1001, reason="bye", by="server"),
    Record(7 * SECOND, 2, "open", url="u"),
    recv(8, quote(8), 2),
    Record(9 * SECOND, 2, "note", note={"said": "something"}),
]


def played(*plan: Fault, records: Iterable[Record] = TAPE) -> list[tuple[float, int, str, str]]:
    return [
        (record.t / SECOND, record.c, record.k, record.raw or record.reason)
        for record in disturbed(records, HEADER, FaultPlan(plan, seed=1))
    ]


def test_without_faults_the_records_are_those_of_the_tape() -> None:
    assert list(disturbed(TAPE, HEADER, FaultPlan())) == TAPE


def test_a_message_that_is_dropped_or_late_is_so_in_the_replay() -> None:
    times = [(second, raw) for second, _, kind, raw in played(faults.drop(after=3, times=1, connection=1)) if kind == "recv"]
    assert times == [(number, quote(number)) for number in (1, 2, 3, 5, 8)]
    late = [(second, raw) for second, _, kind, raw in played(faults.latency(latency=2.5, connection=1)) if kind == "recv"]
    assert (3.5, quote(1)) in late


def test_what_a_connection_that_a_fault_has_ended_would_have_brought_is_not_played() -> None:
    seen = played(faults.close(after=2, code=1006, connection=1))
    assert [kind for _, connection, kind, _ in seen if connection == 1] == ["open", "send", "recv", "recv", "close"]
    assert [kind for _, connection, kind, _ in seen if connection == 2] == ["open", "recv", "note"]


def test_the_recorded_end_of_a_connection_stays_the_end_that_it_was() -> None:
    (end,) = [record for record in disturbed(TAPE, HEADER, FaultPlan([faults.duplicate()])) if record.k == "close"]
    assert (end.t, end.code, end.reason, end.by) == (6 * SECOND, 1001, "bye", "server")


def test_sends_tell_the_faults_what_the_client_follows() -> None:
    assert [raw for _, _, kind, raw in played(faults.drop(symbol="EX:SYM", connection=1)) if kind == "recv"] == [quote(8)]
    assert len([1 for _, _, kind, _ in played(faults.drop(symbol="EX:OTHER", connection=1)) if kind == "recv"]) == 6


def test_what_is_withheld_when_the_tape_ends_still_comes_in_its_time() -> None:
    seen = played(faults.latency(latency=30.0), records=TAPE[:-4])
    assert [(second, raw) for second, _, kind, raw in seen if kind == "recv"] == [(30 + number, quote(number)) for number in range(1, 6)]


def test_a_connection_of_which_the_tape_has_no_beginning_is_left_alone() -> None:
    assert played(faults.drop(), records=TAPE[2:4]) == [(1, 1, "recv", quote(1)), (2, 1, "recv", quote(2))]


def test_faults_of_bytes_are_not_to_be_had_from_a_tape() -> None:
    with pytest.raises(UnsupportedFault, match="half_open.*the replay of a tape"):
        disturbed(TAPE, HEADER, FaultPlan([faults.half_open()]))


def test_an_exchange_belongs_to_no_connection_and_comes_behind_what_was_due() -> None:
    page = Record(round(3.2 * SECOND), 0, "http", http={})
    records = [*TAPE[:5], page, *TAPE[5:7]]
    late = [(second, kind) for second, _, kind, _ in played(faults.latency(latency=2.0), records=records) if kind in ("recv", "http")]
    assert late == [(3, "recv"), (3.2, "http"), (4, "recv"), (5, "recv"), (6, "recv"), (7, "recv")]
    # What a connection withheld is still its own when the tape ends with an exchange.
    assert [second for second, _, kind, _ in played(faults.latency(latency=2.0), records=[*TAPE[:3], page]) if kind == "recv"] == [3]
    assert [kind for _, _, kind, _ in played(faults.close(after=1, connection=1), records=records)] == ["open", "send", "recv", "close", "http"]
    assert [kind for _, _, kind, _ in played(faults.drop(), records=[page])] == ["http"]
