"""How packets are grouped in messages does not matter."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.events import Event
from tvstreamer.protocol import framing
from tvstreamer.protocol.client import ClientProtocol

LINES = (Path(__file__).resolve().parents[2] / "fixtures" / "wire" / "minute-session.log").read_text().splitlines()
COMMANDS = [payload for line in LINES if line.startswith("WS TX ") for payload in framing.split(line[6:])]
REPLIES = [payload for line in LINES if line.startswith("WS RX ") for payload in framing.split(line[6:])]


def events_of(messages: Iterable[list[str]]) -> list[Event]:
    client = ClientProtocol(rng=random.Random(1))
    client.adopt_connection(0.0)
    for command in COMMANDS:
        client.adopt(command)
    for payloads in messages:
        client.receive(framing.join(payloads), 0.0)
    return client.events()


@given(st.sets(st.integers(1, len(REPLIES) - 1)))
def test_other_messages_of_the_same_packets_give_the_same_events(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(REPLIES)]
    grouped = [REPLIES[start:end] for start, end in pairwise(edges)]
    assert events_of(grouped) == events_of([payload] for payload in REPLIES)
