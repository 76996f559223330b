"""In which pieces the bytes of a frame are written."""

from __future__ import annotations

import random

import pytest

from tvstreamer.faults.wire import FirstHalf, LimitedRate, Piece, Slices, writes

FRAME = bytes(range(256)) * 4


def test_without_treatment_a_frame_is_one_piece() -> None:
    assert writes(FRAME, ()) == [Piece(FRAME, 0.0)]


def test_slices_are_of_the_average_size_more_or_less_and_pause_after_each() -> None:
    pieces = writes(FRAME, [Slices(50, 20, 0.01, random.Random(1))])
    assert b"".join(piece.data for piece in pieces) == FRAME
    assert all(30 <= len(piece.data) <= 70 for piece in pieces[:-1])
    assert len({len(piece.data) for piece in pieces}) > 5
    assert {piece.pause for piece in pieces} == {0.01}


def test_a_slice_has_at_least_one_byte() -> None:
    pieces = writes(b"abcdef", [Slices(1, 5, 0.0, random.Random(1))])
    assert b"".join(piece.data for piece in pieces) == b"abcdef"
    assert all(piece.data for piece in pieces)


@pytest.mark.parametrize("rate", [0.001, 0.4, 7, 1000])
def test_a_limited_rate_takes_as_long_as_the_bytes_need(rate: float) -> None:
    pieces = writes(FRAME, [LimitedRate(rate)])
    assert b"".join(piece.data for piece in pieces) == FRAME
    assert sum(piece.pause for piece in pieces) == pytest.approx(len(FRAME) / (rate * 1000))
    assert all(len(piece.data) <= max(1, rate * 1000 / 20) for piece in pieces)


def test_treatments_add_up() -> None:
    pieces = writes(FRAME, [Slices(100, 0, 0.5, random.Random(1)), LimitedRate(1)])
    assert b"".join(piece.data for piece in pieces) == FRAME
    assert sum(piece.pause for piece in pieces) == pytest.approx(1.024 + 11 * 0.5)
    again = writes(FRAME, [LimitedRate(1), Slices(100, 0, 0.5, random.Random(1))])
    assert sum(piece.pause for piece in again) == pytest.approx(1.024 + len(again) * 0.5)


def test_of_a_frame_that_is_cut_only_the_first_half_is_written() -> None:
    assert writes(b"abcdefg", [FirstHalf()]) == [Piece(b"abc")]
    assert writes(b"abcdefg", [Slices(2, 0, 0.1, random.Random(1)), FirstHalf()]) == [Piece(b"abc")]
