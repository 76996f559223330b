"""Checks that each core module is covered completely, lines and branches, by the test file that bears its name.

Works on the data of a finished run of the tests under coverage (tools/check), in which tests/conftest.py has noted which
test file ran which line. So nothing is run again, and a line that only some other test happens to pass does not count.
What runs when modules are imported counts for everyone.

`[tool.tvstreamer.module_coverage]` in pyproject.toml lists the modules that are not there yet.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import tomllib
from itertools import groupby
from pathlib import Path

from coverage import Coverage
from coverage.exceptions import NoDataError

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = Path("src/tvstreamer")
CORE = (
    "faults/**/*.py",
    "http/**/*.py",
    "protocol/**/*.py",
    "tape/**/*.py",
    "addresses.py",
    "routing.py",
    "continuity.py",
    "reconnect.py",
    "intervals.py",
    "symbols.py",
    "studies.py",
    "trading_sessions.py",
    "events.py",
    "errors.py",
)


def main() -> int:
    coverage = Coverage(config_file=str(ROOT / "pyproject.toml"))
    coverage.load()
    seen = coverage.get_data().measured_contexts()
    if not any(seen):
        print("module coverage: no data of a test run; first: tools/check")
        return 1

    exempt = _exempt()
    modules = sorted({path.relative_to(ROOT) for pattern in CORE for path in (ROOT / PACKAGE).glob(pattern)})
    problems = [f"{name}: exempt, but no such module" for name in exempt - {_name(module) for module in modules}]
    for module in modules:
        own_test = _own_test(module)
        missing = _missing(coverage, module, own_test)
        if _name(module) in exempt:
            if not missing:
                problems.append(f"{_name(module)}: exempt, but {own_test} covers it by now; take it off the list")
        elif missing:
            covered = own_test.as_posix() in seen
            problems.append(f"{module}: {own_test} " + (f"leaves out {missing}" if covered else "was not run"))

    print("\n".join(problems) or f"module coverage: each of {len(modules)} modules is covered by its own tests")
    return 1 if problems else 0


def _exempt() -> set[str]:
    with (ROOT / "pyproject.toml").open("rb") as file:
        names: list[str] = tomllib.load(file)["tool"]["tvstreamer"]["module_coverage"]["exempt"]
    return set(names)


def _name(module: Path) -> str:
    """`protocol.framing` for src/tvstreamer/protocol/framing.py."""
    return ".".join(module.relative_to(PACKAGE).with_suffix("").parts)


def _own_test(module: Path) -> Path:
    return Path("tests/unit") / module.relative_to(PACKAGE).with_name(f"test_{module.name}")


def _missing(coverage: Coverage, module: Path, own_test: Path) -> str:
    """What the own test leaves out: `12-15, 20->exit`; empty where that is nothing."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        contexts = ["^$", f"^{re.escape(own_test.as_posix())}$"]
        try:
            coverage.json_report(morfs=[str(ROOT / module)], outfile=str(report), contexts=contexts)
        except NoDataError:
            return "all of it"
        (found,) = json.loads(report.read_text())["files"].values()
    lines: list[int] = found["missing_lines"]
    # A branch that starts on a line which never ran is no news.
    branches = [(start, end) for start, end in found["missing_branches"] if start not in lines]
    return ", ".join([*_ranges(lines), *(f"{start}->{end if end > 0 else 'exit'}" for start, end in branches)])


def _ranges(lines: list[int]) -> list[str]:
    """`1-3` and `7` for 1, 2, 3, 7."""
    # Within a run of consecutive numbers, the difference to their positions stays the same.
    runs = [[line for _, line in run] for _, run in groupby(enumerate(lines), key=lambda pair: pair[1] - pair[0])]
    return [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]


if __name__ == "__main__":
    sys.exit(main())
