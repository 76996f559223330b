"""Command lines read with the standard library alone."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tvstreamer import __version__
from tvstreamer.cli.run import report
from tvstreamer.cli.table import BY_NAME, COMMANDS, DESCRIPTION, EPILOG, Call, Command, Option, make_call
from tvstreamer.errors import InvalidPlan


def read(arguments: Sequence[str]) -> Call | int:
    """The call, or the exit code of help, version or wrong usage."""
    try:
        parsed = vars(_parser().parse_args(list(arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        return make_call(BY_NAME[parsed["command"]], parsed)
    except InvalidPlan as error:
        return report(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("tvstreamer", description=DESCRIPTION, epilog=EPILOG, allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"tvstreamer {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        _add(subparsers.add_parser(command.name, help=command.help, description=command.help, allow_abbrev=False), command)
    return parser


def _add(parser: argparse.ArgumentParser, command: Command) -> None:
    for argument in command.arguments:
        parser.add_argument(argument.name, help=argument.help, nargs=None if argument.required else "?")
    for option in command.options:
        _add_option(parser, option)


def _add_option(parser: argparse.ArgumentParser, option: Option) -> None:
    flags, shown = option.flags, _help(option).replace("%", "%%")
    if option.kind == "flag":
        parser.add_argument(*flags, dest=option.key, help=shown, action="store_true", default=None)
    else:
        parser.add_argument(
            *flags,
            dest=option.key,
            help=shown,
            metavar=option.metavar or option.key.upper(),
            action="append" if option.kind == "list" else "store",
        )


def _help(option: Option) -> str:
    choices = f" ({', '.join(option.choices)})" if option.choices else ""
    default = "" if option.default is None or option.default is False else f" [default: {option.default}]"
    return f"{option.help}{choices}{default}"
