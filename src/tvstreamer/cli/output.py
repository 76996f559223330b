"""Events, and rows of a search, on standard output, one line each, flushed: as JSON lines, as CSV, or as a table to look at."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Callable
from typing import Any, BinaryIO, ClassVar, Protocol

import msgspec

from tvstreamer.cli.terminal import plain
from tvstreamer.errors import TapeWriteError
from tvstreamer.events import MARKET_EVENTS, Event


class Printable(Protocol):
    """A struct that names its kind and writes itself out."""

    __struct_config__: ClassVar[Any]
    __struct_fields__: ClassVar[tuple[str, ...]]

    def to_json(self) -> bytes: ...


Printer = Callable[[Printable], None]


def printer(form: str, events: str = "all", stream: BinaryIO | None = None) -> Printer:
    """A function that prints an event in one of the forms; with `events="market"` status events are left out."""
    out = stream or _standard_output()
    lines: dict[str, Callable[[Any], bytes]] = {"jsonl": _json, "csv": _Csv(), "table": _table}
    line = lines[form]

    def write(event: Printable) -> None:
        if events == "all" or isinstance(event, MARKET_EVENTS):
            out.write(line(event) + b"\n")
            out.flush()

    return write


def say(text: str) -> None:
    """One line of text on standard output, flushed."""
    out = _standard_output()
    out.write(f"{text}\n".encode())
    out.flush()


def _standard_output() -> BinaryIO:
    if sys.stdout is None:
        raise TapeWriteError("standard output: cannot be written: it is closed")
    return sys.stdout.buffer


class _Csv:
    """One kind of event after the other has its own columns, so each line begins with the kind; a header precedes the
    first of each."""

    def __init__(self) -> None:
        self._seen: set[type[Printable]] = set()

    def __call__(self, event: Printable) -> bytes:
        rows: list[list[object]] = []
        kind = type(event).__struct_config__.tag
        if type(event) not in self._seen:
            self._seen.add(type(event))
            rows.append(["type", *event.__struct_fields__])
        rows.append([kind, *(_cell(getattr(event, name)) for name in event.__struct_fields__)])
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        return text.getvalue().rstrip("\n").encode()


def _cell(value: object) -> object:
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list | bool) else value


def _json(event: Printable) -> bytes:
    return event.to_json()


def _table(event: Printable) -> bytes:
    """Columns of a fixed width: time (of what has one), kind, symbol, and whatever else there is."""
    values = {name: getattr(event, name) for name in event.__struct_fields__}
    moment = ""
    if isinstance(event, Event):
        values.pop("time", None)
        moment = f"{'' if event.ts is None else event.ts.isoformat(timespec='milliseconds'):<29}  "
    symbol = f"{values.pop('symbol', '')} {values.pop('interval', '')}".strip()
    rest = "  ".join(f"{name}={_short(value)}" for name, value in values.items() if value not in (None, {}, []))
    return plain(f"{moment}{type(event).__struct_config__.tag:<16}  {symbol:<24}  {rest}".rstrip()).encode()


def _short(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) and abs(value) < 1 else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
