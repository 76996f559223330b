"""What becomes of the bytes of one WebSocket frame: in which pieces they are written, and how long to wait after each.

Only who has the bytes in his hands can do this, which is the fake server on a port; it asks `writes`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from random import Random

_BEATS = 20
"""Pieces that a limited rate writes in one second."""


class Piece(NamedTuple):
    """Bytes to write at once, and the seconds to wait then."""

    data: bytes
    pause: float = 0.0


class Treatment(Protocol):
    """What one fault does to the pieces of a frame."""

    def __call__(self, pieces: Iterable[Piece]) -> list[Piece]: ...


class Slices:
    """Cuts into slices of a size that varies, with a pause behind each."""

    def __init__(self, average_size: int, size_variation: int, delay: float, rng: Random) -> None:
        self._average = average_size
        self._variation = size_variation
        self._delay = delay
        self._rng = rng

    def __call__(self, pieces: Iterable[Piece]) -> list[Piece]:
        cut: list[Piece] = []
        for data, pause in pieces:
            start = 0
            while start < len(data):
                size = max(1, self._average + self._rng.randint(-self._variation, self._variation))
                cut.append(Piece(data[start : start + size], self._delay))
                start += size
            cut[-1] = Piece(cut[-1].data, cut[-1].pause + pause)
        return cut


class LimitedRate:
    """Lets not more than `rate` KB pass in a second."""

    def __init__(self, rate: float) -> None:
        self._rate = rate * 1000

    def __call__(self, pieces: Iterable[Piece]) -> list[Piece]:
        size = max(1, int(self._rate / _BEATS))
        return [
            Piece(part, len(part) / self._rate + (pause if start + size >= len(data) else 0.0))
            for data, pause in pieces
            for start in range(0, len(data), size)
            for part in [data[start : start + size]]
        ]


class FirstHalf:
    """Keeps the first half: the connection breaks before the rest."""

    def __call__(self, pieces: Iterable[Piece]) -> list[Piece]:
        data = b"".join(piece.data for piece in pieces)
        return [Piece(data[: len(data) // 2])]


def writes(frame: bytes, treatments: Iterable[Treatment]) -> list[Piece]:
    """The pieces in which a frame is to be written."""
    pieces = [Piece(frame)]
    for treatment in treatments:
        pieces = treatment(pieces)
    return pieces
