"""The router: many consumers of one stream, inline and over a socket."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tvstreamer import Bar, FakeServer, InvalidPlan, MailboxFull, StreamRouter, Symbol, Tick, TvWSClient

PAIR = ("BINANCE:BTCUSDT", "1")


@pytest.fixture(scope="module")
def tape(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("router") / "session.jsonl"
    with TvWSClient([PAIR], source="fake:seed=7,speed=max", n_init_bars=5, record=path) as client:
        count = 0
        while count < 200:
            count += len(client.poll(3600) or ())
    return path


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with FakeServer(seed=3, speed=60) as server:
        yield server


def test_two_iterators_get_the_same_bars_each_in_full(tape: Path) -> None:
    with StreamRouter([PAIR], source=tape) as router:
        first, second = router.iter_bars(PAIR), router.iter_bars()
        assert [bar.to_json() for bar in first] == [bar.to_json() for bar in second]


def test_closed_bars_come_once_each(tape: Path) -> None:
    with StreamRouter([PAIR], source=tape) as router:
        times = [bar.time for bar in router.iter_closed_bars(PAIR)]
    assert times == sorted(set(times))
    assert len(times) >= 4


def test_a_callback_that_raises_is_taken_off_and_stops_nobody_else(tape: Path) -> None:
    seen: list[Tick] = []

    def fails(event: object) -> None:
        raise RuntimeError("a bug of the user")

    with StreamRouter([PAIR], source=tape) as router:
        router.subscribe(PAIR[0], fails)
        router.subscribe(PAIR[0], seen.append)
        with pytest.warns(RuntimeWarning, match=r"fails.* raised RuntimeError\('a bug of the user'\) and is taken off"):
            router.run()
        assert [str(error) for error in router.failures] == ["a bug of the user"]
    assert len(seen) > 10


def test_where_warnings_are_errors_so_is_a_callback_that_raises(tape: Path) -> None:
    seen: list[Tick] = []

    def fails(event: object) -> None:
        raise AssertionError("a check in a callback")

    with StreamRouter([PAIR], source=tape) as router:
        router.subscribe(PAIR[0], fails)
        router.subscribe(PAIR[0], seen.append)
        with pytest.raises(RuntimeWarning, match="a check in a callback"):
            router.run()
        router.run()
    # What came at that moment came to the others, and once.
    with TvWSClient([PAIR], source=tape) as client:
        assert seen == [event for event in client.stream() if isinstance(event, Tick)]


def test_a_disposed_callback_is_not_called_any_more(tape: Path) -> None:
    seen: list[object] = []
    with StreamRouter([PAIR], source=tape) as router:
        dispose = router.subscribe(PAIR, seen.append, ticks=True)
        dispose()
        dispose()
        router.run()
    assert seen == []


def test_inline_a_full_mailbox_of_another_consumer_is_named(tape: Path) -> None:
    with StreamRouter([PAIR], source=tape) as router:
        router.iter_bars(PAIR, mailbox=3)
        ticks = router.iter_ticks(PAIR[0])
        with pytest.raises(MailboxFull, match="bars BINANCE:BTCUSDT 1"):
            list(ticks)


def test_a_consumer_with_the_policy_error_fails_alone(tape: Path) -> None:
    with StreamRouter([PAIR], source=tape) as router:
        failing = router.iter_bars(PAIR, mailbox=3, policy="error")
        ticks = router.iter_ticks(PAIR[0])
        assert list(ticks)
        with pytest.raises(MailboxFull):
            list(failing)


@pytest.mark.parametrize("wrong", [{"mailbox": 0}, {"policy": "lifo"}])
def test_what_no_mailbox_can_be_is_refused_when_the_router_is_made(tape: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidPlan, match="mailbox"):
        StreamRouter([PAIR], source=tape, **wrong)


def test_what_is_dropped_is_counted(tape: Path) -> None:
    with StreamRouter([PAIR], source=tape) as router:
        bars = router.iter_bars(PAIR, mailbox=3, policy="drop_oldest")
        router.run()
        counts = bars.statistics()
        assert router.statistics() == [counts]
        assert len(list(bars)) == 3
    assert counts.offered == counts.dropped + 3


def test_a_closed_consumer_ends(tape: Path) -> None:
    with StreamRouter([PAIR], source=tape) as router:
        bars = router.iter_bars(PAIR)
        next(bars)
        bars.close()
        assert list(bars) == []


def test_over_a_socket_consumers_in_threads_get_the_same(server: FakeServer) -> None:
    got: dict[str, list[Bar]] = {"one": [], "two": []}
    with StreamRouter([PAIR], source=server.url, n_init_bars=5) as router:
        consumers = {name: router.iter_bars(PAIR) for name in got}

        def consume(name: str) -> None:
            for _ in range(20):
                got[name].append(next(consumers[name]))

        threads = [threading.Thread(target=consume, args=(name,)) for name in got]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert len(got["one"]) == 20
    assert got["one"] == got["two"]


def test_closing_ends_a_consumer_that_waits(server: FakeServer) -> None:
    with StreamRouter([PAIR], source=server.url, n_init_bars=5) as router:
        called = threading.Event()
        router.subscribe(PAIR, lambda event: called.set())
        assert called.wait(10)
        ended = threading.Event()
        nothing = router.iter_closed_bars(PAIR, policy="latest")

        def wait() -> None:
            list(nothing)
            ended.set()

        thread = threading.Thread(target=wait)
        thread.start()
        router.close()
        assert ended.wait(10)
        thread.join(10)


def test_ticks_of_a_chart_type_are_those_of_its_symbol() -> None:
    renko = Symbol("BINANCE:BTCUSDT", chart="renko")
    with StreamRouter([(renko, "1")], source="fake:speed=max") as router:
        ticks, bars = router.iter_ticks(renko), router.iter_bars((renko, "1"))
        assert next(ticks).symbol == "BINANCE:BTCUSDT"
        assert next(bars).symbol == renko
