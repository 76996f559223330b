"""The digest of a replay: the same however a tape is played, and told when it is another one."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import pytest

from tvstreamer import InvalidPlan, Subscription, TvWSClient
from tvstreamer.cli import main
from tvstreamer.faults import FaultPlan, duplicate
from tvstreamer.testing import assert_replay_digest, event_log, replay_digest

SUBSCRIPTIONS = [Subscription("BINANCE:BTCUSDT", "1", quotes=True), Subscription("NASDAQ:AAPL")]


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three minutes of a market, so that the clock has closed bars and heartbeats have come."""
    path = tmp_path_factory.mktemp("digest") / "tape.jsonl"
    with TvWSClient(SUBSCRIPTIONS, source="fake:seed=3,speed=max", n_init_bars=20, record=path) as client:
        clock = client.source.clock  # type: ignore[union-attr]
        until = clock.now() + 180
        while clock.now() < until:
            client.poll(until - clock.now())
    return path


def test_it_is_the_hash_of_the_lines_of_the_log(tape: Path) -> None:
    lines = list(event_log(tape))
    assert len(lines) > 50
    assert replay_digest(tape) == hashlib.sha256(b"".join(line + b"\n" for line in lines)).hexdigest()


@pytest.mark.parametrize(
    ("subscriptions", "options"),
    [
        ((), {}),
        ((), {"speed": 1_000_000}),
        ((), {"threaded": True}),
        (SUBSCRIPTIONS, {}),
        (SUBSCRIPTIONS, {"threaded": True}),
        (SUBSCRIPTIONS, {"speed": 1_000_000}),
        (SUBSCRIPTIONS, {"speed": 1_000_000, "threaded": True}),
    ],
    ids=str,
)
def test_it_is_the_same_for_every_driver_and_speed(tape: Path, subscriptions: Any, options: dict[str, Any]) -> None:
    assert_replay_digest(tape, replay_digest(tape), subscriptions, n_init_bars=20, **options)


def test_the_command_prints_it(tape: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert main(["replay", str(tape), "--digest"]) == 0
    assert capfdbinary.readouterr().out.decode() == replay_digest(tape) + "\n"


def test_another_one_is_told_with_how_to_see_the_events(tape: Path) -> None:
    other = replay_digest(tape, faults=FaultPlan([duplicate(method="qsd")]))
    with pytest.raises(AssertionError) as told:
        assert_replay_digest(tape, other.upper())
    pattern = rf"replay of .*: expected the digest {other}, got {replay_digest(tape)} of \d+ events; .*: tvstreamer replay .*"
    assert re.fullmatch(pattern, str(told.value))


@pytest.mark.parametrize("text", ["", "abc", "g" * 64])
def test_what_is_no_digest_is_refused(tape: Path, text: str) -> None:
    with pytest.raises(InvalidPlan, match=f"digest {text!r}: expected 64 hexadecimal digits"):
        assert_replay_digest(tape, text)
