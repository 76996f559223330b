"""What may be shown on a terminal of what somebody else has said."""

from __future__ import annotations


def plain(text: str) -> str:
    """A server's words on one line, and without anything that a terminal would obey."""
    return "".join(each if each.isprintable() else " " for each in text)
