"""The conformance kit judges: our own client gets full marks, one with the usual mistakes fails where it makes them."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from tvstreamer.cli import main
from tvstreamer.clock import SystemClock
from tvstreamer.errors import InvalidPlan, TransportClosed, TransportTimeout
from tvstreamer.protocol import framing
from tvstreamer.testing.scorecard import SCENARIOS, Command, Function, Result, Task, score_client
from tvstreamer.transports.websocket_client import connect

OWN = shlex.join([sys.executable, "-m", "tvstreamer"]) + (
    " stream --source {url} -s {symbol} -i {interval} -n {bars} --stall-timeout 3s"
)


def test_our_own_client_has_full_marks() -> None:
    told: list[Result] = []
    card = score_client(Command(OWN), limit=30, jobs=8, report=told.append)
    assert card.passed, card.text()
    assert card.count("passed") == len(SCENARIOS) == len(told), card.text()


def naive(task: Task) -> Iterator[object]:
    """What many clients do: cut at what looks like a header, echo a message that is a heartbeat, end with the connection."""
    connection = connect(task.url, clock=SystemClock())
    try:
        for method, *p in (
            ("chart_create_session", "cs_1", ""),
            ("resolve_symbol", "cs_1", "sym_1", task.symbol),
            ("create_series", "cs_1", "sds_1", "s1", "sym_1", task.interval, task.bars, ""),
        ):
            connection.send(framing.packet(json.dumps({"m": method, "p": p})))
        while not task.stop.is_set():
            with suppress(TransportTimeout):
                yield from bars_in(connection.recv(0.1).text, connection.send)
    except TransportClosed:
        return
    finally:
        connection.close()


def bars_in(message: str, send: object) -> Iterator[object]:
    if re.fullmatch(r"~m~\d+~m~~h~\d+", message):
        send(message)  # type: ignore[operator]
        return
    for part in filter(None, re.split(r"~m~\d+~m~", message)):
        if part.startswith("{") and '"sds_1":{"' in part:
            for row in json.loads(part)["p"][1]["sds_1"].get("s", []):
                time, open_, high, low, close = row["v"][:5]
                yield {"time": time, "open": open_, "high": high, "low": low, "close": close}


def test_a_client_with_the_usual_mistakes_fails_where_it_makes_them() -> None:
    names = (
        "tells_history", "subscribes", "tells_new_bars", "echoes_heartbeats", "heartbeat_before_data", "unknown_symbol",
        "reconnects_after_close", "no_duplicates", "says_goodbye", "chatty_stall", "missing_bar",
    )  # fmt: skip
    chosen = [replace(each, patience=1) for each in SCENARIOS if each.name in names]
    card = score_client(Function(naive), scenarios=chosen, limit=4, jobs=10)
    verdicts = {result.name: result.verdict for result in card.results}
    assert {name for name, verdict in verdicts.items() if verdict == "failed"} == {
        "heartbeat_before_data", "unknown_symbol", "reconnects_after_close", "no_duplicates", "chatty_stall", "missing_bar",
    }, card.text()  # fmt: skip
    reasons = {result.name: result.reason for result in card.results}
    assert "echoed: the server waited 2.5 s for an echo, then hung up" in reasons["heartbeat_before_data"]
    assert "but the client ended with exit code 0" in reasons["reconnects_after_close"]


def test_a_client_that_prints_nothing_is_judged_by_what_it_does() -> None:
    def mute(task: Task) -> Iterator[object]:
        for _ in naive(task):
            yield None

    names = ("tells_history", "subscribes", "unknown_packet")
    card = score_client(Function(mute), scenarios=[each for each in SCENARIOS if each.name in names], limit=1.5, jobs=3)
    verdicts = {result.name: result.verdict for result in card.results}
    assert verdicts == {"tells_history": "skipped", "subscribes": "passed", "unknown_packet": "passed"}
    assert card.results[0].reason == "it prints no bars as lines of JSON"


def test_names_of_scenarios_are_unique() -> None:
    names = [each.name for each in SCENARIOS]
    assert len(names) == len(set(names)) >= 25


@pytest.mark.parametrize(("limit", "jobs"), [(0, 4), (1, 0)])
def test_limits_that_cannot_be_are_refused(limit: float, jobs: int) -> None:
    with pytest.raises(InvalidPlan, match=f"limit {limit}, jobs {jobs}"):
        score_client(Function(naive), limit=limit, jobs=jobs)


def test_the_command_prints_the_scorecard_and_its_exit_code_tells_whether_all_passed(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    # What tells is told, not the last words, which with some runtimes are their version.
    command = shlex.join([sys.executable, "-c", "print('invalid address'); print('Runtime 20')"])
    assert main(["conformance", "--cmd", command, "--only", "subscribes", "--limit", "20", "--format", "json"]) == 1
    output = capfdbinary.readouterr()
    card = json.loads(output.out)
    assert (card["client"], card["failed"]) == (command, 1)
    assert card["results"][0]["reason"].endswith("but the client ended with exit code 0; it said: 'invalid address'")
    assert output.err == b"subscribes: failed\n"
    assert main(["conformance", "--list", "--only", "subscribes"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"subscribes  ")


def test_results_that_come_at_the_same_moment_do_not_run_into_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[str] = []

    class Pieces(io.StringIO):
        def write(self, text: str) -> int:
            pieces.append(text)
            return len(text)

    monkeypatch.setattr(sys, "stderr", Pieces())
    only = [word for name in ("subscribes", "echoes_heartbeats") for word in ("--only", name)]
    assert main(["conformance", "--python", "builtins:print", *only, "--limit", "0.5", "--format", "json"]) == 1
    assert sorted(pieces) == ["echoes_heartbeats: failed\n", "subscribes: failed\n"]


def test_the_command_takes_a_function(capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["conformance", "--python", "builtins:print", "--only", "subscribes", "--limit", "0.5"]) == 1
    assert b"FAIL subscribes" in capfdbinary.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "--cmd and --python: expected one of them"),
        (["--cmd", "x", "--python", "y"], "--cmd and --python: expected one of them"),
        (["--cmd", "x {y}"], "{y}: expected some of {url}"),
        (["--python", "nowhere:to_be_found"], "--python 'nowhere:to_be_found': expected module:function; No module"),
        (["--python", "sys:path"], "--python 'sys:path': expected a function"),
        (["--cmd", "x", "--only", "all"], "--only 'all': expected one of bad_token, "),
    ],
)
def test_what_cannot_be_is_one_line_and_exit_code_2(
    words: list[str], told: str, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert main(["conformance", *words]) == 2
    output = capfdbinary.readouterr()
    assert output.out == b""
    assert told in output.err.decode()
    assert output.err.count(b"\n") == 1


def test_an_interrupt_ends_it_and_the_clients(tmp_path: Path) -> None:
    client = "import os, time; open(f'{os.environ[\"PIDS\"]}/{os.getpid()}', 'w').close(); time.sleep(600)"
    command = [sys.executable, "-m", "tvstreamer", "conformance", "--limit", "300", "--cmd", shlex.join([sys.executable, "-c", client])]
    environ = os.environ | {"PIDS": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ) as process:
        try:
            while process.poll() is None and not list(tmp_path.iterdir()):
                threading.Event().wait(0.02)
            process.send_signal(signal.SIGINT)
            output, words = process.communicate(timeout=30)
        finally:
            process.kill()
    assert (process.returncode, output, words) == (130, b"", b"")
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)
