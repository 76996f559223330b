"""Tools for tests of your own: nothing in here is needed to stream, and nothing is imported until you ask for it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME_OF = {"VirtualClock": "tvstreamer.clock"}

__all__ = ["VirtualClock"]

if TYPE_CHECKING:
    from tvstreamer.clock import VirtualClock


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
