"""The client's side of a connection, without the connection: commands out, replies in, events for the user.

`ClientProtocol` owns no socket, no thread, no clock and no random source. Whoever drives it hands in messages with the
moment of their arrival, sends what `messages_to_send` gives, and calls `handle_deadline` when `next_deadline` has come; on
a tie a deadline comes before a message. The same calls give the same events, whatever drives it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tvstreamer.constants import (
    ANSWER_TIMEOUT,
    MOST_BARS_A_REQUEST,
    RESTORE_TIMEOUT,
    STALL_CODE,
    TICK_FIELDS,
)
from tvstreamer.continuity import Ledger
from tvstreamer.errors import (
    AuthError,
    ContinuityError,
    CriticalError,
    InvalidInterval,
    SeriesError,
    ServerError,
    SymbolError,
    TvError,
)
from tvstreamer.events import (
    Connected,
    Disconnected,
    Event,
    Gap,
    HistoryComplete,
    Notice,
    Reconnected,
    SeriesFailed,
    Stalled,
    SymbolFailed,
)
from tvstreamer.intervals import Interval
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.charts import Series
from tvstreamer.protocol.history import HistoryRequest
from tvstreamer.protocol.ids import AGAIN, FULL, QUOTES, SNAPSHOT, TICKS, IdSource, is_for_ticks, purpose
from tvstreamer.protocol.info import symbol_info
from tvstreamer.protocol.packets import (
    COMMANDS,
    REPLIES,
    ChartCreateSession,
    ChartDeleteSession,
    Command,
    CreateSeries,
    CreateStudy,
    CriticalErrorReply,
    DataUpdate,
    Heartbeat,
    Hello,
    ModifySeries,
    ModifyStudy,
    ProtocolErrorReply,
    QuoteAddSymbols,
    QuoteCompleted,
    QuoteCreateSession,
    QuoteData,
    QuoteDeleteSession,
    QuoteRemoveSymbols,
    QuoteSetFields,
    QuoteUpdate,
    RemoveSeries,
    RemoveStudy,
    RequestMoreData,
    ResolveSymbol,
    SeriesCompleted,
    SeriesErrorReply,
    SeriesLoading,
    SetAuthToken,
    SetLocale,
    StudyErrorReply,
    SwitchTimezone,
    SymbolErrorReply,
    SymbolResolved,
    TickData,
    TickUpdate,
    TimescaleUpdate,
    Unknown,
)
from tvstreamer.protocol.quotes import QuoteSession, number
from tvstreamer.protocol.refusals import Refusals
from tvstreamer.protocol.server_clock import ServerClock
from tvstreamer.protocol.settings import DEFAULTS, Settings
from tvstreamer.protocol.snapshots import QuoteRequest
from tvstreamer.protocol.studies import Studies
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.protocol.unknown_methods import UnknownMethods
from tvstreamer.protocol.watchdogs import Watch
from tvstreamer.studies import Study
from tvstreamer.symbols import quoted_symbol, symbol_name, wire_quote, wire_symbol

if TYPE_CHECKING:
    from random import Random

_PURPOSES = {(True, False): TICKS, (False, True): QUOTES, (True, True): FULL}
_KINDS = {name: kinds for kinds, name in _PURPOSES.items()}
_HISTORY = "history"
_BACKFILL = "backfill"
_ANEW = "anew"
"""A series that begins anew although one of its symbol and interval was lost with a connection: the consumer had ended that one
meanwhile, when there was no connection to tell it to, and so no other trace of it is on a tape."""
_NO_ANSWER = f"no answer for {2 * ANSWER_TIMEOUT:g} s"
_STALLED = re.compile(r"stalled: ([a-z]+) for ([0-9.]+) s")


class ClientStatistics(msgspec.Struct, frozen=True):
    """Counts since the client was made. `unclaimed` are packets for a session or symbol that it does not follow."""

    messages: int = 0
    packets: int = 0
    events: int = 0
    heartbeats: int = 0
    connections: int = 0
    unknown: int = 0
    unclaimed: int = 0


class _Chart:
    """One chart session: the symbols it resolved, its series, and the history requests and backfills among them."""

    __slots__ = ("backfills", "history", "purpose", "series", "symbols")

    def __init__(self, session: str) -> None:
        self.purpose = purpose(session)
        self.symbols: dict[str, str] = {}
        self.series: dict[str, Series] = {}
        self.history: dict[str, HistoryRequest] = {}
        self.backfills: dict[str, list[Series]] = {}
        """By the series that delivers it: whose gap its bars are to fill."""


class ClientProtocol:
    """Subscriptions in; messages both ways; events out. Not thread-safe: one owner at a time."""

    # A class with more than 30 attributes is slower without slots, as its instances then do not share their keys.
    __slots__ = (
        "_awaited", "_charts", "_connected_at", "_connection", "_counts", "_events", "_forgotten", "_given_up",
        "_handlers", "_ids", "_late", "_lost_at", "_lost_ticks", "_messages", "_next_close", "_next_miss", "_open",
        "_outbox", "_packets_more", "_quotes", "_refusals", "_replaced", "_resumable", "_server", "_settings",
        "_snapshots", "_studies", "_subscriptions", "_unanswered", "_unknown", "_watch", "broken", "decode_reply",
        "failure", "ledger",
    )  # fmt: skip

    def __init__(self, *, rng: Random, settings: Settings = DEFAULTS) -> None:
        self._settings = settings
        self._ids = IdSource(rng)
        self._events: list[Event] = []
        self._outbox: list[str] = []
        self._subscriptions: dict[Subscription, str | None] = {}
        """Each with the chart session that realises it on this connection."""
        self._quotes: dict[str, QuoteSession] = {}
        self._snapshots: dict[str, QuoteRequest] = {}
        self._charts: dict[str, _Chart] = {}
        self._resumable: dict[tuple[str, str, str], list[Series]] = {}
        self._unanswered: list[HistoryRequest | QuoteRequest] = []
        """Asked for on a connection that was lost."""
        self._lost_at: float | None = None
        """When the connection was lost that `Reconnected` is to make good."""
        self._lost_ticks: dict[str, tuple[float, str]] = {}
        """Symbols whose ticks are missed, with when and how their connection was lost; told when they are followed again."""
        self._forgotten: list[tuple[str, str, str]] = []
        """Those of series that were resumable, and that the consumer ended while there was no connection."""
        self._given_up: dict[Series, float] = {}
        """Series that hold back, and when they are let go without an answer."""
        self._late: dict[Series, tuple[int, str]] = {}
        """Those whose first delivery is complete, which is told when their gap is filled: its bars, its update mode."""
        self._awaited: dict[Series, float] = {}
        """Series whose first answer has not come, and when they are asked for again or told as failed."""
        self._next_miss = math.inf
        self._replaced: dict[tuple[str, str], list[Series]] = {}
        """Those that are to go on under another name, by symbol and interval, until they have it."""
        self._studies = Studies()
        self._watch = Watch(self._settings.watchdogs)
        self.ledger = Ledger()
        """The books of every series."""
        self.broken: ContinuityError | None = None
        """The gap that ends the stream, under `on_gap="raise"`."""
        self._open = False
        self._connection = 0
        self._connected_at = 0.0
        self._refusals = Refusals()
        self._unknown = UnknownMethods()
        self._next_close = math.inf
        self._server = ServerClock()
        self._counts = dict.fromkeys(ClientStatistics.__struct_fields__, 0)
        self.decode_reply: codec.DecodeReply = codec.decode_tick_reply
        """What payloads are to be decoded with: of quotes no more than ticks need, until a session is there for more."""
        self._messages = self._packets_more = 0
        """Messages, and by how many packets there are more than that."""
        self.failure: ServerError | None = None
        """The error that the server announced before it hangs up, if any."""
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            **dict.fromkeys(REPLIES, self._on_anything_else),
            **dict.fromkeys(COMMANDS, self._on_command),
            QuoteData: self._on_quote,
            TickData: self._on_quote,
            QuoteCompleted: self._on_quote_completed,
            DataUpdate: self._on_data,
            TimescaleUpdate: self._on_timescale,
            SeriesCompleted: self._on_completed,
            SeriesLoading: self._on_timed,
            SymbolResolved: self._on_resolved,
            SymbolErrorReply: self._on_symbol_error,
            SeriesErrorReply: self._on_series_error,
            StudyErrorReply: self._on_study_error,
            CriticalErrorReply: self._on_critical_error,
            ProtocolErrorReply: self._on_protocol_error,
            Heartbeat: self._on_heartbeat,
            str: self._on_heartbeat_text,
            Hello: self._on_hello,
            Unknown: self._on_unknown,
        }

    def __repr__(self) -> str:
        state = "open" if self._open else "closed"
        return f"<ClientProtocol {state}, connection {self._connection}, {len(self._subscriptions)} subscriptions>"

    # --- the connection -------------------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """A connection is open: greets, then issues every live subscription."""
        self.adopt_connection(now)
        self._send(SetAuthToken(SetAuthToken.Params(self._settings.token)))
        self._send(SetLocale(SetLocale.Params(*self._settings.locale)))
        for subscription in self._subscriptions:
            self._watch.expect(subscription.symbol)
            self._issue(subscription)
        unanswered, self._unanswered = self._unanswered, []
        for request in unanswered:
            self._ask(request)

    def set_timezone(self, timezone: str) -> None:
        """Another time zone for charts from now on; the server does not send again what it has sent. Raises `InvalidPlan`."""
        self._settings = replace(self._settings, timezone=timezone)
        for session in self._charts if self._open else ():
            self._send(SwitchTimezone(SwitchTimezone.Params(session, timezone)))

    def authenticate(self, token: str) -> None:
        """Another token from now on: on this connection, where there is one, and on those to come."""
        self._settings = replace(self._settings, token=token)
        if self._open:
            self._send(SetAuthToken(SetAuthToken.Params(token)))

    def adopt_connection(self, now: float) -> None:
        """A connection of a tape begins whose commands come through `adopt`; nothing is sent."""
        self._connection += 1
        self._connected_at = now
        self._open = True
        self._refusals.connected()
        self._server.connected()
        self.failure = None
        self._counts["connections"] += 1
        self._watch.connected(now)
        self._events.append(Connected(now, self._connection))

    def disconnected(self, now: float, cause: str, *, code: int = 1006, by_us: bool = False) -> None:
        """The connection is over. What the user asked for stays asked for; a loss is an event.

        It is none where the user closed the connection: `by_us`, and with code 1000. With any other code it was the client that
        gave the connection up: because it had stalled, or sent what cannot be read.
        """
        if not self._open:
            return
        self._open = False
        self._outbox.clear()
        stalled = _STALLED.fullmatch(cause) if code == STALL_CODE else None
        if stalled is not None:
            self._events.append(Stalled(now, self._connection, stalled[1], float(stalled[2])))
        reason = "disconnected" if stalled is None else "stalled"
        lost = not by_us or code != 1000
        followed = [symbol for quotes in self._quotes.values() if quotes.ticks for symbol in quotes.symbols]
        if lost:
            # What was sent behind the last thing that came is lost, however much later the loss was noticed.
            silent = self._watch.progress if stalled is not None and stalled[1] == "progress" else self._watch.bytes
            self._lost_ticks = dict.fromkeys(followed, (min(silent, now), reason))
        for chart in self._charts.values():
            self._unanswered += [request for request in chart.history.values() if not request.done]
            for series in chart.series.values():
                self._keep(series, _lasting(chart.purpose), reason)
        for replaced in self._replaced.values():
            for series in replaced:
                self._keep(series, "", reason)
        self._unanswered += [request for request in self._snapshots.values() if not request.done]
        self._charts.clear()
        self._studies.lost()
        self._quotes.clear()
        self._snapshots.clear()
        self._given_up.clear()
        self._awaited.clear()
        self._next_miss = math.inf
        self._replaced.clear()
        self._late.clear()
        self._subscriptions = dict.fromkeys(self._subscriptions)
        self._next_close = math.inf
        self._watch.disconnected()
        if lost:
            self._events.append(Disconnected(now, self._connection, code, cause))
            if self._lost_at is None:
                self._lost_at = now

    def _keep(self, series: Series, purpose: str, reason: str) -> None:
        """A series goes on with the next connection."""
        series.restart(reason)
        self._resumable.setdefault((series.symbol, series.interval, purpose), []).append(series)

    @property
    def restored(self) -> bool:
        """Whether the connection is up and everything that was asked for is here again."""
        return self._open and self._lost_at is None

    def abandon(self, cause: TvError | None = None) -> None:
        """There will be no other connection: whoever waits for an answer is told so, and why."""
        for request in self._unanswered:
            request.fail(cause or self.failure or SeriesError(f"{request!r}: connection lost"))
        self._unanswered = []

    @property
    def stalled(self) -> str | None:
        """Why this connection should be given up for another, in the words for its close; None while it is well."""
        return self._watch.verdict

    # --- what the user asks for -----------------------------------------------------------------------------------

    @property
    def subscriptions(self) -> list[Subscription]:
        return list(self._subscriptions)

    def subscribe(self, subscription: Subscription) -> None:
        """Adds a subscription; does nothing when it is there already."""
        if subscription in self._subscriptions:
            return
        self._subscriptions[subscription] = None
        self._watch.expect(subscription.symbol)
        if self._open:
            self._issue(subscription)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends a subscription; does nothing when there is none."""
        if subscription not in self._subscriptions:
            return
        if not self._open:
            self._forget(subscription)
        session = self._subscriptions.pop(subscription)
        if all(each.symbol != subscription.symbol for each in self._subscriptions):
            self._watch.forget(subscription.symbol)
        if not self._open:
            return
        if session in self._charts:
            for series in list(self._charts[session].series):
                self._send(RemoveSeries(RemoveSeries.Params(session, series)))
            self._send(ChartDeleteSession(ChartDeleteSession.Params(session)))
        self._follow_quotes(subscription.symbol)

    def _forget(self, subscription: Subscription) -> None:
        """What was lost with the connection is not missed any more."""
        symbol, pair = subscription.symbol, (subscription.symbol, subscription.interval)
        if subscription.wants_bars:
            alike = [each for each in self._subscriptions if each.wants_bars and (each.symbol, each.interval) == pair]
            key = (symbol, str(Interval.parse(subscription.interval)), "")
            earlier = self._resumable.get(key, [])
            # The series of those that were asked for while there was no connection come last, as there are none yet.
            position = alike.index(subscription)
            if position < len(earlier):
                del earlier[position]
                self._forgotten.append(key)

    def request_history(
        self,
        symbol: str,
        interval: Interval,
        bars: int | None = None,
        *,
        start: float | None = None,
        end: float | None = None,
    ) -> HistoryRequest:
        """Asks for bars (see `HistoryRequest`), on a series of its own whose events do not reach the stream."""
        request = HistoryRequest(symbol, str(interval), interval.seconds, bars, start=start, end=end)
        self._ask(request)
        return request

    def request_quotes(self, symbols: Iterable[str], fields: tuple[str, ...] | None) -> QuoteRequest:
        """Asks once for quotes, on a session of its own whose events do not reach the stream."""
        request = QuoteRequest(symbols, fields)
        self._ask(request)
        return request

    def _ask(self, request: HistoryRequest | QuoteRequest) -> None:
        if not self._open:
            self._unanswered.append(request)
        elif isinstance(request, QuoteRequest):
            self._ask_quotes(request)
        else:
            self._ask_history(request)

    def _ask_quotes(self, request: QuoteRequest) -> None:
        request.begin()
        session = self._ids.session("qs", SNAPSHOT)
        self._send(QuoteCreateSession(QuoteCreateSession.Params(session)))
        if request.fields is not None:
            self._send(QuoteSetFields([session, *request.fields]))
        self._send(QuoteAddSymbols([session, *request.names]))
        self._snapshots[session] = request

    def _ask_history(self, request: HistoryRequest) -> None:
        # The newest message is at most a heartbeat old, and a day is added to it.
        count, period = request.opening(self._watch.bytes + self._server.ahead)
        session, series = self._create_series(request.symbol, request.interval, count, _HISTORY, period)
        self._charts[session].history[series] = request

    def end_request(self, request: HistoryRequest | QuoteRequest) -> None:
        """Lets go of a request, answered or not."""
        if request in self._unanswered:
            self._unanswered.remove(request)
        for session, asked in list(self._snapshots.items()):
            if asked is request:
                self._send(QuoteDeleteSession(QuoteDeleteSession.Params(session)))
        for session, chart in list(self._charts.items()):
            if request in chart.history.values():
                self._send(ChartDeleteSession(ChartDeleteSession.Params(session)))

    def _issue(self, subscription: Subscription) -> None:
        if subscription.ticks or subscription.quotes:
            self._follow_quotes(subscription.symbol)
        if subscription.wants_bars:
            interval = str(Interval.parse(subscription.interval))
            key = (subscription.symbol, interval, "")
            resumed = self._resumable.get(key)
            purpose = ""
            if not resumed and key in self._forgotten:
                self._forgotten.remove(key)
                purpose = _ANEW
            missed = resumed[0].bars_missed(self._connected_at + self._server.ahead) if resumed else 0
            self._begin_series(subscription, purpose, missed)

    def _begin_series(self, subscription: Subscription, purpose: str, missed: int) -> None:
        """Asks for the bars of a subscription, as many as were missed at the least, and for its studies."""
        bars = max(self._settings.n_init_bars, min(missed, MOST_BARS_A_REQUEST))
        session, series = self._create_series(subscription.symbol, str(Interval.parse(subscription.interval)), bars, purpose)
        self._subscriptions[subscription] = session
        for study in map(Study.parse, subscription.studies):
            name = self._ids.study()
            asked = CreateStudy.Params(session, name, name, series, study.wire_name, study.wire_inputs())
            self._send(CreateStudy(asked))

    def _create_series(
        self, symbol: str, interval: str, count: int | list[Any], purpose: str, period: str = ""
    ) -> tuple[str, str]:
        # A chart session of its own for each series: an error that condemns the session then costs this series only.
        session = self._ids.session("cs", purpose)
        series, turnaround, alias = self._ids.series()
        self._send(ChartCreateSession(ChartCreateSession.Params(session)))
        if self._settings.timezone is not None:
            self._send(SwitchTimezone(SwitchTimezone.Params(session, self._settings.timezone)))
        self._send(ResolveSymbol(ResolveSymbol.Params(session, alias, wire_symbol(symbol))))
        self._send(CreateSeries(CreateSeries.Params(session, series, turnaround, alias, interval, count, period)))
        return session, series

    def _follow_quotes(self, symbol: str) -> None:
        """Brings the quote sessions in line with what all subscriptions to this symbol ask for together."""
        quoted = quoted_symbol(symbol)
        asking = [subscription for subscription in self._subscriptions if quoted_symbol(subscription.symbol) == quoted]
        kinds = (any(each.ticks for each in asking), any(each.quotes for each in asking))
        wanted = self._quote_session(kinds) if any(kinds) else None
        name = wire_quote(symbol)
        for session, quotes in list(self._quotes.items()):
            if session != wanted and name in quotes:
                self._send(QuoteRemoveSymbols([session, name]))
        if wanted is not None and name not in self._quotes[wanted]:
            self._send(QuoteAddSymbols([wanted, name]))

    def _quote_session(self, kinds: tuple[bool, bool]) -> str:
        for session, quotes in self._quotes.items():
            if (quotes.ticks, quotes.quotes) == kinds:
                return session
        session = self._ids.session("qs", _PURPOSES[kinds])
        self._send(QuoteCreateSession(QuoteCreateSession.Params(session)))
        fields = self._settings.quote_fields if kinds[1] else TICK_FIELDS
        if fields is not None:
            self._send(QuoteSetFields([session, *fields]))
        return session

    # --- commands: ours on their way out, or a tape's -------------------------------------------------------------

    def _send(self, command: Command) -> None:
        self._outbox.append(framing.packet(codec.encode(command)))
        self._apply(command)

    def adopt(self, command: str | bytes) -> None:
        """Takes note of a command that is on a tape, so that the replies to it find their series and symbols."""
        self.adopt_packet(codec.decode_command(command))

    def adopt_packet(self, packet: codec.AnyPacket) -> None:
        """The same, decoded; what is no command of ours means nothing to us."""
        if isinstance(packet, Command):
            self._apply(packet)

    def _apply(self, command: Command) -> None:
        match command:
            case ChartCreateSession(p=p):
                self._charts[p.session] = _Chart(p.session)
            case ChartDeleteSession(p=p):
                chart = self._charts.pop(p.session, None)
                for series in () if chart is None else chart.series.values():
                    self._studies.end(series)
                    self._let_go(series)
                    self._awaited.pop(series, None)
            case ResolveSymbol(p=p) if p.session in self._charts:
                self._charts[p.session].symbols[p.alias] = symbol_name(p.symbol)
            case CreateSeries(p=p) if p.session in self._charts:
                chart = self._charts[p.session]
                symbol = chart.symbols.get(p.alias, p.alias)
                if chart.purpose == _BACKFILL:
                    # On a tape, where nobody answers our own request, the recorded one fills the same gap.
                    pair = (symbol, _interval(p.resolution)[0])
                    chart.backfills[p.series] = [
                        series for series in self._given_up if (series.symbol, series.interval) == pair
                    ]
                elif chart.purpose == _HISTORY:
                    chart.history.setdefault(p.series, HistoryRequest.recorded(symbol, p.resolution))
                else:
                    series = chart.series[p.series] = self._series(symbol, p.resolution, chart.purpose)
                    if series not in self._awaited:
                        # Nobody says when this is sent, but it is since the last message.
                        self._await(series, self._watch.bytes + ANSWER_TIMEOUT)
            case ModifySeries(p=p) if p.session in self._charts:
                chart = self._charts[p.session]
                old = chart.series.get(p.series)
                chart.series[p.series] = self._series(chart.symbols.get(p.alias, p.alias), p.resolution, chart.purpose)
                if old is not None:
                    self._studies.move(old, chart.series[p.series])
                    self._let_go(old)
                    self._awaited.pop(old, None)
            case RemoveSeries(p=p) if p.session in self._charts:
                removed = self._charts[p.session].series.pop(p.series, None)
                if removed is not None:
                    self._studies.end(removed)
                    self._let_go(removed)
                    self._awaited.pop(removed, None)
            case CreateStudy(p=p) if p.session in self._charts:
                self._studies.create(p, self._charts[p.session].series.get(p.parent))
            case ModifyStudy(p=p):
                self._studies.modify(p)
            case RemoveStudy(p=p):
                self._studies.remove(p.session, p.study)
            case QuoteCreateSession(p=p):
                if not is_for_ticks(p.session):
                    self.decode_reply = codec.decode_reply
                if purpose(p.session) == SNAPSHOT:
                    self._snapshots[p.session] = QuoteRequest.recorded()
                else:
                    ticks, quotes = _KINDS.get(purpose(p.session), (True, False))
                    self._quotes[p.session] = QuoteSession(ticks=ticks, quotes=quotes)
            case QuoteDeleteSession(p=p):
                self._quotes.pop(p.session, None)
                self._snapshots.pop(p.session, None)
            case QuoteAddSymbols(session=session, names=names) if session in self._quotes:
                until = self._watch.bytes + ANSWER_TIMEOUT
                self._next_miss = min(self._next_miss, until)
                for name in names:
                    self._quotes[session].add(name, until)
                    if self._quotes[session].ticks:
                        self._tell_lost_ticks(symbol_name(name))
            case QuoteRemoveSymbols(session=session, names=names) if session in self._quotes:
                for name in names:
                    self._quotes[session].remove(name)
            case _:
                pass  # Nothing that the replies' meaning depends on.

    def _series(self, symbol: str, resolution: str, purpose: str) -> Series:
        interval, seconds = _interval(resolution)
        replaced = self._replaced.get((symbol, interval)) if purpose == AGAIN else None
        if replaced:
            return replaced.pop(0)
        earlier = self._resumable.get((symbol, interval, _lasting(purpose)))
        if earlier and purpose == _ANEW:
            # On a tape: nobody told that this one was ended.
            del earlier[0]
            earlier = None
        if not earlier:
            return Series(symbol, interval, seconds, self.ledger.open(symbol, interval))
        series = earlier.pop(0)
        if series.held:
            self._hold(series, self._connected_at)
        return series

    def _tell_lost_ticks(self, symbol: str) -> None:
        """A symbol is followed again whose ticks were missed."""
        lost = self._lost_ticks.pop(symbol, None)
        if lost is not None:
            since, reason = lost
            self._events.append(Gap(symbol, None, since, self._connected_at, reason, None, None))

    # --- replies --------------------------------------------------------------------------------------------------

    def receive(self, message: str, at: float) -> None:
        """Takes a message that arrived at `at`. Raises `FramingError`; nothing else about it is an error."""
        self.receive_payloads(framing.split(message), at)

    def receive_payloads(self, payloads: Sequence[str | bytes], at: float) -> None:
        """Takes the payloads of one message."""
        self.receive_packets(list(map(self.decode_reply, payloads)), at)

    def receive_packets(self, packets: Sequence[codec.AnyPacket], at: float) -> None:
        """Takes the decoded packets of one message; a heartbeat may be its text."""
        self._messages += 1
        # Nearly every message is one packet, and a number that is counted up costs as much as a look into a dictionary.
        if len(packets) != 1:
            self._packets_more += len(packets) - 1
        self._watch.bytes = at
        handlers = self._handlers
        for packet in packets:
            handlers[packet.__class__](packet, at)
            if self._next_close <= at:
                self.handle_deadline(at)
        if self._next_miss <= at:
            self._look_for_answers(at)
        if self._lost_at is not None:
            # The commands of a connection stand before its first reply, so by now everything was asked for again.
            self._lost_ticks.clear()
            if not self._given_up:
                self._events.append(Reconnected(at, self._connection, at - self._lost_at))
                self._lost_at = None

    def _on_heartbeat(self, reply: Heartbeat, at: float) -> None:
        self._on_heartbeat_text(reply.text, at)

    def _on_heartbeat_text(self, text: str, at: float) -> None:
        self._counts["heartbeats"] += 1
        self._watch.heartbeats = at
        self._outbox.append(framing.packet(text))

    def _on_hello(self, reply: Hello, at: float) -> None:
        if reply.timestampMs is not None:
            self._note_time(reply.timestampMs, at)

    def _on_timed(self, reply: Any, at: float) -> None:
        if reply.t_ms is not None:
            self._note_time(reply.t_ms, at)

    def _note_time(self, t_ms: int, at: float) -> None:
        if self._server.note(t_ms / 1000, at):
            self._plan_closes()

    def _on_quote(self, reply: QuoteData | TickData, at: float) -> None:
        p = reply.p
        session = self._quotes.get(p.session)
        update = p.update
        if session is None:
            if p.session in self._snapshots and isinstance(update, QuoteUpdate):
                self._watch.progress = at
                self._snapshots[p.session].take(update, at)
            else:
                self._counts["unclaimed"] += 1
            return
        self._watch.progress = at
        if update.s != "ok":
            self._on_refusal(session, update, at)
            return
        changes = session.apply(update, at, self._events)
        if changes is None:
            self._counts["unclaimed"] += 1
        elif changes.session is not msgspec.UNSET:
            self._watch.follow_quote(symbol_name(update.n), changes.session, changes.timezone, changes.session_holidays)
        if self._refusals.refused:
            self._admit(symbol_name(update.n))

    def _on_refusal(self, session: QuoteSession, update: QuoteUpdate | TickUpdate, at: float) -> None:
        known = len(self._events)
        if not session.refuse(update, at, self._events):
            self._counts["unclaimed"] += 1
        self._once_per_symbol(known)
        self._refuse(symbol_name(update.n))

    def _on_quote_completed(self, reply: QuoteCompleted, at: float) -> None:
        p = reply.p
        if p.session in self._quotes:
            # All has come that there is, even if that is nothing.
            self._quotes[p.session].answered(p.symbol)
        elif p.session in self._snapshots:
            self._snapshots[p.session].completed(p.symbol, at)

    def _once_per_symbol(self, since: int) -> None:
        """Drops the `SymbolFailed` that repeats what another session was told of the same symbol."""
        self._events[since:] = [
            event for event in self._events[since:] if not isinstance(event, SymbolFailed) or self._refusals.tell(event.symbol)
        ]

    def _on_timescale(self, reply: TimescaleUpdate, at: float) -> None:
        self._on_data(reply, at)
        self._on_timed(reply, at)

    def _on_data(self, reply: DataUpdate | TimescaleUpdate, at: float) -> None:
        p = reply.p
        chart = self._charts.get(p.session)
        if chart is None:
            self._counts["unclaimed"] += 1
            return
        self._watch.progress = at
        for name, data in p.objects.items():
            rows = data.s
            if rows is None:
                self._studies.take(p.session, name, data.st, self._events)
                continue
            series = chart.series.get(name)
            if series is not None:
                close_time = None if data.lbs is None else data.lbs.bar_close_time
                if len(rows) == 1:
                    changed = series.update(rows[0], close_time, self._events)
                elif rows:
                    changed = series.apply(rows, close_time, self._events)
                else:
                    # The clearing update that follows `modify_series` (seen 2025-06-25).
                    series.clear()
                    changed = True
                if changed:
                    self._follow_up(series, at)
            elif name in chart.history:
                chart.history[name].take(row.v for row in rows)
            elif name in chart.backfills:
                for series in chart.backfills[name]:
                    series.hold([row.v for row in rows])

    def _follow_up(self, series: Series, at: float) -> None:
        """What a change of a series entails beyond its events."""
        self._plan_closes()
        if series.held and series not in self._given_up:
            # The server went on as if it had sent a bar that never came: what this connection shows next cannot fill the gap.
            self._hold(series, at)
            bars = min(MOST_BARS_A_REQUEST, max(series.bars_missed(self._server.now(at)), 10))
            self._create_series(series.symbol, series.interval, bars, _BACKFILL)
        elif series in self._given_up and not series.held:
            self._let_go(series)

    # --- first answers ---------------------------------------------------------------------------------------------

    def _await(self, series: Series, until: float) -> None:
        """The first answer to a series has to come by then.

        What time it is is told by what arrives, a heartbeat at the least: an answer that waits to be read is not late, and a
        connection on which nothing arrives has a watchdog. So a replay, too, misses what this run missed, where it did.
        """
        self._awaited[series] = until
        self._next_miss = min(self._next_miss, until)

    def _look_for_answers(self, at: float) -> None:
        for series, until in list(self._awaited.items()):
            if until <= at:
                self._miss(series, at)
        for session, quotes in self._quotes.items():
            if quotes.due <= at:
                self._miss_quotes(session, quotes, at)
        self._next_miss = min((*self._awaited.values(), *(quotes.due for quotes in self._quotes.values())), default=math.inf)

    def _miss(self, series: Series, at: float) -> None:
        """The first answer to a series did not come: the series is asked for once more, or has failed."""
        session = next((session for session, chart in self._charts.items() if series in chart.series.values()), None)
        if session is None or self._charts[session].purpose == AGAIN:
            del self._awaited[series]
            self._events.append(SeriesFailed(series.symbol, series.interval, at, _NO_ANSWER))
            self._lose(series, at)
            return
        del self._charts[session]
        self._studies.end(series)
        self._let_go(series)
        series.begin_again()
        if series.held:
            self._hold(series, at)
        self._awaited[series] = at + ANSWER_TIMEOUT
        self._replaced.setdefault((series.symbol, series.interval), []).append(series)
        # On a tape nobody is subscribed, and the command that asked again follows.
        subscription = next((each for each, own in self._subscriptions.items() if own == session), None)
        if subscription is not None:
            self._send(ChartDeleteSession(ChartDeleteSession.Params(session)))
            self._begin_series(subscription, AGAIN, series.bars_missed(self._server.now(at)))

    def _miss_quotes(self, session: str, quotes: QuoteSession, at: float) -> None:
        """First quotes did not come: their symbols are added once more, or have failed."""
        again, failed = quotes.miss(at, at + ANSWER_TIMEOUT)
        told = self._refusals.told
        self._events += [SymbolFailed(symbol, at, _NO_ANSWER) for symbol in failed if symbol not in told]
        # On a tape nobody is subscribed, and the commands that asked again follow.
        followed = {wire_quote(each.symbol) for each in self._subscriptions}
        names = [name for name in again if name in followed]
        if names:
            self._send(QuoteRemoveSymbols([session, *names]))
            self._send(QuoteAddSymbols([session, *names]))

    # --- gaps -----------------------------------------------------------------------------------------------------

    def _hold(self, series: Series, at: float) -> None:
        self._given_up[series] = at + RESTORE_TIMEOUT
        self._plan_closes()

    def _let_go(self, series: Series) -> None:
        self._given_up.pop(series, None)
        self._late.pop(series, None)
        self._studies.release(series, self._settings.on_gap, self._events)
        self._plan_closes()

    def _settle(self, series: Series, at: float) -> None:
        """Hands out what a series held back, and the gap."""
        gap = series.release(self._settings.on_gap, self._events)
        if series in self._late:
            self._events.append(HistoryComplete(series.symbol, series.interval, at, *self._late[series]))
        self._let_go(series)
        self._conclude(gap)

    def _conclude(self, gap: Gap | None) -> None:
        """What a gap entails beyond its event."""
        if gap is not None and self._settings.on_gap == "raise" and self.broken is None:
            span = f"from {_moment(gap.start)} to {_moment(gap.end)}"
            self.broken = ContinuityError(f"{gap.symbol} {gap.interval}: bars {span} were missed ({gap.reason})", gap)
        self._watch.found_gap = self._watch.found_gap or gap is not None

    def _end_backfill(self, session: str, waiting: list[Series], at: float) -> None:
        """A backfill is complete, or there will be none. Each has a chart session to itself, which would go on streaming."""
        self._send(ChartDeleteSession(ChartDeleteSession.Params(session)))
        for series in waiting:
            if series in self._given_up:
                self._settle(series, at)

    def _on_completed(self, reply: SeriesCompleted, at: float) -> None:
        self._on_timed(reply, at)
        p = reply.p
        chart = self._charts.get(p.session)
        if chart is None:
            self._counts["unclaimed"] += 1
            return
        if p.series in chart.history:
            more = chart.history[p.series].completed(p.details, self._server.now(at))
            if more:
                self._send(RequestMoreData(RequestMoreData.Params(p.session, p.series, more)))
        if p.series in chart.backfills:
            self._end_backfill(p.session, chart.backfills.pop(p.series), at)
        series = chart.series.get(p.series)
        if series is None:
            return
        self._awaited.pop(series, None)
        first = not series.completed
        if first:
            series.complete(p.update_mode, number(p.details.get("rt_update_period")) or 0.0)
        if series in self._given_up:
            if first:
                self._late[series] = (series.loaded, p.update_mode)
            # Enough, or are older bars needed?
            more = 0 if "data_completed" in p.details else series.more_needed()
            if more:
                self._send(RequestMoreData(RequestMoreData.Params(p.session, p.series, more)))
            else:
                self._settle(series, at)
        elif first:
            self._events.append(HistoryComplete(series.symbol, series.interval, at, series.loaded, p.update_mode))
            self._plan_closes()

    def _on_resolved(self, reply: SymbolResolved, at: float) -> None:
        self._on_timed(reply, at)
        chart = self._charts.get(reply.p.session)
        if chart is None:
            self._counts["unclaimed"] += 1
        elif chart.purpose not in (_HISTORY, _BACKFILL):
            symbol = chart.symbols.get(reply.p.alias, reply.p.alias)
            info = symbol_info(symbol, reply.p.info)
            self._watch.follow(info)
            self._events.append(info)

    def _on_symbol_error(self, reply: SymbolErrorReply, at: float) -> None:
        self._on_timed(reply, at)
        chart = self._charts.get(reply.session)
        if chart is None:
            self._counts["unclaimed"] += 1
            return
        symbol = chart.symbols.get(reply.alias, reply.alias)
        for request in chart.history.values():
            if request.symbol == symbol:
                request.fail(SymbolError(f"{symbol}: {reply.reason}", reply))
        if chart.purpose not in (_HISTORY, _BACKFILL):
            since = len(self._events)
            self._events.append(SymbolFailed(symbol, at, reply.reason))
            self._once_per_symbol(since)
            for series in chart.series.values():
                if series.symbol == symbol:
                    self._awaited.pop(series, None)
                    self._refuse(symbol, series.interval)
                    self._lose(series, at)

    def _on_series_error(self, reply: SeriesErrorReply, at: float) -> None:
        self._on_timed(reply, at)
        reason = reply.p.reason if isinstance(reply.p.reason, str) else codec.wire_json(reply.p.reason)
        self._fail_series(reply.p.session, reply.p.series, reason, reply, at)

    def _on_study_error(self, reply: StudyErrorReply, at: float) -> None:
        self._on_timed(reply, at)
        if not self._studies.fail(reply, at, self._events):
            self._counts["unclaimed"] += 1

    def _on_critical_error(self, reply: CriticalErrorReply, at: float) -> None:
        p = reply.p
        detail = f"{p.reason}: {p.info if isinstance(p.info, str) else codec.wire_json(p.info)}"
        if p.reason == "invalid timezone":
            # The series of that session go on as before.
            self._events.append(Notice(at, "critical_error", "critical_error", 1, detail))
        elif p.session in self._snapshots:
            self._snapshots[p.session].fail(CriticalError(f"quotes: {detail}", reply))
        elif not self._fail_series(p.session, None, detail, reply, at):
            self._events.append(Notice(at, "critical_error", "critical_error", 1, detail))

    def _fail_series(self, session: str, name: str | None, reason: str, reply: Any, at: float) -> bool:
        """Reports one series, or all of a chart session, as failed; False where there is none."""
        chart = self._charts.get(session)
        if chart is None:
            return False
        requests = [request for key, request in chart.history.items() if name in (None, key)]
        for request in requests:
            request.fail(SeriesError(f"{request.symbol} {request.interval}: {reason}", reply))
        failed = [series for key, series in chart.series.items() if name in (None, key)]
        for series in failed:
            self._awaited.pop(series, None)
            self._events.append(SeriesFailed(series.symbol, series.interval, at, reason))
            self._refuse(series.symbol, series.interval)
            self._lose(series, at)
        unfilled = [key for key in chart.backfills if name in (None, key)]
        for key in unfilled:
            self._end_backfill(session, chart.backfills.pop(key), at)
        return bool(failed or requests or unfilled)

    def _refuse(self, symbol: str, interval: str = "") -> None:
        """This will not come. No data is no stall where nothing else of a symbol is waited for."""
        for name in self._refusals.refuse(symbol, interval, self._subscriptions):
            self._watch.forget(name)

    def _admit(self, symbol: str) -> None:
        for name in self._refusals.admit(symbol, self._subscriptions):
            self._watch.expect(name)

    @property
    def refused(self) -> bool:
        """Whether the server has refused everything that is subscribed to, so that nothing will come on this connection."""
        return self._refusals.all_of(self._subscriptions)

    def _lose(self, series: Series, at: float) -> None:
        """A series that was to be restored will not be."""
        if series in self._given_up:
            gap = series.give_up(self._server.now(at) or at, self._events)
            self._let_go(series)
            self._conclude(gap)

    def _on_protocol_error(self, reply: ProtocolErrorReply, at: float) -> None:
        reason = reply.p.reason
        self._events.append(Notice(at, "protocol_error", "protocol_error", 1, reason))
        # All that is known of this reply is about who may connect; "wrong data" is the one that is not.
        refused = "token" in reason or "banned" in reason or "limit" in reason
        self.failure = (AuthError if refused else ServerError)(f"the server ended the connection: {reason}", reply)

    def _on_anything_else(self, reply: Any, at: float) -> None:
        """Nothing that a client has to know."""

    def _on_command(self, command: Command, at: float) -> None:
        self._on_unknown(Unknown(str(command.__struct_config__.tag), ""), at)

    def _on_unknown(self, reply: Unknown, at: float) -> None:
        self._counts["unknown"] += 1
        notice = self._unknown.note(reply.method, at)
        if notice is not None:
            self._events.append(notice)

    # --- time -----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When `handle_deadline` wants to be called, on the connection's clock; None while nothing is due."""
        deadline = min(self._next_close, self._watch.next_look)
        return None if deadline == math.inf else deadline

    def handle_deadline(self, now: float) -> None:
        """Does what is due at `now`.

        Bars whose end the server's clock has passed are closed, in order of time; a series that waited too long for what it
        missed is let go; a watchdog says so (`stalled`) when what it waits for has not come.
        """
        due = [series for _, series in sorted(self._closes(), key=lambda pair: pair[0]) if self._local(series) <= now]
        for series in due:
            series.close_by_time(self._events)
            self._studies.close(series, self._events)
        for series in [series for series, moment in self._given_up.items() if moment <= now]:
            self._settle(series, now)
        self._watch.look(now, self._server.now(now))
        self._plan_closes()

    def _closes(self) -> list[tuple[float, Series]]:
        return [
            (self._local(series), series) for chart in self._charts.values() for series in chart.series.values()
        ]

    def _local(self, series: Series) -> float:
        """When this series' forming bar is to be closed, on the connection's clock."""
        due = series.due()
        return math.inf if due is None else self._server.ours(due)

    def _plan_closes(self) -> None:
        closes = min((moment for moment, _ in self._closes()), default=math.inf)
        self._next_close = min(closes, min(self._given_up.values(), default=math.inf))

    # --- what has accumulated -------------------------------------------------------------------------------------

    def events(self) -> list[Event]:
        """Takes the events that have accumulated, in order."""
        events = self._events
        self._events = []
        self._counts["events"] += len(events)
        return events

    def messages_to_send(self) -> list[str]:
        """Takes the messages that are to be sent, in order; one packet each, as the browser does."""
        messages = self._outbox
        self._outbox = []
        return messages

    def statistics(self) -> ClientStatistics:
        return ClientStatistics(**{**self._counts, "messages": self._messages, "packets": self._messages + self._packets_more})


def _lasting(purpose: str) -> str:
    """What a series is for, whether it is the first of its kind or stands for another."""
    return "" if purpose in (_ANEW, AGAIN) else purpose


def _interval(resolution: str) -> tuple[str, int | None]:
    """The interval of a command in our spelling, and its seconds; another client's odd one stays as it is."""
    try:
        interval = Interval.parse(resolution)
    except InvalidInterval:
        return resolution, None
    return str(interval), interval.seconds


def _moment(time: float) -> str:
    """A bar's time for people; one beyond what a `datetime` holds stays a number."""
    try:
        return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return f"{time:.0f}"
