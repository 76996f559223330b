"""A plan as a TOML file, and back.

::

    seed = 7

    [[fault]]
    kind = "close"
    after = 10
    code = 1006

    [[fault]]
    kind = "latency"
    latency = "200ms"

Lengths of time are numbers of seconds or texts such as `500ms`, `2s`, `1h30m`. `times = "unlimited"` stands for None.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.faults.kinds import KINDS, Fault, rules

if TYPE_CHECKING:
    from os import PathLike

    from tvstreamer.faults.plan import FaultPlan

UNLIMITED = "unlimited"
_MOST_CHARACTERS = 1_000_000
_PART = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h|d)"
_DURATION = re.compile(f"-?(?:{_PART})+")
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PLAIN = re.compile(r"[^\x00-\x1f\x7f\"\\]*")


def plan_of(value: FaultPlan | str | PathLike[str] | None) -> FaultPlan:
    """A plan as it is, the one in a file, or the empty one. Raises `InvalidPlan`."""
    from tvstreamer.faults.plan import FaultPlan

    if value is None:
        return FaultPlan()
    if isinstance(value, FaultPlan):
        return value
    if isinstance(value, str) or hasattr(value, "__fspath__"):
        return load_plan(value)
    raise InvalidPlan(f"faults {shorten(value)}: expected a FaultPlan, or the path of one in TOML")


def load_plan(path: str | PathLike[str]) -> FaultPlan:
    """Reads the plan in a file. Raises `InvalidPlan`, also where there is no such file."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(_MOST_CHARACTERS + 1)
    except (OSError, ValueError) as exc:
        problem = getattr(exc, "strerror", None) or exc
        raise InvalidPlan(f"{path}: {problem}: expected a plan of faults, TOML in UTF-8") from exc
    if len(text) > _MOST_CHARACTERS:
        raise InvalidPlan(f"{path}: expected a plan of faults, of no more than {_MOST_CHARACTERS:,} characters")
    try:
        return parse_plan(text)
    except InvalidPlan as exc:
        raise InvalidPlan(f"{path}: {exc}") from exc


def parse_plan(text: str) -> FaultPlan:
    """Reads a plan. Raises `InvalidPlan`, naming what is there and what was expected."""
    import tomllib

    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise InvalidPlan(f"not TOML: {exc}") from exc
    return read_plan(document)


def read_plan(document: Mapping[str, Any]) -> FaultPlan:
    """A plan from the tables of such a file, wherever they come from. Raises `InvalidPlan`."""
    from tvstreamer.faults.plan import FaultPlan

    _known(document, ("seed", "fault"), "a plan")
    tables = document.get("fault", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise InvalidPlan(f"fault {shorten(tables)}: expected tables, each under [[fault]]")
    faults = []
    for number, table in enumerate(tables, start=1):
        try:
            faults.append(_fault(table))
        except InvalidPlan as exc:
            raise InvalidPlan(f"fault {number}: {exc}") from exc
    return FaultPlan(faults, document.get("seed", 0))


def _fault(table: Mapping[str, Any]) -> Fault:
    name = table.get("kind")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        raise InvalidPlan(f"kind {shorten(name)}: expected {_nearest(str(name), tuple(KINDS))}")
    values = {key: value for key, value in table.items() if key != "kind"}
    _known(values, kind.options(), kind.__name__)
    required = kind.__struct_fields__[: len(kind.__struct_fields__) - len(kind.__struct_defaults__)]
    if missing := [key for key in required if key not in values]:
        raise InvalidPlan(f"{kind.__name__}: expected {' and '.join(missing)} too")
    for key, value in values.items():
        if key == "times" and value == UNLIMITED:
            values[key] = None
        elif rules(kind)[key].seconds and isinstance(value, str):
            values[key] = parse_duration(value, f"{kind.__name__}: {key}")
    return kind(**values)


def _known(table: Mapping[str, Any], keys: tuple[str, ...], what: str) -> None:
    for key in table:
        if key not in keys:
            raise InvalidPlan(f"{what}: key {shorten(key)}: expected {_nearest(key, keys)}")


def _nearest(word: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"{near[0]!r}, or one of {', '.join(known)}" if near else f"one of {', '.join(known)}"


def parse_duration(text: str, what: str) -> float:
    """The seconds of `500ms`, `2s`, `5m`, `6h`, `1d`, `1h30m`. Raises `InvalidPlan` naming `what` it is for."""
    if not _DURATION.fullmatch(text):
        raise InvalidPlan(f"{what} {shorten(text)}: expected seconds, or a text such as '500ms', '2s', '5m', '1h30m'")
    seconds = sum(float(number) * _MILLISECONDS[unit] for number, unit in re.findall(_PART, text)) / 1000
    return -seconds if text.startswith("-") else seconds


def write_plan(seed: int, faults: Iterable[Fault]) -> str:
    """The text of a plan: what differs from the defaults, one table a fault."""
    blocks = [f"seed = {seed}\n"]
    for fault in faults:
        lines = ["[[fault]]", f"kind = {_value(fault.kind)}"]
        lines += [f"{name} = {_value(value)}" for name, value in fault.given().items()]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def _value(value: object) -> str:
    match value:
        case None:
            return _value(UNLIMITED)
        case str():
            return f'"{"".join(map(_escaped, value))}"'
        case _:
            return repr(value)


def _escaped(character: str) -> str:
    return character if _PLAIN.fullmatch(character) else f"\\u{ord(character):04x}"
