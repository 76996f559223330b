"""What the parts of a recording are called, and how a limit is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from tvstreamer.errors import InvalidPlan
from tvstreamer.tape.parts import Rotation, next_path, part_path

NAMES = [
    ("session.jsonl", "session.0002.jsonl", "session.0003.jsonl"),
    ("session.jsonl.gz", "session.0002.jsonl.gz", "session.0003.jsonl.gz"),
    ("session.jsonl.zst", "session.0002.jsonl.zst", "session.0003.jsonl.zst"),
    ("a.b.tape", "a.b.0002.tape", "a.b.0003.tape"),
    ("tape", "tape.0002", "tape.0003"),
    ("day.0002.jsonl", "day.0002.0002.jsonl", "day.0002.0003.jsonl"),
]


@pytest.mark.parametrize(("first", "second", "third"), NAMES)
def test_the_number_of_a_part_stands_before_the_suffix(first: str, second: str, third: str) -> None:
    folder = Path("some.folder")
    assert [part_path(folder / first, part).name for part in (1, 2, 3)] == [first, second, third]
    assert part_path(folder / first, 12_345).parent == folder


@pytest.mark.parametrize(("first", "second", "third"), NAMES)
def test_each_part_finds_the_next_one(first: str, second: str, third: str) -> None:
    folder = Path("some.folder")
    assert next_path(folder / first, 1) == folder / second
    assert next_path(folder / second, 2) == folder / third


def test_a_part_that_was_renamed_is_followed_by_its_new_name() -> None:
    assert next_path(Path("other.jsonl"), 4) == Path("other.0005.jsonl")


@pytest.mark.parametrize(
    ("text", "size", "seconds"),
    [
        ("100MB", 100_000_000, None),
        ("1.5KB", 1_500, None),
        ("2GB", 2_000_000_000, None),
        ("100kB", 100_000, None),
        ("100mb", 100_000_000, None),
        ("30s", None, 30.0),
        ("5m", None, 300.0),
        ("1h", None, 3600.0),
        ("100MB,1h", 100_000_000, 3600.0),
        ("1h,100MB", 100_000_000, 3600.0),
    ],
)
def test_a_limit_is_a_size_a_time_or_both(text: str, size: int | None, seconds: float | None) -> None:
    assert Rotation.parse(text) == Rotation(size, seconds)


@pytest.mark.parametrize("text", ["", "100", "MB", "0MB", "0s", "1h,0KB", "1h,2h", "1KB,2KB", "1h,", "-1h", "1 h", "1d", "1mm", "1H", "٣s"])
def test_any_other_limit_is_refused_with_what_was_expected(text: str) -> None:
    with pytest.raises(InvalidPlan, match="expected a size in KB, MB or GB, a time in s, m or h") as refused:
        Rotation.parse(text)
    assert repr(text) in str(refused.value)


def test_no_limit_is_no_rotation() -> None:
    assert not Rotation()
    assert Rotation(bytes=1)
    assert Rotation(seconds=0.5)


@pytest.mark.parametrize("wrong", [{"bytes": 0}, {"bytes": -1}, {"seconds": 0.0}, {"seconds": float("inf")}, {"seconds": float("nan")}])
def test_a_limit_is_above_nothing(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidPlan, match="expected a number above 0"):
        Rotation(**wrong)  # type: ignore[arg-type]
