"""`StreamRouter`: one stream, many consumers, each with a mailbox of its own.

Over tapes and memory nothing runs in the background: the consumer that waits pumps for all. Over sockets one dispatcher
thread delivers. Either way a consumer that fails, or falls behind under the policy `error`, fails alone.
"""

from __future__ import annotations

import logging
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Generic, Self, TypeVar, cast

from tvstreamer.errors import MailboxFull, TransportTimeout
from tvstreamer.events import Bar, Event, StudyUpdate, Tick
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.pump import LONGEST
from tvstreamer.routing import Filter, Mailbox, MailboxStatistics, Policy, bars_of, check_mailbox, studies_of, ticks_of
from tvstreamer.symbols import quoted_symbol
from tvstreamer.wsclient import TvWSClient

logger = logging.getLogger(__name__)
E = TypeVar("E", bound=Event)
_JOIN = 5.0


class Consumer(Generic[E]):
    """An iterator over the events of one mailbox; made by the router's `iter_...` methods.

    Ends with the stream, after what still waits. `close()` ends it early; `statistics()` tells what it lost.
    """

    def __init__(self, router: StreamRouter, wanted: Filter, mailbox: Mailbox) -> None:
        self._router = router
        self._mailbox = mailbox
        self._wanted = wanted
        self._failure: Exception | None = None
        self._closed = False

    def __repr__(self) -> str:
        return f"<Consumer {self._mailbox!r}>"

    def __iter__(self) -> Iterator[E]:
        return self

    def __next__(self) -> E:
        event = self._router._take(self)
        if event is None:
            raise StopIteration
        return cast(E, event)

    def close(self) -> None:
        """Wants no more. Events that wait are given up."""
        self._router._remove(self)

    def statistics(self) -> MailboxStatistics:
        return self._mailbox.statistics()


class _Callback:
    """A consumer without a mailbox: a function, called as events come."""

    def __init__(self, wanted: Filter, on_event: Callable[[Any], object]) -> None:
        self.wanted = wanted
        self.on_event = on_event


class StreamRouter:
    """Hands the events of one client to many consumers.

    Takes a `TvWSClient`, or subscriptions and the options that one is made with. `mailbox` and `policy` are the defaults
    for consumers; each may have its own. Use it as a context manager: leaving it closes the client, then waits for the
    dispatcher.
    """

    def __init__(
        self,
        subscriptions_or_client: object = (),
        *,
        source: object = "live",
        mailbox: int = 1024,
        policy: Policy = "block",
        **options: Any,
    ) -> None:
        check_mailbox(mailbox, policy)
        if isinstance(subscriptions_or_client, TvWSClient):
            self._client = subscriptions_or_client
        else:
            self._client = TvWSClient(subscriptions_or_client, source=source, **options)
        self._size = mailbox
        self._policy = policy
        self._consumers: list[Consumer[Any]] = []
        self._callbacks: list[_Callback] = []
        self._pending: deque[Event] = deque()
        self._changed = threading.Condition(threading.RLock())
        self._thread: threading.Thread | None = None
        self._ended = False
        self._end: BaseException | None = None
        self.failures: list[BaseException] = []
        """What callbacks raised; each was then taken off."""

    def __repr__(self) -> str:
        state = "ended" if self._ended else "open"
        return f"<StreamRouter {state}, {len(self._consumers)} iterators, {len(self._callbacks)} callbacks>"

    # --- consumers ------------------------------------------------------------------------------------------------

    def iter_ticks(
        self, *symbols: str, mailbox: int | None = None, policy: Policy | None = None
    ) -> Consumer[Tick]:
        """Ticks of these symbols, or of all. Symbols that are not subscribed yet are."""
        wanted = [Subscription(symbol) for symbol in symbols]
        self._ensure(wanted)
        names = frozenset(quoted_symbol(each.symbol) for each in wanted)
        return self._add(ticks_of(names), f"ticks {' '.join(sorted(names))}".strip(), mailbox, policy)

    def iter_bars(
        self, *pairs: tuple[str, str], mailbox: int | None = None, policy: Policy | None = None
    ) -> Consumer[Bar]:
        """Bars of these (symbol, interval) pairs, or of all: every update, and their closing."""
        keys, name = self._pairs(pairs)
        return self._add(bars_of(keys), f"bars {name}".strip(), mailbox, policy)

    def iter_closed_bars(
        self,
        *pairs: tuple[str, str],
        revisions: bool = False,
        mailbox: int | None = None,
        policy: Policy | None = None,
    ) -> Consumer[Bar]:
        """Closed bars only, each once; with `revisions` late corrections too."""
        keys, name = self._pairs(pairs)
        wanted = bars_of(keys, closed=True, revisions=revisions)
        return self._add(wanted, f"closed bars {name}".strip(), mailbox, policy)

    def iter_studies(
        self,
        *subscriptions: Subscription,
        closed: bool = False,
        mailbox: int | None = None,
        policy: Policy | None = None,
    ) -> Consumer[StudyUpdate]:
        """Values of the studies of these subscriptions' series, or of all; with `closed` only each bar's last ones.

        Subscriptions that are not covered yet are made.
        """
        wanted = [Subscription.of(each) for each in subscriptions]
        self._ensure(wanted)
        keys = frozenset((each.symbol, each.interval or "") for each in wanted)
        name = " ".join(sorted(f"{symbol} {interval}" for symbol, interval in keys))
        return self._add(studies_of(keys, closed=closed), f"studies {name}".strip(), mailbox, policy)

    def subscribe(
        self, pair_or_symbol: str | tuple[str, str], on_event: Callable[[Any], object], *, ticks: bool = False
    ) -> Callable[[], None]:
        """Calls `on_event` with the ticks of a symbol, or the bars of a pair (and with `ticks` its ticks too).

        Over sockets it is called in the dispatcher thread, else in the thread of whoever waits, for example `run()`.
        Returns a function that ends it. A callback that raises is taken off, with a `RuntimeWarning`; see `failures`.
        """
        wanted = Subscription.of(pair_or_symbol)
        self._ensure([wanted])
        filters: list[Filter] = []
        if wanted.interval is None or ticks:
            filters.append(ticks_of(frozenset((quoted_symbol(wanted.symbol),))))
        if wanted.interval is not None:
            filters.append(bars_of(frozenset(((wanted.symbol, wanted.interval),))))
        callback = _Callback(lambda event: any(each(event) for each in filters), on_event)
        with self._changed:
            self._callbacks.append(callback)
        if not self._client.inline:
            self._start()

        def dispose() -> None:
            with self._changed:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)

        return dispose

    def _pairs(self, pairs: tuple[tuple[str, str], ...]) -> tuple[frozenset[tuple[str, str]], str]:
        wanted = [Subscription.of(pair) for pair in pairs]
        self._ensure(wanted)
        keys = frozenset((each.symbol, each.interval or "") for each in wanted)
        return keys, " ".join(sorted(f"{symbol} {interval}" for symbol, interval in keys))

    def _ensure(self, wanted: list[Subscription]) -> None:
        for each in wanted:
            if not self._client.covers(each):
                self._client.subscribe(each)

    def _add(self, wanted: Filter, name: str, size: int | None, policy: Policy | None) -> Consumer[Any]:
        mailbox = Mailbox(name, size=size or self._size, policy=policy or self._policy)
        consumer: Consumer[Any] = Consumer(self, wanted, mailbox)
        with self._changed:
            self._consumers.append(consumer)
        return consumer

    def _remove(self, consumer: Consumer[Any]) -> None:
        with self._changed:
            consumer._closed = True
            if consumer in self._consumers:
                self._consumers.remove(consumer)
            self._changed.notify_all()

    # --- delivery -------------------------------------------------------------------------------------------------

    def run(self, timeout: float | None = None) -> None:
        """Delivers until the stream ends, for at most `timeout` seconds of the source's clock.

        Raises what ended the stream, where that was a failure.
        """
        if self._client.inline:
            self._run_inline(timeout)
        else:
            self._start()
            with self._changed:
                self._changed.wait_for(lambda: self._ended, LONGEST if timeout is None else timeout)
        if self._end is not None:
            raise self._end

    def _run_inline(self, timeout: float | None) -> None:
        source = self._client.source
        assert source is not None
        until = None if timeout is None else source.clock.now() + timeout
        while not self._ended and (until is None or source.clock.now() < until):
            self._pump_one(None, LONGEST if until is None else until - source.clock.now())

    def _take(self, consumer: Consumer[Any]) -> Event | None:
        """The next event of a consumer; pumps for all, or waits for the dispatcher, until there is one."""
        if self._client.inline:
            while True:
                event = self._ready(consumer)
                if event is not None or consumer._closed or (self._ended and not self._pending):
                    break
                self._pump_one(consumer, LONGEST)
        else:
            self._start()
            with self._changed:
                while True:
                    event = self._ready(consumer)
                    if event is not None or consumer._closed or self._ended:
                        break
                    if not self._changed.wait(LONGEST):
                        raise TransportTimeout(f"{consumer!r}: nothing for {LONGEST:g} s")
        if event is None and not consumer._closed and self._end is not None:
            raise self._end
        return event

    def _ready(self, consumer: Consumer[Any]) -> Event | None:
        with self._changed:
            event = consumer._mailbox.take()
            if event is not None:
                self._changed.notify_all()
            elif consumer._failure is not None:
                self._remove(consumer)
                raise consumer._failure
            return event

    def _pump_one(self, waiting: Consumer[Any] | None, timeout: float) -> None:
        """Inline: delivers one event, after having fetched some if there were none."""
        if not self._pending:
            try:
                events = self._client.poll(timeout)
            except Exception as error:
                self._finish(error)
                return
            if events is None:
                self._finish(None)
                return
            self._pending.extend(events)
        if self._pending:
            event = self._pending.popleft()
            full = self._deliver(event)
            if full is not None:
                self._pending.appendleft(event)
                # Nobody else runs who could make room, so waiting would be for ever.
                raise MailboxFull(f"mailbox {full._mailbox.name!r} is full and its consumer does not read")

    def _deliver(self, event: Event) -> Consumer[Any] | None:
        """Gives an event to all who want it, or to nobody: then it returns the consumer whose mailbox is full."""
        with self._changed:
            takers = [consumer for consumer in self._consumers if consumer._wanted(event)]
            for consumer in takers:
                mailbox = consumer._mailbox
                if mailbox.policy == "block" and len(mailbox) >= mailbox.size:
                    return consumer
            for consumer in takers:
                if consumer._failure is None:
                    try:
                        consumer._mailbox.offer(event)
                    except MailboxFull as error:
                        consumer._failure = error
            callbacks = [callback for callback in self._callbacks if callback.wanted(event)]
            self._changed.notify_all()
        failed: list[tuple[_Callback, Exception]] = []
        for callback in callbacks:
            try:
                callback.on_event(event)
            except Exception as error:
                logger.exception("a callback raised and is taken off: %r", callback.on_event)
                self.failures.append(error)
                failed.append((callback, error))
                with self._changed:
                    if callback in self._callbacks:
                        self._callbacks.remove(callback)
        for callback, failure in failed:
            # Last, as a warning may be an error. Nothing else is seen where nobody set up logging, and a test that checks
            # something in a callback would pass.
            text = f"callback {callback.on_event!r} raised {failure!r} and is taken off; the router's failures has it"
            warnings.warn(text, RuntimeWarning, stacklevel=2)
        return None

    def _start(self) -> None:
        """Starts the dispatcher, once."""
        with self._changed:
            if self._thread is None and not self._ended:
                self._thread = threading.Thread(target=self._dispatch, name="tvstreamer-dispatcher", daemon=True)
                self._thread.start()

    def _dispatch(self) -> None:
        end: BaseException | None = None
        try:
            for event in self._client.stream():
                while self._deliver(event) is not None:
                    with self._changed:
                        if self._ended:
                            return
                        self._changed.wait(LONGEST)
        except Exception as error:
            end = error
        finally:
            self._finish(end)

    def _finish(self, end: BaseException | None) -> None:
        with self._changed:
            if not self._ended:
                self._ended = True
                self._end = end
            self._changed.notify_all()

    # --- life -----------------------------------------------------------------------------------------------------

    def statistics(self) -> list[MailboxStatistics]:
        """Counts of each consumer's mailbox."""
        with self._changed:
            return [consumer.statistics() for consumer in self._consumers]

    def close(self) -> None:
        """Closes the client, then waits for the dispatcher. Always returns; safe to repeat."""
        self._client.close()
        self._finish(None)
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(_JOIN)

    def __enter__(self) -> Self:
        self._client.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
