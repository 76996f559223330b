"""Tools for tests of your own: nothing in here is needed to stream, and nothing is imported until you ask for it."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

_HOMES = {
    "tvstreamer.clock": ("VirtualClock",),
    "tvstreamer.testing.cassettes": ("TapePersister",),
    "tvstreamer.testing.digest": ("assert_replay_digest", "event_log", "replay_digest"),
    "tvstreamer.testing.goldens": ("assert_events", "update_goldens"),
    "tvstreamer.testing.harness": ("TapeWarning",),
    "tvstreamer.testing.machine": ("TradingViewMachine",),
    "tvstreamer.testing.scorecard": ("score_client",),
    "tvstreamer.testing.taping": ("UsedTape", "use_tape"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_NEEDS = {"TapePersister": "vcr", "TapeWarning": "pytest", "TradingViewMachine": "hypothesis"}
"""Names that are only there with a package which does not come with `tvstreamer` itself."""

__all__ = [
    "TapePersister",
    "TapeWarning",
    "TradingViewMachine",
    "UsedTape",
    "VirtualClock",
    "assert_events",
    "assert_replay_digest",
    "event_log",
    "replay_digest",
    "score_client",
    "update_goldens",
    "use_tape",
]

if TYPE_CHECKING:
    from tvstreamer.clock import VirtualClock
    from tvstreamer.testing.cassettes import TapePersister
    from tvstreamer.testing.digest import assert_replay_digest, event_log, replay_digest
    from tvstreamer.testing.goldens import assert_events, update_goldens
    from tvstreamer.testing.harness import TapeWarning
    from tvstreamer.testing.machine import TradingViewMachine
    from tvstreamer.testing.scorecard import score_client
    from tvstreamer.testing.taping import UsedTape, use_tape
else:
    # `import *` takes what is there. Whoever asks for one of the others by its name is told what to install.
    __all__ = [name for name in __all__ if name not in _NEEDS or find_spec(_NEEDS[name])]


def __getattr__(name: str) -> Any:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(home), name)
