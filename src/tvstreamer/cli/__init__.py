"""The `tvstreamer` command.

One table (`table`) says which subcommands there are and what they take; two front ends read command lines by it: typer
where it is installed, argparse else. Both make the same call, and everything after that is shared.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from tvstreamer.cli.run import guarded, report, run
from tvstreamer.cli.table import Call, plain
from tvstreamer.errors import InvalidPlan


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code. The installed `tvstreamer` exits with it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if sys.stderr is None:
        # Closed by whoever started us; `print` would take standard output instead.
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - open until the end
    outcome: Call | int = 0

    def understand() -> int:
        nonlocal outcome
        outcome = read(arguments)
        return 0 if isinstance(outcome, Call) else outcome

    # Help and version are output too, which may fail like any other.
    code = guarded(understand)
    return run(outcome) if isinstance(outcome, Call) else code


def read(arguments: Sequence[str], front: str | None = None) -> Call | int:
    """The call that a command line makes, or the exit code where it makes none (help, version, wrong usage)."""
    try:
        arguments = plain(arguments)
    except InvalidPlan as error:
        return report(error)
    if front is None:
        front = "argparse" if find_spec("typer") is None else "typer"
    if front == "typer":
        from tvstreamer.cli import front_typer

        return front_typer.read(arguments)
    from tvstreamer.cli import front_argparse

    return front_argparse.read(arguments)
