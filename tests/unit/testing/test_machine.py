"""The machine finds what is wrong with a client, leaves the tape of it, and has nothing against one that is right."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import run_state_machine_as_test

from tvstreamer import TvWSClient
from tvstreamer.errors import TransportTimeout
from tvstreamer.events import Bar, Event, Gap, Reconnected, Tick
from tvstreamer.faults import FaultPlan, close
from tvstreamer.testing.machine import MachineClient, Pair, TradingViewMachine

FEW = settings(
    max_examples=6, stateful_step_count=6, database=None, phases=[Phase.generate], derandomize=True, deadline=None,
    report_multiple_bugs=False,
)  # fmt: skip
MANY = settings(FEW, max_examples=40)
SHRUNK = settings(MANY, stateful_step_count=4, report_multiple_bugs=False, phases=[Phase.generate, Phase.shrink])


class Plain:
    """A client of somebody's own, as an adapter would be: no history, nothing but bars and gaps."""

    def __init__(self, source: Any, pairs: list[Pair], n_init_bars: int) -> None:
        self._inner = TvWSClient(pairs, source=source, n_init_bars=n_init_bars, seed=1)
        self._inner.connect()

    def subscribe(self, pair: Pair) -> None:
        self._inner.subscribe(pair)

    def unsubscribe(self, pair: Pair) -> None:
        self._inner.unsubscribe(pair)

    def poll(self, timeout: float) -> Iterable[Event] | None:
        batch = self._inner.poll(timeout)
        return None if batch is None else self.told(batch)

    def told(self, batch: list[Event]) -> list[Event]:
        return [event for event in batch if isinstance(event, Bar | Gap | Tick)]

    def close(self) -> None:
        self._inner.close()


class Machine(TradingViewMachine):
    symbols = ("BINANCE:BTCUSDT",)
    intervals = ("1",)
    plans = st.just(FaultPlan([close(at=70, connection=1)])) | st.just(FaultPlan())
    client_class: type[Plain] = Plain

    def make_client(self, source: Any, pairs: list[Pair]) -> MachineClient:
        return self.client_class(source, pairs, self.bars)


def failure_of(client: type[Plain], how: settings = MANY) -> tuple[AssertionError, list[Path]]:
    """What the machine has against a client, and the tapes that it left."""
    tapes: list[Path] = []

    class Against(Machine):
        client_class = client
        kept = tapes.append

    with pytest.raises(AssertionError) as failure:
        run_state_machine_as_test(Against, settings=how)
    return failure.value, tapes


def remove(tapes: list[Path]) -> None:
    for tape in set(tapes):
        tape.unlink()


def test_it_has_nothing_against_a_client_that_is_right() -> None:
    run_state_machine_as_test(Machine, settings=FEW)


def test_it_tries_history_where_there_is_one_and_all_faults_by_default() -> None:
    class WithHistory(TradingViewMachine):
        def make_client(self, source: Any, pairs: list[Pair]) -> MachineClient:
            client = TvWSClient(pairs, source=source, n_init_bars=self.bars, seed=1)
            client.connect()
            return client

        def accepts_no_answer(self, error: Exception) -> bool:
            return isinstance(error, TransportTimeout) or self.accepts(error)

    run_state_machine_as_test(WithHistory, settings=FEW)


def test_a_bar_that_is_told_twice_is_found_and_the_smallest_run_is_left_as_a_tape() -> None:
    class Repeats(Plain):
        """After it came back it tells the last bar again."""

        last: Bar | None = None

        def told(self, batch: list[Event]) -> list[Event]:
            again = [self.last] if self.last is not None and any(isinstance(each, Reconnected) for each in batch) else []
            closed = [each for each in batch if isinstance(each, Bar) and each.closed]
            self.last = closed[-1] if closed else self.last
            return [*again, *super().told(batch)]

    failure, tapes = failure_of(Repeats, SHRUNK)
    try:
        assert "comes behind that of" in str(failure)
        assert f"tvstreamer replay {tapes[-1]}" in "\n".join(failure.__notes__)
        with TvWSClient(source=tapes[-1]) as client:
            events = list(client.stream())
        assert any(isinstance(event, Reconnected) for event in events)
    finally:
        remove(tapes)


def test_a_bar_that_is_left_out_is_found() -> None:
    class Loses(Plain):
        """Every fifth bar never ends."""

        def told(self, batch: list[Event]) -> list[Event]:
            return [each for each in super().told(batch) if not (isinstance(each, Bar) and each.closed and each.time % 300 == 0)]

    failure, tapes = failure_of(Loses)
    remove(tapes)
    assert "nobody told of" in str(failure)


def test_values_that_no_market_has_are_found() -> None:
    class Rounds(Plain):
        def told(self, batch: list[Event]) -> list[Event]:
            return [
                Bar(each.symbol, each.interval, each.time, each.open, each.high, each.low, round(each.close), each.volume,
                    closed=each.closed, closed_by=each.closed_by, revision=each.revision)
                if isinstance(each, Bar) else each
                for each in super().told(batch)
            ]  # fmt: skip

    failure, tapes = failure_of(Rounds)
    remove(tapes)
    assert "was told as" in str(failure)


def test_prices_that_no_market_has_and_bars_that_nobody_asked_for_are_found() -> None:
    class Invents(Plain):
        def told(self, batch: list[Event]) -> list[Event]:
            return [Tick(each.symbol, each.time, -1.0) if isinstance(each, Tick) else each for each in super().told(batch)]

    class Strays(Plain):
        def told(self, batch: list[Event]) -> list[Event]:
            return [*super().told(batch), Bar("NASDAQ:AAPL", "1", 0.0, 1.0, 1.0, 1.0, 1.0)]

    for client, told in ((Invents, "is none of the market's"), (Strays, "is of what was not asked for")):
        failure, tapes = failure_of(client)
        remove(tapes)
        assert told in str(failure)


def test_a_client_that_ends_without_a_reason_is_found() -> None:
    tapes: list[Path] = []

    class Gives(Plain):
        def poll(self, timeout: float) -> Iterable[Event] | None:
            raise OSError("tired")

    class Unfaulted(Machine):
        plans = st.just(FaultPlan())
        client_class = Gives
        kept = tapes.append

    with pytest.raises(OSError, match="tired"):
        run_state_machine_as_test(Unfaulted, settings=FEW)
    remove(tapes)


def test_without_a_client_there_is_no_machine() -> None:
    tapes: list[Path] = []

    class Nothing(TradingViewMachine):
        kept = tapes.append

    with pytest.raises(NotImplementedError, match="needs a make_client"):
        run_state_machine_as_test(Nothing, settings=FEW)
    remove(tapes)


def test_a_client_may_be_given_an_address() -> None:
    """Here time is real, only faster: so one run, of three steps."""
    urls: list[str] = []

    class OnAPort(Machine):
        plans = st.just(FaultPlan())
        by_url = True
        speed = 2000.0
        settling = 600.0
        patience = 10_000.0

        def make_client(self, source: Any, pairs: list[Pair]) -> MachineClient:
            urls.append(source)
            return super().make_client(source, pairs)

    run_state_machine_as_test(OnAPort, settings=settings(FEW, max_examples=1, stateful_step_count=3))
    assert urls
    assert all(url.startswith("ws://127.0.0.1:") for url in urls)
