"""A recorder that is killed has lost nothing that it had flushed, and invented nothing. TVSTREAMER_KILLS=200 kills that many."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from kill_recorder import WAYS, Reference, Way, check, kill_one, make_reference

KILLS = int(os.environ.get("TVSTREAMER_KILLS") or len(WAYS))
LONGEST = 700
IN_THE_PIPE = 2_000
"""More event lines than a pipe holds that nobody has read."""


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    return make_reference(tmp_path_factory.mktemp("reference"), LONGEST + IN_THE_PIPE)


@pytest.mark.parametrize("number", range(KILLS))
def test_a_killed_recorder_leaves_a_tape_with_all_that_was_flushed(reference: Reference, tmp_path: Path, number: int) -> None:
    way = WAYS[number % len(WAYS)]
    left = kill_one(tmp_path, way, random.Random(number).randrange(1, LONGEST), reference)
    assert left.read > 0


def test_the_check_would_notice_a_lost_and_an_invented_record(tmp_path: Path) -> None:
    whole = make_reference(tmp_path, 500)
    lines = (tmp_path / "reference.jsonl").read_bytes().splitlines(keepends=True)[:-1]
    tape = tmp_path / "tape.jsonl"
    events = whole.events[:450]
    needed = next(number for number, count in enumerate([0, *whole.events_by]) if count >= 450)
    plain, always = Way(".jsonl"), Way(".jsonl", ("--fsync", "always"))

    tape.write_bytes(b"".join(lines[: 1 + needed]))
    assert check(tape, always, events, whole).behind == 0
    tape.write_bytes(b"".join(lines[:needed]))
    assert check(tape, plain, events, whole).behind == 1
    with pytest.raises(AssertionError, match="1 records are lost that events were read of"):
        check(tape, always, events, whole)
    tape.write_bytes(b"".join(lines[: needed - 3] + lines[needed - 2 : needed]))
    with pytest.raises(AssertionError, match="is not what was recorded"):
        check(tape, plain, events, whole)
    tape.write_bytes(b"".join(lines[:needed]))
    with pytest.raises(AssertionError, match="the events are not those of the reference"):
        check(tape, plain, [*events[1:]], whole)
