"""What was refused and what happened to the connection, on standard error, for whoever watches a stream or a recording."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

from tvstreamer.cli.terminal import plain
from tvstreamer.clock import duration
from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.events import Disconnected, Event, Gap, Reconnected, SeriesFailed, Stalled, StudyFailed, SymbolFailed
from tvstreamer.protocol.watchdogs import DEFAULT_WATCHDOGS, Watchdogs
from tvstreamer.reconnect import ReconnectPolicy

_OFF, _FOREVER = "off", "forever"


def tell(event: Event) -> None:
    """One line about an outage or a refusal; nothing about anything else."""
    line = describe(event)
    if line is not None:
        print(line, file=sys.stderr, flush=True)


def describe(event: Event) -> str | None:
    match event:
        case Stalled(kind=kind, seconds=seconds):
            return f"stalled: {_MISSING.get(kind, kind)} for {seconds:g} s"
        case Disconnected(code=code, reason=reason):
            return f"disconnected: {code} {plain(reason)}".rstrip()
        case Reconnected(seconds=seconds):
            return f"reconnected after {seconds:.1f} s"
        case Gap(symbol=symbol, interval=interval, filled=filled, expected=expected):
            span = _span(event.start, event.end)
            if interval is None:
                return f"gap {symbol} ticks: {span} not filled, ticks have no history"
            if filled is None:
                return f"gap {symbol} {interval}: {span} not filled, the server does not go back that far"
            return f"gap {symbol} {interval}: {span} filled {filled}/{expected}"
        case SymbolFailed(symbol=symbol, reason=reason):
            return f"refused {symbol}: {plain(reason)}"
        case SeriesFailed(symbol=symbol, interval=interval, reason=reason):
            return f"refused {symbol} {interval}: {plain(reason)}"
        case StudyFailed(symbol=symbol, interval=interval, study=study, reason=reason):
            return f"refused {symbol} {interval} {study}: {plain(reason)}"
    return None


_MISSING = {"bytes": "nothing came", "heartbeats": "no heartbeat came", "progress": "no data came"}


def _span(start: float, end: float) -> str:
    first, last = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    form = "%H:%M" if not (first.second or last.second or first.microsecond or last.microsecond) else "%H:%M:%S"
    if first.date() != last.date():
        form = f"%Y-%m-%d {form}"
    return f"{first.strftime(form)}-{last.strftime(form)}"


def watchdogs(stall_timeout: str | None) -> Watchdogs | None:
    """What `--stall-timeout` means: seconds, `90s`, `3m`, or `off`. Raises `InvalidPlan`."""
    if stall_timeout is None:
        return DEFAULT_WATCHDOGS
    if stall_timeout == _OFF:
        return None
    return Watchdogs(progress=_seconds("--stall-timeout", stall_timeout, _OFF))


def policy(reconnect: str | None) -> ReconnectPolicy | bool:
    """What `--reconnect` means: for how long to try, `off`, or `forever`. Raises `InvalidPlan`."""
    if reconnect is None:
        return True
    if reconnect == _OFF:
        return False
    if reconnect == _FOREVER:
        return ReconnectPolicy(total=None)
    return ReconnectPolicy(total=_seconds("--reconnect", reconnect, f"{_OFF}, {_FOREVER}"))


def _seconds(option: str, text: str, words: str) -> float:
    try:
        seconds = duration(text if not text.replace(".", "", 1).isdecimal() else float(text))
    except InvalidPlan:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise InvalidPlan(f"{option} {shorten(text)}: expected a time above 0, such as 90, 90s or 5m, or one of: {words}")
    return seconds
