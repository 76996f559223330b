"""Studies as chart sessions deliver them: whose series each belongs to, and when a value is a bar's last.

A study goes with its series: its values are held back as long as the bars are, and it goes on after a reconnect where it
was. No point says that it is final: one of a later bar does, or the clock once it has closed the bar.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from tvstreamer.events import Event, StudyFailed, StudyUpdate
from tvstreamer.protocol import codec
from tvstreamer.protocol.charts import OnGap, Series
from tvstreamer.protocol.packets import CreateStudy, ModifyStudy, StudyErrorReply, StudyRow
from tvstreamer.protocol.quotes import number
from tvstreamer.studies import study_label

_BEFORE = -1_000_000
"""Indexes below this one are of bars before the first that the series shows: the server computes them for a beginning."""


class _Track:
    """One study of one series, across connections."""

    __slots__ = ("_newest", "_open", "_plots", "_values", "kind", "label", "pending", "series")

    def __init__(self, kind: str, inputs: Any, series: Series) -> None:
        self.series = series
        self.kind = kind
        self.pending: dict[float, list[Any]] = {}
        self.begin(inputs)

    def begin(self, inputs: Any) -> None:
        """From the beginning, with these inputs."""
        self.label, self._plots = study_label(self.kind, inputs)
        self.clear()

    def clear(self) -> None:
        self.pending.clear()
        self._newest = -math.inf
        self._open = False
        """Whether the newest point may still change."""
        self._values: dict[str, float | None] = {}

    def take(self, rows: Iterable[StudyRow], events: list[Event]) -> None:
        points: dict[float, list[Any]] = {}
        for row in rows:
            time = number(row.v[0]) if row.v and row.i >= _BEFORE else None
            if time is not None:
                points[time] = row.v
        self.pending |= points
        if not self.series.held:
            self.release("fill", events)

    def release(self, on_gap: OnGap, events: list[Event]) -> None:
        """Hands out what waits: of what was missed only what is to fill the gap."""
        points, self.pending = self.pending, {}
        newest = max(points, default=0.0)
        self._tell(points if on_gap == "fill" else {newest: points[newest]}, events)

    def _tell(self, points: dict[float, list[Any]], events: list[Event]) -> None:
        """Makes events of points, in order of time. Those of bars that were told as closed stay as they were."""
        last = max(points, default=0.0)
        for time in sorted(points):
            if time < self._newest or (time == self._newest and not self._open):
                continue
            if time > self._newest:
                self.close(events)
            self._newest, self._values, self._open = time, self._named(points[time]), True
            if time < last:
                continue
            if self.series.completed and self.series.forming is None:
                # The clock closed the bar before this came.
                self.close(events)
            else:
                events.append(self._update(False))

    def close(self, events: list[Event]) -> None:
        """The newest point is final."""
        if self._open:
            self._open = False
            events.append(self._update(True))

    def _named(self, point: list[Any]) -> dict[str, float | None]:
        plots = self._plots
        names = plots if len(point) - 1 <= len(plots) else (*plots, *(f"plot_{i}" for i in range(len(plots), len(point) - 1)))
        return dict(zip(names, map(number, point[1:]), strict=False))

    def _update(self, closed: bool) -> StudyUpdate:
        series = self.series
        return StudyUpdate(series.symbol, series.interval, self.label, self._newest, self._values, closed)


class Studies:
    """All studies that a client follows."""

    def __init__(self) -> None:
        self._tracks: dict[tuple[str, str], _Track] = {}
        """By chart session and study id, which are another pair on each connection."""
        self._earlier: dict[Series, list[_Track]] = {}
        """Those of series whose connection was lost."""

    def __repr__(self) -> str:
        return f"<Studies: {', '.join(str(track.label) for track in self._tracks.values()) or 'none'}>"

    # --- which there are ------------------------------------------------------------------------------------------

    def create(self, p: CreateStudy.Params, series: Series | None) -> None:
        """Takes note of a new study; `series` is its parent, None where that is another study or unknown."""
        if series is None:
            other = self._tracks.get((p.session, p.parent))
            if other is None:
                return
            series = other.series
        track = _Track(p.kind, p.inputs, series)
        earlier = self._earlier.get(series, [])
        for known in earlier:
            if known.label == track.label:
                earlier.remove(known)
                track = known
                break
        self._tracks[p.session, p.study] = track

    def modify(self, p: ModifyStudy.Params) -> None:
        track = self._tracks.get((p.session, p.study))
        if track is not None:
            track.begin(p.inputs)

    def remove(self, session: str, study: str) -> None:
        self._tracks.pop((session, study), None)

    def move(self, old: Series, new: Series) -> None:
        """A series begins anew, perhaps with another symbol or interval, and its studies with it."""
        for track in self._tracks.values():
            if track.series is old:
                track.series = new
                track.clear()

    def end(self, series: Series) -> None:
        """A series is gone, and its studies with it."""
        self._tracks = {key: track for key, track in self._tracks.items() if track.series is not series}

    def lost(self) -> None:
        """The connection is lost; the studies of its series will be asked for again."""
        for track in self._tracks.values():
            track.pending.clear()
            self._earlier.setdefault(track.series, []).append(track)
        self._tracks.clear()

    # --- replies --------------------------------------------------------------------------------------------------

    def take(self, session: str, study: str, rows: Iterable[StudyRow] | None, events: list[Event]) -> None:
        """Takes the points of an update; of a study that nobody asked for they are nothing to us."""
        track = self._tracks.get((session, study))
        if track is not None and rows is not None:
            track.take(rows, events)

    def release(self, series: Series, on_gap: OnGap, events: list[Event]) -> None:
        """Hands out what was held back together with the bars of a series, if these are not held back any more."""
        for track in () if series.held else self._tracks.values():
            if track.series is series and track.pending:
                track.release(on_gap, events)

    def close(self, series: Series, events: list[Event]) -> None:
        """The clock has closed the newest bar of a series."""
        for track in self._tracks.values():
            if track.series is series:
                track.close(events)

    def fail(self, reply: StudyErrorReply, at: float, events: list[Event]) -> bool:
        """Tells of a study that will not come; False where nobody asked for it."""
        p = reply.p
        track = self._tracks.pop((p.session, p.study), None)
        if track is None:
            return False
        reason = p.reason if isinstance(p.reason, str) else codec.wire_json(p.reason)
        events.append(StudyFailed(track.series.symbol, track.series.interval, track.label, at, reason or "no reason given"))
        return True
