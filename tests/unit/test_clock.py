from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.clock import Clock, ScaledClock, SystemClock, VirtualClock

MAKERS = [SystemClock, lambda: ScaledClock(1000.0), lambda: ScaledClock(0.5, start=5.0), VirtualClock]
moments = st.floats(-1e6, 1e10)


@pytest.fixture(params=MAKERS, ids=["system", "fast", "slow", "virtual"])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


def test_a_clock_never_goes_back(clock: Clock) -> None:
    readings = [clock.now() for _ in range(1000)]
    assert readings == sorted(readings)


def test_waiting_for_an_event_that_is_set_takes_no_time(clock: Clock) -> None:
    event = threading.Event()
    event.set()
    assert clock.wait(event, 1e6)
    assert event.is_set()


def test_a_wait_that_times_out_says_so(clock: Clock) -> None:
    assert not clock.wait(threading.Event(), 0.001)


def test_a_wait_for_less_than_nothing_returns_at_once(clock: Clock) -> None:
    assert not clock.wait(threading.Event(), -5.0)


def test_after_a_wait_its_time_has_passed(clock: Clock) -> None:
    begun = clock.now()
    clock.wait(threading.Event(), 0.01)
    # The operating system may round a wait down to its own ticks.
    assert clock.now() >= begun + 0.009


@pytest.mark.parametrize("make", MAKERS[:3], ids=["system", "fast", "slow"])
def test_a_wait_ends_when_another_thread_sets_the_event(make: type[SystemClock]) -> None:
    event, results = threading.Event(), []
    waiter = threading.Thread(target=lambda: results.append(make().wait(event, 30.0)))
    waiter.start()
    event.set()
    waiter.join(10.0)
    assert results == [True]


def test_the_system_clock_tells_the_time() -> None:
    before = time.time()
    assert before - 1.0 <= SystemClock().now() <= time.time() + 1.0


def test_a_scaled_clock_starts_at_the_present_unless_told_otherwise() -> None:
    before = time.time()
    assert before - 1.0 <= ScaledClock(1.0).now() <= time.time() + 1.0
    assert 100.0 <= ScaledClock(1.0, start=100.0).now() < 160.0


def test_a_scaled_clock_runs_that_many_times_faster() -> None:
    clock, real = ScaledClock(1000.0, start=0.0), time.monotonic()
    threading.Event().wait(0.01)
    passed = clock.now()
    assert 10.0 * 0.9 <= passed <= (time.monotonic() - real) * 1000.0


def test_a_scaled_clock_waits_that_many_times_shorter() -> None:
    real = time.monotonic()
    assert not ScaledClock(1_000_000.0).wait(threading.Event(), 3600.0)
    assert time.monotonic() - real < 30.0


@pytest.mark.parametrize("factor", [0, -1.0, float("nan")])
def test_a_clock_that_would_stand_or_run_backwards_is_refused(factor: float) -> None:
    with pytest.raises(ValueError, match=f"clock factor {factor!r}: expected a number above 0"):
        ScaledClock(factor)


@given(moments, st.lists(st.tuples(st.booleans(), moments), max_size=20))
def test_a_virtual_clock_moves_only_when_told_and_only_forward(start: float, moves: list[tuple[bool, float]]) -> None:
    clock = VirtualClock(start)
    for to_a_moment, amount in moves:
        before = clock.now()
        if to_a_moment:
            clock.advance_to(amount)
            assert clock.now() == max(before, amount)
        else:
            clock.advance(amount)
            assert clock.now() == before + max(0.0, amount)
    assert clock.now() >= start


def test_a_wait_on_a_virtual_clock_moves_it_by_the_timeout() -> None:
    clock = VirtualClock(100.0)
    assert not clock.wait(threading.Event(), 3600.0)
    assert clock.now() == 3700.0


def test_a_wait_for_a_set_event_leaves_a_virtual_clock_where_it_is() -> None:
    clock, event = VirtualClock(100.0), threading.Event()
    event.set()
    assert clock.wait(event, 3600.0)
    assert clock.now() == 100.0


def test_threads_that_advance_a_virtual_clock_together_lose_nothing() -> None:
    clock = VirtualClock(0.0)

    def advance() -> None:
        for _ in range(1000):
            clock.advance(1.0)

    threads = [threading.Thread(target=advance) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30.0)
    assert clock.now() == 4000.0
