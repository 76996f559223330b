from __future__ import annotations

import pytest

from tvstreamer import __version__
from tvstreamer.cli import main, read
from tvstreamer.cli.table import COMMANDS, Call, Command

FRONTS = ["typer", "argparse"]
front_ends = pytest.mark.parametrize("front", FRONTS)


pytest.importorskip("typer")


def lacking(wanted: list[str], output: str) -> list[str]:
    """What is not in a text, wherever its lines are broken."""
    unbroken = "".join(output.split())
    return [text for text in wanted if "".join(text.split()) not in unbroken]


@front_ends
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_mentions_every_option(front: str, command: Command, word: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert read([command.name, word], front=front) == 0
    output, words = capsys.readouterr()
    wanted = [command.help, *(argument.help for argument in command.arguments)]
    wanted += [text for option in command.options for text in (*option.flags, option.help, *option.choices)]
    defaults = [option.default for option in command.options if option.default is not None and option.kind != "flag"]
    wanted += [f"[default: {default}]" for default in defaults]
    assert lacking(wanted, output) == []
    assert words == ""


@front_ends
def test_help_mentions_every_command_and_exit_code(front: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert read(["--help"], front=front) == 0
    output = capsys.readouterr().out
    wanted = [text for command in COMMANDS for text in (command.name, command.help)]
    assert lacking([*wanted, "130 interrupted"], output) == []


@front_ends
def test_the_version_is_one_line(front: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert read(["--version"], front=front) == 0
    assert capsys.readouterr().out == f"tvstreamer {__version__}\n"


@front_ends
@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["dance"],
        ["stream", "--dance"],
        ["stream", "--sym", "A:B"],
        ["replay"],
        ["replay", "a", "b"],
        ["stream", "--symbol"],
        ["stream", "--quotes=yes"],
        ["stream", "--max-events", "0"],
        ["stream", "--source", ""],
        ["import", "har", "file", "-o", "tape"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_refused_on_standard_error(front: str, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert read(arguments, front=front) == 2
    output, words = capsys.readouterr()
    assert output == ""
    assert words


@front_ends
def test_the_last_of_a_repeated_option_counts_and_lists_keep_their_order(front: str) -> None:
    call = read(["stream", "-s", "B:B", "--symbol=A:A", "-n", "1", "-n5", "--quotes", "--quotes"], front=front)
    assert isinstance(call, Call)
    assert [call.values[name] for name in ("symbol", "bars", "quotes", "interval")] == [["B:B", "A:A"], 5, True, None]


@front_ends
def test_zero_is_a_value_and_not_the_lack_of_one(front: str) -> None:
    call = read(["replay", "0", "--from", "0", "--to", "0"], front=front)
    assert isinstance(call, Call)
    assert [call.values[name] for name in ("tape", "from", "to")] == ["0", 0.0, 0.0]


def test_main_returns_the_exit_code_of_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stream", "--source", "fake"]) == 2
    assert "--symbol is missing" in capsys.readouterr().err
