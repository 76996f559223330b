"""Framing over any text: nothing is lost, and nothing but `FramingError` is raised."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.errors import FramingError
from tvstreamer.protocol import framing

payloads = st.lists(st.text() | st.sampled_from(["~m~1~m~x", "~h~1", "\N{ROCKET}", ""]))

nearly = st.lists(st.sampled_from(["~m~", "1", "23", "~h~", "\N{ROCKET}", "x", "\N{ARABIC-INDIC DIGIT ONE}"])).map("".join)
"""Text made of the parts of headers."""


@given(payloads)
@example(["\N{ROCKET}"])
def test_splitting_undoes_joining(parts: list[str]) -> None:
    assert framing.split(framing.join(parts)) == parts


@given(st.text() | nearly)
def test_any_text_splits_or_is_refused_with_an_offset(message: str) -> None:
    try:
        parts = framing.split(message)
    except FramingError as error:
        assert 0 <= error.offset <= len(message)
    else:
        assert sum(map(len, parts)) <= len(message)


@given(payloads.filter(lambda parts: not any("~m~" in part for part in parts)))
def test_leniency_changes_nothing_where_the_lengths_are_right(parts: list[str]) -> None:
    assert framing.split_leniently(framing.join(parts)) == parts
