"""`proxy`: another server on a port of this machine, recorded and disturbed."""

from __future__ import annotations

import sys

from tvstreamer.cli.failures import failures_told
from tvstreamer.cli.output import say
from tvstreamer.cli.run import INTERRUPTED
from tvstreamer.cli.serve import looks
from tvstreamer.cli.stopping import Stopping
from tvstreamer.errors import InvalidPlan
from tvstreamer.faults import load_plan
from tvstreamer.proxy import Proxy


def proxy(
    listen: int,
    host: str,
    to: str,
    to_ca: str | None,
    record: str | None,
    overwrite: bool,
    faults: str | None,
    rotate: str | None,
    fsync: str,
    duration: float | None,
) -> int:
    if record == "-":
        raise InvalidPlan("--record '-': expected the name of a file, as a tape is finished by its footer")
    if record is None and (rotate is not None or fsync != "never" or overwrite):
        raise InvalidPlan("--rotate, --fsync and --overwrite are about a tape: expected --record FILE with them")
    plan = None if faults is None else load_plan(faults)
    with (
        Stopping() as stopping,
        failures_told(),
        Proxy(
            to, to_ca=to_ca, record=record, overwrite=overwrite, rotate=rotate, fsync=fsync, faults=plan, host=host, port=listen
        ) as passage,
    ):
        # The address is the one thing that another program needs, so it alone is on standard output.
        say(passage.url)
        print(f"passing through to {passage.to}; Ctrl-C stops", file=sys.stderr)
        for _ in looks(stopping, duration):
            passage.check()
        passage.close()
        if record is not None:
            count = f"{passage.connections} connections, {passage.messages} messages"
            print(f"recorded {record}: {count}", file=sys.stderr)
    return INTERRUPTED if stopping else 0
