"""Intervals: the length of a bar, in the user's spellings and in the wire's.

The wire calls it a *resolution*: bare digits are minutes, `S` seconds, `D`, `W` and `M` days, weeks and months, `T`
ticks, `R` a price range. `1M` is a month; a minute is `1` or, for users, `1m`.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from tvstreamer.errors import InvalidInterval, shorten

Unit = Literal["T", "S", "m", "D", "W", "M", "R"]

_SPELLING = re.compile(r"([0-9]{0,5})([A-Za-z]{0,7})")
_HOUR: Final = ("h", "H", "hour", "hours")
_UNITS: Final[dict[str, Unit]] = {
    "T": "T", "t": "T", "tick": "T", "ticks": "T",
    "S": "S", "s": "S", "sec": "S", "second": "S", "seconds": "S",
    "": "m", "m": "m", "min": "m", "minute": "m", "minutes": "m",
    "D": "D", "d": "D", "day": "D", "days": "D",
    "W": "W", "w": "W", "week": "W", "weeks": "W",
    "M": "M", "mo": "M", "month": "M", "months": "M",
    "R": "R", "r": "R", "range": "R",
}  # fmt: skip
_SECONDS: Final[dict[Unit, int]] = {"S": 1, "m": 60, "D": 86_400, "W": 604_800}


class Interval:
    """The length of a bar: a number and a unit, comparable and hashable.

    `str()` gives the wire's form: `1`, `60`, `1D`, `1M`, `5S`, `10T`, `100R`. Hours become minutes, which is what the
    server does with them.
    """

    __slots__ = ("count", "unit")
    count: int
    unit: Unit

    def __init__(self, count: int, unit: Unit) -> None:
        object.__setattr__(self, "count", count)
        object.__setattr__(self, "unit", unit)

    @classmethod
    def parse(cls, text: object) -> Interval:
        """Reads `1`, `1m`, `5min`, `1h`, `4H`, `1D`, `D`, `1W`, `1M`, `1mo`, `10S`, `1T`, `100R`. Raises `InvalidInterval`."""
        if isinstance(text, Interval):
            return text
        match = _SPELLING.fullmatch(text.strip()) if isinstance(text, str) else None
        digits, letters = match.groups() if match else ("", "?")
        count = int(digits) if digits else 1
        # A bare letter stands for one of its unit, but nothing at all stands for nothing.
        if count > 0 and (digits or letters):
            if letters in _HOUR:
                return cls(count * 60, "m")
            if letters in _UNITS:
                return cls(count, _UNITS[letters])
        raise InvalidInterval(
            f"interval {shorten(text)}: expected a number of minutes, or a number and one of T, S, m, H, D, W, M, R,"
            " for example 1, 15, 1H, 1D"
        )

    @property
    def seconds(self) -> int | None:
        """Length in seconds; None where it varies (months) or is none at all (ticks, ranges)."""
        length = _SECONDS.get(self.unit)
        return None if length is None else self.count * length

    @property
    def is_intraday(self) -> bool:
        return self.unit not in ("D", "W", "M")

    def __str__(self) -> str:
        return str(self.count) if self.unit == "m" else f"{self.count}{self.unit}"

    def __repr__(self) -> str:
        return f"Interval({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Interval) and (self.count, self.unit) == (other.count, other.unit)

    def __hash__(self) -> int:
        return hash((self.count, self.unit))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"an Interval cannot be changed: {name}")


def resolution(text: object) -> str:
    """The wire's spelling of a user's interval."""
    return str(Interval.parse(text))
