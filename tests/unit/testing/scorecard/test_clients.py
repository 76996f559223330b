"""Clients under test: what they print is collected, how they ended is known, and they are gone afterwards."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator
from threading import Event as Flag

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.events import Tick
from tvstreamer.testing.scorecard.clients import Command, Function, Line, Running, Task

TASK = Task("ws://here", "A:B", "1", 5, "secret")


def python(code: str, *places: str) -> Command:
    return Command(shlex.join([sys.executable, "-c", code, *places]))


def soon(holds: Callable[[], object]) -> None:
    for _ in range(2_000):
        if holds():
            return
        Flag().wait(0.01)
    raise AssertionError("it did not come")


def test_a_program_gets_its_task_and_its_lines_are_read() -> None:
    code = (
        "import os, sys; print(sys.argv[1:]); print(flush=True);"
        "print('{\"type\": \"bar\"}\\n[1]', flush=True); print(os.environ['TVSTREAMER_SYMBOL'], file=sys.stderr); sys.exit(3)"
    )
    running = python(code, "{url}?{bars}", "{symbol}").start(TASK)
    try:
        soon(lambda: running.exit_code is not None and len(running.said) == 3)
    finally:
        running.end()
    assert [line.kind for line in running.lines] == ["bar"]
    assert sorted(running.said) == ["A:B", "['ws://here?5', 'A:B']", "[1]"]
    assert running.exit_code == 3


def test_a_program_that_does_not_want_to_end_is_ended() -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('{}', flush=True); time.sleep(600)"
    running = python(code).start(TASK)
    soon(lambda: running.lines)
    assert running.exit_code is None
    running.end()
    running.end()
    assert running.exit_code == -9


def test_a_program_that_was_asked_ends() -> None:
    running = python("import time; print('{}', flush=True); time.sleep(600)").start(TASK)
    try:
        soon(lambda: running.lines)
        assert running.ask_to_end()
        assert running.exit_code == -15
    finally:
        running.end()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("", "expected a program and its arguments"),
        ("'", "No closing quotation"),
        ("node {host}", "{host}: expected some of {url}, {symbol}"),
    ],
)
def test_a_command_line_that_cannot_be_is_refused(line: str, told: str) -> None:
    with pytest.raises(InvalidPlan, match=told):
        Command(line)


def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(InvalidPlan, match="no_such_program: No such file"):
        Command("no_such_program {url}").start(TASK)


def test_a_command_takes_what_it_has_a_place_for() -> None:
    command = Command("node client.js {url} --of={symbol}")
    assert str(command) == "node client.js {url} --of={symbol}"
    assert (command.takes("symbol"), command.takes("bars")) == (True, False)


def run(function: Callable[[Task], Iterator[object]]) -> Running:
    return Function(function).start(Task("ws://here", "A:B", "1", 5))


def test_a_function_yields_events_or_mappings() -> None:
    def client(task: Task) -> Iterator[object]:
        yield Tick("A:B", 1.0, 2.0, None)
        yield {"time": 3, "close": 4.0, "symbol": task.symbol}
        yield "something else"

    running = run(client)
    soon(lambda: running.exit_code is not None)
    assert [(line.kind, line.time, line.values["symbol"]) for line in running.lines] == [("tick", 1.0, "A:B"), ("bar", 3.0, "A:B")]
    assert running.exit_code == 0
    assert Function(client).takes("token")
    assert str(Function(client, "mine")) == "mine"
    assert str(Function(client)).endswith("client")


def test_a_function_that_raises_has_said_why() -> None:
    def client(task: Task) -> Iterator[object]:
        yield {}
        raise ValueError("no such symbol")

    running = run(client)
    soon(lambda: running.exit_code is not None)
    assert (running.exit_code, running.said) == (1, ["ValueError: no such symbol"])


def test_a_function_that_was_asked_ends() -> None:
    def client(task: Task) -> Iterator[object]:
        while not task.stop.wait(0.01):
            yield {}

    running = run(client)
    soon(lambda: running.lines)
    assert running.ask_to_end()
    running.end()
    assert running.exit_code == 0


@pytest.mark.parametrize(
    ("values", "kind", "time"),
    [
        ({"type": "gap", "time": 5}, "gap", 5.0),
        ({"timestamp": 1_700_000_000_000, "close": 1}, "bar", 1_700_000_000.0),
        ({"datetime": "2025-07-06T20:00:00+00:00", "close": 1}, "bar", 1_751_832_000.0),
        ({"time": "yesterday", "close": 1}, "", None),
        ({"time": True, "close": 1}, "", None),
        ({"type": 7}, "", None),
    ],
)
def test_a_line_is_understood_however_it_is_spelled(values: dict[str, object], kind: str, time: float | None) -> None:
    line = Line(values)
    assert (line.kind, line.time) == (kind, time)
