"""Hypothesis strategies for all that goes over the wire, for events, tapes, markets and faults.

Bounds are keyword-only, and looked at when a value is drawn: one that cannot be raises `InvalidArgument` then. Everything
shrinks to the plainest of its kind: one flat bar, an empty tape, the market of seed 0.
"""

from tvstreamer.errors import MissingDependencyError

try:
    import hypothesis  # noqa: F401
except ImportError as error:
    raise MissingDependencyError("hypothesis", "hypothesis") from error

from tvstreamer.testing.strategies.declared import commands, events, json_values, numbers, replies, structs
from tvstreamer.testing.strategies.disturbing import fault_plans, faults
from tvstreamer.testing.strategies.trading import (
    bar_series,
    bars,
    intervals,
    markets,
    quotes,
    studies,
    subscriptions,
    symbols,
    ticks,
)
from tvstreamer.testing.strategies.wire import heartbeats, messages, packets, payloads, tapes

__all__ = [
    "bar_series",
    "bars",
    "commands",
    "events",
    "fault_plans",
    "faults",
    "heartbeats",
    "intervals",
    "json_values",
    "markets",
    "messages",
    "numbers",
    "packets",
    "payloads",
    "quotes",
    "replies",
    "structs",
    "studies",
    "subscriptions",
    "symbols",
    "tapes",
    "ticks",
]
