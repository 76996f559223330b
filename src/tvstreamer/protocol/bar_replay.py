"""The client's side of a bar replay, without the connection: a connection of its own that goes through the past of a symbol.

Driven like `ClientProtocol`: messages in, messages and events out. Bars mean what they mean in a live stream: the newest is
open, and is told once more as closed when its successor comes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from tvstreamer.constants import ANONYMOUS_TOKEN
from tvstreamer.errors import (
    AuthError,
    CriticalError,
    InvalidPlan,
    RemoteProtocolError,
    SeriesError,
    SymbolError,
    TvError,
    shorten,
)
from tvstreamer.events import Bar, Event
from tvstreamer.intervals import Interval
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.charts import Series
from tvstreamer.protocol.ids import IdSource
from tvstreamer.protocol.packets import (
    ChartCreateSession,
    Command,
    CreateSeries,
    CriticalErrorReply,
    DataUpdate,
    Heartbeat,
    ProtocolErrorReply,
    ReplayAddSeries,
    ReplayCreateSession,
    ReplayDataEnd,
    ReplayErrorReply,
    ReplayOk,
    ReplayPoint,
    ReplayReset,
    ReplayStart,
    ReplayStep,
    ReplayStop,
    ResolveSymbol,
    SeriesCompleted,
    SeriesErrorReply,
    SetAuthToken,
    SetLocale,
    SymbolErrorReply,
    TimescaleUpdate,
)
from tvstreamer.symbols import parse_symbol, wire_symbol

if TYPE_CHECKING:
    from random import Random

MOST_BARS: Final = 1_000_000
MOST_STEPS: Final = 1_000
"""How many bars one step may have."""


class BarReplayProtocol:
    """A bar replay of one symbol and interval, which begins with up to `bars` bars that opened by `start`."""

    def __init__(
        self,
        symbol: object,
        interval: Interval | str,
        start: float,
        *,
        rng: Random,
        bars: int = 300,
        token: str = ANONYMOUS_TOKEN,
        locale: tuple[str, str] = ("en", "US"),
    ) -> None:
        if not 0 <= start < 2**53:
            raise InvalidPlan(f"start {start!r}: expected seconds since the epoch")
        if not (isinstance(bars, int) and 1 <= bars <= MOST_BARS):
            raise InvalidPlan(f"bars {bars!r}: expected a whole number from 1 to {MOST_BARS}")
        self.symbol = parse_symbol(symbol)
        self.interval = Interval.parse(interval)
        self._ids = IdSource(rng)
        self._replay, self._chart = self._ids.session("rs"), self._ids.session("cs", "replay")
        self._requests = 0
        self._answered: set[str] = set()
        self._events: list[Event] = []
        self._series = Series(self.symbol, str(self.interval), self.interval.seconds)
        self.point: float | None = None
        """When the newest bar that is shown opened."""
        self.ended = False
        """Whether the server has said that there are no more bars."""
        self.failure: TvError | None = None
        self._outbox: list[str] = []
        self._begin(start, bars, token, locale)

    def __repr__(self) -> str:
        state = "failed" if self.failure else "ended" if self.ended else f"at {self.point}" if self.loaded else "loading"
        return f"<BarReplayProtocol {self.symbol} {self.interval} {state}>"

    @property
    def loaded(self) -> bool:
        """Whether the bars that it begins with are here."""
        return self._series.completed

    def _begin(self, start: float, bars: int, token: str, locale: tuple[str, str]) -> None:
        wire, resolution = wire_symbol(self.symbol), str(self.interval)
        name, turnaround, alias = self._ids.series()
        bound = {"replay": self._replay, "symbol": json.loads(wire[1:])}
        inner = bound["symbol"]
        if isinstance(inner.get("symbol"), dict):
            # A chart type stands beside the replay, not inside it.
            bound = {"replay": self._replay, **inner}
        moment = int(start) if float(start).is_integer() else start
        for command in (
            SetAuthToken(SetAuthToken.Params(token)),
            SetLocale(SetLocale.Params(*locale)),
            ReplayCreateSession(ReplayCreateSession.Params(self._replay)),
            ReplayAddSeries(ReplayAddSeries.Params(self._replay, self._request("add"), wire, resolution)),
            ReplayReset(ReplayReset.Params(self._replay, self._request("reset"), moment)),
            ChartCreateSession(ChartCreateSession.Params(self._chart)),
            ResolveSymbol(ResolveSymbol.Params(self._chart, alias, "=" + json.dumps(bound, separators=(",", ":")))),
            CreateSeries(CreateSeries.Params(self._chart, name, turnaround, alias, resolution, bars)),
        ):
            self._send(command)

    # --- what the user wants --------------------------------------------------------------------------------------

    def step(self, count: int = 1) -> str:
        """Goes on by so many bars. Returns the request, for `answered`."""
        if not (isinstance(count, int) and 1 <= count <= MOST_STEPS):
            raise InvalidPlan(f"step {shorten(count)}: expected a whole number from 1 to {MOST_STEPS}")
        request = self._request("step")
        self._send(ReplayStep(ReplayStep.Params(self._replay, request, count)))
        return request

    def play(self, speed: float) -> str:
        """Goes on by itself, `speed` bars a second."""
        if not 0 < speed <= 1_000:
            raise InvalidPlan(f"speed {shorten(speed)}: expected bars a second, above 0 and up to 1000")
        request = self._request("start")
        self._send(ReplayStart(ReplayStart.Params(self._replay, request, max(1, round(1000 / speed)))))
        return request

    def pause(self) -> str:
        """Stops going on by itself."""
        request = self._request("stop")
        self._send(ReplayStop(ReplayStop.Params(self._replay, request)))
        return request

    def answered(self, request: str) -> bool:
        """Whether the server has carried out a request; tells it once."""
        if request in self._answered:
            self._answered.remove(request)
            return True
        return False

    def _request(self, what: str) -> str:
        self._requests += 1
        return f"req_replay_{what}_{self._requests}"

    def _send(self, command: Command) -> None:
        self._outbox.append(framing.packet(codec.encode(command)))

    # --- what the carrier calls -----------------------------------------------------------------------------------

    def messages_to_send(self) -> list[str]:
        """Takes the messages that are to be sent, in order."""
        messages, self._outbox = self._outbox, []
        return messages

    def events(self) -> list[Bar]:
        """Takes the bars that were told since."""
        events, self._events = self._events, []
        return [event for event in events if isinstance(event, Bar)]

    def receive(self, message: str) -> None:
        """Takes a message of the server. Raises `FramingError` for one that is not well framed."""
        for payload in framing.split(message):
            self._take(codec.decode_reply(payload))

    def lost(self, code: int, reason: str) -> None:
        """The connection is over."""
        if self.failure is None:
            self.failure = RemoteProtocolError(f"{self._name}: connection lost: {code} {reason}".rstrip())

    def _take(self, reply: codec.AnyReply) -> None:
        match reply:
            case Heartbeat(text=text):
                self._outbox.append(framing.packet(text))
            case DataUpdate(p=p) | TimescaleUpdate(p=p):
                for data in p.objects.values():
                    self._series.apply(data.s or [], data.lbs.bar_close_time if data.lbs else None, self._events)
            case SeriesCompleted(p=p):
                self._series.complete(p.update_mode, 0.0)
            case ReplayOk(p=p):
                self._answered.add(p.turnaround)
            case ReplayPoint(p=p):
                self.point = float(p.time)
            case ReplayDataEnd():
                self.ended = True
            case SymbolErrorReply():
                self._fail(SymbolError(f"{self.symbol}: {reply.reason}", reply))
            case SeriesErrorReply(p=p):
                reason = p.reason if isinstance(p.reason, str) else json.dumps(p.reason)
                self._fail(SeriesError(f"{self._name}: {reason}", reply))
            case ReplayErrorReply(p=p):
                refusal = SymbolError if "symbol" in str(p.reason) else SeriesError
                self._fail(refusal(f"{self._name}: bar replay: {p.reason}", reply))
            case CriticalErrorReply(p=p):
                self._fail(CriticalError(f"{self._name}: {p.reason}: {shorten(p.info)}", reply))
            case ProtocolErrorReply(p=p):
                kind = AuthError if "auth" in p.reason else CriticalError
                self._fail(kind(p.reason, reply))
            case _:
                pass

    @property
    def _name(self) -> str:
        return f"{self.symbol} {self.interval}"

    def _fail(self, error: TvError) -> None:
        """The first reason is the one that tells most."""
        self.failure = self.failure or error
