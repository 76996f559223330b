"""Chart sessions: symbols are resolved, series created, changed, extended and kept up to date."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any, Protocol

import msgspec

from tvstreamer.errors import InvalidInterval, SeriesError
from tvstreamer.intervals import Interval
from tvstreamer.protocol.packets import (
    ChartDeleteSession,
    Command,
    CreateSeries,
    DataUpdate,
    ModifySeries,
    RemoveSeries,
    Reply,
    RequestMoreData,
    ResolveSymbol,
    SeriesCompleted,
    SeriesDeleted,
    SeriesErrorReply,
    SeriesLoading,
    SymbolErrorReply,
    SymbolResolved,
    TimescaleUpdate,
)
from tvstreamer.server.bars import BarRow, MarketTick
from tvstreamer.server.desk import BARS, LOADING, SYMBOL, Floor, timed
from tvstreamer.server.instrument import Instrument, MarketInstrument, Opener
from tvstreamer.server.manners import NODE
from tvstreamer.symbols import parse_symbol, plain_symbol


class Feed:
    """One series of this client: what it shows, and which of its bars the client has."""

    def __init__(self, command: CreateSeries, instrument: Instrument, interval: Interval, *, at: float, count: int) -> None:
        self.session = command.p.session
        self.name = command.p.series
        self.turnaround = command.p.turnaround
        self.instrument = instrument
        self.interval = interval
        self.bars = instrument.series(interval, at=at, count=count)
        rows = self.bars.rows
        self.count = len(rows)
        """How many bars it began with."""
        self.oldest = rows[0].time if rows else math.inf
        self.oldest_index = 0

    def rows(self) -> list[tuple[int, BarRow]]:
        """All bars that the client was given so far, each with its index, oldest first."""
        newest = self.bars.rows
        first = self.bars.index + 1 - len(newest)
        older: list[BarRow] = []
        if newest and first > self.oldest_index:
            until = math.nextafter(newest[0].time, 0)
            older = self.instrument.history(self.interval, until=until, count=first - self.oldest_index, at=math.inf)
        return list(enumerate([*older, *newest], first - len(older)))

    def objects(self, rows: list[tuple[int, BarRow]], *, first: bool) -> Any:
        """The series' part of an update; bars as plain lists, as those without volume have one element less."""
        data: dict[str, Any] = {"node": NODE} if first else {}
        data["s"] = [{"i": index, "v": _values(row)} for index, row in rows]
        data["ns"] = {"d": "", "indexes": [] if first else "nochange"}
        data["t"] = self.turnaround
        if rows:
            data["lbs"] = {"bar_close_time": int(rows[-1][1].end)}
        return {self.name: data}

    def __repr__(self) -> str:
        return f"<Feed {self.session} {self.name}: {self.instrument}, {self.interval}>"


class SeriesWatcher(Protocol):
    """Somebody who lives off series, as studies do. What he collects belongs behind the series' own packets."""

    def loading(self, session: str, series: str) -> None:
        """A series begins to load: it is new, changes, or gets older bars. Its `Feed` is not there or still the old one."""
        ...

    def loaded(self, feed: Feed, at: float) -> None:
        """A series has all its bars, `feed.rows()`: it is new, or was changed to another symbol or interval."""
        ...

    def extended(self, feed: Feed, older: list[tuple[int, BarRow]], at: float) -> None:
        """These bars were put in front; none, where there are no older ones."""
        ...

    def changed(self, feed: Feed, bars: list[tuple[int, BarRow]], tick: MarketTick) -> list[Reply]:
        """These bars are new or have changed, the newest last. Returns what goes into the same message behind them."""
        ...

    def gone(self, session: str, series: str) -> None:
        """The series was removed, or failed to load, or its session was deleted."""
        ...


class ChartDesk:
    """The chart sessions of one client."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self.feeds: dict[tuple[str, str], Feed] = {}
        """Series by session and id."""
        self._feeds_of: dict[str, list[Feed]] = {}
        """Series by the key of what they show: a tick concerns one of perhaps hundreds."""
        self.openers: list[Opener] = []
        """Asked before the market for what a symbol string names."""
        self.watchers: list[SeriesWatcher] = []

    def answer(self, command: Command, at: float) -> bool:
        match command:
            case ResolveSymbol(p=p):
                self._resolve(p.session, p.alias, p.symbol, at)
            case CreateSeries():
                self._create_series(command, at)
            case ModifySeries(p=p):
                self._modify_series(p, at)
            case RequestMoreData(p=p):
                self._more_data(p, at)
            case RemoveSeries(p=p):
                if self.feeds.pop((p.session, p.series), None) is not None:
                    self._floor.collect(BARS, SeriesDeleted([p.session, p.series]))
                    self._gone(p.session, p.series)
            case ChartDeleteSession(p=p):
                for session, series in [key for key in self.feeds if key[0] == p.session]:
                    del self.feeds[session, series]
                    self._gone(session, series)
            case _:
                return False
        return True

    def symbols(self) -> Collection[str]:
        return {feed.instrument.key for feed in self.feeds.values() if feed.instrument.is_live}

    def clear(self) -> None:
        self.feeds.clear()
        self._feeds_of.clear()

    def close_bar(self, symbol: str, interval: Interval) -> None:
        """Ends the newest bar of the client's series of this symbol and interval."""
        for feed in self._feeds_of.get(symbol, ()):
            if feed.interval == interval:
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
                updates.append(timed(_timescale(feed, new, first=False), tick.due))
            if bars:
                for watcher in self.watchers:
                    updates += watcher.changed(feed, bars, tick)
        return updates

    # --- answers --------------------------------------------------------------------------------------------------

    def open(self, wire: str) -> Instrument | None:
        """What a symbol string names, as its session sent it; None where there is no such thing."""
        try:
            value: Any = json.loads(wire[1:]) if wire.startswith("=") else wire
        except (ValueError, RecursionError):
            value = wire
        if isinstance(value, str | Mapping):
            for opener in self.openers:
                found = opener(value)
                if found is not None:
                    return found
        symbol = plain_symbol(wire)
        market = self._floor.market
        return MarketInstrument(market, parse_symbol(symbol)) if market.knows(symbol) else None

    def _resolve(self, session: str, alias: str, wire: str, at: float) -> None:
        instrument = self.open(wire)
        if instrument is None:
            self._floor.collect(SYMBOL, SymbolErrorReply([session, alias, "invalid symbol"]))
        else:
            resolved = SymbolResolved.Params(session, alias, instrument.info(at))
            self._floor.collect(SYMBOL, SymbolResolved(resolved))

    def _create_series(self, command: CreateSeries, at: float) -> None:
        p = command.p
        interval = self._interval(command, "create_series", at)
        if interval is None:
            return
        self._loading(p.session, p.series, p.turnaround)
        count = p.count if isinstance(p.count, int) else _listed_count(p.count)
        self._load(command, interval, count, at)

    def _load(self, command: CreateSeries, interval: Interval, count: int, at: float) -> None:
        p = command.p
        floor = self._floor
        wire = floor.server.charts[p.session].symbols.get(p.alias)
        instrument = None if wire is None else self.open(wire)
        if instrument is None:
            failed = SeriesErrorReply.Params(p.session, p.series, p.turnaround, "resolve error", f"{NODE}@{NODE}")
            floor.collect(BARS, SeriesErrorReply(failed))
            self._gone(p.session, p.series)
            return
        told = floor.follow(instrument.key, at) if instrument.is_live else at
        wanted = max(1, min(count, floor.manners.most_bars))
        try:
            feed = Feed(command, instrument, interval, at=told, count=wanted)
        except SeriesError as refused:
            error = SeriesErrorReply.Params(p.session, p.series, p.turnaround, str(refused), f"{NODE}@{NODE}")
            floor.collect(BARS, SeriesErrorReply(error))
            self._gone(p.session, p.series)
            return
        self.feeds[p.session, p.series] = feed
        self._index()
        floor.collect(BARS, _timescale(feed, list(enumerate(feed.bars.rows)), first=True))
        self._complete(feed, {})
        for watcher in self.watchers:
            watcher.loaded(feed, at)

    def _complete(self, feed: Feed, details: dict[str, Any]) -> None:
        instrument = feed.instrument
        mode = self._floor.market.update_mode(instrument.key) if instrument.is_live else "streaming"
        completed = SeriesCompleted.Params(
            feed.session, feed.name, mode, feed.turnaround, {"rt_update_period": 0, **details}
        )
        self._floor.collect(BARS, SeriesCompleted(completed))

    def _modify_series(self, p: ModifySeries.Params, at: float) -> None:
        command = self._floor.server.charts[p.session].series[p.series]
        interval = self._interval(command, "modify_series", at)
        if interval is None:
            return
        old = self.feeds.pop((p.session, p.series), None)
        self._loading(p.session, p.series, p.turnaround)
        if old is not None:
            old.turnaround = p.turnaround
            self._floor.collect(LOADING, _timescale(old, [], first=True))
        self._load(command, interval, 300 if old is None else old.count, at)

    def _more_data(self, p: RequestMoreData.Params, at: float) -> None:
        """Older bars, at negative indexes; a synthetic market has a beginning only where its history ends."""
        feed = self.feeds.get((p.session, p.series))
        if feed is None:
            self._floor.server.reject(p.session, "invalid parameters", "request_more_data", at)
            return
        self._loading(feed.session, feed.name, feed.turnaround)
        wanted = max(0, min(p.count, self._floor.manners.most_bars))
        until = math.nextafter(feed.oldest, 0)
        older = feed.instrument.history(feed.interval, until=until, count=wanted, at=at)
        if older:
            feed.oldest = older[0].time
            feed.oldest_index -= len(older)
            self._floor.collect(BARS, _timescale(feed, list(enumerate(older, feed.oldest_index)), first=True))
            self._complete(feed, {})
        else:
            self._complete(feed, {"data_completed": "end"})
        for watcher in self.watchers:
            watcher.extended(feed, list(enumerate(older, feed.oldest_index)), at)

    def _interval(self, command: CreateSeries, method: str, at: float) -> Interval | None:
        p = command.p
        try:
            return Interval.parse(p.resolution)
        except InvalidInterval:
            args = ", ".join(str(part) for part in (p.series, p.turnaround, p.alias, p.resolution, p.count))
            info = f'method: {method}. args: "[{args}]"'
            self._floor.server.reject(p.session, "invalid parameters", info, at)
            return None

    def _loading(self, session: str, series: str, turnaround: str) -> None:
        self._floor.collect(LOADING, SeriesLoading(SeriesLoading.Params(session, series, turnaround)))
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
            self._feeds_of.setdefault(feed.instrument.key, []).append(feed)


def _values(row: BarRow) -> list[float]:
    values = [float(row.time), row.open, row.high, row.low, row.close]
    return values if row.volume is None else [*values, row.volume]


def _timescale(feed: Feed, rows: list[tuple[int, BarRow]], *, first: bool) -> TimescaleUpdate:
    index = rows[0][0] if rows else 0
    timescale = {
        "index": index,
        "zoffset": max(0, -index),
        "changes": [float(row.time) for _, row in rows],
        # The weight of a point of time decides how a chart labels it; 5 is what live points carry until it is known.
        "marks": [[20 if first else 5, int(row.time), number] for number, row in rows],
        "index_diff": [],
    }
    objects = feed.objects(rows, first=first)
    return TimescaleUpdate(TimescaleUpdate.Params(feed.session, objects, msgspec.Raw(msgspec.json.encode(timescale))))


def _listed_count(count: list[Any]) -> int:
    """`["bar_count", time, n]`: how many bars; 300 for a list that is not of this form."""
    match count:
        case [_, _, int(number)]:
            return abs(number)
        case _:
            return 300
