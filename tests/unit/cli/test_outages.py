"""What the command line says of an outage, and how its options are read."""

from __future__ import annotations

import pytest

from tvstreamer.cli.outages import describe, policy, tell, watchdogs
from tvstreamer.errors import InvalidPlan
from tvstreamer.events import (
    Connected,
    Disconnected,
    Event,
    Gap,
    Reconnected,
    SeriesFailed,
    Stalled,
    StudyFailed,
    SymbolFailed,
    Tick,
)
from tvstreamer.protocol.watchdogs import DEFAULT_WATCHDOGS
from tvstreamer.reconnect import ReconnectPolicy

TWO = 1_700_000_520.0
"""2023-11-14 22:22:00 UTC."""


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (Stalled(5.0, 1, "bytes", 25.0), "stalled: nothing came for 25 s"),
        (Stalled(5.0, 1, "heartbeats", 35.0), "stalled: no heartbeat came for 35 s"),
        (Stalled(5.0, 1, "progress", 180.0), "stalled: no data came for 180 s"),
        (Disconnected(5.0, 1, 1006, "connection lost"), "disconnected: 1006 connection lost"),
        (Disconnected(5.0, 1, 1001, ""), "disconnected: 1001"),
        (Reconnected(5.0, 2, 12.34), "reconnected after 12.3 s"),
        (Gap("EX:SYM", "1", TWO, TWO + 300, "disconnected", 5, 5), "gap EX:SYM 1: 22:22-22:27 filled 5/5"),
        (Gap("EX:SYM", "1", TWO, TWO + 300, "disconnected", 0, 5), "gap EX:SYM 1: 22:22-22:27 filled 0/5"),
        (
            Gap("EX:SYM", "1D", TWO, TWO + 86_400, "disconnected", None),
            "gap EX:SYM 1D: 2023-11-14 22:22-2023-11-15 22:22 not filled, the server does not go back that far",
        ),
        (
            Gap("EX:SYM", None, TWO + 1.5, TWO + 20, "stalled", None),
            "gap EX:SYM ticks: 22:22:01-22:22:20 not filled, ticks have no history",
        ),
        (SymbolFailed("EX:SYM", 5.0, "invalid symbol"), "refused EX:SYM: invalid symbol"),
        (SeriesFailed("EX:SYM", "5S", 5.0, "seconds_not_entitled"), "refused EX:SYM 5S: seconds_not_entitled"),
        (StudyFailed("EX:SYM", "1", "EMA:9", 5.0, "too\nmany\x1b[2J"), "refused EX:SYM 1 EMA:9: too many [2J"),
        (Connected(5.0, 1), None),
        (Tick("EX:SYM", 5.0, 1.0), None),
    ],
)
def test_an_outage_or_a_refusal_is_told_in_a_line_and_nothing_else_is(event: Event, line: str | None) -> None:
    assert describe(event) == line


def test_lines_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    tell(Reconnected(5.0, 2, 1.0))
    tell(Tick("EX:SYM", 5.0, 1.0))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "reconnected after 1.0 s\n")


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("2.5", 2.5), ("90s", 90.0), ("3m", 180.0), ("1h30m", 5400.0)])
def test_a_time_is_seconds_or_has_units(text: str, seconds: float) -> None:
    found = watchdogs(text)
    assert found is not None
    assert found.progress == seconds
    assert found.bytes == DEFAULT_WATCHDOGS.bytes
    assert policy(text) == ReconnectPolicy(total=seconds)


def test_words_switch_it_off_or_make_it_endless() -> None:
    assert (watchdogs(None), watchdogs("off")) == (DEFAULT_WATCHDOGS, None)
    assert (policy(None), policy("off"), policy("forever")) == (True, False, ReconnectPolicy(total=None))


@pytest.mark.parametrize("text", ["0", "0s", "soon", "5 m", "nan", "inf", "forever and ever", "1e3"])
def test_anything_else_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InvalidPlan, match=r"--stall-timeout .*expected a time above 0.*off"):
        watchdogs(text)
    with pytest.raises(InvalidPlan, match=r"--reconnect .*expected a time above 0.*off, forever"):
        policy(text)
