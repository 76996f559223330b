"""What a `source=` means: a live host, a fake server, a WebSocket address, or a tape.

::

    live   live:host=prodata   fake   fake:seed=7,speed=max   ws://...   wss://...   session.jsonl

Each kind is imported when it is used. A `Source` says how to connect, by which clock, and whether it needs a reader thread:
sockets do, because a slow consumer must not stop the heartbeat's echo; tapes and a virtual fake do not.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable
from urllib.parse import urlsplit

from tvstreamer.auth import Credentials
from tvstreamer.clock import Clock, ScaledClock, SystemClock, VirtualClock
from tvstreamer.constants import HOSTS, SOCKET_PATH
from tvstreamer.errors import InvalidSource, TapeFormatError, shorten
from tvstreamer.transports.base import Connector

if TYPE_CHECKING:
    from tvstreamer.protocol.subscription import Subscription

_FAKE_OPTIONS = ("seed", "speed")
_LIVE_OPTIONS = ("host",)


@dataclass(frozen=True, slots=True)
class Source:
    """An opened source: everything a client needs to know of where its messages come from."""

    kind: str
    url: str
    clock: Clock
    threaded: bool
    connector: Connector
    seed: int | None = None
    tape: Path | None = None
    more: Callable[[Sequence[Subscription]], bool] | None = None
    """Given what is subscribed, whether a further connection of the tape answers it."""
    on_gap: str | None = None
    """What the client that recorded the tape did about gaps."""
    close: Callable[[], None] = field(default=lambda: None)
    takes_token: bool = False
    """Whether a tape wants to see the client get its token: it has the exchange by which that was done."""
    asks_beside: bool = False
    """Whether what a tape does not hold can be asked of somebody else."""


@runtime_checkable
class SourceMaker(Protocol):
    """Something that is no source yet, and becomes one for a client whose subscriptions it is told."""

    def as_source(
        self, *, credentials: Credentials, subscriptions: Sequence[Subscription] = (), **options: Any
    ) -> Source: ...


def open_source(
    spec: object,
    *,
    credentials: Credentials,
    subscriptions: Sequence[Subscription] = (),
    seed: int | None = None,
    speed: float | str | None = None,
    clock: Clock | None = None,
    origin: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    timeout: float = 10.0,
) -> Source:
    """Reads a source and prepares it; nothing is connected yet. Raises `InvalidSource`, or what a tape raises."""
    if isinstance(spec, SourceMaker):
        return spec.as_source(
            credentials=credentials,
            subscriptions=subscriptions,
            seed=seed,
            speed=speed,
            clock=clock,
            origin=origin,
            headers=headers,
            timeout=timeout,
        )
    if isinstance(spec, str):
        url = socket_url(spec)
        if url is not None:
            return _socket(url, credentials, clock, origin, headers, timeout)
        if spec.partition(":")[0] == "fake":
            return _fake(fake_options(spec), seed, speed)
    if isinstance(spec, str | os.PathLike):
        return _tape(spec, speed, subscriptions)
    if callable(spec):
        own_clock = clock or _clock_of(spec) or SystemClock()
        return Source("connector", "", own_clock, not isinstance(own_clock, VirtualClock), spec, seed)
    raise InvalidSource(
        f"source {shorten(spec)}: expected 'live', 'fake', a ws:// or wss:// address, the path of a tape, or a Connector,"
        " such as the connect of a FakeServer"
    )


def _clock_of(connector: object) -> Clock | None:
    """The clock of a connector that has one, or of the server whose `connect` it is: its times are the only ones that fit."""
    for holder in (connector, getattr(connector, "__self__", None)):
        clock = getattr(holder, "clock", None)
        if callable(getattr(clock, "now", None)):
            return cast(Clock, clock)
    return None


def _options(spec: str, text: str, known: tuple[str, ...]) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, text.split(",")):
        key, equals, value = part.partition("=")
        if key not in known or not equals or not value:
            expected = " or ".join(f"{each}=..." for each in known)
            raise InvalidSource(f"source {shorten(spec)}: option {shorten(part)}: expected {expected}")
        options[key] = value
    return options


def socket_url(spec: str) -> str | None:
    """The address that `live`, `live:host=...`, `ws://...` or `wss://...` stands for; None for another kind of source.

    Raises `InvalidSource`.
    """
    kind, _, rest = spec.partition(":")
    if kind == "live":
        return _live_url(_options(spec, rest, _LIVE_OPTIONS).get("host", "data"), spec)
    if kind not in ("ws", "wss"):
        return None
    if not rest.startswith("//") or len(rest) < 3:
        raise InvalidSource(f"source {shorten(spec)}: expected {kind}://HOST[:PORT]/PATH")
    try:
        address = urlsplit(spec)
        has_place = address.hostname is not None and address.port != 0
    except ValueError:
        has_place = False
    if not has_place:
        # Without what may be a secret in front of the host.
        shown = shorten(spec.rpartition("@")[2])
        raise InvalidSource(f"source {shown}: expected {kind}://HOST[:PORT]/PATH, the port up to 65535")
    return spec


def _live_url(host: str, spec: str) -> str:
    if host in HOSTS:
        return f"wss://{HOSTS[host]}{SOCKET_PATH}"
    if "." in host and "/" not in host:
        return f"wss://{host}{SOCKET_PATH}"
    known = ", ".join(HOSTS)
    raise InvalidSource(f"source {shorten(spec)}: host {shorten(host)}: expected one of {known}, or a host name")


def _socket(
    url: str,
    credentials: Credentials,
    clock: Clock | None,
    origin: str | None,
    headers: tuple[tuple[str, str], ...],
    timeout: float,
) -> Source:
    own_clock = clock or SystemClock()
    extra: dict[str, Any] = {} if origin is None else {"origin": origin}

    def connector() -> Any:
        from tvstreamer.transports.websocket_client import connect

        return connect(url, clock=own_clock, headers=headers, cookie=credentials.cookie, timeout=timeout, **extra)

    return Source("live", url, own_clock, True, connector)


def parse_speed(value: float | str | None) -> float | None:
    """A speed as a factor; None for as fast as possible. Raises `InvalidSource`."""
    if value is None or value == "max":
        return None
    try:
        factor = float(value)
    except ValueError:
        factor = -1.0
    if not 0 < factor < float("inf"):
        raise InvalidSource(f"speed {shorten(value)}: expected 'max' or a number above 0, for example 1 or 10")
    return factor


def fake_options(spec: str) -> dict[str, str]:
    """The options of `fake:seed=7,speed=max`, checked. Raises `InvalidSource`."""
    kind, _, rest = spec.partition(":")
    if kind != "fake":
        raise InvalidSource(f"source {shorten(spec)}: expected 'fake' or 'fake:seed=...,speed=...'")
    options = _options(spec, rest, _FAKE_OPTIONS)
    if not options.get("seed", "0").isdecimal():
        raise InvalidSource(f"source {shorten(spec)}: seed {options['seed']!r}: expected a whole number")
    parse_speed(options.get("speed"))
    return options


def _fake(options: dict[str, str], seed: int | None, speed: float | str | None) -> Source:
    from tvstreamer.server.fake import FakeServer

    chosen = int(options["seed"]) if "seed" in options else seed
    server = FakeServer(seed=chosen or 0, speed=options.get("speed", 1 if speed is None else speed))
    threaded = not isinstance(server.clock, VirtualClock)
    return Source("fake", "fake:", server.clock, threaded, server.connect, chosen, close=server.close)


def _tape(
    spec: str | os.PathLike[str], speed: float | str | None, subscriptions: Sequence[Subscription]
) -> Source:
    from tvstreamer.transports.replay import ReplayConnector

    path = Path(spec)
    if not os.fspath(spec) or not path.exists():
        # A path made of an address that we do not know would have lost one of its slashes.
        raise InvalidSource(f"source {shorten(os.fspath(spec))}: no such file, and none of live, fake, ws://, wss://")
    if not (path.is_file() or path.is_dir()):
        # It is read more than once.
        raise TapeFormatError("not a regular file, expected a tape", path=str(path))
    factor = parse_speed(speed)

    def clock_from(start: float) -> Clock:
        return VirtualClock(start) if factor is None else ScaledClock(factor, start=start)

    connector = ReplayConnector(path, clock_from, subscriptions)
    header = connector.header
    return Source(
        "tape", str(path), connector.clock, False, connector, header.seed, path, connector.more, header.on_gap, connector.close
    )
