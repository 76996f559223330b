"""A clock that is stopped and set forward never goes back."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.server.steered import SteeredClock


@given(st.lists(st.sampled_from(["pause", "resume", "skip", "back"]), max_size=30))
def test_time_never_goes_back_whatever_is_done(steps: list[str]) -> None:
    clock = SteeredClock(3.0)
    before = clock.now()
    for step in steps:
        match step:
            case "pause":
                clock.pause()
            case "resume":
                clock.resume()
            case "skip":
                clock.skip(10.0)
                assert clock.now() >= before + 10.0
            case "back":
                clock.skip(-10.0)
        assert clock.now() >= before
        before = clock.now()


def test_a_pause_takes_no_time() -> None:
    clock = SteeredClock(1_000_000.0)
    clock.pause()
    stopped = clock.now()
    assert clock.paused
    assert not clock.wait(threading.Event(), 1e9)
    assert clock.now() == stopped
    assert "stopped" in repr(clock)
    clock.resume()
    assert not clock.paused
    assert stopped <= clock.now() < stopped + 1_000_000.0
    assert "1e+06 times" in repr(clock)


def test_a_wait_on_a_running_clock_ends_in_its_time_and_an_event_ends_any() -> None:
    clock = SteeredClock(1_000.0)
    assert not clock.wait(threading.Event(), 1.0)
    event = threading.Event()
    event.set()
    assert clock.wait(event, 1e9)
    clock.pause()
    assert clock.wait(event, 1e9)
