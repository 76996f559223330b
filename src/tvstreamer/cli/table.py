"""The subcommands, what they take, and how the words of a command line become values.

Front ends hand over strings; conversion happens here, once, so that both refuse the same things with the same words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tvstreamer.constants import SEARCH_TYPES
from tvstreamer.errors import InvalidPlan, shorten

Kind = Literal["text", "whole", "number", "flag", "list"]


@dataclass(frozen=True, slots=True)
class Option:
    """`--name`. `whole` and `number` are above 0 unless `zero`; a `list` may be given several times."""

    name: str
    help: str
    kind: Kind = "text"
    short: str = ""
    default: Any = None
    metavar: str = ""
    choices: tuple[str, ...] = ()
    required: bool = False
    zero: bool = False

    @property
    def key(self) -> str:
        return self.name.replace("-", "_")

    @property
    def flags(self) -> list[str]:
        return [f"-{self.short}", f"--{self.name}"] if self.short else [f"--{self.name}"]

    def convert(self, value: Any) -> Any:
        """The value of what was written. Raises `InvalidPlan`."""
        if value is None or value == ():
            if self.required:
                raise InvalidPlan(f"{self.flags[-1]} is missing: {self.help}")
            return self.default
        if self.kind == "flag":
            return bool(value)
        words = list(value) if self.kind == "list" else [value]
        for word in words:
            if not word or _is_option(word):
                raise self.refusal(word)
        return words if self.kind == "list" else self._convert_one(words[0])

    def refusal(self, word: str) -> InvalidPlan:
        """The error for a word that cannot be this option's value."""
        return InvalidPlan(f"{self.flags[-1]} {shorten(word)}: expected {self._expected()}")

    def _expected(self) -> str:
        if self.kind in ("whole", "number"):
            what = "a whole number" if self.kind == "whole" else "a number"
            return f"{what} {'from 0' if self.zero else 'above 0'}"
        return f"one of {', '.join(self.choices)}" if self.choices else "a value"

    def _convert_one(self, word: str) -> Any:
        if self.choices and word not in self.choices:
            raise self.refusal(word)
        if self.kind == "text":
            return word
        try:
            number = int(word) if self.kind == "whole" else float(word)
        except ValueError:
            number = -1
        if not (0 <= number < float("inf")) or (number == 0 and not self.zero):
            raise self.refusal(word)
        return number


@dataclass(frozen=True, slots=True)
class Argument:
    """A word by its place."""

    name: str
    help: str
    required: bool = True
    choices: tuple[str, ...] = ()

    def convert(self, value: str | None) -> str | None:
        if value is not None and (not value or _is_option(value)):
            raise InvalidPlan(f"{self.name} {shorten(value)}: expected {self.help}")
        if value is not None and self.choices and value not in self.choices:
            raise InvalidPlan(f"{self.name} {shorten(value)}: expected {' or '.join(self.choices)}")
        return value


@dataclass(frozen=True, slots=True)
class Command:
    """One subcommand; `target` names the function that carries it out, as module:function."""

    name: str
    help: str
    target: str
    arguments: tuple[Argument, ...] = ()
    options: tuple[Option, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """A command line, understood."""

    command: str
    values: Mapping[str, Any] = field(default_factory=dict)


_SYMBOLS = Option("symbol", "EXCHANGE:TICKER; may be given several times", "list", short="s", metavar="SYMBOL")
_INTERVALS = Option("interval", "bar length: 1, 5, 1H, 1D, ...; may be given several times", "list", short="i")
_SOURCE = Option(
    "source", "live, live:host=prodata, fake, fake:seed=7,speed=max, ws://..., or a tape", default="live", metavar="SOURCE"
)
_BARS = Option("bars", "bars of history that a series begins with", "whole", short="n", default=300)
_AUTH = Option(
    "auth", "where token and cookies are: env, keyring, keyring:SERVICE, or har:FILE; with session, session:keyring, ... a token"
    " is fetched with the cookies", default="env", metavar="WHERE",
)  # fmt: skip
_FORMAT = Option("format", "how to print", default="jsonl", choices=("jsonl", "table", "csv"))
_QUOTES = Option("quotes", "give quotes too", "flag", default=False)
_STUDIES = Option(
    "study", "a study of the bars: RSI:14, MACD:12,26,9, BB:20,2, SMA:50, EMA:200, Volume; may be given several times", "list",
    metavar="STUDY",
)  # fmt: skip
_ASKING = (
    Option("fields", "of quotes: default, all, price, common, simple, basic, detailed, or names as lp,bid,ask", metavar="NAMES"),
    Option("timezone", "of charts, which moves where days and weeks begin: Europe/Berlin, Etc/UTC, exchange", metavar="ZONE"),
    Option(
        "limits", "ask for no more than an account may have: free, premium, ..., or history=5000,series=10,quotes=50",
        metavar="LIMITS",
    ),
)  # fmt: skip
_MAX_EVENTS = Option("max-events", "stop after the message that brings the n-th event", "whole")
_DURATION = Option("duration", "stop after so many seconds of the source's clock", "number", metavar="SECONDS")
_EVENTS = Option("events", "which events to print: market, or all with the status ones", default="all", choices=("market", "all"))
_TIMEOUT = Option("timeout", "give up after so many seconds", "number", default=30.0, metavar="SECONDS")
_SPEED = Option("speed", "1 is real time, 10 ten times that, max as fast as possible", metavar="1|10|max")
_OUTPUT = Option("output", "the tape to write; compressed if it ends in .gz or .zst", short="o", required=True, metavar="FILE")
_OVERWRITE = Option("overwrite", "replace an existing file", "flag", default=False)

_ON_GAP = Option(
    "on-gap", "bars that were missed: fill them in, yield (only tell), or raise (stop)", default="fill",
    choices=("fill", "yield", "raise"),
)  # fmt: skip
_STALL = Option(
    "stall-timeout", "how long an open market may bring no data before the connection is replaced; off for ever",
    metavar="180s|off",
)  # fmt: skip
_RECONNECT = Option(
    "reconnect", "how long to try to come back after a lost connection; 1h without this option", metavar="10m|off|forever"
)
_ROTATE = Option("rotate", "go on in a new file after so much: 100MB, 1h, or both as 100MB,1h", metavar="LIMIT")
_FSYNC = Option(
    "fsync", "when a record has to be on the disk, beyond what the system does by itself",
    default="never", choices=("never", "interval", "always"),
)  # fmt: skip
_OUTAGES = (_ON_GAP, _STALL, _RECONNECT)
_FAULTS = Option("faults", "disturb it by the fault plan in this TOML file", metavar="PLAN")

COMMANDS = (
    Command(
        "stream", "Print the events of a source as they come.", "tvstreamer.cli.market:stream",
        options=(
            _SYMBOLS, _INTERVALS, _SOURCE, _BARS, _QUOTES, _STUDIES, *_ASKING, _FORMAT, _EVENTS, _MAX_EVENTS, _DURATION, _SPEED,
            _AUTH, *_OUTAGES, _FAULTS,
        ),
    ),
    Command(
        "record", "Record a source to a tape.", "tvstreamer.cli.tapes:record",
        options=(
            _SYMBOLS, _INTERVALS, _SOURCE, _BARS, _QUOTES, _STUDIES, *_ASKING, _OUTPUT, _OVERWRITE, _MAX_EVENTS, _DURATION,
            Option("events", "write the events here as JSON lines; - is standard output", metavar="FILE"),
            _AUTH, *_OUTAGES, _FAULTS, _ROTATE, _FSYNC,
        ),
    ),
    Command(
        "replay", "Print the events of a tape.", "tvstreamer.cli.tapes:replay",
        arguments=(Argument("tape", "the tape to play"),),
        options=(
            Option("speed", "1 is real time, 10 ten times that, max as fast as possible", default="max", metavar="1|10|max"),
            Option("from", "seconds from the tape's start: earlier events are not printed", "number", default=0.0, zero=True),
            Option("to", "seconds from the tape's start at which to stop", "number", zero=True),
            _FORMAT, _EVENTS,
            Option("digest", "print the SHA-256 of the events' JSON lines in place of them", "flag", default=False),
            _FAULTS,
        ),
    ),
    Command(
        "serve", "Serve a fake market or a tape to any client.", "tvstreamer.cli.serve:serve",
        arguments=(Argument("tape", "a tape to serve in place of a market", required=False),),
        options=(
            Option("source", "fake, fake:seed=7,speed=10, or a tape; fake without this option", metavar="SOURCE"),
            Option("host", "the address to bind", default="127.0.0.1"),
            Option("port", "the port to listen on; 0 takes a free one", "whole", default=0, zero=True),
            _SPEED,
            Option("seed", "the seed of the market", "whole", zero=True),
            Option("unknown", "a symbol that does not exist, or a pattern; may be given several times", "list"),
            Option("forbidden", "a symbol that the account may not see, or a pattern; may be given several times", "list"),
            Option(
                "error", "make create_series, create_study or resolve_symbol fail so; may be given several times", "list",
                metavar="METHOD=REASON",
            ),
            Option("plan", "the limits of the account: anonymous, free, essential, plus, premium, ...", metavar="NAME"),
            Option(
                "site", "what clients get from its pages", default="usual",
                choices=("usual", "forbidden", "captcha", "changed", "busy", "down"),
            ),
            Option("strict", "reject what the real server is known to reject", "flag", default=False),
            Option("tls", "serve wss://, with a certificate that is made up", "flag", default=False),
            Option("tls-ca", "write here what makes clients trust that certificate", metavar="FILE"),
            Option("tls-cert", "serve wss:// with this certificate, a PEM file", metavar="FILE"),
            Option("tls-key", "the key of --tls-cert, a PEM file", metavar="FILE"),
            Option("control", "the port of the control API, on loopback; 0 takes a free one", "whole", zero=True, metavar="PORT"),
            Option(
                "slow-client", "drop a client that does not read, or tell it less", default="drop",
                choices=("drop", "conflate"),
            ),
            _DURATION, _FAULTS,
            Option(
                "market", "where prices come from: fake:seed=7, bars.csv, bars.parquet, a tape, or one of them for some symbols,"
                " 'BINANCE:*=bars.csv'; may be given several times", "list",
            ),
            Option("start", "when the server's clock begins: seconds since the epoch, or 2025-07-06T20:00:00Z", metavar="TIME"),
        ),
    ),
    Command(
        "proxy", "Pass any client through to a server, recorded and disturbed.", "tvstreamer.cli.proxy:proxy",
        options=(
            Option("to", "live, live:host=prodata, ws://HOST:PORT, or wss://HOST", required=True, metavar="SERVER"),
            Option("to-ca", "trust the server behind where its certificate comes from one of these, a PEM file", metavar="FILE"),
            Option("listen", "the port to listen on; 0 takes a free one", "whole", default=0, zero=True, metavar="PORT"),
            Option("host", "the address to bind", default="127.0.0.1"),
            Option("record", "the tape to write; compressed if it ends in .gz or .zst", metavar="FILE"),
            _OVERWRITE, _FAULTS, _ROTATE, _FSYNC, _DURATION,
        ),
    ),
    Command(
        "history", "Print bars of a symbol: the newest, or those of a span.", "tvstreamer.cli.market:history",
        options=(
            Option("symbol", "EXCHANGE:TICKER, one", "list", short="s", metavar="SYMBOL", required=True),
            Option("interval", "bar length: 1, 5, 1H, 1D, ...; one", "list", short="i", required=True),
            Option("bars", "how many; 300 without --from", "whole", short="n"),
            Option("from", "the first moment: a date such as 2024-05-01, UTC, or seconds since the epoch", metavar="TIME"),
            Option("to", "the moment before which they end", metavar="TIME"),
            Option("output", "write to this file", short="o", metavar="FILE"), _OVERWRITE,
            _AUTH, _SOURCE, _FORMAT, _TIMEOUT,
        ),
    ),
    Command(
        "quote", "Print the quotes of symbols once.", "tvstreamer.cli.market:quote",
        options=(
            _AUTH, _SYMBOLS, _SOURCE, _FORMAT, _TIMEOUT,
            Option("fields", "default, all, price, common, simple, basic, detailed, or names as lp,bid,ask", default="default"),
        ),
    ),
    Command(
        "search", "Find symbols by their names.", "tvstreamer.cli.search:search",
        arguments=(Argument("text", "what to look for: a ticker, a part of one, or of a name"),),
        options=(
            Option("type", "only this type", choices=SEARCH_TYPES),
            Option("exchange", "only this exchange, such as NASDAQ", metavar="NAME"),
            Option("country", "only this country, two letters such as US", metavar="CODE"),
            Option("limit", "print so many rows at the most", "whole", default=50, metavar="N"),
            Option("source", "live, live:host=de, http://HOST:PORT of a fake server, or fake", default="live", metavar="SOURCE"),
            _FORMAT, _TIMEOUT,
        ),
    ),
    Command(
        "import", "Make a tape of another recording.", "tvstreamer.cli.tapes:import_",
        arguments=(
            Argument("kind", "log: text lines 'WS TX ...' and 'WS RX ...'", choices=("log",)),
            Argument("file", "the file to read"),
        ),
        options=(_OUTPUT, _OVERWRITE),
    ),
    Command(
        "conformance", "Score a streaming client by what it makes of faults.", "tvstreamer.cli.conformance:conformance",
        options=(
            Option("cmd", "the client's command line, such as 'node my_client.js {url} {symbol} {interval} {bars}'"),
            Option("python", "a function that takes a task and yields events, in place of a command", metavar="MODULE:FUNCTION"),
            Option("only", "a scenario; may be given several times; all without this option", "list", metavar="NAME"),
            Option("format", "how to print the scorecard", default="text", choices=("text", "json", "junit")),
            Option("limit", "what the client has for each thing that is expected", "number", default=15.0, metavar="SECONDS"),
            Option("jobs", "scenarios that are played at the same time", "whole", default=4),
            Option("list", "print the scenarios and do nothing", "flag", default=False),
        ),
    ),
    Command(
        "demo", "The tour: fake market, record, replay twice, compare.", "tvstreamer.cli.demo:demo",
        options=(Option("keep", "keep the tape here", metavar="FILE"),),
    ),
)  # fmt: skip

BY_NAME = {command.name: command for command in COMMANDS}
DESCRIPTION = "Record, replay and fake TradingView's WebSocket feed."
EPILOG = (
    "Exit codes: 0 done, 1 a check failed, 2 usage, 3 input unreadable, 4 no connection or refused, 5 timeout, stall or gap,"
    " 6 output not writable, 130 interrupted."
)


def make_call(command: Command, words: Mapping[str, Any]) -> Call:
    """Converts what a front end read. Raises `InvalidPlan`."""
    values: dict[str, Any] = {}
    for argument in command.arguments:
        values[argument.name] = argument.convert(words.get(argument.name))
    for option in command.options:
        values[option.key] = option.convert(words.get(option.key))
    return Call(command.name, values)


def plain(arguments: Sequence[str]) -> list[str]:
    """The same command line without the spellings that parsers read differently: `-s=X`, and `--` with what follows it.

    Raises `InvalidPlan` where `--` has no meaning (before the command, or in place of a value), and for an option in place
    of a value, which some would take for one.
    """
    command = BY_NAME.get(arguments[0]) if arguments else None
    options = command.options if command else ()
    shorts = {f"-{option.short}" for option in options if option.short}
    valued = {flag: option for option in options if option.kind != "flag" for flag in option.flags}
    words: list[str] = []
    for place, word in enumerate(arguments):
        if word == "--":
            if command is None or words[-1] in valued:
                raise InvalidPlan(f"'--' {f'after {words[-1]}' if words else 'at the beginning'}: expected a value or command")
            # From here on all are files, and a file's name can be written so that it is not taken for an option.
            return words + [f"./{each}" if each.startswith("-") else each for each in arguments[place + 1 :]]
        for part in [word[:2], word[3:]] if word[:2] in shorts and word[2:3] == "=" else [word]:
            if words and words[-1] in valued and _is_option(part):
                raise valued[words[-1]].refusal(part)
            words.append(part)
    return words


def _is_option(word: str) -> bool:
    """An option's name where a value should be is a forgotten value, not a value. `-` is standard input or output."""
    return word.startswith("-") and word != "-"
