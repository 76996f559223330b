"""What the fake server answers, and when: one client's connection over a market.

`MarketConnection` is stepped by messages and deadlines like a protocol and does no I/O. Replies to a burst of commands are
collected for a moment of its clock and sent as one message, in the order in which the real server was seen to send them
(2025-07-06): loading, symbols, quotes, bars, completion. After that every tick of the market becomes quote updates, bar
updates and new bars for whoever follows its symbol.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import msgspec

from tvstreamer.constants import ANONYMOUS_TOKEN, HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT
from tvstreamer.errors import FramingError, InvalidInterval
from tvstreamer.intervals import Interval
from tvstreamer.protocol.packets import (
    ChartDeleteSession,
    Command,
    CreateSeries,
    DataUpdate,
    Hello,
    ModifySeries,
    QuoteAddSymbols,
    QuoteCompleted,
    QuoteData,
    QuoteDeleteSession,
    QuoteRemoveSymbols,
    QuoteUpdate,
    RemoveSeries,
    Reply,
    RequestMoreData,
    ResolveSymbol,
    SeriesCompleted,
    SeriesDeleted,
    SeriesErrorReply,
    SeriesLoading,
    SetAuthToken,
    SymbolErrorReply,
    SymbolResolved,
    TimescaleUpdate,
)
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.bars import BarRow, MarketTick, Series
from tvstreamer.server.market import Market
from tvstreamer.symbols import plain_symbol

NODE = "fake-charts-1-series-1"
REPLY_DELAY = 0.13
MOST_BARS = 20_000
_LOADING, _SYMBOL, _QUOTE, _BARS = range(4)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a fake server behaves towards its clients.

    `tokens` are accepted besides the anonymous ones. `heartbeat_timeout=None` never drops a client that does not echo.
    `reply_delay` is how long replies are collected, in seconds of the server's clock.
    """

    tokens: Collection[str] = ()
    heartbeat_interval: float = HEARTBEAT_INTERVAL
    heartbeat_timeout: float | None = HEARTBEAT_TIMEOUT
    reply_delay: float = REPLY_DELAY
    strict: bool = False
    most_bars: int = MOST_BARS

    def accepts(self, token: str) -> bool:
        return token == ANONYMOUS_TOKEN or token.startswith("widget_user_token") or token in self.tokens


def hello(number: int, now: float) -> Hello:
    """The greeting of the fake's n-th connection."""
    return Hello(
        session_id=f"0.{number}.1_fake-charts-free-1-tvbs-{number}",
        timestamp=int(now),
        timestampMs=round(now * 1000),
        release="release_210-6",
        studies_metadata_hash="0" * 40,
        auth_scheme_vsn=2,
        protocol="json",
        via="127.0.0.1:443",
        javastudies=["3.66"],
    )


class _Feed:
    """One series of this client."""

    def __init__(self, command: CreateSeries, symbol: str, interval: Interval, bars: Series) -> None:
        self.session = command.p.session
        self.name = command.p.series
        self.turnaround = command.p.turnaround
        self.symbol = symbol
        self.interval = interval
        self.bars = bars
        rows = bars.rows
        self.count = len(rows)
        self.oldest = rows[0].time if rows else math.inf
        self.oldest_index = 0

    def objects(self, rows: list[tuple[int, BarRow]], *, first: bool) -> Any:
        """The series' part of an update; bars as plain lists, as those without volume have one element less."""
        data: dict[str, Any] = {"node": NODE} if first else {}
        data["s"] = [{"i": index, "v": _values(row)} for index, row in rows]
        data["ns"] = {"d": "", "indexes": [] if first else "nochange"}
        data["t"] = self.turnaround
        if rows:
            data["lbs"] = {"bar_close_time": int(rows[-1][1].end)}
        return {self.name: data}


class MarketConnection:
    """One client of a fake server that lives off a `Market`. Not thread-safe: one owner at a time."""

    def __init__(self, market: Market, manners: Manners, number: int = 1) -> None:
        self._market = market
        self._manners = manners
        self._number = number
        self.protocol: ServerProtocol | None = None
        self._burst: list[tuple[int, Reply]] = []
        self._flush_at: float | None = None
        self._feeds: dict[tuple[str, str], _Feed] = {}
        self._quotes: dict[tuple[str, str], dict[str, Any]] = {}
        self._feeds_of: dict[str, list[_Feed]] = {}
        self._quotes_of: dict[str, list[tuple[str, str]]] = {}
        """Series and quotes by symbol: a tick concerns one of perhaps hundreds."""
        self._followed: dict[str, float] = {}
        """Since when each symbol is followed."""
        self._told = -math.inf
        """Up to when all ticks of what was followed by then have been told."""
        self._due: list[tuple[float, str]] = []
        """A heap of the next tick of each symbol that has one."""

    def __repr__(self) -> str:
        return f"<MarketConnection {self._number}, {len(self._feeds)} series, {len(self._quotes)} quotes>"

    # --- the interface of a served connection ---------------------------------------------------------------------

    def connected(self, now: float) -> None:
        manners = self._manners
        self.protocol = ServerProtocol(
            hello(self._number, now),
            heartbeat_interval=manners.heartbeat_interval,
            heartbeat_timeout=manners.heartbeat_timeout,
            strict=manners.strict,
        )
        self.protocol.connected(now)

    def disconnected(self, at: float, code: int) -> None:
        self._feeds.clear()
        self._quotes.clear()
        self._forget_idle()

    @property
    def _server(self) -> ServerProtocol:
        assert self.protocol is not None, "connected() comes first"
        return self.protocol

    @property
    def active(self) -> bool:
        """Whether the client follows anything, so that letting time pass makes sense."""
        return bool(self._feeds or self._quotes or self._burst)

    @property
    def closing(self) -> tuple[int, str] | None:
        return self._server.closing

    def receive(self, message: str, at: float) -> None:
        server = self._server
        try:
            server.receive(message, at)
        except FramingError as error:
            server.close(1002, str(error)[:100], at)
            return
        for command in server.requests():
            self._answer(command, at)
        if self._burst and self._flush_at is None:
            self._flush_at = at + self._manners.reply_delay

    def messages_to_send(self) -> list[str]:
        return self._server.messages_to_send()

    def next_deadline(self) -> float | None:
        server = self._server
        if server.closing is not None:
            return None
        moments = [server.next_deadline(), self._flush_at, self._next_tick()]
        return min((moment for moment in moments if moment is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Does what is due, in order of time."""
        server = self._server
        while server.closing is None:
            moment = self.next_deadline()
            if moment is None or moment > now:
                return
            if self._flush_at is not None and self._flush_at <= moment:
                self._flush(moment)
            tick = self._next_tick()
            if tick is not None and tick <= moment:
                self._tell_ticks(tick)
            server.handle_deadline(moment)

    # --- answers --------------------------------------------------------------------------------------------------

    def _answer(self, command: Command, at: float) -> None:
        match command:
            case SetAuthToken(p=p):
                if not self._manners.accepts(p.token):
                    self._server.refuse("bad auth token", at)
            case ResolveSymbol(p=p):
                self._resolve(p.session, p.alias, p.symbol, at)
            case CreateSeries():
                self._create_series(command, at)
            case ModifySeries(p=p):
                self._modify_series(p, at)
            case RequestMoreData(p=p):
                self._more_data(p, at)
            case RemoveSeries(p=p):
                if self._feeds.pop((p.session, p.series), None) is not None:
                    self._collect(_BARS, SeriesDeleted([p.session, p.series]))
                self._forget_idle()
            case ChartDeleteSession(p=p):
                self._feeds = {key: feed for key, feed in self._feeds.items() if key[0] != p.session}
                self._forget_idle()
            case QuoteAddSymbols(session=session, names=names):
                for name in names:
                    self._add_quote(session, name, at)
            case QuoteRemoveSymbols(session=session, names=names):
                for name in names:
                    self._quotes.pop((session, name), None)
                self._forget_idle()
            case QuoteDeleteSession(p=p):
                self._quotes = {key: sent for key, sent in self._quotes.items() if key[0] != p.session}
                self._forget_idle()
            case _:
                pass  # The real server does not answer these.

    def _collect(self, rank: int, reply: Reply) -> None:
        self._burst.append((rank, reply))

    def _flush(self, at: float) -> None:
        """Sends what was collected as one message; the sort is stable, so each rank keeps its order."""
        self._flush_at = None
        burst, self._burst = self._burst, []
        self._server.reply([_timed(reply, at) for _, reply in sorted(burst, key=lambda pair: pair[0])])

    def _resolve(self, session: str, alias: str, wire: str, at: float) -> None:
        info = self._market.info(plain_symbol(wire), at)
        if info is None:
            self._collect(_SYMBOL, SymbolErrorReply([session, alias, "invalid symbol"]))
        else:
            self._collect(_SYMBOL, SymbolResolved(SymbolResolved.Params(session, alias, info)))

    def _create_series(self, command: CreateSeries, at: float) -> None:
        p = command.p
        interval = self._interval(command, "create_series", at)
        if interval is None:
            return
        self._collect(_LOADING, SeriesLoading(SeriesLoading.Params(p.session, p.series, p.turnaround)))
        count = p.count if isinstance(p.count, int) else _listed_count(p.count)
        self._load(command, interval, count, at)

    def _load(self, command: CreateSeries, interval: Interval, count: int, at: float) -> None:
        p = command.p
        wire = self._server.charts[p.session].symbols.get(p.alias)
        symbol = None if wire is None else plain_symbol(wire)
        if symbol is None or self._market.info(symbol, at) is None:
            failed = SeriesErrorReply.Params(p.session, p.series, p.turnaround, "resolve error", f"{NODE}@{NODE}")
            self._collect(_BARS, SeriesErrorReply(failed))
            return
        self._follow(symbol, at)
        # The snapshot is taken where the ticks told so far end, or a tick would be in neither or in both.
        wanted = max(1, min(count, self._manners.most_bars))
        bars = self._market.series(symbol, interval, at=self._cursor(symbol), count=wanted)
        feed = _Feed(command, symbol, interval, bars)
        self._feeds[p.session, p.series] = feed
        self._index()
        rows = list(enumerate(bars.rows))
        self._collect(_BARS, _timescale(feed, rows, first=True))
        self._complete(feed, {})

    def _complete(self, feed: _Feed, details: dict[str, Any]) -> None:
        completed = SeriesCompleted.Params(
            feed.session, feed.name, "streaming", feed.turnaround, {"rt_update_period": 0, **details}
        )
        self._collect(_BARS, SeriesCompleted(completed))

    def _modify_series(self, p: ModifySeries.Params, at: float) -> None:
        command = self._server.charts[p.session].series[p.series]
        interval = self._interval(command, "modify_series", at)
        if interval is None:
            return
        old = self._feeds.pop((p.session, p.series), None)
        self._collect(_LOADING, SeriesLoading(SeriesLoading.Params(p.session, p.series, p.turnaround)))
        if old is not None:
            old.turnaround = p.turnaround
            self._collect(_LOADING, _timescale(old, [], first=True))
        self._load(command, interval, 300 if old is None else old.count, at)

    def _more_data(self, p: RequestMoreData.Params, at: float) -> None:
        """Older bars, at negative indexes; a synthetic market has a beginning only where its history ends."""
        feed = self._feeds.get((p.session, p.series))
        if feed is None:
            self._server.reject(p.session, "invalid parameters", "request_more_data", at)
            return
        self._collect(_LOADING, SeriesLoading(SeriesLoading.Params(feed.session, feed.name, feed.turnaround)))
        wanted = max(0, min(p.count, self._manners.most_bars))
        older = self._market.history(feed.symbol, feed.interval, until=math.nextafter(feed.oldest, 0), count=wanted)
        if older:
            feed.oldest = older[0].time
            feed.oldest_index -= len(older)
            self._collect(_BARS, _timescale(feed, list(enumerate(older, feed.oldest_index)), first=True))
            self._complete(feed, {})
        else:
            self._complete(feed, {"data_completed": "end"})

    def _interval(self, command: CreateSeries, method: str, at: float) -> Interval | None:
        p = command.p
        try:
            return Interval.parse(p.resolution)
        except InvalidInterval:
            args = ", ".join(str(part) for part in (p.series, p.turnaround, p.alias, p.resolution, p.count))
            self._server.reject(p.session, "invalid parameters", f'method: {method}. args: "[{args}]"', at)
            return None

    def _add_quote(self, session: str, name: str, at: float) -> None:
        symbol = plain_symbol(name)
        fields = self._server.quotes[session].fields
        if self._market.info(symbol, at) is None:
            self._collect(_QUOTE, _quote(session, QuoteUpdate(name, "error", "no_such_symbol", {})))
            return
        self._follow(symbol, at)
        values = self._market.quote(symbol, self._cursor(symbol), fields)
        self._quotes[session, name] = values
        self._index()
        # A copy: what is kept goes on changing until the burst is sent.
        self._collect(_QUOTE, _quote(session, QuoteUpdate(name, v=dict(values))))
        self._collect(_QUOTE, QuoteCompleted(QuoteCompleted.Params(session, name)))

    def market_moved(self, now: float) -> None:
        """Tells what was put into the market by hand up to `now`."""
        if self.protocol is not None and self._flush_at is None:
            self._tell(list(self._followed), now)
            # Symbols that were given prices by hand have none of their own any more.
            self._plan_ticks()

    def close_bar(self, symbol: str, interval: Interval) -> None:
        """Ends the newest bar of the client's series of this symbol and interval."""
        for feed in self._feeds.values():
            if (feed.symbol, feed.interval) == (symbol, interval):
                feed.bars.close_bar()

    # --- the market goes on ---------------------------------------------------------------------------------------

    def _follow(self, symbol: str, at: float) -> None:
        if symbol not in self._followed:
            self._followed[symbol] = at
            self._plan_tick(symbol, self._cursor(symbol))

    def _cursor(self, symbol: str) -> float:
        """How far a followed symbol's ticks have been told."""
        return max(self._followed[symbol], self._told)

    def _forget_idle(self) -> None:
        self._index()
        followed = self._feeds_of.keys() | self._quotes_of.keys()
        self._followed = {symbol: at for symbol, at in self._followed.items() if symbol in followed}
        self._plan_ticks()

    def _index(self) -> None:
        self._feeds_of, self._quotes_of = {}, {}
        for feed in self._feeds.values():
            self._feeds_of.setdefault(feed.symbol, []).append(feed)
        for session, name in self._quotes:
            self._quotes_of.setdefault(plain_symbol(name), []).append((session, name))

    def _plan_ticks(self) -> None:
        self._due.clear()
        for symbol in self._followed:
            self._plan_tick(symbol, self._cursor(symbol))

    def _plan_tick(self, symbol: str, after: float) -> None:
        tick = self._market.next_tick(symbol, after)
        if tick is not None:
            heapq.heappush(self._due, (tick.time, symbol))

    def _next_tick(self) -> float | None:
        """When the next tick of anything followed comes; not before the burst that announces it is out."""
        if not self._due:
            return None
        soonest = self._due[0][0]
        return soonest if self._flush_at is None else max(soonest, self._flush_at)

    def _tell_ticks(self, now: float) -> None:
        """One message for each tick up to `now`, with all that it changes for this client."""
        symbols: list[str] = []
        while self._due and self._due[0][0] <= now:
            symbols.append(heapq.heappop(self._due)[1])
        self._tell(symbols, now)
        for symbol in symbols:
            self._plan_tick(symbol, self._cursor(symbol))

    def _tell(self, symbols: list[str], now: float) -> None:
        pending: list[tuple[float, str, MarketTick]] = []
        for symbol in symbols:
            pending += [(tick.time, symbol, tick) for tick in self._market.ticks(symbol, self._cursor(symbol), now)]
        self._told = max(self._told, now)
        for at, symbol, tick in sorted(pending, key=lambda each: (each[0], each[1])):
            self._server.reply([*self._quote_updates(symbol, at), *self._bar_updates(symbol, tick)])

    def _quote_updates(self, symbol: str, at: float) -> list[Reply]:
        updates: list[Reply] = []
        for session, name in self._quotes_of.get(symbol, ()):
            sent = self._quotes[session, name]
            values = self._market.quote(symbol, at, self._server.quotes[session].fields)
            changed = {key: value for key, value in values.items() if sent.get(key) != value}
            if changed:
                sent.update(changed)
                updates.append(_quote(session, QuoteUpdate(name, v=changed)))
        return updates

    def _bar_updates(self, symbol: str, tick: MarketTick) -> list[Reply]:
        updates: list[Reply] = []
        for feed in self._feeds_of.get(symbol, ()):
            before = feed.bars.index
            for row in feed.bars.add(tick):
                index = feed.bars.index
                if index == before:
                    objects = feed.objects([(index, row)], first=False)
                    updates.append(DataUpdate(DataUpdate.Params(feed.session, objects)))
                else:
                    updates.append(_timed(_timescale(feed, [(index, row)], first=False), tick.time))
        return updates


def _timed(reply: Reply, at: float) -> Reply:
    """The reply with the server's time, where its kind carries one."""
    if "t_ms" not in reply.__struct_fields__:
        return reply
    milliseconds = round(at * 1000)
    return msgspec.structs.replace(reply, t=milliseconds // 1000, t_ms=milliseconds)


def _quote(session: str, update: QuoteUpdate) -> QuoteData:
    return QuoteData(QuoteData.Params(session, update))


def _values(row: BarRow) -> list[float]:
    values = [float(row.time), row.open, row.high, row.low, row.close]
    return values if row.volume is None else [*values, row.volume]


def _timescale(feed: _Feed, rows: list[tuple[int, BarRow]], *, first: bool) -> TimescaleUpdate:
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
    return TimescaleUpdate(
        TimescaleUpdate.Params(feed.session, objects, msgspec.Raw(msgspec.json.encode(timescale)))
    )


def _listed_count(count: list[Any]) -> int:
    """`["bar_count", time, n]`: how many bars; 300 for a list that is not of this form."""
    match count:
        case [_, _, int(number)]:
            return abs(number)
        case _:
            return 300
