"""Strategies for text on the wire and for tapes: well framed, and readable by those who have to read it."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import Unknown
from tvstreamer.tape.reader import TapeReader
from tvstreamer.testing.strategies import heartbeats, messages, packets, payloads, tapes


@given(heartbeats(max_value=9))
def test_heartbeats_are_heartbeats(payload: str) -> None:
    assert framing.heartbeat(payload)
    assert len(payload) == 4


@given(payloads(known=True))
def test_known_payloads_are_known(payload: str) -> None:
    known = (codec.decode_reply(payload), codec.decode_command(payload))
    assert not all(isinstance(packet, Unknown) for packet in known)


@given(packets() | packets(payloads=st.just("\N{ROCKET}")))
def test_a_packet_is_one_payload(packet: str) -> None:
    (payload,) = framing.split(packet)
    assert framing.packet(payload) == packet


@given(messages(payloads=heartbeats(), min_size=2, max_size=3))
def test_a_message_has_as_many_packets_as_asked_for(message: str) -> None:
    assert 2 <= len(framing.split(message)) <= 3


@given(tapes(min_size=1, max_size=2, max_connections=2, min_time=5, max_time=6))
def test_a_tape_is_read_to_its_end(tape: bytes) -> None:
    with TapeReader(io.BytesIO(tape)) as reader:
        assert reader.header.start in (5, 6)
        records = list(reader)
    assert reader.complete
    assert {record.c for record in records} <= {1, 2}
    for record in records:
        if record.k in ("recv", "send"):
            assert framing.join(framing.split(record.text())) == record.text()
