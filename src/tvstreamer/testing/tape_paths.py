"""Where the tape of a test lies, and which tapes no test has. Light, as the pytest plugin needs it for every test."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from pathlib import Path

SUFFIX = ".jsonl"
_LONGEST = 200
"""Bytes of a name: file systems end at 255, some that encrypt much before."""
_UNSAFE = re.compile(r"[^A-Za-z0-9._\-\[\]]")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(name: str) -> str:
    """A name that every file system takes. What had to be changed or cut gets a digest, so that no two become the same."""
    safe = _UNSAFE.sub("_", name).rstrip(".") or "_"
    if _RESERVED.fullmatch(safe):
        safe = f"_{safe}"
    if safe == name and len(name) <= _LONGEST:
        return name
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=5).hexdigest()
    return f"{safe[: _LONGEST - 11]}-{digest}"


def tapes_folder(test_file: Path, root: Path, configured: str) -> Path:
    """`tapes` beside the test file, or the same place below a folder that was configured."""
    if not configured:
        return test_file.parent / "tapes"
    folder = root / configured
    return folder / test_file.parent.relative_to(root) if test_file.parent.is_relative_to(root) else folder


def tape_path(folder: Path, module: str, test: str, name: str | None) -> Path:
    """The tape that a marker names, or `{module}/{Class.test[param]}.jsonl`."""
    return folder / safe_name(module) / f"{safe_name(test)}{SUFFIX}" if name is None else folder / name


def orphans(claimed: Iterable[str], folders: Iterable[str]) -> list[str]:
    """The tapes in these folders that are not claimed."""
    known = set(map(os.path.realpath, claimed))
    return [tape for tape in tapes_in(folders) if os.path.realpath(tape) not in known]


def tapes_in(folders: Iterable[str]) -> list[str]:
    """All tapes in these folders, and in folders of theirs."""
    return sorted({str(path) for folder in folders for path in Path(folder).rglob(f"*{SUFFIX}*") if path.is_file()})
