"""What every stage has in common."""

from __future__ import annotations

import random

from tvstreamer import faults
from tvstreamer.faults.kinds import Fault
from tvstreamer.faults.stages import End, Item, Message, OnceStage, Stage
from tvstreamer.faults.subjects import Subjects
from tvstreamer.faults.triggers import Fired, Trigger

MESSAGE, END = Message("x", 1.0), End(1000, "", 2.0)


class NoHost:
    session = ""

    def hang_up(self) -> None:
        raise AssertionError("nothing here ends the connection")


def make(kind: type[Stage[Fault]], fault: Fault) -> Stage[Fault]:
    log: list[Fired] = []
    rng = random.Random(1)
    return kind(fault, Trigger(fault, 1, 0.0, rng, Subjects(), log.append), rng, NoHost())


def test_a_stage_that_does_nothing_lets_everything_pass_and_makes_nothing() -> None:
    stage = make(Stage, faults.drop(direction="upstream"))
    assert stage.message(MESSAGE) == [MESSAGE]
    assert stage.end(END) == [END]
    assert [stage.behind(MESSAGE), stage.begin(1.0), stage.release(1.0), stage.give_up()] == [[], [], [], []]
    assert stage.release_at() is None
    assert stage.toward == "upstream"


def test_a_fault_of_the_connection_begins_behind_the_message_on_which_it_fires() -> None:
    class Says(OnceStage[Fault]):
        toward = "downstream"

        def begin(self, at: float) -> list[Item]:
            self.trigger.fire(at)
            return [Message("said", at)]

    stage = make(Says, faults.close(after=2, direction="upstream"))
    assert [stage.behind(MESSAGE) for _ in range(3)] == [[], [Message("said", 1.0)], []]
    assert stage.toward == "downstream"
