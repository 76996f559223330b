"""Both front ends read any command line alike: they make the same call, or both refuse."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.cli import read
from tvstreamer.cli.table import COMMANDS, Call, Command, Option

pytest.importorskip("typer")

HELP = {"-h", "--help", "--version"}
ODD_WORDS = ["", "-", "--", "-5", "-0", "-1e5", "-inf", "0", "1_0", "nan", "1e400", "a b", "-x", "-x y", "--bogus", "--bogus=1"]
GOOD_WORDS = ["BINANCE:BTCUSDT", "1", "5", "2.5", "max", "fake:seed=7,speed=max", "all", "market", "csv", "log", "s.jsonl", "a=b"]


def understood(front: str, arguments: list[str]) -> Call | int:
    with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
        return read(arguments, front=front)


def good_value(option: Option) -> st.SearchStrategy[str]:
    if option.choices:
        return st.sampled_from(option.choices)
    if option.kind in ("whole", "number"):
        return st.integers(1, 70_000).map(str)
    return st.sampled_from(GOOD_WORDS)


def spellings(option: Option) -> st.SearchStrategy[list[str]]:
    """An option as it should be written, in each of the ways."""
    if option.kind == "flag":
        return st.just([option.flags[-1]])
    flags, value = st.sampled_from(option.flags), good_value(option)
    apart = st.builds(lambda flag, word: [flag, word], flags, value)
    joined = st.builds(lambda word: [f"{option.flags[-1]}={word}"], value)
    glued = st.builds(lambda word: [f"-{option.short}{word}"], value)
    return apart | joined | glued if option.short else apart | joined


def mistakes(option: Option) -> st.SearchStrategy[list[str]]:
    """An option without a value, with a doubtful one, or misspelt."""
    word = st.sampled_from(ODD_WORDS + GOOD_WORDS) | st.text(max_size=4)
    flag = st.sampled_from([*option.flags, option.flags[-1][:-1], f"-{option.name}"])
    return st.one_of(
        flag.map(lambda flag: [flag]),
        st.builds(lambda flag, word: [flag, word], flag, word),
        st.builds(lambda flag, word: [f"{flag}={word}"], flag, word),
        st.builds(lambda flag, word: [f"{flag}{word}"], flag, word),
    )


@st.composite
def command_lines(draw: st.DrawFn, *, faulty: bool) -> list[str]:
    command: Command = draw(st.sampled_from(COMMANDS))
    needed = [draw(spellings(option)) for option in command.options if option.required]
    # `import` takes the name of a kind first, so places are kept and options put between them.
    placed = [[draw(st.sampled_from(argument.choices or ("s.jsonl", "-", "a b")))] for argument in command.arguments]
    extra = st.sampled_from(command.options).flatmap(spellings)
    if faulty:
        odd = st.sampled_from(ODD_WORDS + GOOD_WORDS).map(lambda word: [word])
        extra = st.one_of(extra, st.sampled_from(command.options).flatmap(mistakes), odd)
    others = draw(st.permutations(needed + draw(st.lists(extra, max_size=4))))
    pieces = list(others)
    at = 0
    for piece in placed:
        at = draw(st.integers(at, len(pieces)))
        pieces.insert(at, piece)
        at += 1
    words = [command.name, *(word for piece in pieces for word in piece)]
    return words[draw(st.integers(0, 2)) :] if faulty and draw(st.booleans()) else words


@given(command_lines(faulty=False))
def test_both_front_ends_make_the_same_call_of_a_right_command_line(arguments: list[str]) -> None:
    call = understood("typer", arguments)
    assert isinstance(call, Call)
    assert call == understood("argparse", arguments)


@given(command_lines(faulty=True))
@example(["record", "-s", "A:B", "-o", ""])
@example(["stream", "-s", "A:B", "--events="])
@example(["stream", "-s=A:B"])
@example(["stream", "-s", "--quotes"])
@example(["stream", "--max-events", "-5"])
@example(["replay", "s.jsonl", "--from", "-0e0"])
@example(["replay", "-5"])
@example(["import", "log", "--", "--", "-o", "x"])
@example(["replay", "--", "-tape"])
@example(["--", "stream"])
@example(["replay", "s.jsonl", "--speed", "--"])
@example(["history", "-s", "--symbol=A:B", "--symbol=A:B", "-i=1"])
@example([])
def test_both_front_ends_make_the_same_call_or_both_refuse(arguments: list[str]) -> None:
    calls = [understood(front, arguments) for front in ("typer", "argparse")]
    if any(isinstance(call, Call) for call in calls):
        assert calls[0] == calls[1]
    elif HELP.isdisjoint(arguments):
        assert calls == [2, 2]
