"""`import tvstreamer` does next to nothing, and every name that it promises is there."""

from __future__ import annotations

import ast
import inspect
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import tvstreamer
import tvstreamer.testing

SRC = Path(tvstreamer.__file__).parents[1]

# Watches an import from inside a fresh interpreter: an audit hook sees every file opened, thread begun, socket made.
WATCH = """
import json, logging, sys
before, seen = set(sys.modules), []
root = (logging.root.level, list(logging.root.handlers))

def watch(event, args):
    if event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"):
        seen.append(f"opens {args[0]}")
    elif event.startswith(("_thread.start", "socket.", "subprocess.", "os.mkdir", "os.fork")):
        seen.append(event)

sys.addaudithook(watch)
import tvstreamer
json.dump({
    "modules": sorted(set(sys.modules) - before),
    "seen": seen,
    "handlers": [type(handler).__name__ for handler in logging.getLogger("tvstreamer").handlers],
    "root_untouched": root == (logging.root.level, list(logging.root.handlers)),
}, sys.stdout)
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    # -B, since the interpreter's own byte code files are not what this is about.
    run = subprocess.run(
        [sys.executable, "-B", "-c", WATCH],
        cwd=tmp_path_factory.mktemp("empty"),
        env={**os.environ, "PYTHONPATH": str(SRC)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    seen: dict[str, object] = json.loads(run.stdout)
    return seen


def test_importing_loads_no_third_party_module(imported: dict[str, list[str]]) -> None:
    loaded = {name.partition(".")[0] for name in imported["modules"]}
    assert "tvstreamer" in loaded
    assert loaded - set(sys.stdlib_module_names) == {"tvstreamer"}


def test_importing_loads_none_of_our_own_modules(imported: dict[str, list[str]]) -> None:
    assert [name for name in imported["modules"] if name.startswith("tvstreamer.")] == []


def test_importing_writes_no_file_and_starts_nothing(imported: dict[str, list[str]]) -> None:
    assert imported["seen"] == []


def test_importing_leaves_logging_silent(imported: dict[str, object]) -> None:
    assert imported["handlers"] == ["NullHandler"]
    assert imported["root_untouched"]


@pytest.mark.parametrize("name", tvstreamer.__all__)
def test_every_name_of_the_facade_is_there(name: str) -> None:
    assert getattr(tvstreamer, name) is not None
    assert name in dir(tvstreamer)


@pytest.mark.parametrize("facade", [tvstreamer, tvstreamer.testing], ids=lambda module: module.__name__)
def test_what_a_facade_promises_is_what_it_finds_and_what_type_checkers_read(facade: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(facade))
    # As a type checker reads it, which does not run code.
    listed = next(ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__")
    typed = [alias.name for node in ast.walk(tree) if isinstance(node, ast.If) for each in node.body if isinstance(each, ast.ImportFrom) for alias in each.names]
    found = sorted(facade._HOME_OF)
    assert sorted(set(listed) - {"__version__"}) == sorted(typed) == found
    assert len(set(listed)) == len(listed)


STAR = """
import json, sys
for name in json.loads(sys.argv[2]):
    sys.modules[name] = None
names = {}
exec(f"from {sys.argv[1]} import *", names)
json.dump(sorted(set(names) - {"__builtins__"}), sys.stdout)
"""
OPTIONAL = ["httpx", "hypothesis", "keyring", "pyarrow", "_pytest", "pytest", "trustme", "tzdata", "typer", "vcr"]


@pytest.mark.parametrize(
    ("facade", "absent", "without"),
    [
        (tvstreamer, OPTIONAL, set()),
        (tvstreamer.testing, [], set()),
        (tvstreamer.testing, ["hypothesis"], {"TradingViewMachine"}),
        (tvstreamer.testing, ["vcr"], {"TapePersister"}),
        (tvstreamer.testing, OPTIONAL, {"TapePersister", "TapeWarning", "TradingViewMachine"}),
    ],
    ids=lambda value: value.__name__ if isinstance(value, ModuleType) else None,
)
def test_all_of_a_facade_that_is_installed_can_be_had_at_once(facade: ModuleType, absent: list[str], without: set[str]) -> None:
    words = [sys.executable, "-c", STAR, facade.__name__, json.dumps(absent)]
    run = subprocess.run(words, env={**os.environ, "PYTHONPATH": str(SRC)}, capture_output=True, text=True, timeout=60, check=True)
    assert set(json.loads(run.stdout)) == set(facade.__all__) - without


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'tvstreamer' has no attribute 'Candle'"):
        _ = tvstreamer.Candle
