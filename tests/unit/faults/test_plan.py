"""Plans as values, what they demand of a carrier, and which handshakes they refuse."""

from __future__ import annotations

import random
from typing import Any

import pytest

from tvstreamer import faults
from tvstreamer.errors import InvalidPlan, UnsupportedFault
from tvstreamer.faults import FaultPlan
from tvstreamer.faults.plan import random_key

PLAN = FaultPlan([faults.close(after=10, code=1006), faults.latency(0.2, jitter=0.1)], seed=7)


def test_what_is_shown_of_a_plan_is_python_that_makes_it() -> None:
    assert repr(PLAN) == "FaultPlan([faults.close(code=1006, after=10), faults.latency(latency=0.2, jitter=0.1)], seed=7)"
    for plan in (PLAN, FaultPlan(), FaultPlan(faults=iter([faults.drop()]))):
        assert eval(repr(plan), {"faults": faults, "FaultPlan": FaultPlan}) == plan


def test_a_plan_is_a_value_and_false_when_it_is_empty() -> None:
    assert FaultPlan((faults.close(1006, after=10), faults.latency(0.2, 0.1)), 7) == PLAN != FaultPlan(list(PLAN))
    assert hash(PLAN) == hash(FaultPlan(list(PLAN), 7))
    assert PLAN
    assert not FaultPlan(seed=3)


def test_a_plan_plus_a_plan_has_the_faults_of_both_and_the_first_ones_seed() -> None:
    both = PLAN + FaultPlan([faults.drop()], seed=8)
    assert both == FaultPlan([*PLAN, faults.drop()], seed=7)
    with pytest.raises(TypeError):
        PLAN + faults.drop()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: FaultPlan(["close"]), r"fault 'close': expected one such as faults\.close\(after=10\)"),  # type: ignore[list-item]
        (lambda: FaultPlan([faults.close]), r"fault <class .*expected one such as"),  # type: ignore[list-item]
        (lambda: FaultPlan(seed="7"), r"seed '7': expected a whole number"),  # type: ignore[arg-type]
        (lambda: FaultPlan(seed=True), r"seed True: expected a whole number"),
    ],
)
def test_what_is_no_plan_is_refused(make: Any, problem: str) -> None:
    with pytest.raises(InvalidPlan, match=problem):
        make()


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        (faults.half_open(), "half_open is a fault of bytes, which a tape cannot produce; the fake server on a port can"),
        (faults.refuse(), "refuse is a fault of handshake, which a tape cannot produce; a connector can"),
    ],
)
def test_a_fault_on_a_carrier_that_cannot_have_it_is_named_with_one_that_can(fault: faults.Fault, problem: str) -> None:
    plan = FaultPlan([faults.drop(), fault])
    with pytest.raises(UnsupportedFault) as caught:
        plan.require({"message"}, "a tape")
    assert str(caught.value) == problem
    plan.require({"message", "bytes", "handshake"}, "a tape")


def test_the_filter_of_a_connection_has_that_connections_faults() -> None:
    plan = FaultPlan([faults.drop(connection=2)])
    assert [plan.filter(number, 0.0, random.Random).idle for number in (1, 2, 3)] == [True, False, True]
    assert FaultPlan([faults.refuse()]).filter(1, 0.0, random.Random).idle


@pytest.mark.parametrize(
    ("fault", "refused"),
    [
        (faults.refuse(), [1]),
        (faults.refuse(times=3), [1, 2, 3]),
        (faults.refuse(connection=2), [2]),
        (faults.refuse(connection=3, times=2), [3, 4]),
        (faults.refuse(connection=4, times=None), [4, 5, 6]),
    ],
)
def test_so_many_handshakes_in_a_row_are_refused(fault: faults.refuse, refused: list[int]) -> None:
    plan = FaultPlan([faults.drop(), fault])
    assert [number for number in range(1, 7) if plan.refusal(number, random.Random) == fault] == refused


def test_the_first_refusal_that_fits_counts() -> None:
    plan = FaultPlan([faults.refuse(429, retry_after=3), faults.refuse(503, times=2)])
    assert [answer and answer.status for answer in (plan.refusal(number, random.Random) for number in (1, 2, 3))] == [429, 503, None]


def test_a_refusal_by_chance_depends_on_the_seed_and_the_connection_alone() -> None:
    def refused(seed: int) -> list[int]:
        plan = FaultPlan([faults.refuse(times=None, probability=0.5)], seed)
        return [number for number in range(1, 101) if plan.refusal(number, random.Random)]

    assert refused(1) == refused(1) != refused(2)
    assert 30 < len(refused(1)) < 70


def test_each_fault_of_each_connection_draws_from_numbers_of_its_own() -> None:
    keys = {random_key(seed, connection, number) for seed in (1, 11) for connection in (1, 11) for number in (1, 11)}
    assert len(keys) == 8


def test_a_plan_writes_itself_as_toml() -> None:
    assert faults.parse_plan(PLAN.to_toml()) == PLAN
