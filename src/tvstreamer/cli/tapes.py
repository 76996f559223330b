"""`record`, `replay` and `import`."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from tvstreamer import __version__
from tvstreamer.cli.asking import asking
from tvstreamer.cli.identity import identity
from tvstreamer.cli.market import subscriptions, turns
from tvstreamer.cli.outages import describe, policy, tell, watchdogs
from tvstreamer.cli.output import printer, say
from tvstreamer.cli.run import INTERRUPTED
from tvstreamer.cli.stopping import Stopping
from tvstreamer.errors import InvalidPlan, TapeFormatError, TapeWriteError, TvError, shorten
from tvstreamer.events import Event
from tvstreamer.protocol.charts import OnGap
from tvstreamer.tape.reader import TapeReader
from tvstreamer.testing.digest import EventDigest
from tvstreamer.wsclient import TvWSClient


def record(
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
    output: str,
    overwrite: bool,
    max_events: int | None,
    duration: float | None,
    events: str | None,
    on_gap: OnGap,
    stall_timeout: str | None,
    reconnect: str | None,
    faults: str | None,
    rotate: str | None,
    fsync: str,
) -> int:
    wanted = subscriptions(symbol, interval, quotes=quotes, studies=study)
    if not wanted:
        raise InvalidPlan("--symbol is missing: expected at least one EXCHANGE:TICKER")
    if output == "-":
        raise InvalidPlan("--output '-': expected the name of a file, as a tape is finished by its footer")
    if events is not None and os.path.realpath(events) == os.path.realpath(output):
        raise InvalidPlan(f"--events {shorten(events)}: expected another file than that of the tape")
    # In this thread alone: what was recorded and what was written as events then always agree, whenever it is stopped.
    client = TvWSClient(
        wanted,
        source=source,
        **identity(auth, source, os.environ),
        **asking(quotes=quotes, fields=fields, timezone=timezone, limits=limits),
        n_init_bars=bars,
        record=output,
        overwrite=overwrite,
        threaded=False,
        on_gap=on_gap,
        watchdogs=watchdogs(stall_timeout),
        reconnect=policy(reconnect),
        faults=faults,
        rotate=rotate,
        fsync=fsync,
    )
    counter = _Counter(client)
    with _event_file(events) as write, Stopping() as stopping, client:
        end: TvError | None = None
        try:
            for batch in turns(client, stopping, max_events=max_events, duration=duration, idle=counter.show):
                for event in batch:
                    write(event)
                    counter.tell(event)
                counter.events += len(batch)
        except TapeWriteError:
            raise
        except TvError as error:
            # What was recorded until then is there, and is told first.
            end = error
        client.close()
        counter.finish(output)
        if end is not None:
            raise end
    return INTERRUPTED if stopping else 0


class _Counter:
    """Live counters on a terminal, and one line at the end."""

    def __init__(self, client: TvWSClient) -> None:
        self._client = client
        self._live = sys.stderr.isatty()
        self.events = 0

    def _line(self) -> str:
        counts = self._client.statistics()
        messages, size = self._client.written
        reconnects = max(0, counts.connections - 1)
        return (
            f"{messages} messages, {size} bytes, {self.events} events, {counts.heartbeats} heartbeats,"
            f" {reconnects} reconnects"
        )

    def tell(self, event: Event) -> None:
        """An outage has a line of its own, and the counters go on below it."""
        if self._live and describe(event) is not None:
            print("\r\x1b[K", end="", file=sys.stderr)
        tell(event)

    def show(self) -> None:
        line = self._line()
        if self._live:
            print(f"\r\x1b[K{line}", end="", file=sys.stderr, flush=True)

    def finish(self, output: str) -> None:
        print(f"{chr(13) if self._live else ''}recorded {output}: {self._line()}", file=sys.stderr)


@contextlib.contextmanager
def _event_file(name: str | None) -> Iterator[Callable[[Event], None]]:
    """Where the events of a recording go: nowhere, to standard output, or to a file."""
    if name is None:
        yield lambda event: None
    elif name == "-":
        yield printer("jsonl")
    else:
        try:
            with Path(name).open("wb") as file:
                yield printer("jsonl", stream=file)
        except TvError:
            raise
        except OSError as error:
            # Of opening, writing or closing; a full disk shows at any of them.
            raise TapeWriteError(f"{name}: cannot be written: {error.strerror}") from error


def replay(
    tape: str, speed: str, to: float | None, format: str, events: str, digest: bool, faults: str | None, **options: float
) -> int:
    path = Path(tape)
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "not a regular file"
        raise TapeFormatError(f"{kind}, expected a tape" if path.exists() else "no such file", path=tape)
    with TapeReader(path) as reader:
        part = reader.header.part or 1
    if part > 1:
        print(f"tvstreamer: {tape}: part {part} of a recording; what the parts before ask for is not known", file=sys.stderr)
    log = EventDigest()
    show = printer(format, events)
    client = TvWSClient(source=path, speed=speed, begin=options["from"], end=to, faults=faults)
    with Stopping() as stopping, client:
        for batch in turns(client, stopping):
            for event in batch:
                if digest:
                    log.add(event)
                else:
                    show(event)
    if client.torn:
        print(f"tvstreamer: {tape}: torn; dropped what is not whole of the last {client.torn} bytes", file=sys.stderr)
    if digest and not stopping:
        say(str(log))
    return INTERRUPTED if stopping else 0


def import_(kind: str, file: str, output: str, overwrite: bool) -> int:
    from tvstreamer.tape.compression import unpacked
    from tvstreamer.tape.convert.log import import_log, log_lines
    from tvstreamer.tape.redact import Redactor, new_key

    try:
        packed = Path(file).open("rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise TapeFormatError(f"cannot be read: {error.strerror}", path=file) from error
    with packed:
        log = io.TextIOWrapper(
            io.BufferedReader(unpacked(packed, file)), encoding="utf-8", errors="surrogateescape", newline="\n"
        )
        writer = import_log(
            log_lines(log, file),
            output,
            redactor=Redactor(key=new_key()),
            tool=f"tvstreamer {__version__}",
            name=file,
            overwrite=overwrite,
        )
    print(f"imported {file} to {output}: {writer.messages} messages, {writer.bytes} bytes", file=sys.stderr)
    return 0
