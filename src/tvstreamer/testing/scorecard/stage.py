"""The stage on which a client is tried: a server with prices by hand, the client, and what can be seen of both."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import floor
from typing import Any, Final, NoReturn, TypeVar

from tvstreamer.clock import SystemClock
from tvstreamer.errors import shorten
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.protocol.journal import JournalEntry
from tvstreamer.server.fake import FakeServer
from tvstreamer.testing.scorecard.clients import Client, Line, Running, Task

T = TypeVar("T")

SYMBOL: Final = "BINANCE:BTCUSDT"
INTERVAL: Final = "1"
_MINUTE: Final = 60.0
_LOOK: Final = 0.01
_SETTLING: Final = 0.4
"""Seconds after which what ought not to come counts as not coming."""


class Failed(Exception):
    """The client did not do what it had to."""


class NotJudged(Exception):
    """What would show it cannot be seen of this client."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that happens to streaming clients, and what one has to do about it, in `title`.

    `sees` tells whether it is judged by what the client prints; `patience` is by how much longer than others it may take.
    """

    name: str
    title: str
    play: Callable[[Stage], None]
    sees: bool = False
    patience: float = 1.0


class Stage:
    """One server and one client, for one scenario.

    `limit` is how many seconds the client has for each thing that is expected of it; a `mute` one prints no bars. Nothing is
    waited for any more once it is `over`.
    """

    def __init__(self, client: Client, limit: float, *, mute: bool = False, over: threading.Event | None = None) -> None:
        self._client = client
        self._limit = limit
        self._mute = mute
        self._clock = SystemClock()
        self._over = over or threading.Event()
        self._running: Running | None = None
        self.truth: dict[float, list[float]] = {}
        """What the market made of each bar: its open, high, low, close, and volume where it has one, by its time."""

    # --- what the scenario does -----------------------------------------------------------------------------------

    def open(
        self,
        *faults: Fault,
        bars: int = 5,
        asked: int = 5,
        symbol: str = SYMBOL,
        volume: bool = True,
        heartbeats: float = 0.4,
        token: str = "",
        launch: bool = True,
        **options: Any,
    ) -> None:
        """A server with so many bars, and the client that was told to ask for `asked` of them."""
        patience = {"heartbeat_timeout": None} | options
        self.server = FakeServer(faults=FaultPlan(faults), heartbeat_interval=heartbeats, reply_delay=0.01, **patience)
        # The last of them has just begun, so no minute ends while the scenario is played.
        newest = floor(self._clock.now()) - 1.0
        for number in range(bars):
            price = 100.0 + number
            row = [price, price + 0.75, price - 0.5, price + 0.25] + ([10.0 + number] if volume else [])
            self.truth[newest - _MINUTE * (bars - 1 - number)] = row
        if bars:
            self.server.market.bars(SYMBOL, INTERVAL, [[time, *row] for time, row in self.truth.items()])
        if launch:
            self._running = self._client.start(Task(self.server.url, symbol, INTERVAL, asked, token))

    def trade(self, price: float) -> None:
        """A trade in the newest bar."""
        row = self.truth[max(self.truth)]
        row[1], row[2], row[3] = max(row[1], price), min(row[2], price), price
        if len(row) == 5:
            row[4] += 1.0
        self.server.market.tick(SYMBOL, price)

    def new_bar(self, price: float) -> float:
        """Ends the newest bar and opens the next; returns its time."""
        newest = max(self.truth)
        self.server.market.close_bar(SYMBOL, INTERVAL)
        self.truth[newest + _MINUTE] = [price] * 4 + ([1.0] if len(self.truth[newest]) == 5 else [])
        self.server.market.tick(SYMBOL, price)
        return newest + _MINUTE

    def plan(self, *faults: Fault) -> None:
        """Other faults, for the connections that there are and those to come."""
        self.server.set_faults(FaultPlan(faults))

    def wait(self, seconds: float = _SETTLING) -> None:
        if self._over.wait(seconds):
            raise NotJudged("it was over before that")

    # --- what can be seen -----------------------------------------------------------------------------------------

    @property
    def running(self) -> Running:
        assert self._running is not None, "the client has not been started"
        return self._running

    @property
    def ended(self) -> bool:
        return self.running.exit_code is not None

    def told(self, kind: str = "bar") -> list[Line]:
        return [line for line in list(self.running.lines) if line.kind == kind]

    def entries(self, kind: str, method: str | None = None, connection: int | None = None) -> list[JournalEntry]:
        return [
            entry
            for entry in self.server.journal
            if entry.kind == kind and method in (None, entry.method) and connection in (None, entry.connection)
        ]

    def connections(self) -> set[int]:
        """The numbers of the connections on which the client said something."""
        return {entry.connection for entry in self.entries("command")}

    def refused(self) -> list[float]:
        """When the client tried to connect in vain."""
        return [fired.at for fired in self.server.fired if fired.kind == "refuse"]

    def takes(self, what: str) -> bool:
        """Whether the client can be told this part of its task."""
        return self._client.takes(what)

    def series(self, connection: int | None = None) -> list[JournalEntry]:
        """The client's commands for the series that it was told to ask for."""
        return [
            entry
            for method in ("create_series", "modify_series")
            for entry in self.entries("command", method, connection)
            if SYMBOL in entry.symbols
        ]

    # --- what is expected -----------------------------------------------------------------------------------------

    def until(self, holds: Callable[[], T], what: str, *, alive: bool = True) -> T:
        """Waits until something holds. Raises `Failed` when time is up, or the client ends before."""
        end = self._clock.now() + self._limit
        while not (found := holds()):
            if alive and self.ended and not holds():
                self.fail(f"expected {what}, but the client ended with exit code {self.running.exit_code}")
            if self._clock.now() >= end:
                self.fail(f"expected {what} within {self._limit:g} s")
            self.wait(_LOOK)
        return found

    def expect(self, holds: object, problem: str) -> None:
        if not holds:
            self.fail(problem)

    def fail(self, problem: str) -> NoReturn:
        said = self._running.said if self._running is not None else []
        # Some runtimes end what they say of an error with a stack, or their own version.
        telling = next((line for line in reversed(said) if _TROUBLE.search(line)), said[-1] if said else None)
        raise Failed(problem + (f"; it said: {shorten(telling, 120)}" if telling else ""))

    def subscribed(self) -> None:
        """The client has asked for its bars, and has them."""
        self.until(self.series, f"a create_series for {SYMBOL} {INTERVAL}")
        self.until(lambda: self.entries("reply", "series_completed"), "to be asked for bars")

    def stream(self, *faults: Fault, **options: Any) -> None:
        """Opens; then the client has all bars that there are so far, and if it prints them, has printed them."""
        self.open(*faults, **options)
        self.subscribed()
        if not self._mute:
            self.tells_all()

    def sees_or_stays(self, when: str) -> None:
        """The client tells the bars that there are by now; one that prints none is at least still there, on one connection."""
        if not self._mute:
            self.tells_all(when)
            return
        before = len(self.connections())
        self.wait()
        self.expect(not self.ended and len(self.connections()) == before, f"the client left {when}")

    def tells_all(self, what: str = "") -> None:
        """The client has printed each bar with the values that it has by now."""
        try:
            self.until(self.has_told_all, "")
        except Failed:
            still = self._untold()
            if still:
                others = f" and {len(still) - 1} others" if len(still) > 1 else ""
                self.fail(f"expected {still[0]}{others} to be told{f' {what}' if what else ''}")

    def has_told_all(self) -> bool:
        return not self._untold()

    def _untold(self) -> list[str]:
        newest: dict[float | None, Line] = {line.time: line for line in self.told()}
        return [
            f"the bar of {time:.0f} with a close of {row[3]:g}"
            for time, row in self.truth.items()
            if time not in newest or newest[time].values.get("close") != row[3]
        ]

    def told_in_order(self) -> None:
        """No bar was told after one of a later time, but for corrections; and none was closed twice."""
        newest, closed = 0.0, set()
        for line in self.told():
            time, revision = line.time or 0.0, line.values.get("revision") or 0
            if time < newest and not revision:
                # The end of a bar may be told behind the beginning of the next.
                late = newest - time <= _MINUTE and line.values.get("closed") is True and time not in closed
                self.expect(late, f"the bar of {time:.0f} was told again after that of {newest:.0f}")
            newest = max(newest, time)
            if line.values.get("closed") is True and not revision:
                self.expect(time not in closed, f"the bar of {time:.0f} was closed twice")
                closed.add(time)

    def complains(self, about: str) -> None:
        """The client lets its user know of a problem: by a line that is none of data, a word on stderr, or its end."""
        running = self.running

        def told() -> bool:
            odd = any(line.kind not in _DATA for line in list(running.lines))
            return bool(odd or any(map(_TROUBLE.search, running.said)) or (self.ended and running.exit_code))

        self.until(told, f"a word about {about}: an event, a line on stderr, or an exit code", alive=False)

    def reconnects(self) -> None:
        """The client comes back and asks for its bars again."""
        before = max((entry.connection for entry in self.series()), default=0)
        self.until(lambda: any(entry.connection > before for entry in self.series()), "a new connection that asks for bars again")


_DATA: Final = ("bar", "tick", "quote", "symbol_info", "connected", "history_complete")
"""What comes when all is well."""
_TROUBLE: Final = re.compile(
    r"error|exception|fail|invalid|unknown|no.such|not.found|refus|reject|denied|expired|unauthori[sz]ed|bad|clos|disconnect|lost"
    r"|gap|miss|stall|timed?.?out",
    re.IGNORECASE,
)


@contextmanager
def on_stage(
    client: Client, limit: float, *, mute: bool = False, over: threading.Event | None = None
) -> Iterator[Stage]:
    """A stage; server and client are gone after it."""
    stage = Stage(client, limit, mute=mute, over=over)
    try:
        yield stage
    finally:
        if stage._running is not None:
            stage._running.end()
        if hasattr(stage, "server"):
            stage.server.close()
