"""The script that tries other people's clients, as far as it goes without the network."""

from __future__ import annotations

import importlib.util
import shutil
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "third_party" / "run"


def load() -> ModuleType:
    loader = SourceFileLoader("third_party_run", str(SCRIPT))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_it_has_a_server_to_try_them_with() -> None:
    with load().serving("max") as url:
        assert url.startswith("ws://127.0.0.1:")


@pytest.mark.skipif(shutil.which("false") is None, reason="this system has no such program")
def test_without_a_server_no_client_is_blamed() -> None:
    with pytest.raises(SystemExit, match="tvstreamer serve did not start with false"):
        with load().serving("max", "false"):
            pass
