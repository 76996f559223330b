"""The test files of docs/testing.md, run by the commands that stand there, with the outcomes that it promises."""

from __future__ import annotations

import itertools
import re
import shlex
from pathlib import Path

import pytest

from readme_blocks import Block, blocks
from tvstreamer.testing import plugin
from tvstreamer.testing.modes import MODES

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "testing.md"


def test_the_guide_comes_out_as_it_says(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TVSTREAMER_RECORD", raising=False)
    # As `python -m pytest` would have it, which imports what lies beside the tests.
    monkeypatch.syspath_prepend(pytester.path)
    ran = 0
    for block in blocks(GUIDE.read_text(encoding="utf-8")):
        for name in block.options:
            if name.endswith(".py"):
                pytester.path.joinpath(name).write_text(block.code, encoding="utf-8")
        if block.language == "console":
            for command, outcome in promises(block):
                result = pytester.runpytest_inprocess("-p", "tvstreamer.testing.plugin", "-p", "no:randomly", *shlex.split(command))
                count, word = outcome.split()
                assert result.parseoutcomes() == {word: int(count)}, f"testing.md:{block.line}: {command}"
                ran += 1
    assert ran > 0


def test_the_guide_names_every_fixture_marker_mode_and_option(pytester: pytest.Pytester) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    shown = pytester.runpytest_inprocess("-p", "tvstreamer.testing.plugin", "--help", "--fixtures", "--markers").stdout.str()
    names = {*re.findall(r"^  (--tv-[a-z-]+)", shown, re.MULTILINE), *re.findall(r"^@pytest\.mark\.(tv_\w+)", shown, re.MULTILINE)}
    fixtures = {name for name, value in vars(plugin).items() if name.startswith("tv_") and callable(value)}
    assert len(fixtures) == 8
    for name in (*names, *fixtures, *MODES):
        assert f"`{name}" in text, name


def promises(block: Block) -> list[tuple[str, str]]:
    """The arguments of each `$ pytest` line, and the line behind it."""
    lines = block.code.split("\n")
    return [
        (line.removeprefix("$ pytest "), outcome)
        for line, outcome in itertools.pairwise(lines)
        if line.startswith("$ pytest ")
    ]
