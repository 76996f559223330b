"""A series as its client knows it: which bars it was given, and how they are written."""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from tvstreamer.intervals import Interval
from tvstreamer.protocol.packets import CreateSeries, TimescaleUpdate
from tvstreamer.server.charts.instrument import Instrument, PastBars
from tvstreamer.server.charts.tickmarks import Offset, marks, provisional
from tvstreamer.server.manners import NODE
from tvstreamer.server.market.bars import BarRow, LiveBars

Indexed = list[tuple[int, BarRow]]

BEFORE: Final = -1_000_000
"""The indexes of points before the first bar, as studies have them, count down from here."""


class Feed:
    """One series of this client: what it shows, and which of its bars the client has."""

    def __init__(
        self,
        command: CreateSeries,
        wire: str,
        instrument: Instrument,
        interval: Interval,
        bars: LiveBars,
        count: int,
        timezone: str = "Etc/UTC",
    ) -> None:
        self.session = command.p.session
        self.name = command.p.series
        self.turnaround = command.p.turnaround
        self.wire = wire
        """The symbol string that `instrument` was opened from."""
        self.instrument = instrument
        self.interval = interval
        self.bars = bars
        rows = bars.rows
        self.count = count
        """How many bars it was to begin with."""
        self.oldest = rows[0].time if rows else math.inf
        self.oldest_index = 0
        self.timezone = timezone
        """That of the exchange."""

    @property
    def is_live(self) -> bool:
        """Whether ticks of the market move it."""
        return self.instrument.is_live and not isinstance(self.bars, PastBars)

    @property
    def loaded(self) -> int:
        """How many bars the client has."""
        return self.bars.index + 1 - self.oldest_index

    def rows(self) -> Indexed:
        """All bars that the client was given so far, each with its index, oldest first."""
        newest = self.bars.rows
        first = self.bars.index + 1 - len(newest)
        older: list[BarRow] = []
        if newest and first > self.oldest_index:
            until = math.nextafter(newest[0].time, 0)
            older = self.instrument.history(self.interval, until=until, count=first - self.oldest_index, at=math.inf)
        return list(enumerate([*older, *newest], first - len(older)))

    def older(self, count: int, at: float) -> Indexed:
        """Up to so many bars more, which from now on the client has; fewer are all that there are."""
        if math.isinf(self.oldest) or count < 1:
            return []
        until = math.nextafter(self.oldest, 0)
        rows = self.instrument.history(self.interval, until=until, count=count, at=at)
        if rows:
            self.oldest = rows[0].time
            self.oldest_index -= len(rows)
        return list(enumerate(rows, self.oldest_index))

    def objects(self, rows: Indexed, *, first: bool) -> Any:
        """The series' part of an update; bars as plain lists, as those without volume have one element less."""
        data: dict[str, Any] = {"node": NODE} if first and rows else {}
        data["s"] = [{"i": index, "v": _values(row)} for index, row in rows]
        data["ns"] = {"d": "", "indexes": [] if first else "nochange"}
        data["t"] = self.turnaround
        if rows:
            data["lbs"] = {"bar_close_time": int(rows[-1][1].end)}
        return {self.name: data}

    def page(self, rows: Indexed, chart: Offset, exchange: Offset, *, points_before: int = 0) -> TimescaleUpdate:
        """Bars that the client asked for; none clear the chart. Where they are older ones, so many points before the first bar
        have another index by them, or are bars of the series now."""
        points = [(index, row.time) for index, row in rows]
        diff = moved(points_before, len(rows), self.oldest_index + len(rows)) if rows else []
        return self._update(rows, marks(points, self.interval, chart, exchange), first=True, diff=diff)

    def new_bars(self, rows: Indexed, chart: Offset, exchange: Offset) -> TimescaleUpdate:
        """Bars that the live market began."""
        return self._update(
            rows, [provisional(index, row.time, self.interval, chart, exchange) for index, row in rows], first=False
        )

    def _update(
        self, rows: Indexed, marked: list[list[int]], *, first: bool, diff: list[list[int]] | None = None
    ) -> TimescaleUpdate:
        index = rows[0][0] if rows else 0
        zoffset = -self.oldest_index if rows else 0
        scale = timescale(index, zoffset, [float(row.time) for _, row in rows], marked, diff)
        return TimescaleUpdate(TimescaleUpdate.Params(self.session, self.objects(rows, first=first), scale))

    def __repr__(self) -> str:
        return f"<Feed {self.session} {self.name}: {self.instrument}, {self.interval}>"


def moved(points: int, bars: int, first: int) -> list[list[int]]:
    """The old and the new index of the points before a bar that was the first, by bars that were put in front of it.

    The nearest of them are those bars now (seen 2025-12-18: `[-1000005,-5]`), the others have come nearer.
    """
    return [[BEFORE - back, first - back if back <= bars else BEFORE - (back - bars)] for back in range(1, points + 1)]


def timescale(
    index: int, zoffset: int, changes: list[float], marked: list[list[int]], diff: list[list[int]] | None = None
) -> msgspec.Raw:
    """The time scale of an update, in the wire's order of keys."""
    scale = {"index": index, "zoffset": zoffset, "changes": changes, "marks": marked, "index_diff": diff or []}
    return msgspec.Raw(msgspec.json.encode(scale))


def _values(row: BarRow) -> list[float]:
    values = [float(row.time), row.open, row.high, row.low, row.close]
    return values if row.volume is None else [*values, row.volume]
