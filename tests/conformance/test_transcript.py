"""An observed transport keeps the promises of what is observed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tvstreamer.clock import SystemClock
from tvstreamer.testing.conformance import OtherEnd, Pair, check_transport
from tvstreamer.testing.transcript import Observer
from tvstreamer.transports.memory import pair


def test_an_observed_end_of_a_pair_keeps_every_promise() -> None:
    @contextmanager
    def make() -> Iterator[Pair]:
        left, right = pair(SystemClock())
        yield Observer().observed(lambda: left)(), OtherEnd(right)

    assert check_transport(make) == []
