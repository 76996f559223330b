"""Three watchdogs over one connection: has anything come, has a heartbeat, has data?

The last one, *progress*, catches the chatty stall, in which heartbeats go on and nothing else does. It counts only time in
which a market that is followed is open, by what the server says of its symbol, so that a night or a holiday is no stall.

A connection that was given up for want of progress and whose successor shows that nothing was missed was merely quiet: each time,
the patience with it doubles, until something new comes by itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from tvstreamer.errors import InvalidPlan, MissingDependencyError
from tvstreamer.events import SymbolInfo
from tvstreamer.trading_sessions import TradingSession

_MOST_PATIENCE = 16
_SETTLING = 5.0
"""Seconds in which a new connection delivers what there is already; what comes later is new."""
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Watchdogs:
    """Seconds of silence after which a connection counts as stalled; None switches one off.

    `bytes`: nothing at all came. The server sends a heartbeat every 10 s (2025-12-18), and the browser waits 20 s; one that
    is late by half a period should not cost a connection, so 25. `heartbeats`: data comes but no heartbeat, three in a row
    and a half. `progress`: heartbeats come but no data, although a market is open: the busiest symbols change every second
    and quiet ones every few minutes, so a stall of three minutes is more likely than a quiet market.
    """

    bytes: float | None = 25.0
    heartbeats: float | None = 35.0
    progress: float | None = 180.0

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if value is not None and not (isinstance(value, int | float) and value > 0):
                raise InvalidPlan(f"watchdog {each.name} {value!r}: expected a number of seconds above 0, or None")


DEFAULT_WATCHDOGS = Watchdogs()
OFF = Watchdogs(None, None, None)


class Watch:
    """The watchdogs of one client. Whoever receives writes down when; `look` draws the conclusion."""

    __slots__ = (
        "_alarm", "_began", "_expected", "_patience", "_sessions", "_settings", "_stalled_before", "bytes", "found_gap",
        "heartbeats", "next_look", "progress",
    )  # fmt: skip

    def __init__(self, settings: Watchdogs) -> None:
        self._settings = settings
        self._expected: set[str] = set()
        """Symbols that something is asked of; without any, no data is no want of progress."""
        self._sessions: dict[str, TradingSession] = {}
        self._alarm: tuple[str, float, float] | None = None
        self._patience = 1
        self._stalled_before = False
        self._began = self.bytes = self.heartbeats = self.progress = -math.inf
        self.found_gap = False
        """Whether anything turned out to have been missed since the last want of progress."""
        self.next_look = math.inf

    def __repr__(self) -> str:
        return f"<Watch {self._settings}, {self.verdict or 'well'}>"

    def connected(self, now: float) -> None:
        self._began = self.bytes = self.heartbeats = self.progress = now
        self._alarm = None
        settings = self._settings
        limits = [limit for limit in (settings.bytes, settings.heartbeats, settings.progress) if limit is not None]
        self.next_look = now + min(limits, default=math.inf)

    def disconnected(self) -> None:
        self._alarm = None
        self.next_look = math.inf

    def expect(self, symbol: str) -> None:
        """Something is asked of a symbol from now on."""
        if not self._expected:
            self.progress = max(self.progress, self.bytes)
        self._expected.add(symbol)

    def forget(self, symbol: str) -> None:
        """Nothing is asked of it any more."""
        self._expected.discard(symbol)
        self._sessions.pop(symbol, None)

    def follow(self, info: SymbolInfo) -> None:
        """What the server says of a symbol, and so when there may be progress."""
        self._follow(info.symbol, lambda: _session(info))

    def follow_quote(self, symbol: str, session: Any, timezone: Any, holidays: Any) -> None:
        """What a quote says of a symbol's hours, where nothing else does: it knows no half days."""
        session, timezone, holidays = (each if isinstance(each, str) else "" for each in (session, timezone, holidays))
        if symbol in self._expected and symbol not in self._sessions and session and timezone:
            self._follow(symbol, lambda: _trading_session(session, timezone, holidays))

    def _follow(self, symbol: str, read: Callable[[], TradingSession]) -> None:
        if self._settings.progress is not None:
            self._sessions[symbol] = read()
            # Its market may be open while all others are closed, and the next look be planned for when they open.
            self.next_look = min(self.next_look, self.bytes + self._settings.progress)

    def _limits(self) -> dict[str, float | None]:
        settings = self._settings
        progress = None if settings.progress is None else settings.progress * self._patience
        return {"bytes": settings.bytes, "heartbeats": settings.heartbeats, "progress": progress}

    @property
    def verdict(self) -> str | None:
        """Why the connection counts as stalled, as its close tells it; None while it does not.

        What has come since takes the alarm back: a slow consumer looks at the clock before it reads what lay waiting.
        """
        if self._alarm is None:
            return None
        kind, last, seconds = self._alarm
        return f"stalled: {kind} for {seconds:g} s" if getattr(self, kind) == last else None

    def look(self, now: float, server_now: float | None) -> None:
        """Looks whether something is overdue, and says when to look again."""
        if now < self.next_look:
            return
        if self.progress - self._began > _SETTLING:
            self._patience = 1
            self._stalled_before = False
        looks = []
        for kind, limit in self._limits().items():
            if limit is None:
                continue
            if kind == "progress" and not self._expected:
                looks.append(now + limit)
                continue
            last: float = getattr(self, kind)
            left = limit - (now - last) if kind != "progress" else limit - self._open_since(last, now, server_now)
            if left <= _ROUNDING:
                if self.verdict is None:
                    self._raise(kind, last, limit)
                looks.append(now + limit)
            elif kind == "progress":
                # No later than without patience, as that may have ended by then.
                looks.append(now + min(left, self._settings.progress or left) + self._closed_for(now, server_now))
            else:
                looks.append(now + left)
        self.next_look = min(looks, default=math.inf)

    def _raise(self, kind: str, last: float, seconds: float) -> None:
        self._alarm = (kind, last, seconds)
        if kind == "progress":
            if self._stalled_before and not self.found_gap:
                self._patience = min(2 * self._patience, _MOST_PATIENCE)
            self._stalled_before = True
            self.found_gap = False

    def _open_since(self, last: float, now: float, server_now: float | None) -> float:
        """For how many of the seconds since then any market was open; all of them where no symbol's hours are known."""
        ahead = 0.0 if server_now is None else server_now - now
        spans = [session.open_seconds(last + ahead, now + ahead) for session in self._sessions.values()]
        return max(spans, default=now - last)

    def _closed_for(self, now: float, server_now: float | None) -> float:
        """In how many seconds the first market opens; 0 where one is open."""
        at = now if server_now is None else server_now
        sessions = self._sessions.values()
        if not sessions or any(session.is_open(at) for session in sessions):
            return 0.0
        return min(session.next_change(at) for session in sessions) - at


def _session(info: SymbolInfo) -> TradingSession:
    """The hours of a symbol."""
    chosen = next((each for each in info.subsessions or () if each.get("id") == info.subsession_id), {})
    corrections = chosen.get("session-correction") or info.extra.get("corrections") or ""
    return _trading_session(info.session or "24x7", info.timezone or "Etc/UTC", info.session_holidays or "", str(corrections))


def _trading_session(session: str, timezone: str, holidays: str, corrections: str = "") -> TradingSession:
    """A market whose hours cannot be read counts as always open: rather a needless connection than a stall that nobody
    notices."""
    try:
        return TradingSession.of(session, timezone, holidays, corrections)
    except (InvalidPlan, MissingDependencyError):
        return TradingSession.ALWAYS
