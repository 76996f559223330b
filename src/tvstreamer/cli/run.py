"""Carrying out a call: errors become one line on standard error and an exit code, never a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from importlib import import_module

from tvstreamer import errors
from tvstreamer.cli.table import BY_NAME, Call
from tvstreamer.cli.terminal import plain

INTERRUPTED = 130
_CODES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((errors.TapeMismatch, errors.TapeExhausted), 1),
    ((errors.TapeFormatError, errors.TapeVersionError), 3),
    ((errors.TapeWriteError,), 6),
    ((errors.TransportTimeout, errors.ContinuityError), 5),
    ((errors.CredentialsNotFound,), 2),
    ((errors.ConnectFailed, errors.AuthError, errors.CredentialsError, errors.ServerStartError), 4),
    ((errors.MissingDependencyError, errors.UnsupportedFault), 2),
    ((ValueError,), 2),
    ((errors.TransportError, errors.ProtocolError, errors.ServerError), 4),
    ((errors.TvError,), 1),
)
"""The first class that fits tells the exit code. `ValueError` stands for every `Invalid...`."""


def exit_code(error: BaseException) -> int:
    """The documented exit code of an error."""
    return next((code for classes, code in _CODES if isinstance(error, classes)), 1)


def report(error: BaseException) -> int:
    """One line on standard error; returns the exit code."""
    text = " ".join(plain(str(error)).split())
    with contextlib.suppress(OSError):  # the exit code still tells
        print(f"tvstreamer: {text or type(error).__name__}", file=sys.stderr)
    return exit_code(error)


def _configure_logging() -> None:
    """Logging as the environment asks for: TVSTREAMER_LOG is a level, TVSTREAMER_LOG_DIR a folder for files."""
    level, directory = os.environ.get("TVSTREAMER_LOG"), os.environ.get("TVSTREAMER_LOG_DIR")
    if level or directory:
        from tvstreamer.logging_utils import configure_logging

        configure_logging(level or "INFO", directory=directory)


def run(call: Call) -> int:
    """Calls the function that the table names."""
    module, _, function = BY_NAME[call.command].target.partition(":")

    def work() -> int:
        _configure_logging()
        code: int = getattr(import_module(module), function)(**call.values)
        return code

    return guarded(work)


def guarded(work: Callable[[], int]) -> int:
    """The exit code that `work` returns, or that of its error. What it printed has been written when this returns."""
    try:
        code = work()
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        _discard_output()
        return 0
    except KeyboardInterrupt:
        return INTERRUPTED
    except errors.TvError as error:
        return report(error)
    except OSError as error:
        # Sockets and tapes raise errors of ours, so this comes from an output.
        name = error.filename or "standard output"
        _discard_output()
        return report(errors.TapeWriteError(f"{name}: cannot be written: {error.strerror or error}"))
    return code


def _discard_output() -> None:
    """Lets standard output end nowhere: Python would complain once more when it flushes at exit."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
