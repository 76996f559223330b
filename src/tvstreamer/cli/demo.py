"""`demo`: the tour. A fake market on a real socket, recorded, replayed twice, compared."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from tvstreamer.cli.market import turns
from tvstreamer.cli.run import INTERRUPTED
from tvstreamer.cli.stopping import Stopping
from tvstreamer.events import Bar, Event, Tick
from tvstreamer.server.fake import FakeServer
from tvstreamer.testing.digest import events_digest
from tvstreamer.wsclient import TvWSClient

_SYMBOL, _INTERVAL = "BINANCE:BTCUSDT", "1"
_SPEED = 60
_SECONDS = 4.0


def demo(keep: str | None) -> int:
    with tempfile.TemporaryDirectory() as folder:
        tape = Path(folder) / "session.jsonl"
        with FakeServer(seed=7, speed=_SPEED) as server, Stopping() as stopping:
            print(f"1. A fake market, {_SPEED} times as fast as life, at {server.url}")
            print(f"2. Recording {_SYMBOL}, bars of {_INTERVAL} minute and ticks, for {_SECONDS:g} seconds ...")
            live = _run(server.url, stopping, record=tape)
        if stopping:
            return INTERRUPTED
        print(f"3. Replaying {tape.name} ({tape.stat().st_size:,} bytes) twice ...\n")
        with Stopping() as stopping:
            replays = [_run(tape, stopping), _run(tape, stopping)]
        if keep is not None:
            shutil.copyfile(tape, keep)
    digests = [events_digest(run) for run in (live, *replays)]
    print(f"{'':12}{'events':>8}{'ticks':>8}{'bars':>8}{'closed':>8}  digest")
    for name, run, digest in zip(("live", "replay 1", "replay 2"), (live, *replays), digests, strict=True):
        kinds = Counter(type(event) for event in run)
        closed = sum(isinstance(event, Bar) and event.closed for event in run)
        print(f"{name:12}{len(run):8}{kinds[Tick]:8}{kinds[Bar]:8}{closed:8}  {digest[:32]}")
    same = len(set(digests)) == 1
    print(f"\n{'The three are identical, byte for byte.' if same else 'THE RUNS DIFFER.'}")
    return 0 if same and live else 1


def _run(source: str | Path, stopping: Stopping, *, record: Path | None = None) -> list[Event]:
    """All events of a source; of a live one those of a few seconds."""
    subscriptions = [] if record is None else [(_SYMBOL, _INTERVAL)]
    events: list[Event] = []
    client = TvWSClient(subscriptions, source=source, record=record, threaded=False)
    with client:
        for batch in turns(client, stopping, duration=None if record is None else _SECONDS):
            events += batch
    return events
