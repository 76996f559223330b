"""A recording in many small files is the same recording: nothing is lost or changed at a seam."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tvstreamer import TvWSClient
from tvstreamer.cli import main
from tvstreamer.errors import TapeExhausted, TapeFormatError
from tvstreamer.tape.compression import packer
from tvstreamer.tape.history import recorded_history
from tvstreamer.tape.reader import TapeReader

SYMBOL = "BINANCE:BTCUSDT"
EVENTS = 1_200


def record(path: Path, **options: Any) -> bytes:
    """Records a fake market of one seed; the events as JSON lines."""
    lines: list[bytes] = []
    with TvWSClient([(SYMBOL, "1"), "NASDAQ:AAPL"], source="fake:seed=7,speed=max", record=path, **options) as client:
        while len(lines) < EVENTS:
            lines += [event.to_json() for event in client.poll(10.0) or ()]
    return b"\n".join(lines)


def replay(path: Path, *subscriptions: Any) -> bytes:
    with TvWSClient(subscriptions, source=path) as client:
        return b"\n".join(event.to_json() for event in client.stream())


def body(paths: list[Path]) -> list[bytes]:
    """The records of all parts, as they stand there."""
    return [line for path in paths for line in path.read_bytes().splitlines()[1:-1]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("whole") / "s.jsonl"
    return path, record(path)


@pytest.mark.parametrize("rotate", ["0.3KB", "20KB", "1s", "20KB,5s"])
def test_a_recording_in_parts_is_equal_to_one_in_one_file(whole: tuple[Path, bytes], tmp_path: Path, rotate: str) -> None:
    path, events = whole
    parts = tmp_path / "s.jsonl"
    assert record(parts, rotate=rotate) == events
    files = sorted(tmp_path.iterdir(), key=lambda each: (each != parts, each.name))
    assert len(files) > 5
    assert body(files) == body([path])
    assert replay(parts) == replay(path) == events
    with TapeReader(parts) as reader:
        assert len(list(reader)) == len(body([path]))
    assert reader.complete


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_parts_can_be_played_matched_and_asked_for_history(whole: tuple[Path, bytes], tmp_path: Path, suffix: str) -> None:
    path, events = whole
    parts = tmp_path / f"s.jsonl{suffix}"
    assert record(parts, rotate="10KB") == events
    assert len(list(tmp_path.iterdir())) > 2
    assert replay(parts) == events
    assert replay(parts, (SYMBOL, "1"), "NASDAQ:AAPL") == events
    ours, theirs = (recorded_history(tape, SYMBOL, "1", 300) for tape in (parts, path))
    assert ours is not None
    assert theirs is not None
    assert ours.bars == theirs.bars
    assert len(ours.bars) >= 300


def test_a_part_alone_is_played_as_far_as_it_can_be(tmp_path: Path) -> None:
    parts = tmp_path / "s.jsonl"
    record(parts, rotate="20KB")
    second = tmp_path / "s.0002.jsonl"
    # It does not hold what was asked for, so nobody knows which symbol and interval its series are.
    assert b'"type":"bar"' not in replay(second)
    with pytest.raises(TapeExhausted, match="the tape holds no further connection"):
        replay(second, (SYMBOL, "1"))


def test_the_command_line_says_that_a_part_is_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record(tmp_path / "s.jsonl", rotate="20KB")
    assert main(["replay", str(tmp_path / "s.0002.jsonl")]) == 0
    assert "s.0002.jsonl: part 2 of a recording; what the parts before ask for is not known" in capsys.readouterr().err
    assert main(["replay", str(tmp_path / "s.jsonl")]) == 0
    assert capsys.readouterr().err == ""


def test_a_missing_part_ends_a_replay_with_an_error(tmp_path: Path) -> None:
    parts = tmp_path / "s.jsonl"
    record(parts, rotate="20KB")
    (tmp_path / "s.0003.jsonl").unlink()
    for subscriptions in ((), ((SYMBOL, "1"),)):
        with pytest.raises(TapeFormatError, match=r"goes on in part 3, which is missing: expected it at .*s\.0003\.jsonl"):
            replay(parts, *subscriptions)


def command(path: Path, *words: str) -> int:
    return main(["record", "--source", "fake:seed=7,speed=max", "-s", SYMBOL, "--max-events", "50", "-o", str(path), *words])


def test_the_command_rotates_and_syncs_as_it_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert command(tmp_path / "s.jsonl", "--rotate", "1KB,1h", "--fsync", "interval") == 0
    assert command(tmp_path / "t.jsonl", "--fsync", "always", "--rotate", "10m") == 0
    assert (tmp_path / "s.0002.jsonl").exists()
    capfd.readouterr()
    digests = []
    for name in ("s.jsonl", "t.jsonl"):
        assert main(["replay", str(tmp_path / name), "--digest"]) == 0
        digests.append(capfd.readouterr().out)
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rotate", "100"], "rotate '100': expected a size in KB, MB or GB, a time in s, m or h"),
        (["--fsync", "often"], "--fsync 'often': expected one of never, interval, always"),
    ],
)
def test_a_wrong_limit_or_policy_is_wrong_usage(tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str], said: str) -> None:
    assert command(tmp_path / "s.jsonl", *words) == 2
    assert said in capfd.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [[], ["--overwrite"]])
def test_a_second_recorder_is_turned_away(tmp_path: Path, capfd: pytest.CaptureFixture[str], words: list[str]) -> None:
    path = tmp_path / "s.jsonl"
    with TvWSClient(["NASDAQ:AAPL"], source="fake:seed=7,speed=max", record=path, rotate="1KB") as client:
        for _ in range(20):
            client.poll(10.0)
        assert command(path, *words) == 6
    assert f"{path}: another recorder is writing this file" in capfd.readouterr().err
    assert b"NASDAQ:AAPL" in path.read_bytes()


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_a_log_and_the_tape_made_of_it_may_be_compressed(tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str) -> None:
    log, tape = tmp_path / "log", tmp_path / f"tape.jsonl{suffix}"
    log.write_bytes(packer(suffix[1:] or None)(b"WS RX ~m~4~m~~h~1\nWS TX ~m~4~m~~h~1\n"))
    assert main(["import", "log", str(log), "-o", str(tape)]) == 0
    assert tape.read_bytes()[:2] == {"": b'{"', ".gz": b"\x1f\x8b", ".zst": b"\x28\xb5"}[suffix]
    with TapeReader(tape) as reader:
        assert [record.k for record in reader] == ["open", "recv", "send", "note"]
