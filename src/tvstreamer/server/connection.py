"""What the fake server answers, and when: one client's connection over a market.

`MarketConnection` is stepped by messages and deadlines like a protocol and does no I/O. Replies to a burst of commands are
collected for a moment of its clock and sent as one message, in the order in which the real server was seen to send them
(2025-07-06): loading, symbols, quotes, bars, completion. After that every tick of the market becomes quote updates, bar
updates and new bars for whoever follows its symbol. What to answer is known to the desks; see `desk`.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterable

from tvstreamer.errors import FramingError
from tvstreamer.intervals import Interval
from tvstreamer.protocol.packets import Command, Reply, SetAuthToken
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.conflation import conflate
from tvstreamer.server.desks.chart import ChartDesk
from tvstreamer.server.desks.desk import STUDIES, Desk, MarketDesk, timed
from tvstreamer.server.desks.quote import QuoteDesk
from tvstreamer.server.desks.replay import ReplayDesk
from tvstreamer.server.desks.study import StudyDesk
from tvstreamer.server.manners import Manners, hello
from tvstreamer.server.market import Market
from tvstreamer.server.market.bars import MarketTick

_BEHIND = 1.0
"""Seconds of the server's clock after which a client that is told less counts as one that fell behind."""


class MarketConnection:
    """One client of a fake server that lives off a `Market`. Not thread-safe: one owner at a time."""

    def __init__(self, market: Market, manners: Manners, number: int = 1) -> None:
        self.market = market
        self.manners = manners
        self._number = number
        self.protocol: ServerProtocol | None = None
        self._bursts: list[list[tuple[int, Reply]]] = []
        self._sent = 0
        self._flush_at: float | None = None
        self._moved = False
        """Whether something was put into the market by hand that is to be told behind the burst which is collected."""
        self._quotes = QuoteDesk(self)
        self._charts = ChartDesk(self)
        self._studies = StudyDesk(self, self._charts)
        self._replays = ReplayDesk(self, self._charts)
        self._market_desks: tuple[MarketDesk, ...] = (self._quotes, self._charts)
        self._desks: tuple[Desk, ...] = (*self._market_desks, self._studies, self._replays)
        """In the order in which what a tick changes stands in its message."""
        self._followed: dict[str, float] = {}
        """Since when each symbol is followed."""
        self._told = -math.inf
        """Up to when all ticks of what was followed by then have been told."""
        self._due: list[tuple[float, str]] = []
        """A heap of the next tick of each symbol that has one."""
        self._behind: float | None = None
        """Since when the client has not been told of prices by hand, as too much is unsent."""

    def __repr__(self) -> str:
        return f"<MarketConnection {self._number}, {len(self._charts.feeds)} series, {len(self._quotes)} quotes>"

    # --- the interface of a served connection ---------------------------------------------------------------------

    def connected(self, now: float) -> None:
        manners = self.manners
        self.protocol = ServerProtocol(
            hello(self._number, now),
            heartbeat_interval=manners.heartbeat_interval,
            heartbeat_timeout=manners.heartbeat_timeout,
            strict=manners.strict,
            number=self._number,
        )
        self.protocol.connected(now)
        if manners.refusal:
            self.protocol.refuse(manners.refusal, now)

    def disconnected(self, at: float, code: int, reason: str = "") -> None:
        for desk in self._desks:
            desk.clear()
        self.release()

    @property
    def active(self) -> bool:
        """Whether the client follows anything, so that letting time pass makes sense."""
        return bool(self._charts.feeds or len(self._quotes) or self._bursts)

    @property
    def closing(self) -> tuple[int, str] | None:
        return self.server.closing

    def receive(self, message: str, at: float) -> None:
        server = self.server
        try:
            server.receive(message, at)
        except FramingError as error:
            server.close(1002, str(error)[:100], at)
            return
        for command in server.requests():
            self._answer(command, at)
        if self._bursts and self._flush_at is None:
            self._flush_at = at + self.manners.reply_delay

    def messages_to_send(self) -> list[str]:
        return self.server.messages_to_send()

    def next_deadline(self) -> float | None:
        server = self.server
        if server.closing is not None:
            return None
        moments = [server.next_deadline(), self._flush_at, self._next_tick(), self._next_step()]
        if self._behind is not None and not self._is_full():
            moments.append(self._behind)
        return min((moment for moment in moments if moment is not None), default=None)

    def handle_deadline(self, now: float) -> None:
        """Does what is due, in order of time."""
        server = self.server
        while server.closing is None:
            moment = self.next_deadline()
            if moment is None or moment > now:
                return
            if self._flush_at is not None and self._flush_at <= moment:
                self._flush(moment)
            if self._behind is not None and self._behind <= moment:
                self._catch_up(now)
            tick = self._next_tick()
            if tick is not None and tick <= moment:
                if self.conflates and now - tick > _BEHIND:
                    self._catch_up(now)
                else:
                    self._tell_ticks(tick)
            step = self._next_step()
            if step is not None and step <= moment:
                self._replays.handle_deadline(moment)
            server.handle_deadline(moment)

    def _answer(self, command: Command, at: float) -> None:
        if isinstance(command, SetAuthToken):
            if not self.manners.accepts(command.p.token, at):
                self.server.refuse("bad auth token", at)
            return
        # What no desk wants is what the real server does not answer either.
        for desk in self._desks:
            if desk.answer(command, at):
                return

    # --- what desks get -------------------------------------------------------------------------------------------

    @property
    def server(self) -> ServerProtocol:
        assert self.protocol is not None, "connected() comes first"
        return self.protocol

    def collect(self, rank: int, reply: Reply) -> None:
        if not self._bursts:
            self._bursts.append([])
        self._bursts[-1].append((rank, reply))

    @property
    def burst(self) -> int:
        return self._sent + len(self._bursts)

    def cut(self) -> None:
        self._bursts.append([])

    def send(self, replies: Iterable[Reply], at: float) -> None:
        self.server.reply([timed(reply, at) for reply in replies], at)

    def follow(self, symbol: str, at: float) -> float:
        if symbol not in self._followed:
            self._followed[symbol] = at
            self._plan_tick(symbol, self._cursor(symbol))
        return self._cursor(symbol)

    def release(self) -> None:
        wanted = {symbol for desk in self._market_desks for symbol in desk.symbols()}
        self._followed = {symbol: at for symbol, at in self._followed.items() if symbol in wanted}
        self._plan_ticks()

    def _flush(self, at: float) -> None:
        """Sends what was collected; sorting is stable, so each rank keeps its order."""
        self._flush_at = None
        bursts, self._bursts = self._bursts, []
        # One more, so that what comes after an empty floor has a number of its own.
        self._sent += len(bursts) + 1
        for burst in bursts:
            burst.sort(key=lambda pair: pair[0])
            self.send((reply for rank, reply in burst if rank < STUDIES), at)
            self.send((reply for rank, reply in burst if rank >= STUDIES), at)
        if self._moved:
            self._moved = False
            self.market_moved(at)

    # --- prices by hand -------------------------------------------------------------------------------------------

    def market_moved(self, now: float) -> None:
        """Tells what was put into the market by hand up to `now`."""
        if self.protocol is None:
            return
        if self._flush_at is not None:
            self._moved = True
        elif self.conflates and self._is_full():
            self._behind = now if self._behind is None else self._behind
        else:
            self._tell(list(self._followed), now)
            # Symbols that were given prices by hand have none of their own any more.
            self._plan_ticks()

    @property
    def conflates(self) -> bool:
        """Whether a client that is far behind is told everything in one message."""
        return self.manners.slow_client == "conflate"

    def _is_full(self) -> bool:
        return self.server.unsent > self.manners.most_unsent

    def _catch_up(self, now: float) -> None:
        """One message for all ticks up to `now`, with where they have left everything."""
        self._behind = None
        pending = self._ticks(list(self._followed), now)
        last = {symbol: tick for _, symbol, tick in pending}
        replies = [reply for symbol, tick in last.items() for reply in self._quotes.tick(symbol, tick)]
        for _, symbol, tick in pending:
            replies += self._charts.tick(symbol, tick)
        self.server.reply(conflate(replies), now)
        self._plan_ticks()

    def close_bar(self, symbol: str, interval: Interval) -> None:
        """Ends the newest bar of the client's series of this symbol and interval."""
        self._charts.close_bar(symbol, interval)

    # --- the market goes on ---------------------------------------------------------------------------------------

    def _cursor(self, symbol: str) -> float:
        """How far a followed symbol's ticks have been told."""
        return max(self._followed[symbol], self._told)

    def _plan_ticks(self) -> None:
        self._due.clear()
        for symbol in self._followed:
            self._plan_tick(symbol, self._cursor(symbol))

    def _plan_tick(self, symbol: str, after: float) -> None:
        tick = self.market.next_tick(symbol, after)
        if tick is not None:
            heapq.heappush(self._due, (tick.due, symbol))

    def _next_tick(self) -> float | None:
        """When the next tick of anything followed comes; not before the burst that announces it is out."""
        if not self._due:
            return None
        return self._not_before_the_burst(self._due[0][0])

    def _next_step(self) -> float | None:
        """When a bar replay steps by itself."""
        due = self._replays.next_deadline()
        return None if due is None else self._not_before_the_burst(due)

    def _not_before_the_burst(self, moment: float) -> float:
        return moment if self._flush_at is None else max(moment, self._flush_at)

    def _tell_ticks(self, now: float) -> None:
        """One message for each tick up to `now`, with all that it changes for this client."""
        symbols: list[str] = []
        while self._due and self._due[0][0] <= now:
            symbols.append(heapq.heappop(self._due)[1])
        self._tell(symbols, now)
        for symbol in symbols:
            self._plan_tick(symbol, self._cursor(symbol))

    def _ticks(self, symbols: list[str], now: float) -> list[tuple[float, str, MarketTick]]:
        """The ticks that have not been told, in order; they count as told from here on."""
        pending: list[tuple[float, str, MarketTick]] = []
        for symbol in symbols:
            pending += [(tick.due, symbol, tick) for tick in self.market.ticks(symbol, self._cursor(symbol), now)]
        self._told = max(self._told, now)
        return sorted(pending, key=lambda each: (each[0], each[1]))

    def _tell(self, symbols: list[str], now: float) -> None:
        for at, symbol, tick in self._ticks(symbols, now):
            self.server.reply([reply for desk in self._market_desks for reply in desk.tick(symbol, tick)], at)
