"""Golden files: events as they ought to be, as JSON lines that a person has looked at once.

::

    assert_events(client.stream(), "tests/goldens/reconnect.jsonl")

A golden file is what `tvstreamer replay` prints. It is written anew when the tests run with `--tv-update-goldens`, or with
TVSTREAMER_UPDATE_GOLDENS=1; what changed in it is for the eyes of whoever commits it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tvstreamer.errors import TapeFormatError
from tvstreamer.events import Event, event_from_json
from tvstreamer.testing.differences import first_difference

VARIABLE = "TVSTREAMER_UPDATE_GOLDENS"
_HINT = f"to write it: pytest --tv-update-goldens, or {VARIABLE}=1"
_OFF = ("", "0", "false", "no", "off")

_asked = False


def update_goldens(on: bool = True) -> None:
    """From now on golden files are written, not compared. The environment can ask for it too."""
    global _asked  # noqa: PLW0603 - whether a run updates is one fact for the whole run
    _asked = on


def updating() -> bool:
    """Whether golden files are written."""
    return _asked or os.environ.get(VARIABLE, "").lower() not in _OFF


def assert_events(
    events: Iterable[Event], golden: str | os.PathLike[str] | Iterable[Event], *, update: bool | None = None
) -> None:
    """Compares events with a golden file, or with other events. Raises `AssertionError` that tells the first difference.

    `update` overrides what the run was told. Raises `TapeFormatError` for a file that holds anything but events.
    """
    got = list(events)
    if not isinstance(golden, str | os.PathLike):
        _compare(list(golden), got, "the events")
        return
    path = Path(golden)
    if updating() if update is None else update:
        _write(path, got)
    elif not path.exists():
        raise AssertionError(f"{path}: no such golden file; {_HINT}")
    else:
        _compare(_read(path), got, f"the events of {path}")


def _compare(expected: list[Event], got: list[Event], name: str) -> None:
    lines = first_difference(expected, got)
    if lines:
        raise AssertionError("\n".join([f"not {name}: {lines[0]}", *lines[1:]]))


def _read(path: Path) -> list[Event]:
    events = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            events.append(event_from_json(line))
        except msgspec.DecodeError as error:
            raise TapeFormatError(f"expected an event as a line of JSON: {error}", path=str(path), line=number) from error
    return events


def _write(path: Path, events: list[Event]) -> None:
    """In one step, so that a run which is killed leaves the old file or the new one. One that would not change is left alone."""
    text = b"".join(event.to_json() + b"\n" for event in events)
    if path.exists() and path.read_bytes() == text:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.write_bytes(text)
    fresh.replace(path)
