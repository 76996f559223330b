"""What goes over the wire as text, and what is kept of it: payloads, packets, messages, tapes."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Final

from hypothesis import strategies as st

from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import Hello
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.strategies.bounds import EARLIEST, LATEST, check_size, grid
from tvstreamer.testing.strategies.declared import commands, json_values, replies

_KEY: Final = b"strategies" * 4
_SPECIAL: Final = ("~h~1", "~m~1~m~x", "{}", "\N{ROCKET}", "")
"""Texts that look like framing, weigh more than they are long, or are nothing at all."""


def heartbeats(*, max_value: int = 10**6) -> st.SearchStrategy[str]:
    """Payloads of heartbeats, `~h~1` and up."""
    return st.integers(1, max_value).map(lambda number: f"~h~{number}")


_KNOWN_PAYLOADS: Final = st.one_of(heartbeats(), replies().map(codec.encode), commands().map(codec.encode))
_ANY_PAYLOADS: Final = st.one_of(
    _KNOWN_PAYLOADS, json_values().map(codec.wire_json), st.sampled_from(_SPECIAL), st.text(max_size=20)
)


@st.composite
def payloads(draw: st.DrawFn, *, known: bool = False) -> str:
    """What stands in a packet: heartbeats, replies, commands, and unless only `known` ones are wanted, any JSON and any text."""
    return draw(_KNOWN_PAYLOADS if known else _ANY_PAYLOADS)


def packets(*, payloads: st.SearchStrategy[str] | None = None) -> st.SearchStrategy[str]:
    """`~m~LEN~m~PAYLOAD`, with LEN in UTF-16 units."""
    return (_ANY_PAYLOADS if payloads is None else payloads).map(framing.packet)


@st.composite
def messages(
    draw: st.DrawFn, *, payloads: st.SearchStrategy[str] | None = None, min_size: int = 1, max_size: int | None = 4
) -> str:
    """Messages of so many packets."""
    check_size(min_size, max_size)
    return "".join(draw(st.lists(packets(payloads=payloads), min_size=min_size, max_size=max_size)))


@st.composite
def tapes(
    draw: st.DrawFn,
    *,
    min_size: int = 0,
    max_size: int | None = 8,
    max_connections: int = 2,
    min_time: float = EARLIEST,
    max_time: float = LATEST,
) -> bytes:
    """Whole tapes, as the bytes of their files: connections one after the other, each with a hello and so many messages.

    Messages are well framed, of either side, and of any sense or none: a reader has to take them all. Shrinks to a tape on which
    nothing happened. For tapes of sessions that make sense, record a fake server.
    """
    check_size(min_size, max_size)
    start = draw(grid("time", min_time, max_time, 1))
    hello = framing.packet(codec.encode(Hello("tape", int(start), round(start * 1000))))
    happening = st.tuples(st.booleans(), st.integers(0, 10**6).map(lambda steps: steps / 1000), messages())
    connections = draw(st.lists(st.lists(happening, min_size=min_size, max_size=max_size), max_size=max_connections))
    file = _KeptOpen()
    with TapeWriter(file, Header(start=start), redactor=Redactor(key=_KEY)) as writer:
        _write(writer, start, hello, connections)
    return file.getvalue()


def _write(writer: TapeWriter, start: float, hello: str, connections: Iterable[list[tuple[bool, float, str]]]) -> None:
    now = start
    for number, happenings in enumerate(connections, 1):
        writer.opened(number, "fake:", now)
        writer.received(number, hello, now)
        for is_sent, pause, message in happenings:
            now += pause
            (writer.sent if is_sent else writer.received)(number, message, now)
        writer.closed(number, 1000, "", "server", now)


class _KeptOpen(io.BytesIO):
    """A file whose bytes can still be read after it was closed."""

    def close(self) -> None:
        pass
