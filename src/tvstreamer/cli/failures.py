"""What goes wrong within a server that goes on: a line on standard error for each client that it costs the connection."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import PurePath
from types import TracebackType

from tvstreamer.cli.terminal import plain
from tvstreamer.errors import TvError

_SERVER = logging.getLogger("tvstreamer.server")


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """Within it, what the server's log has of errors is told; the traceback stays in the log, for who has asked for one."""
    lines = _Lines(logging.ERROR)
    _SERVER.addHandler(lines)
    try:
        yield
    finally:
        _SERVER.removeHandler(lines)


class _Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        words = record.getMessage().removeprefix("! ")
        if record.exc_info is not None and record.exc_info[1] is not None:
            words = f"{words}: {described(record.exc_info[1])}"
        with contextlib.suppress(OSError, ValueError):  # nobody reads it any more
            print(f"tvstreamer: {' '.join(plain(words).split())}", file=sys.stderr, flush=True)


def described(error: BaseException) -> str:
    """An error in a few words: one of ours by its text, any other by its class and place alone, as its text may hold anything."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TvError):
        return str(error)
    place = _place(error.__traceback__)
    return f"internal error: {type(error).__name__}{f', {place}' if place else ''} (TVSTREAMER_LOG=ERROR shows the traceback)"


def _place(trace: TracebackType | None) -> str:
    """Where it was raised."""
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{PurePath(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
