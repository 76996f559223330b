"""The progress bar is for terminals only."""

from __future__ import annotations

import io

import pytest

from tvstreamer.cli.progress import history_bar
from tvstreamer.protocol.history import HistoryProgress

HALF = HistoryProgress(2_500, 60.0, 0.5)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_file_gets_no_bar() -> None:
    out = io.StringIO()
    with history_bar("EX:SYM 1D", out) as show:
        show(HALF)
    assert out.getvalue() == ""


def test_a_terminal_gets_one_that_tells_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rich")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("TERM", "xterm")
    out = Terminal()
    with history_bar("EX:SYM 1D", out) as show:
        show(HALF)
    assert "EX:SYM 1D" in out.getvalue()
    assert "50%" in out.getvalue()
    assert "2,500 bars" in out.getvalue()
