"""A replay is the run: whatever is recorded from a fake market plays back to the same events, in every way of playing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tvstreamer import Event, Subscription, TvWSClient
from tvstreamer.testing import strategies

SYMBOLS = ("BINANCE:BTCUSDT", "NASDAQ:AAPL", "TVC:DXY", "XXXX:NOPE")
subscriptions = st.lists(
    strategies.subscriptions(symbols=st.sampled_from(SYMBOLS), intervals=st.sampled_from([None, "1", "5S", "1D", "60"])),
    min_size=1,
    max_size=3,
    unique=True,
)


def run(source: object, subs: object, events: int | None = None, **options: object) -> list[bytes]:
    told: list[Event] = []
    with TvWSClient(subs, source=source, n_init_bars=5, **options) as client:  # type: ignore[arg-type]
        # An unknown symbol brings nothing but heartbeats, for ever; so the number of turns is limited too.
        for _ in range(300 if events is not None else 10_000):
            batch = client.poll(3600)
            if batch is None:
                break
            told += batch
            if events is not None and len(told) >= events:
                break
    return [event.to_json() for event in told]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replay")


@given(subs=subscriptions, seed=st.integers(0, 50), events=st.integers(1, 60))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_recorded_run_replays_to_the_same_events(folder: Path, subs: list[Subscription], seed: int, events: int) -> None:
    tape, again, copy = folder / "a.jsonl", folder / "b.jsonl", folder / "c.jsonl"
    source = f"fake:seed={seed},speed=max"
    live = run(source, subs, events, record=tape, overwrite=True)
    assert run(source, subs, events, record=again, overwrite=True) == live
    assert tape.read_bytes() == again.read_bytes()
    assert run(tape, (), record=copy, overwrite=True) == live
    assert run(copy, ()) == live
    assert run(tape, subs) == live
