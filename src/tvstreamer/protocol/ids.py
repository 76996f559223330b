"""Ids that a client chooses: sessions, series, studies, symbol aliases and turnarounds, drawn from an injected `Random`.

A session id is a prefix, a purpose and 12 random characters, as the browser writes them (`qs_multiplexer_full_...`, seen
2025-12-18). The purpose is ours to choose and travels with the id, so a recording tells what each session was for.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

TICKS, QUOTES, FULL, SNAPSHOT = "ticks", "quotes", "full", "snapshot"
"""What quote sessions are for: ticks, whole quotes, both, and whole quotes once."""
AGAIN = "again"
"""The purpose of a chart session whose series stands for one that was not answered."""

_ALPHABET = string.ascii_letters + string.digits
_LENGTH = 12


class IdSource:
    """Hands out ids that do not repeat within one client."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._series = self._studies = 0

    def session(self, prefix: str, purpose: str = "") -> str:
        """`PREFIX_PURPOSE_` and 12 random letters and digits; `prefix` is `cs`, `qs` or `rs`."""
        middle = f"{purpose}_" if purpose else ""
        return f"{prefix}_{middle}{''.join(self._rng.choices(_ALPHABET, k=_LENGTH))}"

    def series(self) -> tuple[str, str, str]:
        """A series id, its turnaround and its symbol alias: `sds_1`, `s1`, `sds_sym_1`, and so on."""
        self._series += 1
        return f"sds_{self._series}", f"s{self._series}", f"sds_sym_{self._series}"

    def study(self) -> str:
        """A study's id, which is its turnaround too: `st1`, `st2`, and so on."""
        self._studies += 1
        return f"st{self._studies}"


def is_for_ticks(session: str) -> bool:
    """Whether a quote session is there for ticks alone, as one is that says nothing else."""
    return purpose(session) not in (QUOTES, FULL, SNAPSHOT)


def purpose(session: str) -> str:
    """The purpose inside a session id; "" where it has none."""
    parts = session.split("_")
    return "_".join(parts[1:-1])
