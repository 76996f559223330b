"""Symbols as users write them, `EXCHANGE:TICKER` with options where need be, and as the wire carries them.

On the wire a symbol is either plain or `=` followed by a JSON object whose `symbol` key holds the plain form, or
another such object (chart types, bar replay). For users, options stand in braces behind the plain form, as no ticker holds
any: `NASDAQ:AAPL{session=extended+currency=EUR}`. That spelling is what events carry, so two views of one symbol cannot be
confused, and no shell makes anything else of it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from tvstreamer.errors import InvalidSymbol, shorten

# A lone surrogate has no place in a ticker: no message could carry it.
_PLAIN = re.compile(
    # A spread may begin with a number or a bracket: 1/FX:EURUSD, (A:B+C:D)/2.
    r"([-+*/^().0-9]{0,31}[-+*/^(])?"
    r"[A-Za-z0-9_.\-]{1,32}:"
    r"[^\s\x00-\x1f\x7f-\x9f:={}\"\\\ud800-\udfff]"
    r"([^\x00-\x1f\x7f-\x9f\"\\{}\ud800-\udfff]{0,126}[^\s\x00-\x1f\x7f-\x9f\"\\{}\ud800-\udfff])?"
)
_DEEPEST = 8


CHARTS = {
    "heikin-ashi": "BarSetHeikenAshi@tv-basicstudies-60!",
    "renko": "BarSetRenko@tv-prostudies-40!",
    "line-break": "BarSetPriceBreak@tv-prostudies-34!",
    "kagi": "BarSetKagi@tv-prostudies-34!",
    "point-and-figure": "BarSetPnF@tv-prostudies-34!",
    "range": "BarSetRange@tv-basicstudies-72!",
}
"""Chart types, and what the wire calls them. The version behind the name drifts."""

_STUDIES = {study.partition("@")[0]: chart for chart, study in CHARTS.items()}
ADJUSTMENTS = ("splits", "dividends", "none")
"""What prices may be adjusted for."""

_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_WIRE_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}")
_SUBSESSIONS = ("regular", "extended", "premarket", "postmarket")
_SESSION = re.compile(rf"([a-z]{{1,16}}_)?({'|'.join(_SUBSESSIONS)})")
_CURRENCY = re.compile(r"[A-Z][A-Z0-9]{2,15}")
_NUMBER = re.compile(r"-?\d{1,64}(\.\d{1,64})?(e-?\d{1,3})?", re.ASCII)

_WIRE = {
    "session": "session",
    "adjustment": "adjustment",
    "currency": "currency-id",
    "unit": "unit-id",
    "backadjustment": "backadjustment",
    "settlement_as_close": "settlement-as-close",
}
"""Options of a symbol in the order in which they are written, and the keys that the wire has for them."""

_OPTION_OF = {key: name for name, key in _WIRE.items()}

_OPTIONS = (*_WIRE, "chart")
"""Keys of the wire that have no option stand before `chart`, whose inputs follow it."""

_UNCHECKED = "wire."
"""In front of a key of the wire, whose value is sent as it is."""

_STRUCTURE = ("symbol", "type", "inputs", "replay")
"""Keys by which one object of a symbol string is laid over another."""

_BACK_ADJUSTED = "default"

Input = str | int | float | bool


class Symbol(str):
    """A symbol with options: a string in its canonical spelling, equal to the `symbol` of its events.

    ::

        Symbol("NASDAQ:AAPL", session="extended", adjustment="dividends", currency="EUR")
        Symbol("BINANCE:BTCUSDT", chart="renko", inputs={"style": "Traditional", "boxSize": 50})
        Symbol("NASDAQ:AAPL{session=extended+adjustment=dividends+currency=EUR}")

    It goes wherever a symbol goes. `session` is a subsession's id (`regular`, `extended`, `premarket`, `postmarket`, or one of
    these behind a market, `us_regular`), `adjustment` `splits` (without this option), `dividends` or `none`, `currency` and
    `unit` convert prices, `backadjustment` and `settlement_as_close` are for futures. `chart` is one of `CHARTS`, with `inputs`
    as its study has them. What every symbol has without the option (`session="regular"`, `adjustment="splits"`) is left out
    of the spelling.

    These values are checked, as the service says nothing of one that it does not know. `wire` has keys and values of the wire
    for whatever else it knows, `wire={"session": "overnight"}` or `{wire.session=overnight}`: they are sent as they are.
    Raises `InvalidSymbol`.

    A chart type makes bars; ticks and quotes are those of the symbol without it (`quoted_symbol`).
    """

    __slots__ = ("options",)

    options: dict[str, Input]
    """What is in the braces, in order."""

    def __new__(
        cls,
        text: object,
        *,
        session: str | None = None,
        adjustment: str | None = None,
        currency: str | None = None,
        unit: str | None = None,
        backadjustment: bool = False,
        settlement_as_close: bool = False,
        chart: str | None = None,
        inputs: Mapping[str, Input] | None = None,
        wire: Mapping[str, Input] | None = None,
    ) -> Symbol:
        if not isinstance(text, str):
            raise InvalidSymbol(f"symbol {shorten(text)}: expected a string of the form EXCHANGE:TICKER")
        plain, brace, rest = text.strip().partition("{")
        plain = _plain(text, plain)
        options = _read_options(text, rest) if brace else {}
        given = {
            "session": session, "adjustment": adjustment, "currency": currency, "unit": unit,
            "backadjustment": backadjustment, "settlement_as_close": settlement_as_close, "chart": chart,
        }  # fmt: skip
        options |= {name: value for name, value in given.items() if value is not None and value is not False}
        options |= inputs or {}
        options |= {f"{_UNCHECKED}{key}": value for key, value in (wire or {}).items()}
        ordered = _checked(text, options)
        symbol = super().__new__(cls, plain + _spelled(ordered))
        symbol.options = ordered
        return symbol

    def __getnewargs__(self) -> tuple[str]:
        return (str(self),)

    def __repr__(self) -> str:
        return f"Symbol({str(self)!r})"


def _read_options(text: str, rest: str) -> dict[str, Input]:
    """The options of a spelling; `rest` is what follows its opening brace."""
    options: dict[str, Input] = {}
    parts = rest[:-1].split("+") if rest.endswith("}") else [""]
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or name in options:
            expected = "options such as {session=extended+currency=EUR}"
            raise InvalidSymbol(f"symbol {shorten(text)}: {shorten(part)}: expected {expected}")
        options[name] = _value(value)
    return options


def _value(text: str) -> Input:
    if text in ("true", "false"):
        return text == "true"
    if _NUMBER.fullmatch(text):
        return float(text) if "." in text or "e" in text else int(text)
    return text


def _checked(text: str, options: dict[str, Input]) -> dict[str, Input]:
    """Options in their order, without those that change nothing. Raises `InvalidSymbol`."""
    ordered = {name: _option(text, name, options[name]) for name in _WIRE if name in options}
    unchecked = sorted(name for name in options if name.startswith(_UNCHECKED))
    for name in unchecked:
        key, value = name.removeprefix(_UNCHECKED), _passed(text, name, options[name])
        if (option := _OPTION_OF.get(key)) is not None:
            if option in options:
                raise InvalidSymbol(f"symbol {shorten(text)}: {shorten(name)}: expected {option} or {name}, not both")
            if _expected(option, read := _read(option, value)) is None:
                raise InvalidSymbol(f"symbol {shorten(text)}: {name} {shorten(value)}: expected {option}={_text(read)}")
        ordered[name] = value
    if "chart" in options:
        ordered["chart"] = _option(text, "chart", options["chart"])
    inputs = sorted(options.keys() - set(_OPTIONS) - set(unchecked))
    if inputs and "chart" not in options:
        raise InvalidSymbol(f"symbol {shorten(text)}: option {shorten(inputs[0])}: expected one of {', '.join(_OPTIONS)}")
    for name in inputs:
        ordered[name] = _passed(text, name, options[name])
    return {name: value for name, value in ordered.items() if _DEFAULTS.get(name) != value}


_DEFAULTS = {"session": "regular", "adjustment": "splits", f"{_UNCHECKED}metric": "price"}
"""What every symbol has anyway."""


def _option(text: str, name: str, value: Input) -> Input:
    """The value of an option in its canonical form. Raises `InvalidSymbol`."""
    value = _canonical(name, value)
    expected = _expected(name, value)
    if expected is not None:
        raise InvalidSymbol(f"symbol {shorten(text)}: {name} {shorten(value)}: expected {expected}")
    return value


def _canonical(name: str, value: Any) -> Any:
    return value.upper() if name == "currency" and isinstance(value, str) else value


def _expected(name: str, value: object) -> str | None:
    """What an option's value should have been; None where it may be that."""
    match name:
        case "backadjustment" | "settlement_as_close":
            return None if value is True else "true, or no such option"
        case "chart":
            return None if value in tuple(CHARTS) else f"one of {', '.join(CHARTS)}"
        case "adjustment":
            known, expected = value in ADJUSTMENTS, f"one of {', '.join(ADJUSTMENTS)}"
        case "session":
            known = subsession(value) is not None
            expected = f"one of {', '.join(_SUBSESSIONS)}, perhaps behind a market as in us_regular"
        case "currency":
            known = isinstance(value, str) and _CURRENCY.fullmatch(value) is not None
            expected = "3 to 16 letters and digits, such as EUR"
        case _:
            known = isinstance(value, str) and _WORD.fullmatch(value) is not None
            expected = "letters and digits, such as KGM"
    return None if known else f"{expected}; {_UNCHECKED}{_WIRE[name]}=... is sent unchecked"


def _passed(text: str, name: str, value: Input) -> Input:
    """What is sent as it is: an input of a chart type, or a key of the wire. Raises `InvalidSymbol`."""
    expected = "expected a name, and a word or number"
    what, key, known = "input", name, _KEY.fullmatch(name)
    if name.startswith(_UNCHECKED):
        key = name.removeprefix(_UNCHECKED)
        what, known = "key", _WIRE_KEY.fullmatch(key)
        if key in _STRUCTURE:
            raise InvalidSymbol(f"symbol {shorten(text)}: {name}: expected another key than {', '.join(_STRUCTURE)}")
    is_number = isinstance(value, float) and math.isfinite(value)
    spelled = _text(value) if isinstance(value, str | int) or is_number else ""
    if not (known and _WORD.fullmatch(spelled)):
        raise InvalidSymbol(f"symbol {shorten(text)}: {what} {shorten(key)} {shorten(value)}: {expected}")
    return _value(spelled)


def _text(value: Input) -> str:
    return value if isinstance(value, str) else json.dumps(value).replace("e+", "e")


def _spelled(options: Mapping[str, Input]) -> str:
    return f"{{{'+'.join(f'{name}={_text(value)}' for name, value in options.items())}}}" if options else ""


def parse_symbol(text: object) -> str:
    """The symbol in its canonical spelling: no blanks around it, the exchange and ticker in upper case.

    Accepts what may follow the colon on TradingView, which is more than letters: `NASDAQ:BRK.B`, `CME_MINI:ES1!`,
    `NSE:M&M`; and options in braces, as in `Symbol`. Raises `InvalidSymbol`.
    """
    if not isinstance(text, str) or "{" in text:
        return str(Symbol(text))
    return _plain(text, text.strip())


def _plain(text: str, plain: str) -> str:
    symbol = plain.upper()
    # Both spellings: some letters grow in upper case, and the result has to be a symbol itself.
    if not (_PLAIN.fullmatch(plain) and _PLAIN.fullmatch(symbol)):
        raise InvalidSymbol(f"symbol {shorten(text)}: expected EXCHANGE:TICKER, for example BINANCE:BTCUSDT")
    return symbol


def base_symbol(symbol: str) -> str:
    """A symbol of ours without its options."""
    return symbol.partition("{")[0]


def quoted_symbol(symbol: str) -> str:
    """The symbol under which ticks and quotes come: the same without a chart type, of which there are bars only."""
    if "{chart=" not in symbol and "+chart=" not in symbol:
        return symbol
    options = Symbol(symbol).options
    names = list(options)
    return base_symbol(symbol) + _spelled({name: options[name] for name in names[: names.index("chart")]})


def wire_symbol(symbol: str) -> str:
    """The form in which a chart session resolves a symbol (seen 2025-07-06): split-adjusted prices."""
    options = Symbol(symbol).options if "{" in symbol else {}
    inner: dict[str, Any] = {"symbol": base_symbol(symbol), "adjustment": "splits"}
    inputs: dict[str, Input] = {}
    for name, value in options.items():
        if name in _WIRE:
            inner[_WIRE[name]] = _BACK_ADJUSTED if name == "backadjustment" else value
        elif name.startswith(_UNCHECKED):
            inner[name.removeprefix(_UNCHECKED)] = value
        elif name != "chart":
            inputs[name] = value
    if "chart" in options:
        inner = {"symbol": inner, "type": CHARTS[str(options["chart"])], "inputs": inputs}
    return "=" + json.dumps(inner, separators=(",", ":"), ensure_ascii=False)


def wire_quote(symbol: str) -> str:
    """The form in which a quote session follows a symbol: plain where it has no options."""
    quoted = quoted_symbol(symbol)
    return wire_symbol(quoted) if "{" in quoted else quoted


def symbol_name(wire: str) -> str:
    """The spelling of a symbol string of the wire, with the options that we know.

    Strings that hold no symbol come back unchanged: what a server or another client chose to send is not ours to reject.
    """
    if not wire.startswith("="):
        return wire
    try:
        value: Any = json.loads(wire[1:])
    except (ValueError, RecursionError):
        return wire
    options: dict[str, Any] = {}
    for _ in range(_DEEPEST):
        if not isinstance(value, dict):
            break
        options = _known_options(value) | options
        value = value.get("symbol")
    if not isinstance(value, str):
        return wire
    try:
        return value + _spelled(_checked(value, options))
    except InvalidSymbol:
        return value


def _known_options(value: Mapping[str, Any]) -> dict[str, Any]:
    """What one object of a symbol string says, in our words."""
    options: dict[str, Any] = {}
    for key, each in value.items():
        if not each or key in _STRUCTURE:
            continue
        option = _OPTION_OF.get(key)
        if option is not None and _expected(option, read := _read(option, each)) is None:
            options[option] = read
        elif isinstance(each, Input) and _WIRE_KEY.fullmatch(key) and _WORD.fullmatch(_text(each)):
            options[f"{_UNCHECKED}{key}"] = each
    chart = _STUDIES.get(str(value.get("type")).partition("@")[0])
    if chart is not None:
        inputs = value.get("inputs")
        options["chart"] = chart
        if isinstance(inputs, dict):
            options = inputs | options
    return options


def _read(option: str, value: Any) -> Any:
    """The value of an option, from that of its key of the wire."""
    if option == "backadjustment" and value == _BACK_ADJUSTED:
        return True
    return _canonical(option, value)


def subsession(value: object) -> str | None:
    """What a subsession's id stands for: itself, or what is behind the market in `us_regular`; None for no known one."""
    match = _SESSION.fullmatch(value) if isinstance(value, str) else None
    return None if match is None else match[2]


def plain_symbol(wire: str) -> str:
    """The `EXCHANGE:TICKER` inside a symbol string of the wire, however deeply it is wrapped.

    Strings that hold no symbol come back unchanged: what a server or another client chose to send is not ours to
    reject.
    """
    if not wire.startswith("="):
        return wire
    try:
        value: Any = json.loads(wire[1:])
    except (ValueError, RecursionError):
        return wire
    for _ in range(_DEEPEST):
        if not isinstance(value, dict):
            break
        value = value.get("symbol")
    return value if isinstance(value, str) else wire
