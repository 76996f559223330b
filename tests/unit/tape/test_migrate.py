"""Versions: which are read, and how an old line becomes a new one."""

from __future__ import annotations

from typing import Any

import pytest

from tvstreamer.errors import TapeVersionError
from tvstreamer.tape.format import VERSION
from tvstreamer.tape.migrate import STEPS, check_version, migrate


def test_the_present_version_and_those_before_it_are_read() -> None:
    assert [check_version(version) for version in range(1, VERSION + 1)] == list(range(1, VERSION + 1))


def test_a_newer_version_is_refused_and_the_message_says_what_this_release_reads() -> None:
    with pytest.raises(TapeVersionError, match=rf"tape version {VERSION + 1}: this release reads up to {VERSION}"):
        check_version(VERSION + 1)


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.0, None, [1]])
def test_what_is_no_version_is_refused(version: object) -> None:
    with pytest.raises(TapeVersionError, match="expected a whole number"):
        check_version(version)


def test_every_older_version_has_a_step_to_the_next() -> None:
    assert sorted(STEPS) == list(range(1, VERSION))


def test_steps_are_taken_one_after_the_other_from_the_lines_own_version() -> None:
    def first(line: dict[str, Any]) -> dict[str, Any]:
        return {"kind": line["k"]}

    def second(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, "new": True}

    steps = {1: first, 2: second}
    assert migrate({"k": "recv"}, 1, steps=steps, to=3) == {"kind": "recv", "new": True}
    assert migrate({"kind": "send"}, 2, steps=steps, to=3) == {"kind": "send", "new": True}
    assert migrate({"kind": "send"}, 3, steps=steps, to=3) == {"kind": "send"}
