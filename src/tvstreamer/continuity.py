"""The books of every series: which bars the server has shown, which of them were delivered closed, and what is missing.

A bar is expected once the server has shown that it exists: in a snapshot, an update, or a backfill. Bars are known by the time
at which they open, as indexes start again on every connection. Keeping the books is one thing and delivering another, so that
`Ledger.verify` proves something: every expected closed bar was delivered exactly once and in order, or it names the holes.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left

import msgspec


class Hole(msgspec.Struct, frozen=True):
    """Bars that were not delivered: those that open at `start` or later and before `end`.

    `bars` is how many of them the server has shown to exist; None where it has not shown what lies in between. `reported` says
    whether a `Gap` has told the consumer.
    """

    symbol: str
    interval: str
    start: float
    end: float
    bars: int | None
    reported: bool


class Verdict(msgspec.Struct, frozen=True):
    """What the books say: true where every expected closed bar was delivered exactly once, and in order.

    `repeated` and `misplaced` are (symbol, interval, time of the bar).
    """

    expected: int
    delivered: int
    holes: tuple[Hole, ...] = ()
    repeated: tuple[tuple[str, str, float], ...] = ()
    misplaced: tuple[tuple[str, str, float], ...] = ()

    def __bool__(self) -> bool:
        return not (self.holes or self.repeated or self.misplaced)

    def __str__(self) -> str:
        if self:
            return f"{self.delivered} of {self.expected} expected bars delivered, each once and in order"
        problems = [
            f"{hole.symbol} {hole.interval}: {'an unknown number of' if hole.bars is None else hole.bars} bars missing from "
            f"{hole.start:.0f} to {hole.end:.0f}{'' if hole.reported else ', unreported'}"
            for hole in self.holes
        ]
        problems += [f"{symbol} {interval}: the bar of {time:.0f} came twice" for symbol, interval, time in self.repeated]
        problems += [f"{symbol} {interval}: the bar of {time:.0f} came late" for symbol, interval, time in self.misplaced]
        return "; ".join(problems)


class Track:
    """The books of one series. Eight bytes a bar and side, as a stream may go on for months."""

    __slots__ = ("_delivered", "_gaps", "_misplaced", "_repeated", "_shown", "_unseen", "interval", "symbol")

    def __init__(self, symbol: str, interval: str) -> None:
        self.symbol = symbol
        self.interval = interval
        self.clear()

    def __repr__(self) -> str:
        return f"<Track {self.symbol} {self.interval}, {len(self._shown)} shown, {len(self._delivered)} delivered>"

    def clear(self) -> None:
        """The series was given another symbol, interval or range: the books begin anew."""
        self._shown = array("d")
        self._delivered = array("d")
        self._repeated: list[float] = []
        self._misplaced: list[float] = []
        self._gaps: list[tuple[float, float]] = []
        self._unseen: list[tuple[float, float]] = []

    def shown(self, time: float) -> None:
        """The server has shown that a bar exists."""
        _put(self._shown, time)

    def delivered(self, time: float) -> None:
        """A bar was handed on as closed for the first time."""
        if self._delivered and time <= self._delivered[-1]:
            known = _put(self._delivered, time)
            (self._repeated if known else self._misplaced).append(time)
        else:
            self._delivered.append(time)

    def reported(self, start: float, end: float) -> None:
        """A `Gap` has told of this span."""
        self._gaps.append((start, end))

    def unseen(self, start: float, end: float) -> None:
        """What exists in this span will not be shown: too far back, or no answer."""
        self._unseen.append((start, end))
        self.reported(start, end)

    @property
    def newest(self) -> float | None:
        """The newest bar shown."""
        return self._shown[-1] if self._shown else None

    def expected(self) -> array[float]:
        """Every bar shown but the newest, which forms until there is another, or the clock has closed it."""
        newest_is_closed = self._shown and self._delivered and self._delivered[-1] >= self._shown[-1]
        return self._shown if newest_is_closed else self._shown[:-1]

    def holes(self) -> list[Hole]:
        """What is missing, in order of time; neighbours that were told alike are one hole."""
        expected = self.expected()
        delivered = set(self._delivered)
        holes = [
            Hole(self.symbol, self.interval, start, end, None, True)
            for start, end in self._unseen
            if not self._within(start, end)
        ]
        run: list[float] = []
        for position, time in enumerate(expected):
            if time not in delivered:
                if run and self.told(run[0]) != self.told(time):
                    holes.append(self._hole(run, time))
                    run = []
                run.append(time)
            elif run:
                holes.append(self._hole(run, expected[position]))
                run = []
        if run:
            holes.append(self._hole(run, self._shown[-1] if self._shown[-1] > run[-1] else run[-1] + 1))
        return sorted(holes, key=lambda hole: hole.start)

    def _within(self, start: float, end: float) -> bool:
        """Whether the span has been shown after all: then its bars speak for themselves."""
        return bisect_left(self._shown, end) > bisect_left(self._shown, start)

    def _hole(self, run: list[float], end: float) -> Hole:
        return Hole(self.symbol, self.interval, run[0], end, len(run), self.told(run[0]))

    def told(self, time: float) -> bool:
        """Whether a `Gap` has told of a span that holds this time."""
        return any(start <= time < end for start, end in self._gaps)

    def verify(self) -> Verdict:
        names = (self.symbol, self.interval)
        return Verdict(
            expected=len(self.expected()),
            delivered=len(self._delivered),
            holes=tuple(self.holes()),
            repeated=tuple((*names, time) for time in self._repeated),
            misplaced=tuple((*names, time) for time in self._misplaced),
        )


class Ledger:
    """The books of all series of one client. Reading them while it streams is safe; they are kept by the protocol."""

    def __init__(self) -> None:
        self._tracks: list[Track] = []

    def __repr__(self) -> str:
        return f"<Ledger of {len(self._tracks)} series>"

    def open(self, symbol: str, interval: str) -> Track:
        """The books of a new series."""
        track = Track(symbol, interval)
        self._tracks.append(track)
        return track

    def verify(self) -> Verdict:
        """What the books say of all series together."""
        verdicts = [track.verify() for track in self._tracks]
        return Verdict(
            expected=sum(verdict.expected for verdict in verdicts),
            delivered=sum(verdict.delivered for verdict in verdicts),
            holes=tuple(hole for verdict in verdicts for hole in verdict.holes),
            repeated=tuple(each for verdict in verdicts for each in verdict.repeated),
            misplaced=tuple(each for verdict in verdicts for each in verdict.misplaced),
        )


def _put(times: array[float], time: float) -> bool:
    """Adds a time where it belongs; whether it was there already."""
    if not times or time > times[-1]:
        times.append(time)
        return False
    position = bisect_left(times, time)
    if times[position] == time:
        return True
    times.insert(position, time)
    return False
