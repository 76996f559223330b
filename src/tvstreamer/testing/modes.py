"""The record modes by name. Light, as the pytest plugin knows them before anything else is imported."""

from __future__ import annotations

MODES = ("none", "once", "new_episodes", "all", "rewrite", "verify")


def checked_mode(mode: object) -> str:
    """The mode itself. Raises `InvalidPlan`, which names the right ones."""
    if isinstance(mode, str) and mode in MODES:
        return mode
    from tvstreamer.errors import InvalidPlan, shorten

    raise InvalidPlan(f"record mode {shorten(mode)}: expected one of {', '.join(MODES)}")
