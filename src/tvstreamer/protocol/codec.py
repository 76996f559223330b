"""Payload text <-> packet.

Tolerant inwards: whatever a peer sends becomes a packet, if need be `Unknown`, and never an exception. The wire's ways of
writing are kept outwards: compact, keys in the wire's order, `.0` on whole floats, "no value" as `1e+100` and no other
exponent.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from tvstreamer.protocol import framing
from tvstreamer.protocol.packets import COMMANDS, REPLIES, Command, Heartbeat, Hello, Reply, Unknown

AnyReply = Reply | Heartbeat | Hello | Unknown
AnyCommand = Command | Heartbeat | Unknown


def _one_of(classes: Iterable[Any]) -> Any:
    return functools.reduce(operator.or_, classes)


_decode_reply: Callable[[str | bytes], Reply] = msgspec.json.Decoder(_one_of(REPLIES)).decode
_decode_command: Callable[[str | bytes], Command] = msgspec.json.Decoder(_one_of(COMMANDS)).decode
AnyPacket = AnyReply | AnyCommand | str
"""A packet of either side; a heartbeat may be its text."""
StoredPacket = Annotated[str, msgspec.Meta(pattern="^~h~[0-9]+$")] | _one_of((*REPLIES, *COMMANDS))
"""What a tape's record holds, as far as it has one of our shapes: a heartbeat's text, a reply, or a command."""
_decode_hello = msgspec.json.Decoder(Hello).decode
_decode_anything = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_EXPONENT = re.compile(r"([-:,\[])([0-9]+(?:\.[0-9]+)?)e([+-]?[0-9]+)")
_EXPONENT_MARKS = ("e-", "e1", "e2", "e3")
"""msgspec writes an exponent from 16 to 308, or a negative one."""
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


def decode_reply(payload: str | bytes) -> AnyReply:
    """What a server sent. Never raises."""
    try:
        return _decode_reply(payload)
    except _UNREADABLE:
        return _decode_hello_or_other(payload)


def decode_command(payload: str | bytes) -> AnyCommand:
    """What a client sent. Never raises."""
    try:
        return _decode_command(payload)
    except _UNREADABLE:
        return _decode_other(payload)


def _decode_hello_or_other(payload: str | bytes) -> Heartbeat | Hello | Unknown:
    try:
        return _decode_hello(payload)
    except _UNREADABLE:
        return _decode_other(payload)


def _decode_other(payload: str | bytes) -> Heartbeat | Unknown:
    text = _text(payload)
    if framing.heartbeat(text):
        return Heartbeat(text)
    # A tape hands heartbeats over as the JSON strings they are stored as.
    if text.startswith('"~h~') and framing.heartbeat(text[1:-1]):
        return Heartbeat(text[1:-1])
    method = ""
    try:
        value = _decode_anything(payload)
        if isinstance(value, dict):
            method = str(value.get("m", ""))
    except _UNREADABLE:
        pass  # Unknown says it: the payload is kept, and whoever receives it counts it.
    return Unknown(method, text)


def _text(payload: str | bytes) -> str:
    return payload if isinstance(payload, str) else bytes(payload).decode("utf-8", "surrogateescape")


def parameters(payload: str | bytes) -> tuple[str, list[Any]]:
    """The method and the untyped parameters of any packet; ("", []) where it has none."""
    try:
        value = _decode_anything(payload)
    except _UNREADABLE:
        return "", []
    if not isinstance(value, dict):
        return "", []
    p = value.get("p")
    return str(value.get("m", "")), p if isinstance(p, list) else []


def encode(packet: Command | Reply | Hello | Heartbeat | Unknown) -> str:
    """The payload text of a packet."""
    if isinstance(packet, Heartbeat | Unknown):
        return packet.text
    return wire_json(packet)


def wire_json(value: object) -> str:
    """JSON as the wire writes it: like msgspec's, but for exponents."""
    text = _encode(value).decode()
    # Nearly nothing has an exponent, and looking for its first characters is cheaper than looking at every number.
    if any(mark in text for mark in _EXPONENT_MARKS) and _EXPONENT.search(text):
        return _plain_numbers(text)
    return text


def _plain_numbers(text: str) -> str:
    pieces: list[str] = []
    position = 0
    for string in _STRINGS.finditer(text):
        pieces.append(_EXPONENT.sub(_plain_number, text[position : string.start()]))
        pieces.append(string.group())
        position = string.end()
    pieces.append(_EXPONENT.sub(_plain_number, text[position:]))
    return "".join(pieces)


def _plain_number(match: re.Match[str]) -> str:
    lead, mantissa, exponent = match.groups()
    if mantissa == "1" and exponent == "100":
        return f"{lead}1e+100"
    plain = format(Decimal(f"{mantissa}e{exponent}"), "f")
    return f"{lead}{plain}" if "." in plain else f"{lead}{plain}.0"
