"""Logging for applications that want it: what an application calls, and what the library itself never does.

`configure_logging` gives the package's logger a console and, where asked for, files; `trace` logs the calls of a
function at the level TRACE, below DEBUG. Nothing here touches the root logger, and nothing happens before it is called.
"""

from __future__ import annotations

import functools
import inspect
import json
import logging
import math
import re
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TextIO, TypeVar, cast

from tvstreamer.errors import InvalidPlan, shorten

if TYPE_CHECKING:
    from os import PathLike
    from types import TracebackType

    from tvstreamer.clock import Clock

P = ParamSpec("P")
R = TypeVar("R")

TRACE: Final = 5
"""The level of `trace`, below DEBUG (10)."""

_PACKAGE = logging.getLogger("tvstreamer")
_TRACED = logging.getLogger("tvstreamer.trace")

_LEVELS: Final = {
    "TRACE": TRACE,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}
_FORMAT: Final = "%(asctime)s %(levelname)-8s %(code_path)s %(message)s"
_FILE_NAME: Final = re.compile(r"(tvstreamer-[0-9]{8}-[0-9]{6})(?:-([0-9]+))?\.(?:log|jsonl)")
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "code_path", "taskName"}


class LoggingSetup:
    """What `configure_logging` has set up; `log_path` and `jsonl_path` are None where no directory was given.

    `close` takes the handlers off the logger and closes their files, unless a later `configure_logging` has done so
    already. It may be called twice. Also a context manager.
    """

    def __init__(self, handlers: list[logging.Handler], log_path: Path | None, jsonl_path: Path | None) -> None:
        self._handlers = handlers
        self.log_path = log_path
        self.jsonl_path = jsonl_path

    def close(self) -> None:
        if any(handler in _PACKAGE.handlers for handler in self._handlers):
            _PACKAGE.setLevel(logging.NOTSET)
        _detach(self._handlers)

    def __enter__(self) -> LoggingSetup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "open" if any(handler in _PACKAGE.handlers for handler in self._handlers) else "closed"
        return f"<LoggingSetup {state}, log_path={self.log_path and str(self.log_path)!r}>"


def configure_logging(
    level: str | int = "INFO",
    *,
    directory: str | PathLike[str] | None = None,
    console: bool = True,
    stream: TextIO | None = None,
    keep: int = 10,
    clock: Clock | None = None,
) -> LoggingSetup:
    """Makes tvstreamer's log visible: on a console, in files, or both.

    `level` is a number or a name, TRACE among them. The console is `stream`, by default stderr; it has colours where it
    is a terminal and rich is installed. In `directory`, made if need be, a pair of files is begun, named after the time
    in UTC: `tvstreamer-YYYYmmdd-HHMMSS.log` to be read and `.jsonl` with one JSON object per record; of such pairs the
    newest `keep` stay, this one included.

    Called again, it replaces what it had set up before. Other handlers, and other loggers, are left alone. Raises
    `InvalidPlan` for an argument out of range and `OSError` where the files cannot be made; in both cases the logging
    is what it was.
    """
    number = _level_number(level)
    if keep < 1:
        raise InvalidPlan(f"keep {keep!r}: expected at least 1, the pair of files that is begun now")
    logging.addLevelName(TRACE, "TRACE")

    handlers: list[logging.Handler] = []
    log_path = jsonl_path = None
    if console:
        handlers.append(_console_handler(sys.stderr if stream is None else stream))
    if directory is not None:
        log, lines = _open_files(Path(directory), clock)
        log.setFormatter(_TextFormatter(_FORMAT))
        lines.setFormatter(_JsonFormatter())
        handlers += [log, lines]
        log_path, jsonl_path = Path(log.baseFilename), Path(lines.baseFilename)

    # The filter is what tells our handlers from others when the next call comes to replace them.
    _detach([handler for handler in _PACKAGE.handlers if any(isinstance(f, _CodePath) for f in handler.filters)])
    for handler in handlers:
        handler.addFilter(_CodePath())
        _PACKAGE.addHandler(handler)
    _PACKAGE.setLevel(number)
    if log_path is not None:
        _prune(log_path, keep)
    return LoggingSetup(handlers, log_path, jsonl_path)


def trace(function: Callable[P, R]) -> Callable[P, R]:
    """Decorator: logs the calls of a function, method or coroutine function at TRACE, on the logger `tvstreamer.trace`.

    `> name(2 arguments)` on entry, `< name` on return, `! name: ValueError` on an exception. Never the arguments
    themselves, which may hold secrets; `self` counts as one of them. Of a generator only the call is logged, not its
    run. Goes above or below `@staticmethod` and `@classmethod`.
    """
    if isinstance(function, (staticmethod, classmethod)):
        return cast("Callable[P, R]", type(function)(trace(function.__func__)))

    # Not everything that can be called has all of these: what another decorator made may have none.
    name = getattr(function, "__qualname__", type(function).__name__)
    module = (getattr(function, "__module__", None) or "").rpartition(".")[2]
    code = getattr(inspect.unwrap(function), "__code__", None)
    place = {"code_path": f"{module}.{name}" + (f":{code.co_firstlineno}" if code else "")}

    def entered(args: tuple[object, ...], kwargs: dict[str, object]) -> None:
        count = len(args) + len(kwargs)
        _TRACED.log(TRACE, "> %s(%d argument%s)", name, count, "" if count == 1 else "s", extra=place)

    def left() -> None:
        _TRACED.log(TRACE, "< %s", name, extra=place)

    def failed(error: BaseException) -> None:
        _TRACED.log(TRACE, "! %s: %s", name, type(error).__name__, extra=place)

    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: P.args, **kwargs: P.kwargs) -> Any:
            if not _TRACED.isEnabledFor(TRACE):
                return await function(*args, **kwargs)
            entered(args, kwargs)
            try:
                result = await function(*args, **kwargs)
            except BaseException as error:
                failed(error)
                raise
            left()
            return result

        return cast("Callable[P, R]", awaited)

    @functools.wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> R:
        if not _TRACED.isEnabledFor(TRACE):
            return function(*args, **kwargs)
        entered(args, kwargs)
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            failed(error)
            raise
        left()
        return result

    return called


class _CodePath(logging.Filter):
    """Gives each record the place that it came from, as `module.function:line`, unless it brings one along."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not hasattr(record, "code_path"):
            record.code_path = f"{record.module}.{record.funcName}:{record.lineno}"
        return True


class _TextFormatter(logging.Formatter):
    """Times in UTC, so that a log can be laid beside a tape."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


class _JsonFormatter(logging.Formatter):
    """One JSON object per record; what the call gave as `extra` stands under that key."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": record.created,
            "level": record.levelname,
            "logger": record.name,
            "code_path": getattr(record, "code_path", None),
            "thread": record.threadName,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = record.stack_info
        extra = {key: value for key, value in record.__dict__.items() if key not in _STANDARD}
        if extra:
            line["extra"] = {key: value if _is_plain(value) else repr(value) for key, value in extra.items()}
        return json.dumps(line, ensure_ascii=False)


def _is_plain(value: object) -> bool:
    """Whether JSON has a form for this value that reads back as the same."""
    return value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value))


def _level_number(level: object) -> int:
    number = _LEVELS.get(level.upper()) if isinstance(level, str) else level
    # 0 means "as the logger above" to logging, so that it would hide what whoever writes it wants to see.
    if not isinstance(number, int) or number < 1:
        raise InvalidPlan(f"log level {shorten(level)}: expected a number above 0, or one of {', '.join(_LEVELS)}")
    return number


def _now(clock: Clock | None) -> datetime:
    if clock is None:
        from tvstreamer.clock import SystemClock

        clock = SystemClock()
    return datetime.fromtimestamp(clock.now(), UTC)


def _open_files(directory: Path, clock: Clock | None) -> tuple[logging.FileHandler, logging.FileHandler]:
    """Begins a pair of files that nobody else writes to: another one of the same second gets a number behind it."""
    directory.mkdir(parents=True, exist_ok=True)
    present = _pairs(directory)
    base = f"tvstreamer-{_now(clock):%Y%m%d-%H%M%S}"
    # Counting on from the highest, so that a number freed by pruning does not make a new pair look old.
    number = max((number for name, number in present if name == base), default=0)
    while True:
        number += 1
        stem = base if number == 1 else f"{base}-{number}"
        log_path, jsonl_path = directory / f"{stem}.log", directory / f"{stem}.jsonl"
        try:
            log = _create(log_path)
            try:
                return log, _create(jsonl_path)
            except OSError:
                log.close()
                log_path.unlink()
                raise
        except FileExistsError:  # another process was faster
            continue


def _create(path: Path) -> logging.FileHandler:
    # What UTF-8 cannot hold, a lone surrogate, becomes \udXXX, which happens to be JSON's own way to write it.
    return logging.FileHandler(path, mode="x", encoding="utf-8", errors="backslashreplace")


def _pairs(directory: Path) -> dict[tuple[str, int], list[Path]]:
    """The log files in a directory, by the second that they were begun in and their number within it."""
    pairs: dict[tuple[str, int], list[Path]] = {}
    for path in directory.iterdir():
        if match := _FILE_NAME.fullmatch(path.name):
            pairs.setdefault((match[1], int(match[2] or 1)), []).append(path)
    return pairs


def _prune(begun: Path, keep: int) -> None:
    # The pair just begun stays whatever its name: a virtual clock may have dated it before all others.
    others = {pair: paths for pair, paths in _pairs(begun.parent).items() if begun not in paths}
    for pair in sorted(others, reverse=True)[keep - 1 :]:
        for path in others[pair]:
            try:
                path.unlink()
            except OSError as error:  # another process may hold it open, or have pruned it first
                _PACKAGE.debug("old log file %s stays: %s", path, error)


def _console_handler(stream: TextIO) -> logging.Handler:
    """Colours for a terminal, plain lines for everything else: rich would wrap lines to a width that a file has not."""
    try:
        from rich.console import Console
        from rich.logging import RichHandler
        from rich.theme import Theme
    except ImportError:
        pass
    else:
        terminal = Console(file=stream, theme=Theme({"logging.level.trace": "dim"}))
        if terminal.is_terminal:
            handler = RichHandler(console=terminal, show_path=False, log_time_format="[%X]")
            handler.setFormatter(logging.Formatter("%(code_path)s %(message)s"))
            return handler
    plain = logging.StreamHandler(stream)
    plain.setFormatter(_TextFormatter(_FORMAT))
    return plain


def _detach(handlers: list[logging.Handler]) -> None:
    for handler in handlers:
        _PACKAGE.removeHandler(handler)
        handler.close()
