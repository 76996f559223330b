"""Command lines read with typer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import typer

from tvstreamer import __version__
from tvstreamer.cli.front_argparse import _help
from tvstreamer.cli.run import report
from tvstreamer.cli.table import COMMANDS, DESCRIPTION, EPILOG, Argument, Call, Command, Option, make_call
from tvstreamer.errors import InvalidPlan


def read(arguments: Sequence[str]) -> Call | int:
    """The call, or the exit code of help, version or wrong usage."""
    calls: list[Call] = []
    try:
        code = _application(calls.append)(list(arguments), prog_name="tvstreamer", standalone_mode=True)
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):
            # typer makes this exit code 1, but a reader that has seen enough of the help is no error.
            raise stop.__context__ from None
        code = stop.code
    except InvalidPlan as error:
        return report(error)
    return calls[0] if calls else int(code or 0)


def _application(made: Callable[[Call], None]) -> typer.Typer:
    # Plain help: drawing boxes would take longer than everything else together.
    application = typer.Typer(
        help=DESCRIPTION,
        epilog=EPILOG,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def version(wanted: bool) -> None:
        if wanted:
            typer.echo(f"tvstreamer {__version__}")
            raise typer.Exit

    @application.callback()
    def root(
        version: bool = typer.Option(False, "--version", callback=version, is_eager=True, help="Show the version."),
    ) -> None:
        pass

    for command in COMMANDS:
        application.command(command.name, help=command.help)(_function(command, made))
    return application


def _function(command: Command, made: Callable[[Call], None]) -> Callable[..., None]:
    """A function with the signature that typer derives this command's parameters from."""

    def function(**words: Any) -> None:
        # `from` cannot be the name of a parameter, so all of them carry an underscore.
        made(make_call(command, {name.rstrip("_"): _given(value) for name, value in words.items()}))

    parameters = [_positional(argument) for argument in command.arguments]
    parameters += [_keyword(option) for option in command.options]
    function.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    function.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    function.__name__ = command.name
    return function


def _given(value: Any) -> Any:
    """None for a flag or list that was not given; an empty word was."""
    return None if value in (False, [], ()) else value


def _positional(argument: Argument) -> inspect.Parameter:
    default = typer.Argument(
        ... if argument.required else None, metavar=argument.name.upper(), help=argument.help, show_default=False
    )
    return _parameter(argument.name, default, str | None)


def _keyword(option: Option) -> inspect.Parameter:
    annotation: Any = {"flag": bool | None, "list": list[str] | None}.get(option.kind, str | None)
    metavar = None if option.kind == "flag" else option.metavar or option.key.upper()
    default = typer.Option(None, *option.flags, help=_help(option), show_default=False, metavar=metavar)
    return _parameter(option.key, default, annotation)


def _parameter(name: str, default: Any, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(f"{name}_", inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
