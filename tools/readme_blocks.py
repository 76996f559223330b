"""The fenced blocks of a Markdown document, for tests/repo/test_readme.py, which runs them.

    python tools/readme_blocks.py README.md     # what would be run
"""

from __future__ import annotations

import re
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"(?P<indent> *)(?P<fence>`{3,}|~{3,}) *(?P<info>[^`]*)")


class Block(NamedTuple):
    language: str
    options: frozenset[str]
    line: int  # of the block's first line of code, counted from 1
    code: str


def blocks(text: str) -> list[Block]:
    """All fenced blocks in order. `options` are the words after the language, such as `no-run`."""
    found: list[Block] = []
    lines = iter(enumerate(text.split("\n"), start=1))
    for number, line in lines:
        if not (opening := _FENCE.fullmatch(line)):
            continue
        # The closing fence is at least as long as the opening one, and says nothing.
        closing = re.compile(rf" *{re.escape(opening['fence'])}{re.escape(opening['fence'][0])}* *")
        code: list[str] = []
        for _, inside in lines:
            if closing.fullmatch(inside):
                break
            code.append(inside)
        else:
            raise ValueError(f"line {number}: this block is never closed")
        language, *options = opening["info"].split() or [""]
        found.append(Block(language, frozenset(options), number + 1, textwrap.dedent("\n".join(code))))
    return found


def commands(block: Block, program: str = "tvstreamer") -> list[str]:
    """The `$ tvstreamer ...` lines of a console block, without the prompt; a backslash at the end joins lines."""
    joined = block.code.replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.split("\n") if re.match(rf"\$ {re.escape(program)}( |$)", line)]


if __name__ == "__main__":
    for name in sys.argv[1:]:
        for block in blocks(Path(name).read_text(encoding="utf-8")):
            print(f"{name}:{block.line}: {block.language} {' '.join(sorted(block.options))}".rstrip())
