"""No file in fixtures/ is there without somebody who needs it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
FILES = sorted(path for path in FIXTURES.rglob("*") if path.is_file() and path != FIXTURES / "README.md")


@pytest.mark.skipif(not FILES, reason="there are no fixtures yet")
def test_each_fixture_is_named_in_a_test_or_a_readme() -> None:
    readers = [*(ROOT / "tests").rglob("*.py"), *ROOT.glob("README.md"), *FIXTURES.glob("README.md")]
    text = "\n".join(reader.read_text(encoding="utf-8") for reader in readers)
    assert [str(path.relative_to(ROOT)) for path in FILES if path.name not in text] == []
