"""Messages, payloads, packets, or a tape's records: by whichever entrance a reply comes in, it means the same."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.events import Event
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol, ClientStatistics
from tvstreamer.tape.format import Header, encode_message
from tvstreamer.tape.reader import TapeReader
from tvstreamer.testing.strategies import json_values

WIRE = Path(__file__).resolve().parents[2] / "fixtures" / "wire"
QUOTES, CHART = "qs_full_x", "cs_x"
COMMANDS = [
    '{"m":"quote_create_session","p":["qs_full_x"]}',
    '{"m":"quote_add_symbols","p":["qs_full_x","TEST:ONE"]}',
    '{"m":"chart_create_session","p":["cs_x",""]}',
    '{"m":"resolve_symbol","p":["cs_x","sym","TEST:ONE"]}',
    '{"m":"create_series","p":["cs_x","s1","t1","sym","1",300,""]}',
]

Take = Callable[[ClientProtocol, str, float], None]


def as_message(client: ClientProtocol, message: str, at: float) -> None:
    client.receive(message, at)


def as_payloads(client: ClientProtocol, message: str, at: float) -> None:
    client.receive_payloads(framing.split(message), at)


def as_bytes(client: ClientProtocol, message: str, at: float) -> None:
    client.receive_payloads([payload.encode() for payload in framing.split(message)], at)


def as_packets(client: ClientProtocol, message: str, at: float) -> None:
    client.receive_packets([codec.decode_reply(payload) for payload in framing.split(message)], at)


def as_record(client: ClientProtocol, message: str, at: float) -> None:
    """The only one of its chunk, so that it is read in one go where that can be."""
    tape = Header(start=0.0).line() + encode_message(0, 1, "recv", message)
    for record in TapeReader(io.BytesIO(tape)).packets():
        if record.p is None:
            client.receive(record.raw or "", at)
        else:
            client.receive_packets(record.p, at)


def outcome(take: Take, commands: Iterable[str], messages: Iterable[str]) -> tuple[list[Event], list[str], ClientStatistics]:
    """The events, what is to be sent, and the counts."""
    client = ClientProtocol(rng=random.Random(1))
    client.adopt_connection(0.0)
    for command in commands:
        client.adopt(command)
    for number, message in enumerate(messages, start=1):
        take(client, message, number * 0.25)
    return client.events(), client.messages_to_send(), client.statistics()


def check_all(commands: Iterable[str], messages: Iterable[str]) -> None:
    commands, messages = list(commands), list(messages)
    expected = outcome(as_message, commands, messages)
    for take in (as_payloads, as_bytes, as_packets, as_record):
        assert outcome(take, commands, messages) == expected, take.__name__


@pytest.mark.parametrize("log", sorted(WIRE.rglob("*.log")), ids=lambda log: log.stem)
def test_every_entrance_gives_the_same_of_a_session(log: Path) -> None:
    lines = log.read_text().splitlines()
    sent = [payload for line in lines if line.startswith("WS TX ") for payload in framing.split(line[6:])]
    received = [line[6:] for line in lines if line.startswith("WS RX ")]
    assert any(event.__class__.__name__ == "Bar" for event in outcome(as_message, sent, received)[0])
    check_all(sent, received)


def test_every_entrance_gives_the_same_of_the_real_session(captures: Path) -> None:
    log = captures / "tvstreamer_sample_ws_out_2025-07-06.log"
    if not log.is_file():
        pytest.skip(f"the captures hold no {log.name}")
    lines = log.read_text().splitlines()
    sent = [payload for line in lines if "WS TX " in line for payload in framing.split(line.partition("WS TX ")[2])]
    received = [line.partition("WS RX ")[2] for line in lines if "WS RX " in line]
    assert received
    check_all(sent, received)


def packet(method: str, *p: object) -> str:
    return codec.wire_json({"m": method, "p": p})


numbers = st.none() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.just(1e100)
quotes = st.builds(
    lambda status, values: packet("qsd", QUOTES, {"n": "TEST:ONE", "s": status, "v": values}),
    st.sampled_from(["ok", "error"]),
    st.dictionaries(st.sampled_from(["lp", "volume", "lp_time", "bid"]), numbers | json_values(), max_size=4),
)
rows = st.lists(
    st.builds(
        lambda index, values: {"i": index, "v": [index * 60.0, *values]},
        st.integers(0, 5),
        st.lists(st.floats(0, 1e6), min_size=3, max_size=6),
    ),
    max_size=3,
)
bars = st.builds(
    lambda method, rows: packet(method, CHART, {"s1": {"s": rows, "t": "t1"}}), st.sampled_from(["du", "timescale_update"]), rows
)
odd = st.sampled_from(
    [
        "~h~7",
        '{"session_id":"x","timestamp":1,"timestampMs":1000}',
        '{"m":"never_heard_of","p":[]}',
        '{"m":"quote_completed","p":["qs_full_x","TEST:ONE"]}',
        '{"m":"remove_series","p":["cs_x","s1"]}',
        '{"m":"series_completed","p":["cs_x","s1","streaming","t1",{}],"t":1,"t_ms":1000}',
        '{"m":"qsd","p":"not this"}',
    ]
)


@given(st.lists(st.lists(quotes | bars | odd, min_size=1, max_size=4), max_size=6))
def test_every_entrance_gives_the_same_of_any_messages(messages: list[list[str]]) -> None:
    check_all(COMMANDS, [framing.join(payloads) for payloads in messages])
