"""Runs that append to one tape at the same time lose nothing of each other's."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import pytest

from tvstreamer import Bar, Event, TvWSClient
from tvstreamer.errors import TapeWriteError
from tvstreamer.tape.lock import Lock
from tvstreamer.tape.reader import TapeReader
from tvstreamer.testing import UsedTape, use_tape
from tvstreamer.testing.appending import held

SOURCE = "fake:seed=7,speed=max"
BTC, ETH, GOLD = ("BINANCE:BTCUSDT", "1"), ("BINANCE:ETHUSDT", "5"), ("TVC:GOLD", "1")


def stream(tape: UsedTape, subscription: object, *more: object, count: int = 30) -> list[Event]:
    with TvWSClient([subscription], source=tape, n_init_bars=5, seed=1) as client:
        events = list(itertools.islice(client.stream(), 10))
        for each in more:
            client.subscribe(each)
        return events + list(itertools.islice(client.stream(), count))


def bars(events: list[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, Bar)]


@pytest.mark.parametrize("name", ["tape.jsonl", "tape.jsonl.gz"])
@pytest.mark.parametrize("mode", ["all", "new_episodes"])
@pytest.mark.parametrize("there", [True, False])
def test_what_two_runs_record_at_the_same_time_is_on_the_tape(tmp_path: Path, name: str, mode: str, there: bool) -> None:
    path = tmp_path / name
    if there:
        with use_tape(path, "once", source=SOURCE) as tape:
            stream(tape, BTC)
    with use_tape(path, mode, source=SOURCE) as outer:
        one = stream(outer, ETH)
        with use_tape(path, mode, source=SOURCE) as inner:
            other = stream(inner, GOLD)
    assert list(tmp_path.iterdir()) == [path]
    with use_tape(path) as tape:
        assert bars(stream(tape, ETH)) == bars(one)
        assert bars(stream(tape, GOLD)) == bars(other)
        if there:
            stream(tape, BTC)
    assert tape.all_played
    with TapeReader(path) as reader:
        records = list(reader)
    assert not reader.torn
    assert [record.t for record in records] == sorted(record.t for record in records)
    assert sorted({record.c for record in records}) == list(range(1, 4 if there else 3))


def test_what_was_recorded_beside_a_connection_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE) as tape:
        stream(tape, BTC, count=60)
    with use_tape(path, "new_episodes", source=SOURCE) as outer:
        one = stream(outer, BTC, ETH)
        with use_tape(path, "new_episodes", source=SOURCE) as inner:
            stream(inner, GOLD)
    with use_tape(path) as tape:
        assert stream(tape, BTC, ETH) == one


def test_a_tape_that_was_recorded_anew_meanwhile_is_not_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    with use_tape(path, "once", source=SOURCE) as tape:
        stream(tape, BTC)
    with pytest.raises(TapeWriteError, match="tape.jsonl: it was recorded anew meanwhile, so nothing can be appended to it"):
        with use_tape(path, "all", source=SOURCE) as tape:
            stream(tape, ETH)
            with use_tape(path, "rewrite", source=SOURCE) as other:
                stream(other, GOLD, count=5)
                kept = other
    assert "GOLD" in kept.path.read_text()
    assert list(tmp_path.iterdir()) == [path]


def test_who_holds_the_place_for_too_long_is_told_of(tmp_path: Path) -> None:
    with held(tmp_path / "tape.jsonl"):
        with held(tmp_path / "other.jsonl"):
            pass
        with pytest.raises(TapeWriteError, match="tape.jsonl: others have been saving it for 0 s"):
            with held(tmp_path / "tape.jsonl", patience=0):
                pass
    with held(tmp_path / "tape.jsonl", patience=0):
        pass


def test_what_a_run_that_was_killed_has_left_is_removed_by_the_next(tmp_path: Path) -> None:
    old, held_by_somebody, new = (tmp_path / f".tv-1-{name}.tmp" for name in ("old", "held", "new"))
    for path in (old, held_by_somebody, new):
        path.touch()
    for path in (old, held_by_somebody):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    with held_by_somebody.open() as file:
        lock = Lock(file.fileno(), "held")
        with use_tape(tmp_path / "tape.jsonl", "once", source=SOURCE) as tape:
            stream(tape, BTC)
        lock.release()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".tv-1-held.tmp", ".tv-1-new.tmp", "tape.jsonl"]
