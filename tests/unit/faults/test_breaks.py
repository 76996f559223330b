"""Faults of the connection: what the client sees of each, and when."""

from __future__ import annotations

import random

import pytest

from tvstreamer import faults
from tvstreamer.faults import Fault, FaultFilter, FaultPlan
from tvstreamer.protocol.framing import join, packet

BEAT = packet("~h~1")


def at_work(*plan: Fault) -> FaultFilter:
    """A plan on a connection that opened at 100."""
    return FaultPlan(plan, seed=1).filter(1, 100.0, random.Random)


def feed(work: FaultFilter, *moments: float) -> None:
    """The server sends "1", "2", ... at these moments."""
    for number, moment in enumerate(moments, start=1):
        work.received(str(number), moment)


# --- nothing comes --------------------------------------------------------------------------------------------------


def test_silence_withholds_everything_and_then_lets_it_come_at_once() -> None:
    work = at_work(faults.silence(5, after=1))
    feed(work, 101, 102, 103)
    assert work.deliveries(103) == [("1", 101)]
    assert work.next_deadline() == 106
    work.received("4", 110)
    assert work.deliveries(110) == [("2", 106), ("3", 106), ("4", 110)]
    assert work.fired == [(101, "silence", "for 5 s", 1)]


def test_silence_for_ever_hides_even_the_end() -> None:
    work = at_work(faults.silence(at=1))
    feed(work, 100.5, 101, 102)
    work.ended(1000, "", 103)
    assert work.deliveries(10_000) == [("1", 100.5)]
    assert (work.closing, work.next_deadline()) == (None, None)
    assert work.fired == [(101, "silence", "for ever", 1)]


def test_the_end_comes_after_the_silence_behind_what_was_withheld() -> None:
    work = at_work(faults.silence(5))
    feed(work, 101)
    work.ended(1001, "bye", 102)
    assert work.deliveries(104) == []
    assert work.closing is None
    assert work.deliveries(105) == [("1", 105)]
    assert work.end == (1001, "bye", 105)


def test_an_end_without_silence_passes() -> None:
    work = at_work(faults.silence(5, at=10))
    work.ended(1001, "bye", 102)
    assert work.end == (1001, "bye", 102)


def test_silence_upstream_keeps_what_the_client_sends_from_the_server() -> None:
    work = at_work(faults.silence(5, after=1, direction="upstream"))
    assert [work.sent(text, 101) for text in ("a", "b", "c")] == [["a"], [], []]
    work.received("1", 102)
    assert work.deliveries(102) == [("1", 102)]
    work.handle_deadline(106)
    assert work.messages_to_send() == ["b", "c"]


def test_silence_may_come_again() -> None:
    work = at_work(faults.silence(2, after=1, times=2))
    feed(work, 101, 102, 110, 111)
    assert work.deliveries(120) == [("1", 101), ("2", 103), ("3", 110), ("4", 112)]


def test_in_a_chatty_stall_only_heartbeats_pass() -> None:
    work = at_work(faults.chatty_stall(20, after=1))
    for text, moment in (("1", 101), ("2", 102), (BEAT, 110), (join(["~h~2", "{}"]), 111)):
        work.received(text, moment)
    assert work.deliveries(120) == [("1", 101), (BEAT, 110)]
    assert work.deliveries(121) == [("2", 121), (join(["~h~2", "{}"]), 121)]


def test_the_end_is_seen_in_a_chatty_stall_and_the_data_is_not() -> None:
    work = at_work(faults.chatty_stall())
    feed(work, 101)
    work.ended(1000, "", 102)
    assert work.deliveries(1000) == []
    assert work.closing == (1000, "")


def test_half_open_withholds_and_says_so_while_it_lasts() -> None:
    work = at_work(faults.half_open(5, after=1), faults.silence(3, at=50))
    assert not work.half_open
    feed(work, 101, 102)
    assert work.half_open
    assert work.deliveries(105.9) == [("1", 101)]
    assert work.deliveries(106) == [("2", 106)]
    assert not work.half_open


# --- the connection ends --------------------------------------------------------------------------------------------


def test_close_lets_so_many_messages_pass_and_nothing_after_them() -> None:
    work = at_work(faults.close(4000, "enough", after=2))
    feed(work, 101, 102, 103)
    assert work.closing is None
    assert work.deliveries(103) == [("1", 101), ("2", 102)]
    assert work.end == (4000, "enough", 102)
    assert work.sent("late", 104) == []
    assert work.fired == [(102, "close", "4000 enough", 1)]


def test_close_by_the_clock_comes_before_a_message_of_the_same_moment() -> None:
    work = at_work(faults.close(at=3))
    assert work.next_deadline() == 103
    feed(work, 103)
    assert work.deliveries(103) == []
    assert work.closing == (1000, "")
    assert work.next_deadline() is None


def test_close_behind_a_command_lets_the_server_see_that_command() -> None:
    work = at_work(faults.close(1011, method="create_series", direction="upstream"))
    assert work.sent(packet('{"m":"set_locale","p":["en","US"]}'), 101) != []
    command = packet('{"m":"create_series","p":["cs_1","sds_1","s1","sym_1","1",300,""]}')
    assert work.sent(command, 102) == [command]
    feed(work, 103)
    assert work.deliveries(103) == []
    assert work.end == (1011, "", 102)


def test_a_reset_is_an_end_without_a_goodbye() -> None:
    work = at_work(faults.reset_peer(after=1))
    feed(work, 101)
    assert work.deliveries(101) == [("1", 101)]
    assert work.end == (1006, "", 101)


@pytest.mark.parametrize("fault", [faults.reset_peer(2.0, after=1), faults.timeout(2.0, after=1)])
def test_a_timeout_goes_quiet_first(fault: Fault) -> None:
    work = at_work(fault)
    feed(work, 101, 102)
    work.ended(1000, "", 102.5)
    assert work.deliveries(102.9) == [("1", 101)]
    assert (work.closing, work.next_deadline()) == (None, 103)
    work.handle_deadline(103)
    assert work.end == (1006, "", 103)


def test_a_timeout_of_zero_never_ends() -> None:
    work = at_work(faults.timeout(after=1))
    feed(work, 101, 102)
    work.ended(1000, "", 102)
    assert work.deliveries(10_000) == [("1", 101)]
    assert (work.closing, work.next_deadline()) == (None, None)


def test_an_ending_fault_swallows_the_end_that_comes_through_it() -> None:
    work = at_work(faults.silence(5), faults.timeout(at=1))
    work.ended(1000, "", 100.5)
    assert work.deliveries(1000) == []
    assert work.closing is None


def test_what_a_silence_lets_go_into_a_closed_connection_is_lost() -> None:
    work = at_work(faults.silence(5), faults.close(after=1))
    feed(work, 101, 102, 103)
    assert work.deliveries(105) == [("1", 105)]
    assert work.closing == (1000, "")


def test_limited_data_ends_in_place_of_the_message_that_is_too_much() -> None:
    work = at_work(faults.limit_data(10))
    for text in ("12345", "\N{GRINNING FACE}", "ab", "c"):
        work.received(text, 101)
    assert work.deliveries(101) == [("12345", 101), ("\N{GRINNING FACE}", 101)]
    assert work.end == (1006, "", 101)
    assert [fired.kind for fired in work.fired] == ["limit_data"]


def test_limited_data_counts_what_it_is_meant_for() -> None:
    work = at_work(faults.limit_data(3, method="heartbeat"))
    for text in ("123456", BEAT, "later"):
        work.received(text, 101)
    assert work.deliveries(101) == [("123456", 101)]


def test_limited_data_upstream_ends_the_connection_for_the_client() -> None:
    work = at_work(faults.limit_data(3, direction="upstream"))
    assert [work.sent(text, 101) for text in ("abc", "d", "e")] == [["abc"], [], []]
    assert work.end == (1006, "", 101)


def test_a_slow_close_is_seen_later_than_it_happens() -> None:
    work = at_work(faults.slow_close(3))
    feed(work, 101)
    work.ended(1001, "bye", 102)
    assert work.deliveries(104.9) == [("1", 101)]
    assert (work.closing, work.next_deadline()) == (None, 105)
    work.handle_deadline(105)
    assert work.end == (1001, "bye", 105)
    assert work.fired == [(102, "slow_close", "3 s", 1)]


def test_a_close_before_a_slow_close_begins_is_seen_at_once() -> None:
    work = at_work(faults.slow_close(3, at=10))
    work.ended(1001, "bye", 102)
    assert work.end == (1001, "bye", 102)


def test_a_reset_in_the_midst_of_a_frame_cuts_the_message_that_it_fires_on() -> None:
    work = at_work(faults.reset_mid_frame(after=1))
    feed(work, 101, 102, 103)
    first, second = work.frames(103)
    assert (first.text, first.wire) == ("1", ())
    assert (second.text, len(second.wire)) == ("2", 1)
    assert work.end == (1006, "", 102)
    assert work.fired == [(102, "reset_mid_frame", "1006", 1)]


# --- the server says so ---------------------------------------------------------------------------------------------


def test_an_expired_token_is_refused_as_a_bad_one_is() -> None:
    work = at_work(faults.token_expired(after=1))
    feed(work, 101, 102)
    assert work.deliveries(102) == [("1", 101), (packet('{"m":"protocol_error","p":["bad auth token"]}'), 101)]
    assert work.closing == (1000, "bad auth token")


def test_a_protocol_error_says_why_and_hangs_up() -> None:
    work = at_work(faults.protocol_error("banned", at=2))
    assert work.deliveries(102) == [(packet('{"m":"protocol_error","p":["banned"]}'), 102)]
    assert work.end == (1000, "banned", 102)


def test_a_critical_error_is_about_the_newest_session_and_ends_nothing() -> None:
    work = at_work(faults.critical_error(info="method: x", method="chart_create_session", direction="upstream"))
    command = packet('{"m":"chart_create_session","p":["cs_1",""]}')
    assert work.sent(command, 101) == [command]
    feed(work, 102)
    error = packet('{"m":"critical_error","p":["cs_1","invalid parameters","method: x"]}')
    assert work.deliveries(102) == [(error, 101), ("1", 102)]
    assert work.closing is None
    assert work.fired == [(101, "critical_error", "cs_1 invalid parameters", 1)]


def test_a_critical_error_may_name_a_session() -> None:
    work = at_work(faults.critical_error("invalid_session", session="cs_9", after=1))
    feed(work, 101)
    assert work.deliveries(101)[1][0] == packet('{"m":"critical_error","p":["cs_9","invalid_session",""]}')


def test_an_unknown_packet_comes_in_a_message_of_its_own() -> None:
    work = at_work(faults.unknown_packet("news", after=1, times=2))
    feed(work, 101, 102, 103)
    news = packet('{"m":"news","p":[]}')
    assert work.deliveries(103) == [("1", 101), (news, 101), ("2", 102), (news, 102), ("3", 103)]
    assert [fired.detail for fired in work.fired] == ["news", "news"]
