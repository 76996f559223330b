from __future__ import annotations

import inspect
from importlib import import_module

import pytest

from tvstreamer.cli.table import BY_NAME, COMMANDS, Argument, Call, Command, Option, make_call, plain
from tvstreamer.errors import InvalidPlan
from tvstreamer.server.manners import SITE_STATES, SLOW_CLIENTS


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_every_command_has_a_function_that_takes_what_the_table_says(command: Command) -> None:
    module, _, name = command.target.partition(":")
    signature = inspect.signature(getattr(import_module(module), name))
    keys = [*(argument.name for argument in command.arguments), *(option.key for option in command.options)]
    assert len(set(keys)) == len(keys)
    signature.bind(**dict.fromkeys(keys))


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_no_spelling_means_two_options(command: Command) -> None:
    flags = [flag for option in command.options for flag in option.flags]
    assert len(set(flags)) == len(flags)
    assert {"-h", "--help"}.isdisjoint(flags)


@pytest.mark.parametrize(
    ("option", "word", "value"),
    [
        (Option("name", "a text"), "any text", "any text"),
        (Option("name", "a text"), "-", "-"),
        (Option("name", "a number", "whole"), "12", 12),
        (Option("name", "a number", "number"), "2.5", 2.5),
        (Option("name", "a number", "number", zero=True), "0", 0.0),
        (Option("name", "a flag", "flag"), True, True),
        (Option("name", "a list", "list"), ("a", "b"), ["a", "b"]),
        (Option("name", "a choice", choices=("a", "b")), "b", "b"),
        (Option("name", "a default", "whole", default=300), None, 300),
        (Option("name", "a default", "list"), (), None),
    ],
)
def test_a_word_becomes_a_value(option: Option, word: object, value: object) -> None:
    assert option.convert(word) == value


@pytest.mark.parametrize(
    ("option", "word", "expected"),
    [
        (Option("name", "a text"), "", "a value"),
        (Option("name", "a text"), "--other", "a value"),
        (Option("name", "a list", "list"), ("a", "-b"), "a value"),
        (Option("name", "a number", "whole"), "2.5", "a whole number above 0"),
        (Option("name", "a number", "whole"), "0", "a whole number above 0"),
        (Option("name", "a number", "whole", zero=True), "-1", "a whole number from 0"),
        (Option("name", "a number", "whole"), "9" * 5000, "a whole number above 0"),
        (Option("name", "a number", "number"), "many", "a number above 0"),
        (Option("name", "a number", "number"), "nan", "a number above 0"),
        (Option("name", "a number", "number"), "inf", "a number above 0"),
        (Option("name", "a choice", choices=("a", "b")), "c", "one of a, b"),
        (Option("name", "a choice", choices=("a", "b")), "", "one of a, b"),
    ],
)
def test_a_wrong_word_is_shown_with_what_was_expected(option: Option, word: object, expected: str) -> None:
    with pytest.raises(InvalidPlan) as caught:
        option.convert(word)
    assert str(caught.value).startswith("--name '")
    assert str(caught.value).endswith(f": expected {expected}")
    assert len(str(caught.value)) < 250


def test_a_required_option_must_be_given() -> None:
    with pytest.raises(InvalidPlan, match="--name is missing: the tape to write"):
        Option("name", "the tape to write", required=True).convert(None)


@pytest.mark.parametrize("word", ["", "-5", "--other"])
def test_an_argument_is_neither_empty_nor_an_option(word: str) -> None:
    with pytest.raises(InvalidPlan, match="expected the tape to play"):
        Argument("tape", "the tape to play").convert(word)


def test_an_argument_of_a_fixed_set_names_the_set() -> None:
    with pytest.raises(InvalidPlan, match="kind 'har': expected log"):
        Argument("kind", "what it is", choices=("log",)).convert("har")


def test_a_call_has_a_value_for_everything_in_the_table() -> None:
    call = make_call(BY_NAME["replay"], {"tape": "s.jsonl", "from": "5"})
    assert call == Call(
        "replay",
        {"tape": "s.jsonl", "speed": "max", "from": 5.0, "to": None, "format": "jsonl", "events": "all", "digest": False, "faults": None},
    )


@pytest.mark.parametrize(
    ("written", "means"),
    [
        ([], []),
        (["stream", "-s=A:B", "-n=5"], ["stream", "-s", "A:B", "-n", "5"]),
        (["stream", "-s="], ["stream", "-s", ""]),
        (["stream", "-sA=B", "--source=a=b"], ["stream", "-sA=B", "--source=a=b"]),
        (["replay", "--digest", "--", "-tape"], ["replay", "--digest", "./-tape"]),
        (["import", "--", "log", "--", "-s=x"], ["import", "log", "./--", "./-s=x"]),
        (["replay", "-s=x"], ["replay", "-s=x"]),
    ],
)
def test_spellings_that_parsers_read_differently_are_made_plain(written: list[str], means: list[str]) -> None:
    assert plain(written) == means


@pytest.mark.parametrize("arguments", [["--"], ["--", "stream"], ["replay", "t", "--speed", "--"], ["stream", "-s", "--"]])
def test_two_dashes_where_a_command_or_a_value_belongs_are_refused(arguments: list[str]) -> None:
    with pytest.raises(InvalidPlan, match="'--'"):
        plain(arguments)


@pytest.mark.parametrize("arguments", [["history", "-s", "--symbol=A:B"], ["history", "-s=-x"], ["replay", "--to", "-5", "--", "t"]])
def test_an_option_where_a_value_belongs_is_refused_even_if_the_value_comes_later(arguments: list[str]) -> None:
    with pytest.raises(InvalidPlan, match=r"^--(symbol|to) '-.*': expected a "):
        plain([*arguments, "--symbol", "A:B"])


def test_the_choices_of_a_command_are_those_of_what_carries_it_out() -> None:
    options = {option.name: option.choices for option in BY_NAME["serve"].options}
    assert (options["site"], options["slow-client"]) == (SITE_STATES, SLOW_CLIENTS)
