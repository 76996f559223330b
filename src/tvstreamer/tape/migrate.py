"""From one version of the format to the next: one function for each change, applied to each line as untyped JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tvstreamer.errors import TapeVersionError, shorten
from tvstreamer.tape.format import VERSION

Step = Callable[[dict[str, Any]], dict[str, Any]]

STEPS: Mapping[int, Step] = {}
"""Version -> what makes a line of it one of the next version. Version 1 is the first."""


def check_version(version: object) -> int:
    """The version of a header. Raises `TapeVersionError` for one that this release cannot read."""
    if isinstance(version, bool) or not isinstance(version, int) or version < 1:
        raise TapeVersionError(f"tape version {shorten(version)}: expected a whole number from 1 to {VERSION}")
    if version > VERSION:
        raise TapeVersionError(f"tape version {version}: this release reads up to {VERSION}; a newer tvstreamer wrote it")
    return version


def migrate(line: dict[str, Any], version: int, *, steps: Mapping[int, Step] = STEPS, to: int = VERSION) -> dict[str, Any]:
    """A line of an older version as one of version `to`."""
    for step in range(version, to):
        line = steps[step](line)
    return line
