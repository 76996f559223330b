"""Chart sessions: symbols are resolved, series created, changed, extended and kept up to date."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, Protocol

from tvstreamer.errors import InvalidInterval, SeriesError, shorten
from tvstreamer.intervals import Interval
from tvstreamer.protocol.packets import (
    ChartCreateSession,
    ChartDeleteSession,
    Command,
    CreatePointset,
    CreateSeries,
    DataUpdate,
    FirstBarTime,
    GetFirstBarTime,
    ModifySeries,
    PointsetErrorReply,
    RemoveSeries,
    Reply,
    RequestErrorReply,
    RequestHistoryData,
    RequestMoreData,
    RequestMoreTickmarks,
    ResolveSymbol,
    SeriesCompleted,
    SeriesDeleted,
    SeriesErrorReply,
    SeriesLoading,
    SeriesTimeframe,
    SwitchTimezone,
    SymbolErrorReply,
    SymbolResolved,
    TimescaleUpdate,
)
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.charts.chart_types import NOT_ENTITLED, Bricks
from tvstreamer.server.charts.frames import Frame, bars_since, read_frame
from tvstreamer.server.charts.instrument import Instrument, Opener, PastBars, SeriesRefused, bars_after, first_bar
from tvstreamer.server.charts.replayed import ReplayInstrument
from tvstreamer.server.charts.series import Feed, Indexed, timescale
from tvstreamer.server.charts.symbol_strings import SymbolStrings, Unresolved, note_unknown_keys
from tvstreamer.server.charts.tickmarks import Offset, coming, marks, offsets
from tvstreamer.server.desks.desk import BARS, LOADING, SYMBOL, Floor, timed
from tvstreamer.server.manners import NODE
from tvstreamer.server.market.bars import LiveBars, MarketTick
from tvstreamer.server.market.variants import split_variant
from tvstreamer.server.plans import Plan

__all__ = ["ChartDesk", "Feed", "SeriesWatcher"]

DEFAULT_COUNT: Final = 300
MOST_TICKMARKS: Final = 1_000
TOO_MANY_SESSIONS: Final = "max sessions rate reached"
UNTOLD: Final = "undefined"
"""The node that refuses a series, where the real server does not name it."""


class SeriesWatcher(Protocol):
    """Somebody who lives off series, as studies do. What he collects belongs behind the series' own packets."""

    def loading(self, session: str, series: str) -> None:
        """A series begins to load: it is new, changes, or gets older bars. Its `Feed` is not there or still the old one."""
        ...

    def loaded(self, feed: Feed, at: float) -> None:
        """A series has all its bars, `feed.rows()`: it is new, or was changed to another symbol or interval."""
        ...

    def extended(self, feed: Feed, older: Indexed, at: float) -> None:
        """These bars were put in front; none, where there are no older ones."""
        ...

    def changed(self, feed: Feed, bars: Indexed, tick: MarketTick) -> list[Reply]:
        """These bars are new or have changed, the newest last. Returns what goes into the same message behind them."""
        ...

    def points_before(self, feed: Feed) -> int:
        """How many points before its first bar the client was given of what lives off this series."""
        ...

    def gone(self, session: str, series: str) -> None:
        """The series was removed, or failed to load, or its session was deleted."""
        ...


class ChartDesk:
    """The chart sessions of one client."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._strings = SymbolStrings(floor.market, floor.manners.forbidden)
        self.feeds: dict[tuple[str, str], Feed] = {}
        """Series by session and id."""
        self._feeds_of: dict[str, list[Feed]] = {}
        """Series by the key of what they show: a tick concerns one of perhaps hundreds."""
        self._offsets: dict[str, Offset | None] = {}
        self.watchers: list[SeriesWatcher] = []
        self._answered: set[tuple[str, str]] = set()
        """The series of which the burst has something; that of this number alone."""
        self._answered_in = 0

    @property
    def openers(self) -> list[Opener]:
        """Asked before the market for what a symbol string names."""
        return self._strings.openers

    def answer(self, command: Command, at: float) -> bool:
        match command:
            case ChartCreateSession(p=p):
                refuse_session(self._floor.server, self._floor.manners.plan, p.session, at)
            case SwitchTimezone(p=p):
                self._switch_timezone(p, at)
            case ResolveSymbol(p=p):
                self._resolve(p, at)
            case CreateSeries():
                self._create_series(command, at)
            case ModifySeries(p=p):
                self._modify_series(p, at)
            case RequestMoreData(p=p):
                self._more_data(p, at)
            case RequestMoreTickmarks(p=p):
                self._more_tickmarks(p, at)
            case GetFirstBarTime(p=p):
                self._first_bar_time(p, at)
            case RemoveSeries(p=p):
                if self.feeds.pop((p.session, p.series), None) is not None:
                    self._floor.collect(BARS, SeriesDeleted([p.session, p.series]))
                    self._note_answered(p.session, p.series)
                    self._gone(p.session, p.series)
            case ChartDeleteSession(p=p):
                for session, series in [key for key in self.feeds if key[0] == p.session]:
                    del self.feeds[session, series]
                    self._gone(session, series)
            case CreatePointset(p=p):
                self._floor.server.note(at, "rejected", "create_pointset", "pointsets are not computed")
                self._floor.collect(
                    BARS, PointsetErrorReply(PointsetErrorReply.Params(p.session, p.pointset, p.turnaround))
                )
            case RequestHistoryData(session=session):
                self._floor.server.note(at, "rejected", "request_history_data", "not_allowed")
                refused = RequestErrorReply.Params(session, "not_allowed", "deep backtesting is not served")
                self._floor.collect(BARS, RequestErrorReply(refused))
            case _:
                return False
        return True

    def symbols(self) -> Collection[str]:
        return {feed.instrument.key for feed in self.feeds.values() if feed.is_live}

    def clear(self) -> None:
        self.feeds.clear()
        self._feeds_of.clear()

    def close_bar(self, symbol: str, interval: Interval) -> None:
        """Ends the newest bar of the client's series of this symbol and interval."""
        for feed in self.feeds.values():
            if feed.interval == interval and split_variant(feed.instrument.key)[0] == symbol:
                feed.bars.close_bar()

    def tick(self, symbol: str, tick: MarketTick) -> list[Reply]:
        """What a tick of this key changes about the series that show it."""
        updates: list[Reply] = []
        for feed in self._feeds_of.get(symbol, ()):
            before = feed.bars.index
            rows = feed.bars.add(tick)
            bars = list(enumerate(rows, feed.bars.index + 1 - len(rows)))
            old = [bar for bar in bars if bar[0] <= before]
            new = [bar for bar in bars if bar[0] > before]
            if old:
                updates.append(DataUpdate(DataUpdate.Params(feed.session, feed.objects(old, first=False))))
            if new:
                updates.append(timed(feed.new_bars(new, *self._zones(feed)), tick.due))
            if bars:
                for watcher in self.watchers:
                    updates += watcher.changed(feed, bars, tick)
        return updates

    def collect_tick(self, key: str, tick: MarketTick) -> None:
        """The same, as an answer to a command."""
        for reply in self.tick(key, tick):
            self._floor.collect(BARS, reply)
        for feed in self._feeds_of.get(key, ()):
            self._note_answered(feed.session, feed.name)

    def reload(self, key: str, at: float) -> None:
        """Begins the series that show this key anew, as what they show is at another moment now."""
        for feed in self._feeds_of.get(key, ()):
            self._set_apart(feed.session, feed.name)
            self._loading(feed.session, feed.name, feed.turnaround)
            self._floor.collect(LOADING, feed.page([], *self._zones(feed)))
            command = self._floor.server.charts[feed.session].series[feed.name]
            self._load(command, feed.interval, at, count=feed.count)

    # --- sessions and symbols -------------------------------------------------------------------------------------

    def _switch_timezone(self, p: SwitchTimezone.Params, at: float) -> None:
        """Only what is sent from now on is labelled otherwise; bars are not sent again."""
        if p.timezone != "exchange" and self._zone(p.timezone) is None:
            info = f'method: switch_timezone. args: "[{p.timezone}]"'
            self._floor.server.reject(p.session, "invalid timezone", info, at)
        else:
            self._floor.server.charts[p.session].timezone = p.timezone

    def _zone(self, name: str) -> Offset | None:
        if name not in self._offsets:
            self._offsets[name] = offsets(name)
        return self._offsets[name]

    def _zones(self, feed: Feed) -> tuple[Offset, Offset]:
        """The timezones of the chart and of the exchange."""
        utc = offsets("Etc/UTC")
        assert utc is not None
        exchange = self._zone(feed.timezone) or utc
        name = self._floor.server.charts[feed.session].timezone
        # A machine without a database of timezones knows none but UTC.
        return exchange if name == "exchange" else self._zone(name) or utc, exchange

    def open(self, wire: str) -> Instrument:
        """What a symbol string names. Raises `Unresolved`."""
        reason = self._floor.manners.errors.get("resolve_symbol")
        if reason is not None:
            raise Unresolved((reason,))
        return self._strings.open(wire)

    def _resolve(self, p: ResolveSymbol.Params, at: float) -> None:
        try:
            info = self.open(p.symbol).info(at)
        except Unresolved as error:
            self._floor.server.note(at, "rejected", "resolve_symbol", f"{shorten(p.symbol)}: {error}")
            self._floor.collect(SYMBOL, SymbolErrorReply([p.session, p.alias, *error.reasons]))
        else:
            self._floor.collect(SYMBOL, SymbolResolved(SymbolResolved.Params(p.session, p.alias, info)))
            note_unknown_keys(self._floor.server, "resolve_symbol", p.symbol, at)

    def _first_bar_time(self, p: GetFirstBarTime.Params, at: float) -> None:
        wire = self._floor.server.charts[p.session].symbols.get(p.alias)
        try:
            if wire is None:
                raise Unresolved
            oldest = first_bar(self.open(wire), Interval.parse(p.resolution), at)
        except (Unresolved, InvalidInterval, SeriesError):
            self._reject("get_first_bar_time", p.session, (p.alias, p.resolution), at)
            return
        time = 0 if oldest is None else int(oldest.time)
        self._floor.collect(BARS, FirstBarTime(FirstBarTime.Params(p.session, p.alias, time)))

    # --- series ---------------------------------------------------------------------------------------------------

    def _create_series(self, command: CreateSeries, at: float) -> None:
        p = command.p
        interval = self._interval(
            p.session, p.resolution, "create_series", (p.series, p.turnaround, p.alias, p.resolution, p.count), at
        )
        if interval is None:
            return
        self._set_apart(p.session, p.series)
        self._loading(p.session, p.series, p.turnaround)
        self._load(command, interval, at)

    def _modify_series(self, p: ModifySeries.Params, at: float) -> None:
        given = (p.series, p.turnaround, p.alias, p.resolution, p.period)
        interval = self._interval(p.session, p.resolution, "modify_series", given, at)
        if interval is None:
            return
        old = self.feeds.get((p.session, p.series))
        self._set_apart(p.session, p.series)
        self._loading(p.session, p.series, p.turnaround)
        chart = self._floor.server.charts[p.session]
        if old is not None:
            old.turnaround = p.turnaround
            same = (old.wire, old.interval) == (chart.symbols.get(p.alias), interval)
            if same and not isinstance(old.bars, PastBars):
                frame = self._frame(p.period, old.instrument, "modify_series", at)
                if frame is not None:
                    self._show(old, frame, at)
                    return
            del self.feeds[p.session, p.series]
            self._floor.collect(LOADING, old.page([], *self._zones(old)))
        self._load(chart.series[p.series], interval, at, count=None if old is None else old.count)

    def _load(self, command: CreateSeries, interval: Interval, at: float, count: int | None = None) -> None:
        p = command.p
        wire = self._floor.server.charts[p.session].symbols.get(p.alias)
        try:
            if wire is None:
                raise Unresolved
            self._begin(command, wire, self.open(wire), interval, at, count)
        except Unresolved:
            self._fail(command, "resolve error", f"{NODE}@{NODE}", at)
        except SeriesRefused as error:
            self._fail(command, error.reason, UNTOLD, at)
        except SeriesError:
            symbol, _ = split_variant(self.open(str(wire)).key)
            self._fail(command, f"unsupported resolution: {symbol}, {p.resolution}", UNTOLD, at)

    def _begin(
        self, command: CreateSeries, wire: str, instrument: Instrument, interval: Interval, at: float, count: int | None
    ) -> None:
        p = command.p
        floor = self._floor
        self._entitle(instrument, interval)
        told = floor.follow(instrument.key, at) if instrument.is_live else at
        frame = self._frame(p.period, instrument, "create_series", told)
        bars, wanted = self._bars(command, instrument, interval, frame, told, count)
        feed = Feed(command, wire, instrument, interval, bars, wanted, str(instrument.info(at).get("timezone", "")))
        self.feeds[p.session, p.series] = feed
        self._index()
        rows = list(enumerate(bars.rows))
        if frame is not None:
            self._timeframe(feed, (0, max(0, len(rows) - 1)), frame, is_accurate=False)
        floor.collect(BARS, feed.page(rows, *self._zones(feed)))
        if frame is not None:
            self._timeframe(feed, frame.holds([(index, row.time) for index, row in rows]), frame, is_accurate=True)
        self._complete(feed, ended=len(rows) < wanted)
        for watcher in self.watchers:
            watcher.loaded(feed, at)

    def _bars(
        self,
        command: CreateSeries,
        instrument: Instrument,
        interval: Interval,
        frame: Frame | None,
        told: float,
        count: int | None,
    ) -> tuple[LiveBars, int]:
        """The bars that a series begins with, and how many were wanted."""
        match command.p.count:
            case ["bar_count", int() | float() as moment, int(number)] if number and count is None:
                wanted = self._allowed(abs(number), 0)
                if number < 0:
                    return PastBars(bars_after(instrument, interval, float(moment), wanted, told)), wanted
                if moment < told:
                    rows = instrument.history(interval, until=float(moment), count=wanted, at=told)
                    return PastBars(rows), wanted
                count = number
            case int(number):
                count = number if count is None else count
            case _:
                count = DEFAULT_COUNT if count is None else count
        if frame is not None:
            count = int(min(max(count, bars_since(frame.start, interval, told)), self._floor.manners.most_bars))
        wanted = self._allowed(max(1, count), 0)
        return instrument.series(interval, at=told, count=wanted), wanted

    def _allowed(self, count: int, loaded: int) -> int:
        """How many bars of those asked for may be given in one answer, to a series that has some already."""
        plan = self._floor.manners.plan
        room = count if plan.bars is None else plan.bars - loaded
        return max(0, min(count, self._floor.manners.most_bars, room))

    def _entitle(self, instrument: Instrument, interval: Interval) -> None:
        plan = self._floor.manners.plan
        refusal = plan.refusal(interval)
        if isinstance(instrument, Bricks) and interval.is_intraday and not plan.intraday_bricks:
            refusal = f"{NOT_ENTITLED}{instrument.kind}"
        refusal = self._floor.manners.errors.get("create_series", refusal)
        if refusal is not None:
            raise SeriesRefused(refusal)

    def _show(self, feed: Feed, frame: Frame, at: float) -> None:
        """Another frame of the same series; bars only as far as the client does not have them."""
        missing = int(min(bars_since(frame.start, feed.interval, feed.oldest), self._floor.manners.most_bars))
        wanted = self._allowed(missing, feed.loaded) if frame.start < feed.oldest else 0
        older = feed.older(wanted, at)
        if older:
            self._floor.collect(BARS, self._older_page(feed, older))
        # Older pages that are not at hand do not matter: a frame that reaches back to them begins at the oldest or here.
        times = [(index, row.time) for index, row in [*older, *enumerate(feed.bars.rows, _first_index(feed))]]
        held = frame.holds(times)
        self._timeframe(feed, held, frame, is_accurate=False)
        self._timeframe(feed, held, frame, is_accurate=True)
        self._complete(feed, ended=len(older) < wanted)
        for watcher in self.watchers:
            watcher.extended(feed, older, at)

    def _more_data(self, p: RequestMoreData.Params, at: float) -> None:
        """Older bars, at negative indexes; or newer ones of a series that ends in the past, for a negative count."""
        feed = self.feeds.get((p.session, p.series))
        if feed is None:
            self._reject("request_more_data", p.session, (p.series, p.count), at)
            return
        self._loading(feed.session, feed.name, feed.turnaround)
        rows: Indexed = []
        wanted = 0
        if p.count > 0:
            wanted = self._allowed(p.count, feed.loaded)
            rows = feed.older(wanted, at)
        elif p.count < 0 and isinstance(feed.bars, PastBars):
            wanted = self._allowed(-p.count, feed.loaded)
            rows = self._newer(feed, feed.bars, wanted, at)
        else:
            self._floor.server.note(at, "tolerated", "request_more_data", f"{p.count} bars of {shorten(p.series)}")
        if rows:
            page = self._older_page(feed, rows) if p.count > 0 else feed.page(rows, *self._zones(feed))
            self._floor.collect(BARS, page)
        self._complete(feed, ended=len(rows) < wanted)
        for watcher in self.watchers:
            watcher.extended(feed, rows, at)

    def _older_page(self, feed: Feed, older: Indexed) -> TimescaleUpdate:
        points = max((watcher.points_before(feed) for watcher in self.watchers), default=0)
        return feed.page(older, *self._zones(feed), points_before=points)

    def _newer(self, feed: Feed, bars: PastBars, wanted: int, at: float) -> Indexed:
        known = bars.rows
        after = known[-1].time if known else at
        rows = bars_after(feed.instrument, feed.interval, after, wanted, at)
        bars.extend(rows)
        return list(enumerate(rows, len(known)))

    def _more_tickmarks(self, p: RequestMoreTickmarks.Params, at: float) -> None:
        feed = self.feeds.get((p.session, p.series))
        if feed is None:
            self._reject("request_more_tickmarks", p.session, (p.series, p.count), at)
            return
        if p.count < 1:
            self._floor.server.note(at, "tolerated", "request_more_tickmarks", f"{p.count} points behind {shorten(p.series)}")
            return
        newest = feed.bars.rows[-1:]
        count = min(p.count, MOST_TICKMARKS)
        times = coming(feed.interval, newest[0].time, feed.instrument.info(at), count) if newest else []
        index = feed.bars.index + 1
        points = [(feed.bars.index, row.time) for row in newest] + list(enumerate(times, index))
        marked = marks(points, feed.interval, *self._zones(feed))[len(newest) :]
        scale = timescale(index, -feed.oldest_index, times, marked)
        self._floor.collect(BARS, TimescaleUpdate(TimescaleUpdate.Params(p.session, {}, scale)))

    # --- what answers have in common --------------------------------------------------------------------------------

    def _frame(self, text: str, instrument: Instrument, method: str, at: float) -> Frame | None:
        frame = read_frame(text, instrument, at) if text else None
        if text and frame is None:
            self._floor.server.note(at, "tolerated", method, f"frame {shorten(text)}: expected r,FROM:TO or a period")
        return frame

    def _timeframe(self, feed: Feed, held: tuple[int, int], frame: Frame, *, is_accurate: bool) -> None:
        shown = [feed.session, feed.name, feed.turnaround, *held, frame.text, is_accurate]
        self._floor.collect(BARS, SeriesTimeframe(shown))

    def _complete(self, feed: Feed, *, ended: bool) -> None:
        """Tells that a request is answered; `ended` that it got less than it wanted."""
        plan = self._floor.manners.plan
        details: dict[str, Any] = {"rt_update_period": plan.rt_update_period}
        if plan.bars is not None and feed.loaded >= plan.bars:
            details["data_completed"] = "limit"
        elif ended:
            details["data_completed"] = "end"
        instrument = feed.instrument
        mode = "replay" if isinstance(instrument, ReplayInstrument) else "streaming"
        if instrument.is_live:
            mode = self._floor.market.update_mode(instrument.key)
        completed = SeriesCompleted.Params(feed.session, feed.name, mode, feed.turnaround, details)
        self._floor.collect(BARS, SeriesCompleted(completed))

    def _fail(self, command: CreateSeries, reason: str, node: str, at: float) -> None:
        p = command.p
        self._floor.server.note(at, "rejected", "create_series", reason)
        self._floor.collect(
            BARS, SeriesErrorReply(SeriesErrorReply.Params(p.session, p.series, p.turnaround, reason, node))
        )
        self.feeds.pop((p.session, p.series), None)
        self._gone(p.session, p.series)

    def _reject(self, method: str, session: str, args: tuple[object, ...], at: float) -> None:
        texts = ", ".join(str(part) for part in args)
        self._floor.server.reject(session, "invalid parameters", f'method: {method}. args: "[{texts}]"', at)

    def _interval(
        self, session: str, resolution: str, method: str, args: tuple[object, ...], at: float
    ) -> Interval | None:
        try:
            return Interval.parse(resolution)
        except InvalidInterval:
            self._reject(method, session, args, at)
            return None

    def _set_apart(self, session: str, series: str) -> None:
        """What a burst has for a series before it begins anew goes out first: it is not to come behind its clearing."""
        if self._answered_in == self._floor.burst and (session, series) in self._answered:
            self._floor.cut()

    def _note_answered(self, session: str, series: str) -> None:
        """To be called behind what was collected, as the first reply begins a burst."""
        if self._answered_in != self._floor.burst:
            self._answered_in = self._floor.burst
            self._answered.clear()
        self._answered.add((session, series))

    def _loading(self, session: str, series: str, turnaround: str) -> None:
        self._floor.collect(LOADING, SeriesLoading(SeriesLoading.Params(session, series, turnaround)))
        self._note_answered(session, series)
        for watcher in self.watchers:
            watcher.loading(session, series)

    def _gone(self, session: str, series: str) -> None:
        self._index()
        self._floor.release()
        for watcher in self.watchers:
            watcher.gone(session, series)

    def _index(self) -> None:
        self._feeds_of = {}
        for feed in self.feeds.values():
            if not isinstance(feed.bars, PastBars):
                self._feeds_of.setdefault(feed.instrument.key, []).append(feed)


def refuse_session(server: ServerProtocol, plan: Plan, session: str, at: float) -> bool:
    """Refuses a chart session that was just begun, where it is one too many; whether it was."""
    if plan.chart_sessions is None or len(server.charts) <= plan.chart_sessions:
        return False
    del server.charts[session]
    server.reject(session, TOO_MANY_SESSIONS, "chart_create_session", at)
    return True


def _first_index(feed: Feed) -> int:
    return feed.bars.index + 1 - len(feed.bars.rows)
