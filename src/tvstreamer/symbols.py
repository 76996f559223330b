"""Symbols as users write them, `EXCHANGE:TICKER` with options where need be, and as the wire carries them.

On the wire a symbol is either plain or `=` followed by a JSON object whose `symbol` key holds the plain form, or
another such object (chart types, bar replay). For users, options stand in braces behind the plain form, as no ticker holds
any: `NASDAQ:AAPL{session=extended+currency=EUR}`. That spelling is what events carry, so two views of one symbol cannot be
confused, and no shell makes anything else of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from tvstreamer.errors import InvalidSymbol, shorten

# A lone surrogate has no place in a ticker: no message could carry it.
_PLAIN = re.compile(
    r"[A-Za-z0-9_.\-]{1,32}:"
    r"[^\s:={}\"\\\ud800-\udfff]([^\x00-\x1f\"\\{}\ud800-\udfff]{0,126}[^\s\"\\{}\ud800-\udfff])?"
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
_ADJUSTMENTS = ("splits", "dividends", "none")
_WORD = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?", re.ASCII)

_WIRE = {
    "session": "session",
    "currency": "currency-id",
    "unit": "unit-id",
    "backadjustment": "backadjustment",
    "settlement_as_close": "settlement-as-close",
}
"""Options that the wire has under another name, or in another form."""

_OPTIONS = ("session", "adjustment", "currency", "unit", "backadjustment", "settlement_as_close", "chart")
"""In the order in which they are written; inputs of a chart type follow."""

Input = str | int | float | bool


class Symbol(str):
    """A symbol with options: a string in its canonical spelling, equal to the `symbol` of its events.

    ::

        Symbol("NASDAQ:AAPL", session="extended", adjustment="dividends", currency="EUR")
        Symbol("BINANCE:BTCUSDT", chart="renko", inputs={"style": "Traditional", "boxSize": 50})
        Symbol("NASDAQ:AAPL{session=extended+adjustment=dividends+currency=EUR}")

    It goes wherever a symbol goes. `session` is a subsession's id, `adjustment` `splits` (without this option), `dividends` or
    `none`, `currency` and `unit` convert prices, `backadjustment` and `settlement_as_close` are for futures. `chart` is one of
    `CHARTS`, with `inputs` as its study has them. What every symbol has without the option (`session="regular"`,
    `adjustment="splits"`) is left out of the spelling. Raises `InvalidSymbol`.

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
    ordered: dict[str, Input] = {}
    for name in _OPTIONS:
        if name in options:
            value = options[name]
            problem = f"symbol {shorten(text)}: {name} {shorten(value)}"
            if name in ("backadjustment", "settlement_as_close"):
                if value is not True:
                    raise InvalidSymbol(f"{problem}: expected true, or no such option")
            elif name in ("adjustment", "chart"):
                if value not in (known := _ADJUSTMENTS if name == "adjustment" else tuple(CHARTS)):
                    raise InvalidSymbol(f"{problem}: expected one of {', '.join(known)}")
            elif not (isinstance(value, str) and _WORD.fullmatch(value)):
                raise InvalidSymbol(f"{problem}: expected letters and digits, such as {_EXAMPLES[name]}")
            elif name == "currency":
                value = value.upper()
            if (name, value) not in (("adjustment", "splits"), ("session", "regular")):
                ordered[name] = value
    inputs = sorted(options.keys() - set(_OPTIONS))
    if inputs and "chart" not in options:
        raise InvalidSymbol(f"symbol {shorten(text)}: option {shorten(inputs[0])}: expected one of {', '.join(_OPTIONS)}")
    for name in inputs:
        value = options[name]
        spelled = _text(value) if isinstance(value, Input) else ""
        if not (_KEY.fullmatch(name) and _WORD.fullmatch(spelled)):
            problem = f"symbol {shorten(text)}: input {shorten(name)} {shorten(value)}"
            raise InvalidSymbol(f"{problem}: expected a name, and a word or number")
        ordered[name] = _value(spelled)
    return ordered


_EXAMPLES = {"session": "extended", "currency": "EUR", "unit": "KGM"}


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
    inner: dict[str, Any] = {"symbol": base_symbol(symbol), "adjustment": options.get("adjustment", "splits")}
    for name, key in _WIRE.items():
        if name in options:
            inner[key] = "default" if name == "backadjustment" else options[name]
    if "chart" in options:
        inputs = {name: value for name, value in options.items() if name not in _OPTIONS}
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
    options = {name: value[key] for name, key in _WIRE.items() if value.get(key)}
    if options.get("backadjustment"):
        options["backadjustment"] = True
    if value.get("adjustment"):
        options["adjustment"] = value["adjustment"]
    chart = _STUDIES.get(str(value.get("type")).partition("@")[0])
    if chart is not None:
        inputs = value.get("inputs")
        options["chart"] = chart
        if isinstance(inputs, dict):
            options = inputs | options
    return options


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
