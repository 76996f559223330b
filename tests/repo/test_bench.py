"""What the bench compares does the same work: otherwise its ratios would mean nothing."""

from __future__ import annotations

from pathlib import Path

from bench.corpus import Corpus, write_tape
from bench.stages import check_same_work, in_a_rush, write_bare, write_recorded


def test_the_reference_gives_the_same_ticks_and_bars(tmp_path: Path) -> None:
    # Ten minutes and three series, so that bars end, and what comes late would be missed.
    corpus = Corpus(20_000, seed=3)
    tape = tmp_path / "tape.jsonl"
    messages = write_tape(tape, corpus)
    assert check_same_work(corpus.commands, messages, tape) > 20_000
    rush = in_a_rush(messages)
    assert write_recorded(tmp_path / "ours.jsonl", rush) == write_bare(tmp_path / "bare.jsonl", rush) == len(messages)
