"""Series of bars: what a snapshot and the updates after it mean, and when a bar is closed.

Bars are keyed by their time, so the wire's indexes (which may be negative, and start again after a reconnect) need no
logic. No bar says that it is closed: a later bar does, or the server's clock once it has passed the bar's end.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Literal

from tvstreamer.constants import CLOSE_GRACE, MOST_BARS_A_REQUEST, NO_VALUE
from tvstreamer.continuity import Track
from tvstreamer.events import Bar, Event, Gap
from tvstreamer.protocol.packets import BarRow, BarValues

ClosedBy = Literal["successor", "time"]

KEPT = 500
"""Closed bars that a series remembers, so that a stream of months takes no more memory than one of hours. What is said of an
older one later is told as its first revision, whether or not anything has changed."""

_DELAYED = re.compile(r"delayed_streaming_([0-9]{1,6})")


OnGap = Literal["fill", "yield", "raise"]


class Series:
    """The bars of one symbol and interval, as chart sessions deliver them, across connections.

    While it is whole, updates become events as they come. After a lost connection, or when the server goes on as if it had
    sent a bar that never came, it holds everything back until what was missed is here or given up (`release`), and then hands
    out the gap and the bars in order of time.
    """

    __slots__ = (
        "_awaited", "_closed", "_delay", "_first", "_forgotten", "_grace", "_held", "_index", "_live", "_newest",
        "_oldest_asked", "_restored", "close_time", "completed", "forming", "interval", "loaded", "reason", "seconds", "symbol",
        "track",
    )  # fmt: skip

    def __init__(self, symbol: str, interval: str, seconds: int | None, track: Track | None = None) -> None:
        self.symbol = symbol
        self.interval = interval
        self.seconds = seconds
        self.track = track or Track(symbol, interval)
        self._closed: dict[float, tuple[BarValues, ClosedBy, int]] = {}
        """The newest closed bars, as a correction is told from a repetition by what was known before."""
        self._first, self._forgotten = math.inf, -math.inf
        """The first bar ever closed, and the newest of those that are not kept any more."""
        self._newest = -math.inf
        self._index: int | None = None
        """The wire's index of the newest bar: a bar that exists has one, whether or not it was sent."""
        self._held: dict[float, BarValues] | None = None
        self._oldest_asked = math.inf
        self._restored = False
        """Whether it has handed out what it held back: what the server shows now may begin earlier than what it showed first."""
        self._awaited: set[int] = set()
        """Indexes of bars that must exist and did not come; empty where they are too many to wait for each."""
        self.reason = ""
        """Why it holds back: the `reason` of the gap to come."""
        self.restart()
        self.forming: BarValues | None = None
        self.close_time: float | None = None
        """When the forming bar ends, by the server's clock."""

    def __repr__(self) -> str:
        state = f"holding back: {self.reason}" if self.held else "live" if self.completed else "loading"
        return f"<Series {self.symbol} {self.interval} {state}, {len(self._closed)} closed, forming={self.forming}>"

    def restart(self, reason: str = "") -> None:
        """A new first delivery is about to come, on a new connection. Bars that were reported stay known."""
        self.completed = False
        self._live = False
        self.loaded = 0
        self._index = None
        self._grace = CLOSE_GRACE
        self._delay: int | None = None
        if self._newest > -math.inf:
            # What was held back is shown again. Kept, it would stand between older and newer bars as if nothing were missing.
            self._hold_back(self.reason or reason)

    def clear(self) -> None:
        """Forgets all bars: the series was given another symbol, interval or range."""
        self._closed.clear()
        self._first, self._forgotten = math.inf, -math.inf
        self.track.clear()
        self._newest = -math.inf
        self._held = None
        self._restored = False
        self.reason = ""
        self.forming = None
        self.close_time = None
        self.restart()

    def begin_again(self) -> None:
        """Another first delivery is about to come, in place of one that did not.

        As long as no bar was closed nothing was told for good, and all comes as if for the first time.
        """
        if self._closed or self.held:
            self.restart("missing")
        else:
            self.clear()

    def complete(self, update_mode: str, rt_update_period: float) -> None:
        """The first delivery is over; from here the clock may close bars."""
        delayed = _DELAYED.search(update_mode)
        self._delay = int(delayed.group(1)) if delayed else None
        self._grace = CLOSE_GRACE + rt_update_period
        self.completed = self._live = True

    # --- rows in, events out --------------------------------------------------------------------------------------

    def update(self, row: BarRow, close_time: float | None, events: list[Event]) -> bool:
        """`apply` for a single row, which in most cases is the forming bar once more."""
        values = row.v
        forming = self.forming
        if forming is None or values.time != forming.time or self._held is not None:
            return self.apply([row], close_time, events)
        self.forming = values
        events.append(bar_event(self.symbol, self.interval, values))
        if close_time is None or close_time == self.close_time:
            return False
        self.close_time = close_time
        return True

    def apply(self, rows: list[BarRow], close_time: float | None, events: list[Event]) -> bool:
        """Takes a snapshot or an update, appends the events due in order of time.

        Returns whether something has changed that deadlines or the client depend on.
        """
        if not rows:
            return False
        if not self.completed:
            self.loaded += len(rows)
        newest = max(rows, key=lambda row: row.v.time)
        if self._held is None and self._misses_a_bar(newest):
            self._hold_back("missing")
            after = self._index_after()
            if newest.i - after <= MOST_BARS_A_REQUEST:
                self._awaited = set(range(after, newest.i))
        if self._held is None:
            if newest.v.time >= self._newest:
                self._index = newest.i
        elif self._keep(rows, newest, close_time):
            # Bars came in another order than they were made: nothing was missed.
            rows = [BarRow(0, values) for values in self._held.values()]
            self._held = None
            self.reason = ""
        else:
            return True
        self._apply_many(sorted([row.v for row in rows], key=_time), close_time, events)
        return True

    def _misses_a_bar(self, newest: BarRow) -> bool:
        """Whether a bar must exist between the last one and this. (Where none was traded, the index does not jump.)"""
        return self._live and newest.v.time > self._newest and self._index is not None and newest.i > self._index + 1

    def _index_after(self) -> int:
        return 0 if self._index is None else self._index + 1

    def _keep(self, rows: list[BarRow], newest: BarRow, close_time: float | None) -> bool:
        """Holds rows back; whether they complete what was awaited."""
        assert self._held is not None
        if newest.v.time >= max(self._held, default=self._newest):
            self._index = newest.i
            self.close_time = close_time or self.close_time
        self._held.update((row.v.time, row.v) for row in rows)
        if not self._awaited:
            return False
        self._awaited.difference_update(row.i for row in rows)
        return not self._awaited

    def _apply_many(self, rows: list[BarValues], close_time: float | None, events: list[Event]) -> None:
        newest = max(self._newest, rows[-1].time)
        for values in rows:
            if self._stays_out(values.time):
                continue
            self.track.shown(values.time)
            forming = self.forming
            if forming is not None and values.time > forming.time:
                self._close(forming, "successor", events)
            known = self._closed.get(values.time)
            if known is not None:
                self._revise(values, *known, events)
            elif self._first <= values.time <= self._forgotten:
                events.append(bar_event(self.symbol, self.interval, values, "successor", 1))
            elif values.time < newest:
                self._close(values, "successor", events)
            else:
                self.forming = values
                self.close_time = self._end_of(values, close_time)
                events.append(bar_event(self.symbol, self.interval, values))
        self._newest = newest

    def _stays_out(self, time: float) -> bool:
        """Whether a bar is from before the first one delivered, or from a gap that was told: it would come out of order."""
        if not self._restored or time >= self._newest or time in self._closed:
            return False
        return time < self._first or (time > self._forgotten and self.track.told(time))

    def _end_of(self, values: BarValues, close_time: float | None) -> float | None:
        if close_time is not None and close_time > values.time:
            return close_time
        # There is no word on its end, or it was on that of an earlier bar.
        return None if self.seconds is None else values.time + self.seconds

    def _close(self, values: BarValues, by: ClosedBy, events: list[Event]) -> None:
        if self.forming is not None and self.forming.time == values.time:
            self.forming = None
        self._closed[values.time] = (values, by, 0)
        self._first = min(self._first, values.time)
        if len(self._closed) > KEPT:
            oldest = next(iter(self._closed))
            del self._closed[oldest]
            self._forgotten = max(self._forgotten, oldest)
        self.track.delivered(values.time)
        events.append(bar_event(self.symbol, self.interval, values, by))

    def _revise(
        self, values: BarValues, old: BarValues, by: ClosedBy, revision: int, events: list[Event]
    ) -> None:
        if values != old:
            self._closed[values.time] = (values, by, revision + 1)
            events.append(bar_event(self.symbol, self.interval, values, by, revision + 1))

    # --- after a loss ---------------------------------------------------------------------------------------------

    @property
    def held(self) -> bool:
        """Whether it holds back what comes, until what was missed is here."""
        return self._held is not None

    def _hold_back(self, reason: str) -> None:
        self.reason = reason
        self._oldest_asked = math.inf
        self._awaited = set()
        self._held = {}

    def hold(self, rows: Iterable[BarValues]) -> None:
        """Takes bars that were asked for to fill the gap; what came by itself is the newer word on a bar."""
        if self._held is not None:
            self._held = {values.time: values for values in rows} | self._held

    def bars_missed(self, server_now: float | None) -> int:
        """How many bars at the most lie between the last one known and now, both included; 0 where that cannot be said."""
        if self._newest == -math.inf or self.seconds is None or server_now is None:
            return 0
        return max(0, math.ceil((server_now - self._newest) / self.seconds)) + 2

    def more_needed(self) -> int:
        """How many older bars to ask for, as what is held does not reach back to the last bar known; 0 if it does, or if
        the last page brought nothing that would help."""
        assert self._held is not None
        oldest = min(self._held, default=math.inf)
        if oldest <= self._newest or not oldest < self._oldest_asked:
            return 0
        self._oldest_asked = oldest
        if self.seconds is None:
            return MOST_BARS_A_REQUEST
        return min(MOST_BARS_A_REQUEST, math.ceil((oldest - self._newest) / self.seconds) + 1)

    def release(self, on_gap: OnGap, events: list[Event]) -> Gap | None:
        """Hands out what was held back, the gap before the bars that fill it; returns the last gap that it told of.

        Where nothing came that could be handed out, it goes on holding back: the next bar will tell whether one was missed.
        Bars from before the first that this series ever delivered, or from within a gap that was told already, stay out: they
        would come out of order.
        """
        rows = sorted((self._held or {}).values(), key=_time)
        forming = self.forming
        known = [values for values in rows if values.time in self._closed or (forming and values.time == forming.time)]
        fresh = [values for values in rows if values.time > self._newest]
        if not known and not fresh:
            return None
        self._held = None
        self._live = self._restored = True
        reason, self.reason = self.reason, ""
        close_time, self.close_time = self.close_time, None
        gap = None
        if not fresh:
            self._apply_many(known, close_time, events)
            return None
        if known:
            self._apply_many(known, None, events)
            if self.forming is not None:
                self._close(self.forming, "successor", events)
        else:
            gap = self._tell_unseen(fresh[0].time, reason, events)
            self.forming = None
        missing = fresh[:-1]
        if missing:
            gap = self._tell_missing(missing, fresh[-1].time, reason, on_gap, events)
        self._apply_many(fresh if on_gap == "fill" else fresh[-1:], close_time, events)
        return gap

    def _tell_unseen(self, end: float, reason: str, events: list[Event]) -> Gap:
        """The server does not go back to the last bar known: what that one came to, and what was behind it, is unknown.

        So it is where the clock has closed that bar: what the server had to say of it last may have got lost.
        """
        start = self._newest
        self.track.reported(start, end)
        behind = start + (self.seconds or 1)
        if behind < end:
            self.track.unseen(behind, end)
        gap = Gap(self.symbol, self.interval, start, end, reason, None, None)
        events.append(gap)
        return gap

    def _tell_missing(
        self, missing: list[BarValues], end: float, reason: str, on_gap: OnGap, events: list[Event]
    ) -> Gap:
        start = missing[0].time
        for values in missing:
            self.track.shown(values.time)
        self.track.reported(start, end)
        filled = len(missing) if on_gap == "fill" else 0
        gap = Gap(self.symbol, self.interval, start, end, reason, filled, len(missing))
        events.append(gap)
        return gap

    def give_up(self, until: float, events: list[Event]) -> Gap:
        """The series will not come back: what it came to from the last bar known on is unknown."""
        self._held = None
        reason, self.reason = self.reason, ""
        return self._tell_unseen(max(until, self._newest + 1), reason, events)

    # --- the clock ------------------------------------------------------------------------------------------------

    def due(self) -> float | None:
        """The server's time at which the forming bar counts as closed; None while that cannot be said."""
        if self.forming is None or not self.completed or self.close_time is None or self._held is not None:
            return None
        end = self.close_time
        if self._delay is not None:
            end = max(end, self.forming.time + (self.seconds or 0) + self._delay)
        return end + self._grace

    def close_by_time(self, events: list[Event]) -> None:
        """Closes the forming bar because its time is over."""
        assert self.forming is not None
        self._close(self.forming, "time", events)


def _time(values: BarValues) -> float:
    return values.time


def bar_event(symbol: str, interval: str, values: BarValues, by: ClosedBy | None = None, revision: int = 0) -> Bar:
    volume = values.volume
    return Bar(
        symbol,
        interval,
        values.time,
        values.open,
        values.high,
        values.low,
        values.close,
        None if volume == NO_VALUE else volume,
        by is not None,
        by,
        revision,
    )
