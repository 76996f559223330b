"""The server's side of a connection, without the connection: hello, heartbeats, sessions, and what gets rejected.

The strict mirror of `ClientProtocol`: commands come out of `requests()` checked and in order, with the sessions, symbols
and series they name kept; whoever answers them hands packets to `reply`. What to answer, and when, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from tvstreamer.constants import HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT
from tvstreamer.errors import FramingError, InvalidPlan, shorten
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.journal import Journal
from tvstreamer.protocol.packets import (
    COMMANDS,
    ChartCreateSession,
    ChartDeleteSession,
    Command,
    CreatePointset,
    CreateSeries,
    CreateStudy,
    CriticalErrorReply,
    GetFirstBarTime,
    Heartbeat,
    Hello,
    ModifySeries,
    ModifyStudy,
    ProtocolErrorReply,
    QuoteAddSymbols,
    QuoteCreateSession,
    QuoteDeleteSession,
    QuoteFastSymbols,
    QuoteHibernateAll,
    QuoteListFields,
    QuoteRemoveSymbols,
    QuoteSetFields,
    RemoveSeries,
    RemoveStudy,
    ReplayAddSeries,
    ReplayCreateSession,
    ReplayDeleteSession,
    ReplayRemoveSeries,
    ReplayReset,
    ReplaySetResolution,
    ReplayStart,
    ReplayStep,
    ReplayStop,
    Reply,
    RequestMoreData,
    RequestMoreTickmarks,
    ResolveSymbol,
    SwitchTimezone,
    Unknown,
)

_METHOD = re.compile(r'~m~\d+~m~\{"m":"([^"]{1,64})"')
_KNOWN = {str(command.__struct_config__.tag) for command in COMMANDS}
DEFAULT_TIMEZONE: Final = "America/New_York"
"""What the real server takes until it is told otherwise (seen 2025-07-06)."""

UNANSWERED: Final = {
    "set_data_quality": "one quality is served",
    "set_broker": "no broker has data of its own",
    "request_data_problems": "there are none, and the form of the answer is unknown",
    "request_studies_metadata": "the form of the answer is unknown",
    "switch_protocol": "the binary protocol is no more",
    "message": "a hook of the vendor's tests",
    "mock_fire_tick": "a hook of the vendor's tests",
    "quote_fire_tick": "a hook of the vendor's tests",
    "quote_fire_crash": "a hook of the vendor's tests",
    "set_future_tickmarks_mode": "future tick marks have one mode",
    "create_child_study": "no study takes another",
    "notify_study": "no study takes notices",
    "modify_pointset": "no pointset exists",
    "remove_pointset": "no pointset exists",
    "quote_switch_timezone": "no field depends on the timezone",
    "depth_create_session": "there is no order book",
    "depth_set_symbol": "there is no order book",
    "depth_clear_symbol": "there is no order book",
    "depth_set_scale": "there is no order book",
    "depth_delete_session": "there is no order book",
    "replay_get_depth": "nothing is known of its answer but the name",
    "history_create_session": "its requests are refused",
    "history_delete_session": "its requests are refused",
}
"""Methods of the real server that get no answer here, and why: none is known, or it would say nothing."""


class ServerChart:
    """A client's chart session: its timezone, symbols (alias -> symbol string) and series (id -> the command that made it)."""

    __slots__ = ("series", "symbols", "timezone")

    def __init__(self) -> None:
        self.timezone = DEFAULT_TIMEZONE
        self.symbols: dict[str, str] = {}
        self.series: dict[str, CreateSeries] = {}


class ServerQuotes:
    """A client's quote session: the fields it wants (None: all), the symbol strings it follows, and which of them are to be
    told at once (None: all)."""

    __slots__ = ("fast", "fields", "names")

    def __init__(self) -> None:
        self.fast: frozenset[str] | None = None
        self.fields: list[str] | None = None
        self.names: dict[str, None] = {}


class ServerReplay:
    """A client's bar replay session: the symbol string and resolution of each of its series."""

    __slots__ = ("series",)

    def __init__(self) -> None:
        self.series: dict[tuple[str, str], None] = {}


class ServerProtocol:
    """One client's connection as the server sees it. Not thread-safe: one owner at a time."""

    def __init__(
        self,
        hello: Hello,
        *,
        heartbeat_interval: float = HEARTBEAT_INTERVAL,
        heartbeat_timeout: float | None = HEARTBEAT_TIMEOUT,
        strict: bool = False,
        number: int = 1,
    ) -> None:
        if not heartbeat_interval > 0:
            raise InvalidPlan(f"heartbeat_interval {heartbeat_interval!r}: expected seconds above 0")
        self._hello = hello
        self._interval = heartbeat_interval
        self._patience = heartbeat_timeout
        self._strict = strict
        self._outbox: list[str] = []
        self.unsent = 0
        """How many characters nobody has taken to send them so far."""
        self._requests: list[Command] = []
        self._next_heartbeat: float | None = None
        self._heartbeats = 0
        self._unechoed: dict[str, float] = {}
        self.charts: dict[str, ServerChart] = {}
        self.quotes: dict[str, ServerQuotes] = {}
        self.replays: dict[str, ServerReplay] = {}
        self.journal = Journal(number)
        self._now = 0.0
        self.closing: tuple[int, str] | None = None
        """Code and reason once the connection is to be closed, after what is still to be sent."""

    def __repr__(self) -> str:
        state = f"closing {self.closing}" if self.closing else "open"
        return f"<ServerProtocol {state}, {len(self.charts)} chart and {len(self.quotes)} quote sessions>"

    @property
    def heartbeats(self) -> int:
        """How many heartbeats were sent."""
        return self._heartbeats

    @property
    def unechoed(self) -> int:
        """How many of them were not echoed so far."""
        return len(self._unechoed)

    # --- the connection -------------------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """Greets, and starts to count the time between heartbeats."""
        self._now = now
        self._put(framing.packet(codec.encode(self._hello)))
        self._next_heartbeat = now + self._interval

    def receive(self, message: str, at: float) -> None:
        """Takes a client's message. Raises `FramingError` where not even leniency finds packets in it."""
        self._now = at
        try:
            payloads = framing.split(message)
        except FramingError as error:
            if self._strict:
                raise
            payloads = framing.split_leniently(message)
            # Without what stands there: it may be a token.
            self.note(at, "tolerated", "", f"{error.problem} at character {error.offset}")
        for payload in payloads:
            self._receive_payload(payload, at)

    def _receive_payload(self, payload: str, at: float) -> None:
        command = codec.decode_command(payload)
        if isinstance(command, Heartbeat):
            if self._unechoed.pop(command.text, None) is None:
                self.note(at, "ignored", "heartbeat", f"{command.text} was not waited for")
            return
        if isinstance(command, Unknown):
            known = self._tolerate(command, at)
            if known is None:
                return
            command = known
        self.journal.command(at, command, self._symbol_of)
        if self._keep(command, at):
            self._requests.append(command)

    def _tolerate(self, command: Unknown, at: float) -> Command | None:
        """What to make of a command that does not have its declared shape."""
        method, parameters = codec.parameters(command.text)
        if method in UNANSWERED:
            self.note(at, "ignored", method, UNANSWERED[method])
            return None
        if method not in _KNOWN:
            self.note(at, "ignored", method, "unknown method" if method else "not a command")
            return None
        if method == "quote_add_symbols" and not self._strict:
            flat = _flatten(parameters)
            if flat is not None:
                self.note(at, "tolerated", method, "a list inside the list of symbols")
                return QuoteAddSymbols(flat)
        session = parameters[0] if parameters and isinstance(parameters[0], str) else ""
        self.reject(session, "invalid_parameters", method, at)
        return None

    def reject(self, session: str, reason: str, info: str, at: float) -> None:
        """Refuses a call; the socket and other sessions live on. `info` is its method, or begins `method: METHOD.`"""
        self.note(at, "rejected", info.removeprefix("method: ").split(".", maxsplit=1)[0], reason)
        self.reply([CriticalErrorReply(CriticalErrorReply.Params(session, reason, info))])

    def _keep(self, command: Command, at: float) -> bool:
        """Keeps the books of sessions; False for a command that names a session nobody created."""
        match command:
            case ChartCreateSession(p=p):
                return self._begin(self.charts, p.session, ServerChart, command, at)
            case ChartDeleteSession(p=p):
                return self._end(self.charts, p.session, command, at)
            case SwitchTimezone(p=p):
                return self._may_have(self.charts, p.session, command, at)
            case GetFirstBarTime(p=p) | RequestMoreData(p=p) | RequestMoreTickmarks(p=p) | CreatePointset(p=p):
                return self._has(self.charts, p.session, command, at)
            case ResolveSymbol(p=p):
                if not self._has(self.charts, p.session, command, at):
                    return False
                self.charts[p.session].symbols[p.alias] = p.symbol
            case CreateSeries(p=p):
                if not self._has(self.charts, p.session, command, at):
                    return False
                self.charts[p.session].series[p.series] = command
            case ModifySeries(p=p):
                if not self._has(self.charts, p.session, command, at):
                    return False
                self._modify(p, at)
            case RemoveSeries(p=p):
                if not self._may_have(self.charts, p.session, command, at):
                    return False
                if self.charts[p.session].series.pop(p.series, None) is None:
                    self.note(at, "ignored", "remove_series", f"no series {shorten(p.series)}")
                    return False
            case RemoveStudy(p=p):
                return self._may_have(self.charts, p.session, command, at)
            case CreateStudy(p=p) | ModifyStudy(p=p):
                return self._has(self.charts, p.session, command, at)
            case QuoteCreateSession(p=p):
                return self._begin(self.quotes, p.session, ServerQuotes, command, at)
            case QuoteDeleteSession(p=p):
                return self._end(self.quotes, p.session, command, at)
            case QuoteSetFields(session=session, names=names):
                if not self._has(self.quotes, session, command, at):
                    return False
                self.quotes[session].fields = list(names)
            case QuoteAddSymbols(session=session, names=names):
                if not self._has(self.quotes, session, command, at):
                    return False
                self.quotes[session].names.update(dict.fromkeys(names))
            case QuoteFastSymbols(session=session, names=names):
                if not self._may_have(self.quotes, session, command, at):
                    return False
                self.quotes[session].fast = frozenset(names)
                self._odd_names(session, names, command, at)
            case QuoteHibernateAll(session=session):
                if not self._may_have(self.quotes, session, command, at):
                    return False
                self.quotes[session].fast = frozenset()
            case QuoteRemoveSymbols(session=session, names=names):
                if not self._may_have(self.quotes, session, command, at):
                    return False
                self._odd_names(session, names, command, at)
                for name in names:
                    self.quotes[session].names.pop(name, None)
            case QuoteListFields(session=session):
                return self._has(self.quotes, session, command, at)
            case ReplayCreateSession(p=p):
                return self._begin(self.replays, p.session, ServerReplay, command, at)
            case ReplayDeleteSession(p=p):
                return self._end(self.replays, p.session, command, at)
            case ReplayReset(p=p) | ReplayStep(p=p) | ReplayStart(p=p) | ReplayStop(p=p) | ReplaySetResolution(p=p):
                return self._has(self.replays, p.session, command, at)
            case ReplayAddSeries(p=p):
                if not self._has(self.replays, p.session, command, at):
                    return False
                self.replays[p.session].series[p.symbol, p.resolution] = None
            case ReplayRemoveSeries(p=p):
                if not self._has(self.replays, p.session, command, at):
                    return False
                self.replays[p.session].series.pop((p.symbol, p.resolution), None)
            case _:
                pass
        return True

    def _begin(self, sessions: dict[str, Any], session: str, kind: type, command: Command, at: float) -> bool:
        """A session of this name; one that exists already goes on as it is."""
        if session in sessions:
            self.note(at, "tolerated", f"{command.__struct_config__.tag}", f"session {shorten(session)} exists already")
            return False
        sessions[session] = kind()
        return True

    def _end(self, sessions: dict[str, Any], session: str, command: Command, at: float) -> bool:
        if sessions.pop(session, None) is None:
            self.note(at, "ignored", f"{command.__struct_config__.tag}", f"no session {shorten(session)}")
            return False
        return True

    def _modify(self, p: ModifySeries.Params, at: float) -> None:
        """A series is from now on what the command says, but for the count, which it does not have."""
        series = self.charts[p.session].series
        before = series.get(p.series)
        if before is None:
            self.note(at, "tolerated", "modify_series", f"no series {shorten(p.series)}: created")
        count = 300 if before is None else before.p.count
        changed = CreateSeries.Params(p.session, p.series, p.turnaround, p.alias, p.resolution, count, p.period)
        series[p.series] = CreateSeries(changed)

    def _odd_names(self, session: str, names: list[str], command: Command, at: float) -> None:
        strangers = [name for name in names if name not in self.quotes[session].names]
        if strangers:
            self.note(at, "tolerated", f"{command.__struct_config__.tag}", f"not added: {shorten(strangers)}")

    def _has(self, sessions: dict[str, Any], session: str, command: Command, at: float) -> bool:
        if session in sessions:
            return True
        self.reject(session, "invalid_session", f"{command.__struct_config__.tag}", at)
        return False

    def _may_have(self, sessions: dict[str, Any], session: str, command: Command, at: float) -> bool:
        """As `_has`, for commands that are never answered."""
        if session not in sessions:
            self.note(at, "ignored", f"{command.__struct_config__.tag}", f"no session {shorten(session)}")
        return session in sessions

    # --- answers --------------------------------------------------------------------------------------------------

    def requests(self) -> list[Command]:
        """Takes the commands that wait for an answer, in order."""
        requests = self._requests
        self._requests = []
        return requests

    def reply(self, packets: Iterable[Reply], at: float | None = None) -> None:
        """Sends these packets as one message. `at` is for the journal; the last moment heard of where it is not given."""
        moment = self._now if at is None else at
        payloads = []
        for packet in packets:
            self.journal.reply(moment, packet)
            payloads.append(codec.encode(packet))
        if payloads:
            self._put(framing.join(payloads))

    def send(self, message: str, at: float | None = None) -> None:
        """Sends a message as it is."""
        self.journal.message(self._now if at is None else at, _METHOD.findall(message))
        self._put(message)

    def refuse(self, reason: str, at: float) -> None:
        """The fatal error: says why and hangs up."""
        self.note(at, "rejected", "protocol_error", reason)
        self.reply([ProtocolErrorReply(ProtocolErrorReply.Params(reason))])
        self.close(1000, reason, at)

    def close(self, code: int, reason: str, at: float) -> None:
        """Hangs up once everything is sent."""
        if self.closing is None:
            self.note(at, "closed", "", f"{code} {reason}".strip())
            self.closing = (code, reason)

    def messages_to_send(self) -> list[str]:
        """Takes the messages that are to be sent, in order."""
        messages = self._outbox
        self._outbox = []
        self.unsent = 0
        return messages

    def _put(self, message: str) -> None:
        self._outbox.append(message)
        self.unsent += len(message)

    # --- time -----------------------------------------------------------------------------------------------------

    def next_deadline(self) -> float | None:
        """When the next heartbeat is due, or the patience with a missing echo ends; None once closing."""
        if self.closing is not None or self._next_heartbeat is None:
            return None
        if self._patience is not None and self._unechoed:
            return min(self._next_heartbeat, next(iter(self._unechoed.values())) + self._patience)
        return self._next_heartbeat

    def jump(self, seconds: float) -> None:
        """Time is about to be set forward: no heartbeat is due, and no echo missing, for what nobody lived through."""
        if self._next_heartbeat is not None:
            self._next_heartbeat += seconds
        self._unechoed = {text: sent + seconds for text, sent in self._unechoed.items()}

    def handle_deadline(self, now: float) -> None:
        """Sends the heartbeats that are due, each alone in its message; drops a client that does not echo."""
        self._now = now
        if self.closing is not None or self._next_heartbeat is None:
            return
        if self._patience is not None and self._unechoed:
            oldest, sent = next(iter(self._unechoed.items()))
            if now >= sent + self._patience:
                self.close(1000, f"no echo of {oldest} within {self._patience:g} s", now)
                return
        while self._next_heartbeat <= now:
            self._heartbeats += 1
            text = f"~h~{self._heartbeats}"
            self._put(framing.packet(text))
            self._unechoed[text] = self._next_heartbeat
            self._next_heartbeat += self._interval

    def note(self, at: float, kind: str, method: str, detail: str = "") -> None:
        """An entry in the journal."""
        self.journal.note(at, kind, method, detail)

    def _symbol_of(self, session: str, name: str) -> str | None:
        """The symbol string of an alias or of a series."""
        chart = self.charts.get(session)
        if chart is None:
            return None
        series = chart.series.get(name)
        return chart.symbols.get(name if series is None else series.p.alias)


def _flatten(parameters: list[Any]) -> list[str] | None:
    """One level of nested lists undone, as one client nests its symbols; None where anything is not a string."""
    flat: list[Any] = []
    for parameter in parameters:
        flat.extend(parameter if isinstance(parameter, list) else [parameter])
    return flat if all(isinstance(each, str) for each in flat) else None
