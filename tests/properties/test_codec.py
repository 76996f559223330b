"""Packets survive the wire: what is encoded decodes to the same, and what nobody knows comes back byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.protocol import codec
from tvstreamer.protocol.packets import COMMANDS, REPLIES, Command, Heartbeat, Hello, Reply, Unknown
from tvstreamer.testing.strategies import commands, json_values, numbers, replies, structs

KNOWN = {kind.__struct_config__.tag for kind in (*COMMANDS, *REPLIES)}

methods = st.text(max_size=12).filter(lambda method: method not in KNOWN)
separators = st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", ":\t")])


@st.composite
def unknown_packets(draw: st.DrawFn) -> tuple[str, str]:
    """A method that nobody knows, and a packet of it, written in one way or another."""
    method = draw(methods)
    packet = {"m": method, "p": draw(json_values())}
    return method, json.dumps(packet, ensure_ascii=draw(st.booleans()), separators=draw(separators))


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A packet of a known method that may have lost or changed a parameter, or its end."""
    packet: dict[str, Any] = json.loads(codec.encode(draw(commands() | replies())))
    match draw(st.sampled_from(["lost", "changed", "replaced"])):
        case "lost":
            packet["p"] = packet["p"][: draw(st.integers(0, 5))]
        case "changed" if packet["p"]:
            packet["p"][draw(st.integers(0, len(packet["p"]) - 1))] = draw(json_values())
        case _:
            packet["p"] = draw(json_values())
    text = json.dumps(packet)
    return text[: draw(st.integers(0, len(text)))] if draw(st.booleans()) else text


@pytest.mark.parametrize("kind", COMMANDS, ids=lambda kind: kind.__struct_config__.tag)
@given(data=st.data())
def test_every_command_comes_back_as_it_was(kind: type[Command], data: st.DataObject) -> None:
    command = data.draw(structs(kind))
    text = codec.encode(command)
    assert codec.decode_command(text) == codec.decode_command(text.encode()) == command


@pytest.mark.parametrize("kind", REPLIES, ids=lambda kind: kind.__struct_config__.tag)
@given(data=st.data())
def test_every_reply_comes_back_as_it_was(kind: type[Reply], data: st.DataObject) -> None:
    reply = data.draw(structs(kind))
    text = codec.encode(reply)
    assert codec.decode_reply(text) == codec.decode_reply(text.encode()) == reply


@given(structs(Hello))
def test_a_hello_comes_back_as_it_was(hello: Hello) -> None:
    assert codec.decode_reply(codec.encode(hello)) == hello


@given(st.integers(0, 10**20).map("~h~{}".format))
def test_a_heartbeat_comes_back_as_it_was_in_either_direction(text: str) -> None:
    for decode in (codec.decode_reply, codec.decode_command):
        assert decode(text) == decode(f'"{text}"'.encode()) == Heartbeat(text)
    assert codec.encode(Heartbeat(text)) == text


@given(unknown_packets())
def test_an_unknown_packet_is_named_and_comes_back_byte_for_byte(packet: tuple[str, str]) -> None:
    method, text = packet
    for decode in (codec.decode_reply, codec.decode_command):
        unknown = decode(text)
        assert unknown == decode(text.encode()) == Unknown(method, text)
        assert codec.encode(unknown) == text


@given(st.text(st.characters(codec=None)) | damaged())
@example('{"m":"du"}')
@example('{"m":"qsd","p":[1]}')
@example("[" * 2000)
@example("\ud800")
def test_any_text_is_some_packet_and_what_is_not_understood_comes_back_byte_for_byte(text: str) -> None:
    for decode in (codec.decode_reply, codec.decode_command):
        packet = decode(text)
        if isinstance(packet, Unknown | Heartbeat):
            assert codec.encode(packet) == text
        else:
            assert decode(codec.encode(packet)) == packet


@given(st.binary() | damaged().map(str.encode))
@example(b"\xff")
@example(b'{"m":"\xff"}')
def test_any_bytes_are_some_packet_and_what_is_not_understood_comes_back_byte_for_byte(data: bytes) -> None:
    for decode in (codec.decode_reply, codec.decode_command):
        packet = decode(data)
        if isinstance(packet, Unknown):
            assert codec.encode(packet).encode("utf-8", "surrogateescape") == data


@given(st.lists(json_values() | numbers()))
@example([1e100, 1e16])
@example([1e40])
@example([1.5e-7])
def test_a_value_is_written_alike_wherever_it_stands_and_with_no_exponent_but_the_one_of_no_value(values: list[Any]) -> None:
    alone = [codec.wire_json(value) for value in values]
    assert codec.wire_json(values) == f"[{','.join(alone)}]"
    assert json.loads(codec.wire_json(values)) == values
    for text, value in zip(alone, values, strict=True):
        if isinstance(value, float):
            assert text == "1e+100" if value == 1e100 else "e" not in text
