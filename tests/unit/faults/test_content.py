"""Faults of what a message says."""

from __future__ import annotations

import random

import pytest

from tvstreamer import faults
from tvstreamer.errors import FramingError
from tvstreamer.faults import Fault, FaultFilter, FaultPlan
from tvstreamer.faults.content import changed_close, with_description, with_other_time, with_wrong_length
from tvstreamer.protocol.framing import join, packet, split
from tvstreamer.protocol.packets import BarValues

DU = '{{"m":"du","p":["cs_1",{{"sds_1":{{"s":[{}],"ns":{{"d":"","indexes":"nochange"}},"t":"s1"{}}}}}]}}'
END = ',"lbs":{"bar_close_time":240}'
BEAT = packet("~h~1")


def row(number: int, close: float = 1.5) -> str:
    return f'{{"i":{number},"v":[{number * 60}.0,1.0,2.0,0.5,{close},7.0]}}'


def du(*rows: str, end: str = "") -> str:
    return DU.format(",".join(rows), end)


def at_work(*plan: Fault) -> FaultFilter:
    """A plan on a connection that opened at 100."""
    return FaultPlan(plan, 1).filter(1, 100.0, random.Random)


def through(work: FaultFilter, *messages: str) -> list[str]:
    """What the client gets of these messages, one a second."""
    for number, message in enumerate(messages, start=101):
        work.received(message, number)
    return [text for text, _ in work.deliveries(1000)]


# --- lengths and texts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "by", "wrong"),
    [
        (join(["ab", "cd"]), 1, "~m~3~m~ab~m~2~m~cd"),
        (join(["ab"]), -1, "~m~1~m~ab"),
        (join(["ab"]), -5, "~m~0~m~ab"),
        (join(["\N{GRINNING FACE}"]), -1, "~m~1~m~\N{GRINNING FACE}"),
        ("no header", 1, "no header"),
    ],
)
def test_the_length_of_the_first_packet_is_off(message: str, by: int, wrong: str) -> None:
    assert with_wrong_length(message, by) == wrong


def test_a_wrong_length_is_what_a_client_cannot_read() -> None:
    work = at_work(faults.wrong_length(after=1))
    good, bad, again = through(work, BEAT, BEAT, BEAT)
    assert good == again == BEAT
    with pytest.raises(FramingError):
        split(bad)
    assert work.fired == [(102, "wrong_length", "", 1)]


def test_what_has_nothing_to_be_changed_passes_and_counts_for_nothing() -> None:
    work = at_work(faults.wrong_length(), faults.astral())
    assert through(work, "no header", BEAT) == ["no header", "~m~5~m~~h~1"]
    assert [fired.kind for fired in work.fired] == ["wrong_length"]


RESOLVED = '{"m":"symbol_resolved","p":["cs_1","sym_1",{"full_name":"A:B"%s}],"t":7,"t_ms":7000}'


def test_astral_characters_stand_behind_the_description_in_a_packet_of_the_right_length() -> None:
    work = at_work(faults.astral(" \N{GRINNING FACE}"))
    (text,) = through(work, join(["~h~1", RESOLVED % ',"description":"Coin"']))
    assert split(text) == ["~h~1", RESOLVED % ',"description":"Coin \N{GRINNING FACE}"']


@pytest.mark.parametrize("description", ["", ',"description":7'])
def test_a_symbol_without_a_description_gets_one(description: str) -> None:
    assert with_description(RESOLVED % description, "x") == RESOLVED % ',"description":"x"'


def test_other_packets_have_no_description() -> None:
    assert with_description(du(row(1)), "x") == du(row(1))


# --- times ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "offset", "shifted"),
    [
        ('{"m":"x","p":[ 1e5 ],"t":1000,"t_ms":1000900}', 0.2, '{"m":"x","p":[ 1e5 ],"t":1001,"t_ms":1001100}'),
        ('{"m":"x","p":["t",{"t":5}],"t":1000,"t_ms":1000900}', -3600, '{"m":"x","p":["t",{"t":5}],"t":-2600,"t_ms":-2599100}'),
        ('{"session_id":"0","timestamp":1000,"timestampMs":1000900}', 5, '{"session_id":"0","timestamp":1005,"timestampMs":1005900}'),
        ('{"m":"x","p":[],"t":1000}', 2.4, '{"m":"x","p":[],"t":1002}'),
        ('{"m":"x","p":[],"t":"s1","t_ms":1.5}', 5, '{"m":"x","p":[],"t":"s1","t_ms":1.5}'),
        ('{"m":"x" ,"p":[]}', 5, '{"m":"x" ,"p":[]}'),
        ("~h~7", 5, "~h~7"),
        ('["t",1]', 5, '["t",1]'),
    ],
)
def test_all_times_of_the_server_are_off_and_all_else_stays_to_the_letter(payload: str, offset: float, shifted: str) -> None:
    assert with_other_time(payload, offset) == shifted


def test_a_skewed_clock_is_that_of_every_packet() -> None:
    work = at_work(faults.clock_skew(60))
    assert through(work, join(['{"m":"x","t":1}', '{"m":"y","t":2}']), BEAT) == [join(['{"m":"x","t":61}', '{"m":"y","t":62}']), BEAT]
    assert len(work.fired) == 1


# --- bars -----------------------------------------------------------------------------------------------------------


def test_a_missing_bar_is_never_shown_and_its_successor_is() -> None:
    work = at_work(faults.missing_bar())
    messages = [du(row(1), row(2)), du(row(2)), du(row(3)), du(row(3, 1.7)), du(row(4)), du(row(5))]
    got = through(work, *map(packet, messages))
    assert got == [packet(messages[number]) for number in (0, 1, 4, 5)]
    assert work.fired == [(103, "missing_bar", "sds_1 180", 1)]


def test_rows_of_other_bars_in_the_same_update_stay() -> None:
    work = at_work(faults.missing_bar())
    got = through(work, packet(du(row(1))), join(["~h~1", du(row(1, 1.9), row(2), end=END)]), packet(du(row(2), row(3), end=END)))
    # The end of the newest bar is told of a bar that is not shown, so it goes; that of its successor stays.
    assert [split(text) for text in got] == [[du(row(1))], ["~h~1", du(row(1, 1.9))], [du(row(3), end=END)]]


def test_other_series_and_packets_stay_when_a_bar_is_missing() -> None:
    other = '"sds_2":{"st":[],"t":"x"}'
    new_bar = du(row(2)).replace('{"sds_1"', f'{{{other},"sds_1"')
    work = at_work(faults.missing_bar())
    got = through(work, packet(du(row(1))), packet(new_bar), "", BEAT, "not framed")
    assert got[1:] == [packet(f'{{"m":"du","p":["cs_1",{{{other}}}]}}'), "", BEAT, "not framed"]


def test_a_new_bar_comes_by_timescale_update_and_may_be_missing_too() -> None:
    first = packet(f'{{"m":"timescale_update","p":["cs_1",{{"sds_1":{{"s":[{row(1)}],"t":"s1"}}}},{{"index":1}}],"t":5}}')
    second = packet(f'{{"m":"timescale_update","p":["cs_1",{{"sds_1":{{"s":[{row(1)},{row(2)}],"t":"s1"}}}},{{"index":2}}],"t":6}}')
    got = through(at_work(faults.missing_bar()), first, second)
    assert got[1] == packet(f'{{"m":"timescale_update","p":["cs_1",{{"sds_1":{{"s":[{row(1)}],"t":"s1"}}}},{{"index":2}}],"t":6}}')


def test_as_many_bars_as_asked_for_are_missing_one_after_the_other() -> None:
    work = at_work(faults.missing_bar(at=2, times=2))
    got = through(work, *(packet(du(row(number))) for number in range(1, 7)))
    assert got == [packet(du(row(number))) for number in (1, 4, 5, 6)]


def test_after_its_successor_a_missing_bar_may_be_fetched() -> None:
    work = at_work(faults.missing_bar())
    got = through(work, *(packet(du(row(number))) for number in (1, 2, 3, 2)))
    assert got == [packet(du(row(number))) for number in (1, 3, 2)]


def test_a_closed_bar_gets_another_update_with_another_close() -> None:
    work = at_work(faults.revise_bar(0.5))
    got = through(work, packet(du(row(1))), packet(du(row(1, 1.6))), packet(du(row(2))), packet(du(row(3))))
    revision = packet(du('{"i":1,"v":[60.0,1.0,2.4000000000000004,0.5,2.4000000000000004,7.0]}'))
    assert got[2:] == [packet(du(row(2))), revision, packet(du(row(3)))]
    assert work.fired == [(103, "revise_bar", "sds_1 60: close 1.6 becomes 2.4", 1)]


def test_a_revision_uses_what_the_same_message_said_of_the_old_bar() -> None:
    work = at_work(faults.revise_bar(-0.5))
    got = through(work, packet(du(row(1))), join([du(row(1, 1.8)), du(row(2))]), BEAT)
    assert got[2] == packet(du('{"i":1,"v":[60.0,1.0,2.0,0.5,0.9,7.0]}'))


def test_a_revision_says_of_the_series_what_the_update_before_it_said() -> None:
    """Strict clients refuse a `du` without the status of the last bar, as the real one always has it."""
    work = at_work(faults.revise_bar(0.5))
    got = through(work, packet(du(row(1))), packet(du(row(2), end=END)))
    assert got[2] == packet(du('{"i":1,"v":[60.0,1.0,2.25,0.5,2.25,7.0]}', end=END))


def test_a_revision_may_come_later_and_delays_nothing_else() -> None:
    work = at_work(faults.revise_bar(1.0, delay=1.5, times=None))
    for number in (1, 2, 3):
        work.received(packet(du(row(number))), 100.0 + number)
    assert work.next_deadline() == 103.5
    work.received(BEAT, 104)
    assert [moment for _, moment in work.deliveries(200)] == [101, 102, 103, 103.5, 104, 104.5]


def test_a_first_delivery_and_older_rows_close_nothing() -> None:
    work = at_work(faults.revise_bar(), faults.missing_bar(at=50))
    messages = [packet(du(row(4), row(5))), packet(du(row(2))), packet(du(row(5)))]
    assert through(work, *messages) == messages
    assert work.fired == []


def test_studies_have_no_bars() -> None:
    study = packet('{"m":"du","p":["cs_1",{"st_1":{"st":[{"i":1,"v":[60,1]}],"t":"s1_st1"}}]}')
    for fault in (faults.missing_bar(), faults.revise_bar()):
        assert through(at_work(fault), study, study) == [study, study]


def test_the_name_of_an_update_inside_another_packet_is_no_update() -> None:
    odd = packet('{"m":"qsd","p":["qs_1",{"n":"du","s":"ok","v":{}}]}')
    assert through(at_work(faults.missing_bar()), odd) == [odd]


@pytest.mark.parametrize(
    ("before", "change", "after"),
    [((1, 3, 1, 2), 1.0, (1, 4, 1, 4)), ((1, 3, 1, 2), -0.9, (1, 3, pytest.approx(0.2), pytest.approx(0.2))), ((0, 0, 0, 0), 0.5, (0, 0.5, 0, 0.5))],
)
def test_a_changed_close_stays_between_low_and_high(before: tuple[float, ...], change: float, after: tuple[float, ...]) -> None:
    bar = changed_close(BarValues(60, *before), change)
    assert (bar.time, bar.open, bar.high, bar.low, bar.close) == (60, *after)
