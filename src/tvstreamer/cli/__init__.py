"""The `tvstreamer` command.

One table (`table`) says which subcommands there are and what they take; two front ends read command lines by it: typer
where it is installed, argparse else. Both make the same call, and everything after that is shared.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec

from tvstreamer.cli.run import run
from tvstreamer.cli.table import Call


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command line and returns its exit code. The installed `tvstreamer` exits with it."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    outcome = read(arguments)
    return run(outcome) if isinstance(outcome, Call) else outcome


def read(arguments: Sequence[str], front: str | None = None) -> Call | int:
    """The call that a command line makes, or the exit code where it makes none (help, version, wrong usage)."""
    if front is None:
        front = "argparse" if find_spec("typer") is None else "typer"
    if front == "typer":
        from tvstreamer.cli import front_typer

        return front_typer.read(arguments)
    from tvstreamer.cli import front_argparse

    return front_argparse.read(arguments)
