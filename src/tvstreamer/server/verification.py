"""Expectations on what clients did, checked against the journal.

A failure says what was expected, what there was, and which entries come nearest.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from tvstreamer.errors import InvalidPlan, VerificationFailed
from tvstreamer.intervals import canonical_interval
from tvstreamer.protocol.journal import JournalEntry

_NEAREST = 5


@dataclass(frozen=True, slots=True)
class Expected:
    """Which entries of the journal are meant: those with all that is given here.

    `symbol` is an `EXCHANGE:TICKER` in any case, `interval` in any spelling; `kind` is one of the journal's.
    """

    method: str
    symbol: str | None = None
    interval: str | None = None
    connection: int | None = None
    kind: str = "command"

    def fits(self, entry: JournalEntry) -> bool:
        return (
            entry.kind == self.kind
            and entry.method == self.method
            and (self.symbol is None or self.symbol.upper() in map(str.upper, entry.symbols))
            and (self.interval is None or canonical_interval(self.interval) == canonical_interval(entry.interval))
            and (self.connection is None or self.connection == entry.connection)
        )

    def __str__(self) -> str:
        where = None if self.connection is None else f"on connection {self.connection}"
        words = (self.kind, self.method, self.symbol, self.interval, where)
        return " ".join(word for word in words if word)


@dataclass(frozen=True, slots=True)
class Count:
    """How many there have to be."""

    at_least: int
    at_most: int | None

    @classmethod
    def of(cls, count: int | None, at_least: int | None, at_most: int | None) -> Count:
        """From options of which `count` excludes the others; without any, one at least. Raises `InvalidPlan`."""
        given = {"count": count, "at_least": at_least, "at_most": at_most}
        for name, number in given.items():
            if number is not None and number < 0:
                raise InvalidPlan(f"{name} {number!r}: expected a number from 0")
        if count is not None:
            if at_least is not None or at_most is not None:
                raise InvalidPlan(f"count {count!r}: expected either it, or at_least and at_most")
            return cls(count, count)
        low = at_least if at_least is not None else (0 if at_most is not None else 1)
        if at_most is not None and at_most < low:
            raise InvalidPlan(f"at_most {at_most!r}: expected no less than at_least, which is {low}")
        return cls(low, at_most)

    def allows(self, number: int) -> bool:
        return self.at_least <= number and (self.at_most is None or number <= self.at_most)

    def __str__(self) -> str:
        if self.at_most is None:
            return f"at least {self.at_least}"
        return str(self.at_most) if self.at_least == self.at_most else f"{self.at_least} to {self.at_most}"


def check_count(entries: Sequence[JournalEntry], expected: Expected, count: Count) -> list[JournalEntry]:
    """The entries that are meant. Raises `VerificationFailed` where there are too few or too many."""
    found = [entry for entry in entries if expected.fits(entry)]
    if not count.allows(len(found)):
        nearest = found[:_NEAREST] if found else _nearest(entries, expected)
        raise VerificationFailed(f"{count} of {expected}", f"{len(found)}", [str(entry) for entry in nearest])
    return found


def check_order(entries: Sequence[JournalEntry], order: Sequence[Expected]) -> list[JournalEntry]:
    """The first entries that are meant, one after the other, with anything in between. Raises `VerificationFailed`."""
    found: list[JournalEntry] = []
    rest = iter(entries)
    for place, expected in enumerate(order):
        entry = next((each for each in rest if expected.fits(each)), None)
        if entry is None:
            after = f" after {order[place - 1]}" if place else ""
            elsewhere = [each for each in entries if expected.fits(each)]
            nearest = elsewhere[:_NEAREST] or _nearest(entries, expected)
            raise VerificationFailed(f"{expected}{after}", "none", [str(each) for each in nearest])
        found.append(entry)
    return found


def _nearest(entries: Sequence[JournalEntry], expected: Expected) -> list[JournalEntry]:
    """What resembles it most, in the order of the journal."""
    wanted = f"{expected.method} {expected.symbol or ''} {expected.interval or ''} {expected.kind}"

    def likeness(entry: JournalEntry) -> float:
        text = f"{entry.method} {' '.join(entry.symbols[:3])} {entry.interval} {entry.kind}"
        return difflib.SequenceMatcher(None, wanted, text).ratio()

    ranked = sorted(range(len(entries)), key=lambda number: -likeness(entries[number]))
    return [entries[number] for number in sorted(ranked[:_NEAREST])]
