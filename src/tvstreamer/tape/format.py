"""The lines of a tape, version 1: a header, one record for each happening, and a footer. One line <-> one record.

Payloads are embedded in a record as the JSON they are, so that `jq` and `grep` work on a tape and reading needs no second
parse. A message that could not be given back to the letter from its payloads is kept as a string in `raw` instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from itertools import accumulate
from typing import Annotated, Any, Literal, get_args

import msgspec

from tvstreamer.constants import MAX_NESTING
from tvstreamer.errors import FramingError
from tvstreamer.protocol import codec, framing

VERSION = 1
Kind = Literal["open", "recv", "send", "close", "note", "http"]
KINDS: tuple[str, ...] = get_args(Kind)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `start` is the moment of offset 0; `times` tells whether offsets were measured or estimated.

    `on_gap` is what the client that recorded did about gaps: a replay has to do the same to give the same events.
    A recording in several files has the same start in each of them, the number of the `part`, and from the second on the
    digest of the `previous` one.
    """

    tape: int = VERSION
    start: float
    tool: str = ""
    url: str = ""
    subscriptions: list[dict[str, Any]] = []
    scrubbed: list[str] = []
    seed: int | None = None
    times: str = "measured"
    on_gap: str = "fill"
    part: int | None = None
    previous: str | None = None

    def line(self) -> bytes:
        """The header as a line; what only parts have stands only in parts."""
        keys = {name: value for name, value in msgspec.to_builtins(self).items() if value is not None or name == "seed"}
        return encode_line(keys)


Offset = Annotated[int, msgspec.Meta(ge=0)]
"""Nanoseconds since a tape's start."""


class _Happening(msgspec.Struct, gc=False):
    t: Offset
    c: int
    k: Kind
    raw: str | None = None
    url: str = ""
    code: int = 1006
    reason: str = ""
    by: str = ""
    note: Any = None
    http: Any = None


class Record(_Happening, gc=False):
    """One happening, `t` nanoseconds after the start, on connection `c`, of kind `k`.

    `recv` and `send` (always the client's) have `p`, the payloads as raw JSON, or `raw`, the message. `open` has `url`,
    `close` a `code`, a `reason` and `by` whom it was (`client`, `server`), `note` any object.
    """

    p: list[msgspec.Raw] | None = None

    def payloads(self) -> list[str]:
        """The payloads of a message, as text. Raises `FramingError` for a raw message that is not well framed."""
        if self.p is None:
            return framing.split(self.raw or "")
        return [payload_text(bytes(raw)) for raw in self.p]

    def text(self) -> str:
        """The message, to the letter."""
        return self.raw if self.raw is not None else framing.join(self.payloads())

    def decoded(self, decode_reply: codec.DecodeReply = codec.decode_reply) -> PacketRecord:
        """The same with decoded payloads; whatever they hold, they become some packet."""
        values = {name: getattr(self, name) for name in _Happening.__struct_fields__}
        decode = codec.decode_command if self.k == "send" else decode_reply
        return PacketRecord(**values, p=None if self.p is None else [decode(payload) for payload in self.p])


class PacketRecord(_Happening, gc=False):
    """A record as replays want it: `p` holds packets, a heartbeat perhaps as the text it is."""

    p: list[codec.AnyPacket] | None = None


class MessageRecord(msgspec.Struct, gc=False):
    """A `PacketRecord` of a message, with nothing but what such a one has: nearly all of a tape, and quicker to make."""

    t: Offset
    c: int
    k: Literal["recv", "send"]
    p: list[codec.AnyPacket] | None = None
    raw: str | None = None


Decoded = PacketRecord | MessageRecord


class Footer(msgspec.Struct, frozen=True):
    """The last line: the number of records and the digest of all bytes before it. Without it nothing closed the tape.

    `next` is the number of the part in which the recording goes on.
    """

    k: Literal["end"]
    records: int
    sha256: str
    next: int | None = None


def moment(start: float, t: int) -> float:
    """When a record happened. Writer and reader both compute it here, so that a replay sees the very same float."""
    return start + t / 1e9


def offset(start: float, at: float) -> int:
    """The offset in nanoseconds of a moment; never below 0."""
    t = round((at - start) * 1e9)
    return t if t > 0 else 0


def payload_text(raw: bytes) -> str:
    """A payload from its place in a record. Heartbeats are the only ones stored as strings."""
    return raw[1:-1].decode() if raw.startswith(b'"') else raw.decode()


class _AnyObject(msgspec.Struct, gc=False):
    pass


_decode_object = msgspec.json.Decoder(_AnyObject).decode
"""Reads any JSON object and keeps nothing of it: checked to the letter by JSON's grammar, without making values. (Beyond the
grammar, numbers too large for a float pass, which a decoder that makes values rejects.)"""
_decode_objects = msgspec.json.Decoder(_AnyObject).decode_lines
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


def _quoted(payloads: Sequence[str], objects: list[str]) -> str | None:
    """The elements of an array, heartbeats in quotes, with what is said to be an object put to `objects` to be checked."""
    elements: list[str] = []
    for payload in payloads:
        if payload.startswith("{"):
            objects.append(payload)
            elements.append(payload)
        elif framing.heartbeat(payload):
            elements.append(f'"{payload}"')
        else:
            return None
    return ",".join(elements)


def _embeddable(payload: str) -> bool:
    if _too_deep(payload):
        return False
    try:
        _decode_object(payload)
    except _UNREADABLE:
        return False
    return payload[-1] == "}" and "\n" not in payload


def _all_embeddable(payloads: list[str], beginning: str = "") -> bool:
    """Whether each of these, behind the beginning that they have in common, is one JSON object from its `{` to its last `}`.

    One look at all of them costs a third of a look at each. It is as strict: none holds a line's end, a line holds at
    most one value, and a value that went over several lines would leave fewer values than lines.
    """
    if not payloads:
        return True
    if "\n" in "".join(payloads):
        return False
    for payload in payloads:
        if payload[-1] != "}" or (len(payload) > _SHALLOW and _too_deep(beginning + payload)):
            return False
    try:
        return len(_decode_objects(beginning + f"\n{beginning}".join(payloads))) == len(payloads)
    except _UNREADABLE:
        return False


_METHOD = '{"m":"'
"""How every packet begins that a server sends, but for its hello."""
_OPENINGS = [header + _METHOD for header in framing.HEADERS]
"""By the length of a message: how one begins that is one such packet and ASCII."""
_SHALLOW = 2 * MAX_NESTING
"""Every level takes two characters, so a payload up to this length cannot be nested too deeply."""
_TEXT = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_STEPS = {ord("{"): 1, ord("["): 1, ord("}"): -1, ord("]"): -1}
_NO_BRACKETS = bytes(set(range(256)) - set(_STEPS))


def _too_deep(payload: str) -> bool:
    """Whether it is nested beyond `MAX_NESTING`; may say so of what is no JSON at all."""
    if len(payload) <= _SHALLOW or payload.count("{") + payload.count("[") <= MAX_NESTING:
        return False
    # Every other piece between quotes is a text, unless a quote is escaped.
    outside = _TEXT.sub("", payload) if "\\" in payload else "".join(payload.split('"')[::2])
    brackets = outside.encode("utf-8", "surrogatepass").translate(None, _NO_BRACKETS)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0) > MAX_NESTING


def encode_messages(connection: int, kind: str, offsets: list[int], messages: list[str]) -> tuple[bytes, bool]:
    """The lines of many messages, each with its offset; the same as `encode_message` gives, in a third of the time.

    Also tells whether nothing but heartbeats and packets with a method stands in them: no hello, nothing kept in `raw`.
    """
    if not messages:
        return b"", True
    lines: list[str] = []
    rests: list[str] = []
    objects: list[str] = []
    plain = True
    add, check = lines.append, rests.append
    openings, limit, cut = _OPENINGS, len(_OPENINGS), framing.cut
    lead = f',"c":{connection},"k":"{kind}","p":['
    lead_of_one = lead + _METHOD
    # Numbers become text all at once, as a JSON array, in half the time that each takes by itself.
    stamps = msgspec.json.encode(offsets).decode()[1:-1].split(",")
    for t, text in zip(stamps, messages, strict=True):
        # `framing.single` and `_METHOD`, both in one go; whether all this is ASCII is looked at once, below.
        total = len(text)
        if total < limit:
            rest = text.removeprefix(openings[total])
            if 0 < len(rest) < total:
                check(rest)
                add(f'{{"t":{t}{lead_of_one}{rest}]}}\n')
                continue
        payloads = cut(text) or ()
        for payload in payloads:
            if not payload.startswith(_METHOD):
                break
        else:
            if payloads:
                objects += payloads
                add(f'{{"t":{t}{lead}{",".join(payloads)}]}}\n')
                continue
        add(_line(t, connection, kind, text, objects))
        plain = plain and len(payloads) == 1 and framing.heartbeat(payloads[0])
    block = "".join(lines)
    if block.isascii() and _all_embeddable(rests, _METHOD) and _all_embeddable(objects):
        return block.encode(), plain
    return b"".join([encode_message(t, connection, kind, text) for t, text in zip(offsets, messages, strict=True)]), False


def encode_message(t: int, connection: int, kind: str, text: str) -> bytes:
    """The line of a `recv` or `send`."""
    objects: list[str] = []
    line = _line(t, connection, kind, text, objects)
    return (line if all(map(_embeddable, objects)) else _raw_line(t, connection, kind, text)).encode()


def _line(t: int | str, connection: int, kind: str, text: str, objects: list[str]) -> str:
    """The line of a message, provided that what it puts to `objects` turns out to be embeddable."""
    elements = _elements(text, objects)
    if elements is None:
        return _raw_line(t, connection, kind, text)
    return f'{{"t":{t},"c":{connection},"k":"{kind}","p":[{elements}]}}\n'


def _raw_line(t: int | str, connection: int, kind: str, text: str) -> str:
    return f'{{"t":{t},"c":{connection},"k":"{kind}","raw":{_quote(text)}}}\n'


def _elements(text: str, objects: list[str]) -> str | None:
    try:
        payloads = framing.split(text)
    except FramingError:
        return None
    # Leading zeros in a length are read, but would not come back.
    if "~m~0" in text and framing.join(payloads) != text:
        return None
    return _quoted(payloads, objects)


def _quote(text: str) -> str:
    try:
        return msgspec.json.encode(text).decode()
    except UnicodeError:
        return json.dumps(text)  # Lone surrogates, which only its escapes can carry.


def encode_line(value: dict[str, Any]) -> bytes:
    """The line of anything else."""
    try:
        return msgspec.json.encode(value) + b"\n"
    except UnicodeError:
        return json.dumps(value, separators=(",", ":")).encode() + b"\n"
