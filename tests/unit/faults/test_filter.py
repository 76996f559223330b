"""A whole plan at work on one connection: order, time, and both directions."""

from __future__ import annotations

import random
from typing import get_args

import pytest

from tvstreamer import faults
from tvstreamer.faults import Fault, FaultFilter, FaultPlan
from tvstreamer.faults.filter import KEPT
from tvstreamer.faults.kinds import Carrier
from tvstreamer.protocol import codec
from tvstreamer.protocol.framing import packet
from tvstreamer.protocol.packets import Command, Heartbeat, Unknown

BEAT = packet("~h~1")


def at_work(*plan: Fault, seed: int = 1, connection: int = 1) -> FaultFilter:
    """A plan on a connection that opened at 100."""
    return FaultPlan(plan, seed).filter(connection, 100.0, random.Random)


def command(payload: str) -> Command:
    decoded = codec.decode_command(payload)
    assert not isinstance(decoded, Heartbeat | Unknown)
    return decoded


def test_without_a_fault_that_concerns_it_a_connection_is_left_alone() -> None:
    work = at_work(faults.drop(connection=2), faults.refuse())
    assert work.idle
    work.received("1", 101)
    assert work.sent("a", 102) == ["a"]
    work.ended(4000, "bye", 103)
    assert work.deliveries(103) == [("1", 101)]
    assert work.end == (4000, "bye", 103)
    assert not at_work(faults.drop(connection=2), connection=2).idle


def test_messages_pass_the_faults_in_the_order_of_the_plan() -> None:
    doubled_first = at_work(faults.duplicate(), faults.drop(times=1))
    dropped_first = at_work(faults.drop(times=1), faults.duplicate())
    for work in (doubled_first, dropped_first):
        work.received("1", 101)
        work.received("2", 102)
    assert doubled_first.deliveries(102) == [("1", 101), ("2", 102), ("2", 102)]
    assert dropped_first.deliveries(102) == [("2", 102), ("2", 102)]


def test_what_is_due_at_one_moment_keeps_the_order_in_which_it_came() -> None:
    work = at_work(faults.latency(1), faults.latency(2))
    work.received("1", 101)
    work.received("2", 102)
    assert work.deliveries(104) == [("1", 104)]
    assert work.deliveries(105) == [("2", 105)]
    # At 103 the first stage lets "4" go, and the second one "3", which came earlier.
    work = at_work(faults.latency(1, after=1), faults.latency(2, times=1))
    work.received("3", 101)
    work.received("4", 102)
    assert work.deliveries(103) == [("3", 103), ("4", 103)]


def test_delays_add_up_from_their_own_moments_however_late_somebody_asks() -> None:
    work = at_work(faults.silence(5, after=1), faults.latency(2, at=3))
    work.received("1", 101)
    work.received("2", 102)
    assert work.deliveries(1_000_000) == [("1", 101), ("2", 108)]


def test_the_clock_of_deliveries_never_goes_back() -> None:
    work = at_work(faults.unknown_packet(at=5))
    work.received("1", 103)
    work.handle_deadline(105)
    work.received("stamped before", 104)
    assert [moment for _, moment in work.deliveries(105)] == [103, 105, 105]


def test_what_the_client_sends_does_not_touch_the_stamps_of_what_it_receives() -> None:
    work = at_work(faults.drop(at=1000))
    work.sent("a", 150)
    work.received("1", 140)
    assert work.deliveries(150) == [("1", 140)]


def test_deliveries_are_taken_once() -> None:
    work = at_work(faults.duplicate())
    work.received("1", 101)
    assert work.deliveries(101) == [("1", 101), ("1", 101)]
    assert work.deliveries(101) == []


def test_the_end_is_told_when_everything_before_it_was_taken() -> None:
    work = at_work(faults.latency(1))
    work.received("1", 101)
    work.ended(1000, "", 101)
    work.handle_deadline(102)
    assert work.closing is None
    work.deliveries(102)
    assert work.closing == (1000, "")


def test_behind_the_end_nothing_comes_and_nothing_is_due() -> None:
    work = at_work(faults.close(at=1), faults.unknown_packet(at=2), faults.latency(5, direction="upstream"))
    work.sent("a", 100)
    work.handle_deadline(101)
    work.received("1", 102)
    work.ended(1001, "", 103)
    assert work.deliveries(200) == []
    assert (work.closing, work.next_deadline(), work.withholds) == ((1000, ""), None, False)
    assert work.sent("b", 200) == work.messages_to_send() == []


def test_what_comes_into_a_queue_behind_the_end_is_lost() -> None:
    work = at_work(faults.close(at=1), faults.latency(5), faults.latency(3, direction="upstream"))
    work.received("1", 100)
    work.sent("a", 100)
    work.handle_deadline(101)
    assert work.hung_up
    work.handle_deadline(103)
    assert work.messages_to_send() == []
    assert work.deliveries(104) == []
    assert work.deliveries(106) == [("1", 105)]
    assert work.end == (1000, "", 106)


def test_only_one_end_counts_and_nothing_is_delivered_behind_it() -> None:
    work = at_work(faults.slow_close(5), faults.unknown_packet(at=3))
    work.ended(1000, "first", 101)
    work.ended(1001, "second", 102)
    assert work.deliveries(200) == [(packet('{"m":"fault_unknown","p":[]}'), 103)]
    assert work.end == (1000, "first", 106)
    # Here all comes out of one stage at once.
    work = at_work(faults.close(after=1), faults.unknown_packet(at=3), faults.silence(5))
    work.received("1", 101)
    assert work.deliveries(200) == [("1", 105)]
    assert work.end == (1000, "", 105)


def test_a_fault_upstream_that_speaks_to_the_client_is_heard_through_the_faults_behind_it() -> None:
    speaks = faults.critical_error(after=2, direction="upstream")
    for plan, moment in (((speaks, faults.latency(2)), 103), ((faults.latency(2), speaks), 101)):
        work = at_work(*plan)
        assert [work.sent(text, 101) for text in "ab"] == [["a"], ["b"]]
        assert [at for _, at in work.deliveries(200)] == [moment]


def test_symbols_of_commands_from_before_can_be_learnt() -> None:
    work = at_work(faults.drop(symbol="A:B"))
    work.learn(
        [
            command('{"m":"resolve_symbol","p":["cs_1","sym_1","A:B"]}'),
            command('{"m":"create_series","p":["cs_1","sds_1","s1","sym_1","1",300,""]}'),
        ]
    )
    work.received(packet('{"m":"series_loading","p":["cs_1","sds_1","s1"]}'), 101)
    work.received(BEAT, 102)
    assert work.deliveries(102) == [(BEAT, 102)]


def test_symbols_are_learnt_from_what_is_sent() -> None:
    work = at_work(faults.drop(symbol="A:B", direction="upstream", method="create_series"))
    resolve = packet('{"m":"resolve_symbol","p":["cs_1","sym_1","A:B"]}')
    assert work.sent(resolve, 101) == [resolve]
    assert work.sent(packet('{"m":"create_series","p":["cs_1","sds_1","s1","sym_1","1",300,""]}'), 102) == []


def test_the_same_seed_draws_the_same_and_each_connection_its_own() -> None:
    def kept(seed: int, connection: int) -> list[str]:
        work = at_work(faults.drop(probability=0.5), seed=seed, connection=connection)
        for number in range(100):
            work.received(str(number), 100 + number)
        return [text for text, _ in work.deliveries(1000)]

    assert kept(1, 1) == kept(1, 1)
    assert len({tuple(kept(seed, connection)) for seed in (1, 2) for connection in (1, 2)}) == 4


def test_what_is_withheld_can_be_taken_out_in_the_order_in_which_it_was_said() -> None:
    work = at_work(faults.silence(at=2), faults.latency(50), faults.latency(9, direction="upstream"))
    for moment in (101, 103, 104):
        work.received(str(moment), moment)
    work.sent("a", 104)
    work.ended(1000, "", 105)
    assert work.give_up() == (["101", "103", "104"], ["a"])
    assert work.give_up() == ([], [])


def test_a_filter_tells_whether_it_has_faults_of_what_the_client_sends() -> None:
    assert [at_work(faults.drop(direction=each)).acts_upstream for each in ("upstream", "downstream")] == [True, False]


def test_only_the_newest_of_what_fired_is_remembered() -> None:
    work = at_work(faults.drop())
    for number in range(KEPT + 5):
        work.received("x", 100.0 + number)
    assert len(work.fired) == KEPT
    assert work.fired[0].at == 105


@pytest.mark.parametrize("carrier", get_args(Carrier))
def test_every_kind_but_a_refusal_is_at_work_on_a_connection(carrier: str) -> None:
    needed = {"latency": [1], "bandwidth": [1], "slicer": [1], "slow_reader": [1], "clock_skew": [1], "limit_data": [1], "slow_close": [1]}
    for name, kind in faults.KINDS.items():
        if kind.carrier == carrier:
            assert at_work(kind(*needed.get(name, []))).idle == (carrier == "handshake")


def test_a_connection_is_half_open_only_while_that_fault_lasts() -> None:
    work = at_work(faults.silence(20), faults.half_open(5, at=10))
    assert [(work.handle_deadline(moment), work.half_open)[1] for moment in (105, 110, 114, 115)] == [False, True, True, False]


def test_repr_tells_the_state() -> None:
    work = at_work(faults.close(after=1), faults.latency(1))
    assert repr(work) == "<FaultFilter open, 2 faults, 0 fired>"
    work.received("1", 101)
    assert repr(work) == "<FaultFilter hung up, 2 faults, 2 fired>"
    work.handle_deadline(200)
    assert repr(work) == "<FaultFilter ended, 2 faults, 2 fired>"
