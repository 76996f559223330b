"""History comes page by page, in order, each bar once, until it is enough or there is no more."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.errors import InvalidPlan, SeriesError
from tvstreamer.protocol import history
from tvstreamer.protocol.history import HistoryProgress, HistoryRequest
from tvstreamer.protocol.packets import BarValues


def asked(bars: int | None = None, seconds: int | None = 60, **span: float) -> HistoryRequest:
    request = HistoryRequest("EX:SYM", "1", seconds, bars, **span)
    request.opening(1e6)
    return request


def page(*times: float, close: float = 1.0) -> list[BarValues]:
    return [BarValues(time, 1.0, 2.0, 0.5, close, 3.0) for time in times]


def answer(request: HistoryRequest, times: Iterable[float], now: float | None = None, **details: Any) -> int:
    request.take(page(*times))
    return request.completed(details, now)


def told(request: HistoryRequest) -> list[float]:
    return [bar.time for bar in request.bars]


def test_enough_on_the_first_page_is_the_answer() -> None:
    request = asked(2)
    assert answer(request, [0, 60, 120]) == 0
    assert (told(request), request.complete, request.limit) == ([60, 120], True, None)


def test_pages_are_asked_for_until_there_are_enough() -> None:
    request = asked(12_000)
    assert answer(request, range(7_000, 12_000)) == 5_000
    assert not request.done
    assert answer(request, range(2_000, 7_000)) == 2_000
    assert answer(request, range(2_000)) == 0
    assert told(request) == list(range(12_000))
    assert (request.complete, request.pages) == (True, 3)


@pytest.mark.parametrize(
    ("details", "complete", "limit"),
    [({"data_completed": "end"}, True, None), ({"data_completed": "limit"}, False, "limit"), ({}, False, None)],
)
def test_fewer_than_asked_for_ends_with_the_word_of_the_server_or_with_a_page_that_brings_nothing(
    details: dict[str, Any], complete: bool, limit: str | None
) -> None:
    request = asked(500)
    assert answer(request, range(403)) == 97
    assert answer(request, [], **details) == 0
    assert (len(request.bars), request.complete, request.limit) == (403, complete, limit)


def test_a_page_without_a_single_bar_is_an_answer_too() -> None:
    request = asked(5)
    assert answer(request, []) == 0
    assert (request.bars, request.complete) == ([], False)


def test_overlapping_pages_are_merged_and_the_later_word_on_a_bar_holds() -> None:
    request = asked(3)
    request.take(page(60, 120, close=1.0))
    assert request.completed({}, None) == 1
    request.take(page(0, 60, close=1.5))
    assert request.completed({}, None) == 0
    assert [(bar.time, bar.close) for bar in request.bars] == [(0, 1.5), (60, 1.5), (120, 1.0)]


def test_a_bar_that_begins_meanwhile_takes_the_place_of_the_oldest() -> None:
    request = asked(3)
    answer(request, [60, 120])
    request.take(page(180))
    answer(request, [0])
    assert told(request) == [60, 120, 180]


def test_a_span_goes_from_its_start_up_to_its_end() -> None:
    request = asked(start=60, end=180)
    assert answer(request, [120, 180, 240]) == 5_000
    assert answer(request, [0, 60]) == 0
    assert (told(request), request.complete) == ([60, 120], True)
    assert all(bar.closed for bar in request.bars)


def test_a_page_that_begins_with_the_start_is_the_last_one() -> None:
    request = asked(start=60, end=180)
    assert answer(request, [60, 120, 180]) == 0
    assert (told(request), request.complete) == ([60, 120], True)


def test_a_span_that_begins_before_all_data_is_whole_when_the_server_says_so() -> None:
    request = asked(start=0)
    assert answer(request, [600, 660], data_completed="end") == 0
    assert (told(request), request.complete) == ([600, 660], True)


def test_the_newest_before_a_moment_are_counted_without_those_behind_it() -> None:
    request = asked(2, end=120)
    assert answer(request, [60, 120, 180]) == 1
    assert answer(request, [0]) == 0
    assert told(request) == [0, 60]


@pytest.mark.parametrize(("now", "closed"), [(None, False), (179.0, False), (180.0, True)])
def test_the_newest_bar_is_closed_by_the_clock_of_the_server(now: float | None, closed: bool) -> None:
    request = asked(2)
    answer(request, [60, 120], now)
    assert [(bar.closed, bar.closed_by) for bar in request.bars] == [
        (True, "successor"), (closed, "time" if closed else None)
    ]  # fmt: skip


def test_a_bar_without_a_length_is_never_closed_by_the_clock() -> None:
    request = asked(1, seconds=None)
    answer(request, [60], 1e9)
    assert not request.bars[0].closed


def test_what_is_said_first_is_what_the_wire_has_for_it() -> None:
    assert asked(300).opening(0) == (300, "")
    assert asked(50_000).opening(0) == (5_000, "")
    assert asked(20, end=1_000.5).opening(0) == (["bar_count", 1_001, 20], "")
    assert asked(start=10.5, end=20.5).opening(0) == (5_000, "r,10:21")
    assert asked(start=10).opening(1_000) == (5_000, "r,10:87400")
    assert asked(start=5_000).opening(-math.inf) == (5_000, "r,5000:91400")


def test_a_new_connection_begins_anew() -> None:
    request = asked(3)
    answer(request, [60, 120])
    request.opening(0)
    assert answer(request, [600, 660, 720]) == 0
    assert told(request) == [600, 660, 720]


def test_nobody_waits_for_the_answer_of_a_recorded_one() -> None:
    request = HistoryRequest.recorded("EX:SYM", "1")
    assert answer(request, [0]) == 0
    assert (request.done, request.bars, request.pages) == (True, [], 0)


def test_a_failure_is_the_answer_and_the_first_one_stands() -> None:
    request, first = asked(1), SeriesError("first")
    request.fail(first)
    request.fail(SeriesError("second"))
    assert request.error is first
    assert answer(request, [0]) == 0


def test_there_is_a_bound_to_what_is_kept() -> None:
    request = asked(start=0)
    assert answer(request, range(1, history.MOST_BARS + 1)) == 0
    assert (request.complete, request.limit) == (False, "1000000 bars")


def test_progress_is_told_in_bars_and_as_a_fraction() -> None:
    request = asked(4)
    assert request.progress == HistoryProgress(0, None, 0.0)
    answer(request, [60])
    assert request.progress == HistoryProgress(1, 60, 0.25)
    answer(request, [0, 30], data_completed="end")
    assert request.progress == HistoryProgress(3, 0, 1.0)
    span = asked(start=100, end=500)
    assert span.progress.fraction == 0.0
    answer(span, [400, 600])
    assert span.progress == HistoryProgress(1, 400, 0.25)
    future = asked(start=1_000)
    future.take(page(400))
    assert future.progress.fraction == 0.0


def test_its_repr_says_what_was_asked_for_and_how_far_it_is() -> None:
    request = asked(2)
    assert repr(request) == "<HistoryRequest 2 x EX:SYM 1: 0 rows so far>"
    answer(request, [0, 60])
    assert repr(request) == "<HistoryRequest 2 x EX:SYM 1: done>"
    assert repr(asked(start=60)) == "<HistoryRequest EX:SYM 1 from 60: 0 rows so far>"
    request = asked(start=60)
    request.fail(SeriesError("no"))
    assert repr(request).endswith(": failed>")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "expected either a number of bars or a start"),
        ({"bars": 1, "start": 5}, "expected either a number of bars or a start"),
        ({"bars": 0}, "history of 0 bars: expected a whole number from 1 to 1000000"),
        ({"bars": 1.5}, "history of 1.5 bars"),
        ({"bars": 1_000_001}, "history of 1000001 bars"),
        ({"start": -1}, "start -1: expected seconds since the epoch"),
        ({"start": math.nan}, "start nan"),
        ({"bars": 1, "end": math.inf}, "end inf"),
        ({"start": 60, "end": 60}, "from 60 to 60: expected a start before the end"),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_value(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidPlan, match=said):
        HistoryRequest("EX:SYM", "1", 60, **arguments)


@given(
    known=st.integers(0, 60),
    wanted=st.integers(1, 80),
    overlap=st.integers(0, 3),
    data=st.data(),
)
def test_however_the_pages_fall_the_answer_is_the_newest_of_what_there_is(
    known: int, wanted: int, overlap: int, data: st.DataObject
) -> None:
    """A server with `known` bars that gives pages of any size, some bars twice, and says when there are no more."""
    request = asked(wanted)
    oldest = known
    more = wanted
    while more:
        size = data.draw(st.integers(1, max(1, more)))
        first = max(0, oldest - size)
        rows = range(first, min(known, oldest + overlap))
        exhausted = first == oldest
        oldest = first
        more = answer(request, rows, **({"data_completed": "end"} if exhausted else {}))
    assert told(request) == list(range(max(0, known - wanted), known))
    assert request.complete
