"""Faults: everything that the real service and the network do to a connection, each by one line.

::

    plan = FaultPlan([faults.close(after=10, code=1006), faults.latency(0.2, jitter=0.1)], seed=7)

`FakeServer(faults=plan)` serves with them, and `transports.faulty.faulty(connector, plan, clock=clock)` puts them in front of
any other source. What each kind does, when it fires and what can carry it stands in its docstring, in `Fault`, and in
docs/faults.md. All of it is pure: messages and moments in, messages and moments out.
"""

from __future__ import annotations

from tvstreamer.faults.filter import FaultFilter
from tvstreamer.faults.kinds import (
    KINDS,
    Fault,
    astral,
    bandwidth,
    chatty_stall,
    clock_skew,
    close,
    critical_error,
    drop,
    duplicate,
    glue_heartbeat,
    half_open,
    latency,
    limit_data,
    merge,
    missing_bar,
    protocol_error,
    refuse,
    reorder,
    reset_mid_frame,
    reset_peer,
    revise_bar,
    silence,
    slicer,
    slow_close,
    slow_reader,
    timeout,
    token_expired,
    unknown_packet,
    wrong_length,
)
from tvstreamer.faults.plan import FaultPlan
from tvstreamer.faults.toml import load_plan, parse_plan, plan_of
from tvstreamer.faults.triggers import Fired

__all__ = [
    "KINDS",
    "Fault",
    "FaultFilter",
    "FaultPlan",
    "Fired",
    "astral",
    "bandwidth",
    "chatty_stall",
    "clock_skew",
    "close",
    "critical_error",
    "drop",
    "duplicate",
    "glue_heartbeat",
    "half_open",
    "latency",
    "limit_data",
    "load_plan",
    "merge",
    "missing_bar",
    "parse_plan",
    "plan_of",
    "protocol_error",
    "refuse",
    "reorder",
    "reset_mid_frame",
    "reset_peer",
    "revise_bar",
    "silence",
    "slicer",
    "slow_close",
    "slow_reader",
    "timeout",
    "token_expired",
    "unknown_packet",
    "wrong_length",
]
