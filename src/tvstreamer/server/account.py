"""What the account of a client does not allow it to see of a served tape, and how it is told.

Over a market the desks know this, each for its own commands. A tape answers whatever was recorded, so that it is asked here
first: what is refused never reaches it. Bars cannot be taken out of recorded answers; see `most_recorded_bars`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from tvstreamer.errors import FramingError, InvalidInterval, TapeFormatError
from tvstreamer.intervals import Interval
from tvstreamer.protocol import codec
from tvstreamer.protocol.packets import (
    ChartCreateSession,
    ChartDeleteSession,
    Command,
    CreateSeries,
    CreateStudy,
    ModifySeries,
    QuoteAddSymbols,
    RemoveStudy,
    Reply,
    ResolveSymbol,
    SeriesErrorReply,
    SeriesLoading,
    StudyErrorReply,
    StudyLoading,
    SymbolErrorReply,
    TimescaleUpdate,
)
from tvstreamer.protocol.server import ServerProtocol
from tvstreamer.server.charts.chart_types import NOT_ENTITLED, lays_bricks
from tvstreamer.server.charts.symbol_strings import INVALID, decode, missing_group, permission_denied
from tvstreamer.server.desks.chart import UNTOLD, refuse_session
from tvstreamer.server.desks.quote import refused_quote
from tvstreamer.server.desks.study import NODE as STUDY_NODE
from tvstreamer.server.desks.study import TOO_MANY
from tvstreamer.server.manners import NODE, Manners
from tvstreamer.symbols import plain_symbol
from tvstreamer.tape.reader import TapeReader

_UPDATE: Final = "timescale_update"

NO_REPLAY: Final = "a served tape has no bar replay"


class Account:
    """Looks at each command of one client before the tape does."""

    def __init__(self, server: ServerProtocol, manners: Manners, is_unknown: Callable[[str], bool]) -> None:
        self._server = server
        self._manners = manners
        self._is_unknown = is_unknown
        self._studies: dict[str, set[str]] = {}
        """By chart session."""

    def __repr__(self) -> str:
        return f"<Account {self._manners.plan.name or 'without limits'}>"

    def pass_on(self, command: Command, at: float) -> tuple[Command | None, list[Reply]]:
        """What the tape is to be asked, if anything, and what the client is told at once."""
        match command:
            case ChartCreateSession(p=p):
                if refuse_session(self._server, self._manners.plan, p.session, at):
                    return None, []
            case ChartDeleteSession(p=p):
                self._studies.pop(p.session, None)
            case ResolveSymbol(p=p):
                reasons = self._reasons(p.symbol)
                if reasons:
                    self._note(command, ", ".join(reasons), at)
                    return None, [SymbolErrorReply([p.session, p.alias, *reasons])]
            case CreateSeries(p=p) | ModifySeries(p=p):
                refused = self._series(p)
                if refused is not None:
                    self._note(command, refused[0], at)
                    loading = SeriesLoading.Params(p.session, p.series, p.turnaround)
                    error = SeriesErrorReply.Params(p.session, p.series, p.turnaround, *refused)
                    return None, [SeriesLoading(loading), SeriesErrorReply(error)]
            case CreateStudy(p=p):
                return self._study(command, p, at)
            case RemoveStudy(p=p):
                self._studies.get(p.session, set()).discard(p.study)
            case QuoteAddSymbols(session=session, names=names):
                return self._quotes(command, session, names, at)
            case _:
                pass
        return command, []

    def _series(self, p: CreateSeries.Params | ModifySeries.Params) -> tuple[str, str] | None:
        """Why a series is refused, and the node that says so."""
        wire = self._server.charts[p.session].symbols.get(p.alias, p.alias)
        if self._reasons(wire):
            return "resolve error", f"{NODE}@{NODE}"
        try:
            interval = Interval.parse(p.resolution)
        except InvalidInterval:
            return None
        refusal = self._manners.plan.refusal(interval)
        value = decode(wire)
        kind = str(value.get("type")) if isinstance(value, Mapping) else ""
        if interval.is_intraday and not self._manners.plan.intraday_bricks and lays_bricks(kind):
            refusal = f"{NOT_ENTITLED}{kind}"
        return None if refusal is None else (refusal, UNTOLD)

    def _study(self, command: Command, p: CreateStudy.Params, at: float) -> tuple[Command | None, list[Reply]]:
        known, most = self._studies.setdefault(p.session, set()), self._manners.most_studies
        if most is None or len(known - {p.study}) < most:
            known.add(p.study)
            return command, []
        self._note(command, TOO_MANY, at)
        series = self._server.charts[p.session].series.get(p.parent)
        turnaround = p.turnaround if series is None else f"{series.p.turnaround}_{p.turnaround}"
        return None, [
            StudyLoading(StudyLoading.Params(p.session, p.study, turnaround)),
            StudyErrorReply(StudyErrorReply.Params(p.session, p.study, turnaround, TOO_MANY, STUDY_NODE)),
        ]

    def _quotes(self, command: Command, session: str, names: list[str], at: float) -> tuple[Command | None, list[Reply]]:
        allowed: list[str] = []
        replies: list[Reply] = []
        for name in names:
            reasons = self._reasons(name)
            if not reasons:
                allowed.append(name)
                continue
            self._note(command, f"{name}: {', '.join(reasons)}", at)
            replies += refused_quote(session, name, missing_group(reasons))
        return (QuoteAddSymbols([session, *allowed]) if allowed else None), replies

    def _reasons(self, wire: str) -> tuple[str, ...]:
        """Why a symbol string names nothing for this client; empty where it may."""
        name = plain_symbol(wire).upper()
        return INVALID if self._is_unknown(name) else permission_denied(name, self._manners.forbidden)

    def _note(self, command: Command, detail: str, at: float) -> None:
        self._server.note(at, "rejected", f"{command.__struct_config__.tag}", detail)


def most_recorded_bars(path: Path, connection: int) -> tuple[int, str, str]:
    """The most bars that a series of a tape was given in answers, with its session and its name."""
    bars: dict[tuple[str, str], int] = {}
    most = (0, "", "")
    # What is broken further on is reported by whoever plays the tape.
    with TapeReader(path) as reader, suppress(TapeFormatError, FramingError):
        for record in reader:
            for payload in record.payloads() if record.k == "recv" and record.c == connection else ():
                reply = codec.decode_reply(payload) if _UPDATE in payload else None
                if not isinstance(reply, TimescaleUpdate):
                    continue
                for name, data in reply.p.objects.items():
                    if data.s is None or data.ns is None or data.ns.get("indexes") == "nochange":
                        continue
                    # An empty page clears the series.
                    key = (reply.p.session, name)
                    bars[key] = bars.get(key, 0) + len(data.s) if data.s else 0
                    most = max(most, (bars[key], *key))
    return most
