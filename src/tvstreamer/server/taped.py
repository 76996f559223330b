"""What the fake server answers when it serves a tape: the recorded replies, with the ids of whoever asks.

Recorded heartbeats are left out, the server sends its own. The tape waits until the client has asked for the first thing;
from then on it plays at its own pace by the connection's clock. What is asked for and is not on the tape is answered as an
unknown symbol. When the tape is over the market is quiet: the connection stays open. What the account may not see is refused
before the tape is asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from tvstreamer.errors import FramingError, TapeFormatError, TapeMismatch
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.packets import (
    Command,
    CreateSeries,
    CreateStudy,
    Hello,
    ModifySeries,
    ModifyStudy,
    QuoteAddSymbols,
    QuoteCompleted,
    QuoteData,
    QuoteUpdate,
    ReplayAddSeries,
    ReplayErrorReply,
    ReplayRemoveSeries,
    ReplayReset,
    ReplaySetResolution,
    ReplayStart,
    ReplayStep,
    ReplayStop,
    Reply,
    ResolveSymbol,
    SeriesErrorReply,
    SeriesLoading,
    SetAuthToken,
    StudyErrorReply,
    SymbolErrorReply,
    SymbolResolved,
)
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.account import NO_REPLAY, Account
from tvstreamer.server.charts.symbol_strings import decode
from tvstreamer.server.manners import NODE, Manners, hello
from tvstreamer.tape.player import Playback
from tvstreamer.tape.reader import TapeReader

_RESOLVED: Final = "symbol_resolved"


class TapeConnection:
    """One client of a server that plays a tape. Not thread-safe: one owner at a time."""

    def __init__(
        self,
        open_playback: Callable[[], Playback],
        manners: Manners,
        number: int = 1,
        *,
        is_unknown: Callable[[str], bool] = lambda _symbol: False,
    ) -> None:
        self._playback = open_playback()
        self._manners = manners
        self._is_unknown = is_unknown
        self._account: Account | None = None
        self._number = number
        self.protocol: ServerProtocol | None = None
        self._base: float | None = None
        """The moment on the connection's clock that stands for the tape's beginning, once the client asks."""

    def __repr__(self) -> str:
        return f"<TapeConnection {self._number}, {self._playback!r}>"

    def connected(self, now: float) -> None:
        manners = self._manners
        self.protocol = ServerProtocol(
            self._recorded_hello() or hello(self._number, now),
            heartbeat_interval=manners.heartbeat_interval,
            heartbeat_timeout=manners.heartbeat_timeout,
            strict=manners.strict,
            number=self._number,
        )
        self.protocol.connected(now)
        self._account = Account(self.protocol, manners, self._is_unknown)
        if manners.refusal:
            self.protocol.refuse(manners.refusal, now)

    def _recorded_hello(self) -> Hello | None:
        record = self._playback.peek()
        if record is None or record.k != "recv":
            return None
        payloads = record.payloads()
        first = codec.decode_reply(payloads[0]) if len(payloads) == 1 else None
        if not isinstance(first, Hello):
            return None
        self._playback.take()
        return first

    def disconnected(self, at: float, code: int, reason: str = "") -> None:
        self._base = None
        self._playback.close()

    @property
    def _server(self) -> ServerProtocol:
        assert self.protocol is not None, "connected() comes first"
        return self.protocol

    @property
    def active(self) -> bool:
        """Whether there is still something to play to a client that has asked."""
        return self._base is not None and self._playback.peek() is not None

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

    def _answer(self, command: Command, at: float) -> None:
        server = self._server
        if isinstance(command, SetAuthToken):
            # A tape's own token is not on it: any client may see what is, unless the server was told whom to know.
            if self._manners.tokens and not self._manners.accepts(command.p.token, at):
                server.refuse("bad auth token", at)
            return
        assert self._account is not None, "connected() comes first"
        passed, replies = self._account.pass_on(command, at)
        server.reply(replies)
        if passed is None:
            return
        try:
            if _is_of_a_replay(passed):
                raise TapeMismatch(f"{NO_REPLAY}; one that is a market has (market=..., --market FILE)")
            self._playback.asked(passed)
        except TapeMismatch as mismatch:
            server.note(at, "rejected", str(passed.__struct_config__.tag), str(mismatch))
            server.reply(self._refusal(passed))
            return
        if self._base is None and self._playback.first_ask is not None:
            self._base = at - self._playback.first_ask / 1e9

    def _refusal(self, command: Command) -> list[Reply]:
        match command:
            case ResolveSymbol(p=p):
                return [SymbolErrorReply([p.session, p.alias, "invalid symbol"])]
            case CreateSeries(p=p) | ModifySeries(p=p):
                error = SeriesErrorReply.Params(p.session, p.series, p.turnaround, "resolve error", f"{NODE}@{NODE}")
                loading = SeriesLoading.Params(p.session, p.series, p.turnaround)
                return [SeriesLoading(loading), SeriesErrorReply(error)]
            case CreateStudy(p=p) | ModifyStudy(p=p):
                return [StudyErrorReply(StudyErrorReply.Params(p.session, p.study, p.turnaround, "not on the tape", NODE))]
            case QuoteAddSymbols(session=session, names=names):
                replies: list[Reply] = []
                for name in names:
                    if self._playback.follows(session, name):
                        continue
                    update = QuoteUpdate(name, "error", "no_such_symbol", {})
                    replies += [
                        QuoteData(QuoteData.Params(session, update)),
                        QuoteCompleted(QuoteCompleted.Params(session, name)),
                    ]
                return replies
            case (
                ReplayAddSeries(p=p) | ReplayRemoveSeries(p=p) | ReplayReset(p=p) | ReplayStep(p=p) | ReplayStart(p=p)
                | ReplayStop(p=p) | ReplaySetResolution(p=p)
            ):  # fmt: skip
                return [ReplayErrorReply(ReplayErrorReply.Params(p.session, p.turnaround, NO_REPLAY, ""))]
            case _:
                return []

    def messages_to_send(self) -> list[str]:
        return self._server.messages_to_send()

    def next_deadline(self) -> float | None:
        moments = [self._server.next_deadline(), self._next_record()]
        return min((moment for moment in moments if moment is not None), default=None)

    def _next_record(self) -> float | None:
        if self._base is None or self._server.closing is not None:
            return None
        record = self._playback.peek()
        return None if record is None else self._base + record.t / 1e9

    def handle_deadline(self, now: float) -> None:
        while (moment := self._next_record()) is not None and moment <= now:
            self._play(moment)
        self._server.handle_deadline(now)

    def _play(self, moment: float) -> None:
        record = self._playback.peek()
        assert record is not None
        if record.k == "close":
            self._playback.take()
            if record.by == "server":
                self._server.close(record.code, record.reason, moment)
            return
        text = self._playback.take()
        if text is not None and not _only_heartbeats(text):
            self._server.send(text, moment)


def _is_of_a_replay(command: Command) -> bool:
    """Whether a command is about a bar replay, or about a symbol as one shows it."""
    if not isinstance(command, ResolveSymbol):
        return str(command.__struct_config__.tag).startswith("replay_")
    value = decode(command.p.symbol)
    while isinstance(value, Mapping):
        if "replay" in value:
            return True
        value = value.get("symbol")
    return False


def _only_heartbeats(message: str) -> bool:
    try:
        return all(framing.heartbeat(payload) for payload in framing.split(message))
    except FramingError:
        return False


def recorded_symbols(path: Path) -> dict[str, dict[str, Any]]:
    """The symbols that a tape's server has resolved, each with its info."""
    symbols: dict[str, dict[str, Any]] = {}
    # What is broken further on is reported by whoever plays the tape.
    with TapeReader(path) as reader, suppress(TapeFormatError, FramingError):
        for record in reader:
            for payload in record.payloads() if record.k == "recv" else ():
                if _RESOLVED in payload:
                    reply = codec.decode_reply(payload)
                    name = reply.p.info.get("pro_name") if isinstance(reply, SymbolResolved) else None
                    if isinstance(reply, SymbolResolved) and isinstance(name, str):
                        symbols[name.upper()] = reply.p.info
    return symbols
