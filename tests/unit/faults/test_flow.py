"""Faults of the flow: what becomes of messages, and when they come."""

from __future__ import annotations

import random

import pytest

from tvstreamer import faults
from tvstreamer.faults import Fault, FaultFilter, FaultPlan
from tvstreamer.faults.wire import writes
from tvstreamer.protocol.framing import join, packet

BEAT, DATA = packet("~h~1"), packet("{}")


def at_work(*plan: Fault, seed: int = 1) -> FaultFilter:
    """A plan on a connection that opened at 100."""
    return FaultPlan(plan, seed).filter(1, 100.0, random.Random)


def feed(work: FaultFilter, *moments: float) -> None:
    """The server sends "1", "2", ... at these moments."""
    for number, moment in enumerate(moments, start=1):
        work.received(str(number), moment)


def texts(work: FaultFilter, now: float = 1000.0) -> list[str]:
    return [text for text, _ in work.deliveries(now)]


# --- late -----------------------------------------------------------------------------------------------------------


def test_latency_makes_each_message_later_by_as_much() -> None:
    work = at_work(faults.latency(0.5))
    feed(work, 101, 101.25)
    assert work.deliveries(101.4) == []
    assert work.next_deadline() == 101.5
    assert work.deliveries(101.5) == [("1", 101.5)]
    assert work.deliveries(200) == [("2", 101.75)]
    assert work.fired[0] == (101, "latency", "0.5 s", 1)


def test_jitter_varies_the_delay_and_keeps_the_order() -> None:
    work = at_work(faults.latency(0.2, jitter=0.3))
    feed(work, *(100 + number / 10 for number in range(100)))
    delivered = work.deliveries(1000)
    assert [int(text) for text, _ in delivered] == list(range(1, 101))
    moments = [moment for _, moment in delivered]
    assert moments == sorted(moments)
    delays = [moment - 100 - number / 10 for number, moment in enumerate(moments)]
    assert min(delays) >= -1e-9
    assert max(delays) <= 0.5 + 1e-9
    assert len({round(delay, 6) for delay in delays}) > 20


def test_a_message_that_is_not_delayed_itself_waits_for_those_before_it() -> None:
    work = at_work(faults.latency(5, times=1))
    feed(work, 101, 102, 107)
    assert work.deliveries(200) == [("1", 106), ("2", 106), ("3", 107)]


def test_latency_delays_the_end_too() -> None:
    work = at_work(faults.latency(5))
    feed(work, 101)
    work.ended(1000, "", 102)
    assert work.deliveries(106) == [("1", 106)]
    assert work.closing is None
    work.handle_deadline(107)
    assert work.end == (1000, "", 107)


def test_the_end_passes_at_once_where_latency_is_over() -> None:
    work = at_work(faults.latency(5, duration=1))
    work.ended(1000, "", 102)
    assert work.end == (1000, "", 102)


def test_latency_upstream_delays_what_the_client_sends() -> None:
    work = at_work(faults.latency(0.5, direction="upstream"))
    assert work.sent("a", 101) == []
    assert work.next_deadline() == 101.5
    assert work.withholds
    assert work.sent("b", 101.5) == ["a"]
    work.handle_deadline(102)
    assert work.messages_to_send() == ["b"]
    assert not work.withholds


def test_a_slow_reader_takes_one_message_after_the_other() -> None:
    work = at_work(faults.slow_reader(2, times=3))
    assert [work.sent(text, 101) for text in "abcd"] == [[], [], [], []]
    taken = []
    while (moment := work.next_deadline()) is not None:
        work.handle_deadline(moment)
        taken.append((moment, work.messages_to_send()))
    assert taken == [(103, ["a"]), (105, ["b"]), (107, ["c", "d"])]


# --- lost, doubled, mixed up ----------------------------------------------------------------------------------------


def test_what_is_dropped_never_arrives() -> None:
    work = at_work(faults.drop(after=1, times=1))
    feed(work, 101, 102, 103)
    assert texts(work) == ["1", "3"]
    assert work.fired == [(102, "drop", "", 1)]


def test_what_is_duplicated_arrives_again_at_once() -> None:
    work = at_work(faults.duplicate(2, times=1, after=1))
    feed(work, 101, 102, 103)
    assert work.deliveries(103) == [("1", 101), ("2", 102), ("2", 102), ("2", 102), ("3", 103)]


def test_what_is_reordered_comes_behind_those_that_it_waits_for() -> None:
    work = at_work(faults.reorder(2, times=1))
    feed(work, 101, 101.1, 101.2, 101.3)
    assert work.deliveries(102) == [("2", 101.1), ("3", 101.2), ("1", 101.2), ("4", 101.3)]
    assert work.fired == [(101.2, "reorder", "behind 2", 1)]


def test_what_is_reordered_waits_only_so_long() -> None:
    work = at_work(faults.reorder(3, wait=0.5, times=1))
    feed(work, 101, 101.2)
    assert work.next_deadline() == 101.5
    assert work.deliveries(102) == [("2", 101.2), ("1", 101.5)]
    assert [fired.detail for fired in work.fired] == ["behind 1"]


def test_a_message_that_nothing_overtook_was_not_reordered() -> None:
    work = at_work(faults.reorder(times=1))
    feed(work, 101, 103)
    work.received("overtakes", 103.5)
    assert work.deliveries(200) == [("1", 102), ("overtakes", 103.5), ("2", 103.5)]
    assert len(work.fired) == 1


def test_the_end_waits_for_nothing_that_is_held() -> None:
    work = at_work(faults.reorder())
    feed(work, 101)
    work.ended(1000, "", 101.5)
    assert work.deliveries(101.5) == [("1", 101.5)]
    assert work.end == (1000, "", 101.5)


def test_so_many_messages_come_as_one() -> None:
    work = at_work(faults.merge(3, times=1))
    feed(work, 101, 101.1, 101.2, 101.3)
    assert work.deliveries(101.3) == [("123", 101.2), ("4", 101.3)]
    assert work.fired == [(101.2, "merge", "3 messages", 1)]


def test_messages_wait_only_so_long_to_be_merged() -> None:
    work = at_work(faults.merge(3, wait=0.5))
    feed(work, 101, 101.1, 105)
    assert work.deliveries(200) == [("12", 101.5), ("3", 105.5)]
    assert [fired.detail for fired in work.fired] == ["2 messages"]


def test_a_heartbeat_is_glued_to_the_next_data() -> None:
    for position, glued in (("first", BEAT + BEAT + DATA), ("last", DATA + BEAT + BEAT)):
        work = at_work(faults.glue_heartbeat(position))
        for text, moment in ((DATA, 101), (BEAT, 102), (BEAT, 103), (DATA, 104), (DATA, 105)):
            work.received(text, moment)
        assert work.deliveries(200) == [(DATA, 101), (glued, 104), (DATA, 105)]
        assert work.fired == [(104, "glue_heartbeat", "2 in one message with data", 1)]


def test_a_heartbeat_that_is_not_meant_passes() -> None:
    work = at_work(faults.glue_heartbeat(times=1))
    for text in (BEAT, DATA, BEAT, DATA):
        work.received(text, 101)
    assert texts(work) == [join(["~h~1", "{}"]), BEAT, DATA]


# --- the plan is at an end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [faults.latency(9), faults.reorder(3, wait=9), faults.merge(3, wait=9)])
def test_what_waits_is_given_up_when_the_plan_is_at_an_end(fault: Fault) -> None:
    work = at_work(fault)
    feed(work, 101)
    assert work.give_up() == (["1"], [])
    assert work.deliveries(200) == []


# --- bytes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "pieces"),
    [(faults.slicer(4, delay=0.1, after=1), [(b"0123", 0.1), (b"4567", 0.1)]), (faults.bandwidth(0.08, after=1), [(b"0123", 0.05), (b"4567", 0.05)])],
)
def test_bytes_suffer_what_their_message_was_marked_for(fault: Fault, pieces: list[tuple[bytes, float]]) -> None:
    work = at_work(fault)
    feed(work, 101, 102)
    spared, marked = work.frames(102)
    assert spared.wire == ()
    assert writes(b"01234567", marked.wire) == pieces
    assert [fired.kind for fired in work.fired] == [fault.kind]


def test_marks_survive_a_merge() -> None:
    work = at_work(faults.slicer(4), faults.merge(2))
    feed(work, 101, 101.5)
    (merged,) = work.frames(102)
    assert (merged.text, len(merged.wire)) == ("12", 2)
