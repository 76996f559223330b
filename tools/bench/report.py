"""The command: what to run, the targets, and the table."""

from __future__ import annotations

import argparse
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import processes, stages
from bench.corpus import Corpus, write_tape


@dataclass(frozen=True)
class Line:
    """One line of the table. `at_least` tells which side of the target is the good one."""

    name: str
    figure: float
    unit: str
    target: float
    absolute: str
    at_least: bool

    @property
    def met(self) -> bool:
        return self.figure >= self.target if self.at_least else self.figure < self.target

    def __str__(self) -> str:
        figure = f"{self.figure:.2f} x" if self.unit == "x" else f"{self.figure:.0f} {self.unit}"
        target = f"{'>=' if self.at_least else '<'} {self.target:g} {self.unit}"
        return f"{self.name:<34} {figure:>9} {target:>11}  {'ok' if self.met else 'MISSED':<7} {self.absolute}"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    messages = options.messages or (12_000 if options.quick else 50_000)
    rounds = options.rounds or (3 if options.quick else 5)
    records = options.memory_records or (100_000 if options.quick else 1_000_000)
    with tempfile.TemporaryDirectory(prefix="tvstreamer-bench-") as folder:
        lines = _in_process(Path(folder), messages, options.seed, rounds)
        if not options.no_processes:
            lines += _in_processes(Path(folder), records, 5 if options.quick else 9)
    print()
    print(f"{'':<34} {'measured':>9} {'target':>11}  {'':<7} absolute")
    for line in lines:
        print(line)
    missed = [line for line in lines if not line.met]
    print()
    print("all targets met" if not missed else f"{len(missed)} of {len(lines)} targets missed")
    return 1 if missed and options.fail_under else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tools/bench", description="Measures tvstreamer against plain loops.")
    parser.add_argument("--messages", type=int, metavar="N", help="messages of the corpus (50000, quick: 12000)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="seed of the corpus (1)")
    parser.add_argument("--rounds", type=int, metavar="N", help="interleaved rounds (5, quick: 3)")
    parser.add_argument("--memory-records", type=int, metavar="N", help="records of the long tape (1000000, quick: 100000)")
    parser.add_argument("--quick", action="store_true", help="a few seconds, rough figures")
    parser.add_argument("--no-processes", action="store_true", help="leave out memory, import and --help")
    parser.add_argument("--fail-under", action="store_true", help="exit with 1 where a target is missed")
    return parser.parse_args(arguments)


def _in_process(folder: Path, count: int, seed: int, rounds: int) -> list[Line]:
    corpus = Corpus(count, seed=seed)
    tape = folder / "bench.jsonl"
    messages = write_tape(tape, corpus)
    measured = stages.measure(corpus, messages, tape, rounds)
    print(f"{platform.python_implementation()} {platform.python_version()}, {rounds} interleaved rounds, CPU time")
    print(
        f"corpus of seed {seed} ({measured.digest}): {measured.messages} messages, {measured.packets} packets, "
        f"{measured.events} ticks and bars; the reference gives the same ones"
    )

    def line(name: str, timed: stages.Timed, target: float, what: str, number: int) -> Line:
        absolute = f"{_rate(number, timed.seconds)} {what}; reference {_rate(number, timed.reference_seconds)}"
        return Line(name, timed.ratio, "x", target, absolute, True)

    packets = measured.packets
    return [
        line("message text to events", measured.text, 2.0, "packets/s", packets),
        line("tape to events, direct", measured.direct, 2.5, "packets/s", packets),
        line("tape to events, through TvWSClient", measured.client, 1.5, "packets/s", packets),
        line("tape write, redacted and flushed", measured.write, 0.6, "records/s", measured.messages),
    ]


def _rate(number: int, seconds: float) -> str:
    return f"{number / seconds / 1000:.0f} k"


def _in_processes(folder: Path, records: int, rounds: int) -> list[Line]:
    events, peak = processes.replay_memory(folder, records)
    took = processes.wall_times(rounds)
    foreign = processes.foreign_modules()
    over = (took["import"] - took["bare"]) * 1000
    bare = f"the bare interpreter takes {took['bare'] * 1000:.0f} ms"
    lines = [
        Line("memory of a replay", peak, "MB", 60, f"{records} records, {events} events", False),
        Line("import tvstreamer, over bare", over, "ms", 40, bare, False),
        Line("third-party modules it loads", len(foreign), "", 1, " ".join(foreign) or "none", False),
    ]
    for front in ("argparse", "typer"):
        seconds = took.get(f"help {front}")
        if seconds is not None:
            lines.append(Line(f"tvstreamer --help ({front})", seconds * 1000, "ms", 300, "from start to end", False))
    return lines
