"""The example projects, as their users have them: copied out, and run by a pytest that knows nothing of this project's settings."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from readme_blocks import Block, blocks, commands

ROOT = Path(__file__).resolve().parents[2]
MA_ALERT = ROOT / "examples" / "ma_alert"
PYTEST = ("-m", "pytest", "-W", "error", "-p", "no:cacheprovider", "--strict-markers")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    left_behind = shutil.ignore_patterns("__pycache__", ".*")
    return Path(shutil.copytree(MA_ALERT, tmp_path / "copied", ignore=left_behind))


def python(folder: Path, *args: str) -> str:
    ours = ("TVSTREAMER_", "PYTEST_", "COV_", "COVERAGE_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    run = subprocess.run(
        [sys.executable, *args],
        cwd=folder,
        env={**environ, "PYTHONPATH": str(ROOT / "src")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    return run.stdout


def test_its_tests_pass_and_no_tape_is_left_over(copy: Path) -> None:
    python(copy, *PYTEST, "--tv-check-orphans")


def test_its_tape_is_what_the_fake_server_answers_and_can_be_made_again(copy: Path) -> None:
    golden = copy / "tests" / "goldens" / "aapl.jsonl"
    tape = copy / "tests" / "tapes" / "aapl.jsonl"
    recorded = [*PYTEST, "-k", "recorded"]
    assert "1 passed" in python(copy, *recorded, "--tv-record=verify")
    before = golden.read_bytes()
    tape.unlink()
    golden.unlink()
    assert "1 passed" in python(copy, *recorded, *shlex.split(remake())[1:])
    assert golden.read_bytes() == before
    assert tape.exists()


def remake() -> str:
    """The command that its README shows for that."""
    (command,) = [command for block in readme() for command in commands(block, "pytest") if "--tv-update-goldens" in command]
    return command


def test_its_readme_shows_what_it_prints(copy: Path) -> None:
    ((block, command),) = [(block, command) for block in readme() for command in commands(block, "python")]
    assert python(copy, *shlex.split(command)[1:]).splitlines() == block.code.splitlines()[1:]


def readme() -> list[Block]:
    return blocks((MA_ALERT / "README.md").read_text(encoding="utf-8"))
