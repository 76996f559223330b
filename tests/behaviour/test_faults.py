"""What a client makes of every fault that a message or a handshake can carry: nothing is lost without a word.

Each scenario is one line of a table. It is run inline and with a reader thread, for bars, for ticks, and with history in
flight, all on a virtual clock. What should come is what an undisturbed client of the same market gets: every closed bar exactly
once, in order, with its values, or a `Gap` that names it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import msgspec
import pytest

from tvstreamer import faults
from tvstreamer.errors import AuthError, ConnectFailed, TransportTimeout, TvError
from tvstreamer.events import Bar, Disconnected, Event, Gap, Reconnected, Stalled, SymbolInfo, Tick
from tvstreamer.faults import Fault, FaultPlan
from tvstreamer.server.fake import FakeServer
from tvstreamer.wsclient import TvWSClient

SYMBOL = "BINANCE:BTCUSDT"
SEED = 5
LENGTH = 900.0
"""Virtual seconds of a run: fifteen one-minute bars."""
N_BARS = 20


@dataclass(frozen=True)
class Scenario:
    """Faults, how often the connection is lost by them, and what else is to be seen."""

    faults: tuple[Fault, ...]
    losses: int = 0
    stalls: tuple[str, ...] = ()
    revised: bool = False
    ends: type[TvError] | None = None


S = Scenario
SCENARIOS = {
    "nothing": S(()),
    "silence for a while": S((faults.silence(at=130, duration=20),)),
    "silence": S((faults.silence(at=130, connection=1),), 1, ("bytes",)),
    "silence again and again": S((faults.silence(at=130),), 5, ("bytes",) * 5),
    "chatty stall for a while": S((faults.chatty_stall(at=130, duration=60),)),
    "chatty stall": S((faults.chatty_stall(at=130, connection=1),), 1, ("progress",)),
    "no heartbeats": S((faults.drop(method="heartbeat", connection=1),), 1, ("heartbeats",)),
    "close 1000": S((faults.close(at=130, code=1000, connection=1),), 1),
    "close 1001": S((faults.close(at=130, code=1001, connection=1),), 1),
    "close 1006": S((faults.close(at=130, code=1006, connection=1),), 1),
    "close 4000": S((faults.close(at=130, code=4000, connection=1),), 1),
    "close on the first data": S((faults.close(method="timescale_update", connection=1),), 1),
    "close before any data": S((faults.close(connection=1),), 1),
    "close at every third minute": S((faults.close(at=180),), 4),
    "reset": S((faults.reset_peer(at=130, connection=1),), 1),
    "timeout": S((faults.timeout(at=130, timeout=10, connection=1),), 1),
    "limit of data": S((faults.limit_data(bytes=60_000, connection=1),), 1),
    "slow close": S((faults.close(at=130, connection=1), faults.slow_close(delay=3.0)), 1),
    "latency": S((faults.latency(latency=0.8, jitter=0.5),)),
    "slow reader": S((faults.slow_reader(delay=0.7),)),
    "merged": S((faults.merge(n=4),)),
    "heartbeat first in a message": S((faults.glue_heartbeat(position="first"),)),
    "heartbeat last in a message": S((faults.glue_heartbeat(position="last"),)),
    "duplicate": S((faults.duplicate(),)),
    "reordered": S((faults.reorder(probability=0.2, at=5),), revised=True),
    "new bars dropped": S((faults.drop(method="timescale_update", at=30, times=3),)),
    "missing bar": S((faults.missing_bar(at=130),)),
    "missing bars": S((faults.missing_bar(at=60, times=4),)),
    "missing bar, then a close": S((faults.missing_bar(at=130), faults.close(at=260, connection=1)), 1),
    "revised bar": S((faults.revise_bar(at=130),), revised=True),
    "wrong length": S((faults.wrong_length(at=130, connection=1),), 1),
    "astral characters": S((faults.astral(),)),
    "unknown packet": S((faults.unknown_packet(at=130),)),
    "clock skew ahead": S((faults.clock_skew(offset=3.0),)),
    "clock skew behind": S((faults.clock_skew(offset=-3600.0),)),
    "critical error": S((faults.critical_error(at=130, session="cs_nobody"),)),
    "protocol error": S((faults.protocol_error(at=130, connection=1),), 1),
    "token expired": S((faults.token_expired(at=130),), 0, ends=AuthError),
    "refused once 503": S((faults.close(at=130, connection=1), faults.refuse(status=503, connection=2)), 1),
    "refused with 429": S((faults.close(at=130, connection=1), faults.refuse(status=429, retry_after=90, connection=2)), 1),
    "refused for good": S((faults.close(at=130, connection=1), faults.refuse(status=403, connection=2)), 1, ends=ConnectFailed),
}
DRIVERS = ("inline", "threaded")


@dataclass
class Run:
    events: list[Event]
    verdict: bool
    end: TvError | None
    seen_until: float


def run(client: TvWSClient, until: float) -> Run:
    """Everything that comes up to a moment, and how it ended if it ended before."""
    events: list[Event] = []
    end: TvError | None = None
    with client:
        assert client.source is not None
        clock = client.source.clock
        try:
            while clock.now() < until:
                batch = client.poll(until - clock.now())
                if batch is None:
                    break
                events += batch
        except TvError as error:
            end = error
        return Run(events, bool(client.ledger.verify()), end, clock.now())


def client_of(plan: FaultPlan | None, *, interval: str | None = "1", driver: str = "inline") -> tuple[TvWSClient, float]:
    server = FakeServer(seed=SEED, speed="max")
    client = TvWSClient(
        [(SYMBOL, interval)] if interval else [SYMBOL],
        source=server.connect,
        clock=server.clock,
        n_init_bars=N_BARS,
        seed=SEED,
        faults=plan,
        threaded=driver == "threaded",
    )
    return client, server.clock.now()


@cache
def truth() -> dict[float, Bar]:
    """The closed bars that an undisturbed client gets."""
    client, start = client_of(None)
    whole = run(client, start + LENGTH + 120)
    assert whole.verdict
    return {event.time: event for event in whole.events if isinstance(event, Bar) and event.closed}


def plan_of(scenario: Scenario) -> FaultPlan:
    return FaultPlan(scenario.faults, seed=SEED)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_every_closed_bar_comes_once_and_in_order_or_a_gap_names_it(name: str, driver: str) -> None:
    scenario = SCENARIOS[name]
    client, start = client_of(plan_of(scenario), driver=driver)
    seen = run(client, start + LENGTH)
    _check_bars(seen, scenario)
    _check_outages(seen, scenario)


def _check_bars(seen: Run, scenario: Scenario) -> None:
    first = [event for event in seen.events if isinstance(event, Bar) and event.closed and event.revision == 0]
    times = [bar.time for bar in first]
    assert times == sorted(set(times)), "a bar came twice or late"
    newest = {event.time: event for event in seen.events if isinstance(event, Bar) and event.closed}
    gaps = [event for event in seen.events if isinstance(event, Gap) and event.interval is not None]
    expected = [time for time in truth() if times and times[0] <= time <= times[-1]]
    for time in expected:
        if time not in newest:
            assert any(gap.start <= time < gap.end and gap.filled != gap.expected for gap in gaps), f"nobody told of {time}"
        elif not scenario.revised:
            assert _prices(newest[time]) == _prices(truth()[time])
    if scenario.ends is None:
        # It goes on to the end of the run, less the time for an outage that is not over yet.
        assert times[-1] >= max(truth()) - 120 - 300
        assert seen.verdict


def _prices(bar: Bar) -> tuple[float, float, float, float, float | None]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume


def _check_outages(seen: Run, scenario: Scenario) -> None:
    losses = [event for event in seen.events if isinstance(event, Disconnected)]
    assert tuple(event.kind for event in seen.events if isinstance(event, Stalled)) == scenario.stalls
    if scenario.ends is None:
        assert seen.end is None
        assert len(losses) == scenario.losses
        ups = [event for event in seen.events if isinstance(event, Reconnected)]
        assert len(losses) - 1 <= len(ups) <= len(losses)
    else:
        assert isinstance(seen.end, scenario.ends)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", [name for name in SCENARIOS if not name.startswith(("missing", "chatty"))])
def test_ticks_go_on_and_every_outage_is_told(name: str, driver: str) -> None:
    scenario = SCENARIOS[name]
    client, start = client_of(plan_of(scenario), interval=None, driver=driver)
    seen = run(client, start + LENGTH)
    ticks = [event for event in seen.events if isinstance(event, Tick)]
    assert ticks
    losses = [event for event in seen.events if isinstance(event, Disconnected)]
    ups = [event for event in seen.events if isinstance(event, Reconnected)]
    gaps = [event for event in seen.events if isinstance(event, Gap)]
    assert [gap.interval for gap in gaps] == [None] * len(gaps)
    if scenario.ends is None:
        assert len(gaps) == len(ups)
        for gap, loss in zip(gaps, losses, strict=False):
            assert (gap.symbol, gap.filled) == (SYMBOL, None)
            # From the last that came: when the loss is noticed, ticks may have been missing for some time.
            before = [event.time for event in seen.events[: seen.events.index(loss)] if isinstance(event, Tick)]
            assert max([start, *before]) - 5 <= gap.start <= loss.time
        assert ticks[-1].time > start + LENGTH - 300
    else:
        assert isinstance(seen.end, scenario.ends)


@pytest.mark.parametrize("driver", DRIVERS)
@pytest.mark.parametrize("name", SCENARIOS)
def test_history_in_flight_comes_through_or_says_why_not(name: str, driver: str) -> None:
    scenario = SCENARIOS[name]
    # What happens after a while is to happen while the answer is awaited.
    early = tuple(_at_once(fault) for fault in scenario.faults)
    client, start = client_of(FaultPlan(early, seed=SEED), driver=driver)
    with client:
        try:
            result = client.get_history(SYMBOL, "5", 50, timeout=240.0)
        except TransportTimeout:
            # No connection ever lasts long enough.
            assert any(isinstance(fault, faults.drop | faults.silence | faults.close) and not fault.connection for fault in early)
        except (ConnectFailed, AuthError) as error:
            assert scenario.ends is type(error)
        else:
            # Dropped on the way, bars are missing, and the result says so.
            assert len(result) == 50 if result.complete else any(isinstance(fault, faults.drop) for fault in early)
            times = [bar.time for bar in result]
            assert times == sorted(set(times))
            assert not times or times[-1] <= start + 300


def _at_once(fault: Fault) -> Fault:
    return msgspec.structs.replace(fault, at=0.0) if fault.at and "at" not in fault.omitted else fault


def test_the_same_plan_gives_the_same_events_on_every_driver_and_run() -> None:
    plan = FaultPlan(
        [
            faults.latency(latency=0.4, jitter=0.3),
            faults.reorder(probability=0.1),
            faults.duplicate(probability=0.1),
            faults.close(at=200, code=1006),
            faults.missing_bar(at=60),
        ],
        seed=11,
    )
    runs = []
    for driver in ("inline", "threaded", "inline"):
        client, start = client_of(plan, driver=driver)
        runs.append([event.to_json() for event in run(client, start + LENGTH).events])
    assert runs[0] == runs[2]
    # A reader thread may be one turn ahead of its consumer when the run ends.
    shorter = min(len(runs[0]), len(runs[1]))
    assert runs[0][:shorter] == runs[1][:shorter]
    assert shorter > 300


def test_what_the_server_calls_its_symbol_comes_through_astral_characters() -> None:
    client, start = client_of(FaultPlan([faults.astral(text=" \U0001f600\U0001d400")]))
    infos = [event for event in run(client, start + 5).events if isinstance(event, SymbolInfo)]
    assert infos
    assert infos[0].description is not None
    assert infos[0].description.endswith(" \U0001f600\U0001d400")
