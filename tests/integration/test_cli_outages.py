"""Outages on the command line, as a user sees them: what stands on standard error, what is recorded, and the exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tvstreamer import faults
from tvstreamer.faults import FaultPlan

SYMBOL = "BINANCE:BTCUSDT"
TIMEOUT = 60.0
STREAM = ("-s", SYMBOL, "-i", "1", "-n", "10")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tvstreamer", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)


def plan(folder: Path, *plan: faults.Fault) -> Path:
    path = folder / "plan.toml"
    path.write_text(FaultPlan(plan, seed=1).to_toml(), encoding="utf-8")
    return path


@contextmanager
def served(*words: object) -> Iterator[str]:
    """A server's address."""
    command = [sys.executable, "-m", "tvstreamer", "serve", "--duration", str(TIMEOUT), *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


def test_a_stream_survives_an_outage_and_says_what_happened(tmp_path: Path) -> None:
    disturbed = plan(tmp_path, faults.close(at=100, code=1001, reason="moving", connection=1), faults.refuse(status=503, connection=2, times=8))
    result = run("stream", "--source", "fake:seed=7,speed=max", *STREAM, "--duration", 600, "--faults", disturbed)
    assert result.returncode == 0
    lines = result.stderr.splitlines()
    assert lines[0] == "disconnected: 1001 moving"
    assert lines[1].startswith(f"gap {SYMBOL} ticks: ")
    assert lines[2].startswith(f"gap {SYMBOL} 1: ")
    assert lines[2].split()[-1] in ("1/1", "2/2", "3/3")
    assert lines[3].startswith("reconnected after ")
    assert len(lines) == 4
    assert '"type":"reconnected"' in result.stdout


def test_a_recording_survives_it_too_and_replays_to_the_same_events(tmp_path: Path) -> None:
    disturbed = plan(tmp_path, faults.reset_peer(at=100), faults.missing_bar(at=200))
    tape, events = tmp_path / "s.jsonl", tmp_path / "e.jsonl"
    source = ("--source", "fake:seed=7,speed=max", "--duration", 600, "--faults", disturbed)
    result = run("record", *source, *STREAM, "-o", tape, "--events", events)
    assert result.returncode == 0, result.stderr
    assert "5 reconnects" in result.stderr
    assert run("replay", tape).stdout == events.read_text(encoding="utf-8")


@pytest.mark.parametrize("on_gap", ["yield", "raise"])
def test_what_was_missed_is_only_told_or_ends_it_with_5(tmp_path: Path, on_gap: str) -> None:
    disturbed = plan(tmp_path, faults.missing_bar(at=100))
    tape = tmp_path / "s.jsonl"
    source = ("--source", "fake:seed=7,speed=max", "--duration", 600, "--faults", disturbed)
    result = run("record", *source, *STREAM, "--on-gap", on_gap, "-o", tape, "--events", "-")
    assert result.returncode == (0 if on_gap == "yield" else 5)
    assert "filled 0/1" in result.stderr
    assert ("were missed (missing)" in result.stderr) is (on_gap == "raise")
    assert f"recorded {tape}: " in result.stderr
    replay = run("replay", tape)
    assert replay.stdout == result.stdout
    assert replay.returncode == result.returncode


def test_a_stall_that_does_not_end_exits_with_5(tmp_path: Path) -> None:
    with served("--source", "fake:seed=7,speed=100", "--faults", plan(tmp_path, faults.chatty_stall())) as url:
        result = run("stream", "--source", url, *STREAM, "--stall-timeout", "1s", "--reconnect", "2s")
    assert result.returncode == 5
    *told, last = result.stderr.splitlines()
    assert "stalled: no data came for 1 s" in told
    assert last.startswith("tvstreamer: stalled: progress for ")
    assert "gave up after" in last
    assert "Traceback" not in result.stderr


def test_a_server_that_does_not_come_back_exits_with_4() -> None:
    with served("--source", "fake:seed=7,speed=100", "--duration", "3") as url:
        result = run("stream", "--source", url, *STREAM, "--reconnect", "1s")
    assert result.returncode == 4
    assert "connection refused" in result.stderr
    assert "gave up after" in result.stderr.splitlines()[-1]


def test_a_tape_is_replayed_with_faults(tmp_path: Path) -> None:
    tape = tmp_path / "s.jsonl"
    assert run("record", "--source", "fake:seed=7,speed=max", "--duration", 300, *STREAM, "-o", tape).returncode == 0
    whole = run("replay", tape).stdout.splitlines()
    cut = run("replay", tape, "--faults", plan(tmp_path, faults.close(at=100, code=4000, reason="cut")))
    assert cut.stdout.splitlines()[:-1] == whole[: len(cut.stdout.splitlines()) - 1]
    assert '"reason":"cut"' in cut.stdout.splitlines()[-1]
    refused = run("replay", tape, "--faults", plan(tmp_path, faults.half_open()))
    assert refused.returncode == 2
    assert "half_open is a fault of bytes" in refused.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--on-gap", "ignore"), "fill, yield, raise"),
        (("--stall-timeout", "soon"), "90s or 5m"),
        (("--reconnect", "0"), "off, forever"),
        (("--faults", "nowhere.toml"), "No such file"),
    ],
)
def test_bad_values_are_refused_in_one_line(words: tuple[str, str], expected: str) -> None:
    result = run("stream", "--source", "fake:speed=max", *STREAM, *words)
    assert result.returncode == 2
    assert expected in result.stderr
    assert len(result.stderr.splitlines()) == 1
