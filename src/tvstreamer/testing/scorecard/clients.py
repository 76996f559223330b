"""The client under test, running: a program of any language, or a Python function in a thread.

What it prints, or yields, is collected; how it ended is known; and it is gone when the scenario is over.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any, Final, Protocol

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.events import Event

_GOODBYE: Final = 5.0
"""Seconds in which a client ends after it was asked to."""
_REMEMBERED: Final = 100
_PLACE = re.compile(r"\{([a-z]+)\}")
_MILLISECONDS: Final = 1e11
"""No time in seconds is as large for the next 1,100 years."""
_TIMES: Final = ("time", "timestamp", "t", "ts", "datetime")


@dataclass(frozen=True, slots=True)
class Task:
    """What the client has to do: stream the bars of `symbol` at `interval` from `url`, beginning with `bars` of history.

    A program has them in place of `{url}`, `{symbol}`, `{interval}`, `{bars}` and `{token}` in its command line, and as
    TVSTREAMER_URL and so on in its environment. A function ends when `stop` is set.
    """

    url: str
    symbol: str
    interval: str
    bars: int
    token: str = ""
    stop: threading.Event = field(default_factory=threading.Event, compare=False)

    def values(self) -> dict[str, str]:
        return {
            "url": self.url,
            "symbol": self.symbol,
            "interval": self.interval,
            "bars": str(self.bars),
            "token": self.token,
        }


@dataclass(frozen=True, slots=True)
class Line:
    """A JSON object that the client printed, or something that it yielded."""

    values: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its `type`; what has a time and a close is a bar without saying so."""
        kind = self.values.get("type")
        if isinstance(kind, str):
            return kind
        return "bar" if self.time is not None and "close" in self.values else ""

    @property
    def time(self) -> float | None:
        """When it happened or began, in seconds since the epoch, however it is spelled."""
        value = next((self.values[name] for name in _TIMES if name in self.values), None)
        if isinstance(value, str):
            with contextlib.suppress(ValueError):
                return datetime.fromisoformat(value).timestamp()
            return None
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return value / 1000 if value > _MILLISECONDS else float(value)


class Running(Protocol):
    """A client at work. `lines` grows while it is."""

    lines: list[Line]

    @property
    def exit_code(self) -> int | None:
        """None while it runs; else `lines` and `said` have all that it said."""
        ...

    @property
    def said(self) -> list[str]:
        """The newest lines that it said beside its output, or the error that ended it."""
        ...

    def ask_to_end(self) -> bool:
        """Asks it to end and waits; whether it did."""
        ...

    def end(self) -> None:
        """Ends it, whether it wants to or not. Safe to repeat."""
        ...


class Client(Protocol):
    """Something that can be put to a task."""

    def takes(self, what: str) -> bool:
        """Whether it can be told this part of a task (`symbol`, `bars`, `token`)."""
        ...

    def start(self, task: Task) -> Running: ...


class Command:
    """A program, given by its command line with `{url}` in it. Raises `InvalidPlan` for one that cannot be read."""

    def __init__(self, line: str) -> None:
        self._line = line
        try:
            self._words = shlex.split(line)
        except ValueError as error:
            raise InvalidPlan(f"command {shorten(line)}: {error}") from error
        if not self._words:
            raise InvalidPlan(f"command {line!r}: expected a program and its arguments, for example node my_client.js {{url}}")
        known = Task("", "", "", 0).values()
        self._places = {name for word in self._words for name in _PLACE.findall(word)}
        for name in sorted(self._places - known.keys()):
            expected = ", ".join(f"{{{each}}}" for each in known)
            raise InvalidPlan(f"command {shorten(line)}: {{{name}}}: expected some of {expected}")

    def __str__(self) -> str:
        return self._line

    def takes(self, what: str) -> bool:
        return what in self._places

    def start(self, task: Task) -> Running:
        values = task.values()
        words = [_PLACE.sub(lambda place: values[place[1]], word) for word in self._words]
        environ = os.environ | {f"TVSTREAMER_{name.upper()}": value for name, value in values.items() if value}
        try:
            return _Process(words, environ)
        except OSError as error:
            raise InvalidPlan(f"command {shorten(self._line)}: {words[0]}: {error.strerror}") from error


class _Process:
    def __init__(self, words: list[str], environ: dict[str, str]) -> None:
        self.lines: list[Line] = []
        self._said: deque[str] = deque(maxlen=_REMEMBERED)
        # A session of its own, so that whatever it starts ends with it.
        self._process = subprocess.Popen(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, start_new_session=True
        )
        self._readers = [
            threading.Thread(target=_read, args=(self._process.stdout, self._take), daemon=True),
            threading.Thread(target=_read, args=(self._process.stderr, self._said.append), daemon=True),
        ]
        for reader in self._readers:
            reader.start()
        self._heard_out = False

    def _take(self, line: str) -> None:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if isinstance(value, dict):
            self.lines.append(Line(value))
        else:
            self._said.append(line)

    @property
    def exit_code(self) -> int | None:
        code = self._process.poll()
        if code is not None and not self._heard_out:
            self._hear_out()
        return code

    def _hear_out(self) -> None:
        """What it said before it ended is read by now; not waited for longer, as a program of its own may have its pipes."""
        for reader in self._readers:
            reader.join(_GOODBYE)
        self._heard_out = True

    @property
    def said(self) -> list[str]:
        return list(self._said)

    def ask_to_end(self) -> bool:
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_GOODBYE)
        return self._process.returncode is not None

    def end(self) -> None:
        if sys.platform == "win32":
            self._process.kill()
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._hear_out()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe is not None and not any(reader.is_alive() for reader in self._readers):
                pipe.close()


def _read(pipe: IO[bytes], take: Callable[[str], object]) -> None:
    for line in pipe:
        text = line.decode("utf-8", "replace").strip()
        if text:
            take(text)


class Function:
    """A Python function that takes a `Task` and yields events, or mappings like their JSON."""

    def __init__(self, function: Callable[[Task], Iterable[object]], name: str = "") -> None:
        self._function = function
        self._name = name or getattr(function, "__qualname__", repr(function))

    def __str__(self) -> str:
        return self._name

    def takes(self, what: str) -> bool:
        return True

    def start(self, task: Task) -> Running:
        return _Thread(self._function, task)


class _Thread:
    def __init__(self, function: Callable[[Task], Iterable[object]], task: Task) -> None:
        self.lines: list[Line] = []
        self.said: list[str] = []
        self.exit_code: int | None = None
        self._task = task
        self._thread = threading.Thread(target=self._run, args=(function,), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[[Task], Iterable[object]]) -> None:
        code = 0
        try:
            for each in function(self._task):
                self._take(each)
                if self._task.stop.is_set():
                    break
        except Exception as error:
            self.said.append(f"{type(error).__name__}: {error}")
            code = 1
        self.exit_code = code

    def _take(self, value: object) -> None:
        if isinstance(value, Event):
            value = json.loads(value.to_json())
        if isinstance(value, Mapping):
            self.lines.append(Line(value))

    def ask_to_end(self) -> bool:
        self._task.stop.set()
        self._thread.join(_GOODBYE)
        return not self._thread.is_alive()

    def end(self) -> None:
        self.ask_to_end()
