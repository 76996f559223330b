"""The parts of a recording that is spread over several files: what they are called, and when the next one is due.

`session.jsonl`, `session.0002.jsonl`, `session.0003.jsonl`, ...; a suffix that tells the compression stays the last.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tvstreamer.errors import InvalidPlan, shorten

_PACKED = (".gz", ".zst")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMG]B)", re.ASCII | re.IGNORECASE)
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smh])", re.ASCII)
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "s": 1, "m": 60, "h": 3600}


def part_path(first: Path, part: int) -> Path:
    """The path of a part of the recording that begins at `first`."""
    if part == 1:
        return first
    packed = first.suffix if first.suffix in _PACKED else ""
    bare = first.with_name(first.name.removesuffix(packed))
    return bare.with_name(f"{bare.stem}.{part:04d}{bare.suffix}{packed}")


def next_path(path: Path, part: int) -> Path:
    """Where the part behind this one is, which is number `part`."""
    packed = path.suffix if path.suffix in _PACKED else ""
    bare = path.with_name(path.name.removesuffix(packed))
    number = f".{part:04d}"
    if part > 1 and bare.stem.endswith(number):
        bare = bare.with_name(bare.stem.removesuffix(number) + bare.suffix)
    elif part > 1 and bare.name.endswith(number):
        bare = bare.with_name(bare.name.removesuffix(number))
    return part_path(bare.with_name(bare.name + packed), part + 1)


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a part is long enough: beyond so many bytes of the file, or so many seconds of its records. None: never."""

    bytes: int | None = None
    seconds: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("bytes", self.bytes), ("seconds", self.seconds)):
            if value is not None and not 0 < value < float("inf"):
                raise InvalidPlan(f"rotation after {value!r} {name}: expected a number above 0")

    def __bool__(self) -> bool:
        return self.bytes is not None or self.seconds is not None

    @classmethod
    def parse(cls, text: str) -> Rotation:
        """`100MB` (or `100mb`), `1h`, or both as `100MB,1h`. A kilobyte has 1,000 bytes. Raises `InvalidPlan`."""
        size: int | None = None
        seconds: float | None = None
        for word in text.split(","):
            if size is None and (measure := _SIZE.fullmatch(word)):
                size = int(float(measure[1]) * _UNITS[measure[2].upper()])
            elif seconds is None and (measure := _TIME.fullmatch(word)):
                seconds = float(measure[1]) * _UNITS[measure[2]]
            else:
                size = 0
                break
        if size == 0 or seconds == 0:
            raise InvalidPlan(
                f"rotate {shorten(text)}: expected a size in KB, MB or GB, a time in s, m or h, or one of each,"
                " for example 100MB, 1h or 100MB,1h"
            )
        return cls(size, seconds)
