"""A transport with faults in front of it keeps the promises, as long as none of them fires."""

from __future__ import annotations

import random

import pytest

from tvstreamer import faults
from tvstreamer.clock import SystemClock
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.testing.conformance import Pair, check_transport
from tvstreamer.testing.scripted import ScriptedConnection, ScriptedPeer
from tvstreamer.transports.faulty import FaultyTransport
from tvstreamer.transports.memory import ServedTransport

NEVER = 1_000_000.0


@pytest.mark.parametrize(
    "plan",
    [
        [],
        [faults.drop(at=NEVER), faults.close(at=NEVER), faults.slow_close(1, at=NEVER)],
        [faults.latency(1, at=NEVER, direction="upstream"), faults.silence(at=NEVER, direction="upstream")],
    ],
    ids=["none", "downstream", "upstream"],
)
def test_a_faulty_transport_without_faults_keeps_every_promise(plan: list[Fault]) -> None:
    def make() -> Pair:
        clock = SystemClock()
        connection = ScriptedConnection()
        inner = ServedTransport(connection, clock)
        work = FaultPlan(plan).filter(1, inner.info.opened_at, random.Random)
        return FaultyTransport(inner, work, clock), ScriptedPeer(connection, inner.call)

    assert check_transport(make) == []
