"""Messages, payloads, packets, or a tape's records: by whichever entrance a reply comes in, it means the same."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.events import Bar, Event
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol, ClientStatistics
from tvstreamer.tape.format import Header, encode_message
from tvstreamer.tape.reader import TapeReader
from tvstreamer.testing.strategies import json_values

WIRE = Path(__file__).resolve().parents[2] / "fixtures" / "wire"
TICKS, QUOTES, CHART = "qs_ticks_x", "qs_full_x", "cs_x"
COMMANDS = [
    '{"m":"quote_create_session","p":["qs_ticks_x"]}',
    '{"m":"quote_add_symbols","p":["qs_ticks_x","TEST:ONE"]}',
    '{"m":"chart_create_session","p":["cs_x",""]}',
    '{"m":"resolve_symbol","p":["cs_x","sym","TEST:ONE"]}',
    '{"m":"create_series","p":["cs_x","s1","t1","sym","1",300,""]}',
]
WHOLE_QUOTES = [
    '{"m":"quote_create_session","p":["qs_full_x"]}',
    '{"m":"quote_add_symbols","p":["qs_full_x","TEST:ONE"]}',
]

Step = tuple[Literal["send", "recv"], str]
"""A command that goes out, or a message that comes in."""
Outcome = tuple[list[Event], list[str], ClientStatistics]
Take = Callable[[ClientProtocol, str, float], None]


def as_message(client: ClientProtocol, message: str, at: float) -> None:
    client.receive(message, at)


def as_payloads(client: ClientProtocol, message: str, at: float) -> None:
    client.receive_payloads(framing.split(message), at)


def as_bytes(client: ClientProtocol, message: str, at: float) -> None:
    client.receive_payloads([payload.encode() for payload in framing.split(message)], at)


def as_packets(client: ClientProtocol, message: str, at: float) -> None:
    client.receive_packets([client.decode_reply(payload) for payload in framing.split(message)], at)


def outcome(steps: Iterable[Step], take: Take) -> Outcome:
    """The events, what is to be sent, and the counts."""
    client = ClientProtocol(rng=random.Random(1))
    client.adopt_connection(0.0)
    for number, (kind, text) in enumerate(steps, start=1):
        if kind == "send":
            client.adopt(framing.split(text)[0])
        else:
            take(client, text, number * 0.25)
    return client.events(), client.messages_to_send(), client.statistics()


class _Pieces(io.BytesIO):
    """A file of which no more than a line is read at a time: each is the only one of its chunk, and so read in one go."""

    def read(self, size: int | None = -1) -> bytes:
        return self.readline(size)


def recorded(steps: Iterable[Step], file: Callable[[bytes], BinaryIO]) -> Outcome:
    """The same from a tape."""
    lines = [encode_message(round(number * 0.25e9), 1, kind, text) for number, (kind, text) in enumerate(steps, start=1)]
    client = ClientProtocol(rng=random.Random(1))
    client.adopt_connection(0.0)
    for record in TapeReader(file(Header(start=0.0).line() + b"".join(lines))).packets():
        if record.k == "send":
            for packet in record.p or ():
                client.adopt_packet(packet)
        elif record.p is None:
            client.receive(record.raw or "", record.t / 1e9)
        else:
            client.receive_packets(record.p, record.t / 1e9)
    return client.events(), client.messages_to_send(), client.statistics()


def check_all(steps: Iterable[Step]) -> None:
    steps = list(steps)
    expected = outcome(steps, as_message)
    for take in (as_payloads, as_bytes, as_packets):
        assert outcome(steps, take) == expected, take.__name__
    for file in (io.BytesIO, _Pieces):
        assert recorded(steps, file) == expected, file.__name__


def sent(payloads: Iterable[str]) -> list[Step]:
    return [("send", framing.packet(payload)) for payload in payloads]


def of_log(lines: Iterable[str]) -> list[Step]:
    """The steps of a text capture."""
    kinds: dict[str, Literal["send", "recv"]] = {"WS TX": "send", "WS RX": "recv"}
    steps: list[Step] = []
    for line in lines:
        mark, message = line[:5], line[6:]
        if mark in kinds:
            pieces = framing.split(message) if mark == "WS TX" else []
            steps += sent(pieces) if pieces else [(kinds[mark], message)]
    return steps


@pytest.mark.parametrize("log", sorted(WIRE.rglob("*.log")), ids=lambda log: log.stem)
def test_every_entrance_gives_the_same_of_a_session(log: Path) -> None:
    steps = of_log(log.read_text().splitlines())
    assert any(isinstance(event, Bar) for event in outcome(steps, as_message)[0])
    check_all(steps)


def test_every_entrance_gives_the_same_of_the_real_session(captures: Path) -> None:
    log = captures / "tvstreamer_sample_ws_out_2025-07-06.log"
    if not log.is_file():
        pytest.skip(f"the captures hold no {log.name}")
    steps = of_log(line[line.find("WS ") :] for line in log.read_text().splitlines() if "WS TX " in line or "WS RX " in line)
    assert any(kind == "recv" for kind, _ in steps)
    check_all(steps)


def packet(method: str, *p: object) -> str:
    return codec.wire_json({"m": method, "p": p})


numbers = st.none() | st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.just(1e100)
quotes = st.builds(
    lambda session, status, values: packet("qsd", session, {"n": "TEST:ONE", "s": status, "v": values}),
    st.sampled_from([TICKS, QUOTES]),
    st.sampled_from(["ok", "error"]),
    st.dictionaries(st.sampled_from(["lp", "volume", "lp_time", "bid", "session"]), numbers | json_values(), max_size=4),
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
        '{"m":"qsd","p":["qs_ticks_x",{"n":"TEST:ONE","s":"ok","v":{"lp":1.5,"bid":1e999}}]}',
        '{"m":"remove_series","p":["cs_x","s1"]}',
        '{"m":"series_completed","p":["cs_x","s1","streaming","t1",{}],"t":1,"t_ms":1000}',
        '{"m":"qsd","p":"not this"}',
    ]
)


messages = st.lists(quotes | bars | odd, min_size=1, max_size=4).map(lambda payloads: ("recv", framing.join(payloads)))


@given(st.lists(messages, max_size=4), st.lists(messages, max_size=4))
def test_every_entrance_gives_the_same_of_any_messages(before: list[Step], after: list[Step]) -> None:
    """Those before a session is there for whole quotes, too, and those behind it."""
    check_all([*sent(COMMANDS), *before, *sent(WHOLE_QUOTES), *after])
