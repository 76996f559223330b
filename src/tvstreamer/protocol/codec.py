"""Payload text <-> packet.

Tolerant inwards: whatever a peer sends becomes a packet, if need be `Unknown`, and never an exception. JSON that is nested
too deeply is not looked into: Python's own limit depends on who calls, so what was read here could be too deep for the next.
The wire's ways of writing are kept outwards: compact, keys in the wire's order, `.0` on whole floats, "no value" as `1e+100`
and no other exponent.
"""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Annotated, Any

import msgspec

from tvstreamer.constants import MAX_NESTING
from tvstreamer.protocol import framing
from tvstreamer.protocol.packets import (
    COMMANDS,
    REPLIES,
    Command,
    DataUpdate,
    Heartbeat,
    Hello,
    QuoteCreateSession,
    QuoteData,
    Reply,
    TickData,
    TimescaleUpdate,
    Unknown,
)

AnyReply = Reply | Heartbeat | Hello | Unknown
AnyCommand = Command | Heartbeat | Unknown
DecodeReply = Callable[[str | bytes], AnyReply]


def _one_of(classes: Iterable[Any]) -> Any:
    return functools.reduce(operator.or_, classes)


_TICK_REPLIES = (TickData, *(reply for reply in REPLIES if reply is not QuoteData))
_decode_reply: Callable[[str | bytes], Reply] = msgspec.json.Decoder(_one_of(REPLIES)).decode
_decode_tick_reply: Callable[[str | bytes], Reply] = msgspec.json.Decoder(_one_of(_TICK_REPLIES)).decode
_decode_command: Callable[[str | bytes], Command] = msgspec.json.Decoder(_one_of(COMMANDS)).decode
AnyPacket = AnyReply | AnyCommand | str
"""A packet of either side; a heartbeat may be its text."""
_StoredHeartbeat = Annotated[str, msgspec.Meta(pattern="^~h~[0-9]+$")]
StoredPacket = _StoredHeartbeat | _one_of((*REPLIES, *COMMANDS))
"""What a tape's record holds, as far as it has one of our shapes: a heartbeat's text, a reply, or a command."""
StoredTickPacket = _StoredHeartbeat | _one_of(
    (*_TICK_REPLIES, *(command for command in COMMANDS if command is not QuoteCreateSession))
)
"""The same where quotes are there for ticks alone. Not the command that may begin something else: it has to be noticed."""
_decode_hello = msgspec.json.Decoder(Hello).decode
_decode_anything = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
_SHALLOW = 2 * MAX_NESTING
"""Every level takes two characters, so a payload up to this length cannot be nested too deeply, and most are shorter."""
_BARS = (DataUpdate, TimescaleUpdate)
"""The longest of all, and typed: of what is not typed in them nothing is ever looked at."""
_PERHAPS_EXPONENT = re.compile("e[-0-9]")
_EXPONENT = re.compile(r"(^|[-:,\[])([0-9]+(?:\.[0-9]+)?)e([+-]?[0-9]+)")
_STRINGS = re.compile(r'"(?:[^"\\]|\\.)*"')


def decode_reply(payload: str | bytes) -> AnyReply:
    """What a server sent. Never raises."""
    try:
        reply = _decode_reply(payload)
    except _UNREADABLE:
        return _decode_hello_or_other(payload)
    if len(payload) > _SHALLOW and reply.__class__ not in _BARS and too_deep(payload):
        return _decode_other(payload)
    return reply


def decode_tick_reply(payload: str | bytes) -> AnyReply:
    """The same for a client whose quote sessions are all there for ticks alone. Never raises."""
    try:
        reply = _decode_tick_reply(payload)
    except _UNREADABLE:
        return decode_reply(payload)
    if len(payload) > _SHALLOW and reply.__class__ not in _BARS and too_deep(payload):
        return _decode_other(payload)
    return reply


def decode_command(payload: str | bytes) -> AnyCommand:
    """What a client sent. Never raises."""
    try:
        command = _decode_command(payload)
    except _UNREADABLE:
        return _decode_other(payload)
    return _decode_other(payload) if too_deep(payload) else command


def _decode_hello_or_other(payload: str | bytes) -> Heartbeat | Hello | Unknown:
    try:
        hello = _decode_hello(payload)
    except _UNREADABLE:
        return _decode_other(payload)
    return _decode_other(payload) if too_deep(payload) else hello


def _decode_other(payload: str | bytes) -> Heartbeat | Unknown:
    text = _text(payload)
    if framing.heartbeat(text):
        return Heartbeat(text)
    # A tape hands heartbeats over as the JSON strings they are stored as.
    if text.startswith('"~h~') and text.endswith('"') and framing.heartbeat(text[1:-1]):
        return Heartbeat(text[1:-1])
    return Unknown(parameters(payload)[0], text)


def _text(payload: str | bytes) -> str:
    return payload if isinstance(payload, str) else bytes(payload).decode("utf-8", "surrogateescape")


def too_deep(payload: str | bytes) -> bool:
    """Whether JSON is nested more deeply than `MAX_NESTING`. Says nothing of what is no JSON."""
    if len(payload) <= _SHALLOW:
        return False
    text = _text(payload)
    if text.count("{") + text.count("[") <= MAX_NESTING:
        return False
    try:
        level: list[Any] = [[_decode_anything(text)]]
    except _UNREADABLE as error:
        return isinstance(error, RecursionError)
    for _ in range(MAX_NESTING + 1):
        level = [value for outer in level for value in _inside(outer) if value.__class__ in (dict, list)]
    return bool(level)


def _inside(outer: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return outer.values() if isinstance(outer, dict) else outer


def parameters(payload: str | bytes) -> tuple[str, list[Any]]:
    """The method and the untyped parameters of any packet; "" and [] where it has none."""
    if too_deep(payload):
        return "", []
    try:
        value = _decode_anything(payload)
    except _UNREADABLE:
        return "", []
    if not isinstance(value, dict):
        return "", []
    method, p = value.get("m"), value.get("p")
    return method if isinstance(method, str) else "", p if isinstance(p, list) else []


def encode(packet: Command | Reply | Hello | Heartbeat | Unknown) -> str:
    """The payload text of a packet."""
    if isinstance(packet, Heartbeat | Unknown):
        return packet.text
    return wire_json(packet)


def wire_json(value: object) -> str:
    """JSON as the wire writes it: like msgspec's, but for exponents."""
    text = _encode(value).decode()
    # Nearly nothing has an exponent, and looking for its first characters is cheaper than looking at every number.
    if _PERHAPS_EXPONENT.search(text) and _EXPONENT.search(text):
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
    if mantissa == "1" and exponent in ("100", "+100"):
        return f"{lead}1e+100"
    plain = format(Decimal(f"{mantissa}e{exponent}"), "f")
    return f"{lead}{plain}" if "." in plain else f"{lead}{plain}.0"
