"""What all tests share: hypothesis' profiles, the folder of real captures, and whose test covers which line."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ["pytester"]
ROOT = Path(__file__).resolve().parent.parent

# Examples are slow to make under coverage and on a busy machine, which says nothing about the code.
_PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", _PATIENT, max_examples=30)
# The same examples for the same code: a run that is to say whether a change is good must not depend on luck. The others find more.
settings.register_profile("ci", _PATIENT, max_examples=150, print_blob=True, derandomize=True)
settings.register_profile("night", _PATIENT, max_examples=5_000, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI", "") not in ("", "0", "false") else "dev")


@pytest.fixture(scope="session")
def captures() -> Path:
    """The folder of real captures. They are other people's data and not part of the project, so it may be absent."""
    folder = Path(os.environ.get("TVSTREAMER_CAPTURES") or ROOT.parent / "shared" / "captures")
    if not folder.is_dir():
        pytest.skip("no captures: set TVSTREAMER_CAPTURES to the folder that holds them")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Under coverage, notes which test file ran which line; tools/module_coverage.py reads it."""
    if "coverage" in sys.modules and (measuring := sys.modules["coverage"].Coverage.current()):
        measuring.switch_context(item.path.relative_to(ROOT).as_posix())
    return (yield)
