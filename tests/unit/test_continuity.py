"""What the books say of a series: what was to be expected, what came, what is missing and whether the consumer knows."""

from __future__ import annotations

import pytest

from tvstreamer.continuity import Hole, Ledger, Track, Verdict

NAMES = ("EX:SYM", "1")


def books(shown: list[float], delivered: list[float]) -> Track:
    track = Track(*NAMES)
    for time in shown:
        track.shown(time)
    for time in delivered:
        track.delivered(time)
    return track


def hole(start: float, end: float, bars: int | None, *, reported: bool) -> Hole:
    return Hole(*NAMES, start, end, bars, reported)


def test_empty_books_are_in_order() -> None:
    track = books([], [])
    assert track.verify() == Verdict(expected=0, delivered=0)
    assert track.newest is None
    assert Ledger().verify()


def test_the_newest_bar_is_not_expected_as_it_still_forms() -> None:
    track = books([0, 60, 120], [0, 60])
    assert track.newest == 120
    assert track.verify() == Verdict(expected=2, delivered=2)


def test_the_newest_bar_counts_once_the_clock_has_closed_it() -> None:
    assert books([0, 60], [0, 60]).verify() == Verdict(expected=2, delivered=2)


def test_a_bar_shown_and_not_delivered_is_a_hole_up_to_the_next_one() -> None:
    verdict = books([0, 60, 300, 360], [0, 300]).verify()
    assert verdict.holes == (hole(60, 300, 1, reported=False),)
    assert not verdict


def test_neighbours_are_one_hole_and_others_are_two() -> None:
    assert books([0, 60, 120, 180, 240, 300], [60, 240]).verify().holes == (
        hole(0, 60, 1, reported=False),
        hole(120, 240, 2, reported=False),
    )


def test_a_hole_at_the_end_reaches_to_the_newest_bar_shown() -> None:
    assert books([0, 60, 120], [0]).verify().holes == (hole(60, 120, 1, reported=False),)


def test_a_hole_behind_which_nothing_was_shown_has_an_end_all_the_same() -> None:
    assert books([0], [60]).verify().holes == (hole(0, 1, 1, reported=False),)


def test_bars_that_are_shown_in_any_order_are_expected_in_order_of_time() -> None:
    track = books([120, 0, 60, 60], [0, 60])
    assert list(track.expected()) == [0, 60]
    assert track.verify()


def test_a_hole_that_a_gap_has_told_of_is_reported() -> None:
    track = books([0, 60, 120, 180], [0])
    track.reported(60, 180)
    assert track.verify().holes == (hole(60, 180, 2, reported=True),)


def test_a_hole_is_divided_where_the_gap_that_told_of_it_ends() -> None:
    track = books([0, 60, 120, 180], [0])
    track.reported(60, 120)
    assert track.verify().holes == (hole(60, 120, 1, reported=True), hole(120, 180, 1, reported=False))


def test_a_gap_that_was_filled_leaves_no_hole() -> None:
    track = books([0, 60, 120], [0, 60])
    track.reported(60, 120)
    assert track.verify()


def test_what_the_server_does_not_show_is_a_hole_of_unknown_size() -> None:
    track = books([0, 60, 600, 660], [0, 600])
    track.unseen(120, 600)
    assert track.verify().holes == (hole(60, 600, 1, reported=False), hole(120, 600, None, reported=True))


def test_what_is_shown_after_all_speaks_for_itself() -> None:
    track = books([0, 600, 660], [0, 600])
    track.unseen(60, 600)
    track.shown(300)
    assert track.verify().holes == (hole(300, 600, 1, reported=True),)


def test_a_bar_delivered_twice_is_repeated() -> None:
    verdict = books([0, 60, 120], [0, 60, 0]).verify()
    assert verdict.repeated == ((*NAMES, 0),)
    assert not verdict


def test_a_bar_delivered_behind_a_later_one_is_misplaced_and_no_hole() -> None:
    verdict = books([0, 60, 120, 180], [0, 120, 60]).verify()
    assert verdict.misplaced == ((*NAMES, 60),)
    assert verdict.holes == ()
    assert not verdict


def test_clearing_begins_the_books_anew() -> None:
    track = books([0, 60, 120], [60, 60, 0])
    track.unseen(200, 300)
    track.clear()
    assert track.verify() == Verdict(expected=0, delivered=0)
    track.shown(0)
    track.shown(60)
    assert track.verify().holes == (hole(0, 60, 1, reported=False),), "and no old gap tells of it"


def test_the_ledger_adds_up_all_series() -> None:
    ledger = Ledger()
    one, two = ledger.open("EX:ONE", "1"), ledger.open("EX:TWO", "5")
    for time in (0, 60, 120):
        one.shown(time)
        two.shown(time)
    one.delivered(60)
    two.delivered(0)
    two.delivered(60)
    two.delivered(60)
    assert ledger.verify() == Verdict(
        expected=4, delivered=3, holes=(Hole("EX:ONE", "1", 0, 60, 1, False),), repeated=(("EX:TWO", "5", 60),)
    )
    one.delivered(0)
    assert ledger.verify().misplaced == (("EX:ONE", "1", 0),)


@pytest.mark.parametrize(
    ("verdict", "text"),
    [
        (Verdict(3, 3), "3 of 3 expected bars delivered, each once and in order"),
        (Verdict(3, 2, (hole(60, 120, 1, reported=True),)), "EX:SYM 1: 1 bars missing from 60 to 120"),
        (Verdict(3, 2, (hole(60, 120, 1, reported=False),)), "EX:SYM 1: 1 bars missing from 60 to 120, unreported"),
        (
            Verdict(3, 2, (hole(60, 120, None, reported=True),)),
            "EX:SYM 1: an unknown number of bars missing from 60 to 120",
        ),
        (
            Verdict(3, 3, (), ((*NAMES, 60.0),), ((*NAMES, 0.0),)),
            "EX:SYM 1: the bar of 60 came twice; EX:SYM 1: the bar of 0 came late",
        ),
    ],
)
def test_a_verdict_says_what_is_wrong(verdict: Verdict, text: str) -> None:
    assert str(verdict) == text


def test_books_show_how_much_they_hold() -> None:
    ledger = Ledger()
    track = ledger.open(*NAMES)
    track.shown(0)
    assert repr(track) == "<Track EX:SYM 1, 1 shown, 0 delivered>"
    assert repr(ledger) == "<Ledger of 1 series>"
