"""Studies from end to end: asked for, computed by the fake server, received, recorded and replayed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import pytest

from tvstreamer import (
    Bar,
    Connected,
    Event,
    FakeServer,
    FaultPlan,
    StreamRouter,
    Study,
    StudyFailed,
    StudyUpdate,
    Subscription,
    TapeMismatch,
    TvWSClient,
    faults,
)
from tvstreamer.server.desks.study import SHOWN_BEFORE

BTC = "BINANCE:BTCUSDT"
STUDIES = ("SMA:5", "EMA:6", "RSI:14", "MACD:3,6,4", "BB:20,2", "Volume:4")
WANTED = Subscription(BTC, "1", studies=STUDIES)


def take(client: TvWSClient, turns: int) -> list[Event]:
    return [event for _ in range(turns) for event in client.poll(3600) or ()]


def updates(events: Sequence[Event], study: str) -> list[StudyUpdate]:
    return [event for event in events if isinstance(event, StudyUpdate) and event.study == study]


# --- values -------------------------------------------------------------------------------------------------------------


def exponential(values: Sequence[float], length: int, alpha: float) -> list[float]:
    """From the `length`-th value on; the textbook's sum of weights, without recursion."""
    seed = math.fsum(values[:length]) / length
    rest = values[length:]
    return [
        math.fsum([seed * (1 - alpha) ** n, *(alpha * (1 - alpha) ** (n - 1 - i) * value for i, value in enumerate(rest[:n]))])
        for n in range(len(rest) + 1)
    ]


def textbook(study: Study, bars: Sequence[Bar]) -> list[float]:
    """The values of a study for the last of these bars."""
    closes = [bar.close for bar in bars]
    match study.name, [value for _, value in study.inputs if isinstance(value, int | float)]:
        case "SMA", [int(length)]:
            return [statistics.fmean(closes[-length:])]
        case "EMA", [int(length)]:
            return [exponential(closes, length, 2 / (length + 1))[-1]]
        case "RSI", [int(length)]:
            changes = [after - before for before, after in pairwise(closes)]
            rise, fall = (exponential([max(0, sign * each) for each in changes], length, 1 / length)[-1] for sign in (1, -1))
            return [100 * rise / (rise + fall)]
        case "MACD", [int(fast), int(slow), int(signal)]:
            quick, late = exponential(closes, fast, 2 / (fast + 1)), exponential(closes, slow, 2 / (slow + 1))
            line = [a - b for a, b in zip(quick[slow - fast :], late, strict=True)]
            mean = exponential(line, signal, 2 / (signal + 1))[-1]
            return [line[-1] - mean, line[-1], mean]
        case "BB", [int(length), float(mult)]:
            mean, width = statistics.fmean(closes[-length:]), mult * statistics.pstdev(closes[-length:])
            return [mean, mean + width, mean - width]
        case "Volume", [int(length), *_]:
            volumes = [bar.volume or 0.0 for bar in bars]
            return [volumes[-1], float(bars[-1].close < bars[-1].open), statistics.fmean(volumes[-length:])]
        case _:
            raise AssertionError(study)


def test_values_are_those_of_the_bars_that_the_client_received() -> None:
    with FakeServer(seed=7, speed="max") as server:
        with TvWSClient([WANTED], source=server.connect, clock=server.clock, n_init_bars=30) as client:
            client.connect()
            history = client.get_history(BTC, "1", 400)
            events = take(client, 120)
    bars = {bar.time: bar for bar in history}
    first = min(event.time for event in events if isinstance(event, Bar))
    # Each value is compared with the bars as they stood when it came.
    checked = dict.fromkeys(STUDIES, 0)
    for event in events:
        if isinstance(event, Bar):
            bars[event.time] = event
        elif isinstance(event, StudyUpdate):
            study = Study.parse(event.study)
            lengths = sum(value for _, value in study.inputs if isinstance(value, int))
            before = [bar for time, bar in sorted(bars.items()) if time < first][-SHOWN_BEFORE - lengths :]
            shown = [bar for time, bar in sorted(bars.items()) if first <= time <= event.time]
            assert list(event.values) == list(study.plots)
            assert list(event.values.values()) == pytest.approx(textbook(study, [*before, *shown]), rel=1e-9, abs=1e-7)
            checked[event.study] += 1
    assert min(checked.values()) > 100


def test_a_study_that_the_server_does_not_compute_costs_nothing_else() -> None:
    pine = Subscription(BTC, "1", ticks=False, studies=["ADX@tv-basicstudies-241:in_0=14", "SMA:2"])
    with FakeServer(seed=7, speed="max") as server:
        with TvWSClient([pine], source=server.connect, clock=server.clock, n_init_bars=5) as client:
            events = take(client, 20)
        assert "ADX@tv-basicstudies-241" in next(each.detail for each in server.journal if each.kind == "rejected")
    failed = [event for event in events if isinstance(event, StudyFailed)]
    assert [(event.study, event.reason) for event in failed] == [
        ("ADX@tv-basicstudies-241:in_0=14", "check study unexpected error")
    ]
    assert updates(events, "SMA:2")


# --- across connections and tapes -----------------------------------------------------------------------------------------


def test_after_a_lost_connection_each_bar_has_its_last_values_once_and_in_order() -> None:
    plan = FaultPlan([faults.close(1006, after=40, method="du", connection=1)], seed=1)
    with FakeServer(seed=7, speed="max", faults=plan) as server:
        with TvWSClient([WANTED], source=server.connect, clock=server.clock, n_init_bars=30) as client:
            events = take(client, 600)
    assert sum(isinstance(event, Connected) for event in events) == 2
    closed_bars = [event.time for event in events if isinstance(event, Bar) and event.closed and not event.revision]
    for study in STUDIES:
        closed = [event.time for event in updates(events, study) if event.closed]
        assert closed == closed_bars[: len(closed)]
        assert len(closed) >= len(closed_bars) - 1


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event]]:
    path = tmp_path_factory.mktemp("studies") / "tape.jsonl"
    with TvWSClient([WANTED], source="fake:seed=7,speed=max", n_init_bars=30, record=path) as client:
        events = take(client, 60)
    return path, events


def test_a_tape_gives_the_studies_that_were_recorded(recorded: tuple[Path, list[Event]]) -> None:
    path, events = recorded
    for wanted in ([], [WANTED]):
        with TvWSClient(wanted, source=path, seed=99) as client:
            assert list(client.stream()) == events


def test_a_tape_gives_those_that_are_asked_for(recorded: tuple[Path, list[Event]]) -> None:
    path, events = recorded
    with TvWSClient([Subscription(BTC, "1", studies=["BB"])], source=path, seed=99) as client:
        replayed = list(client.stream())
    assert [event for event in replayed if isinstance(event, StudyUpdate)] == updates(events, "BB:20,2")
    with pytest.raises(TapeMismatch, match="RSI:15") as told:
        with TvWSClient([Subscription(BTC, "1", studies=["RSI:15"])], source=path, seed=99) as client:
            list(client.stream())
    assert "RSI:14" in told.value.nearest


def test_a_served_tape_refuses_the_studies_that_it_does_not_hold(recorded: tuple[Path, list[Event]]) -> None:
    path, events = recorded
    wanted = Subscription(BTC, "1", studies=["RSI:15", "RSI:14"])
    with FakeServer(tape=path, speed="max") as server:
        with TvWSClient([wanted], source=server.connect, clock=server.clock, seed=99) as client:
            served = take(client, 40)
    assert [event.reason for event in served if isinstance(event, StudyFailed)] == ["not on the tape"]
    assert updates(served, "RSI:14")[:31] == updates(events, "RSI:14")[:31]


# --- consumers ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[FakeServer]:
    # From the middle of a minute on, so that the bar which forms first goes on forming.
    with FakeServer(seed=3, speed=5, start=1_764_000_005.0) as server:
        yield server


def test_studies_come_over_a_socket(server: FakeServer) -> None:
    with StreamRouter([Subscription(BTC, "1", studies=["RSI"])], source=server.url, n_init_bars=5) as router:
        studies = router.iter_studies()
        found = [next(studies) for _ in range(6)]
    assert [event.closed for event in found[:5]] == [True] * 4 + [False]
    assert all(0 <= (event.values["rsi"] or -1) <= 100 for event in found)


def test_a_router_hands_out_final_values_and_makes_the_subscription(recorded: tuple[Path, list[Event]]) -> None:
    path, events = recorded
    with StreamRouter(source=path) as router:
        final = list(router.iter_studies(WANTED, closed=True))
    assert final == [event for event in events if isinstance(event, StudyUpdate) and event.closed]
    with FakeServer(seed=7, speed="max") as server:
        with StreamRouter([(BTC, "1")], source=server.connect, clock=server.clock) as router:
            assert next(router.iter_studies(Subscription(BTC, "1", studies=["SMA:2"]))).study == "SMA:2"
