"""Strategies for faults: of the kinds asked for, with the values asked for."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.faults import KINDS, Fault, FaultPlan, close, drop
from tvstreamer.testing.strategies import fault_plans, faults


@given(data=st.data(), kind=st.sampled_from(list(KINDS.values())))
def test_faults_are_of_the_kind_asked_for_with_values_given_for_them(data: st.DataObject, kind: type[Fault]) -> None:
    fault = data.draw(faults(kind, connection=st.just(7)))
    assert type(fault) is kind
    assert fault.connection in (None, 7)


@given(fault_plans(close, drop, max_size=2, at=st.just(5.0)))
def test_a_plan_has_faults_of_the_kinds_asked_for_and_not_more_than_wanted(plan: FaultPlan) -> None:
    assert {fault.kind for fault in plan} <= {"close", "drop"}
    assert len(list(plan)) <= 2
    assert {fault.at for fault in plan} <= {0.0, 5.0}
