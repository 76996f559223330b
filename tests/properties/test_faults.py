"""What holds for any plan and any traffic."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tvstreamer import FakeServer, TvWSClient, faults
from tvstreamer.errors import RemoteProtocolError, ServerError, TransportClosed
from tvstreamer.faults import KINDS, FaultFilter, FaultPlan, parse_plan
from tvstreamer.protocol.framing import join
from tvstreamer.testing.strategies import fault_plans


def bars(*rows: int) -> str:
    listed = ",".join(f'{{"i":{row},"v":[{row * 60}.0,1.0,2.0,0.5,1.5,7.0]}}' for row in rows)
    return f'{{"m":"du","p":["cs_1",{{"sds_1":{{"s":[{listed}],"t":"s1"}}}}]}}'


messages = st.sampled_from(
    [
        join(["~h~1"]),
        join(['{"m":"qsd","p":["qs_1",{"n":"BINANCE:BTCUSDT","s":"ok","v":{"lp":1}}]}']),
        join(['{"m":"symbol_resolved","p":["cs_1","sym_1",{"description":"x"}],"t":7,"t_ms":7000}']),
        join([bars(1, 2)]),
        join([bars(2), bars(3)]),
        join([bars(4)]),
        "not framed",
        "",
    ]
)
steps = st.lists(st.tuples(st.sampled_from(["recv", "send"]), messages, st.floats(0, 20)), max_size=30)
Steps = list[tuple[str, str, float]]
Outcome = tuple[list[tuple[str, float]], list[str], tuple[int, str] | None, list[faults.Fired]]


def run(work: FaultFilter, steps: Steps, *, ask: bool = True, end: bool = False) -> Outcome:
    """Everything that comes out, asked for at each step and deadline, or only when it is all over."""
    now, got, sent = 1000.0, [], []
    for direction, text, pause in steps:
        if ask:
            got += work.deliveries(now)
            while (moment := work.next_deadline()) is not None and moment <= now + pause:
                work.handle_deadline(moment)
                got += work.deliveries(moment)
        now += pause
        if direction == "recv":
            work.received(text, now)
        else:
            sent += work.sent(text, now)
    if end:
        work.ended(1000, "", now)
    got += work.deliveries(1e9)
    return got, sent + work.messages_to_send(), work.closing, work.fired


def at_work(plan: FaultPlan) -> FaultFilter:
    return plan.filter(1, 1000.0, random.Random)


@given(fault_plans())
@example(FaultPlan([faults.unknown_packet("\x00\x7f\"\\\n\u2028\U0010ffff")], 5))
def test_a_plan_survives_the_way_through_toml_and_through_its_repr(plan: FaultPlan) -> None:
    assert parse_plan(plan.to_toml()) == plan
    assert eval(repr(plan), {"faults": faults, "FaultPlan": FaultPlan}) == plan


@given(fault_plans(), steps, st.booleans())
def test_the_same_plan_seed_and_traffic_give_the_same_outcome_however_often_somebody_asks(
    plan: FaultPlan, steps: Steps, end: bool
) -> None:
    outcome = run(at_work(plan), steps, end=end)
    assert run(at_work(plan), steps, end=end) == outcome
    assert run(at_work(plan), steps, end=end, ask=False) == outcome
    moments = [moment for _, moment in outcome[0]]
    assert moments == sorted(moments)


@given(fault_plans(at=st.just(10_000.0)).map(lambda plan: FaultPlan([fault for fault in plan if fault.at], plan.seed)), steps)
def test_without_faults_nothing_changes(plan: FaultPlan, steps: Steps) -> None:
    work = at_work(plan)
    now, got = 1000.0, []
    for direction, text, pause in steps:
        now += pause
        if direction == "recv":
            work.received(text, now)
            got += work.deliveries(now)
            assert got.pop() == (text, now)
        else:
            assert work.sent(text, now) == [text]
    work.ended(4000, "x", now)
    assert (got, work.end, work.fired) == ([], (4000, "x", now), [])


mixing = fault_plans(
    faults.drop, faults.duplicate, faults.reorder, method=st.just(""), symbol=st.just(""), direction=st.just("downstream")
)


@given(mixing, st.lists(st.floats(0, 3), max_size=30))
def test_messages_are_neither_lost_nor_made_by_mixing_them_up(plan: FaultPlan, pauses: list[float]) -> None:
    work = at_work(plan)
    steps = [("recv", str(number), pause) for number, pause in enumerate(pauses)]
    got, _, closing, fired = run(work, steps, end=True)
    counts = Counter(text for text, _ in got)
    assert set(counts) <= {text for _, text, _ in steps}
    assert closing == (1000, "")
    kinds = {fault.kind for fault in plan}
    if kinds <= {"reorder"}:
        assert counts == Counter(text for _, text, _ in steps)
    if len(plan.faults) == 1 and kinds == {"duplicate"}:
        copies = plan.faults[0].copies  # type: ignore[index]
        assert sum(counts.values()) == len(steps) + copies * len(fired)
    if kinds <= {"reorder", "drop"}:
        assert sum(counts.values()) == len(steps) - sum(each.kind == "drop" for each in fired)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults")


ON_THE_WIRE = [kind for kind in KINDS.values() if kind.carrier == "message"]


@given(fault_plans(*ON_THE_WIRE, symbol=st.sampled_from(["", "BINANCE:BTCUSDT"])), st.integers(0, 9))
@settings(max_examples=25)
def test_a_run_with_faults_is_repeatable_and_its_recording_replays_to_the_same_events(
    folder: Path, plan: FaultPlan, seed: int
) -> None:
    tape, again, copy = folder / "a.jsonl", folder / "b.jsonl", folder / "c.jsonl"
    live, fired = against_the_fake(plan, seed, tape)
    assert against_the_fake(plan, seed, again) == (live, fired)
    assert tape.read_bytes() == again.read_bytes()
    with TvWSClient(source=tape, record=copy, overwrite=True) as client:
        assert events_of(client) == live


def against_the_fake(plan: FaultPlan, seed: int, tape: Path) -> tuple[list[bytes], list[faults.Fired]]:
    with FakeServer(seed=seed, speed="max", faults=plan) as server:
        with TvWSClient(
            [("BINANCE:BTCUSDT", "1")], source=server.connect, clock=server.clock, seed=seed, n_init_bars=3, record=tape, overwrite=True
        ) as client:
            return events_of(client), server.fired


def events_of(client: TvWSClient) -> list[bytes]:
    events: list[bytes] = []
    try:
        for _ in range(100):
            batch = client.poll(100)
            if batch is None:
                break
            events += [event.to_json() for event in batch]
    except (TransportClosed, RemoteProtocolError, ServerError):
        pass  # A tape just ends where a live connection is lost; the events before it are what counts.
    return events
