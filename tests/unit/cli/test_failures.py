"""What a server that goes on says of what went wrong within it."""

from __future__ import annotations

import io
import logging

import pytest

from tvstreamer.cli.failures import described, failures_told
from tvstreamer.errors import TapeFormatError

SERVER = logging.getLogger("tvstreamer.server.listener")
SECRET = "canary-4471"


def raised(error: BaseException) -> BaseException:
    try:
        raise error
    except BaseException as caught:
        return caught


def tell(error: BaseException) -> None:
    SERVER.error("! connection 3 failed", exc_info=raised(error))


def test_it_is_a_line_with_the_class_and_the_place_and_not_the_text_of_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with failures_told():
        tell(KeyError(SECRET))
    said = capsys.readouterr().err
    assert said.startswith("tvstreamer: connection 3 failed: internal error: KeyError, test_failures.py:")
    assert said.endswith(" (TVSTREAMER_LOG=ERROR shows the traceback)\n")
    assert said.count("\n") == 1
    assert SECRET not in said


def test_an_error_of_ours_is_told_by_its_text_whatever_it_came_in(capsys: pytest.CaptureFixture[str]) -> None:
    broken = TapeFormatError("not a\nrecord", path="s.jsonl", line=7)
    with failures_told():
        tell(ExceptionGroup("several", [ExceptionGroup("more", [broken]), KeyError(SECRET)]))
    assert capsys.readouterr().err == "tvstreamer: connection 3 failed: s.jsonl:7: not a record\n"


def test_an_error_that_was_never_raised_has_no_place() -> None:
    assert described(KeyError("x")) == "internal error: KeyError (TVSTREAMER_LOG=ERROR shows the traceback)"


def test_nothing_else_of_the_log_is_told_and_nothing_afterwards(capsys: pytest.CaptureFixture[str]) -> None:
    with failures_told():
        SERVER.warning("by the way")
        SERVER.error("! there is no more")
    SERVER.error("! later")
    assert capsys.readouterr().err == "tvstreamer: there is no more\n"


def test_where_nobody_reads_it_the_server_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    closed.close()
    with failures_told():
        monkeypatch.setattr("sys.stderr", closed)
        tell(KeyError("x"))
