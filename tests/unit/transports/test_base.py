from __future__ import annotations

import pytest

from tvstreamer.errors import TransportBusy
from tvstreamer.transports.base import OneReader


def test_a_second_reader_is_turned_away_while_the_first_reads() -> None:
    reader = OneReader()
    with reader.reading():
        with pytest.raises(TransportBusy, match="another thread"), reader.reading():
            pass


def test_a_reader_that_failed_makes_room_for_the_next() -> None:
    reader = OneReader()
    with pytest.raises(ValueError, match="broken"), reader.reading():
        raise ValueError("broken")
    with reader.reading():
        pass
