"""Packets inside a message: `~m~LEN~m~PAYLOAD`, one after another, nothing between them.

LEN counts UTF-16 code units (the length of a JavaScript string), so a character beyond U+FFFF counts two. A message is
always whole packets: the vendor's own decoder keeps no state between messages. A payload may hold text that looks like a
header, so only the lengths tell where it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tvstreamer.constants import MAX_MESSAGE
from tvstreamer.errors import FramingError

_MARK = "~m~"
_HEADER = re.compile(f"~m~([0-9]{{1,{len(str(MAX_MESSAGE))}}})~m~")
_TABLE = 4096
"""Messages up to this length are compared with the one header that a single packet of that length must have."""


def _header_by_total() -> list[str]:
    # Where no packet has that length stands something longer than any message it is compared with.
    headers = ["\x00" * (_TABLE + 1)] * (_TABLE + 1)
    for length in range(_TABLE):
        header = f"~m~{length}~m~"
        if len(header) + length <= _TABLE:
            headers[len(header) + length] = header
    return headers


HEADERS = _header_by_total()
"""By the length of a message: the header of a message that is one ASCII packet."""


_NUMBERS = [str(length) for length in range(_TABLE)]
"""The lengths of most payloads as text, ready to be looked up."""


def utf16_length(text: str) -> int:
    """Length in UTF-16 code units."""
    if text.isascii():
        return len(text)
    return len(text) + sum(character > "\uffff" for character in text)


def packet(payload: str) -> str:
    """One payload with its header."""
    return f"~m~{utf16_length(payload)}~m~{payload}"


def join(payloads: Iterable[str]) -> str:
    """A message of these payloads."""
    return "".join([packet(payload) for payload in payloads])


def split(message: str) -> list[str]:
    """The payloads of a message, in order. Raises `FramingError` with the offset at which it stops making sense."""
    # Most messages are one short packet: one look-up and one comparison settle those.
    payload = single(message)
    if payload is not None:
        return [payload]
    total = len(message)
    if total > MAX_MESSAGE:
        raise FramingError(f"a message of {total} characters, the limit is {MAX_MESSAGE}", 0)
    return cut(message) or _walk(message, total)


def single(message: str) -> str | None:
    """The payload of a message that is one short ASCII packet, as most are; None for any other."""
    total = len(message)
    if total <= _TABLE and message.isascii():
        payload = message.removeprefix(HEADERS[total])
        if len(payload) != total:
            return payload
    return None


def cut(message: str) -> list[str] | None:
    """The payloads of an ASCII message in which nothing but its headers looks like one; None for any other.

    Where every piece has the very length that stands before it, a walk from header to header would have come to the same.
    To join them again gives the message to the letter.
    """
    if not message.isascii():
        return None
    pieces = message.split(_MARK)
    payloads = pieces[2::2]
    lengths = map(len, payloads)
    if pieces[0] or pieces[1::2] != [_NUMBERS[length] if length < _TABLE else str(length) for length in lengths]:
        return None
    return payloads


def _walk(message: str, total: int) -> list[str]:
    ascii_only = message.isascii()
    payloads: list[str] = []
    position = 0
    while position < total:
        start, length = _header(message, position)
        end = start + length if ascii_only else _advance(message, start, length)
        if end > total:
            raise FramingError(
                f"the header announces {length} UTF-16 units, the message holds {utf16_length(message[start:])}",
                position,
                message[position : position + 40],
            )
        payloads.append(message[start:end])
        position = end
    return payloads


def _header(message: str, position: int) -> tuple[int, int]:
    """Where the payload behind this header starts, and its length in UTF-16 units."""
    header = _HEADER.match(message, position)
    if header is not None:
        return header.end(), int(header[1])
    if not message.startswith(_MARK, position):
        raise FramingError("expected ~m~", position, message[position : position + 40])
    raise FramingError("expected a length and ~m~", position + len(_MARK), message[position : position + 40])


def _advance(message: str, start: int, units: int) -> int:
    """The position `units` UTF-16 code units behind `start`; beyond the end if there are not as many."""
    end = start + units
    # Jump by what is certainly inside, as an astral character takes fewer positions than units, never more.
    candidate = message[start:end]
    surplus = utf16_length(candidate) - units
    if surplus < 0:
        return end
    if surplus == 0:
        return start + len(candidate)
    position, seen = start, 0
    while seen < units:
        seen += 2 if message[position] > "\uffff" else 1
        position += 1
    if seen > units:
        raise FramingError(f"the length {units} ends inside a character", position - 1, message[start : start + 40])
    return position


def split_leniently(message: str) -> list[str]:
    """Like `split`, but where the lengths are off, cuts at everything that looks like a header.

    Only a server that wants to understand every client does this: some count code points or bytes. A payload that holds
    a header inside it is then cut in two. Raises `FramingError` where not even a first header is found.
    """
    try:
        return split(message)
    except FramingError:
        payloads: list[str] = []
        position = 0
        while position < len(message):
            start, _ = _header(message, position)
            position = _next_header(message, start)
            payloads.append(message[start:position])
        return payloads


def _next_header(message: str, position: int) -> int:
    while (position := message.find(_MARK, position)) >= 0:
        try:
            _header(message, position)
        except FramingError:
            position += 1
        else:
            return position
    return len(message)


def heartbeat(payload: str) -> bool:
    """Whether this payload is a heartbeat, `~h~N`."""
    return payload.startswith("~h~") and payload.isascii() and payload[3:].isdigit()
