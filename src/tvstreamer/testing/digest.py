"""The digest of a replay: one line that stands for every event of it.

A tape gives the same events in each run, at each speed, in the caller's thread or another, played whole. So the SHA-256 of their
JSON lines is a fact about the tape; when it changes, something that makes events has changed, or does not always do the same.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tvstreamer.errors import InvalidPlan, shorten
from tvstreamer.events import Event
from tvstreamer.wsclient import TvWSClient

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class EventDigest:
    """The SHA-256 of the JSON lines of the events that were added, each with its line's end."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self.count = 0

    def add(self, event: Event) -> None:
        self._sha.update(event.to_json() + b"\n")
        self.count += 1

    def __str__(self) -> str:
        return self._sha.hexdigest()


def events_digest(events: Iterable[Event]) -> str:
    """The digest of any events."""
    return str(_digest(events))


def event_log(tape: str | os.PathLike[str], subscriptions: object = (), **options: Any) -> Iterator[bytes]:
    """The canonical log of a replay: each event as a line of JSON, without the line's end.

    Without subscriptions the tape is played whole, else what they ask for. `options` are those of `TvWSClient`: `speed`,
    `threaded`, `faults`, `begin`, `end`, ...
    """
    with TvWSClient(subscriptions, source=Path(tape), **options) as client:
        for event in client.stream():
            yield event.to_json()


def replay_digest(tape: str | os.PathLike[str], subscriptions: object = (), **options: Any) -> str:
    """The digest of a replay, as `tvstreamer replay --digest` prints it for a tape that is played whole."""
    return str(_replayed(tape, subscriptions, options))


def assert_replay_digest(tape: str | os.PathLike[str], expected: str, subscriptions: object = (), **options: Any) -> None:
    """Replays a tape and compares the digest. Raises `AssertionError`, or `InvalidPlan` where `expected` is no digest."""
    if not _SHA256.fullmatch(expected):
        raise InvalidPlan(f"digest {shorten(expected)}: expected 64 hexadecimal digits, as replay --digest prints")
    digest = _replayed(tape, subscriptions, options)
    if str(digest) != expected.lower():
        raise AssertionError(
            f"replay of {os.fspath(tape)}: expected the digest {expected.lower()},"
            f" got {digest} of {digest.count} events; to see them: tvstreamer replay {os.fspath(tape)}"
        )


def _replayed(tape: str | os.PathLike[str], subscriptions: object, options: dict[str, Any]) -> EventDigest:
    with TvWSClient(subscriptions, source=Path(tape), **options) as client:
        return _digest(client.stream())


def _digest(events: Iterable[Event]) -> EventDigest:
    digest = EventDigest()
    for event in events:
        digest.add(event)
    return digest
