"""Where the tape of a test lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tvstreamer.testing.tape_paths import orphans, safe_name, tape_path, tapes_folder


@pytest.mark.parametrize("name", ["test_it", "Class.test_it[a-1.5]"])
def test_a_plain_name_stays_as_it_is(name: str) -> None:
    assert safe_name(name) == name


@pytest.mark.parametrize("name", ["a/b", "a\\b", "a:b", "a b", "é", "\ud800", "CON", "con.x", "", "a.", "..", "x" * 201])
def test_any_other_becomes_one_that_every_file_system_takes(name: str) -> None:
    safe = safe_name(name)
    assert safe.isascii()
    assert 11 <= len(safe) <= 200
    assert not set(safe) & set('<>:"/\\|?* ')
    assert safe == safe_name(name)


def test_different_names_stay_different() -> None:
    names = ["a/b", "a:b", "a_b", "x" * 300, "x" * 301]
    assert len({safe_name(name) for name in names}) == len(names)


def test_the_path_is_made_of_folder_module_and_test_or_the_name_that_was_given() -> None:
    folder = tapes_folder(Path("/r/sub/test_a.py"), Path("/r"), "")
    assert tape_path(folder, "test_a", "C.test[1]", None) == Path("/r/sub/tapes/test_a/C.test[1].jsonl")
    assert tape_path(folder, "test_a", "C.test[1]", "x.jsonl.gz") == Path("/r/sub/tapes/x.jsonl.gz")
    assert tapes_folder(Path("/r/sub/test_a.py"), Path("/r"), "t") == Path("/r/t/sub")
    assert tapes_folder(Path("/else/test_a.py"), Path("/r"), "t") == Path("/r/t")


def test_orphans_are_the_tapes_that_nobody_claims(tmp_path: Path) -> None:
    for name in ("a.jsonl", "sub/b.jsonl.gz", "c.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert orphans([str(tmp_path / "a.jsonl")], [str(tmp_path), str(tmp_path / "none")]) == [str(tmp_path / "sub" / "b.jsonl.gz")]
