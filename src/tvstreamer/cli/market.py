"""`stream`, `history` and `quote`."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from tvstreamer.cli.asking import asking, names
from tvstreamer.cli.identity import identity
from tvstreamer.cli.outages import policy, tell, watchdogs
from tvstreamer.cli.output import printer
from tvstreamer.cli.progress import history_bar
from tvstreamer.cli.run import INTERRUPTED
from tvstreamer.cli.stopping import Stopping
from tvstreamer.clock import VirtualClock
from tvstreamer.errors import InvalidPlan, ServerError, SymbolError, TapeWriteError, shorten
from tvstreamer.events import Event
from tvstreamer.protocol.charts import OnGap
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.pump import LONGEST
from tvstreamer.wsclient import TvWSClient

_LOOK = 0.2
"""Seconds after which a waiting loop looks whether it was asked to stop."""


def subscriptions(
    symbols: list[str] | None, intervals: list[str] | None, *, quotes: bool, studies: list[str] | None = None
) -> list[Subscription]:
    """The product of symbols and intervals, each with all studies."""
    return [
        Subscription(symbol, interval, quotes=quotes, studies=studies or ())
        for symbol in symbols or ()
        for interval in intervals or (None,)
    ]


def turns(
    client: TvWSClient,
    stopping: Stopping,
    *,
    max_events: int | None = None,
    duration: float | None = None,
    idle: Callable[[], None] = lambda: None,
) -> Iterator[list[Event]]:
    """The events of one message after the other, until a limit is reached; it ends after the message that reaches it.

    Raises `ServerError` where the server has refused all that was asked for, so that nothing more would ever come.
    """
    client.connect()
    source = client.source
    assert source is not None
    clock = source.clock
    # Waiting is counted on the source's clock, which may run faster than the user's; a virtual one takes no time at all.
    look = LONGEST if isinstance(clock, VirtualClock) else _LOOK * getattr(clock, "factor", 1.0)
    until = None if duration is None else clock.now() + duration
    count = 0
    while not stopping:
        left = None if until is None else until - clock.now()
        if left is not None and left <= 0:
            return
        events = client.poll(look if left is None else min(look, left))
        if events is None:
            return
        if events:
            yield events
        elif client.refused:
            raise ServerError("nothing left to wait for: the server refused all that was asked for")
        count += len(events)
        idle()
        if max_events is not None and count >= max_events:
            return


def stream(
    auth: str,
    symbol: list[str] | None,
    interval: list[str] | None,
    source: str,
    bars: int,
    quotes: bool,
    study: list[str] | None,
    fields: str | None,
    timezone: str | None,
    limits: str | None,
    format: str,
    events: str,
    max_events: int | None,
    duration: float | None,
    speed: str | None,
    on_gap: OnGap,
    stall_timeout: str | None,
    reconnect: str | None,
    faults: str | None,
) -> int:
    wanted = subscriptions(symbol, interval, quotes=quotes, studies=study)
    client = TvWSClient(
        wanted,
        source=source,
        **identity(auth, source, os.environ),
        **asking(quotes=quotes, fields=fields, timezone=timezone, limits=limits),
        n_init_bars=bars,
        speed=speed,
        on_gap=on_gap,
        watchdogs=watchdogs(stall_timeout),
        reconnect=policy(reconnect),
        faults=faults,
    )
    if not wanted and not client.covers(Subscription("ANY:THING")):
        raise InvalidPlan("--symbol is missing: expected at least one EXCHANGE:TICKER")
    show = printer(format, events)
    with Stopping() as stopping, client:
        for batch in turns(client, stopping, max_events=max_events, duration=duration):
            for event in batch:
                show(event)
                tell(event)
    return INTERRUPTED if stopping else 0


def history(
    auth: str,
    symbol: list[str],
    interval: list[str],
    bars: int | None,
    source: str,
    format: str,
    timeout: float,
    to: str | None,
    output: str | None,
    overwrite: bool,
    **options: str | None,
) -> int:
    start = options["from"]
    name, length = _one("--symbol", symbol), _one("--interval", interval)
    if bars is not None and start is not None:
        raise InvalidPlan(f"--bars {bars} and --from {start!r}: expected one of them")
    if output is not None and not overwrite and Path(output).exists():
        # Before many pages are fetched for nothing.
        raise _exists(output)
    # There is no loop here that could look at a flag, and nothing is written before all is there.
    with Stopping(at_once=True):
        client = TvWSClient(source=source, **identity(auth, source, os.environ))
        with client, history_bar(f"{name} {length}") as on_progress:
            result = client.get_history(
                name, length, bars, start=start, end=to, timeout=timeout, on_progress=on_progress
            )
        with _output(output, overwrite) as stream:
            show = printer(format, stream=stream)
            for bar in result:
                show(bar)
    if not result.complete:
        wanted = "" if start is not None else f" of {bars or 300}"
        why = f"the server cut it: {result.limit}" if result.limit else "that is all the server gives"
        print(f"tvstreamer: {len(result)}{wanted} bars: {why}", file=sys.stderr)
    return 0


def _one(option: str, values: list[str]) -> str:
    """`stream` and `quote` take several of these, so whoever gives several expects that all count."""
    if len(values) > 1:
        raise InvalidPlan(f"{option} {', '.join(map(shorten, values))}: expected one, as history is of one series")
    return values[0]


def _exists(name: str) -> TapeWriteError:
    return TapeWriteError(f"{name}: the file exists already; expected a new name, or --overwrite")


@contextlib.contextmanager
def _output(name: str | None, overwrite: bool) -> Iterator[BinaryIO | None]:
    """The file to write; None for standard output."""
    if name is None or name == "-":
        yield None
        return
    try:
        with Path(name).open("wb" if overwrite else "xb") as file:
            yield file
    except FileExistsError:
        raise _exists(name) from None
    except OSError as error:
        raise TapeWriteError(f"{name}: cannot be written: {error.strerror}") from error


def quote(auth: str, symbol: list[str] | None, source: str, format: str, timeout: float, fields: str) -> int:
    if not symbol:
        raise InvalidPlan("--symbol is missing: expected at least one EXCHANGE:TICKER")
    show = printer(format)
    with Stopping(at_once=True):
        with TvWSClient(source=source, **identity(auth, source, os.environ)) as client:
            snapshot = client.snapshot(symbol, names(fields), timeout=timeout)
        for name, each in snapshot.items():
            if name not in snapshot.failed:
                show(each)
    if snapshot.failed:
        raise SymbolError("; ".join(f"{name}: {reason}" for name, reason in snapshot.failed.items()))
    return 0
