"""When a fault fires."""

from __future__ import annotations

import random

import pytest

from tvstreamer import faults
from tvstreamer.faults import Fault, Fired
from tvstreamer.faults.subjects import Subjects
from tvstreamer.faults.triggers import Trigger
from tvstreamer.protocol.framing import join

TICK = join(['{"m":"qsd","p":["qs_1",{"n":"A:B","s":"ok","v":{}}]}'])
OTHER = join(['{"m":"qsd","p":["qs_1",{"n":"C:D","s":"ok","v":{}}]}'])
BEAT = join(["~h~1"])


class Scene:
    """A trigger on a connection that opened at 100."""

    def __init__(self, fault: Fault) -> None:
        self.log: list[Fired] = []
        self.trigger = Trigger(fault, 3, 100.0, random.Random(1), Subjects(), self.log.append)

    def struck(self, *moments: float, message: str = TICK) -> list[float]:
        """At which of these moments a fault of messages fires."""
        struck = []
        for moment in moments:
            if self.trigger.strikes(message, moment):
                self.trigger.fire(moment)
                struck.append(moment)
        return struck

    def followed(self, *moments: float, message: str = TICK) -> list[float]:
        """Behind which of these a fault of the connection fires."""
        followed = []
        for moment in moments:
            if self.trigger.follows(message, moment):
                self.trigger.fire(moment)
                followed.append(moment)
        return followed


def test_a_fault_of_messages_fires_on_each_of_them_by_default() -> None:
    assert Scene(faults.drop()).struck(100, 101, 102) == [100, 101, 102]


def test_at_spares_what_comes_before_that_moment_of_the_connection() -> None:
    assert Scene(faults.drop(at=2)).struck(100, 101.9, 102, 103) == [102, 103]


def test_after_spares_so_many_messages() -> None:
    assert Scene(faults.drop(after=2)).struck(100, 101, 102, 103) == [102, 103]


def test_times_is_how_often_it_fires_at_the_most() -> None:
    scene = Scene(faults.drop(times=2))
    assert scene.struck(100, 101, 102) == [100, 101]
    assert not scene.trigger.left


def test_a_fault_of_the_connection_fires_behind_the_message_that_fulfils_its_conditions() -> None:
    assert Scene(faults.close(after=2)).followed(100, 101, 102) == [101]
    assert Scene(faults.close(after=2, at=5, times=2)).followed(100, 101, 106, 107, 108) == [106, 107]


def test_a_method_and_a_symbol_are_looked_for_in_the_message() -> None:
    scene = Scene(faults.drop(method="qsd", symbol="A:B"))
    assert scene.struck(100, message=OTHER) == []
    assert scene.struck(101, message=BEAT) == []
    assert scene.struck(102, message=TICK) == [102]
    assert Scene(faults.drop(symbol="C:D")).struck(100, message=OTHER) == [100]
    assert Scene(faults.drop(method="heartbeat")).struck(100, message=BEAT) == [100]


def test_a_probability_is_drawn_for_each_message_that_it_could_fire_on() -> None:
    struck = Scene(faults.drop(probability=0.3)).struck(*range(100, 1100))
    assert 220 < len(struck) < 380
    # Messages that are spared anyway draw nothing, so the rest meets the same numbers.
    later = Scene(faults.drop(probability=0.3, at=1000)).struck(*range(100, 2100))
    assert later == [moment + 1000 for moment in struck]


@pytest.mark.parametrize(
    ("fault", "struck"),
    [
        (faults.drop(duration=2), [100, 101]),
        (faults.drop(at=3, duration=2), [103, 104]),
        # The stretch begins with the first message that could be meant.
        (faults.drop(after=4, duration=2), [104, 105]),
        (faults.drop(after=1, at=5, duration=1.5), [105, 106]),
    ],
)
def test_a_duration_limits_faults_of_messages_to_a_stretch_of_time(fault: Fault, struck: list[float]) -> None:
    assert Scene(fault).struck(*range(100, 109)) == struck


def test_without_a_condition_on_messages_a_fault_of_the_connection_fires_by_the_clock() -> None:
    scene = Scene(faults.close(at=7, times=2))
    assert scene.trigger.due() == 107
    scene.trigger.fire(107)
    assert scene.trigger.due() is None
    assert scene.followed(107, 108) == [107]
    assert Scene(faults.silence()).trigger.due() == 100


@pytest.mark.parametrize(
    "fault", [faults.close(after=1), faults.close(method="du"), faults.close(symbol="A:B"), faults.close(probability=0.5), faults.drop(at=3)]
)
def test_with_one_and_for_faults_of_messages_the_clock_does_not_count(fault: Fault) -> None:
    assert Scene(fault).trigger.due() is None


def test_whatever_fires_is_noted_with_its_connection() -> None:
    scene = Scene(faults.drop())
    scene.trigger.fire(104.0, "why")
    assert scene.log == [(104.0, "drop", "why", 3)]
    assert scene.log[0].kind == "drop"
