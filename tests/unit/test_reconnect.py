"""When a client tries again, and when it gives up."""

from __future__ import annotations

import math
import random

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.reconnect import Backoff, ReconnectPolicy


def backoff(**options: float | None) -> Backoff:
    """One that lost its connection at 100, and leaves nothing to chance unless told to."""
    made = Backoff(ReconnectPolicy(**{"jitter": 0.0, **options}), random.Random(1))  # type: ignore[arg-type]
    made.lost(100.0)
    return made


def delays(made: Backoff, count: int) -> list[float | None]:
    """The first delays of attempts that are made at once, without a server's wish."""
    moments = [made.next_attempt(100.0) for _ in range(count)]
    return [None if moment is None else moment - 100.0 for moment in moments]


def test_each_delay_is_a_multiple_of_the_one_before_up_to_the_maximum() -> None:
    assert delays(backoff(initial=0.5, factor=2.0, maximum=3.0), 5) == [0.5, 1.0, 2.0, 3.0, 3.0]


def test_a_slow_growth_reaches_the_maximum_too() -> None:
    assert delays(backoff(initial=1.0, factor=1.01, maximum=30.0), 400)[-1] == 30.0


def test_a_fast_growth_never_overflows() -> None:
    assert delays(backoff(initial=1.0, factor=1e9, maximum=30.0), 100)[1:] == [30.0] * 99
    assert delays(backoff(initial=0.0, factor=1e9, maximum=30.0), 100) == [0.0] * 100


def test_jitter_shortens_a_delay_by_its_share_at_the_most() -> None:
    found = delays(backoff(initial=8.0, factor=1.0, jitter=0.25), 200)
    assert all(delay is not None and 6.0 <= delay <= 8.0 for delay in found)
    assert len(set(found)) == 200


def test_the_server_is_obeyed_when_it_asks_for_more_time_and_only_then() -> None:
    assert backoff(initial=5.0).next_attempt(100.0, not_before=60.0) == 160.0
    assert backoff(initial=5.0).next_attempt(100.0, not_before=2.0) == 105.0


def test_a_server_that_asks_for_more_time_than_there_is_ends_the_attempts() -> None:
    assert backoff(total=50.0).next_attempt(100.0, not_before=50.0) == 150.0
    assert backoff(total=50.0).next_attempt(100.0, not_before=51.0) is None


def test_after_the_last_attempt_it_gives_up() -> None:
    made = backoff(attempts=2)
    assert [moment is None for moment in (made.next_attempt(100.0), made.next_attempt(101.0), made.next_attempt(102.0))] == [
        False, False, True
    ]  # fmt: skip
    assert made.attempts == 2, "an attempt that is not made does not count"


def test_the_last_attempt_is_made_when_the_time_is_over_and_none_after_it() -> None:
    made = backoff(initial=30.0, factor=1.0, total=50.0)
    assert made.next_attempt(100.0) == 130.0
    assert made.next_attempt(131.0) == 150.0
    assert made.next_attempt(150.0) is None


def test_without_limits_it_never_gives_up() -> None:
    assert backoff(total=None, attempts=None).next_attempt(1e9) == 1e9 + 0.5
    assert backoff(total=math.inf).next_attempt(1e9) == 1e9 + 0.5


def test_a_connection_that_lasted_makes_the_delays_begin_anew() -> None:
    made = backoff(initial=1.0, stable=10.0, total=50.0)
    delays(made, 4)
    made.connected(140.0)
    made.lost(150.0)
    assert (made.attempts, made.lost_at) == (0, 150.0)
    assert made.next_attempt(150.0) == 151.0


def test_a_connection_that_was_soon_lost_is_more_of_the_same_trouble() -> None:
    made = backoff(initial=1.0, stable=10.0, total=50.0)
    delays(made, 2)
    made.connected(140.0)
    made.lost(149.9)
    assert (made.attempts, made.lost_at) == (2, 100.0)
    assert made.next_attempt(149.0) == 150.0, "the time runs since the first loss"


def test_an_attempt_before_any_loss_counts_from_itself() -> None:
    made = Backoff(ReconnectPolicy(jitter=0.0, total=2.0), random.Random(1))
    assert made.next_attempt(7.0) == 7.5


def test_it_shows_how_long_the_trouble_lasts() -> None:
    made = backoff()
    made.next_attempt(100.0)
    assert repr(made) == "<Backoff 1 attempts since 100.0>"


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("initial", -0.1, "a number from 0 up"),
        ("factor", 0.9, "a number from 1 up"),
        ("maximum", math.nan, "a number from 0 up"),
        ("stable", -1, "a number from 0 up"),
        ("jitter", 1.1, "a number from 0 to 1"),
        ("jitter", math.nan, "a number from 0 to 1"),
        ("attempts", 0, "1 or more, or None"),
        ("total", 0.0, "a number of seconds above 0, or None"),
        ("total", math.nan, "a number of seconds above 0, or None"),
    ],
)
def test_a_policy_out_of_range_is_refused_with_its_value(option: str, value: float, expected: str) -> None:
    with pytest.raises(InvalidPlan, match=f"reconnect {option} {value!r}: expected {expected}"):
        ReconnectPolicy(**{option: value})  # type: ignore[arg-type]
