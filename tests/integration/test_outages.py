"""A sample of the outages over real sockets, with a reader thread and in real time: nothing is lost there either.

The market runs a hundred times as fast as the day, so that a bar takes less than a second.
"""

from __future__ import annotations

import pytest

from tvstreamer import faults
from tvstreamer.errors import ConnectFailed, TransportTimeout
from tvstreamer.events import Bar, Disconnected, Event, Gap, Reconnected, Stalled
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.protocol.watchdogs import Watchdogs
from tvstreamer.reconnect import ReconnectPolicy
from tvstreamer.server.fake import FakeServer
from tvstreamer.wsclient import TvWSClient

SPEED = 100
SYMBOL = "BINANCE:BTCUSDT"
SOON = ReconnectPolicy(initial=0.05, stable=0.5)
WATCHFUL = Watchdogs(bytes=1.0, heartbeats=1.5, progress=1.5)
"""At this speed a heartbeat comes every 0.1 s."""
PATIENCE = 20.0
"""Real seconds that a test waits for what has to come."""


def run_until_restored(plan: FaultPlan, *, policy: ReconnectPolicy = SOON, bars_after: int = 2) -> tuple[list[Event], TvWSClient]:
    """Streams until the connection was lost, came back, and some bars were closed after that."""
    events: list[Event] = []
    with FakeServer(seed=3, speed=SPEED, faults=plan) as server:
        client = TvWSClient([(SYMBOL, "1")], source=server.url, n_init_bars=10, reconnect=policy, watchdogs=WATCHFUL)
        with client:
            assert client.source is not None
            clock = client.source.clock
            until = clock.now() + PATIENCE
            after: int | None = None
            while after is None or after < bars_after:
                assert clock.now() < until, events[-20:]
                batch = client.poll(0.5)
                assert batch is not None
                for event in batch:
                    if isinstance(event, Reconnected):
                        after = 0
                    elif after is not None and isinstance(event, Bar) and event.closed and not event.revision:
                        after += 1
                events += batch
    return events, client


@pytest.mark.parametrize(
    "fault",
    [
        faults.close(at=70, code=1001, connection=1),
        faults.close(at=70, code=4000, connection=1),
        faults.reset_peer(at=70, connection=1),
        faults.reset_mid_frame(at=70, connection=1),
        faults.half_open(at=70, connection=1),
        faults.silence(at=70, connection=1),
        faults.chatty_stall(at=70, connection=1),
        faults.wrong_length(at=70, connection=1),
        faults.protocol_error(at=70, connection=1),
    ],
    ids=lambda fault: f"{fault.kind} {getattr(fault, 'code', '')}".strip(),
)
def test_a_lost_connection_costs_no_bar(fault: Fault) -> None:
    events, client = run_until_restored(FaultPlan([fault]))
    verdict = client.ledger.verify()
    assert verdict, str(verdict)
    order = [type(event).__name__ for event in events if isinstance(event, Stalled | Disconnected | Gap | Reconnected)]
    assert order[-1] == "Reconnected"
    assert order.count("Disconnected") == 1
    assert ("Stalled" in order) is (fault.kind in ("half_open", "silence", "chatty_stall"))
    times = [event.time for event in events if isinstance(event, Bar) and event.closed and not event.revision]
    assert times == sorted(set(times))


@pytest.mark.parametrize("fault", [faults.slicer(average_size=7), faults.bandwidth(rate=200), faults.latency(latency=5, jitter=4)])
def test_a_slow_line_costs_nothing_at_all(fault: Fault) -> None:
    events, client = run_until_restored(FaultPlan([fault, faults.close(at=200, connection=1)]), bars_after=1)
    assert client.ledger.verify()
    assert [event for event in events if isinstance(event, Stalled)] == []


def test_refusals_on_the_way_back_are_waited_out_and_one_for_good_ends_the_stream() -> None:
    plan = [faults.close(at=70, connection=1), faults.refuse(status=503, connection=2), faults.refuse(status=429, connection=3)]
    events, client = run_until_restored(FaultPlan(plan))
    assert client.ledger.verify()
    assert [event.connection for event in events if isinstance(event, Reconnected)] == [2]
    with pytest.raises(ConnectFailed, match="403"):
        run_until_restored(FaultPlan([faults.close(at=70, connection=1), faults.refuse(status=403, connection=2)]))


def test_whoever_gives_up_says_so_where_the_events_are_read() -> None:
    policy = ReconnectPolicy(initial=0.05, attempts=2, stable=60.0)
    with pytest.raises(TransportTimeout, match="stalled: .*gave up after 2 attempts"):
        run_until_restored(FaultPlan([faults.silence()]), policy=policy)
