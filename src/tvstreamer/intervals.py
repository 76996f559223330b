"""Intervals: the length of a bar, in the user's spellings and in the wire's.

The wire calls it a *resolution*: bare digits are minutes, `S` seconds, `D`, `W` and `M` days, weeks and months, `T`
ticks, `R` a price range. `1M` is a month; a minute is `1` or, for users, `1m`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
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
_MOST: Final = 99_999
_EXPECTED: Final = (
    f"expected a number of minutes, or a number up to {_MOST} and one of T, S, m, H, D, W, M, R,"
    " for example 1, 15, 1H, 1D"
)
_SECONDS: Final[dict[Unit, int]] = {"S": 1, "m": 60, "D": 86_400, "W": 604_800}


@dataclass(frozen=True, slots=True, repr=False)
class Interval:
    """The length of a bar: a number from 1 to 99999 and a unit, comparable and hashable.

    `str()` gives the wire's form: `1`, `60`, `1D`, `1M`, `5S`, `10T`, `100R`. Hours become minutes, which is what the
    server does with them. Raises `InvalidInterval`.
    """

    count: int
    unit: Unit

    def __post_init__(self) -> None:
        if not 0 < self.count <= _MOST or self.unit not in _UNITS.values():
            raise InvalidInterval(f"interval {self}: {_EXPECTED}")

    @classmethod
    def parse(cls, text: object) -> Interval:
        """Reads `1`, `1m`, `5min`, `1h`, `4H`, `1D`, `D`, `1W`, `1M`, `1mo`, `10S`, `1T`, `100R`, and an `Interval`."""
        if isinstance(text, Interval):
            return text
        match = _SPELLING.fullmatch(text.strip()) if isinstance(text, str) else None
        digits, letters = match.groups() if match else ("", "?")
        count = int(digits) if digits else 1
        # A bare letter stands for one of its unit, but nothing at all stands for nothing.
        unit = _UNITS.get(letters) if digits or letters else None
        if letters in _HOUR:
            count, unit = count * 60, "m"
        if unit is None or not 0 < count <= _MOST:
            raise InvalidInterval(f"interval {shorten(text)}: {_EXPECTED}")
        return cls(count, unit)

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


def canonical_interval(text: str) -> str:
    """Two spellings of an interval become one; what is none stays as it is."""
    try:
        return str(Interval.parse(text))
    except InvalidInterval:
        return text
