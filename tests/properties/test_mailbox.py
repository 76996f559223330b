"""A mailbox under any traffic: it never outgrows its size, accounts for every event, and loses only what its policy says."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import get_args

from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.errors import MailboxFull
from tvstreamer.events import Bar, Event, Quote, Tick
from tvstreamer.routing import Mailbox, Policy
from tvstreamer.testing.strategies import events, structs

names = st.sampled_from(["EX:A", "EX:B"])
few = st.sampled_from([0.0, 60.0])
bars = structs(Bar, symbol=names, interval=st.sampled_from(["1", "5"]), time=few, closed=st.booleans())
traffic = st.lists(st.none() | bars | structs(Tick, symbol=names) | events(), max_size=30)
"""Events that are offered; None stands for one that is taken."""
sizes = st.integers(1, 5)
policies = st.sampled_from(get_args(Policy))

A_BAR = Bar("EX:A", "1", 0.0, 1.0, 1.0, 1.0, 1.0)
NEXT_BAR = Bar("EX:A", "1", 60.0, 1.0, 1.0, 1.0, 1.0)
ITS_END = Bar("EX:A", "1", 0.0, 1.0, 1.0, 1.0, 1.0, closed=True, closed_by="successor")


class Run:
    """What became of some traffic."""

    def __init__(self, traffic: Iterable[Event | None], size: int, policy: Policy) -> None:
        self.mailbox = Mailbox("m", size=size, policy=policy)
        self.accepted: list[Event] = []
        self.refused: list[Event] = []
        self.taken: list[Event] = []
        for event in traffic:
            if event is None:
                self.take()
            else:
                self.offer(event)
            assert len(self.mailbox) <= size
            self.check()

    def offer(self, event: Event) -> None:
        waiting = len(self.mailbox)
        try:
            accepted = self.mailbox.offer(event)
        except MailboxFull:
            accepted = False
        (self.accepted if accepted else self.refused).append(event)
        if not accepted:
            assert waiting == len(self.mailbox) == self.mailbox.size, "only a full mailbox refuses, and stays as it is"

    def take(self) -> None:
        event = self.mailbox.take()
        if event is not None:
            self.taken.append(event)

    def drain(self) -> list[Event]:
        """Takes the rest; returns it."""
        rest = list(iter(self.mailbox.take, None))
        self.taken += rest
        return rest

    def check(self) -> None:
        counts = self.mailbox.statistics()
        assert counts.offered == len(self.accepted)
        assert counts.delivered == len(self.taken)
        assert counts.waiting == len(self.mailbox)
        assert counts.delivered + counts.dropped + counts.conflated + counts.waiting == counts.offered


@given(traffic, sizes, policies)
def test_the_size_is_never_exceeded_and_every_event_is_accounted_for(traffic: list[Event | None], size: int, policy: Policy) -> None:
    run = Run(traffic, size, policy)
    run.drain()
    run.check()
    assert len(run.mailbox) == 0


@given(traffic, sizes, st.sampled_from(["block", "error"]))
def test_what_was_accepted_arrives_in_order_where_nothing_may_be_dropped(traffic: list[Event | None], size: int, policy: Policy) -> None:
    run = Run(traffic, size, policy)
    run.drain()
    assert run.taken == run.accepted


@given(traffic, sizes)
@example([A_BAR, ITS_END, None, A_BAR, ITS_END], 2)
def test_drop_oldest_refuses_nothing_and_keeps_the_newest(traffic: list[Event | None], size: int) -> None:
    run = Run(traffic, size, "drop_oldest")
    rest = run.drain()
    assert run.refused == []
    assert rest == run.accepted[len(run.accepted) - len(rest) :]
    taken, waiting = [], deque[Event](maxlen=size)
    for event in traffic:
        if event is not None:
            waiting.append(event)  # of which the oldest falls out
        elif waiting:
            taken.append(waiting.popleft())
    assert run.taken == taken + list(waiting)


@given(traffic, sizes)
@example([A_BAR, ITS_END, None, A_BAR, ITS_END], 2)
def test_drop_newest_refuses_nothing_and_keeps_the_oldest(traffic: list[Event | None], size: int) -> None:
    run = Run(traffic, size, "drop_newest")
    run.drain()
    assert run.refused == []
    taken, waiting = [], deque[Event]()
    for event in traffic:
        if event is not None and len(waiting) < size:
            waiting.append(event)
        elif event is None and waiting:
            taken.append(waiting.popleft())
    assert run.taken == taken + list(waiting)


@given(traffic, sizes)
@example([A_BAR, ITS_END, A_BAR, ITS_END], 5)
@example([A_BAR, NEXT_BAR, A_BAR], 5)
@example([ITS_END, ITS_END], 1)
def test_latest_never_loses_a_closed_bar_and_ends_with_the_newest_of_the_rest(traffic: list[Event | None], size: int) -> None:
    run = Run(traffic, size, "latest")
    run.drain()
    assert [event for event in run.taken if is_final(event)] == [event for event in run.accepted if is_final(event)]
    assert {state(event): event for event in run.taken} == {state(event): event for event in run.accepted}


def is_final(event: Event) -> bool:
    """Whether no later event can stand for this one."""
    return not isinstance(event, Tick | Quote) and not (isinstance(event, Bar) and not event.closed)


def state(event: Event) -> object:
    """What this event is the state of; of a final one, itself."""
    match event:
        case Tick() | Quote():
            return type(event), event.symbol
        case Bar(closed=False):
            return event.symbol, event.interval, event.time
        case _:
            return event.to_json()
