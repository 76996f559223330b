"""The server's time, as it is heard of on its messages."""

from __future__ import annotations

import math

from tvstreamer.protocol.server_clock import ServerClock


def test_nothing_is_known_before_it_was_heard_of() -> None:
    clock = ServerClock()
    assert (clock.now(5.0), clock.ours(5.0), clock.ahead) == (None, math.inf, 0.0)
    assert repr(clock) == "<ServerClock unheard of>"


def test_it_goes_on_from_the_newest_word() -> None:
    clock = ServerClock()
    assert clock.note(100.0, 7.0)
    assert clock.now(9.5) == 102.5
    assert clock.ours(102.5) == 9.5
    assert clock.ahead == 93.0
    assert repr(clock) == "<ServerClock +93.000 s>"


def test_an_older_word_and_the_same_once_more_change_nothing() -> None:
    clock = ServerClock()
    clock.note(100.0, 7.0)
    assert not clock.note(99.999, 7.5)
    assert not clock.note(100.0, 8.0)
    assert clock.now(8.0) == 101.0
    assert clock.note(100.001, 8.0)
    assert clock.now(8.0) == 100.001


def test_another_connection_may_be_to_another_server_that_is_behind() -> None:
    clock = ServerClock()
    clock.note(100.0, 7.0)
    clock.connected()
    assert clock.now(8.0) is None
    assert clock.ahead == 93.0
    assert clock.note(50.0, 8.0)
    assert (clock.now(8.0), clock.ahead) == (50.0, 42.0)
