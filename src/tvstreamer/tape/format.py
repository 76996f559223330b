"""The lines of a tape, version 1: a header, one record for each happening, and a footer. One line <-> one record.

Payloads are embedded in a record as the JSON they are, so that `jq` and `grep` work on a tape and reading needs no second
parse. A message that could not be given back to the letter from its payloads is kept as a string in `raw` instead.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal, get_args

import msgspec

from tvstreamer.constants import MAX_NESTING
from tvstreamer.errors import FramingError
from tvstreamer.protocol import framing

VERSION = 1
Kind = Literal["open", "recv", "send", "close", "note", "http"]
KINDS: tuple[str, ...] = get_args(Kind)


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first line. `start` is the moment of offset 0; `times` tells whether offsets were measured or estimated."""

    tape: int = VERSION
    start: float
    tool: str = ""
    url: str = ""
    subscriptions: list[dict[str, Any]] = []
    scrubbed: list[str] = []
    seed: int | None = None
    times: str = "measured"


class Record(msgspec.Struct, gc=False):
    """One happening, `t` nanoseconds after the start, on connection `c`, of kind `k`.

    `recv` and `send` (always the client's) have `p`, the payloads as raw JSON, or `raw`, the message. `open` has `url`,
    `close` a `code`, a `reason` and `by` whom it was (`client`, `server`), `note` any object.
    """

    t: int
    c: int
    k: Kind
    p: list[msgspec.Raw] | None = None
    raw: str | None = None
    url: str = ""
    code: int = 1006
    reason: str = ""
    by: str = ""
    note: Any = None
    http: Any = None

    def payloads(self) -> list[str]:
        """The payloads of a message, as text. Raises `FramingError` for a raw message that is not well framed."""
        if self.p is None:
            return framing.split(self.raw or "")
        return [payload_text(bytes(raw)) for raw in self.p]

    def text(self) -> str:
        """The message, to the letter."""
        return self.raw if self.raw is not None else framing.join(self.payloads())


class Footer(msgspec.Struct, frozen=True):
    """The last line: the number of records and the digest of all bytes before it. Without it nothing closed the tape."""

    k: Literal["end"]
    records: int
    sha256: str


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


class _AnyObject(msgspec.Struct):
    pass


_decode_object = msgspec.json.Decoder(_AnyObject).decode
"""Reads any JSON object and keeps nothing of it: checked to the letter by JSON's grammar, without making values. (Beyond the
grammar, numbers too large for a float pass, which a decoder that makes values rejects.)"""


_NO_BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[^"{}\[\]]+', re.DOTALL)


def embed(payloads: Sequence[str]) -> str | None:
    """The payloads as the elements of a JSON array; None where one of them cannot stand there as it is."""
    elements: list[str] = []
    for payload in payloads:
        if payload.startswith("{"):
            if not _embeddable(payload):
                return None
            elements.append(payload)
        elif framing.heartbeat(payload):
            elements.append(f'"{payload}"')
        else:
            return None
    return ",".join(elements)


def _embeddable(payload: str) -> bool:
    # Every level takes two characters, so a short payload cannot be nested too deeply.
    if len(payload) > 2 * MAX_NESTING and payload.count("{") + payload.count("[") > MAX_NESTING and _depth(payload) > MAX_NESTING:
        return False
    try:
        _decode_object(payload)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return payload[-1] == "}" and "\n" not in payload


def _depth(payload: str) -> int:
    """How deep valid JSON is nested; anything beyond `MAX_NESTING` counts as one more than that."""
    # Only its brackets are kept, and the innermost pairs taken away level by level: a snapshot has thousands of them.
    brackets = _NO_BRACKET.sub("", payload).replace("{", "[").replace("}", "]")
    depth = 0
    while "[]" in brackets and depth <= MAX_NESTING:
        brackets = brackets.replace("[]", "")
        depth += 1
    return depth


def encode_message(t: int, connection: int, kind: str, text: str) -> bytes:
    """The line of a `recv` or `send`."""
    payload = framing.single(text)
    if payload is not None and payload.startswith("{") and _embeddable(payload):
        return f'{{"t":{t},"c":{connection},"k":"{kind}","p":[{payload}]}}\n'.encode()
    lead = f'{{"t":{t},"c":{connection},"k":"{kind}",'
    elements = _elements(text)
    if elements is not None:
        return f'{lead}"p":[{elements}]}}\n'.encode()
    return f'{lead}"raw":{_quote(text)}}}\n'.encode()


def _elements(text: str) -> str | None:
    try:
        payloads = framing.split(text)
    except FramingError:
        return None
    # Leading zeros in a length are read, but would not come back.
    if "~m~0" in text and framing.join(payloads) != text:
        return None
    return embed(payloads)


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
