"""Telling less: no bar is left out, and each has its final state."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tvstreamer.protocol.packets import DataUpdate, QuoteCompleted, Reply, TimescaleUpdate
from tvstreamer.server.conflation import conflate

SERIES = [("cs_1", "s1"), ("cs_1", "s2"), ("cs_2", "s1")]


def replies(steps: list[tuple[int, bool]]) -> list[Reply]:
    """For each step an update of a series' running bar, or its next bar."""
    made: list[Reply] = []
    index = dict.fromkeys(SERIES, 0)
    for value, (which, new) in enumerate(steps):
        session, name = SERIES[which]
        index[session, name] += new
        objects: dict[str, Any] = {name: {"s": [{"i": index[session, name], "v": [value]}]}}
        if new:
            made.append(TimescaleUpdate(TimescaleUpdate.Params(session, objects)))
        else:
            made.append(DataUpdate(DataUpdate.Params(session, objects)))
    return made


def final(told: list[Reply]) -> dict[tuple[str, str, int], int]:
    """The last value of each bar, with what a client sees that takes the replies in order."""
    bars: dict[tuple[str, str, int], int] = {}
    newest: dict[tuple[str, str], int] = {}
    for reply in told:
        assert isinstance(reply, DataUpdate | TimescaleUpdate)
        for name, data in reply.p.objects.items():
            row: Any = data
            bar = row["s"][0]
            assert bar["i"] >= newest.get((reply.p.session, name), 0), "an update of a bar after its successor"
            newest[reply.p.session, name] = bar["i"]
            bars[reply.p.session, name, bar["i"]] = bar["v"][0]
    return bars


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), max_size=40))
def test_every_bar_ends_as_it_would_have_ended(steps: list[tuple[int, bool]]) -> None:
    made = replies(steps)
    assert final(conflate(made)) == final(made)


@given(st.lists(st.tuples(st.integers(0, 2), st.just(False)), max_size=40))
def test_a_running_bar_is_told_once(steps: list[tuple[int, bool]]) -> None:
    assert len(conflate(replies(steps))) == len({which for which, _ in steps})


def test_anything_else_is_told_as_it_is() -> None:
    done = QuoteCompleted(QuoteCompleted.Params("qs", "A:B"))
    assert conflate([done, done]) == [done, done]
