"""`use_tape`: a test, or any other code, that talks to the feed once and from then on to a tape.

::

    with use_tape("tapes/btc.jsonl", mode="once") as tape:
        client = TvWSClient(("BINANCE:BTCUSDT", "1"), source=tape)

Nothing is patched: the tape is a source, handed to whoever streams. What is recorded goes to a temporary file and takes the
place of the tape when the block ends well, in one step; when it fails the old tape is still there.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import inspect
import os
import random
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from tvstreamer import __version__
from tvstreamer.auth import Credentials
from tvstreamer.clock import Clock, ScaledClock, SystemClock, VirtualClock
from tvstreamer.errors import InvalidPlan, InvalidSource, TapeExhausted, TapeMismatch, shorten
from tvstreamer.faults import FaultPlan
from tvstreamer.lifetimes import current_watch
from tvstreamer.protocol import codec
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.sources import Source, open_source, parse_speed
from tvstreamer.tape.compression import compression_of
from tvstreamer.tape.connections import TapedConnection, records_of, taped_connections
from tvstreamer.tape.exchanges import Exchange, canonical_url, read_exchange
from tvstreamer.tape.format import Header, Record, moment
from tvstreamer.tape.reader import TapeReader, scan_sends
from tvstreamer.tape.redact import Redactor, new_key
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.appending import Copied, append, file_now, held, temporary_beside
from tvstreamer.testing.beside import BesideTransport, SideConnection
from tvstreamer.testing.matching import (
    STRICTNESS,
    Ask,
    Expectation,
    MatchedPlayback,
    Matcher,
    Matchers,
    filtered,
    mismatch,
    recorded_questions,
    timed_questions,
)
from tvstreamer.testing.modes import checked_mode
from tvstreamer.testing.transcript import Observer
from tvstreamer.transports.base import Transport
from tvstreamer.transports.faulty import faulty
from tvstreamer.transports.record import recording
from tvstreamer.transports.replay import ReplayTransport
from tvstreamer.wsclient import load_faults

if TYPE_CHECKING:
    from tvstreamer.testing.cassettes import HttpSide

Hook = Callable[[str], str | None]
"""Given the text of a payload, what to put in its place; None for nothing."""
_MATCH_ON = ("session_kind",)
_SYNTHETIC = "fake:"
"""The address of a fake in memory, whose clock may be that of any year, and whose answers do not grow old."""
_APPENDING = ("all", "new_episodes")
_ANYBODY = Redactor(key=bytes(32))


@dataclass(slots=True)
class _Part:
    """One connection of the tape that is replayed."""

    taped: TapedConnection
    asks: list[Ask]
    playback: MatchedPlayback | None = None
    whole: bool = False
    """Played as it was recorded, to a client that named no subscriptions."""

    def holds(self, subscription: Subscription) -> bool:
        """Whether it has the series and the quotes; a study that it lacks is told of when it is asked for."""
        return all(each.kind == "study" for each in self.taped.lacks([subscription]))

    def unplayed(self) -> list[str]:
        if self.whole:
            return []
        if self.playback is None:
            return [f"connection {self.taped.number}"]
        # A symbol is resolved for the sake of a series, which is named itself.
        return [str(offer) for offer in self.playback.untaken if offer.kind != "symbol"]


@dataclass(frozen=True, slots=True)
class TapeOptions:
    """What `use_tape` takes beside the path; see there."""

    mode: str | None = None
    source: object = "live"
    match: str = "causal"
    match_on: Sequence[str] = _MATCH_ON
    matchers: Mapping[str, Matcher] = field(default_factory=dict)
    before_record: Hook | None = None
    before_replay: Hook | None = None
    speed: float | str | None = None
    faults: FaultPlan | str | os.PathLike[str] | None = None
    seed: int | None = None
    require_all_played: bool = False
    http: bool = False
    how_to_record: str = "use_tape(..., mode='once')"


class UsedTape:
    """A tape in use: hand it to `TvWSClient(source=...)` or `StreamRouter(source=...)`, or call it for bare connections.

    Clients that connect one after the other, or at the same time, each get a connection of the tape: the first that has not
    been played and holds what they subscribe to.
    """

    def __init__(self, path: Path, options: TapeOptions, environ: Mapping[str, str] | None = None) -> None:
        self.path = path
        # Before anything is refused, as what shows a refusal may show this object.
        self._parts: list[_Part] = []
        self._recorded = 0
        current_watch().uses(os.path.abspath(path))
        self.mode = checked_mode(options.mode or (os.environ if environ is None else environ).get("TVSTREAMER_RECORD") or "none")
        if options.match not in STRICTNESS:
            raise InvalidPlan(f"match {shorten(options.match)}: expected one of {', '.join(STRICTNESS)}")
        self._options = options
        self._matchers = Matchers(options.matchers).chosen(options.match_on)
        self._speed = options.speed
        parse_speed(options.speed)
        self._faults = load_faults(options.faults)
        exists = path.exists()
        self.replays = self.mode in ("none", "new_episodes") or (self.mode == "once" and exists)
        if not exists and self.mode in ("none", "verify"):
            how = options.how_to_record
            raise InvalidSource(f"tape {path}: no such file, and mode {self.mode!r} makes none; to record it: {how}")
        self.observer = Observer()
        self._header: Header | None = None
        if self.replays and exists:
            self._header, self._parts = _read(path)
        self._writer: TapeWriter | None = None
        self._temporary: Path | None = None
        self._copied = Copied(None)
        self._exchanges = 0
        self._last = self._shift = 0.0
        self._credentials = Credentials.from_environment(environ)
        self._bare: Source | None = None
        self._sources: list[Source] = []
        self._clock: Clock | None = None
        """The clock of what was recorded last."""
        self._lock = threading.RLock()
        """Over the writer: HTTP exchanges happen in any thread."""
        self._ahead: list[Exchange] = []
        """What was asked for before there was a connection that tells when the tape begins."""
        self._http: HttpSide | None = None
        if options.http:
            self._http = self._http_side(exists)
            self._http.start()

    def __repr__(self) -> str:
        played = sum(part.playback is not None or part.whole for part in self._parts)
        recorded = f", {self._recorded} connections recorded" if self._recorded else ""
        return f"<UsedTape {str(self.path)!r}, mode {self.mode}, {played} of {len(self._parts)} connections played{recorded}>"

    # --- what it gives ------------------------------------------------------------------------------------------------

    def __call__(self) -> Transport:
        """A connection, for code that has a client of its own: this is a `Connector`."""
        return self._bare_source().connector()

    @property
    def clock(self) -> Clock:
        """The clock of bare connections."""
        return self._bare_source().clock

    def _bare_source(self) -> Source:
        if self._bare is None:
            self._bare = self.as_source(credentials=self._credentials, bare=True)
        return self._bare

    def as_source(
        self,
        *,
        credentials: Credentials,
        subscriptions: Sequence[Subscription] = (),
        speed: float | str | None = None,
        bare: bool = False,
        **options: Any,
    ) -> Source:
        """The source for one client. Raises `TapeMismatch` where the tape is replayed and does not hold its subscriptions."""
        self._credentials = credentials
        source: Source | None = None
        if self.replays:
            try:
                source = self._replayed(subscriptions, self._speed if speed is None else speed, bare)
            except (TapeMismatch, TapeExhausted):
                if self.mode != "new_episodes":
                    raise
        if source is None:
            source = self._recording(credentials, subscriptions, speed, options)
        connector = source.connector
        if self._faults:
            connector = faulty(connector, self._faults, clock=source.clock)
        source = replace(source, connector=self.observer.observed(connector))
        self._sources.append(source)
        return source

    # --- replaying ----------------------------------------------------------------------------------------------------

    def _replayed(self, subscriptions: Sequence[Subscription], speed: float | str | None, bare: bool) -> Source:
        header = self._header
        if header is None:
            raise TapeMismatch(f"{self.path.name}: there is no tape yet")
        if not subscriptions and not bare:
            for part in self._parts:
                part.whole = True
            start = header.start
        else:
            start = self._start_of(self._next(subscriptions), header)
        factor = parse_speed(speed)
        clock = VirtualClock(start) if factor is None else ScaledClock(factor, start=start)

        wanted, place = list(subscriptions), 0

        def connect() -> Transport:
            nonlocal place
            part = self._next(wanted, place)
            # Bare connections may be those of several clients.
            place = 0 if bare else part.taped.end
            return self._beside(part, header, clock)

        def more(now: Sequence[Subscription]) -> bool:
            # What was subscribed to meanwhile may have come, and come again, from a connection beside.
            wanted[:] = [each for each in wanted if each in now]
            return self._fitting(wanted, place) is not None

        kind = "tape" if not bare else "connector"
        tape = None if bare else self.path
        return Source(
            kind,
            str(self.path),
            clock,
            False,
            connect,
            header.seed,
            tape,
            more,
            header.on_gap,
            takes_token=self._options.http,
            asks_beside=self.mode == "new_episodes" and bool(subscriptions),
        )

    def _start_of(self, part: _Part, header: Header) -> float:
        return header.start if part is self._parts[0] else moment(header.start, part.taped.opened.t)

    def _next(self, subscriptions: Sequence[Subscription], place: int = 0) -> _Part:
        part = self._fitting(subscriptions, place)
        if part is not None:
            return part
        left = self._left()
        if not left:
            raise TapeExhausted(f"{self.path.name}: all {len(self._parts)} connections have been played")
        for subscription in subscriptions:
            if not any(each.holds(subscription) for each in left):
                asks = [ask for each in left for ask in each.asks]
                # How many bars and of which range it will want is not known yet.
                known = ("method", "session_kind", "symbol", "interval")
                wants_bars = subscription.wants_bars
                live = Ask(
                    "series" if wants_bars else "quote",
                    "create_series" if wants_bars else "quote_add_symbols",
                    "chart" if wants_bars else "quote",
                    subscription.symbol,
                    subscription.interval or "",
                    "",
                    "",
                    0,
                )
                raise mismatch(f"{self.path.name}: no connection that has not been played holds {live}", live, asks, known)
        raise TapeMismatch(f"{self.path.name}: no connection that has not been played holds all that is subscribed")

    def _left(self) -> list[_Part]:
        return [part for part in self._parts if part.playback is None and not part.whole and not part.taped.beside]

    def _fitting(self, subscriptions: Sequence[Subscription], place: int = 0) -> _Part | None:
        """The first connection left for these, of those that began from that place of the tape on."""
        left = [part for part in self._left() if part.taped.begin >= place]
        if self._options.match == "strict":
            left = left[:1]
        lenient = self._options.match == "lenient"
        return next((part for part in left if lenient or all(map(part.holds, subscriptions))), None)

    def _beside(self, part: _Part, header: Header, clock: Clock) -> Transport:
        """A connection of the tape, and what was or is recorded beside it."""

        def known() -> Iterator[SideConnection]:
            for each in self._parts:
                taped = each.taped
                if taped.beside == part.taped.number and each.playback is None and not each.whole:
                    own = VirtualClock(moment(header.start, taped.opened.t))
                    yield SideConnection(self._play(each, header, own), own, taped.shift)

        def record() -> SideConnection:
            source = self._recording(self._credentials, (), None, {})
            self._sources.append(source)
            transport = source.connector()
            shift = clock.now() - transport.info.opened_at
            assert self._writer is not None
            self._writer.note(self._recorded, {"beside": part.taped.number, "shift": shift - self._shift}, self._last)
            return SideConnection(transport, source.clock, shift)

        main = self._play(part, header, clock)
        return BesideTransport(main, clock, known(), record if self.mode == "new_episodes" else None)

    def _play(self, part: _Part, header: Header, clock: Clock) -> ReplayTransport:
        part.playback = MatchedPlayback(
            part.taped.number,
            records_of(self.path, part.taped.number),
            part.taped.offers,
            Expectation(part.asks, self._matchers, self._options.match),
            lenient=self._options.match == "lenient",
            before_replay=self._options.before_replay,
        )
        return ReplayTransport(part.playback, header, part.taped.opened, clock, self.path.name)

    @property
    def unplayed(self) -> list[str]:
        """What the tape holds and nobody has asked for."""
        http = [] if self._http is None else self._http.unplayed
        return [*(text for part in self._parts for text in part.unplayed()), *http]

    @property
    def all_played(self) -> bool:
        """Whether everything that the tape holds has been asked for."""
        return not self.unplayed

    @property
    def play_count(self) -> int:
        """How many connections of the tape were played."""
        return sum(part.playback is not None or part.whole for part in self._parts)

    @property
    def unanswered(self) -> list[str]:
        """What was asked for, is not on the tape, and was let pass (`match="lenient"`)."""
        return [str(ask) for part in self._parts if part.playback is not None for ask in part.playback.unanswered]

    # --- HTTP ---------------------------------------------------------------------------------------------------------

    def _http_side(self, exists: bool) -> HttpSide:
        from tvstreamer.testing.cassettes import HttpSide, exchanges

        return HttpSide(
            self.path.name,
            exchanges(self.path) if self.replays and exists else [],
            records=self.mode == "new_episodes" or not self.replays,
            happened=self._happened,
            secrets=self.secrets,
        )

    def _happened(self, exchange: Exchange) -> None:
        """Writes down an exchange that was just made."""
        with self._lock:
            if self._writer is None or self._clock is None:
                self._ahead.append(exchange)
            else:
                self._write_exchange(self._writer, exchange, self._clock.now())

    def _write_exchange(self, writer: TapeWriter, exchange: Exchange, at: float) -> None:
        self._exchanges += 1
        self._last = max(self._last, writer.exchange(exchange, at))

    def _write_ahead(self, writer: TapeWriter, at: float) -> None:
        ahead, self._ahead = self._ahead, []
        for exchange in ahead:
            self._write_exchange(writer, exchange, at)

    # --- recording ----------------------------------------------------------------------------------------------------

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be shown."""
        return self._credentials.secrets()

    @property
    def redactor(self) -> Redactor:
        """Takes the secrets out of whatever is shown of this tape's connections."""
        return Redactor(key=new_key(), secrets=self.secrets)

    @property
    def recorded_at(self) -> float | None:
        """When the tape that is replayed began; None where nothing is replayed, or only what a synthetic market says."""
        return None if self._header is None or self._header.url == _SYNTHETIC else self._header.start

    def _recording(
        self,
        credentials: Credentials,
        subscriptions: Sequence[Subscription],
        speed: float | str | None,
        options: dict[str, Any],
    ) -> Source:
        seed = options.pop("seed", None)
        seed = self._options.seed if seed is None else seed
        source = open_source(self._options.source, credentials=credentials, seed=seed, speed=speed, **options)
        if source.tape is not None:
            source.close()
            raise InvalidSource(f"source {shorten(self._options.source)}: a tape cannot be recorded from a tape")
        with self._lock:
            if self._writer is None:
                self._writer = self._begin(source.clock, source.url, subscriptions, seed)
            self._clock = source.clock
            self._write_ahead(self._writer, source.clock.now())
        side = cast(TapeWriter, _Side(self, self._writer, self._options.before_record))
        return replace(source, connector=recording(source.connector, side, now=source.clock.now))

    def _begin(self, clock: Clock, url: str, subscriptions: Sequence[Subscription], seed: int | None) -> TapeWriter:
        """Opens the temporary file, with what is to stay of the old tape in it."""
        self._copied = Copied(file_now(self.path))
        old = self.path if self.mode in _APPENDING and self._copied.file is not None else None
        self._temporary = temporary_beside(self.path)
        key = new_key(None if seed is None else random.Random(seed))
        redactor = Redactor(key=key, secrets=self._credentials.secrets())
        compress = compression_of(self.path)
        if old is None:
            described = [subscription.describe() for subscription in subscriptions]
            header = Header(
                start=clock.now(),
                tool=f"tvstreamer {__version__}",
                url=url,
                subscriptions=described,
                seed=seed,
            )
            return TapeWriter(self._temporary, header, redactor=redactor, compress=compress)
        with TapeReader(old) as reader:
            writer = TapeWriter(self._temporary, reader.header, redactor=redactor, compress=compress)
            try:
                for record in reader:
                    writer.copy(record)
                    self._recorded = max(self._recorded, record.c)
                    self._last = moment(reader.header.start, record.t)
            except BaseException:
                writer.finish()
                self._temporary.unlink(missing_ok=True)
                raise
            self._copied = replace(self._copied, records=writer.records, connection=self._recorded)
        return writer

    # --- the end ------------------------------------------------------------------------------------------------------

    def finish(self, *, passed: bool) -> None:
        """Closes what is still open, and saves what was recorded if `passed`.

        Raises `TapeMismatch` in mode `verify` where the feed does not answer as the tape does, and where `require_all_played`
        finds something that was not.
        """
        if self._http is not None:
            self._http.stop()
        self.observer.close_leaked()
        sources, self._sources = self._sources, []
        for source in sources:
            source.close()
        for part in self._parts:
            if part.playback is not None:
                part.playback.close()
        if self._ahead and passed and self._writer is None:
            # Nothing was streamed, or nothing new: the tape begins now, or goes on where it ended.
            self._writer = self._begin(SystemClock(), "", (), self._options.seed)
        writer, temporary = self._writer, self._temporary
        self._writer = None
        if writer is not None and temporary is not None:
            try:
                try:
                    self._write_ahead(writer, writer.start)
                finally:
                    writer.finish()
                if passed and self.mode == "verify":
                    self._compare(temporary)
                elif passed and (self.observer.transcripts or self._exchanges):
                    self._put_in_place(temporary)
            finally:
                temporary.unlink(missing_ok=True)
        if passed and self._options.require_all_played and not self.all_played:
            raise TapeMismatch(f"{self.path.name}: recorded, but not asked for: {'; '.join(self.unplayed)}")

    def _put_in_place(self, recorded: Path) -> None:
        with held(self.path):
            now = file_now(self.path)
            if self.mode in _APPENDING and now is not None and now != self._copied.file:
                # Somebody else has appended to it.
                merged = recorded.with_suffix(".both")
                try:
                    append(self.path, recorded, self._copied, merged, self.redactor)
                    os.replace(merged, self.path)
                finally:
                    merged.unlink(missing_ok=True)
            else:
                os.replace(recorded, self.path)

    def _compare(self, now: Path) -> None:
        diff = list(difflib.unified_diff(shape(self.path), shape(now), self.path.name, "the feed now", lineterm=""))
        if diff:
            problem = f"{self.path.name}: the feed does not answer as it did when the tape was recorded"
            raise TapeMismatch(problem, diff="\n".join(diff))


class _Side:
    """The part of a `TapeWriter` that one client's recording uses: connections numbered through, hooks applied.

    A virtual clock may begin before the last record of another client. Then all of a connection is written later by the same
    time, as a tape's times never go back.
    """

    def __init__(self, tape: UsedTape, writer: TapeWriter, before_record: Hook | None) -> None:
        self._tape = tape
        self._writer = writer
        self._hook = before_record
        self._numbers: dict[int, tuple[int, float]] = {}

    def opened(self, connection: int, url: str, at: float) -> float:
        self._tape._recorded += 1
        shift = max(0.0, self._tape._last - at)
        self._numbers[connection] = (self._tape._recorded, shift)
        self._tape._shift = shift
        return self._noted(self._writer.opened(self._tape._recorded, url, at + shift), shift)

    def sent(self, connection: int, text: str, at: float) -> float:
        return self._message(connection, text, at, self._writer.sent)

    def received(self, connection: int, text: str, at: float) -> float:
        return self._message(connection, text, at, self._writer.received)

    def _message(self, connection: int, text: str, at: float, write: Callable[[int, str, float], float]) -> float:
        number, shift = self._numbers[connection]
        kept = text if self._hook is None else filtered(text, self._hook)
        return at if kept is None else self._noted(write(number, kept, at + shift), shift)

    def closed(self, connection: int, code: int, reason: str, by: str, at: float) -> float:
        number, shift = self._numbers[connection]
        return self._noted(self._writer.closed(number, code, reason, by, at + shift), shift)

    def flush(self, at: float | None = None) -> None:
        self._writer.flush(at)

    def _noted(self, stamp: float, shift: float) -> float:
        self._tape._last = max(self._tape._last, stamp)
        return stamp - shift


def _read(path: Path) -> tuple[Header, list[_Part]]:
    sends = scan_sends(path)
    with TapeReader(path) as reader:
        header = reader.header
        # One that is broken anywhere is refused before anything of it is used.
        for _ in reader:
            pass
    return header, [_Part(taped, recorded_questions(sends, taped.number)) for taped in taped_connections(path, sends)]


def shape(path: Path) -> list[str]:
    """What a tape says, without times, ids and prices: the questions of each connection, and the kinds of replies that came.

    The fields that a symbol has are part of it. Two recordings of the same conversation have the same shape, whether or not some
    of it was recorded beside a connection, and whether or not the market moved meanwhile.
    """
    lines: list[str] = []
    sends = scan_sends(path)
    parts = {taped.number: taped for taped in taped_connections(path, sends)}
    kinds: dict[int, set[str]] = {number: set() for number, taped in parts.items() if not taped.beside}
    asked: dict[int, list[tuple[float, Ask]]] = {number: [] for number in kinds}
    http: list[str] = []
    for number, taped in parts.items():
        asked[taped.beside or number] += [(t / 1e9 + taped.shift, ask) for t, ask in timed_questions(sends, number)]
    with TapeReader(path) as reader:
        for record in reader:
            if record.k == "http":
                http.append(_http_shape(record))
                continue
            if record.c not in parts:
                continue
            found = kinds[parts[record.c].beside or record.c]
            for payload in record.payloads() if record.k == "recv" else ():
                method, p = codec.parameters(payload)
                if method == "du":
                    continue  # whether a price moved in so many seconds is up to the market
                fields = sorted(p[2]) if method == "symbol_resolved" and len(p) > 2 and isinstance(p[2], dict) else []
                found.add(f"  < {method} {' '.join(fields)}".rstrip())
    for count, (number, found) in enumerate(sorted(kinds.items()), 1):
        lines.append(f"connection {count}")
        lines += [f"  > {ask}" for _, ask in sorted(asked[number], key=lambda timed: timed[0])]
        lines += sorted(found - {"  <"})
    return [*lines, *http]


def _http_shape(record: Record) -> str:
    """What was asked and whether there was an answer; what is in it changes all the time."""
    exchange = read_exchange(record.http)
    kind = next((value for name, value in exchange.headers if name.lower() == "content-type"), "")
    return f"{exchange.method} {canonical_url(exchange.url, _ANYBODY)} {exchange.status} {kind.partition(';')[0]}".rstrip()


class _UseTape:
    """What `use_tape` returns: a context manager, and a decorator that makes a new one for each call."""

    def __init__(self, make: Callable[[], UsedTape]) -> None:
        self._make = make
        self._used: UsedTape | None = None

    def __enter__(self) -> UsedTape:
        self._used = self._make()
        return self._used

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        used, self._used = self._used, None
        assert used is not None
        if kind is None:
            used.finish(passed=True)
            return
        # What the block failed with matters more than what comes of ending it.
        with contextlib.suppress(Exception):
            used.finish(passed=False)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        make = self._make
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def wrapper(*args: Any, **kwargs: Any) -> Any:
                with _UseTape(make) as tape:
                    return await function(*args, tape=tape, **kwargs)
        else:

            @functools.wraps(function)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                with _UseTape(make) as tape:
                    return function(*args, tape=tape, **kwargs)

        signature = inspect.signature(function)
        others = [parameter for name, parameter in signature.parameters.items() if name != "tape"]
        # Whoever looks for what to pass, as pytest does, must not pass the tape.
        wrapper.__signature__ = signature.replace(parameters=others)  # type: ignore[attr-defined]
        return wrapper


def use_tape(
    path: str | os.PathLike[str],
    mode: str | None = None,
    *,
    source: object = "live",
    match: str = "causal",
    match_on: Iterable[str] = _MATCH_ON,
    matchers: Mapping[str, Matcher] | None = None,
    before_record: Hook | None = None,
    before_replay: Hook | None = None,
    speed: float | str | None = None,
    faults: FaultPlan | str | os.PathLike[str] | None = None,
    seed: int | None = None,
    require_all_played: bool = False,
    http: bool = False,
    environ: Mapping[str, str] | None = None,
) -> _UseTape:
    """A context manager that gives a tape to stream from, and a decorator that passes one as the argument `tape`.

    `mode` is, by default, `TVSTREAMER_RECORD` or else `none`:

    * `none`: the tape is replayed, and nothing is ever recorded;
    * `once`: recorded when there is no tape yet, else replayed;
    * `new_episodes`: what the tape does not hold is recorded and appended: a client gets a connection of the tape that holds
      all its subscriptions, or one of `source`, and what it subscribes to or asks for later on from one of `source` beside it;
    * `all`: everything is recorded and appended;
    * `rewrite`: everything is recorded and takes the place of the tape;
    * `verify`: everything is asked of `source` again, and `TapeMismatch` raised where it does not answer as the tape does.

    `source` is where recordings come from: anything that `TvWSClient(source=...)` takes, but a tape. A recording is saved when
    the block ends without an exception, and only then.

    Symbol and interval of what is asked for always have to be on the tape. `match_on` adds any of `method`, `session_kind`,
    `range`, `parameters`, `order`, and names from `matchers`. With `match="strict"` everything has to be asked in the recorded
    order, with `"causal"` an answer only waits for its question, with `"lenient"` what is not on the tape stays unanswered.

    `before_record` and `before_replay` get the text of each payload but heartbeats and give what to put in its place, or None
    to leave it out. `speed` and `faults` are as in `TvWSClient`. With `require_all_played` something recorded that nobody asked
    for is a `TapeMismatch` at the end.

    With `http=True` the HTTP requests of the block, by any library that vcrpy knows, are recorded and replayed with the stream,
    on the same tape, each once. Needs the extra `vcr`.
    """
    options = TapeOptions(
        mode=None if mode is None else checked_mode(mode),
        source=source,
        match=match,
        match_on=match_on if isinstance(match_on, str) else tuple(match_on),
        matchers=matchers or {},
        before_record=before_record,
        before_replay=before_replay,
        speed=speed,
        faults=faults,
        seed=seed,
        require_all_played=require_all_played,
        http=http,
    )
    return _UseTape(lambda: UsedTape(Path(path), options, environ))
