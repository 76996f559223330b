"""`conformance`: a client of any kind, put through what this feed does to clients."""

from __future__ import annotations

import sys
from importlib import import_module

from tvstreamer.cli.output import say
from tvstreamer.cli.run import INTERRUPTED
from tvstreamer.cli.stopping import Stopping
from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.testing.scorecard import SCENARIOS, Client, Command, Function, Result, Scenario, score_client


def conformance(
    cmd: str | None,
    python: str | None,
    only: list[str] | None,
    format: str,
    limit: float,
    jobs: int,
    list: bool,
) -> int:
    scenarios = _chosen(only)
    if list:
        for each in scenarios:
            say(f"{each.name:<24} {each.title}")
        return 0
    client = _client(cmd, python)
    with Stopping(at_once=True) as stopping:
        card = score_client(client, scenarios=scenarios, limit=limit, jobs=jobs, report=_progress if format != "text" else _quiet)
        say({"text": card.text, "json": card.json, "junit": card.junit}[format]())
    return INTERRUPTED if stopping else 0 if card.passed else 1


def _quiet(result: Result) -> None:
    pass


def _progress(result: Result) -> None:
    """What goes to a file leaves the terminal empty for a minute."""
    # In one piece, as several scenarios may end at the same moment.
    sys.stderr.write(f"{result.name}: {result.verdict}\n")


def _chosen(only: list[str] | None) -> list[Scenario]:
    names = {each.name for each in SCENARIOS}
    for name in only or ():
        if name not in names:
            raise InvalidPlan(f"--only {shorten(name)}: expected one of {', '.join(sorted(names))}")
    return [each for each in SCENARIOS if not only or each.name in only]


def _client(cmd: str | None, python: str | None) -> Client:
    if (cmd is None) == (python is None):
        raise InvalidPlan("--cmd and --python: expected one of them")
    if cmd is not None:
        return Command(cmd)
    assert python is not None
    module, _, name = python.partition(":")
    sys.path.insert(0, "")
    try:
        function = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InvalidPlan(f"--python {shorten(python)}: expected module:function; {error}") from error
    if not callable(function):
        raise InvalidPlan(f"--python {shorten(python)}: expected a function that takes a task and yields events")
    return Function(function, python)
