"""What documents point at is there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")]
_FILE = re.compile(r"`((?:[a-z_0-9]+/)+[a-z_0-9]+\.py|(?:[a-z_0-9]+/)+)`")
_LINK = re.compile(r"\]\(([^)#\s]+)")


def test_files_that_are_named_exist() -> None:
    assert [
        f"{document.name}: {name}"
        for document in DOCUMENTS
        for name in _FILE.findall(document.read_text(encoding="utf-8"))
        if not any((base / name).exists() for base in (document.parent, ROOT, ROOT / "src" / "tvstreamer"))
    ] == []


def test_links_lead_somewhere() -> None:
    assert [
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in _LINK.findall(document.read_text(encoding="utf-8"))
        if "://" not in target and not (document.parent / target).exists()
    ] == []
