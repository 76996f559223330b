"""`serve`: a fake market or a tape on a port of this machine."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from tvstreamer.cli.output import say
from tvstreamer.cli.run import INTERRUPTED
from tvstreamer.cli.stopping import Stopping
from tvstreamer.errors import InvalidSource
from tvstreamer.faults import load_plan
from tvstreamer.server.fake import FakeServer
from tvstreamer.server.market import UNKNOWN
from tvstreamer.sources import fake_options

_LOOK = 0.2


def serve(
    tape: str | None,
    source: str,
    host: str,
    port: int,
    speed: str | None,
    seed: int | None,
    unknown: list[str] | None,
    strict: bool,
    duration: float | None,
    faults: str | None,
) -> int:
    options = {} if tape is not None or not source.startswith("fake") else fake_options(source)
    if tape is None and not source.startswith("fake"):
        tape = source
    if tape is not None and not Path(tape).is_file():
        raise InvalidSource(f"source {tape!r}: no such file; expected a tape, or fake")
    server = FakeServer(
        seed=int(options.get("seed", seed or 0)),
        speed=options.get("speed", speed or 1),
        tape=tape,
        unknown=(*UNKNOWN, *(unknown or ())),
        strict=strict,
        host=host,
        port=port,
        faults=None if faults is None else load_plan(faults),
    )
    with Stopping() as stopping, server:
        # The address is the one thing that another program needs, so it alone is on standard output.
        say(server.url)
        print(f"serving {tape or f'a synthetic market, seed {server.seed}'}; Ctrl-C stops", file=sys.stderr)
        waited = 0.0
        idle = threading.Event()
        while not stopping and (duration is None or waited < duration):
            step = _LOOK if duration is None else min(_LOOK, duration - waited)
            idle.wait(step)
            waited += step
    return INTERRUPTED if stopping else 0
