"""Settings of a client: what is refused, and what is not shown."""

from __future__ import annotations

from typing import Any

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.protocol.settings import Settings, check_timezone, is_nobodys


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("n_init_bars", 0, "a whole number from 1 to 1000000"),
        ("n_init_bars", 2.0, "a whole number from 1 to 1000000"),
        ("on_gap", "ignore", "one of fill, yield, raise"),
    ],
)
def test_settings_out_of_range_are_refused_with_their_value(option: str, value: Any, expected: str) -> None:
    with pytest.raises(InvalidPlan, match=f"{option} {value!r}: expected {expected}"):
        Settings(**{option: value})


@pytest.mark.parametrize("name", ["exchange", "Etc/UTC", "America/New_York", "America/Argentina/Buenos_Aires", "Etc/GMT+3"])
def test_a_time_zone_is_a_name(name: str) -> None:
    check_timezone(name)
    assert Settings(timezone=name).timezone == name


@pytest.mark.parametrize("name", ["", "+03:00", "Europe/", "a b", "x" * 100, 3, ["Etc/UTC"]])
def test_another_time_zone_is_refused(name: Any) -> None:
    with pytest.raises(InvalidPlan, match=r"timezone .*: expected a name such as America/New_York, Etc/UTC or exchange"):
        Settings(timezone=name)


def test_a_token_is_not_shown() -> None:
    assert repr(Settings(token="secret", n_init_bars=7)) == "Settings(n_init_bars=7)"


@pytest.mark.parametrize(
    ("token", "nobodys"),
    [("unauthorized_user_token", True), ("widget_user_token", True), ("widget_user_token.x", True), ("eyJhbGciOi", False), ("", False)],
)
def test_a_token_that_proves_nothing_is_nobodys(token: str, nobodys: bool) -> None:
    assert is_nobodys(token) is nobodys
