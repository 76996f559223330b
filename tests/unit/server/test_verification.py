"""Expectations on the journal: what is met, and what a failure says."""

from __future__ import annotations

import pytest

from tvstreamer.errors import InvalidPlan, VerificationFailed
from tvstreamer.protocol.journal import JournalEntry
from tvstreamer.server.verification import Count, Expected, check_count, check_order

ENTRIES = [
    JournalEntry(1.0, "command", "chart_create_session", connection=1),
    JournalEntry(2.0, "command", "resolve_symbol", connection=1, symbols=("NASDAQ:AAPL",)),
    JournalEntry(3.0, "command", "create_series", connection=1, symbols=("NASDAQ:AAPL",), interval="1D"),
    JournalEntry(4.0, "rejected", "create_series", "invalid parameters"),
    JournalEntry(5.0, "command", "create_series", connection=2, symbols=("NASDAQ:MSFT",), interval="60"),
    JournalEntry(6.0, "reply", "du", connection=2),
]
ANY = Count(0, None)


@pytest.mark.parametrize(
    ("expected", "times"),
    [
        (Expected("create_series"), [3.0, 5.0]),
        (Expected("create_series", symbol="nasdaq:aapl"), [3.0]),
        (Expected("create_series", interval="1H"), [5.0]),
        (Expected("create_series", interval="D"), [3.0]),
        (Expected("create_series", interval="never"), []),
        (Expected("create_series", connection=2), [5.0]),
        (Expected("create_series", kind="rejected"), [4.0]),
        (Expected("du", kind="reply"), [6.0]),
        (Expected("create_series", symbol="NASDAQ:AAPL", interval="60"), []),
    ],
    ids=str,
)
def test_an_expectation_means_what_has_all_that_it_names(expected: Expected, times: list[float]) -> None:
    assert [entry.at for entry in check_count(ENTRIES, expected, ANY)] == times


@pytest.mark.parametrize(
    ("given", "allowed", "text"),
    [
        ((None, None, None), [1, 2, 9], "at least 1"),
        ((2, None, None), [2], "2"),
        ((0, None, None), [0], "0"),
        ((None, 2, None), [2, 9], "at least 2"),
        ((None, None, 1), [0, 1], "0 to 1"),
        ((None, 1, 2), [1, 2], "1 to 2"),
    ],
)
def test_numbers_are_exact_or_bounds_and_one_at_least_without_any(
    given: tuple[int | None, int | None, int | None], allowed: list[int], text: str
) -> None:
    count = Count.of(*given)
    assert [number for number in (0, 1, 2, 9) if count.allows(number)] == allowed
    assert str(count) == text


@pytest.mark.parametrize("given", [(-1, None, None), (1, 1, None), (1, None, 1), (None, 3, 2), (None, None, -2)])
def test_numbers_that_contradict_each_other_are_refused(given: tuple[int | None, int | None, int | None]) -> None:
    with pytest.raises(InvalidPlan, match="expected"):
        Count.of(*given)


def test_a_failure_is_an_assertion_that_shows_the_nearest_entries() -> None:
    with pytest.raises(AssertionError) as caught:
        check_count(ENTRIES, Expected("create_series", "NASDAQ:AAPL", "1H", 1), Count.of(None, None, None))
    failed = caught.value
    assert isinstance(failed, VerificationFailed)
    first, *lines = str(failed).splitlines()
    assert first == "expected at least 1 of command create_series NASDAQ:AAPL 1H on connection 1, found 0"
    assert "  connection 1, at 3.000: command create_series NASDAQ:AAPL 1D" in lines
    assert "  connection 2, at 6.000: reply du" not in lines


def test_too_many_are_shown_and_an_empty_journal_is_called_that() -> None:
    with pytest.raises(VerificationFailed, match="found 2") as caught:
        check_count(ENTRIES, Expected("create_series"), Count(1, 1))
    assert len(caught.value.nearest) == 2
    with pytest.raises(VerificationFailed, match="journal is empty"):
        check_count([], Expected("create_series"), Count(1, 1))


def test_an_order_allows_for_anything_in_between() -> None:
    found = check_order(ENTRIES, [Expected("chart_create_session"), Expected("create_series"), Expected("create_series")])
    assert [entry.at for entry in found] == [1.0, 3.0, 5.0]
    assert check_order(ENTRIES, []) == []


def test_an_order_that_was_not_kept_says_after_what() -> None:
    with pytest.raises(VerificationFailed) as caught:
        check_order(ENTRIES, [Expected("create_series"), Expected("resolve_symbol")])
    assert caught.value.expected == "command resolve_symbol after command create_series"
    assert caught.value.nearest == ["connection 1, at 2.000: command resolve_symbol NASDAQ:AAPL"]
    with pytest.raises(VerificationFailed, match="expected command dance, found none"):
        check_order(ENTRIES, [Expected("dance")])
