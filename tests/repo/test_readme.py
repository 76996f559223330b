"""Every `python` and `console` block of the README and the documents runs, offline, as a reader would run it.

Within one document, the python blocks share a namespace, and everything shares an empty working directory. A block
whose info string says `no-run` is left out.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from readme_blocks import Block, blocks, commands

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# Bash, so that pipes and redirections work; the function is what the installed script would call.
SHELL = 'set -o pipefail; tvstreamer() {{ "{python}" -m tvstreamer "$@"; }}; {command}'


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_shows_works(document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not document.exists():
        pytest.skip(f"there is no {document.name}")
    monkeypatch.chdir(tmp_path)
    # A reader's own token must not be used, and nothing here needs one.
    for name in [name for name in os.environ if name.startswith("TVSTREAMER_")]:
        monkeypatch.delenv(name)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(document.read_text(encoding="utf-8")):
        if "no-run" in block.options:
            continue
        if block.language == "python":
            run_python(document, block, namespace)
        elif block.language == "console":
            for command in commands(block):
                run_command(document, block, command)


def run_python(document: Path, block: Block, namespace: dict[str, object]) -> None:
    # The empty lines make a traceback show the document's own line numbers.
    code = compile("\n" * (block.line - 1) + block.code, str(document), "exec")
    exec(code, namespace)


def run_command(document: Path, block: Block, command: str) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("console blocks need bash")
    path = os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [bash, "-c", SHELL.format(python=sys.executable, command=command)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    place = f"{document.name}:{block.line}"
    printed = run.stdout[-2000:] + run.stderr[-4000:]
    assert run.returncode == 0, f"{place}: `{command}` exits with {run.returncode}\n{printed}"


@pytest.mark.parametrize("text", ["```python\nx = 1\n", "~~~\n```\n", "````\n```\n"])
def test_a_block_that_is_never_closed_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="line 1: this block is never closed"):
        blocks(text)


def test_blocks_are_found_with_their_language_options_and_line() -> None:
    text = "a\n\n```python no-run\nx\n```\n* item\n\n  ~~~console\n  $ tvstreamer demo\n  ~~~\n````\n```\n````\n"
    assert blocks(text) == [
        Block("python", frozenset({"no-run"}), 4, "x"),
        Block("console", frozenset(), 9, "$ tvstreamer demo"),
        Block("", frozenset(), 12, "```"),
    ]


def test_the_commands_of_a_console_block_are_its_prompts_for_tvstreamer() -> None:
    code = "$ tvstreamer replay a.jsonl \\\n    --speed max\n{}\n$ ls\n$ tvstreamer\n$ tvstreamer-x\ntvstreamer"
    assert commands(Block("console", frozenset(), 1, code)) == [
        "tvstreamer replay a.jsonl      --speed max",
        "tvstreamer",
    ]


def test_code_that_fails_is_told_with_the_documents_line(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_python(tmp_path / "README.md", Block("python", frozenset(), 7, "x = 1\nx / 0"), {})
    assert caught.traceback[-1].lineno + 1 == 8


def test_a_command_that_fails_is_told_with_its_place(tmp_path: Path) -> None:
    block = Block("console", frozenset(), 7, "$ tvstreamer --no-such-option")
    with pytest.raises(AssertionError, match=r"README\.md:7: `tvstreamer --no-such-option` exits with"):
        run_command(tmp_path / "README.md", block, "tvstreamer --no-such-option")
