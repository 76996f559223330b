"""Packets in and out of messages."""

from __future__ import annotations

import pytest

from tvstreamer.constants import MAX_MESSAGE
from tvstreamer.errors import FramingError
from tvstreamer.protocol import framing

ASTRAL = "\N{ROCKET}"


def test_an_astral_character_counts_two() -> None:
    assert framing.utf16_length(f"a{ASTRAL}é") == 4
    assert framing.packet(ASTRAL) == f"~m~2~m~{ASTRAL}"


@pytest.mark.parametrize(
    "payloads",
    [[], [""], ["", ""], ["a"], ["a", "bc"], ["~m~1~m~x"], ["x" * 5000], [ASTRAL], [f"{ASTRAL}a{ASTRAL}", "é", ASTRAL]],
)
def test_splitting_undoes_joining(payloads: list[str]) -> None:
    assert framing.split(framing.join(payloads)) == payloads


@pytest.mark.parametrize("length", range(4080, 4110))
def test_the_quick_way_ends_without_a_seam(length: int) -> None:
    assert framing.split(framing.packet("x" * length)) == ["x" * length]


@pytest.mark.parametrize(
    ("message", "offset"),
    [
        ("x", 0),
        ("~m~", 3),
        ("~m~~m~", 3),
        ("~m~-1~m~", 3),
        ("~m~\N{ARABIC-INDIC DIGIT ONE}~m~x", 3),
        ("~m~999999999999~m~x", 3),
        ("~m~2~m~x", 0),
        ("~m~1~m~xy", 8),
        ("~m~1~m~x~m~9~m~y", 8),
        (f"~m~9~m~{ASTRAL}", 0),
        (f"~m~1~m~{ASTRAL}", 7),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_offset(message: str, offset: int) -> None:
    with pytest.raises(FramingError) as caught:
        framing.split(message)
    assert caught.value.offset == offset


def test_a_message_too_long_is_refused() -> None:
    with pytest.raises(FramingError, match="the limit is"):
        framing.split(framing.packet("x" * MAX_MESSAGE))


def test_wrong_lengths_are_forgiven_on_request() -> None:
    assert framing.split_leniently("~m~9~m~ab~m~1~m~c") == ["ab", "c"]
    assert framing.split_leniently("~m~9~m~a~m~b~m~1~m~c") == ["a~m~b", "c"]
    assert framing.split_leniently("~m~1~m~a") == ["a"]


def test_leniency_needs_a_first_header() -> None:
    with pytest.raises(FramingError):
        framing.split_leniently("ab~m~1~m~c")


@pytest.mark.parametrize(
    ("payload", "is_one"),
    [("~h~1", True), ("~h~120", True), ("~h~", False), ("~h~1a", False), ("~h~\N{SUPERSCRIPT TWO}", False), ("1", False)],
)
def test_a_heartbeat_is_told_by_its_shape(payload: str, is_one: bool) -> None:
    assert framing.heartbeat(payload) is is_one


@pytest.mark.parametrize("length", range(1, 12))
def test_characters_without_a_meaning_are_no_packet(length: int) -> None:
    with pytest.raises(FramingError):
        framing.split("\x00" * length)


@pytest.mark.parametrize("message", [framing.join(["{}", "~h~1", ""]), framing.packet("x")])
def test_a_cut_gives_what_a_walk_gives(message: str) -> None:
    assert framing.cut(message) == framing.split(message)


@pytest.mark.parametrize(
    "message", ["x", "~m~2~m~{", "~m~02~m~{}", framing.packet("\u00e9"), framing.join(["~m~1~m~", "{}"]), "~m~1~m~a~m~1~m~", "\x00"]
)
def test_what_cannot_be_cut_by_its_headers_alone_is_left_to_a_walk(message: str) -> None:
    assert framing.cut(message) is None
