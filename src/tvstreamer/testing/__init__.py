"""Tools for tests of your own: nothing in here is needed to stream, and nothing is imported until you ask for it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

_HOME_OF = {"UsedTape": "tvstreamer.testing.taping", "VirtualClock": "tvstreamer.clock", "use_tape": "tvstreamer.testing.taping"}

__all__ = ["UsedTape", "VirtualClock", "use_tape"]

if TYPE_CHECKING:
    from tvstreamer.clock import VirtualClock
    from tvstreamer.testing.taping import UsedTape, use_tape


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
