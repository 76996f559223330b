"""What is measured in processes of its own: memory of a long replay, and what importing and `--help` cost."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections import deque
from importlib.util import find_spec
from pathlib import Path

from bench.corpus import Corpus, stream_to_tape

SOURCES = Path(__file__).resolve().parents[2] / "src"

_REPLAY = """
import sys
from tvstreamer.wsclient import TvWSClient

count = 0
with TvWSClient(source=sys.argv[1]) as client:
    for _ in client.stream():
        count += 1
try:
    # The peak of this program alone; ru_maxrss starts with that of the process which started it.
    with open("/proc/self/status") as status:
        peak = next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
except (OSError, StopIteration):
    import resource
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1024 if sys.platform == "darwin" else 1)
print(count, peak)
"""

_FOREIGN = """
import sys
before = set(sys.modules)
import tvstreamer
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(" ".join(sorted(names - set(sys.stdlib_module_names) - {"tvstreamer"})))
"""

_HELP = """
import sys
from tvstreamer.cli import read
sys.exit(read(["--help"], front=sys.argv[1]))
"""


def _python(*arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SOURCES)}
    command = [sys.executable, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=300)
    return done.stdout


def replay_memory(folder: Path, records: int) -> tuple[int, float]:
    """Events of a replay of that many records through `TvWSClient`, and the most memory it had, in MB."""
    tape = folder / "long.jsonl"
    deque(stream_to_tape(tape, Corpus(records)), maxlen=0)
    count, peak = _python("-c", _REPLAY, str(tape)).split()
    tape.unlink()
    return int(count), int(peak) * 1024 / 1e6


def foreign_modules() -> list[str]:
    """Third-party modules that `import tvstreamer` loads."""
    return _python("-c", _FOREIGN).split()


def wall_times(rounds: int) -> dict[str, float]:
    """Median seconds of a bare interpreter, of importing the package, and of `--help`; all of them in each round."""
    commands: dict[str, tuple[str, ...]] = {
        "bare": ("-c", "pass"),
        "import": ("-c", "import tvstreamer"),
        "help argparse": ("-c", _HELP, "argparse"),
    }
    if find_spec("typer") is not None:
        commands["help typer"] = ("-c", _HELP, "typer")
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds + 1):
        for name, arguments in commands.items():
            begun = time.perf_counter()
            _python(*arguments)
            taken[name].append(time.perf_counter() - begun)
    # The first round fills caches, of bytecode and of the disk.
    return {name: statistics.median(each[1:]) for name, each in taken.items()}
