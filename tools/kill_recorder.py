"""Kills recorders at random moments and checks what they leave behind.

    python tools/kill_recorder.py --kills 200 --seed 1

Each recorder is a real `tvstreamer record` on a fake market, killed with SIGKILL once a random number of its event lines has
been read; the pipe makes it run at the reader's pace. What is promised, and checked each time:

* Nothing is invented: the records of the tape are the first ones of a recording of the same seed that was not killed.
* Nothing that was flushed is lost: of the messages whose events were read, at most a block (of 100 records, compressed 1,000;
  with `--fsync always` none) is missing.
* The tape is readable: at most its end is torn.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tvstreamer.clock import VirtualClock
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.pump import EndOfStream, TapePump
from tvstreamer.tape.format import Record
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.writer import PACKED_BLOCK, PLAIN_BLOCK
from tvstreamer.wsclient import TvWSClient

SYMBOL = "BINANCE:BTCUSDT"
SOURCE = "fake:seed=7,speed=max"
LONGEST = 60.0
"""Seconds after which a recorder that does nothing is given up."""


@dataclass(frozen=True)
class Way:
    """A way to record: the end of the file's name, and further options."""

    suffix: str
    options: tuple[str, ...] = ()

    @property
    def unflushed(self) -> int:
        """How many records may be lost at most."""
        if "always" in self.options:
            return 0
        return (PLAIN_BLOCK if self.suffix == ".jsonl" else PACKED_BLOCK) - 1

    def __str__(self) -> str:
        return " ".join((f"*{self.suffix}", *self.options))


WAYS = [
    Way(".jsonl"),
    Way(".jsonl.gz"),
    Way(".jsonl.zst"),
    Way(".jsonl", ("--rotate", "20KB")),
    Way(".jsonl", ("--rotate", "1KB", "--fsync", "always")),
    Way(".jsonl.gz", ("--rotate", "10KB", "--fsync", "interval")),
    Way(".jsonl.zst", ("--rotate", "2s")),
    Way(".jsonl.zst", ("--fsync", "always")),
]


@dataclass(frozen=True)
class Reference:
    """The recording that was not killed: its records, and how many events have come when each has been played."""

    records: list[Record]
    events: list[bytes]
    events_by: list[int]


@dataclass(frozen=True)
class Left:
    """What a killed recorder left."""

    parts: int
    records: int
    torn: int
    read: int
    """Event lines that were read."""
    behind: int
    """Records that these events come of, and which are not on the tape."""


def make_reference(folder: Path, events: int) -> Reference:
    """Records `events` events and more in one file, undisturbed."""
    path = folder / "reference.jsonl"
    with TvWSClient([(SYMBOL, "1")], source=SOURCE, record=path) as client:
        count = 0
        while count < events:
            count += len(client.poll(10.0) or ())
    with TapeReader(path) as reader:
        records = list(reader)
        header = reader.header
    lines: list[bytes] = []
    by: list[int] = []
    protocol = ClientProtocol(rng=random.Random(7))
    for record in records:
        pump = TapePump(protocol, header, iter([record]), VirtualClock(header.start))
        try:
            while True:
                lines += [event.to_json() + b"\n" for event in pump.turn()]
        except EndOfStream:
            by.append(len(lines))
    return Reference(records, lines, by)


def kill_one(folder: Path, way: Way, lines: int, reference: Reference) -> Left:
    """Kills a recorder when so many event lines have been read, and checks what it left. Raises `AssertionError`."""
    path = folder / f"killed{way.suffix}"
    words = [sys.executable, "-m", "tvstreamer", "record", "--source", SOURCE, "-s", SYMBOL, "-i", "1", "-o", str(path)]
    process = subprocess.Popen([*words, *way.options, "--events", "-"], stdout=subprocess.PIPE, env=_environment())
    assert process.stdout is not None
    with process:
        try:
            read = list(itertools.islice(process.stdout, lines))
        finally:
            process.kill()
        process.wait(LONGEST)
        # What it had written before it was killed is in the pipe still; the last line may be torn.
        read += [line for line in process.stdout if line.endswith(b"\n")]
    return check(path, way, read, reference)


def check(path: Path, way: Way, read: Sequence[bytes], reference: Reference) -> Left:
    """Holds a tape against what is promised."""
    with TapeReader(path) as reader:
        records = list(reader)
    assert len(records) < len(reference.records), "the reference is too short to tell"
    for number, (found, expected) in enumerate(zip(records, reference.records, strict=False)):
        assert found == expected, f"record {number} is not what was recorded: {found!r}, not {expected!r}"
    assert not reader.complete, "the recorder had finished before it was killed"
    events = list(read)
    assert events == reference.events[: len(events)], "the events are not those of the reference"
    # A bar that the clock closes needs no record; a replay, which has no clock of its own, tells of it with the next one.
    told = len(events)
    while told and b'"closed_by":"time"' in events[told - 1]:
        told -= 1
    needed = next(number for number, count in enumerate([0, *reference.events_by]) if count >= told)
    behind = max(0, needed - len(records))
    assert behind <= way.unflushed, f"{behind} records are lost that events were read of; promised: {way.unflushed} at most"
    return Left(len(list(path.parent.iterdir())), len(records), reader.torn, len(events), behind)


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TVSTREAMER_")}
    return kept | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent / "src")}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser("kill_recorder", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--kills", type=int, default=20, metavar="N", help="how many recorders to kill (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="decides when (%(default)s)")
    parser.add_argument("--longest", type=int, default=4_000, metavar="N", help="event lines to read at most (%(default)s)")
    options = parser.parse_args(arguments)
    rng = random.Random(options.seed)
    failures = 0
    seen: dict[Way, list[Left]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as name:
        # A pipe holds so many lines that nobody has read.
        reference = make_reference(Path(name), options.longest + 6_000)
        for number in range(options.kills):
            way = WAYS[number % len(WAYS)]
            lines = rng.randrange(1, options.longest + 1)
            with tempfile.TemporaryDirectory() as folder:
                try:
                    seen[way].append(kill_one(Path(folder), way, lines, reference))
                except Exception as error:
                    failures += 1
                    print(f"FAILED {way}, killed after {lines} lines: {error!r}")
    counts = Counter({way: len(left) for way, left in seen.items()})
    for way, left in seen.items():
        if left:
            print(
                f"{way!s:<48} {counts[way]:>4} kills: {sum(each.records for each in left)} records kept,"
                f" {sum(each.parts for each in left)} files, {sum(each.torn > 0 for each in left)} torn,"
                f" {max(each.behind for each in left)} behind the events at most (promised: {way.unflushed})"
            )
    print(f"{sum(counts.values())} of {options.kills} kills lost no flushed record and invented none")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
