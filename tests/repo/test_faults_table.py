"""The table of docs/faults.md is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from tvstreamer.faults import KINDS, Fault
from tvstreamer.faults.kinds import Once

ROOT = Path(__file__).resolve().parents[2]
_ROW = re.compile(r"\| `(?P<kind>\w+)` \| (?P<mark>[c1]?) ?\| (?P<text>[^|]+) \| (?P<parameters>[^|]*)\| (?P<carrier>\w+) \|")


def test_the_documents_table_is_that_of_the_kinds() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    told = [(row["kind"], row["mark"], re.findall(r"`(\w+)`", row["parameters"]), row["carrier"]) for row in _ROW.finditer(text)]
    assert told == [(name, mark(kind), parameters(kind), kind.carrier) for name, kind in KINDS.items()]


def test_every_trigger_is_told() -> None:
    text = (ROOT / "docs" / "faults.md").read_text(encoding="utf-8")
    for trigger in (*Fault.__struct_fields__, "duration"):
        assert f"| `{trigger}` |" in text
        assert f"`{trigger}`" in (Fault.__doc__ or "")


def mark(kind: type[Fault]) -> str:
    if issubclass(kind, Once):
        return "c"
    defaults = dict(zip(reversed(kind.__struct_fields__), reversed(kind.__struct_defaults__), strict=False))
    return "1" if defaults["times"] == 1 else ""


def parameters(kind: type[Fault]) -> list[str]:
    return [name for name in kind.options() if name not in Fault.__struct_fields__]
