"""What the user receives: market events and status events, as frozen structs that write themselves out as JSON.

Times are float seconds since the epoch, UTC; `.ts` gives the same moment as an aware `datetime`, made when asked for.
`to_json()` writes `type` first, then the fields in the order in which they are declared here, `null` for no value. No
event ever carries a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

_encode = msgspec.json.Encoder().encode


class Event(msgspec.Struct, frozen=True, gc=False, tag_field="type"):
    """The base of all events."""

    def to_json(self) -> bytes:
        """This event as one line of JSON, without the line's end."""
        return _encode(self)

    @property
    def ts(self) -> datetime | None:
        """`time` as an aware `datetime` in UTC; None for an event that has none, or one beyond what a `datetime` holds."""
        time: float | None = getattr(self, "time", None)
        try:
            return None if time is None else datetime.fromtimestamp(time, UTC)
        except (ValueError, OverflowError, OSError):
            return None


class Tick(Event, frozen=True, gc=False, tag="tick"):
    """A quote update that changed the last price or the day's volume. It is not a trade print.

    `volume` is the total of the day, None where the feed has none. `time` is the feed's own time of the last price where
    it sends one (whole seconds, once for all prices of a second), else the moment of arrival. None are given before the first
    known price.
    """

    symbol: str
    time: float
    price: float
    volume: float | None = None


class Quote(Event, frozen=True, gc=False, tag="quote"):
    """A quote update: `changes` is what came, `fields` everything known of the symbol by now.

    `status` is `ok`, `error` or `permission_denied`. A field that the feed sent as "no value" is None.
    """

    symbol: str
    time: float
    status: str
    changes: dict[str, Any]
    fields: dict[str, Any]


class Bar(Event, frozen=True, gc=False, tag="bar"):
    """One bar as known at this moment. `time` is when it opened.

    While it forms, each update is a `Bar` with `closed=False`. Its end is an event of its own with `closed=True` and
    `revision=0`, exactly once; `closed_by` tells why: a later bar exists (`successor`), or the server's clock has passed
    its end and a grace (`time`). A later correction of a closed bar has `revision` 1, 2, ...
    """

    symbol: str
    interval: str
    time: float
    open: float
    high: float
    low: float
    close: float
    volume: float | None = None
    closed: bool = False
    closed_by: Literal["successor", "time"] | None = None
    revision: int = 0


class StudyUpdate(Event, frozen=True, gc=False, tag="study_update"):
    """The values of a study (an indicator) for one bar, as known at this moment. `time` is when that bar opened.

    `study` names it with its inputs, as `str()` of a `Study` does: `RSI:14`. `values` has them by the names of its plots, None
    where there is none yet. While the bar forms, each update is an event with `closed=False`; when the study goes on to a
    later bar, or the clock closes the bar, the last values come once more with `closed=True`, exactly once for each bar.
    """

    symbol: str
    interval: str
    study: str
    time: float
    values: dict[str, float | None]
    closed: bool = False


class SymbolInfo(Event, frozen=True, gc=False, tag="symbol_info"):
    """What the server says of a symbol. Fields that it leaves out are None; those not listed here are in `extra`."""

    symbol: str
    name: str | None = None
    full_name: str | None = None
    pro_name: str | None = None
    description: str | None = None
    exchange: str | None = None
    listed_exchange: str | None = None
    kind: str | None = None
    typespecs: list[str] | None = None
    currency_code: str | None = None
    timezone: str | None = None
    session: str | None = None
    session_holidays: str | None = None
    subsession_id: str | None = None
    subsessions: list[dict[str, Any]] | None = None
    pricescale: int | None = None
    minmov: int | None = None
    minmove2: int | None = None
    fractional: bool | None = None
    pointvalue: float | None = None
    has_intraday: bool | None = None
    has_extended_hours: bool | None = None
    visible_plots_set: str | None = None
    delay: int | None = None
    extra: dict[str, Any] = {}


class Connected(Event, frozen=True, gc=False, tag="connected"):
    """A connection is open; they are counted from 1."""

    time: float
    connection: int


class Disconnected(Event, frozen=True, gc=False, tag="disconnected"):
    """The connection was lost: by the server, or on the way. One that the user closed gives no such event."""

    time: float
    connection: int
    code: int
    reason: str


class Reconnected(Event, frozen=True, gc=False, tag="reconnected"):
    """The stream is whole again: connected, everything asked for again, and every gap told and, where it could be, filled.

    `seconds` is how long ago the connection was lost. Between `Disconnected` and this event a consumer knows less than it did.
    """

    time: float
    connection: int
    seconds: float


class Stalled(Event, frozen=True, gc=False, tag="stalled"):
    """The connection is open, and what ought to come does not; it is given up for a new one.

    `kind` tells what is missing: `bytes` (anything at all), `heartbeats`, or `progress` (heartbeats come, but no data, while a
    market that is followed is open). `seconds` is for how long.
    """

    time: float
    connection: int
    kind: str
    seconds: float


class Gap(Event, frozen=True, gc=False, tag="gap"):
    """Something was missed between `start` and `end`. Comes before the bars that fill it.

    For bars these are the time of the first missing bar and that of the first one after the gap; `filled` is how many bars
    fill it, `expected` how many the server has shown to exist there. Both are None where the server does not go back that
    far: then nobody knows, and the span begins with the last bar that came, as what came of it last may be missing, too.
    Ticks have no history, so theirs (`interval` None, from the loss to the new connection) is never
    filled.

    `reason` is `disconnected`, `stalled`, or `missing`: the server went on as if it had sent what never came.
    """

    symbol: str
    interval: str | None
    start: float
    end: float
    reason: str
    filled: int | None
    expected: int | None = None


class HistoryComplete(Event, frozen=True, gc=False, tag="history_complete"):
    """The first delivery of a series is complete; what follows is live. `bars` is how many there are.

    `update_mode` is the server's word: `streaming`, `delayed_streaming_900`, `endofday`, ...
    """

    symbol: str
    interval: str
    time: float
    bars: int
    update_mode: str


class SymbolFailed(Event, frozen=True, gc=False, tag="symbol_failed"):
    """The server does not know this symbol, or this account may not see it."""

    symbol: str
    time: float
    reason: str


class SeriesFailed(Event, frozen=True, gc=False, tag="series_failed"):
    """The server will not deliver this series, or withdrew it."""

    symbol: str
    interval: str
    time: float
    reason: str


class StudyFailed(Event, frozen=True, gc=False, tag="study_failed"):
    """The server will not compute this study; the bars of the series come all the same."""

    symbol: str
    interval: str
    study: str
    time: float
    reason: str


class Notice(Event, frozen=True, gc=False, tag="notice"):
    """The server surprised us, and nothing was lost but what could not be understood.

    `kind` is `unknown` (a method or a shape that we do not know; at most one a method and minute, `count` of them so
    far), `critical_error` (it rejected a call) or `protocol_error` (it is about to hang up).
    """

    time: float
    kind: str
    method: str
    count: int = 1
    detail: str = ""


MARKET_EVENTS = (Tick, Quote, Bar, StudyUpdate, SymbolInfo)
STATUS_EVENTS = (
    Connected, Disconnected, Reconnected, HistoryComplete, SymbolFailed, SeriesFailed, StudyFailed, Stalled, Gap, Notice,
)  # fmt: skip

_decode: Callable[[bytes | str], Event] = msgspec.json.Decoder(
    Tick | Quote | Bar | StudyUpdate | SymbolInfo | Connected | Disconnected | Reconnected | HistoryComplete | SymbolFailed
    | SeriesFailed | StudyFailed | Stalled | Gap | Notice
).decode


def event_from_json(line: bytes | str) -> Event:
    """The event that `to_json` wrote. Raises `msgspec.DecodeError` for anything else."""
    try:
        return _decode(line)
    except (UnicodeError, RecursionError) as error:
        raise msgspec.DecodeError(f"no event of ours: {error}") from error
