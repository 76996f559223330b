"""Built-in studies (indicators) as values: which there are, what they take, and what they give.

A study is a name and its inputs: `Study("RSI", length=14)`, or as text `RSI:14`. Those that we know are in the table below;
any other that the wire knows may be named as the wire does, `Stochastic@tv-basicstudies-241`, with its inputs as they are.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from tvstreamer.errors import InvalidStudy, shorten

Value: TypeAlias = int | float | bool | str
Kind = Literal["length", "factor", "source", "flag"]

SOURCES: Final = ("close", "open", "high", "low", "hl2", "hlc3", "ohlc4", "hlcc4")
"""What of a bar a study looks at."""

SCRIPTS: Final = ("Script@", "StrategyScript@")
"""How the wire's names of Pine scripts begin, whose inputs hold the program."""

_LONGEST: Final = 10_000
_EXPECTED: Final[dict[Kind, str]] = {
    "length": f"a whole number from 1 to {_LONGEST}",
    "factor": "a number from 0.001 to 50",
    "source": f"one of {', '.join(SOURCES)}",
    "flag": "true or false",
}
_FLAGS: Final = {"true": True, "false": False}
_WIRE: Final = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,63})@tv-basicstudies(?:-[0-9]{1,6})?!?")
_RAW: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}@tv-[a-z]{1,32}(?:-[0-9]{1,6})?!?")
_POSITION: Final = re.compile(r"in_([0-9]{1,2})")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,15}(?:\.[0-9]{1,20})?(?:e[+-]?[0-9]{1,2})?")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a study."""

    name: str
    kind: Kind
    default: Value

    def read(self, value: object) -> Value:
        """The value as this input takes it. Raises `InvalidStudy`."""
        if self.kind == "flag":
            # The wire's clients write it as a text, too.
            flag = _FLAGS.get(value.lower()) if isinstance(value, str) else value
            if isinstance(flag, bool):
                return flag
        elif self.kind == "source":
            if isinstance(value, str) and value in SOURCES:
                return value
        elif isinstance(value, int | float) and not isinstance(value, bool):
            if self.kind == "length" and 1 <= value <= _LONGEST and value == int(value):
                return int(value)
            if self.kind == "factor" and 0.001 <= value <= 50:
                return float(value)
        raise InvalidStudy(f"{self.name} {shorten(value)}: expected {_EXPECTED[self.kind]}")


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A study that we know. `inputs` stand in the order of the wire's `in_0`, `in_1`, ...; `plots` in that of its values."""

    name: str
    wire: str
    inputs: tuple[Input, ...]
    plots: tuple[str, ...]
    named: bool = False
    """Whether the wire has the inputs by name."""

    def input(self, name: str) -> Input | None:
        return next((each for each in self.inputs if each.name == name), None)


_CLOSE: Final = Input("source", "source", "close")
BUILT_INS: Final = {
    each.name: each
    for each in (
        BuiltIn(
            "Volume", "Volume@tv-basicstudies-241",
            (Input("length", "length", 20), Input("col_prev_close", "flag", False)),
            ("volume", "color", "average"), named=True,
        ),
        BuiltIn("SMA", "MASimple@tv-basicstudies-241", (Input("length", "length", 9), _CLOSE), ("average",)),
        BuiltIn("EMA", "MAExp@tv-basicstudies-241", (Input("length", "length", 9), _CLOSE), ("average",)),
        BuiltIn("RSI", "RSI@tv-basicstudies-241", (Input("length", "length", 14), _CLOSE), ("rsi",)),
        BuiltIn(
            "MACD", "MACD@tv-basicstudies-241",
            (Input("fast", "length", 12), Input("slow", "length", 26), _CLOSE, Input("signal", "length", 9)),
            ("histogram", "macd", "signal"),
        ),
        BuiltIn(
            "BB", "BB@tv-basicstudies-241",
            (Input("length", "length", 20), Input("mult", "factor", 2.0), _CLOSE), ("basis", "upper", "lower"),
        ),
    )
}  # fmt: skip
_BY_SPELLING: Final = {name.upper(): each for name, each in BUILT_INS.items()} | {"MA": BUILT_INS["SMA"]}
_BY_WIRE: Final = {each.wire.partition("@")[0]: each for each in BUILT_INS.values()}


class Study:
    """A study and its inputs: `Study("RSI", length=14)`. A value: equal studies are the same one.

    Inputs that are not named have their defaults. A name with `@` is one of the wire's, whose inputs are handed on unread.
    `str()` gives a text that `parse` reads: `RSI:14`, `MACD:12,26,9`, `SMA:50,source=hl2`. Raises `InvalidStudy`.
    """

    __slots__ = ("_built_in", "inputs", "name")

    name: str
    inputs: tuple[tuple[str, Value], ...]

    def __init__(self, name: str, /, **inputs: Value) -> None:
        built_in = _BY_SPELLING.get(name.strip().upper()) if isinstance(name, str) else None
        self._built_in = built_in
        if built_in is None:
            self.name, self.inputs = _raw(name, inputs)
            return
        self.name = built_in.name
        unknown = next((each for each in inputs if built_in.input(each) is None), None)
        if unknown is not None:
            names = ", ".join(each.name for each in built_in.inputs)
            raise InvalidStudy(f"study {self.name}, input {shorten(unknown)}: expected one of {names}")
        try:
            self.inputs = tuple(
                (each.name, each.read(inputs[each.name]) if each.name in inputs else each.default)
                for each in built_in.inputs
            )
        except InvalidStudy as error:
            raise InvalidStudy(f"study {self.name}, {error}") from None

    @classmethod
    def parse(cls, text: object) -> Study:
        """Reads `RSI`, `RSI:14`, `BB:20,2`, `MACD:12,26,9`, `SMA:50,source=hl2`, and a `Study`. Numbers come in the order of
        the table, whatever else an input is by its name."""
        if isinstance(text, Study):
            return text
        if not isinstance(text, str):
            raise InvalidStudy(f"study {shorten(text)}: expected a Study, or a text like RSI:14")
        name, colon, rest = text.strip().partition(":")
        words = [word.strip() for word in rest.split(",")] if colon else []
        places = _numbers(_BY_SPELLING.get(name.strip().upper()))
        inputs: dict[str, Value] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals:
                key, value = next(places, ""), word
            if not key or key in inputs:
                raise InvalidStudy(f"study {shorten(text)}: {shorten(word)} is one too many; expected for example RSI:14")
            inputs[key] = _scalar(value)
        return cls(name, **inputs)

    @classmethod
    def from_wire(cls, kind: str, inputs: object) -> Study:
        """The study that a client asks a server for, whatever its version. Raises `InvalidStudy` for one not in the table.

        Inputs may be named, or be `in_0` and so on; plain, or `{"v": value, ...}`. Those that we do not know are left out.
        """
        match = _WIRE.fullmatch(kind)
        built_in = _BY_WIRE.get(match[1]) if match else None
        if built_in is None:
            raise InvalidStudy(f"study {shorten(kind)}: expected one of {', '.join(each.wire for each in BUILT_INS.values())}")
        given = inputs if isinstance(inputs, Mapping) else {}
        known: dict[str, Any] = {}
        for key, value in given.items():
            plain = value["v"] if isinstance(value, Mapping) and "v" in value else value
            each = _place(built_in, str(key), plain)
            if each is not None:
                known[each.name] = plain
        return cls(built_in.name, **known)

    @property
    def plots(self) -> tuple[str, ...]:
        """The names of its values, in the wire's order; none for a study that is not in the table."""
        return () if self._built_in is None else self._built_in.plots

    @property
    def wire_name(self) -> str:
        return self.name if self._built_in is None else self._built_in.wire

    def wire_inputs(self) -> dict[str, Value]:
        """The inputs as `create_study` carries them."""
        if self._built_in is None or self._built_in.named:
            return dict(self.inputs)
        return {f"in_{number}": value for number, (_, value) in enumerate(self.inputs)}

    def __getitem__(self, name: str) -> Value:
        return dict(self.inputs)[name]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Study) and (self.name, self.inputs) == (other.name, other.inputs)

    def __hash__(self) -> int:
        return hash((self.name, self.inputs))

    def __str__(self) -> str:
        numbers = set(_numbers(self._built_in))
        defaults = {} if self._built_in is None else {each.name: each.default for each in self._built_in.inputs}
        words = [_text(value) for name, value in self.inputs if name in numbers]
        words += [
            f"{name}={_text(value)}"
            for name, value in self.inputs
            if name not in numbers and not (name in defaults and value == defaults[name])
        ]
        return f"{self.name}:{','.join(words)}" if words else self.name

    def __repr__(self) -> str:
        return f"Study({str(self)!r})"


def study_label(kind: str, inputs: object) -> tuple[str, tuple[str, ...]]:
    """What to call a study of any client, and the names of its values as far as they are known.

    A script of Pine goes by its id, as all of them are of one kind.
    """
    given = inputs if isinstance(inputs, Mapping) else {}
    if kind.startswith(SCRIPTS):
        pine = given.get("pineId")
        return pine if isinstance(pine, str) else kind, ()
    try:
        study = Study.from_wire(kind, given)
    except InvalidStudy:
        try:
            study = Study(kind, **given)
        except InvalidStudy:
            return kind, ()
    return str(study), study.plots


def _raw(name: object, inputs: dict[str, Any]) -> tuple[str, tuple[tuple[str, Value], ...]]:
    if not isinstance(name, str) or not _RAW.fullmatch(name.strip()):
        raise InvalidStudy(f"study {shorten(name)}: expected {', '.join(BUILT_INS)}, or a name like ADX@tv-basicstudies-241")
    for key, value in inputs.items():
        if not _NAME.fullmatch(key) or not _is_plain(value):
            expected = "expected a name, and a number, a truth value, or a text without a comma"
            raise InvalidStudy(f"study {name.strip()}, input {shorten(key)} {shorten(value)}: {expected}")
    return name.strip(), tuple(sorted(inputs.items()))


def _is_plain(value: object) -> bool:
    return "," not in value if isinstance(value, str) else isinstance(value, int | float) and math.isfinite(value)


def _numbers(built_in: BuiltIn | None) -> Iterator[str]:
    """The names of the inputs that are numbers, in order."""
    return iter([each.name for each in built_in.inputs if each.kind in ("length", "factor")] if built_in else [])


def _place(built_in: BuiltIn, key: str, value: object) -> Input | None:
    """The input that a key of the wire stands for."""
    position = _POSITION.fullmatch(key)
    if position is None:
        return built_in.input(key)
    number = int(position[1])
    if number >= len(built_in.inputs):
        return None
    found = built_in.inputs[number]
    # A source was seen before the last number and behind it: what kind of value it is tells.
    if isinstance(value, str) and value in SOURCES:
        return built_in.input("source")
    return built_in.inputs[-1] if found.kind == "source" and not isinstance(value, str) else found


def _scalar(text: str) -> Value:
    if text.lower() in _FLAGS:
        return _FLAGS[text.lower()]
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("+-").isdigit() else float(text)


def _text(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
