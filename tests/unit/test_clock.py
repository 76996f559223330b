from __future__ import annotations

import math
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer import testing
from tvstreamer.clock import Clock, ScaledClock, SystemClock, VirtualClock, duration, instant
from tvstreamer.errors import InvalidPlan

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


# --- events -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [*MAKERS[:3], lambda: VirtualClock(autojump=False)], ids=["system", "fast", "slow", "virtual"])
def test_an_event_of_the_clock_wakes_whoever_waits_for_it(make: Callable[[], Clock]) -> None:
    clock, results = make(), []
    event = clock.event()
    waiter = threading.Thread(target=lambda: results.append(clock.wait(event, 3600.0)))
    waiter.start()
    event.set()
    waiter.join(10.0)
    assert results == [True]
    event.clear()
    assert not event.is_set()


def test_an_event_of_a_virtual_clock_waits_in_virtual_seconds() -> None:
    clock = VirtualClock(100.0)
    event = clock.event()
    assert not event.wait(3600.0)
    assert clock.now() == 3700.0
    event.set()
    assert event.wait()
    assert clock.now() == 3700.0


@pytest.mark.parametrize("make", MAKERS[:3], ids=["system", "fast", "slow"])
def test_on_a_clock_that_runs_by_itself_taking_part_changes_nothing(make: Callable[[], Clock]) -> None:
    clock = make()
    with clock.participant("reader"), clock.blocking():
        assert not clock.wait(clock.event(), 0.001)


def test_time_comes_to_exactly_the_moment_that_is_waited_for() -> None:
    clock = VirtualClock(0.8)
    moment = 3.9
    assert clock.now() + (moment - clock.now()) != moment
    assert not clock.wait_until(clock.event(), moment)
    assert clock.now() == moment


def test_a_moment_that_has_passed_is_not_waited_for() -> None:
    clock, event = VirtualClock(100.0), threading.Event()
    assert not clock.wait_until(event, 99.0)
    event.set()
    assert clock.wait_until(event, 200.0)
    assert clock.now() == 100.0


# --- between threads ----------------------------------------------------------------------------------------------------


class Play:
    """Threads that take part in a virtual clock, and what they told, in the order in which they told it."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.told: list[tuple[float, str]] = []
        self.failures: dict[str, BaseException] = {}
        self._threads: list[threading.Thread] = []

    def tell(self, what: str) -> None:
        self.told.append((self.clock.now(), what))

    def add(self, name: str, act: Callable[[], None], *, registered: bool = True) -> None:
        """A participant, registered now; it begins with `start`."""
        seat = self.clock.participant(name) if registered else None
        self._threads.append(threading.Thread(target=self._run, args=(name, act, seat), name=name, daemon=True))

    def sleepers(self, **lengths: list[float]) -> None:
        """Participants that wait for so many seconds, one wait after the other, and tell their names after each."""
        for name, waits in lengths.items():
            self.add(name, lambda name=name, waits=waits: self._sleep(name, waits))  # type: ignore[misc]

    def _sleep(self, name: str, waits: list[float]) -> None:
        never = self.clock.event()
        for seconds in waits:
            assert not self.clock.wait(never, seconds)
            self.tell(name)

    def start(self, order: random.Random | None = None) -> None:
        threads = list(self._threads)
        if order is not None:
            order.shuffle(threads)
        for thread in threads:
            thread.start()

    def end(self) -> list[tuple[float, str]]:
        for thread in self._threads:
            thread.join(20.0)
            assert not thread.is_alive(), f"{thread.name} goes on"
        return self.told

    def run(self) -> list[tuple[float, str]]:
        self.start()
        told = self.end()
        assert not self.failures
        return told

    def _run(self, name: str, act: Callable[[], None], seat: AbstractContextManager[object] | None) -> None:
        try:
            if seat is None:
                act()
            else:
                with seat:
                    act()
        except BaseException as error:
            self.failures[name] = error


@pytest.fixture
def play() -> Play:
    return Play(VirtualClock(0.0))


@pytest.fixture
def paused() -> Play:
    """Time moves by `advance` only."""
    return Play(VirtualClock(0.0, autojump=False))


def test_when_all_wait_the_clock_jumps_to_the_earliest_moment(play: Play) -> None:
    play.sleepers(a=[3600, 1800], b=[600], c=[10_000])
    begun = time.monotonic()
    assert play.run() == [(600, "b"), (3600, "a"), (5400, "a"), (10_000, "c")]
    assert time.monotonic() - begun < 20


def test_of_those_who_wait_for_the_same_moment_the_first_registered_wakes_first(play: Play) -> None:
    play.sleepers(c=[5, 5], a=[10], b=[5, 5])
    play.start(random.Random(1))
    assert play.end() == [(5, "c"), (5, "b"), (10, "c"), (10, "a"), (10, "b")]


def test_while_one_is_busy_time_stands_still(play: Play) -> None:
    busy, done = threading.Event(), threading.Event()

    def work() -> None:
        busy.set()
        assert done.wait(20)
        play.tell("worked")

    play.sleepers(sleeper=[5])
    play.add("worker", work)
    play.start()
    assert busy.wait(20)
    assert play.clock.now() == 0
    done.set()
    assert play.end() == [(0, "worked"), (5, "sleeper")]


def test_whoever_is_woken_by_an_event_runs_when_the_one_that_set_it_waits(play: Play) -> None:
    event = play.clock.event()

    def listen() -> None:
        assert play.clock.wait(event, 60)
        play.tell("heard")

    def call() -> None:
        assert not play.clock.wait(play.clock.event(), 7)
        event.set()
        play.tell("called")

    play.add("listener", listen)
    play.add("caller", call)
    assert play.run() == [(7, "called"), (7, "heard")]


def test_those_woken_by_one_run_before_those_woken_after_them(play: Play) -> None:
    clock = play.clock
    first, second = clock.event(), clock.event()

    def follow(event: threading.Event, name: str, then: threading.Event | None = None) -> None:
        assert clock.wait(event, 60)
        play.tell(name)
        if then is not None:
            then.set()

    play.add("last", lambda: follow(second, "last"))
    play.add("a", lambda: follow(first, "a", second))
    play.add("b", lambda: follow(first, "b"))
    play.add("starter", first.set)
    assert play.run() == [(0, "a"), (0, "b"), (0, "last")]


def test_an_event_that_is_cleared_again_has_woken_all_the_same(play: Play) -> None:
    event = play.clock.event()

    def pulse() -> None:
        event.set()
        event.clear()

    play.add("waiter", lambda: play.tell(str(play.clock.wait(event, 60))))
    play.add("pulse", pulse)
    assert play.run() == [(0, "True")]


def test_a_wait_for_no_time_at_all_returns_at_once(play: Play) -> None:
    play.sleepers(other=[1])
    play.add("poller", lambda: play.tell(str(play.clock.wait(play.clock.event(), 0))))
    assert play.run() == [(0, "False"), (1, "other")]


def test_a_plain_event_works_too_if_a_participant_sets_it(play: Play) -> None:
    event = threading.Event()

    def call() -> None:
        play.clock.wait(play.clock.event(), 7)
        event.set()

    play.add("listener", lambda: play.tell(str(play.clock.wait(event, 60))))
    play.add("caller", call)
    assert play.run() == [(7, "True")]


class WatchedEvent(threading.Event):
    """A plain event that tells how often it was looked at."""

    def __init__(self) -> None:
        super().__init__()
        self._looks = threading.Semaphore(0)

    def is_set(self) -> bool:
        self._looks.release()
        return super().is_set()

    def be_looked_at(self, times: int) -> None:
        for _ in range(times):
            assert self._looks.acquire(timeout=20)


def test_a_plain_event_that_somebody_else_sets_is_looked_at_again_and_again() -> None:
    play = Play(VirtualClock(0.0, autojump=False, patience=1.0))
    event = WatchedEvent()
    play.add("listener", lambda: play.tell(str(play.clock.wait(event, 60))))
    play.start()
    # For longer than its patience lasts, but time goes on meanwhile.
    for _ in range(6):
        event.be_looked_at(20)
        play.clock.advance(1)
    event.set()
    assert play.end() == [(6, "True")]


def test_threads_that_do_not_take_part_may_wait_among_those_who_do(play: Play) -> None:
    clock, results = play.clock, []
    event = clock.event()

    def act() -> None:
        clock.wait(clock.event(), 5)
        event.set()
        clock.wait(clock.event(), 5)

    play.add("participant", act)
    outsiders = [
        threading.Thread(target=lambda: results.append((clock.wait(event, 60), "by event"))),
        threading.Thread(target=lambda: results.append((clock.wait(clock.event(), 7), "by time"))),
    ]
    for outsider in outsiders:
        outsider.start()
    play.run()
    for outsider in outsiders:
        outsider.join(20)
    assert sorted(results) == [(False, "by time"), (True, "by event")]


def test_the_last_one_to_leave_does_not_leave_others_waiting(play: Play) -> None:
    clock, here, results = play.clock, threading.Event(), []

    def wait() -> None:
        here.set()
        results.append(clock.wait(clock.event(), 1000))

    outsider = threading.Thread(target=wait)
    with clock.participant():
        outsider.start()
        assert here.wait(20)
    outsider.join(20)
    assert results == [False]
    assert clock.now() == 1000


def test_within_a_participant_of_the_same_thread_another_one_changes_nothing(play: Play) -> None:
    def act() -> None:
        with play.clock.participant("again"):
            play.clock.wait(play.clock.event(), 5)
        play.clock.wait(play.clock.event(), 5)
        play.tell("outer")

    play.add("outer", act)
    play.sleepers(other=[7])
    assert play.run() == [(7, "other"), (10, "outer")]


programs = st.lists(
    st.lists(
        st.one_of(
            st.tuples(st.just("wait"), st.integers(0, 2), st.integers(0, 5)),
            st.tuples(st.just("set"), st.integers(0, 2), st.just(0)),
            st.tuples(st.just("clear"), st.integers(0, 2), st.just(0)),
            st.tuples(st.just("advance"), st.just(0), st.integers(0, 5)),
        ),
        max_size=8,
    ),
    min_size=1,
    max_size=4,
)


@given(programs, st.integers(0, 1000))
def test_the_same_program_wakes_the_same_threads_at_the_same_times(scripts: list[list[tuple[str, int, int]]], seed: int) -> None:
    order = random.Random(seed)

    def run() -> list[tuple[float, str]]:
        play = Play(VirtualClock(0.0))
        # One event of the three is a plain one.
        events = [play.clock.event(), play.clock.event(), threading.Event()]

        def act(number: int, script: list[tuple[str, int, int]]) -> None:
            for what, event, seconds in script:
                begun = play.clock.now()
                if what == "wait":
                    woken = play.clock.wait(events[event], seconds)
                    now = play.clock.now()
                    assert now <= begun + seconds if woken else now == begun + seconds
                    play.tell(f"{number} {woken}")
                elif what == "advance":
                    play.clock.advance(seconds)
                    assert play.clock.now() == begun + seconds
                    play.tell(f"{number} advanced")
                elif what == "set":
                    events[event].set()
                else:
                    events[event].clear()

        for number, script in enumerate(scripts):
            play.add(str(number), lambda number=number, script=script: act(number, script))  # type: ignore[misc]
        play.start(order)
        told = play.end()
        assert not play.failures
        return told

    first = run()
    assert first == sorted(first, key=lambda each: each[0])
    assert run() == first
    assert run() == first


# --- advance ------------------------------------------------------------------------------------------------------------


def test_advance_wakes_each_at_its_own_time_and_ends_when_all_are_idle(paused: Play) -> None:
    paused.sleepers(a=[2, 2, 2], b=[3, 5])
    paused.start()
    paused.clock.advance(4)
    assert paused.told == [(2, "a"), (3, "b"), (4, "a")]
    assert paused.clock.now() == 4
    paused.clock.advance_to(7.5)
    assert paused.told[3:] == [(6, "a")]
    assert paused.clock.now() == 7.5
    paused.clock.advance("500ms")
    assert paused.end()[4:] == [(8, "b")]


def test_without_autojump_time_stands_still_until_it_is_moved(paused: Play) -> None:
    paused.sleepers(a=[2])
    paused.start()
    paused.clock.advance(1)
    assert (paused.clock.now(), paused.told) == (1, [])
    paused.clock.advance(1)
    assert paused.end() == [(2, "a")]


def test_what_happens_on_the_way_happens_before_time_goes_on(paused: Play) -> None:
    clock = paused.clock
    event = clock.event()

    def call() -> None:
        clock.wait(clock.event(), 5)
        event.set()
        clock.wait(clock.event(), 1)
        paused.tell("called")

    def listen() -> None:
        clock.wait(event, 100)
        paused.tell("heard")
        clock.wait(clock.event(), 1)
        paused.tell("listened")

    paused.add("listener", listen)
    paused.add("caller", call)
    paused.start()
    clock.advance("1m")
    assert paused.end() == [(5, "heard"), (6, "listened"), (6, "called")]
    assert clock.now() == 60


def test_to_advance_by_nothing_lets_everybody_run_until_all_wait(paused: Play) -> None:
    paused.add("busy", lambda: paused.tell("ran"))
    paused.sleepers(other=[1])
    paused.start()
    paused.clock.advance(0)
    assert paused.told == [(0, "ran")]
    paused.clock.advance_to(-5)
    assert paused.clock.now() == 0
    paused.clock.advance(1)
    paused.end()


def test_advance_on_a_clock_that_jumps_returns_when_that_time_has_come(play: Play) -> None:
    wanted = play.clock.event()
    play.add("waiter", lambda: play.tell(str(play.clock.wait(wanted, math.inf))))
    play.start()
    play.clock.advance("6h")
    assert play.clock.now() == 21_600
    wanted.set()
    assert play.end() == [(21_600, "True")]


def test_a_participant_that_advances_lets_the_others_go_first(paused: Play) -> None:
    def drive() -> None:
        paused.clock.advance(3)
        paused.tell("driver")
        paused.clock.advance_to(4)
        paused.tell("driver")

    paused.add("driver", drive)
    paused.sleepers(a=[1, 1, 1], b=[4])
    assert paused.run() == [(1, "a"), (2, "a"), (3, "a"), (3, "driver"), (4, "b"), (4, "driver")]


def test_threads_that_advance_a_clock_on_which_others_wait_lose_nothing(paused: Play) -> None:
    paused.sleepers(waiter=[400, 1])
    drivers = [threading.Thread(target=lambda: [paused.clock.advance(1) for _ in range(100)]) for _ in range(4)]
    paused.start()
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(20)
    assert paused.clock.now() == 400
    paused.clock.advance(1)
    assert paused.end() == [(400, "waiter"), (401, "waiter")]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("6h", 21_600), ("90s", 90), ("1h30m", 5400), ("500ms", 0.5), ("1.5s", 1.5), ("2d", 172_800), (7, 7), (0.25, 0.25)],
)
def test_a_duration_is_a_number_of_seconds_or_numbers_with_units(text: str | float, seconds: float) -> None:
    assert duration(text) == seconds
    clock = VirtualClock(100.0)
    clock.advance(text)
    assert clock.now() == 100.0 + seconds


@pytest.mark.parametrize("text", ["", "90", "1x", "h", "-1s", "1h 30m", "1.s", "1,5s", math.inf, math.nan])
def test_what_is_no_duration_is_refused_with_what_was_expected(text: str | float) -> None:
    with pytest.raises(InvalidPlan, match="expected (seconds, or numbers with d, h, m, s, ms|a finite number)"):
        VirtualClock().advance(text)


@pytest.mark.parametrize("moment", [math.inf, math.nan])
def test_time_cannot_come_to_a_moment_that_never_is(moment: float) -> None:
    with pytest.raises(InvalidPlan, match="expected seconds since the epoch"):
        VirtualClock().advance_to(moment)


# --- blocking elsewhere -------------------------------------------------------------------------------------------------


def test_a_participant_that_blocks_elsewhere_lets_others_run_but_no_time_pass(play: Play) -> None:
    clock, asked, answered = play.clock, play.clock.event(), threading.Event()

    def answer() -> None:
        assert clock.wait(asked, 60)
        play.tell("answers")
        answered.set()

    def ask() -> None:
        asked.set()
        with clock.blocking():
            assert answered.wait(20)
            play.tell("has the answer")
        play.tell("goes on")

    play.sleepers(sleeper=[1])
    play.add("answerer", answer)
    play.add("asker", ask)
    assert play.run() == [(0, "answers"), (0, "has the answer"), (0, "goes on"), (1, "sleeper")]


def test_a_participant_may_wait_on_the_clock_while_it_says_that_it_blocks(play: Play) -> None:
    clock, event = play.clock, play.clock.event()

    def act() -> None:
        with clock.blocking():
            with clock.blocking():
                clock.wait(clock.event(), 2)
                play.tell("waited")
            assert clock.wait(event, 60)
            play.tell("heard")
        play.tell("goes on")

    play.add("blocker", act)
    play.sleepers(sleeper=[1, 2])
    play.add("caller", lambda: (clock.wait(clock.event(), 4), event.set()))  # type: ignore[arg-type, return-value]
    assert play.run() == [(1, "sleeper"), (2, "waited"), (3, "sleeper"), (4, "heard"), (4, "goes on")]


def test_where_there_is_no_participant_nothing_blocks(play: Play) -> None:
    with play.clock.blocking():
        assert not play.clock.wait(play.clock.event(), 5)
    assert play.clock.now() == 5


# --- no hang without a reason -------------------------------------------------------------------------------------------


@pytest.fixture
def hasty() -> Play:
    """Has little patience."""
    return Play(VirtualClock(0.0, patience=0.4))


def reason(play: Play, name: str) -> str:
    play.end()
    failure = play.failures[name]
    assert isinstance(failure, RuntimeError)
    assert str(failure).startswith(f"virtual time has stood at 0.0 for 0.4 real seconds, and {name!r} waits: ")
    return str(failure).partition(" waits: ")[2]


def test_one_that_does_not_come_back_is_named_to_those_who_wait(hasty: Play) -> None:
    released = threading.Event()
    hasty.sleepers(sleeper=[5])
    hasty.add("busy", lambda: hasty.tell(str(released.wait(20))))
    hasty.start()
    hasty._threads[0].join(20)
    released.set()
    assert reason(hasty, "sleeper") == "not idle: 'busy' runs, or blocks on something else than this clock"


def test_one_that_waits_for_its_turn_is_told_whose_turn_it_is(hasty: Play) -> None:
    released = threading.Event()
    hasty.add("busy", lambda: hasty.tell(str(released.wait(20))))
    hasty.sleepers(eager=[5])
    hasty.start()
    hasty._threads[1].join(20)
    released.set()
    assert reason(hasty, "eager") == "not idle: 'busy' runs, or blocks on something else than this clock"
    assert hasty.told == [(0, "True")]


def test_one_that_never_begins_is_named(hasty: Play) -> None:
    hasty.sleepers(sleeper=[5])
    seat = hasty.clock.participant("late")
    hasty.start()
    assert reason(hasty, "sleeper") == "not idle: 'late' is announced, and its thread has not begun"
    with seat:
        assert not hasty.clock.wait(hasty.clock.event(), 5)


def test_one_that_is_registered_keeps_others_from_beginning(hasty: Play) -> None:
    late = hasty.clock.participant("late")
    with pytest.raises(RuntimeError, match="'early' waits: not idle: 'late' is announced"), hasty.clock.participant("early"):
        raise AssertionError("it began")
    with late:
        assert hasty.clock.alone


def test_one_that_blocks_elsewhere_for_good_is_named(hasty: Play) -> None:
    released = threading.Event()

    def block() -> None:
        with hasty.clock.blocking():
            released.wait(20)

    hasty.sleepers(sleeper=[5])
    hasty.add("joiner", block)
    hasty.start()
    hasty._threads[0].join(20)
    released.set()
    assert reason(hasty, "sleeper") == "not idle: 'joiner' says that it blocks on something else"


def test_all_waiting_for_each_other_is_a_failure_not_a_hang(hasty: Play) -> None:
    hasty.add("hen", lambda: hasty.tell(str(hasty.clock.event().wait())))
    hasty.start()
    assert reason(hasty, "hen") == "all are idle, and nobody waits for a moment"


def test_a_clock_that_nobody_advances_is_a_failure_not_a_hang() -> None:
    clock = VirtualClock(5.0, autojump=False, patience=0.05)
    with pytest.raises(RuntimeError, match=r"stood at 5.0 for 0.05 .* all are idle, and nobody advances the clock"):
        clock.wait(clock.event(), 1)
    assert repr(clock) == "<VirtualClock at 5.0, 0 participants, 0 waiting, moved by advance only>"


def test_an_advance_that_does_not_come_to_its_end_names_who_is_not_idle(hasty: Play) -> None:
    released, running = threading.Event(), threading.Event()

    def block() -> None:
        running.set()
        released.wait(20)

    hasty.add("busy", block)
    hasty.start()
    assert running.wait(20)
    outcomes: list[str] = []

    def advance() -> None:
        try:
            hasty.clock.advance(1)
        except RuntimeError as error:
            outcomes.append(str(error))

    drivers = [threading.Thread(target=advance) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join(20)
    released.set()
    hasty.end()
    assert len(outcomes) == 2
    assert all("not idle: 'busy' runs" in outcome for outcome in outcomes)


def test_a_thread_is_named_after_itself_unless_told_otherwise(hasty: Play) -> None:
    released, running = threading.Event(), threading.Event()

    def block() -> None:
        with hasty.clock.participant():
            running.set()
            released.wait(20)

    hasty.add("Thread of its own", block, registered=False)
    hasty.start()
    assert running.wait(20)
    with pytest.raises(RuntimeError, match="not idle: 'Thread of its own' runs"):
        hasty.clock.advance(1)
    released.set()
    hasty.end()


def test_a_wait_that_is_broken_off_leaves_nothing_behind(hasty: Play) -> None:
    def act() -> None:
        with pytest.raises(RuntimeError):
            hasty.clock.event().wait()
        hasty.tell("gave up")
        hasty.clock.wait(hasty.clock.event(), 5)
        hasty.tell("waited")

    hasty.add("stubborn", act)
    assert hasty.run() == [(0, "gave up"), (5, "waited")]


# --- what it tells of itself --------------------------------------------------------------------------------------------


def test_one_is_alone_while_there_is_no_other_participant(play: Play) -> None:
    assert play.clock.alone
    with play.clock.participant():
        assert play.clock.alone
        other = play.clock.participant("other")
        assert not play.clock.alone
    assert not VirtualClock(autojump=False).alone
    with other:
        assert play.clock.alone


def test_its_repr_tells_the_time_and_who_is_there(paused: Play) -> None:
    paused.sleepers(a=[1], b=[2])
    paused.start()
    paused.clock.advance(1)
    assert repr(paused.clock) == "<VirtualClock at 1.0, 1 participants, 1 waiting, moved by advance only>"
    paused.clock.advance(1)
    paused.end()
    assert repr(VirtualClock(7.0)) == "<VirtualClock at 7.0, 0 participants, 0 waiting>"


def test_the_tools_for_tests_offer_it() -> None:
    assert testing.VirtualClock is VirtualClock
    with pytest.raises(AttributeError, match=r"module 'tvstreamer.testing' has no attribute 'SundialClock'"):
        _ = testing.SundialClock


def test_the_tools_for_tests_load_it_when_it_is_asked_for() -> None:
    code = (
        "import sys, tvstreamer.testing as testing\n"
        "assert 'tvstreamer.clock' not in sys.modules\n"
        "assert testing.VirtualClock.__module__ in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], timeout=60, check=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (0, 0.0),
        (1.5, 1.5),
        ("1714521600", 1_714_521_600.0),
        ("2024-05-01", 1_714_521_600.0),
        ("2024-05-01T09:30-04:00", 1_714_570_200.0),
        ("2024-05-01T00:00:00.5Z", 1_714_521_600.5),
        (datetime(2024, 5, 1, tzinfo=UTC), 1_714_521_600.0),
    ],
)
def test_a_moment_is_a_number_a_date_or_a_datetime(value: Any, seconds: float) -> None:
    assert instant(value) == seconds


@pytest.mark.parametrize("value", ["", "yesterday", "-1", "2024-13-01", "nan", True, None, float("inf"), datetime(2024, 5, 1, tzinfo=UTC).replace(tzinfo=None)])
def test_any_other_moment_is_refused_with_its_value(value: Any) -> None:
    with pytest.raises(InvalidPlan, match="start .*: expected seconds since the epoch, a datetime with a time zone"):
        instant(value, "start")
