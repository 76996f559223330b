"""The names of the record modes."""

from __future__ import annotations

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.testing.modes import MODES, checked_mode


def test_a_mode_is_one_of_six_words() -> None:
    assert [checked_mode(mode) for mode in MODES] == ["none", "once", "new_episodes", "all", "rewrite", "verify"]


@pytest.mark.parametrize("mode", ["any", "", None, 1])
def test_a_wrong_mode_names_the_right_ones(mode: object) -> None:
    with pytest.raises(InvalidPlan, match=f"record mode {mode!r}: expected one of none, once, new_episodes"):
        checked_mode(mode)
