from __future__ import annotations

import copy
import pickle

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.errors import InvalidInterval
from tvstreamer.intervals import Interval, Unit, canonical_interval
from tvstreamer.testing.strategies import intervals

SPELLINGS = {
    "1": ["1", "1m", "1min", "1minute", "1minutes", "m", "min", "01", " 1 ", "00001"],
    "5": ["5", "5m", "5min"],
    "60": ["60", "60m", "1h", "1H", "1hour", "1hours", "h", "H", "hour"],
    "240": ["240", "4h", "4H"],
    "1S": ["1S", "1s", "1sec", "1second", "1seconds", "S"],
    "1D": ["1D", "1d", "D", "d", "1day", "1days"],
    "1W": ["1W", "1w", "W", "week"],
    "1M": ["1M", "M", "1mo", "mo", "1month", "1months"],
    "10T": ["10T", "10t", "10tick", "10ticks"],
    "100R": ["100R", "100r", "100range"],
}


@pytest.mark.parametrize(("text", "wire"), [(text, wire) for wire, texts in SPELLINGS.items() for text in texts])
def test_every_accepted_spelling_has_one_wire_form(text: str, wire: str) -> None:
    assert canonical_interval(text) == wire


@given(intervals())
@example(Interval(99_999, "m"))
@example(Interval.parse("1666h"))
def test_the_wire_form_reads_back_as_the_same_interval(interval: Interval) -> None:
    assert Interval.parse(str(interval)) == interval


@given(st.text() | st.from_regex(r"\s?[0-9]{0,7}[A-Za-z]{0,8}\s?"))
@example("99999H")
def test_any_text_at_all_is_read_or_refused_by_value(text: str) -> None:
    try:
        interval = Interval.parse(text)
    except InvalidInterval as error:
        assert "expected a number of minutes" in str(error)
    else:
        assert Interval.parse(str(interval)) == interval


@pytest.mark.parametrize("text", ["", "XX", "0", "1.5"])
def test_what_is_no_interval_stays_as_it_is_where_that_will_do(text: str) -> None:
    assert canonical_interval(text) == text


@given(st.integers(1, 99_999))
def test_an_upper_case_m_is_months_and_never_minutes(count: int) -> None:
    months, minutes = Interval.parse(f"{count}M"), Interval.parse(f"{count}m")
    assert months != minutes
    assert (str(months), str(minutes)) == (f"{count}M", f"{count}")


@given(st.integers(1, 1_666))
def test_hours_are_sixty_minutes(count: int) -> None:
    assert Interval.parse(f"{count}H") == Interval.parse(count_text := str(count * 60))
    assert canonical_interval(f"{count}h") == count_text


@pytest.mark.parametrize(
    "text", ["", " ", "0", "0m", "-1", "1.5", "1Mo", "1MIN", "1x", "m1", "1 D", "100000", "1667h", "٣", "1\n2", 5, None]
)
def test_what_is_no_interval_is_refused_with_the_value_and_what_was_expected(text: object) -> None:
    with pytest.raises(InvalidInterval) as caught:
        Interval.parse(text)
    assert str(caught.value).startswith(f"interval {text!r}: expected a number of minutes")


@pytest.mark.parametrize(("count", "unit"), [(0, "m"), (-1, "D"), (100_000, "m"), (1, "H"), (1, "")])
def test_an_interval_made_by_hand_is_checked_too(count: int, unit: Unit) -> None:
    with pytest.raises(InvalidInterval, match="expected a number of minutes"):
        Interval(count, unit)


def test_an_interval_is_its_own_spelling() -> None:
    interval = Interval.parse("4H")
    assert Interval.parse(interval) is interval


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5S", 5), ("1", 60), ("4H", 14_400), ("1D", 86_400), ("2W", 1_209_600), ("1M", None), ("1T", None), ("5R", None)],
)
def test_length_in_seconds_is_known_where_it_is_fixed(text: str, seconds: int | None) -> None:
    assert Interval.parse(text).seconds == seconds


def test_days_weeks_and_months_are_not_intraday() -> None:
    assert {text for text in SPELLINGS if not Interval.parse(text).is_intraday} == {"1D", "1W", "1M"}


def test_equal_intervals_are_one_key() -> None:
    assert len({Interval.parse("60"), Interval.parse("1h"), Interval(60, "m")}) == 1
    assert Interval.parse("1D") != "1D"


def test_the_repr_names_the_wire_form() -> None:
    assert repr(Interval.parse("1h")) == "Interval('60')"


def test_an_interval_cannot_be_changed() -> None:
    with pytest.raises(AttributeError, match="count"):
        Interval.parse("1").count = 2  # type: ignore[misc]


def test_an_interval_can_be_copied_and_pickled() -> None:
    interval = Interval.parse("15")
    assert copy.deepcopy(interval) == pickle.loads(pickle.dumps(interval)) == interval
