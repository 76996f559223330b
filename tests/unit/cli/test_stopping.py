"""Signals as a clean stop: a flag first, an exception for whoever cannot wait."""

from __future__ import annotations

import signal

import pytest

from tvstreamer.cli.stopping import Stopping

SIGNALS = [signal.SIGINT, signal.SIGTERM]


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_is_a_flag_and_the_second_an_exception(number: signal.Signals) -> None:
    with Stopping() as stopping:
        assert not stopping
        signal.raise_signal(number)
        assert stopping
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)


@pytest.mark.parametrize("number", SIGNALS)
def test_where_nothing_can_be_left_half_done_the_first_is_an_exception(number: signal.Signals) -> None:
    with Stopping(at_once=True) as stopping:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        assert stopping


def test_afterwards_signals_do_what_they_did_before() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Stopping():
        assert [signal.getsignal(number) for number in SIGNALS] != before
    assert [signal.getsignal(number) for number in SIGNALS] == before
