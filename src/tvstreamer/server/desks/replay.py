"""Bar replay sessions: a client goes through the past of a symbol bar by bar, at its own pace or by the clock.

No recording of the real server is known, only what clients wait for: what is answered, and in which order, is as they do.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from tvstreamer.errors import InvalidInterval, SeriesError, shorten
from tvstreamer.intervals import Interval
from tvstreamer.protocol.packets import (
    Command,
    CriticalErrorReply,
    ReplayAddSeries,
    ReplayCreateSession,
    ReplayDataEnd,
    ReplayDeleteSession,
    ReplayErrorReply,
    ReplayInstanceId,
    ReplayOk,
    ReplayPoint,
    ReplayRemoveSeries,
    ReplayReset,
    ReplayResolutions,
    ReplaySetResolution,
    ReplayStart,
    ReplayStep,
    ReplayStop,
)
from tvstreamer.server.charts.instrument import Instrument, bars_after
from tvstreamer.server.charts.replayed import ReplayInstrument, ReplayPosition, replay_key
from tvstreamer.server.charts.symbol_strings import Unresolved
from tvstreamer.server.desks.chart import ChartDesk
from tvstreamer.server.desks.desk import BARS, LOADING, Floor
from tvstreamer.server.market.bars import MarketTick

NO_POINT: Final = "no_point_or_series"
MOST_STEPS: Final = 1_000
_LEAST: Final = Interval(1, "S")
_SHORTEST_DELAY: Final = 0.001


class _Replay:
    """One bar replay of this client."""

    def __init__(self, session: str) -> None:
        self.session = session
        self.position = ReplayPosition()
        self.series: dict[tuple[str, str], tuple[Instrument, Interval]] = {}
        self.delay = 0.0
        self.next_at: float | None = None
        """When it steps by itself."""

    def choose_base(self) -> None:
        """Steps are bars of the shortest interval."""
        found = sorted(self.series.values(), key=lambda each: each[1].seconds or math.inf)
        self.position.base = found[0] if found else None


class ReplayDesk:
    """The bar replay sessions of one client."""

    def __init__(self, floor: Floor, charts: ChartDesk) -> None:
        self._floor = floor
        self._charts = charts
        self._replays: dict[str, _Replay] = {}
        self._instances = 0
        charts.openers.append(self._open)

    def __repr__(self) -> str:
        return f"<ReplayDesk of {len(self._replays)} replays>"

    # --- the interface of a desk ----------------------------------------------------------------------------------

    def answer(self, command: Command, at: float) -> bool:
        match command:
            case ReplayCreateSession(p=p):
                self._replays[p.session] = _Replay(p.session)
            case ReplayDeleteSession(p=p):
                del self._replays[p.session]
            case ReplayAddSeries(p=p):
                self._add(p, at)
            case ReplayRemoveSeries(p=p):
                replay = self._replays[p.session]
                replay.series.pop((p.symbol, p.resolution), None)
                replay.choose_base()
                if not replay.series:
                    replay.next_at = None
                self._ok(p.session, p.turnaround)
            case ReplayReset(p=p):
                self._reset(p, at)
            case ReplayStep(p=p):
                self._step(p, at)
            case ReplayStart(p=p):
                self._start(p, at)
            case ReplayStop(p=p):
                self._replays[p.session].next_at = None
                self._ok(p.session, p.turnaround)
            case ReplaySetResolution(p=p):
                self._set_resolution(p, at)
            case _:
                return False
        return True

    def clear(self) -> None:
        self._replays.clear()

    def next_deadline(self) -> float | None:
        """When the next replay steps by itself."""
        return min((each.next_at for each in self._replays.values() if each.next_at is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Each replay that is due by now makes one step; a message for each."""
        for replay in self._replays.values():
            if replay.next_at is not None and replay.next_at <= now:
                moved = replay.position.advance(1, now)
                if moved:
                    replay.next_at += replay.delay
                    shown = self._charts.tick(replay_key(replay.session), self._move(replay, now))
                    self._floor.send([self._point(replay), *shown], now)
                else:
                    replay.next_at = None
                    self._floor.send([ReplayDataEnd(ReplayDataEnd.Params(replay.session))], now)

    # --- commands -------------------------------------------------------------------------------------------------

    def _add(self, p: ReplayAddSeries.Params, at: float) -> None:
        replay = self._replays[p.session]
        try:
            series = (self._charts.open(p.symbol), Interval.parse(p.resolution))
            bars_after(*series, at, 1, at)
        except Unresolved as error:
            self._fail(p.session, p.turnaround, "replay_add_series", f"{error}: {shorten(p.symbol)}", at)
        except (InvalidInterval, SeriesError):
            self._fail(p.session, p.turnaround, "replay_add_series", f"unsupported resolution: {p.resolution}", at)
        else:
            replay.series[p.symbol, p.resolution] = series
            replay.choose_base()
            self._ok(p.session, p.turnaround)

    def _reset(self, p: ReplayReset.Params, at: float) -> None:
        replay = self._replays[p.session]
        replay.next_at = None
        if replay.position.base is not None:
            replay.position.place(float(p.time), at)
        if replay.position.base is None or replay.position.bar is None:
            self._no_point(p.session, "reset", {"time": p.time}, at)
            return
        self._instances += 1
        instance = ReplayInstanceId.Params(p.session, f"{p.session}_{self._instances}")
        self._floor.collect(LOADING, ReplayInstanceId(instance))
        self._ok(p.session, p.turnaround)
        self._floor.collect(LOADING, self._point(replay))
        least = Interval(1, "m") if self._floor.manners.plan.refusal(_LEAST) else _LEAST
        resolutions = ReplayResolutions.Params(p.session, str(replay.position.base[1]), str(least))
        self._floor.collect(LOADING, ReplayResolutions(resolutions))
        self._charts.reload(replay_key(p.session), at)

    def _step(self, p: ReplayStep.Params, at: float) -> None:
        replay = self._replays[p.session]
        if replay.position.base is None or replay.position.bar is None or p.count < 1:
            self._no_point(p.session, "step", {"length": p.count}, at)
            return
        wanted = min(p.count, MOST_STEPS)
        moved = replay.position.advance(wanted, at)
        self._ok(p.session, p.turnaround)
        if moved:
            self._floor.collect(LOADING, self._point(replay))
            self._charts.collect_tick(replay_key(replay.session), self._move(replay, at))
        if moved < wanted:
            self._floor.collect(BARS, ReplayDataEnd(ReplayDataEnd.Params(p.session)))

    def _start(self, p: ReplayStart.Params, at: float) -> None:
        replay = self._replays[p.session]
        try:
            delay = float(p.delay) / 1000
        except ValueError:
            delay = math.nan
        if not 0 <= delay < math.inf:
            self._floor.server.reject(p.session, "invalid_parameters", "replay_start", at)
        elif replay.position.base is None or replay.position.bar is None:
            self._no_point(p.session, "start", {"delay": p.delay}, at)
        else:
            replay.delay = max(delay, _SHORTEST_DELAY)
            replay.next_at = at + replay.delay
            self._ok(p.session, p.turnaround)

    def _set_resolution(self, p: ReplaySetResolution.Params, at: float) -> None:
        """The next step is a bar of that interval; what is shown stays as it is."""
        replay = self._replays[p.session]
        base = replay.position.base
        try:
            interval = Interval.parse(p.resolution)
            if base is not None:
                bars_after(base[0], interval, at, 1, at)
        except (InvalidInterval, SeriesError):
            self._fail(p.session, p.turnaround, "replay_set_resolution", f"unsupported resolution: {p.resolution}", at)
            return
        if base is None:
            self._no_point(p.session, "set_resolution", {"resolution": p.resolution}, at)
            return
        replay.position.base = (base[0], interval)
        self._ok(p.session, p.turnaround)

    # --- what answers have in common --------------------------------------------------------------------------------

    def _ok(self, session: str, turnaround: str) -> None:
        self._floor.collect(LOADING, ReplayOk(ReplayOk.Params(session, turnaround)))

    def _fail(self, session: str, turnaround: str, method: str, reason: str, at: float) -> None:
        self._floor.server.note(at, "rejected", method, reason)
        failed = ReplayErrorReply.Params(session, turnaround, reason, "")
        self._floor.collect(LOADING, ReplayErrorReply(failed))

    def _no_point(self, session: str, command: str, args: dict[str, Any], at: float) -> None:
        self._floor.server.note(at, "rejected", f"replay_{command}", NO_POINT)
        refused = CriticalErrorReply.Params(session, NO_POINT, {"command": command, "args": args})
        self._floor.collect(LOADING, CriticalErrorReply(refused))

    def _point(self, replay: _Replay) -> ReplayPoint:
        assert replay.position.bar is not None
        return ReplayPoint(ReplayPoint.Params(replay.session, int(replay.position.bar.time)))

    def _move(self, replay: _Replay, at: float) -> MarketTick:
        """A move, as its charts are told of it."""
        assert replay.position.bar is not None
        return MarketTick(time=at, price=replay.position.bar.close, size=0.0, day_volume=None, units=0.0, lots=0)

    def _open(self, value: str | Mapping[str, Any]) -> Instrument | None:
        """What `{"replay": SESSION, "symbol": ...}` names."""
        if isinstance(value, str) or not isinstance(session := value.get("replay"), str):
            return None
        inner = self._charts.open("=" + json.dumps({key: each for key, each in value.items() if key != "replay"}))
        replay = self._replays.get(session)
        return ReplayInstrument(session, inner, None if replay is None else replay.position)
