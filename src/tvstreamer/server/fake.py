"""`FakeServer`: a TradingView server to test against, in memory or on a port of this machine.

It serves a seeded synthetic market, prices by hand, or a tape. Until `url` is read no socket exists; `connect` gives
in-memory connections and makes the server a source of its own for `TvWSClient(source=server.connect)`.
"""

from __future__ import annotations

import random
import re
import secrets
import threading
import weakref
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from tvstreamer.clock import Clock, SystemClock, VirtualClock, duration
from tvstreamer.constants import HEARTBEAT_INTERVAL, HEARTBEAT_TIMEOUT, SOCKET_PATH
from tvstreamer.errors import ConnectFailed, InvalidPlan, VerificationFailed, shorten
from tvstreamer.faults import FaultPlan, Fired, plan_of
from tvstreamer.faults.kinds import Carrier
from tvstreamer.intervals import Interval
from tvstreamer.lifetimes import current_watch
from tvstreamer.protocol.journal import JournalEntry
from tvstreamer.server.account import most_recorded_bars
from tvstreamer.server.connection import MarketConnection
from tvstreamer.server.faulty import FaultyPeer
from tvstreamer.server.http.http11 import BadRequest, HttpRequest, HttpResponse, RequestReader, otherwise
from tvstreamer.server.http.pages import Pages
from tvstreamer.server.issued_tokens import LIFETIME, IssuedTokens
from tvstreamer.server.manners import (
    MOST_BARS,
    MOST_UNSENT,
    REFUSABLE,
    REPLY_DELAY,
    SITE_STATES,
    SLOW_CLIENTS,
    Manners,
    SiteState,
    SlowClient,
)
from tvstreamer.server.market import UNKNOWN, Market, Unknown, market_start
from tvstreamer.server.market.catalogue import CATALOGUE
from tvstreamer.server.market.shared import SharedMarket
from tvstreamer.server.market.specs import Spec, market_sources
from tvstreamer.server.plans import Plan, find_plan
from tvstreamer.server.steered import SteeredClock
from tvstreamer.server.taped import TapeConnection, recorded_symbols
from tvstreamer.server.verification import Count, Expected, check_count, check_order
from tvstreamer.symbols import parse_symbol
from tvstreamer.tape.connections import records_of
from tvstreamer.tape.player import Playback, index
from tvstreamer.tape.reader import TapeReader, scan_sends
from tvstreamer.transports.memory import ServedTransport

if TYPE_CHECKING:
    from tvstreamer.server.listener import Listener
    from tvstreamer.server.tls import Certificate

Connection = MarketConnection | TapeConnection
Peer = FaultyPeer[Connection]
_LAST_PORT = 65_535
_END_OF_TIME: Final = 4_102_444_800.0
"""2100-01-01 00:00 UTC: the synthetic market has no tick from here on."""
_TOKEN: Final = re.compile(r"[A-Za-z0-9\-._~+/=]{8,512}")
_LOST: Final = 1006
_CLOSE_CODES: Final = frozenset(range(1000, 5000)) - {1004, 1005, 1006, 1015}
_LONGEST_REASON: Final = 123
_LOOK: Final = 0.01
"""Real seconds between two looks at the journal."""
_ENDED: Final = 1_000
"""Connections that are over and are remembered, for the journal and the faults that fired."""
TOO_MANY_CONNECTIONS: Final = "user connections limit reached"
_IN_MEMORY: Final[tuple[Carrier, ...]] = ("message", "handshake")


class HandMarket:
    """Prices by hand: what is put here is told to every client at once.

    A symbol that was given one price or bar by hand has no prices of its own any more.
    """

    def __init__(self, server: FakeServer, market: Market) -> None:
        self._server = server
        self._market = market

    def __repr__(self) -> str:
        return repr(self._market)

    def tick(self, symbol: str, price: float, *, size: float = 1.0) -> None:
        """A trade, now. Raises `InvalidSymbol`, `InvalidPlan`."""
        self._server._move(lambda at: self._market.tick(symbol, price, size=size, at=at))

    def bars(self, symbol: str, interval: Interval | str, rows: Sequence[Sequence[float]]) -> None:
        """The whole history of an interval: `[time, open, high, low, close, volume]`, oldest first."""
        self._market.set_bars(symbol, interval, rows)

    def close_bar(self, symbol: str, interval: Interval | str) -> None:
        """Ends the newest bar; the next tick opens the one after it."""
        parsed = Interval.parse(interval)
        self._server._move(
            lambda at: self._market.close_bar(symbol, parsed, at),
            lambda connection: connection.close_bar(parse_symbol(symbol), parsed),
        )


class FakeServer:
    """A stand-in for TradingView's server.

    `speed=1` is real time, `speed=10` ten times that, `speed="max"` a virtual clock that starts at a moment fixed by the
    seed and runs as fast as each client reads. `unknown` are patterns of symbols that do not exist; `tokens` are accepted
    besides the anonymous ones, as a mapping until the moments of the server's clock that it tells; `heartbeat_timeout=None`
    never drops a client that does not echo; `strict` rejects what the real server is known to reject; `most_bars` are given
    in one answer at the most. `plan` has the limits of the clients' account, as a `Plan` or by its name, and `forbidden` are
    patterns of symbols that it may not see. `errors` makes commands fail, `{"create_series": "custom_resolution"}`:
    `create_series`, `create_study` and `resolve_symbol`, each with any reason. Who comes to its pages with the cookies of a
    session gets the first of `tokens`, or one that is made for him and good for `token_lifetime` seconds; with `site`
    (`forbidden`, `captcha`, `changed`, `busy`, `down`) all get something else there than what they came for. With `tape` the
    recorded traffic is served in place of a market.

    `market` says where prices come from, if not from the seed alone: a file of bars, a tape whose symbols are to answer any
    command, or several such by pattern of symbols, `{"BINANCE:*": "bars.csv", "*": "fake:seed=7"}`. `start` is when the server's
    clock begins, in seconds since the epoch: bars after it are played as time comes to them. Without it, it is where a tape
    among the markets begins, else the present (`speed="max"`: a moment fixed by the seed).

    `faults`, a plan or the path of one, are those of all its connections, numbered from 1 in the order in which they are
    asked for, in memory and over the port alike. With `tls` its port speaks `wss://`, with a certificate that is made up
    (`ca_pem` makes clients trust it) or with the PEM files of a certificate and its key. A client on that port which does
    not read is dropped once `most_unsent` characters wait for it, or, with `slow_client="conflate"`, told less: when it
    reads again, where things stand. On a virtual clock each client has all the time that it takes.

    `control` opens a port of its own, a free one for True, on loopback only, for `control_url`; what can be done there, by
    whoever has the `control_token` (made up where none is given), stands in docs/control.md.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        speed: float | str = 1,
        tape: str | Path | None = None,
        market: Spec | Mapping[str, Spec] | None = None,
        start: float | None = None,
        unknown: Unknown = UNKNOWN,
        tokens: Collection[str] | Mapping[str, float] = (),
        token_lifetime: float = LIFETIME,
        site: SiteState = "usual",
        heartbeat_interval: float = HEARTBEAT_INTERVAL,
        heartbeat_timeout: float | None = HEARTBEAT_TIMEOUT,
        reply_delay: float | None = None,
        strict: bool = False,
        most_bars: int = MOST_BARS,
        plan: Plan | str | None = None,
        forbidden: Collection[str] = (),
        errors: Mapping[str, str] | None = None,
        slow_client: SlowClient = "drop",
        most_unsent: int = MOST_UNSENT,
        faults: FaultPlan | str | Path | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool | tuple[str | Path, str | Path] = False,
        control: bool | int = False,
        control_token: str | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not 0 <= port <= _LAST_PORT:
            raise InvalidPlan(f"port {port!r}: expected 0, for a free one, or a number up to {_LAST_PORT}")
        if slow_client not in SLOW_CLIENTS:
            raise InvalidPlan(f"slow_client {shorten(slow_client)}: expected {' or '.join(SLOW_CLIENTS)}")
        _require_state(site)
        if not 0 < token_lifetime < _END_OF_TIME:
            raise InvalidPlan(f"token_lifetime {token_lifetime!r}: expected seconds above 0")
        if most_unsent < 0:
            raise InvalidPlan(f"most_unsent {most_unsent!r}: expected a number of characters, from 0")
        self.seed = seed
        self._factor = _speed(speed)
        if tape is not None and market is not None:
            raise InvalidPlan(f"tape {shorten(str(tape))} and market {shorten(market)}: expected one of them")
        sources = None if market is None else market_sources(market)
        self._market = SharedMarket(seed, unknown=unknown, sources=sources)
        self._start = self._market.start if start is None else start
        self._tape = None if tape is None else _Tape(Path(tape))
        self.clock = clock or self._new_clock()
        virtual = isinstance(self.clock, VirtualClock)
        account = find_plan(plan)
        errors = _checked_errors(errors or {})
        if self._tape is not None:
            self._tape.check_options(account, most_bars, reply_delay, errors)
        self._issued = IssuedTokens(seed, token_lifetime)
        self._manners = Manners(
            tokens=tokens,
            plan=account,
            most_studies=account.studies,
            forbidden=(forbidden,) if isinstance(forbidden, str) else forbidden,
            errors=errors,
            heartbeat_interval=heartbeat_interval,
            heartbeat_timeout=heartbeat_timeout,
            reply_delay=(0.0 if virtual else REPLY_DELAY) if reply_delay is None else reply_delay,
            strict=strict,
            most_bars=most_bars,
            slow_client=slow_client,
            most_unsent=most_unsent,
            issued=self._issued,
            site=site,
        )
        self._address = (host, port)
        self._certificate = self._new_certificate(tls)
        if self._certificate is not None:
            # For a server that nobody closes.
            weakref.finalize(self, self._certificate.discard)
        self._control_port = None if control is False else 0 if control is True else control
        if self._control_port is not None and not 0 <= self._control_port <= _LAST_PORT:
            raise InvalidPlan(f"control {control!r}: expected True, or the number of a port up to {_LAST_PORT}")
        if control_token is not None and not _TOKEN.fullmatch(control_token):
            raise InvalidPlan("control_token: expected 8 or more letters, digits and -._~+/= (it is not shown here)")
        self._control_token = control_token or secrets.token_urlsafe(24)
        self._control: Listener | None = None
        self._lock = threading.RLock()
        self._peers: list[tuple[Peer, ServedTransport | None]] = []
        """The connections that there are and the newest that were, those in memory with their client's end."""
        self._plan = plan_of(faults)
        self._refused: list[Fired] = []
        self._listener: Listener | None = None
        self._closed = False
        self._watch = current_watch()
        self._count = 0
        self.market = HandMarket(self, self._market)

    def __repr__(self) -> str:
        where = self._listener.url if self._listener else "in memory"
        return f"<FakeServer seed={self.seed} {where}, {self._count} connections so far>"

    def _new_certificate(self, tls: bool | tuple[str | Path, str | Path]) -> Certificate | None:
        if tls is False:
            return None
        from tvstreamer.server.tls import made_up, own

        return made_up(self._address[0]) if tls is True else own(*tls)

    @property
    def ca_pem(self) -> Path:
        """The file that a client has to trust for `wss://`; one that was made up is there until the server is closed."""
        if self._certificate is None:
            raise InvalidPlan("ca_pem: expected a server with tls=True")
        return self._certificate.ca_pem

    def _new_clock(self) -> Clock:
        if self._factor is None:
            start = self._tape.start if self._tape else market_start(self.seed)
            return VirtualClock(start if self._start is None else self._start)
        return SteeredClock(self._factor, start=self._start)

    def _new_connection(self, manners: Manners, clock: Clock) -> Peer:
        """The next connection, behind its faults. Raises `ConnectFailed` where the plan refuses it."""
        with self._lock:
            self._count += 1
            number, plan = self._count, self._plan
        refusal = plan.refusal(number, random.Random)
        if refusal is not None:
            self._refused.append(Fired(clock.now(), refusal.kind, str(refusal.status), number))
            problem = f"HTTP {refusal.status}, as the fault plan wants it"
            raise ConnectFailed("the fake server", problem, status=refusal.status, retry_after=refusal.retry_after)
        connection: Connection
        if self._tape is not None:
            unknown = self._market.is_unknown
            connection = TapeConnection(self._tape.playback, self._manners_to_the_next(manners), number, is_unknown=unknown)
        else:
            connection = MarketConnection(self._market, self._manners_to_the_next(manners), number)
        return FaultyPeer(connection, clock, plan, number)

    def _manners_to_the_next(self, manners: Manners) -> Manners:
        """The manners to the next client, who may be one too many for the account."""
        most = manners.plan.connections
        with self._lock:
            is_full = most is not None and sum(peer.open for peer, _ in self._peers) >= most
        return replace(manners, refusal=TOO_MANY_CONNECTIONS) if is_full else manners

    # --- connections ----------------------------------------------------------------------------------------------

    def connect(self) -> ServedTransport:
        """A connection in memory, without a socket: this is a `Connector`.

        Raises `ConnectFailed` where a fault refuses it or the server is closed, and `UnsupportedFault` where the plan has faults
        of bytes.
        """
        self._require_open()
        self._plan.require(_IN_MEMORY, "a connection in memory")
        peer = self._new_connection(self._manners, self.clock)
        transport = ServedTransport(peer, self.clock, url="fake:")
        self._admit(peer, transport)
        return transport

    def _admit(self, peer: Peer, transport: ServedTransport | None) -> None:
        with self._lock:
            self._peers.append((peer, transport))
            if len(self._peers) < 2 * _ENDED:
                return
            ended = [number for number, (each, _) in enumerate(self._peers[:-1]) if not each.open]
            forgotten = set(ended[: max(0, len(ended) - _ENDED)])
            self._peers = [pair for number, pair in enumerate(self._peers) if number not in forgotten]

    def start(self) -> None:
        """Starts to listen, if that has not been done. Raises `ServerStartError`."""
        from tvstreamer.server.listener import Listener

        with self._lock:
            if self._closed:
                raise InvalidPlan("this server is closed; make a new one")
            if self._listener is None:
                host, port = self._address
                listener = Listener(
                    self._new_listened,
                    host=host,
                    port=port,
                    strict_origin=self._manners.strict,
                    on_http=self._on_http,
                    slow_client=self._manners.slow_client,
                    most_unsent=self._manners.most_unsent,
                    tls=None if self._certificate is None else self._certificate.context,
                )
                listener.start()
                self._listener = listener
                self._watch.opened(self)

    def _new_listened(self) -> tuple[Peer, Clock]:
        manners, clock = self._manners, self.clock
        if isinstance(clock, VirtualClock):
            # A virtual clock belongs to one connection: each client is served as fast as it reads. No echo can keep up
            # with its heartbeats, so none is waited for.
            manners, clock = replace(manners, heartbeat_timeout=None), self._new_clock()
        peer = self._new_connection(manners, clock)
        self._admit(peer, None)
        return peer, clock

    def _on_http(self, request: HttpRequest) -> HttpResponse | None:
        """Search, symbol pages and so on, from what is served here."""
        now, state, strict = self.clock.now(), self._manners.site, self._manners.strict
        token = next(iter(self._manners.tokens), None) or self._issued.issue(now)
        if self._tape is not None:
            symbols = self._tape.symbols
            return Pages(symbols, symbols.get, lambda _symbol: {}, token, state=state, strict=strict).answer(request)
        market = self._market
        info, values = lambda symbol: market.info(symbol, now), lambda symbol: market.quote(symbol, now)
        return Pages(CATALOGUE, info, values, token, state=state, strict=strict).answer(request)

    def _require_open(self) -> None:
        if self._closed:
            raise ConnectFailed("the fake server", "the server is closed")

    def answer_http(
        self, method: str, target: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        """What a request is answered on the port, without one: the status, the headers, the body.

        Raises `ConnectFailed` where the server is closed.
        """
        self._require_open()
        reader = RequestReader()
        if body and not any(name.lower() == "content-length" for name, _ in headers):
            headers = [*headers, ("Content-Length", str(len(body)))]
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
        try:
            request = reader.feed("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + body)
        except BadRequest as bad:
            response = HttpResponse(bad.status, f"{bad.problem}\n")
        else:
            # What wants to upgrade, or has less of a body than it says, never becomes a request.
            request = request or HttpRequest(method, SOCKET_PATH)
            response = self._on_http(request) or otherwise(request)
        pairs, content = response.parts()
        return response.status, pairs, b"" if method == "HEAD" else content

    @property
    def url(self) -> str:
        """The address to connect to. The first reading binds the port."""
        self.start()
        assert self._listener is not None
        return self._listener.url

    @property
    def port(self) -> int:
        """The port of `url`."""
        self.start()
        assert self._listener is not None
        return self._listener.port

    @property
    def journal(self) -> list[JournalEntry]:
        """What clients asked for, what was made of it and what they were told, connection by connection.

        Of each connection the newest 10,000 commands and remarks and the newest 200 replies, of the connections that are
        over the newest 1,000.
        """
        with self._lock:
            connections = [peer.inner for peer, _ in self._peers]
        return [entry for connection in connections if connection.protocol for entry in connection.protocol.journal]

    def verify(
        self,
        method: str,
        *,
        symbol: str | None = None,
        interval: str | None = None,
        connection: int | None = None,
        kind: str = "command",
        count: int | None = None,
        at_least: int | None = None,
        at_most: int | None = None,
        timeout: float = 0.0,
    ) -> list[JournalEntry]:
        """Checks how often clients did something, by default that they did it at all. Returns what is meant.

        `timeout` is for clients that are still at it: real seconds in which it may come true. Raises
        `VerificationFailed`, an `AssertionError` that shows the nearest entries of the journal.
        """
        expected = Expected(method, symbol, interval, connection, kind)
        numbers = Count.of(count, at_least, at_most)
        return _eventually(lambda: check_count(self.journal, expected, numbers), timeout)

    def verify_order(self, *order: str | Expected, timeout: float = 0.0) -> list[JournalEntry]:
        """Checks that commands came one after the other, with anything in between: methods, or what is `Expected` of each.

        The journal is read connection by connection: what the first one did comes before what the second did. Raises
        `VerificationFailed`.
        """
        wanted = [Expected(each) if isinstance(each, str) else each for each in order]
        return _eventually(lambda: check_order(self.journal, wanted), timeout)

    def _move(
        self, change: Callable[[float], object], each: Callable[[MarketConnection], None] | None = None
    ) -> None:
        """Changes the market now, and lets every connection tell its client."""
        # Two trades cannot share a moment, and neither a virtual clock nor one that was stopped moves by itself.
        if isinstance(self.clock, VirtualClock):
            self.clock.advance(0.001)
        elif isinstance(self.clock, SteeredClock) and self.clock.paused:
            self.clock.skip(0.001)
        at = self.clock.now()
        change(at)
        self._each(lambda peer: _told(peer.inner, at, each))

    def _each(self, function: Callable[[Peer], object]) -> None:
        """Runs a function for each open connection, while nothing else happens there."""
        with self._lock:
            peers, listener = list(self._peers), self._listener
        listened = [peer for peer, transport in peers if transport is None and peer.open]
        for peer, transport in peers:
            if transport is not None and peer.open:
                transport.call(function, peer)
        if listened and listener is not None:
            # In one go: each call wakes everybody.
            listener.call(lambda: [function(peer) for peer in listened])

    # --- steering -------------------------------------------------------------------------------------------------

    @property
    def control_url(self) -> str:
        """The address of the control API. The first reading binds its port."""
        from tvstreamer.server.http.control import Control
        from tvstreamer.server.listener import Listener

        if self._control_port is None:
            raise InvalidPlan("control_url: expected a server with control=True")
        with self._lock:
            if self._closed:
                raise InvalidPlan("this server is closed; make a new one")
            if self._control is None:
                api = Control(self, self._control_token)
                control = Listener(None, port=self._control_port, on_http=api.answer)
                control.start()
                self._control = control
                self._watch.opened(self)
            return f"http://127.0.0.1:{self._control.port}"

    @property
    def control_token(self) -> str:
        """What a request to the control API has to carry: `Authorization: Bearer ...`."""
        return self._control_token

    @property
    def connections(self) -> list[int]:
        """The numbers of the connections that are open."""
        with self._lock:
            return [peer.number for peer, _ in self._peers if peer.open]

    def disconnect(self, *, code: int = 1006, reason: str = "", number: int | None = None) -> list[int]:
        """Hangs up on all clients, or on one connection; 1006 is a loss without a goodbye. Returns whom it has met."""
        if not (code in _CLOSE_CODES or code == _LOST):
            raise InvalidPlan(f"code {code!r}: expected 1000 to 4999, and 1006 for a loss")
        if len(reason.encode()) > _LONGEST_REASON:
            raise InvalidPlan(f"reason {shorten(reason)}: expected at most {_LONGEST_REASON} bytes")
        met: list[int] = []

        def hang_up(peer: Peer) -> None:
            if peer.closing is None and number in (None, peer.number):
                peer.give_up(code, reason, self.clock.now())
                met.append(peer.number)

        self._each(hang_up)
        return met

    @property
    def paused(self) -> bool:
        """Whether the server's time stands still."""
        return isinstance(self.clock, SteeredClock) and self.clock.paused

    def pause(self) -> None:
        """Stops the server's time: no prices, no answers that wait for it, no heartbeats, until `resume`."""
        self._steered("pause").pause()

    def resume(self) -> None:
        """Time goes on from where it stood."""
        self._steered("resume").resume()
        self._each(_nothing)

    def seek(self, moment: float | str) -> None:
        """Sets the time forward: to seconds since the epoch, to a time such as `2026-01-02T15:00:00Z`, or by `+6h`.

        All that happens in between happens at once, heartbeats excepted. A tape plays on by the same clock, so that `+10m`
        is what it takes to get ten minutes further. With `speed="max"` this is for clients in memory: one on the port has a
        clock of its own, which its reading drives. Time never goes back. Raises `InvalidPlan`.
        """
        clock = self.clock
        seconds = _moment(moment, clock.now()) - clock.now()
        if seconds < 0:
            raise InvalidPlan(f"seek {shorten(moment)}: expected no moment before {clock.now():.3f}, for time never goes back")
        if not isinstance(clock, SteeredClock | VirtualClock):
            raise InvalidPlan(f"seek: expected a server whose clock is its own, not {shorten(clock)}")
        self._each(lambda peer: peer.jump(seconds))
        if isinstance(clock, VirtualClock):
            clock.advance(seconds)
        else:
            clock.skip(seconds)
        self._each(_nothing)

    def _steered(self, what: str) -> SteeredClock:
        if isinstance(self.clock, SteeredClock):
            return self.clock
        raise InvalidPlan(f"{what}: expected a server in real time, speed=1 or another number, with a clock of its own")

    def set_site(self, state: SiteState) -> None:
        """What clients get from the pages from now on: see `site` of the class. Raises `InvalidPlan`."""
        _require_state(state)
        self._manners = replace(self._manners, site=state)

    # --- faults ---------------------------------------------------------------------------------------------------

    def set_faults(self, plan: FaultPlan | str | Path | None) -> None:
        """Another plan, one in a file, or none, for all connections made from now on, and for those that are open.

        For an open one, `at` and `after` count from now, and what the old plan withheld comes at once; a connection that a
        fault has ended stays ended. Raises `UnsupportedFault`, and changes nothing, where a connection is open in memory and
        the plan has faults of bytes.
        """
        plan = plan_of(plan)
        with self._lock:
            if any(peer.open and transport is not None for peer, transport in self._peers):
                plan.require(_IN_MEMORY, "a connection in memory")
            self._plan = plan
        self._each(lambda peer: peer.set_plan(plan))

    @property
    def fired(self) -> list[Fired]:
        """The faults that fired so far, refused handshakes included, in order of time; of each connection the newest 10,000."""
        with self._lock:
            fired = [*self._refused, *(each for peer, _ in self._peers for each in peer.fired)]
        return sorted(fired, key=lambda each: each.at)

    # --- life -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Hangs up on everybody and frees the port. Safe to repeat."""
        with self._lock:
            self._closed = True
            self._watch.closed(self)
            listener, self._listener = self._listener, None
            control, self._control = self._control, None
            transports = [transport for _, transport in self._peers if transport is not None]
        for each in (control, listener):
            if each is not None:
                each.stop()
        for transport in transports:
            transport.close(1001, "server closed")
        if self._certificate is not None:
            self._certificate.discard()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Tape:
    """A tape to be served: each client gets its first connection, from the beginning."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with TapeReader(path) as reader:
            self.start = reader.header.start
        self._offers = index(scan_sends(path))
        self._first = self._offers[0].connection if self._offers else 1

    def check_options(self, plan: Plan, most_bars: int, reply_delay: float | None, errors: Mapping[str, str]) -> None:
        """Raises `InvalidPlan` for what recorded answers cannot be made to fit."""
        if errors:
            raise InvalidPlan(f"errors {shorten(errors)}: expected none with a tape, whose answers are what they are")
        if most_bars != MOST_BARS:
            raise InvalidPlan(f"most_bars {most_bars!r}: expected none with a tape, whose answers are what they are")
        if reply_delay is not None:
            raise InvalidPlan(f"reply_delay {reply_delay!r}: expected none with a tape, which has times of its own")
        if plan.bars is None:
            return
        bars, session, series = most_recorded_bars(self._path, self._first)
        if bars > plan.bars:
            named = [offer for offer in self._offers if (offer.kind, offer.session, offer.name) == ("series", session, series)]
            what = f"{named[0].symbol} {named[0].interval}" if named else series
            problem = f"plan {plan.name or plan}: {self._path} has an answer of {bars} bars of {what}"
            raise InvalidPlan(f"{problem}: expected a plan of as many, as no bars can be taken out of a recording")

    @cached_property
    def symbols(self) -> dict[str, dict[str, Any]]:
        return recorded_symbols(self._path)

    def playback(self) -> Playback:
        return Playback(self._first, records_of(self._path, self._first), self._offers)


def _told(connection: Connection, at: float, each: Callable[[MarketConnection], None] | None) -> None:
    if isinstance(connection, MarketConnection):
        if each is not None:
            each(connection)
        connection.market_moved(at)


def _nothing(_peer: Peer) -> None:
    """For the sake of being called: whoever carries a connection looks at it anew then."""


def _moment(moment: float | str, now: float) -> float:
    """Seconds since the epoch. Raises `InvalidPlan`."""
    expected = "seconds since the epoch, a time such as 2026-01-02T15:00:00Z, or +6h"
    if isinstance(moment, str):
        if moment.startswith("+"):
            return now + duration(moment[1:])
        try:
            time = datetime.fromisoformat(moment)
        except ValueError as exc:
            raise InvalidPlan(f"seek {shorten(moment)}: expected {expected}") from exc
        if time.tzinfo is None:
            raise InvalidPlan(f"seek {shorten(moment)}: expected a time with its zone, Z for UTC")
        return time.timestamp()
    if not 0 <= moment < _END_OF_TIME:
        raise InvalidPlan(f"seek {moment!r}: expected {expected}")
    return moment


def _eventually(check: Callable[[], list[JournalEntry]], timeout: float) -> list[JournalEntry]:
    """The outcome of a check that may fail for a while."""
    clock, never = SystemClock(), threading.Event()
    until = clock.now() + timeout
    while True:
        try:
            return check()
        except VerificationFailed:
            if clock.now() >= until:
                raise
        clock.wait(never, _LOOK)


def _require_state(site: object) -> None:
    if site not in SITE_STATES:
        raise InvalidPlan(f"site {shorten(site)}: expected one of {', '.join(SITE_STATES)}")


def _checked_errors(errors: Mapping[str, str]) -> Mapping[str, str]:
    for method, reason in errors.items():
        if method not in REFUSABLE:
            raise InvalidPlan(f"errors {shorten(method)}: expected some of {', '.join(REFUSABLE)}")
        if not isinstance(reason, str) or not reason:
            raise InvalidPlan(f"errors {method}: reason {shorten(reason)}: expected a text")
    return dict(errors)


def _speed(speed: float | str) -> float | None:
    if speed == "max":
        return None
    try:
        factor = float(speed)
    except ValueError:
        factor = 0.0
    if not 0 < factor < float("inf"):
        raise InvalidPlan(f"speed {shorten(speed)}: expected 'max' or a number above 0, for example 1 or 10")
    return factor
