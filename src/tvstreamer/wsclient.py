"""`TvWSClient`: one connection, its subscriptions, and the stream of events, whatever the source.

Tapes and a virtual fake run inline in the caller's thread, so that nothing depends on scheduling. Sockets get one reader
thread, because a slow consumer must not stop the heartbeat's echo; it hands events over in batches.
"""

from __future__ import annotations

import contextlib
import logging
import math
import os
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from tvstreamer import __version__
from tvstreamer.answers import HistoryResult, QuoteSnapshot, recorded_history, recorded_quotes
from tvstreamer.auth import Credentials, TokenWatch
from tvstreamer.bar_replay import BarReplay
from tvstreamer.clock import Clock, Moment, VirtualClock, instant
from tvstreamer.continuity import Ledger
from tvstreamer.errors import InvalidPlan, LocalProtocolError, MailboxFull, TapeMismatch, TransportTimeout, shorten
from tvstreamer.events import Event
from tvstreamer.intervals import Interval
from tvstreamer.lifetimes import current_watch
from tvstreamer.protocol.bar_replay import BarReplayProtocol
from tvstreamer.protocol.charts import OnGap
from tvstreamer.protocol.client import ClientProtocol, ClientStatistics
from tvstreamer.protocol.fields import quote_fields
from tvstreamer.protocol.history import HistoryProgress, HistoryRequest
from tvstreamer.protocol.limits import Limits
from tvstreamer.protocol.settings import Settings
from tvstreamer.protocol.snapshots import QuoteRequest
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.protocol.subscription import subscriptions as _read_subscriptions
from tvstreamer.protocol.watchdogs import DEFAULT_WATCHDOGS, OFF, Watchdogs
from tvstreamer.pump import LONGEST, EndOfStream, Pump, TapePump, Turning
from tvstreamer.reconnect import Backoff, ReconnectPolicy
from tvstreamer.recording import Recording
from tvstreamer.sources import Source, open_source
from tvstreamer.symbols import parse_symbol, quoted_symbol
from tvstreamer.tape.format import Header
from tvstreamer.tape.parts import Rotation

if TYPE_CHECKING:
    from tvstreamer.faults import FaultPlan

logger = logging.getLogger(__name__)
_JOIN = 5.0
Asked = TypeVar("Asked", HistoryRequest, QuoteRequest)


def load_faults(faults: FaultPlan | str | os.PathLike[str] | None) -> FaultPlan | None:
    """A plan as it is, or the one in a file; None for none. Raises `InvalidPlan`."""
    if faults is None:
        return None
    from tvstreamer.faults import plan_of

    return plan_of(faults)


def _check_window(begin: float, end: float | None) -> None:
    for name, value in (("begin", begin), ("end", end)):
        if value is not None and (not isinstance(value, int | float) or not 0 <= value < math.inf):
            raise InvalidPlan(f"{name} {shorten(value)}: expected a number of seconds from 0")
    if end is not None and end < begin:
        raise InvalidPlan(f"begin {begin!r} and end {end!r}: expected an end behind the beginning")


class _Waiting:
    """Somebody who waits in another thread than the one that reads."""

    def __init__(self, request: HistoryRequest | QuoteRequest, news: threading.Event) -> None:
        self.request = request
        self.news = news
        """Set when there is a page more, an answer, or nothing to wait for any longer."""
        self._pages = 0

    def look(self) -> None:
        if self.request.done or self.request.pages != self._pages:
            self._pages = self.request.pages
            self.news.set()


class TvWSClient:
    """Streams the bars and quotes of subscriptions from a source.

    `subscriptions` is one of, or an iterable of, `Subscription`, `"EX:SYM"`, `("EX:SYM", "1")`. `source` is `live`,
    `live:host=prodata`, `fake:seed=7,speed=max`, a `ws://` address, the path of a tape, or any `Connector`, such as the
    `connect` of a `FakeServer`, whose clock is then the client's. A tape without subscriptions is played whole, as it was
    recorded; with subscriptions, those of its connections are that hold them all.

    `token`, `sessionid` and `sessionid_sign` fall back on the environment (`TVSTREAMER_TOKEN`, `TVSTREAMER_SESSIONID`,
    `TVSTREAMER_SESSIONID_SIGN`). `speed` paces a tape or a fake: a factor, or `"max"`. With a `seed` everything random
    derives from it. `backlog` is how many events may wait for a slow consumer before it gets `MailboxFull`. `begin` and
    `end` are seconds from the start of a tape that is played whole.

    `record` is the path of a tape to write, compressed if it ends in `.gz` or `.zst`; `overwrite` allows it to replace one.
    `rotate` begins a new file after so much: `"100MB"`, `"1h"`, or both as `"100MB,1h"`. `fsync` says when what is recorded
    has to be on the disk: `"never"` leaves that to the system, `"interval"` waits for it once a second, `"always"` after
    each record.

    A connection that is lost or stalls is replaced: `reconnect` is a `ReconnectPolicy`, True for the default one, or False.
    What was missed meanwhile is told by `Gap` events and filled (`on_gap="fill"`), only told (`"yield"`), or ends the stream
    with a `ContinuityError` (`"raise"`). `watchdogs` says after how long a silence counts as a stall (`Watchdogs`, or None
    for never). Tapes are not watched and end with their last connection.

    `token` may be a function that gets one. It is called when the client connects, and again two minutes before a token expires
    that says when it does; the new one goes out on the living connection. `on_token_expiring` is the same for a token that is
    there already: it is called with the moment, and may return another token. Both are called in the thread that reads, between
    two messages, and should answer within seconds. A token that has expired is not sent (`TokenExpired`), and where no new one
    comes, the stream ends with `TokenRefreshFailed`.

    `limits` are those of your account (`Limits`, or the name of a plan): what goes beyond is `LimitExceeded` before the server is
    asked. `timezone` is that of charts; see `set_timezone`.

    `fields` are those of quotes: `"default"`, `"all"`, another set of `FIELD_SETS`, or a list of names.

    `faults` is a `FaultPlan`, or the path of one in TOML: what comes from the source, whichever it is, suffers them.

    `connect`, `subscribe`, `unsubscribe`, `get_history`, `statistics` and `close` may be called from any thread; one thread
    at a time reads the stream.
    """

    def __init__(
        self,
        subscriptions: object = (),
        *,
        n_init_bars: int = 300,
        source: object = "live",
        token: str | Callable[[], str] | None = None,
        sessionid: str | None = None,
        sessionid_sign: str | None = None,
        auth: Credentials | None = None,
        on_token_expiring: Callable[[float], str | None] | None = None,
        record: str | os.PathLike[str] | None = None,
        overwrite: bool = False,
        rotate: str | None = None,
        fsync: str = "never",
        speed: float | str | None = None,
        seed: int | None = None,
        threaded: bool | None = None,
        clock: Clock | None = None,
        origin: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        timeout: float = 10.0,
        reconnect: bool | ReconnectPolicy = True,
        on_gap: OnGap | None = None,
        watchdogs: Watchdogs | None = DEFAULT_WATCHDOGS,
        faults: FaultPlan | str | os.PathLike[str] | None = None,
        fields: str | Iterable[str] = "default",
        limits: Limits | str | None = None,
        timezone: str | None = None,
        backlog: int = 100_000,
        begin: float = 0.0,
        end: float | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        __tracebackhide__ = True  # for pytest, which would show the arguments
        self._wanted = _read_subscriptions(subscriptions)
        if auth is not None and not isinstance(auth, Credentials):
            # It may be a secret, in the wrong place.
            raise InvalidPlan(f"auth (not shown, {type(auth).__name__}): expected Credentials")
        if auth is not None and (isinstance(token, str) or sessionid or sessionid_sign):
            raise InvalidPlan("auth and token, sessionid or sessionid_sign: expected one or the other")
        self._credentials = auth or Credentials.from_environment(
            environ, token=None if callable(token) else token, sessionid=sessionid, sessionid_sign=sessionid_sign
        )
        self._limits = Limits.of(limits)
        self._limits.check_subscriptions(self._wanted)
        self._token = TokenWatch(
            self._credentials.token, fetch=token if callable(token) else None, expiring=on_token_expiring
        )
        self._settings = Settings(
            n_init_bars=n_init_bars,
            token=self._credentials.token,
            quote_fields=quote_fields(fields),
            timezone=timezone,
            on_gap=on_gap or "fill",
            watchdogs=watchdogs or OFF,
        )
        if not isinstance(reconnect, bool | ReconnectPolicy):
            raise InvalidPlan(f"reconnect {shorten(reconnect)}: expected a ReconnectPolicy, True or False")
        if watchdogs is not None and not isinstance(watchdogs, Watchdogs):
            raise InvalidPlan(f"watchdogs {shorten(watchdogs)}: expected a Watchdogs, or None for none")
        self._faults = load_faults(faults)
        self._policy = ReconnectPolicy() if reconnect is True else reconnect or None
        self._on_gap = on_gap
        if backlog < 1:
            raise InvalidPlan(f"backlog {backlog!r}: expected 1 or more")
        self._spec = source
        self._open: Callable[[], Source] = lambda: open_source(
            source,
            credentials=self._credentials,
            subscriptions=tuple(self._wanted),
            seed=seed,
            speed=speed,
            clock=clock,
            origin=origin,
            headers=tuple(headers),
            timeout=timeout,
        )
        self._seed = seed
        rotation = Rotation() if rotate is None else Rotation.parse(rotate)
        self._recording = None if record is None else Recording(record, overwrite=overwrite, rotation=rotation, fsync=fsync)
        self._threaded = threaded
        self._backlog = backlog
        _check_window(begin, end)
        self._window = (begin, end)
        self._source: Source | None = None
        self._pump: Turning | None = None
        self._thread: threading.Thread | None = None
        self._queue: deque[list[Event] | BaseException | None] = deque()
        self._arrived = threading.Event()
        self._seat = contextlib.ExitStack()
        self._produced = self._consumed = 0
        self._held: list[Event] = []
        self._reader: Any = None
        self._waiting: list[_Waiting] = []
        self._reading_ended = threading.Event()
        self._turning = threading.RLock()
        self._closed = threading.Event()
        self._watch = current_watch()

    def __repr__(self) -> str:
        state = "closed" if self._closed.is_set() else "new" if self._pump is None else "open"
        return f"<TvWSClient {state}, source {(self._source and self._source.url) or self._spec!r}>"

    # --- life -----------------------------------------------------------------------------------------------------

    def connect(self) -> None:
        """Opens the source and asks for what is subscribed. Does nothing when that has been done.

        Raises `ConnectFailed`, `InvalidSource`, or what opening a tape raises.
        """
        with self._turning:
            if self._closed.is_set():
                raise LocalProtocolError("this client is closed; make a new one")
            if self._pump is not None:
                return
            source = self._source = self._open()
            if source.tape is None or source.takes_token:
                self._settings = replace(self._settings, token=self._token.start(source.clock.now()))
            try:
                pump = self._make_pump(source)
                pump.connect()
            except BaseException:
                self._release()
                if self._recording is not None:
                    self._recording.remove_if_empty()
                raise
            self._pump = pump
            self._watch.opened(self)
            threaded = source.threaded if self._threaded is None else self._threaded
            if threaded:
                name = "tvstreamer-reader"
                self._arrived = source.clock.event()
                seat = source.clock.participant(name)
                self._thread = threading.Thread(target=self._read, args=(pump, seat), name=name, daemon=True)
                if not isinstance(source.clock, VirtualClock):
                    self._thread.start()
            logger.debug("= connected to %s", source.url)

    def _make_pump(self, source: Source) -> Turning:
        seed = source.seed if self._seed is None else self._seed
        rng = random.Random(seed)
        settings = self._settings
        if source.tape is not None:
            # Whoever recorded it had a watch on the connection, and what came of that is on the tape.
            on_gap = self._on_gap or cast(OnGap, source.on_gap)
            settings = replace(settings, watchdogs=OFF, on_gap=on_gap)
        protocol = ClientProtocol(rng=rng, settings=settings)
        if source.tape is not None and not self._wanted:
            return self._make_tape_pump(source, protocol, seed)
        if self._window != (0.0, None):
            raise InvalidPlan("begin and end: expected a tape that is played whole, without subscriptions")
        for subscription in self._wanted:
            protocol.subscribe(subscription)
        connector = source.connector
        if self._faults:
            from tvstreamer.transports.faulty import faulty

            connector = faulty(connector, self._faults, clock=source.clock)
        if self._recording is not None:
            connector = self._recording.tee(connector, self._header(source, seed), self._secrets(), now=source.clock.now)
        return Pump(protocol, connector, source.clock, source.more, backoff=self._backoff(rng))

    def _backoff(self, rng: random.Random) -> Backoff | None:
        return None if self._policy is None else Backoff(self._policy, rng)

    def _header(self, source: Source, seed: int | None) -> Header:
        return Header(
            start=source.clock.now(),
            tool=f"tvstreamer {__version__}",
            url=source.url,
            subscriptions=[subscription.describe() for subscription in self._wanted],
            seed=seed,
            on_gap=self._settings.on_gap,
        )

    def _secrets(self) -> tuple[str, ...]:
        return (*self._credentials.secrets(), self._token.token)

    def _make_tape_pump(self, source: Source, protocol: ClientProtocol, seed: int | None) -> TapePump:
        from tvstreamer.tape.reader import TapeReader

        assert source.tape is not None
        copy = None if self._recording is None else self._recording.copier(self._header(source, seed), self._secrets())
        reader = self._reader = TapeReader(source.tape)
        begin, end = self._window
        return TapePump(
            protocol,
            reader.header,
            self._records(reader),
            source.clock,
            begin_ns=round(begin * 1e9),
            end_ns=None if end is None else round(end * 1e9),
            copy=copy,
        )

    def _records(self, reader: Any) -> Any:
        """The records to play: undecoded where they are copied or disturbed."""
        if self._faults:
            from tvstreamer.tape.disturbed import disturbed

            return disturbed(reader, reader.header, self._faults)
        return reader.packets() if self._recording is None else iter(reader)

    def close(self) -> None:
        """Ends the stream and waits for its end: the connection, the reader thread, the recording. Safe to repeat."""
        self._closed.set()
        pump = self._pump
        if pump is not None:
            pump.close()
        if self._thread is not None and self._thread.ident and self._thread is not threading.current_thread():
            assert self._source is not None
            with self._source.clock.blocking():
                self._thread.join(_JOIN)
        self._seat.close()
        # An inline turn in another thread comes back by itself now; the recording is finished after it.
        if self._turning.acquire(timeout=_JOIN):
            try:
                self._release()
            finally:
                self._turning.release()

    def _release(self) -> None:
        self._watch.closed(self)
        pump, source = self._pump, self._source
        if pump is not None:
            pump.close()
            with pump.lock:
                pump.protocol.disconnected(0.0, "closed", by_us=True)
        self._wake_waiting()
        if source is not None:
            source.close()
        if self._reader is not None:
            self._reader.close()
        if self._recording is not None:
            self._recording.finish()

    def __enter__(self) -> Self:
        self.connect()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- the stream -----------------------------------------------------------------------------------------------

    def stream(self) -> Iterator[Event]:
        """Events as they come: `Tick`, `Bar` (those of the snapshot too), `SymbolInfo` and status events; `Quote` and
        `StudyUpdate` where asked for.

        Ends when a tape ends or the client is closed. A failure that nothing can be done about is raised here, after the
        events that came before it.
        """
        while (events := self.poll(LONGEST)) is not None:
            yield from events

    def __iter__(self) -> Iterator[Event]:
        return self.stream()

    def poll(self, timeout: float) -> list[Event] | None:
        """The events of one message or deadline; none when `timeout` seconds pass without; None at the end of the stream."""
        if not isinstance(timeout, int | float) or math.isnan(timeout):
            raise InvalidPlan(f"timeout {shorten(timeout)}: expected a number of seconds")
        if self._pump is None:
            if self._closed.is_set():
                return None
            self.connect()
        if self._held:
            held, self._held = self._held, []
            return held
        return self._poll_queue(timeout) if self._thread is not None else self._poll_inline(timeout)

    def _poll_inline(self, timeout: float) -> list[Event] | None:
        assert self._pump is not None
        with self._turning:
            try:
                return self._pump.turn(self._mind_token(self._pump, timeout))
            except EndOfStream:
                self._release()
                return None
            except BaseException:
                self._release()
                raise

    def _mind_token(self, pump: Turning, longest: float) -> float:
        """Gets another token if it is time to, and says how long one may wait until it is."""
        source, watch = self._source, self._token
        if source is None or source.tape is not None or watch.due == math.inf:
            return longest
        now = source.clock.now()
        if watch.due <= now:
            token = watch.renew(now)
            if token is not None:
                if self._recording is not None:
                    self._recording.learn(token)
                with pump.lock:
                    pump.catch_up()
                    pump.protocol.authenticate(token)
                    pump.flush()
        return min(longest, max(0.0, watch.due - now))

    def _poll_queue(self, timeout: float) -> list[Event] | None:
        assert self._source is not None
        clock = self._source.clock
        self._begin_reading(clock)
        self._arrived.clear()
        if not self._queue and not clock.wait(self._arrived, timeout):
            return []
        if not self._queue:
            return []
        batch = self._queue[0]
        if isinstance(batch, list):
            self._queue.popleft()
            self._consumed += len(batch)
            return batch
        # It stays there: whoever asks again gets the same answer.
        self.close()
        if batch is None:
            return None
        raise batch

    def _begin_reading(self, clock: Clock) -> None:
        """On a virtual clock the reader starts with its consumer, and time stands still until that one has dealt with what it
        got: else it would depend on chance how far the reader is when the consumer asks for something."""
        assert self._thread is not None
        if self._thread.ident is None:
            consumer = clock.participant("consumer")
            self._thread.start()
            self._seat.enter_context(consumer)

    def _hand_over(self, item: list[Event] | BaseException | None) -> None:
        self._queue.append(item)
        self._arrived.set()

    def _read(self, pump: Turning, seat: contextlib.AbstractContextManager[object]) -> None:
        """The reader thread: turns until the end, and says how it ended."""
        end: BaseException | None = None
        with seat:
            try:
                while True:
                    events = pump.turn(self._mind_token(pump, LONGEST))
                    if events:
                        self._produced += len(events)
                        self._hand_over(events)
                        if self._produced - self._consumed > self._backlog:
                            raise MailboxFull(f"more than {self._backlog} events wait for the consumer of this client")
                    if self._waiting:
                        self._answer_waiting()
            except EndOfStream:
                pass
            except BaseException as error:
                end = error
                pump.close()
            finally:
                self._hand_over(end)
                self._reading_ended.set()
                self._wake_waiting()

    def _wake_waiting(self) -> None:
        for waiting in list(self._waiting):
            waiting.news.set()

    def _answer_waiting(self) -> None:
        for waiting in list(self._waiting):
            waiting.look()

    # --- what is asked for ----------------------------------------------------------------------------------------

    def subscribe(self, subscription: object) -> None:
        """Adds a subscription, before or while streaming. Does nothing when it is there already."""
        wanted = Subscription.of(subscription)
        if self._pump is None:
            if wanted not in self._wanted:
                self._limits.check_subscriptions([*self._wanted, wanted])
                self._wanted.append(wanted)
            return
        self._not_open_loop("subscribe")
        with self._pump.lock:
            if wanted not in self._pump.protocol.subscriptions:
                self._limits.check_subscriptions([*self._pump.protocol.subscriptions, wanted], self._requests())
                self._pump.catch_up()
                self._pump.protocol.subscribe(wanted)
                self._pump.flush()

    def unsubscribe(self, subscription: object) -> None:
        """Ends a subscription. Does nothing when there is none."""
        wanted = Subscription.of(subscription)
        if self._pump is None:
            if wanted in self._wanted:
                self._wanted.remove(wanted)
            return
        self._not_open_loop("unsubscribe")
        with self._pump.lock:
            if wanted in self._pump.protocol.subscriptions:
                self._pump.catch_up()
                self._pump.protocol.unsubscribe(wanted)
                self._pump.flush()

    def set_timezone(self, timezone: str) -> None:
        """Another time zone for charts: it moves where days, weeks and months begin. `exchange` is that of the symbol.

        The server does not send again what it has sent. Raises `InvalidPlan`; a zone that the server does not know is a `Notice`.
        """
        if self._pump is None:
            self._settings = replace(self._settings, timezone=timezone)
            return
        self._not_open_loop("set_timezone")
        with self._pump.lock:
            self._pump.catch_up()
            self._pump.protocol.set_timezone(timezone)
            self._pump.flush()

    def _requests(self) -> int:
        """How many series history requests have at the moment."""
        return sum(isinstance(each.request, HistoryRequest) for each in self._waiting)

    def covers(self, subscription: Subscription) -> bool:
        """Whether what this asks for comes already: it is subscribed, or a tape is played whole."""
        if isinstance(self._pump, TapePump) or (self._pump is None and not self._wanted and self._is_tape()):
            return True
        known = self._wanted if self._pump is None else self._pump.protocol.subscriptions
        if subscription.interval is None:
            quoted = quoted_symbol(subscription.symbol)
            return any(quoted_symbol(each.symbol) == quoted and each.ticks for each in known)
        pair = (subscription.symbol, subscription.interval)
        studies = set(subscription.studies)
        return any((each.symbol, each.interval) == pair and each.bars and studies <= set(each.studies) for each in known)

    def _is_tape(self) -> bool:
        return isinstance(self._spec, os.PathLike) or (
            isinstance(self._spec, str) and self._spec.partition(":")[0] not in ("live", "fake", "ws", "wss")
        )

    def _not_open_loop(self, what: str) -> None:
        if isinstance(self._pump, TapePump):
            raise LocalProtocolError(f"{what}: this tape is played whole, as it was recorded; name subscriptions to match it")

    def get_history(
        self,
        symbol: str,
        interval: object,
        n: int | None = None,
        *,
        start: Moment | None = None,
        end: Moment | None = None,
        timeout: float = 30.0,
        on_progress: Callable[[HistoryProgress], object] | None = None,
    ) -> HistoryResult:
        """The newest `n` bars (300 if nothing is said), those before `end`, or all from `start` on, up to and without `end`.

        Moments are seconds since the epoch, aware datetimes, or ISO dates, which are UTC where they name no zone. More bars
        than the server gives at once are asked for page by page, back to the beginning of its data; `on_progress` is called
        in this thread after each page, or several that came at once. May be called while streaming: it has a series of its own.

        Raises `SymbolError`, `SeriesError`, or `TransportTimeout` when no page came for `timeout` seconds. On a tape the
        answer is a recorded series of that symbol and interval that is long enough, else `TapeMismatch` at once.
        """
        symbol, parsed = parse_symbol(symbol), Interval.parse(interval)
        since = None if start is None else instant(start, "start")
        until = None if end is None else instant(end, "end")
        if n is None and since is None:
            n = 300
        self._limits.check_history(n)
        self.connect()
        assert self._source is not None
        assert self._pump is not None
        if self._source.tape is not None:
            try:
                return recorded_history(self._source.tape, symbol, parsed, n, start=since, end=until)
            except TapeMismatch:
                if not self._source.asks_beside:
                    raise
        pump = self._pump

        with pump.lock:
            self._limits.check_subscriptions(pump.protocol.subscriptions, self._requests() + 1)

        def tell(request: HistoryRequest) -> None:
            with pump.lock:
                progress = request.progress
            if on_progress is not None:
                on_progress(progress)

        request = self._ask(lambda protocol: protocol.request_history(symbol, parsed, n, start=since, end=until), timeout, tell)
        return HistoryResult(request.bars, complete=request.complete, limit=request.limit)

    def bar_replay(
        self,
        symbol: str,
        interval: Interval | str,
        start: Moment,
        *,
        bars: int | None = None,
        timeout: float = 30.0,
    ) -> BarReplay:
        """A bar replay of a symbol, which begins with `bars` bars (`n_init_bars` of them) up to `start`.

        `start` is in seconds since the epoch, a `datetime` with a timezone, or an ISO date. It has a connection of its own
        to the same source, which is not recorded. Raises `TapeMismatch` on a tape, which holds what was, and no server to ask.
        """
        if self._is_tape():
            raise TapeMismatch(f"bar replay of {symbol}: a tape holds none; expected a server, live or fake")
        begin = instant(start, "start")
        source = self._open()
        try:
            with self._turning:
                token = self._token.start(source.clock.now())
            protocol = BarReplayProtocol(
                symbol,
                interval,
                begin,
                rng=random.Random(self._seed),
                bars=self._settings.n_init_bars if bars is None else bars,
                token=token,
                locale=self._settings.locale,
            )
        except BaseException:
            source.close()
            raise
        if self._faults:
            from tvstreamer.transports.faulty import faulty

            source = replace(source, connector=faulty(source.connector, self._faults, clock=source.clock))
        return BarReplay(source, protocol, timeout=timeout)

    def snapshot(
        self, symbols: str | Iterable[str], fields: str | Iterable[str] = "default", *, timeout: float = 30.0
    ) -> QuoteSnapshot:
        """The quotes of symbols, once: a mapping by symbol, in the order asked for. May be called while streaming.

        `fields` is `"default"`, `"all"`, another set of `FIELD_SETS`, or a list of names. A symbol that the server does not know,
        or that the account may not see, does not spoil the others: see `QuoteSnapshot.failed`.

        Raises `TransportTimeout` when nothing more came for `timeout` seconds. On a tape the answer is what was recorded of each
        symbol, else `TapeMismatch` at once: a list of names has to have been asked for, of a set what was.
        """
        asked = [symbols] if isinstance(symbols, str) else symbols
        names = list(dict.fromkeys(quoted_symbol(parse_symbol(symbol)) for symbol in asked))
        if not names:
            raise InvalidPlan("snapshot: expected at least one symbol")
        chosen = quote_fields(fields)
        self.connect()
        assert self._source is not None
        request = None
        if self._source.tape is not None:
            try:
                request = recorded_quotes(self._source.tape, names, chosen, exactly=not isinstance(fields, str))
            except TapeMismatch:
                if not self._source.asks_beside:
                    raise
        if request is None:
            request = self._ask(lambda protocol: protocol.request_quotes(names, chosen), timeout, lambda request: None)
        return QuoteSnapshot({name: request.quotes[name] for name in names}, request.failed)

    def _ask(
        self, ask: Callable[[ClientProtocol], Asked], timeout: float, news: Callable[[Asked], None]
    ) -> Asked:
        """Asks, and waits for the answer; `news` is called when there is a part more of it."""
        pump = self._pump
        assert self._source is not None
        assert pump is not None
        with pump.lock:
            pump.catch_up()
            request = ask(pump.protocol)
            waiting = _Waiting(request, self._source.clock.event())
            self._waiting.append(waiting)
            pump.flush()
        try:
            self._await_answer(waiting, timeout, lambda: news(request))
        finally:
            with pump.lock:
                self._waiting.remove(waiting)
                pump.protocol.end_request(request)
                # The connection may be what failed; then there is nobody to tell.
                with contextlib.suppress(Exception):
                    pump.flush()
        if request.error is not None:
            raise request.error
        return request

    def _await_answer(self, waiting: _Waiting, timeout: float, news: Callable[[], None]) -> None:
        assert self._source is not None
        clock = self._source.clock
        request, pages = waiting.request, 0
        until = clock.now() + timeout
        while True:
            waiting.news.clear()
            # In this order: the page that is the answer is counted before the request is done.
            done = request.done
            if request.pages != pages:
                pages = request.pages
                until = clock.now() + timeout
                news()
            if done:
                return
            left = until - clock.now()
            if left <= 0:
                raise TransportTimeout(f"no answer to {request!r} within {timeout:g} s")
            if self._thread is not None:
                self._begin_reading(clock)
                if self._reading_ended.is_set() and not request.done:
                    self._raise_end()
                clock.wait(waiting.news, left)
            else:
                # What streams by meanwhile is kept for whoever reads the stream.
                events = self._poll_inline(left)
                if events is None:
                    raise TransportTimeout(f"the stream ended before the answer to {request!r}")
                self._held += events

    def _raise_end(self) -> None:
        """The reader thread has ended: what it ended with is the reason that there is no answer."""
        end = self._queue[-1] if self._queue else None
        raise end if isinstance(end, BaseException) else TransportTimeout("the stream ended before the answer")

    def statistics(self) -> ClientStatistics:
        """Counts so far."""
        return ClientStatistics() if self._pump is None else self._pump.protocol.statistics()

    @property
    def refused(self) -> bool:
        """Whether the server has refused everything that is subscribed to: until a reconnect or another subscription, nothing
        will come."""
        return self._pump is not None and self._pump.protocol.refused

    @property
    def ledger(self) -> Ledger:
        """The books of every series: `client.ledger.verify()` proves that nothing was missed, or names the holes."""
        return Ledger() if self._pump is None else self._pump.protocol.ledger

    @property
    def torn(self) -> int:
        """How many bytes of a torn last line were dropped from the tape that was played whole."""
        return 0 if self._reader is None else int(self._reader.torn)

    @property
    def written(self) -> tuple[int, int]:
        """Messages and bytes recorded so far."""
        return (0, 0) if self._recording is None else self._recording.written

    @property
    def source(self) -> Source | None:
        """The opened source; None before `connect`."""
        return self._source

    @property
    def inline(self) -> bool:
        """Whether events come out of the caller's own thread. Connects, as that decides it."""
        self.connect()
        return self._thread is None

