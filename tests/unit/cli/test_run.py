from __future__ import annotations

import pytest

from tvstreamer import errors
from tvstreamer.cli.run import INTERRUPTED, exit_code, guarded, report, run
from tvstreamer.cli.table import Call


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.TapeMismatch("no"), 1),
        (errors.TapeExhausted("no"), 1),
        (errors.InvalidSymbol("no"), 2),
        (errors.InvalidInterval("no"), 2),
        (errors.InvalidSource("no"), 2),
        (errors.InvalidPlan("no"), 2),
        (errors.MissingDependencyError("typer", "cli"), 2),
        (errors.TapeFormatError("no"), 3),
        (errors.TapeVersionError("no"), 3),
        (errors.ConnectFailed("ws://x", "no"), 4),
        (errors.AuthError("no"), 4),
        (errors.TokenExpired("no"), 4),
        (errors.CredentialsNotFound("no"), 2),
        (errors.ServerStartError("no"), 4),
        (errors.TransportTimeout("no"), 5),
        (errors.TapeWriteError("no"), 6),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_each_error_has_its_exit_code(error: Exception, code: int) -> None:
    def work() -> int:
        raise error

    assert exit_code(error) == code
    assert guarded(work) == code


def test_an_error_is_one_line_whatever_its_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert report(errors.AuthError("first\nsecond\r\n\t\x1bthird")) == 4
    assert report(errors.TapeExhausted()) == 1
    assert capsys.readouterr().err == "tvstreamer: first second third\ntvstreamer: TapeExhausted\n"


def test_a_second_signal_ends_with_the_code_of_an_interruption() -> None:
    def work() -> int:
        raise KeyboardInterrupt

    assert guarded(work) == INTERRUPTED == 130


def test_what_went_well_returns_its_own_code() -> None:
    assert [guarded(lambda: 0), guarded(lambda: 1)] == [0, 1]


def test_a_mistake_of_ours_is_not_hidden() -> None:
    def work() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        guarded(work)


def test_a_call_is_carried_out_by_the_function_that_the_table_names(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"symbol": ["A:B"], "interval": ["1"], "bars": 3, "source": "fake:seed=7,speed=max", "format": "jsonl", "timeout": 9.0}
    values |= {"from": None, "to": None, "output": None, "overwrite": False, "auth": "env"}
    assert run(Call("history", values)) == 0
    assert capsys.readouterr().out.count('"type":"bar"') == 3
