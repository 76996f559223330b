"""Golden files: compared, written when that is asked for, and refused where they are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tvstreamer.errors import TapeFormatError
from tvstreamer.events import Event, Tick
from tvstreamer.testing import assert_events, update_goldens
from tvstreamer.testing.goldens import VARIABLE, updating

TICKS: list[Event] = [Tick("A:B", float(number), 10.0 + number, None) for number in range(3)]


@pytest.fixture(autouse=True)
def _compare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever the run of these tests was told."""
    monkeypatch.delenv(VARIABLE, raising=False)
    was = updating()
    update_goldens(False)
    yield
    update_goldens(was)


def test_a_golden_file_is_written_once_and_compared_from_then_on(tmp_path: Path) -> None:
    golden = tmp_path / "goldens" / "ticks.jsonl"
    with pytest.raises(AssertionError, match=r"no such golden file; to write it: pytest --tv-update-goldens, or TVSTREAMER_UPDATE"):
        assert_events(TICKS, golden)
    assert_events(TICKS, golden, update=True)
    assert golden.read_bytes() == b"".join(event.to_json() + b"\n" for event in TICKS)
    assert_events(iter(TICKS), str(golden))
    with pytest.raises(AssertionError, match=r"not the events of .*ticks\.jsonl: event 2 differs"):
        assert_events(TICKS[:2], golden)
    assert [path.name for path in golden.parent.iterdir()] == ["ticks.jsonl"]


def test_a_run_can_be_told_to_write_them_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    golden = tmp_path / "ticks.jsonl"
    update_goldens()
    assert_events(TICKS, golden)
    before = golden.stat().st_mtime_ns
    assert_events(TICKS, golden)
    assert golden.stat().st_mtime_ns == before, "a file that would not change is left alone"
    update_goldens(False)
    monkeypatch.setenv(VARIABLE, "1")
    assert_events(TICKS[:1], golden)
    monkeypatch.setenv(VARIABLE, "0")
    assert_events(TICKS[:1], golden)
    assert_events(TICKS[:1], golden, update=False)


def test_events_are_compared_with_events_too() -> None:
    assert_events(TICKS, iter(TICKS))
    with pytest.raises(AssertionError, match="not the events: event 0 differs, of 3; expected are 0"):
        assert_events(TICKS, [])


@pytest.mark.parametrize("line", [b"", b"{}", b'{"type":"tick"}', b"\xff", b"not json"])
def test_a_line_that_is_no_event_is_told_by_its_number(tmp_path: Path, line: bytes) -> None:
    golden = tmp_path / "ticks.jsonl"
    golden.write_bytes(TICKS[0].to_json() + b"\n" + line + b"\n")
    with pytest.raises(TapeFormatError, match=r"ticks\.jsonl:2: expected an event as a line of JSON"):
        assert_events(TICKS, golden)
