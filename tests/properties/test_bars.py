"""Bars of a series: however they are delivered, each closes once, none comes back, and the whole is that of one snapshot."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.constants import NO_VALUE
from tvstreamer.events import Bar, Event
from tvstreamer.protocol import codec, framing
from tvstreamer.protocol.client import ClientProtocol
from tvstreamer.protocol.packets import (
    BarRow,
    BarValues,
    CreateSeries,
    DataUpdate,
    LastBarStatus,
    Reply,
    SeriesCompleted,
    SeriesData,
    TimescaleUpdate,
)
from tvstreamer.protocol.subscription import Subscription
from tvstreamer.pump import fire

START = 1_700_000_040.0
"""A full minute."""
MINUTE = 60.0
BARS = Subscription("TEST:ONE", "1", ticks=False)

VALUES = (1.0, 1.0, 1.0, 1.0, NO_VALUE)
OTHERS = (2.0, 2.0, 2.0, 2.0, 5.0)

prices = st.integers(1, 4).map(float)
volumes = st.sampled_from([NO_VALUE, 0.0, 5.0])
values = st.tuples(prices, prices, prices, prices, volumes)
Values = tuple[float, float, float, float, float]
Step = tuple[Any, ...]
Story = tuple[list[Values], list[Step], int]
"""A snapshot, what happens after it, and the index of its first bar."""

changes = st.tuples(st.just("change"), values)
"""The newest bar has other values."""
repeats = st.tuples(st.just("repeat"))
"""The newest bar is told once more."""
successors = st.tuples(st.just("successor"), st.sampled_from([1, 2, 5]), values)
"""A bar so many minutes after the newest; the minutes between have none."""
both = st.tuples(st.just("both"), values, values)
"""The last values of a bar and its successor, in one delivery, the newer one first."""
corrections = st.tuples(st.just("correction"), st.integers(1, 5), values)
"""Other values for a bar some way back."""
waits = st.tuples(st.just("wait"), st.floats(0.1, 200))
"""Nothing is told for so many seconds."""
losses = st.tuples(st.just("loss"), st.integers(0, 3), st.integers(0, 5))
"""The connection is lost, bars are missed, and the new snapshot begins so many before the last that was told."""

updates = changes | repeats | successors | both | corrections
snapshots = st.lists(values, min_size=1, max_size=5)


class Market:
    """The bars that there are, and what is told of them with each step."""

    def __init__(self, snapshot: list[Values]) -> None:
        self.rows = [BarValues(START + MINUTE * number, *each) for number, each in enumerate(snapshot)]

    def step(self, step: Step) -> list[BarValues]:
        rows = self.rows
        match step:
            case ["change", each]:
                rows[-1] = BarValues(rows[-1].time, *each)
            case ["successor", minutes, each]:
                rows.append(BarValues(rows[-1].time + MINUTE * minutes, *each))
            case ["both", last, each]:
                rows[-1] = BarValues(rows[-1].time, *last)
                rows.append(BarValues(rows[-1].time + MINUTE, *each))
                return [rows[-1], rows[-2]]
            case ["correction", back, each]:
                number = max(0, len(rows) - 1 - back)
                rows[number] = BarValues(rows[number].time, *each)
                return [rows[number]]
        return [rows[-1]]


class Client:
    """A client that follows one series, and what it said so far."""

    def __init__(self, market: Market, index: int = 0) -> None:
        self._market = market
        self.bars: list[Bar] = []
        self.now = START
        self._index = index
        self._protocol = ClientProtocol(rng=random.Random(1))
        self._protocol.subscribe(BARS)
        self.connect()

    def connect(self) -> None:
        self._protocol.connected(self.now)
        sent = [codec.decode_command(text) for message in self._protocol.messages_to_send() for text in framing.split(message)]
        created = [command.p for command in sent if isinstance(command, CreateSeries)]
        self._session, self._series = created[-1].session, created[-1].series

    def snapshot(self, rows: list[BarValues], *, server_time: float | None = None) -> None:
        milliseconds = None if server_time is None else round(server_time * 1000)
        params = TimescaleUpdate.Params(self._session, self._objects(rows))
        completed = SeriesCompleted.Params(self._session, self._series, "streaming", "s1", {"rt_update_period": 0})
        self._receive(TimescaleUpdate(params, t_ms=milliseconds), SeriesCompleted(completed))

    def update(self, rows: list[BarValues]) -> None:
        self._receive(DataUpdate(DataUpdate.Params(self._session, self._objects(rows))))

    def wait(self, seconds: float) -> None:
        self.now += seconds
        fire(self._protocol, self.now)
        self._take(self._protocol.events())

    def lose(self) -> None:
        self._protocol.disconnected(self.now, "lost")

    def _objects(self, rows: list[BarValues]) -> dict[str, SeriesData]:
        newest = max(row.time for row in rows)
        # Only bars that exist have an index, so minutes without one leave no gap in it.
        position = {row.time: number for number, row in enumerate(self._market.rows)}
        numbered = [BarRow(self._index + position[row.time], row) for row in rows]
        return {self._series: SeriesData(s=numbered, t="s1", lbs=LastBarStatus(newest + MINUTE))}

    def _receive(self, *replies: Reply) -> None:
        self._protocol.receive(framing.join(map(codec.encode, replies)), self.now)
        self._take(self._protocol.events())

    def _take(self, events: list[Event]) -> None:
        self.bars += [event for event in events if isinstance(event, Bar)]

    def outcome(self) -> dict[float, tuple[object, ...]]:
        """What is known of each bar in the end."""
        return {bar.time: (*told(bar), bar.closed) for bar in self.bars}


def told(bar: Bar) -> tuple[object, ...]:
    return bar.open, bar.high, bar.low, bar.close, bar.volume


def meant(row: BarValues) -> tuple[object, ...]:
    return row.open, row.high, row.low, row.close, None if row.volume == NO_VALUE else row.volume


def run(story: Story) -> tuple[Market, list[Bar]]:
    """The bars that there are in the end, and all that a client has said of them."""
    snapshot, steps, index = story
    market = Market(snapshot)
    client = Client(market, index)
    client.snapshot(market.rows, server_time=client.now)
    for step in steps:
        match step:
            case ["wait", seconds]:
                client.wait(seconds)
            case ["loss", missed, back]:
                first = max(0, len(market.rows) - 1 - back)
                client.lose()
                for _ in range(missed):
                    market.step(("successor", 1, VALUES))
                client.connect()
                client.snapshot(market.rows[first:], server_time=client.now)
            case _:
                client.update(market.step(step))
    return market, client.bars


stories = st.tuples(snapshots, st.lists(updates | waits | losses, max_size=12), st.integers(-1000, 1000))

# A bar that the clock has closed is revised, succeeded, and shown again after a loss.
CLOSED_BY_TIME: Story = ([VALUES], [("wait", 70.0), ("change", OTHERS), ("loss", 2, 1), ("successor", 1, VALUES)], 0)


def by_time(bars: list[Bar]) -> Iterator[list[Bar]]:
    for moment in {bar.time for bar in bars}:
        yield [bar for bar in bars if bar.time == moment]


@given(stories)
@example(CLOSED_BY_TIME)
def test_bars_never_go_back_but_to_be_revised(story: Story) -> None:
    times = [bar.time for bar in run(story)[1] if bar.revision == 0]
    assert times == sorted(times)


@given(stories)
@example(CLOSED_BY_TIME)
def test_each_bar_that_has_a_successor_closes_exactly_once(story: Story) -> None:
    market, bars = run(story)
    closed = [bar.time for bar in bars if bar.closed and bar.revision == 0]
    assert len(closed) == len(set(closed))
    # The newest one may have been closed by the clock.
    assert {row.time for row in market.rows[:-1]} <= set(closed) <= {row.time for row in market.rows}


@given(stories)
@example(CLOSED_BY_TIME)
@example(([VALUES, VALUES], [("correction", 1, OTHERS), ("correction", 1, VALUES)], 0))
def test_a_bar_forms_then_closes_with_what_was_last_known_then_is_revised_by_ones(story: Story) -> None:
    for bars in by_time(run(story)[1]):
        states = [bar.closed for bar in bars]
        assert states == sorted(states)
        revisions = [bar.revision for bar in bars if bar.closed]
        assert revisions == list(range(len(revisions)))
        for last, bar in pairwise(bars):
            if bar.revision > 0:
                assert told(bar) != told(last)
            elif bar.closed_by == "time":
                assert told(bar) == told(last)


@given(snapshots, st.lists(updates, max_size=12))
@example([VALUES], [("both", OTHERS, VALUES), ("correction", 1, VALUES)])
def test_a_snapshot_and_its_updates_are_the_longer_snapshot(snapshot: list[Values], steps: list[Step]) -> None:
    market = Market(snapshot)
    followed, late = Client(market), Client(market)
    followed.snapshot(market.rows)
    for step in steps:
        followed.update(market.step(step))
    late.snapshot(market.rows)
    assert followed.outcome() == late.outcome()
    assert late.outcome() == {row.time: (*meant(row), row is not market.rows[-1]) for row in market.rows}


@given(snapshots, st.data())
def test_a_snapshot_tells_each_bar_once_in_whatever_order_it_has_them(snapshot: list[Values], data: st.DataObject) -> None:
    market = Market(snapshot)
    rows, client = market.rows, Client(market)
    client.snapshot(data.draw(st.permutations(rows)))
    assert [(bar.time, told(bar)) for bar in client.bars] == [(row.time, meant(row)) for row in rows]
