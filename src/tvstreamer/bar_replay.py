"""`BarReplay`: the past of a symbol bar by bar, by steps or by the clock, as TradingView's bar replay gives it.

It has a connection of its own. Over sockets one thread reads it, so that heartbeats are echoed however long its user thinks
between two steps; in memory it runs in the caller's thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Final, Self

from tvstreamer.errors import (
    FramingError,
    LocalProtocolError,
    TransportClosed,
    TransportError,
    TransportTimeout,
    TvError,
)
from tvstreamer.events import Bar
from tvstreamer.lifetimes import current_watch
from tvstreamer.protocol.bar_replay import BarReplayProtocol
from tvstreamer.sources import Source
from tvstreamer.transports.base import Transport

_LOOK: Final = 0.5
"""Seconds after which a reader looks whether it was asked to stop."""


class BarReplay:
    """One bar replay; `TvWSClient.bar_replay` makes it. A context manager: it connects when it is entered.

    ::

        with client.bar_replay("BINANCE:BTCUSDT", "60", start) as replay:
            print(replay.history[-1], replay.point)
            for bar in replay.step(3):
                print(bar)
            for bar in replay.play(speed=10):
                print(bar)

    What comes are `Bar` events as in a live stream: each bar that is shown is whole, and is told once more, as closed, when
    the next one comes. `timeout` is how many seconds of the source's clock the server has for each answer. Raises
    `ConnectFailed`, `SymbolError`, `SeriesError`, `CriticalError`, `AuthError`, `TransportTimeout`, and
    `RemoteProtocolError` where the connection is lost: it is not replaced, as the server forgets a replay with it.
    """

    def __init__(self, source: Source, protocol: BarReplayProtocol, *, timeout: float = 30.0) -> None:
        self._source = source
        self._protocol = protocol
        self._timeout = timeout
        self._transport: Transport | None = None
        self._thread: threading.Thread | None = None
        self._news = threading.Condition(threading.RLock())
        self._closed = False
        self._watch = current_watch()
        self.history: Sequence[Bar] = ()
        """The bars that it began with, all closed but the newest."""

    def __repr__(self) -> str:
        return f"<BarReplay {self._protocol.symbol} {self._protocol.interval} at {self.point}>"

    # --- life -----------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        try:
            self._transport = self._source.connector()
            self._watch.opened(self)
            if self._source.threaded:
                self._thread = threading.Thread(target=self._read, name="tvstreamer-bar-replay", daemon=True)
                self._thread.start()
            with self._news:
                self._flush()
                self._await(lambda: self._protocol.loaded, "bars")
                self.history = tuple(self._protocol.events())
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Ends the replay and its connection. Safe to repeat."""
        with self._news:
            self._closed = True
            self._watch.closed(self)
            transport, self._transport = self._transport, None
            thread, self._thread = self._thread, None
            self._news.notify_all()
        if transport is not None:
            transport.close()
        if thread is not None and thread is not threading.current_thread():
            thread.join(5.0)
        self._source.close()

    # --- going on -------------------------------------------------------------------------------------------------

    @property
    def point(self) -> float | None:
        """When the newest bar that is shown opened."""
        return self._protocol.point

    @property
    def ended(self) -> bool:
        """Whether there are no more bars: the replay has come to the present."""
        return self._protocol.ended

    def step(self, count: int = 1) -> list[Bar]:
        """Goes on by so many bars; returns what that tells. Fewer come where the replay ends."""
        with self._news:
            request = self._protocol.step(count)
            self._flush()
            self._await(lambda: self._protocol.answered(request), "answer to a step")
            found = self._protocol.events()
            # The bars come in the same message as the answer, or behind it.
            while not found and not self.ended:
                self._turn("bars of a step")
                found = self._protocol.events()
            return found

    def play(self, speed: float = 1.0) -> Iterator[Bar]:
        """Goes on by itself, `speed` bars a second of the server's clock, until the replay ends or nobody asks for more."""
        with self._news:
            request = self._protocol.play(speed)
            self._flush()
            self._await(lambda: self._protocol.answered(request), "answer to the start")
        try:
            while True:
                with self._news:
                    bars = self._protocol.events()
                    if not bars:
                        if self.ended or self._closed:
                            return
                        self._turn("bars")
                yield from bars
        finally:
            if not self.ended and not self._closed and self._protocol.failure is None:
                self._pause()

    def _pause(self) -> None:
        with self._news:
            request = self._protocol.pause()
            self._flush()
            self._await(lambda: self._protocol.answered(request), "answer to the stop")

    # --- the connection -------------------------------------------------------------------------------------------

    def _await(self, holds: Callable[[], bool], what: str) -> None:
        """Until it holds. Raises what the server refused with, and `TransportTimeout`."""
        until = self._source.clock.now() + self._timeout
        while not holds():
            self._turn(what, until)

    def _not_open(self) -> TvError:
        if self._closed:
            return TransportClosed(1000, f"{self!r} is closed")
        return LocalProtocolError(f"{self!r} has not begun: expected `with client.bar_replay(...) as replay`")

    def _turn(self, what: str, until: float | None = None) -> None:
        """Takes in what comes next."""
        if self._protocol.failure is not None:
            raise self._protocol.failure
        if self._transport is None:
            raise self._not_open()
        clock = self._source.clock
        left = self._timeout if until is None else until - clock.now()
        if left <= 0:
            raise TransportTimeout(f"{self!r}: no {what} within {self._timeout:g} s")
        if self._thread is not None:
            came = self._news.wait(left / getattr(clock, "factor", 1.0))
            if not came and until is None:
                raise TransportTimeout(f"{self!r}: no {what} within {self._timeout:g} s")
        else:
            try:
                self._take(self._transport, left)
            except TransportTimeout:
                raise TransportTimeout(f"{self!r}: no {what} within {self._timeout:g} s") from None
        if self._protocol.failure is not None:
            raise self._protocol.failure

    def _take(self, transport: Transport, timeout: float) -> None:
        """Reads one message."""
        try:
            received = transport.recv(timeout)
        except TransportClosed as closed:
            with self._news:
                self._protocol.lost(closed.code, closed.reason)
            return
        with self._news:
            try:
                self._protocol.receive(received.text)
            except FramingError as error:
                self._protocol.lost(1002, str(error))
            self._flush()

    def _flush(self) -> None:
        transport = self._transport
        if transport is None:
            raise self._not_open()
        try:
            for message in self._protocol.messages_to_send():
                transport.send(message)
        except TransportError as error:
            # Why the connection ended is for the reader to find out.
            if not isinstance(error, TransportClosed):
                raise

    def _read(self) -> None:
        transport = self._transport
        assert transport is not None
        while not self._closed and self._protocol.failure is None:
            try:
                self._take(transport, _LOOK)
            except TransportTimeout:
                continue
            except TransportClosed:
                return
            with self._news:
                self._news.notify_all()
