"""From text logs of a WebSocket client: lines `WS TX ...` (sent) and `WS RX ...` (received), one message each.

Such logs carry no times. The server's own are taken where it tells them, in its hello and with some replies, and carried
forward; the tape's header says that its times are estimated. Other lines are counted in a note and otherwise left out: the
logs seen (2025-07-06) repeat every message in another form.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final, TextIO

from tvstreamer.constants import MAX_LINE
from tvstreamer.errors import FramingError, TapeFormatError
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import Hello
from tvstreamer.tape.compression import compression_of
from tvstreamer.tape.format import Header
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter

_DIRECTIONS = {"WS TX ": "send", "WS RX ": "recv"}
_LEAD = len("WS TX ")
_TIME = re.compile(r'"t_ms":([0-9]{10,16})\}')


MOST_BEFORE: Final = 256 * 1024 * 1024
"""Characters of a log, and"""
MOST_EARLY: Final = 1_000_000
"""messages in it, up to the first that tells a time. Until then all messages have to be kept."""


def log_lines(file: TextIO, name: str = "log") -> Iterator[str]:
    """The lines of a file. Raises `TapeFormatError` for one that does not end."""
    number = 0
    while line := file.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            raise TapeFormatError(f"a line of more than {MAX_LINE} characters", path=name, line=number)
        yield line


def import_log(
    lines: Iterable[str],
    target: str | BinaryIO,
    *,
    redactor: Redactor,
    tool: str,
    name: str = "log",
    overwrite: bool = False,
    most_before: int = MOST_BEFORE,
    most_early: int = MOST_EARLY,
) -> TapeWriter:
    """Makes a tape of a log's lines. Messages before the first known time get that time.

    Raises `TapeFormatError` where no line is a message, or none tells a time within the first `most_before` characters and
    `most_early` messages of a log that has more; and what `TapeWriter` and the lines raise. What was written until then is a
    finished tape.
    """
    early: list[tuple[str, str]] = []
    writer: TapeWriter | None = None
    at = 0.0
    before = others = 0
    with contextlib.ExitStack() as finished:
        for line in lines:
            before += len(line) + 1
            if writer is None and before > most_before:
                expected = "tells the server's time" if early else "begins with 'WS TX ' or 'WS RX '"
                raise TapeFormatError(f"no line of the first {most_before} characters {expected}", path=name)
            line = line.rstrip("\r\n")
            kind = _DIRECTIONS.get(line[:_LEAD])
            if kind is None:
                others += bool(line)
                continue
            message = line[_LEAD:]
            told = _server_time(message) if kind == "recv" else None
            at = at if told is None else max(at, told)
            if writer is None and told is None:
                if len(early) == most_early:
                    raise TapeFormatError(f"none of the first {most_early} messages tells the server's time", path=name)
                early.append((kind, message))
                continue
            if writer is None:
                writer = finished.enter_context(_start(target, at, redactor, tool, early, overwrite))
                early = []
            _write(writer, kind, message, at)
        if writer is None:
            if not early:
                raise TapeFormatError("no line begins with 'WS TX ' or 'WS RX '", path=name)
            writer = finished.enter_context(_start(target, at, redactor, tool, early, overwrite))
        writer.note(1, {"imported": "log", "other_lines": others}, at)
    return writer


def _start(
    target: str | BinaryIO, at: float, redactor: Redactor, tool: str, early: list[tuple[str, str]], overwrite: bool
) -> TapeWriter:
    writer = TapeWriter(
        target,
        Header(start=at, tool=tool, times="estimated"),
        redactor=redactor,
        overwrite=overwrite,
        compress=compression_of(Path(target)) if isinstance(target, str) else None,
    )
    writer.opened(1, "", at)
    for kind, message in early:
        _write(writer, kind, message, at)
    return writer


def _write(writer: TapeWriter, kind: str, message: str, at: float) -> None:
    if kind == "send":
        writer.sent(1, message, at)
    else:
        writer.received(1, message, at)


def _server_time(message: str) -> float | None:
    """The newest time that the server tells in a message, in seconds."""
    times = [int(digits) for digits in _TIME.findall(message)]
    if '"timestampMs"' in message:
        try:
            replies = [codec.decode_reply(payload) for payload in framing.split(message)]
        except FramingError:
            replies = []
        times += [reply.timestampMs for reply in replies if isinstance(reply, Hello) and reply.timestampMs]
    return max(times) / 1000 if times else None
