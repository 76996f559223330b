"""Studies of series: created, changed, removed, and computed along with the bars.

As on the real server (2025-06-25), a study is computed from more bars than the series shows, and the values of the last
hundred of those are sent too, with indexes of their own. Older bars change the beginning, so all values come anew then.
"""

from __future__ import annotations

import math
from typing import Any, Final

from tvstreamer.errors import InvalidStudy
from tvstreamer.protocol.packets import (
    Command,
    CreateStudy,
    DataUpdate,
    ModifyStudy,
    RemoveStudy,
    Reply,
    StudyCompleted,
    StudyDeleted,
    StudyErrorReply,
    StudyLoading,
)
from tvstreamer.server.charts.series import BEFORE
from tvstreamer.server.desks.chart import ChartDesk, Feed
from tvstreamer.server.desks.desk import STUDIES, STUDY_LOADING, Floor
from tvstreamer.server.market.bars import BarRow, MarketTick
from tvstreamer.server.studies.running import Running
from tvstreamer.studies import SCRIPTS, Study

NODE: Final = "fake-charts-1-study-1"
SHOWN_BEFORE: Final = 100
"""Bars before the first of the series whose values are sent too."""

CANNOT: Final = "check study unexpected error"
TOO_MANY: Final = "The maximum number of studies per chart has been reached for current subscription"
NOT_ALLOWED: Final = "study_not_auth:"

_Key = tuple[str, str]


class _Plotted:
    """One study of this client."""

    def __init__(self, session: str, name: str, series: str, kind: str) -> None:
        self.session = session
        self.name = name
        self.series = series
        self.kind = kind
        self.own = self.turnaround = ""
        """The client's turnaround, and behind that of the series: `s1_st1`."""
        self.running: Running | None = None
        self.waits = False
        """Whether the client was told that it loads, and not yet what came of it."""
        self.before = 0
        """How many points before the first bar the client was given."""

    def objects(self, points: list[tuple[int, list[float]]], *, first: bool) -> dict[str, Any]:
        """The study's part of an update."""
        data: dict[str, Any] = {"node": NODE} if first else {}
        data["st"] = [{"i": index, "v": values} for index, values in points]
        data["ns"] = {"d": "", "indexes": [] if first else "nochange"}
        data["t"] = self.turnaround
        return {self.name: data}


class StudyDesk:
    """The studies of one client."""

    def __init__(self, floor: Floor, charts: ChartDesk) -> None:
        self._floor = floor
        self._charts = charts
        charts.watchers.append(self)
        self._studies: dict[_Key, _Plotted] = {}
        self._studies_of: dict[_Key, list[_Plotted]] = {}
        """By the series that they are computed from, which each of its ticks asks for."""

    def __repr__(self) -> str:
        return f"<StudyDesk of {len(self._studies)} studies>"

    # --- commands -------------------------------------------------------------------------------------------------

    def answer(self, command: Command, at: float) -> bool:
        match command:
            case CreateStudy(p=p):
                self._create(p, at)
            case ModifyStudy(p=p):
                plotted = self._studies.get((p.session, p.study))
                if plotted is None:
                    self._floor.server.note(at, "ignored", "modify_study", f"no study {p.study}")
                else:
                    self._begin(plotted, p.turnaround, p.inputs, "modify_study", at)
            case RemoveStudy(p=p):
                plotted = self._studies.pop((p.session, p.study), None)
                if plotted is None:
                    self._floor.server.note(at, "ignored", "remove_study", f"no study {p.study}")
                else:
                    self._index()
                    self._floor.collect(STUDIES, StudyDeleted(StudyDeleted.Params(p.session, p.study, plotted.turnaround)))
            case _:
                return False
        return True

    def clear(self) -> None:
        self._studies.clear()
        self._studies_of.clear()

    def _create(self, p: CreateStudy.Params, at: float) -> None:
        plotted = _Plotted(p.session, p.study, p.parent, p.kind)
        most = self._floor.manners.most_studies
        others = sum(session == p.session for session, name in self._studies if name != p.study)
        refusal = self._floor.manners.errors.get("create_study") or (TOO_MANY if most is not None and others >= most else None)
        if refusal is not None:
            plotted.own = p.turnaround
            self._loading(plotted)
            self._fail(plotted, refusal, "create_study", refusal, at)
            return
        self._studies[p.session, p.study] = plotted
        self._begin(plotted, p.turnaround, p.inputs, "create_study", at)
        self._index()

    def _begin(self, plotted: _Plotted, turnaround: str, inputs: dict[str, Any], method: str, at: float) -> None:
        """A study with these inputs, from its beginning; or the reason why there is none."""
        plotted.own = turnaround
        self._loading(plotted)
        feed = self._charts.feeds.get((plotted.session, plotted.series))
        try:
            if feed is None:
                raise InvalidStudy(f"{plotted.series!r}: expected a series that has bars")
            study = Study.from_wire(plotted.kind, inputs)
        except InvalidStudy as error:
            script = plotted.kind.startswith(SCRIPTS)
            self._fail(plotted, f"{NOT_ALLOWED}{plotted.kind}" if script else CANNOT, method, str(error), at)
            return
        plotted.running = Running(study)
        self._compute(plotted, feed)

    def _fail(self, plotted: _Plotted, reason: str, method: str, detail: str, at: float) -> None:
        self._studies.pop((plotted.session, plotted.name), None)
        self._index()
        self._floor.server.note(at, "rejected", method, detail)
        self._tell_failed(plotted, reason)

    def _tell_failed(self, plotted: _Plotted, reason: str) -> None:
        failed = StudyErrorReply.Params(plotted.session, plotted.name, plotted.turnaround, reason, NODE)
        self._floor.collect(STUDIES, StudyErrorReply(failed))

    def _loading(self, plotted: _Plotted) -> None:
        series = self._floor.server.charts[plotted.session].series.get(plotted.series)
        plotted.turnaround = plotted.own if series is None else f"{series.p.turnaround}_{plotted.own}"
        plotted.waits = True
        loading = StudyLoading.Params(plotted.session, plotted.name, plotted.turnaround)
        self._floor.collect(STUDY_LOADING, StudyLoading(loading))

    # --- the series -----------------------------------------------------------------------------------------------

    def loading(self, session: str, series: str) -> None:
        for plotted in self._studies_of.get((session, series), ()):
            self._loading(plotted)

    def loaded(self, feed: Feed, at: float) -> None:
        self._compute_all(feed)

    def extended(self, feed: Feed, older: list[tuple[int, BarRow]], at: float) -> None:
        self._compute_all(feed)

    def changed(self, feed: Feed, bars: list[tuple[int, BarRow]], tick: MarketTick) -> list[Reply]:
        objects: dict[str, Any] = {}
        for plotted in self._studies_of.get((feed.session, feed.name), ()):
            running = plotted.running
            assert running is not None
            points = [(index, running.update(index, bar)) for index, bar in bars]
            objects |= plotted.objects(points, first=False)
        return [DataUpdate(DataUpdate.Params(feed.session, objects))] if objects else []

    def points_before(self, feed: Feed) -> int:
        return max((plotted.before for plotted in self._studies_of.get((feed.session, feed.name), ())), default=0)

    def gone(self, session: str, series: str) -> None:
        for plotted in self._studies_of.get((session, series), ()):
            del self._studies[session, plotted.name]
            if plotted.waits:
                self._tell_failed(plotted, CANNOT)
        self._index()

    def _index(self) -> None:
        self._studies_of = {}
        for plotted in self._studies.values():
            self._studies_of.setdefault((plotted.session, plotted.series), []).append(plotted)

    def _compute_all(self, feed: Feed) -> None:
        for plotted in self._studies_of.get((feed.session, feed.name), ()):
            assert plotted.running is not None
            plotted.running = Running(plotted.running.study)
            self._compute(plotted, feed)

    def _compute(self, plotted: _Plotted, feed: Feed) -> None:
        """The values of all bars of the series, and of those before it; `Running` is then at the newest bar."""
        running = plotted.running
        assert running is not None
        rows = feed.rows()
        before = self._before(feed, rows, running.study)
        indexes = range(BEFORE - len(before), BEFORE)
        points = [(index, running.update(index, bar)) for index, bar in [*zip(indexes, before, strict=True), *rows]]
        plotted.before = min(len(before), SHOWN_BEFORE)
        shown = points[len(before) - plotted.before :]
        self._floor.collect(STUDIES, DataUpdate(DataUpdate.Params(feed.session, plotted.objects(shown, first=True))))
        plotted.waits = False
        completed = StudyCompleted.Params(feed.session, plotted.name, plotted.turnaround)
        self._floor.collect(STUDIES, StudyCompleted(completed))

    def _before(self, feed: Feed, rows: list[tuple[int, BarRow]], study: Study) -> list[BarRow]:
        """The bars before the first of the series: as many as the first value shown takes, if there are as many."""
        if not rows:
            return []
        lengths = sum(value for _, value in study.inputs if isinstance(value, int))
        until = math.nextafter(rows[0][1].time, 0)
        return feed.instrument.history(feed.interval, until=until, count=SHOWN_BEFORE + lengths, at=math.inf)
