"""Ids that a client chooses."""

from __future__ import annotations

import random
import re

import pytest

from tvstreamer.protocol.ids import IdSource, is_for_ticks, purpose


@pytest.mark.parametrize("prefix", ["cs", "qs", "rs"])
def test_a_session_id_is_a_prefix_and_twelve_letters_or_digits(prefix: str) -> None:
    assert re.fullmatch(f"{prefix}_[A-Za-z0-9]{{12}}", IdSource(random.Random(1)).session(prefix))


def test_a_session_id_carries_its_purpose() -> None:
    assert re.fullmatch("qs_ticks_[A-Za-z0-9]{12}", IdSource(random.Random(1)).session("qs", "ticks"))


@pytest.mark.parametrize("word", ["", "ticks", "multiplexer_full"])
def test_the_purpose_is_read_back_from_the_id(word: str) -> None:
    assert purpose(IdSource(random.Random(1)).session("qs", word)) == word


@pytest.mark.parametrize(
    ("session", "expected"),
    [
        ("qs_multiplexer_simple_aaaabbbbcccc", "multiplexer_simple"),
        ("qs_snapshoter_basic-symbol-quotes_aaaabbbbcccc", "snapshoter_basic-symbol-quotes"),
        ("cs_aaaabbbbcccc", ""),
        ("anything", ""),
        ("", ""),
        ("qs__aaaabbbbcccc", ""),
    ],
)
def test_the_purpose_of_another_clients_id(session: str, expected: str) -> None:
    assert purpose(session) == expected


@pytest.mark.parametrize(
    ("session", "ticks"),
    [
        ("qs_ticks_aaaabbbbcccc", True),
        ("qs_quotes_aaaabbbbcccc", False),
        ("qs_full_aaaabbbbcccc", False),
        ("qs_snapshot_aaaabbbbcccc", False),
        ("qs_multiplexer_full_aaaabbbbcccc", True),
        ("anything", True),
    ],
)
def test_a_quote_session_is_there_for_ticks_unless_it_says_otherwise(session: str, ticks: bool) -> None:
    assert is_for_ticks(session) is ticks


def test_the_ids_of_a_series_belong_together_and_count_up() -> None:
    ids = IdSource(random.Random(1))
    assert [ids.series(), ids.series()] == [("sds_1", "s1", "sds_sym_1"), ("sds_2", "s2", "sds_sym_2")]


def test_sessions_do_not_repeat() -> None:
    ids = IdSource(random.Random(1))
    sessions = [ids.session("cs") for _ in range(200)]
    assert len(set(sessions)) == len(sessions)


def test_the_same_seed_gives_the_same_ids() -> None:
    first, second, other = (IdSource(random.Random(seed)).session("cs") for seed in (7, 7, 8))
    assert first == second != other


def test_studies_are_counted() -> None:
    ids = IdSource(random.Random(1))
    assert [ids.study(), ids.study()] == ["st1", "st2"]
