"""Packets that we know, each declared in the shape that it has on the wire.

A declaration *is* the schema: the class's tag is the packet's `m`, and its parameters `p` are a struct whose fields stand
in the order of the wire. So a reply decodes into these classes without a step between, and nobody else needs to know a
position. What does not fit becomes `Unknown`.

Commands go from the client to the server, replies the other way; heartbeats and the hello have shapes of their own.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

Whole = Annotated[int, msgspec.Meta(ge=-(2**53), le=2**53)]
"""Whole numbers that we count with: those that a float holds exactly, as JavaScript sends no others."""

# --- both directions ------------------------------------------------------------------------------------------------


class Heartbeat(msgspec.Struct, frozen=True, gc=False):
    """`~h~N`; the client sends the same text back."""

    text: str


class Unknown(msgspec.Struct, frozen=True, gc=False):
    """A payload that is none of ours. `method` is its `m` if it has one; `text` is the payload, byte for byte."""

    method: str
    text: str


class Hello(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """The first payload of a connection; it has no `m` (seen 2025-07-06 and later with this order of keys)."""

    session_id: str
    timestamp: int = 0
    timestampMs: Whole | None = None
    release: str = ""
    studies_metadata_hash: str = ""
    auth_scheme_vsn: int = 0
    protocol: str = ""
    via: str = ""
    javastudies: Any = None


class _Params(msgspec.Struct, array_like=True, frozen=True, gc=False):
    pass


# --- commands -------------------------------------------------------------------------------------------------------


class Command(msgspec.Struct, frozen=True, gc=False, tag_field="m"):
    """The base of what a client sends."""


class SetAuthToken(Command, frozen=True, gc=False, tag="set_auth_token"):
    class Params(_Params, frozen=True, gc=False):
        token: str

    p: Params

    def __repr__(self) -> str:
        return "SetAuthToken(<token>)"


class SetLocale(Command, frozen=True, gc=False, tag="set_locale"):
    class Params(_Params, frozen=True, gc=False):
        language: str
        country: str = ""

    p: Params


class ChartCreateSession(Command, frozen=True, gc=False, tag="chart_create_session"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        options: str = ""

    p: Params


class ChartDeleteSession(Command, frozen=True, gc=False, tag="chart_delete_session"):
    class Params(_Params, frozen=True, gc=False):
        session: str

    p: Params


class SwitchTimezone(Command, frozen=True, gc=False, tag="switch_timezone"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        timezone: str

    p: Params


class ResolveSymbol(Command, frozen=True, gc=False, tag="resolve_symbol"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        alias: str
        symbol: str

    p: Params


class CreateSeries(Command, frozen=True, gc=False, tag="create_series"):
    """`count` is a number of bars, or `["bar_count", time, n]`; `period` is "" or a range of time."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str
        turnaround: str
        alias: str
        resolution: str
        count: int | list[Any] = 300
        period: str = ""

    p: Params


class ModifySeries(Command, frozen=True, gc=False, tag="modify_series"):
    """Six parameters and no count."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str
        turnaround: str
        alias: str
        resolution: str
        period: str = ""

    p: Params


class RemoveSeries(Command, frozen=True, gc=False, tag="remove_series"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str

    p: Params


class RequestMoreData(Command, frozen=True, gc=False, tag="request_more_data"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str
        count: int

    p: Params


class RequestMoreTickmarks(Command, frozen=True, gc=False, tag="request_more_tickmarks"):
    """Asks for points of time to come, which a chart labels beyond its last bar."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str
        count: int

    p: Params


class GetFirstBarTime(Command, frozen=True, gc=False, tag="get_first_bar_time"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        alias: str
        resolution: str

    p: Params


class CreatePointset(Command, frozen=True, gc=False, tag="create_pointset"):
    """A drawing's points; what follows the turnaround is the symbol, the interval and the points."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        pointset: str
        turnaround: str
        symbol: Any = ""
        interval: Any = ""
        points: list[Any] = []

    p: Params


class RequestHistoryData(Command, frozen=True, gc=False, tag="request_history_data"):
    """Deep backtesting; behind the session stand eight more parameters that nobody here looks at."""

    p: list[Any]

    @property
    def session(self) -> str:
        return self.p[0] if self.p and isinstance(self.p[0], str) else ""


class CreateStudy(Command, frozen=True, gc=False, tag="create_study"):
    """`parent` is the series, or another study, that it is computed from; `kind` names it: `RSI@tv-basicstudies-241`."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        study: str
        turnaround: str
        parent: str
        kind: str
        inputs: dict[str, Any] = {}

    p: Params


class ModifyStudy(Command, frozen=True, gc=False, tag="modify_study"):
    """Other inputs for a study that exists."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        study: str
        turnaround: str
        inputs: dict[str, Any] = {}

    p: Params


class RemoveStudy(Command, frozen=True, gc=False, tag="remove_study"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        study: str

    p: Params


class QuoteCreateSession(Command, frozen=True, gc=False, tag="quote_create_session"):
    class Params(_Params, frozen=True, gc=False):
        session: str

    p: Params


class QuoteDeleteSession(Command, frozen=True, gc=False, tag="quote_delete_session"):
    class Params(_Params, frozen=True, gc=False):
        session: str

    p: Params


class _QuoteList(Command, frozen=True, gc=False):
    """A quote session and a flat list of names behind it."""

    p: list[str]

    @property
    def session(self) -> str:
        return self.p[0] if self.p else ""

    @property
    def names(self) -> list[str]:
        return self.p[1:]


class QuoteSetFields(_QuoteList, frozen=True, gc=False, tag="quote_set_fields"):
    """Without it a quote session gets every field."""


class QuoteAddSymbols(_QuoteList, frozen=True, gc=False, tag="quote_add_symbols"):
    """Only strings: an object with flags among them is rejected by the server since February 2024."""


class QuoteRemoveSymbols(_QuoteList, frozen=True, gc=False, tag="quote_remove_symbols"):
    pass


class QuoteFastSymbols(_QuoteList, frozen=True, gc=False, tag="quote_fast_symbols"):
    pass


class QuoteHibernateAll(_QuoteList, frozen=True, gc=False, tag="quote_hibernate_all"):
    pass


class QuoteListFields(Command, frozen=True, gc=False, tag="quote_list_fields"):
    """The question has the session alone, the answer the names of fields behind it; both have the same method."""

    p: list[Any]

    @property
    def session(self) -> str:
        return self.p[0] if self.p and isinstance(self.p[0], str) else ""


class ReplayCreateSession(Command, frozen=True, gc=False, tag="replay_create_session"):
    class Params(_Params, frozen=True, gc=False):
        session: str

    p: Params


class ReplayDeleteSession(Command, frozen=True, gc=False, tag="replay_delete_session"):
    class Params(_Params, frozen=True, gc=False):
        session: str

    p: Params


class ReplayAddSeries(Command, frozen=True, gc=False, tag="replay_add_series"):
    """The symbol string and resolution whose bars a bar replay goes through."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str
        symbol: str
        resolution: str

    p: Params


class ReplayRemoveSeries(Command, frozen=True, gc=False, tag="replay_remove_series"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str
        symbol: str
        resolution: str

    p: Params


class ReplayReset(Command, frozen=True, gc=False, tag="replay_reset"):
    """Puts a bar replay at a moment, in seconds since the epoch."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str
        time: int | float

    p: Params


class ReplayStep(Command, frozen=True, gc=False, tag="replay_step"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str
        count: Whole = 1

    p: Params


class ReplayStart(Command, frozen=True, gc=False, tag="replay_start"):
    """Steps by itself every `delay` milliseconds, which some clients write as a string."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str
        delay: int | float | str = 1000

    p: Params


class ReplayStop(Command, frozen=True, gc=False, tag="replay_stop"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str

    p: Params


class ReplaySetResolution(Command, frozen=True, gc=False, tag="replay_set_resolution"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str
        resolution: str

    p: Params


COMMANDS: tuple[type[Command], ...] = (
    SetAuthToken, SetLocale, ChartCreateSession, ChartDeleteSession, SwitchTimezone, ResolveSymbol, CreateSeries,
    ModifySeries, RemoveSeries, RequestMoreData, RequestMoreTickmarks, GetFirstBarTime, CreatePointset,
    RequestHistoryData, CreateStudy, ModifyStudy, RemoveStudy, QuoteCreateSession, QuoteDeleteSession, QuoteSetFields,
    QuoteAddSymbols, QuoteRemoveSymbols, QuoteFastSymbols, QuoteHibernateAll, QuoteListFields,
    ReplayCreateSession, ReplayDeleteSession, ReplayAddSeries, ReplayRemoveSeries, ReplayReset, ReplayStep, ReplayStart,
    ReplayStop, ReplaySetResolution,
)  # fmt: skip


# --- replies --------------------------------------------------------------------------------------------------------


class Reply(msgspec.Struct, frozen=True, gc=False, tag_field="m", omit_defaults=True):
    """The base of what a server sends without a time of its own."""


class TimedReply(Reply, frozen=True, gc=False):
    """The base of replies that carry the server's time.

    The wire puts `t` (seconds) and `t_ms` behind `p`, so each of them declares the two after its `p`.
    """


class QuoteUpdate(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """`n` is the symbol string exactly as the client passed it, `v` only what changed."""

    n: str
    # `s` and `v` are always written, as the wire does: defaults that msgspec knows for such would be left out.
    s: str = msgspec.field(default_factory=lambda: "ok")
    errmsg: str = ""
    v: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])


class QuoteData(Reply, frozen=True, gc=False, tag="qsd"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        update: QuoteUpdate

    p: Params


class TickValues(msgspec.Struct, frozen=True, gc=False):
    """What of `v` a tick is made of, in the order of the wire, and the hours of its market; UNSET what has not changed."""

    volume: float | msgspec.UnsetType | None = msgspec.UNSET
    lp_time: float | msgspec.UnsetType | None = msgspec.UNSET
    lp: float | msgspec.UnsetType | None = msgspec.UNSET
    session: Any = msgspec.UNSET
    timezone: Any = msgspec.UNSET
    session_holidays: Any = msgspec.UNSET


class TickUpdate(msgspec.Struct, frozen=True, gc=False):
    """A `QuoteUpdate` as far as ticks need it."""

    n: str
    s: str = "ok"
    errmsg: str = ""
    v: TickValues = TickValues()


class TickData(Reply, frozen=True, gc=False, tag="qsd"):
    """A `QuoteData` whose session is there for ticks alone: quicker to read, as next to nothing is made of the rest.

    Nothing that a tick is made of has an odd type in it; where one has, the packet is read as a `QuoteData`.
    """

    class Params(_Params, frozen=True, gc=False):
        session: str
        update: TickUpdate

    p: Params


class QuoteCompleted(Reply, frozen=True, gc=False, tag="quote_completed"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        symbol: str

    p: Params


class SymbolResolved(TimedReply, frozen=True, gc=False, tag="symbol_resolved"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        alias: str
        info: dict[str, Any]

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class SymbolErrorReply(TimedReply, frozen=True, gc=False, tag="symbol_error"):
    """`p` is the session, the symbol's alias and one or more reasons."""

    p: list[Any]
    t: int | None = None
    t_ms: Whole | None = None

    @property
    def session(self) -> str:
        return str(self.p[0]) if self.p else ""

    @property
    def alias(self) -> str:
        return str(self.p[1]) if len(self.p) > 1 else ""

    @property
    def reason(self) -> str:
        parts = [part if isinstance(part, str) else msgspec.json.encode(part).decode() for part in self.p[2:]]
        return ", ".join(parts) or "no reason given"


class SeriesLoading(TimedReply, frozen=True, gc=False, tag="series_loading"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str
        turnaround: str = ""

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class SeriesCompleted(TimedReply, frozen=True, gc=False, tag="series_completed"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str
        update_mode: str = ""
        turnaround: str = ""
        details: dict[str, Any] = {}

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class SeriesErrorReply(TimedReply, frozen=True, gc=False, tag="series_error"):
    """`reason` is a text, or an object with `error` and `ctx`."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        series: str
        turnaround: str = ""
        reason: Any = ""
        node: str = ""

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class BarValues(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """`v` of a bar. Five elements where the feed has no volume (indices, some CFDs)."""

    time: float
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None


class BarRow(msgspec.Struct, frozen=True, gc=False):
    i: int
    v: BarValues


class StudyRow(msgspec.Struct, frozen=True, gc=False):
    """`v` is the time of a bar and the values of all plots. `i` is the bar's index; from -1000001 down for bars before the
    first one that the series shows."""

    i: int
    v: list[Any]


class LastBarStatus(msgspec.Struct, frozen=True, gc=False):
    bar_close_time: Whole | float | None = None


class SeriesData(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What a series or a study got. A study has `st` in place of `s`; `node` comes with first loads only."""

    node: str = ""
    s: list[BarRow] | None = None
    st: list[StudyRow] | None = None
    ns: Any = None
    t: str = ""
    lbs: LastBarStatus | None = None


class DataUpdate(Reply, frozen=True, gc=False, tag="du"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        objects: dict[str, SeriesData]

    p: Params


class TimescaleUpdate(TimedReply, frozen=True, gc=False, tag="timescale_update"):
    """A snapshot, older bars, or a new bar; or no object at all, only points of time to come."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        objects: dict[str, SeriesData]
        timescale: msgspec.Raw = msgspec.Raw(b"{}")

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class SeriesTimeframe(Reply, frozen=True, gc=False, tag="series_timeframe"):
    p: list[Any]


class SeriesDeleted(Reply, frozen=True, gc=False, tag="series_deleted"):
    p: list[Any]


class FirstBarTime(Reply, frozen=True, gc=False, tag="first_bar_time"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        alias: str
        time: Whole = 0

    p: Params


class PointsetErrorReply(Reply, frozen=True, gc=False, tag="pointset_error"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        pointset: str = ""
        turnaround: str = ""

    p: Params


class RequestErrorReply(Reply, frozen=True, gc=False, tag="request_error"):
    """A history session's request was refused."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        reason: str = ""
        description: str = ""

    p: Params


class _StudyParams(_Params, frozen=True, gc=False):
    """The turnaround is that of the series, `_`, and that of the study: `s1_st1`."""

    session: str
    study: str
    turnaround: str = ""


class StudyLoading(TimedReply, frozen=True, gc=False, tag="study_loading"):
    class Params(_StudyParams, frozen=True, gc=False):
        pass

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class StudyCompleted(TimedReply, frozen=True, gc=False, tag="study_completed"):
    class Params(_StudyParams, frozen=True, gc=False):
        pass

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class StudyErrorReply(TimedReply, frozen=True, gc=False, tag="study_error"):
    """`reason` is a text, or an object with `error` and `ctx`."""

    class Params(_StudyParams, frozen=True, gc=False):
        reason: Any = ""
        node: Any = ""

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class StudyDeleted(TimedReply, frozen=True, gc=False, tag="study_deleted"):
    class Params(_StudyParams, frozen=True, gc=False):
        pass

    p: Params
    t: int | None = None
    t_ms: Whole | None = None


class CriticalErrorReply(Reply, frozen=True, gc=False, tag="critical_error"):
    """A call was rejected: the session, a reason and what it was about. The socket stays open."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        reason: str = ""
        info: Any = ""

    p: Params


class ProtocolErrorReply(Reply, frozen=True, gc=False, tag="protocol_error"):
    """Fatal: the server closes the connection after it."""

    class Params(_Params, frozen=True, gc=False):
        reason: str = ""

    p: Params


class ReplayOk(Reply, frozen=True, gc=False, tag="replay_ok"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str = ""

    p: Params


class ReplayInstanceId(Reply, frozen=True, gc=False, tag="replay_instance_id"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        instance: Any = ""

    p: Params


class ReplayPoint(Reply, frozen=True, gc=False, tag="replay_point"):
    """Where a bar replay stands: when its newest bar opened."""

    class Params(_Params, frozen=True, gc=False):
        session: str
        time: int | float

    p: Params


class ReplayResolutions(Reply, frozen=True, gc=False, tag="replay_resolutions"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        base: str = ""
        least: str = ""

    p: Params


class ReplayDataEnd(Reply, frozen=True, gc=False, tag="replay_data_end"):
    class Params(_Params, frozen=True, gc=False):
        session: str

    p: Params


class ReplayErrorReply(Reply, frozen=True, gc=False, tag="replay_error"):
    class Params(_Params, frozen=True, gc=False):
        session: str
        turnaround: str = ""
        reason: Any = ""
        info: Any = ""

    p: Params


REPLIES: tuple[type[Reply], ...] = (
    QuoteData, QuoteCompleted, SymbolResolved, SymbolErrorReply, SeriesLoading, SeriesCompleted, SeriesErrorReply,
    DataUpdate, TimescaleUpdate, SeriesTimeframe, SeriesDeleted, FirstBarTime, PointsetErrorReply, RequestErrorReply,
    StudyLoading, StudyCompleted, StudyErrorReply, StudyDeleted, CriticalErrorReply, ProtocolErrorReply,
    ReplayOk, ReplayInstanceId, ReplayPoint, ReplayResolutions, ReplayDataEnd, ReplayErrorReply,
)  # fmt: skip
