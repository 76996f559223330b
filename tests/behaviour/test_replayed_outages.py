"""What was recorded across lost connections replays to the same events, whatever the consumer did in between."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from tvstreamer import FaultPlan, Subscription, faults
from tvstreamer.errors import TvError
from tvstreamer.events import Bar, Event
from tvstreamer.server.fake import FakeServer
from tvstreamer.transports.base import Transport
from tvstreamer.wsclient import TvWSClient

PAIR = ("BINANCE:BTCUSDT", "1")
OTHER = ("NYSE:BRK.A", "5")


class Run:
    """A client of a fake market that records, and whose connection can be cut."""

    def __init__(self, tape: Path, *subscriptions: object) -> None:
        self.server = FakeServer(speed="max")
        self.transports: list[Transport] = []
        self.tape = tape
        self.client = TvWSClient(
            subscriptions, source=self.connect, clock=self.server.clock, n_init_bars=4, seed=1, record=tape
        )
        self.told: list[Event] = []

    def connect(self) -> Transport:
        self.transports.append(self.server.connect())
        return self.transports[-1]

    def watch(self, seconds: float) -> None:
        until = self.server.clock.now() + seconds
        while (left := until - self.server.clock.now()) > 0:
            self.told += self.client.poll(left) or []

    def cut(self) -> None:
        """The connection is lost, and the client knows it."""
        self.transports[-1].close(1006, "cut")
        self.told += self.client.poll(0) or []

    def check(self) -> None:
        self.client.close()
        assert lines(played(self.tape)) == lines(self.told)


def lines(events: Iterable[Event]) -> list[bytes]:
    return [event.to_json() for event in events]


def played(tape: Path) -> list[Event]:
    events: list[Event] = []
    with TvWSClient(source=tape) as client, suppress(TvError):
        events.extend(client.stream())
    return events


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run(tmp_path / "run.jsonl", PAIR)
    run.watch(100)
    run.cut()
    return run


@pytest.mark.parametrize("asleep", [False, True])
def test_a_bar_that_is_closed_by_the_clock_when_it_is_unsubscribed_is_closed_on_the_replay_too(tmp_path: Path, asleep: bool) -> None:
    run = Run(tmp_path / "run.jsonl", PAIR)
    run.watch(0.1)
    if asleep:
        run.server.clock.wait(run.server.clock.event(), 2.5)
    else:
        run.watch(1.9)
    run.client.unsubscribe(PAIR)
    run.watch(1)
    assert any(isinstance(event, Bar) and event.closed_by == "time" for event in run.told)
    run.check()


def test_what_is_unsubscribed_without_a_connection_is_not_missed_on_the_replay_either(run: Run) -> None:
    run.client.unsubscribe(PAIR)
    run.watch(30)
    run.check()


def test_what_is_unsubscribed_on_a_connection_that_is_lost_already_is_not_missed_on_the_replay_either(tmp_path: Path) -> None:
    run = Run(tmp_path / "run.jsonl", PAIR)
    run.watch(1)
    run.transports[-1].close(1006, "cut")
    run.client.unsubscribe(PAIR)
    run.client.subscribe(PAIR)
    run.watch(1)
    run.check()


def test_what_is_unsubscribed_and_subscribed_without_a_connection_begins_anew_on_the_replay_too(run: Run) -> None:
    run.client.unsubscribe(PAIR)
    run.client.subscribe(PAIR)
    run.watch(150)
    run.cut()
    run.watch(150)
    run.check()


def test_what_is_subscribed_again_much_later_begins_anew_on_the_replay_too(run: Run) -> None:
    run.client.subscribe(OTHER)
    run.client.unsubscribe(PAIR)
    run.watch(30)
    run.cut()
    run.watch(30)
    run.client.subscribe(PAIR)
    run.watch(150)
    run.check()


SATURDAY = 1_755_961_200.0
"""2025-08-23 15:00 UTC: the market is closed, and of its symbols comes a first quote and nothing more."""


def answers_lost(tape: Path, times: int | None, count: int) -> list[list[bytes]]:
    """What comes of first quotes that get lost so many times, live and in both ways to replay it."""
    plan = FaultPlan([faults.drop(method="qsd", times=times)])
    wanted = [Subscription("NASDAQ:AAPL", quotes=True), Subscription("NASDAQ:MSFT")]

    def told(subscriptions: object = (), **options: object) -> list[bytes]:
        with TvWSClient(subscriptions, **options) as client:  # type: ignore[arg-type]
            events: list[bytes] = []
            while len(events) < count and (batch := client.poll(20)) is not None:
                events += lines(batch)
            return events

    with FakeServer(speed="max", start=SATURDAY) as server:
        live = told(wanted, source=server.connect, clock=server.clock, faults=plan, record=tape)
    return [live, told(wanted, source=tape)[: len(live)], told(source=tape)[: len(live)]]


def test_first_quotes_that_get_lost_are_asked_for_again_and_both_ways_to_replay_it_tell_the_same(tmp_path: Path) -> None:
    live, *replays = answers_lost(tmp_path / "tape.jsonl", 1, 4)
    assert [json.loads(event)["type"] for event in live] == ["connected", "tick", "quote", "tick"]
    assert [json.loads(event)["symbol"] for event in live[1:]] == ["NASDAQ:AAPL", "NASDAQ:AAPL", "NASDAQ:MSFT"]
    assert replays == [live, live]


def test_first_quotes_that_never_come_are_told_and_both_ways_to_replay_it_tell_the_same(tmp_path: Path) -> None:
    live, *replays = answers_lost(tmp_path / "tape.jsonl", None, 3)
    failed = [json.loads(event) for event in live[1:]]
    assert [(each["symbol"], each["reason"]) for each in failed] == [
        ("NASDAQ:AAPL", "no answer for 60 s"), ("NASDAQ:MSFT", "no answer for 60 s"),
    ]  # fmt: skip
    assert replays == [live, live]


def test_a_first_answer_that_got_lost_is_asked_for_again_and_both_ways_to_replay_it_tell_the_same(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    plan = FaultPlan([faults.drop(method="timescale_update", times=1)])

    def told(**options: object) -> list[bytes]:
        with TvWSClient([("BINANCE:BTCUSDT", "1")], n_init_bars=3, **options) as client:  # type: ignore[arg-type]
            events: list[bytes] = []
            while len(events) < 300 and (batch := client.poll(20)) is not None:
                events += [event.to_json() for event in batch]
            return events

    live = told(source="fake:seed=7,speed=max", faults=plan, record=tape)
    assert sum(b'"type":"history_complete"' in event for event in live) == 1
    assert told(source=tape)[: len(live)] == live
    with TvWSClient(source=tape) as client:
        assert [event.to_json() for event in client.stream()][: len(live)] == live
