"""The whole bot: on a recorded session, on prices by hand, and through outages."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from ma_alert import alerts
from tvstreamer import Bar, FakeServer, FaultPlan, Gap, HistoryComplete, Subscription, TvWSClient, faults
from tvstreamer.testing import assert_events

PAIR = Subscription("NASDAQ:AAPL", "1", ticks=False)
GOLDENS = Path(__file__).parent / "goldens"


# --- a recorded session -----------------------------------------------------------------------------------------------


@pytest.mark.tv_tape("aapl.jsonl")
def test_the_alerts_of_a_recorded_session(tv_client: Callable[..., TvWSClient]) -> None:
    with tv_client([PAIR], n_init_bars=10) as client:
        told = list(islice(alerts(client, fast=3, slow=8), 3))
    assert [alert.direction for alert in told] == ["down", "up", "down"]
    assert str(told[0]) == "2025-08-20 15:01 NASDAQ:AAPL 1 down at 206.22"
    assert_events([alert.bar for alert in told], GOLDENS / "aapl.jsonl")


# --- events by hand ---------------------------------------------------------------------------------------------------

LIVE = HistoryComplete("TEST:ONE", "1", 0.0, 0, "streaming")


def bars(*closes: float) -> list[Bar]:
    def bar(n: int, close: float) -> Bar:
        return Bar("TEST:ONE", "1", 60.0 * n, close, close, close, close, closed=True, closed_by="time")

    return [bar(n, close) for n, close in enumerate(closes)]


# --- prices by hand ---------------------------------------------------------------------------------------------------


def test_bars_of_before_the_start_raise_no_alert(tv_server: FakeServer, tv_client: Callable[..., TvWSClient]) -> None:
    # The averages cross within them, upwards; what ends after the start makes them cross downwards.
    closes = [5, 4, 3, 3, 6, 6, 6]
    now = tv_server.clock.now() // 60 * 60
    rows = [[now + 60.0 * n, *[close] * 4, 1.0] for n, close in enumerate(closes, 1 - len(closes))]
    tv_server.market.bars("TEST:ONE", "1", rows)
    client = tv_client([("TEST:ONE", "1")])
    client.connect()
    for price in (6, 2, 2):
        tv_server.market.tick("TEST:ONE", price)
        tv_server.market.close_bar("TEST:ONE", "1")
    # The server would go on for ever.
    events = islice(client, 40)
    assert [(alert.direction, alert.bar.close) for alert in alerts(events, fast=1, slow=3)] == [("down", 2)]


def test_the_last_correction_of_a_bar_counts_if_it_comes_before_the_next_bar() -> None:
    *before, early, after = bars(9, 9, 8, 8, 8)
    late = replace(early, close=10.0, revision=1)
    assert not list(alerts([LIVE, *before, early, after, late], fast=1, slow=3))
    assert [alert.bar for alert in alerts([LIVE, *before, early, late, after], fast=1, slow=3)] == [late]


def test_after_bars_that_are_lost_for_good_the_averages_begin_anew() -> None:
    series = bars(9, 9, 8, 10, 10, 10, 10)
    filled = Gap("TEST:ONE", "1", 180.0, 240.0, "disconnected", 1, 1)
    lost = Gap("TEST:ONE", "1", 120.0, 240.0, "disconnected", None)
    assert [alert.bar for alert in alerts([LIVE, *series[:3], filled, *series[3:]], fast=1, slow=3)] == [series[3]]
    assert not list(alerts([LIVE, *series[:3], lost, *series[3:]], fast=1, slow=3))


# --- outages ----------------------------------------------------------------------------------------------------------


def first_alerts(plan: FaultPlan | None = None) -> list[tuple[str, float, float]]:
    """The first three alerts of a market that is always the same. An outage takes minutes, on a clock that nobody waits for."""
    with FakeServer(seed=7, speed="max", faults=plan) as server:
        with TvWSClient([PAIR], source=server.connect, n_init_bars=10, seed=7) as client:
            told = islice(alerts(client, fast=3, slow=8), 3)
            return [(alert.direction, alert.bar.time, alert.bar.close) for alert in told]


undisturbed = cache(first_alerts)

# Each begins somewhere within the minutes that those three alerts take, on one of the first connections.
when = {"at": st.floats(1, 600), "connection": st.integers(1, 3)}
outages = st.one_of(
    st.builds(faults.close, **when),
    st.builds(faults.reset_peer, **when),
    st.builds(faults.silence, st.floats(1, 200), **when),
    st.builds(faults.refuse, status=st.sampled_from([429, 503]), connection=st.integers(2, 4), times=st.integers(1, 3)),
)


@settings(max_examples=20, deadline=None)
@given(st.builds(FaultPlan, st.lists(outages, min_size=1, max_size=3)))
def test_no_outage_loses_an_alert_or_doubles_one(plan: FaultPlan) -> None:
    assert first_alerts(plan) == undisturbed()
