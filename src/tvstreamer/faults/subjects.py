"""What a message is about: the methods of its packets and the symbols that they concern.

Bars do not name their symbol, only the series that the client made for one; so the client's commands are followed.
"""

from __future__ import annotations

from typing import NamedTuple

from tvstreamer.errors import FramingError
from tvstreamer.faults.kinds import UPSTREAM
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.codec import AnyCommand, AnyReply
from tvstreamer.protocol.packets import (
    ChartCreateSession,
    CreateSeries,
    DataUpdate,
    Heartbeat,
    Hello,
    ModifySeries,
    QuoteAddSymbols,
    QuoteCompleted,
    QuoteCreateSession,
    QuoteData,
    QuoteFastSymbols,
    QuoteRemoveSymbols,
    RemoveSeries,
    RequestMoreData,
    ResolveSymbol,
    SeriesCompleted,
    SeriesErrorReply,
    SeriesLoading,
    SymbolErrorReply,
    SymbolResolved,
    TimescaleUpdate,
    Unknown,
)
from tvstreamer.symbols import plain_symbol


class About(NamedTuple):
    """The methods and the symbols, in upper case, of all packets of a message. A message that is not well framed has none."""

    methods: frozenset[str]
    symbols: frozenset[str]


class Subjects:
    """Follows one connection's commands, and tells what its messages are about."""

    def __init__(self) -> None:
        self._aliases: dict[tuple[str, str], str] = {}
        self._series: dict[tuple[str, str], str] = {}
        self._chart = ""
        self._quote = ""
        self._last: tuple[str, str, About] | None = None

    @property
    def session(self) -> str:
        """The client's newest chart session, or else its newest quote session; "" where it has none."""
        return self._chart or self._quote

    def follow(self, message: str) -> None:
        """Learns from a message that the client sends."""
        for payload in payloads_of(message):
            self.learn(codec.decode_command(payload))

    def learn(self, command: AnyCommand) -> None:
        """Learns from one command."""
        self._last = None
        match command:
            case ChartCreateSession(p=p):
                self._chart = p.session
            case QuoteCreateSession(p=p):
                self._quote = p.session
            case ResolveSymbol(p=p):
                self._aliases[p.session, p.alias] = _symbol(p.symbol)
            case CreateSeries(p=p) | ModifySeries(p=p):
                self._series[p.session, p.series] = self._aliases.get((p.session, p.alias), "")
            case _:
                pass

    def about(self, message: str, direction: str) -> About:
        """What a message of this direction is about."""
        # Each fault of a plan asks for the same message.
        if self._last is None or self._last[:2] != (message, direction):
            self._last = (message, direction, self._look(message, direction))
        return self._last[2]

    def _look(self, message: str, direction: str) -> About:
        methods: set[str] = set()
        symbols: set[str] = set()
        for payload in payloads_of(message):
            if direction == UPSTREAM:
                command = codec.decode_command(payload)
                methods.add(_method(command))
                symbols.update(self._of_command(command))
            else:
                reply = codec.decode_reply(payload)
                methods.add(_method(reply))
                symbols.update(self._of_reply(reply))
        return About(frozenset(methods), frozenset(symbols) - {""})

    def _of_command(self, command: AnyCommand) -> list[str]:
        match command:
            case ResolveSymbol(p=p):
                return [_symbol(p.symbol)]
            case CreateSeries(p=p) | ModifySeries(p=p):
                return [self._aliases.get((p.session, p.alias), "")]
            case RemoveSeries(p=p) | RequestMoreData(p=p):
                return [self._series.get((p.session, p.series), "")]
            case QuoteAddSymbols(names=names) | QuoteRemoveSymbols(names=names) | QuoteFastSymbols(names=names):
                return [_symbol(name) for name in names]
            case _:
                return []

    def _of_reply(self, reply: AnyReply) -> list[str]:
        match reply:
            case QuoteData(p=p):
                return [_symbol(p.update.n)]
            case QuoteCompleted(p=p):
                return [_symbol(p.symbol)]
            case DataUpdate(p=p) | TimescaleUpdate(p=p):
                return [self._series.get((p.session, series), "") for series in p.objects]
            case SymbolResolved(p=p):
                return [self._aliases.get((p.session, p.alias), "")]
            case SymbolErrorReply(session=session, alias=alias):
                return [self._aliases.get((session, alias), "")]
            case SeriesLoading(p=p) | SeriesCompleted(p=p) | SeriesErrorReply(p=p):
                return [self._series.get((p.session, p.series), "")]
            case _:
                return []


def payloads_of(message: str) -> list[str]:
    """The payloads of a message; none where it is not well framed."""
    try:
        return framing.split(message)
    except FramingError:
        return []


def only_heartbeats(message: str) -> bool:
    """Whether there is nothing but heartbeats in a message."""
    payloads = payloads_of(message)
    return bool(payloads) and all(map(framing.heartbeat, payloads))


def _method(packet: AnyCommand | AnyReply) -> str:
    match packet:
        case Heartbeat():
            return "heartbeat"
        case Hello():
            return "hello"
        case Unknown(method=method):
            return method
        case _:
            return str(packet.__struct_config__.tag)


def _symbol(wire: str) -> str:
    return plain_symbol(wire).upper()
