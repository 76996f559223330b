"""Text logs of a WebSocket client become tapes whose times are estimated."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.constants import MAX_LINE
from tvstreamer.errors import TapeFormatError
from tvstreamer.protocol import framing
from tvstreamer.tape.convert.log import import_log, log_lines
from tvstreamer.tape.format import Record
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor

HAND_MADE = Path(__file__).resolve().parents[4] / "fixtures" / "wire" / "minute-session.log"
HELLO = framing.packet('{"session_id":"1","timestamp":1700000000,"timestampMs":1700000000500,"via":"10.0.0.1:443"}')
LATER = framing.packet('{"m":"series_loading","p":["cs_1","sds_1","s1"],"t":1700000001,"t_ms":1700000001250}')
EARLIER = framing.packet('{"m":"series_loading","p":["cs_1","sds_1","s1"],"t":1600000001,"t_ms":1600000001250}')


class Kept(io.BytesIO):
    def close(self) -> None:
        pass


def imported(*lines: str) -> tuple[TapeReader, list[Record]]:
    file = Kept()
    import_log(lines, file, redactor=Redactor(key=b"k" * 32), tool="test")
    reader = TapeReader(io.BytesIO(file.getvalue()))
    return reader, list(reader)


def test_times_come_from_the_server_and_are_carried_forward() -> None:
    reader, records = imported("WS TX early", f"WS RX {HELLO}\r\n", "WS TX a", f"WS RX {LATER}", f"WS RX {EARLIER}", "WS TX b")
    assert (reader.header.times, reader.header.start) == ("estimated", 1_700_000_000.5)
    assert [(record.k, record.t) for record in records] == [
        ("open", 0), ("send", 0), ("recv", 0), ("send", 0), ("recv", 750_000_000), ("recv", 750_000_000), ("send", 750_000_000),
        ("note", 750_000_000),
    ]  # fmt: skip


def test_other_lines_are_counted_and_left_out() -> None:
    _, records = imported("", "-> repeated", f"WS RX {LATER}", "anything", "ws rx no")
    assert [record.k for record in records] == ["open", "recv", "note"]
    assert records[-1].note == {"imported": "log", "other_lines": 3}


def test_what_a_log_tells_of_its_owner_is_scrubbed() -> None:
    _, records = imported(f"WS RX {HELLO}", "WS TX " + framing.packet('{"m":"set_auth_token","p":["mine"]}'))
    assert "10.0.0.1" not in records[1].text()
    assert "mine" not in records[2].text()


def test_a_log_without_any_time_starts_at_the_epoch() -> None:
    reader, records = imported("WS TX a", "WS RX b", 'WS RX garbage "timestampMs"')
    assert reader.header.start == 0
    assert [record.raw for record in records[1:-1]] == ["a", "b", 'garbage "timestampMs"']


def test_a_log_without_messages_is_refused() -> None:
    with pytest.raises(TapeFormatError, match=r"log: no line begins with 'WS TX ' or 'WS RX '"):
        imported("nothing", "here")


def endless(line: str) -> Iterator[str]:
    yield from itertools.repeat(line)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("nothing\n", "no line of the first 1000 characters begins with 'WS TX ' or 'WS RX '"),
        ("\n", "no line of the first 1000 characters begins with 'WS TX ' or 'WS RX '"),
        ("WS TX " + "x" * 100, "no line of the first 1000 characters tells the server's time"),
        ("WS TX x", "none of the first 20 messages tells the server's time"),
    ],
)
def test_a_log_that_does_not_end_is_given_up(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "tape.jsonl"
    with pytest.raises(TapeFormatError, match=f"a.log: {problem}$"):
        import_log(
            endless(line), str(path), redactor=Redactor(key=b"k" * 32), tool="test", name="a.log", most_before=1000, most_early=20
        )
    assert not path.exists()


def test_once_a_time_is_known_a_log_may_be_as_long_as_it_likes() -> None:
    file = Kept()
    lines = [f"WS RX {HELLO}", *["WS TX a"] * 500, *["other"] * 500]
    writer = import_log(lines, file, redactor=Redactor(key=b"k" * 32), tool="test", most_before=1000, most_early=20)
    assert writer.messages == 501


class Zeros(io.RawIOBase):
    """As /dev/zero: there is always more, and no line ends."""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        buffer[:] = bytes(len(buffer))
        return len(buffer)


def test_a_line_that_does_not_end_is_given_up_and_what_came_before_is_a_tape(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    log = io.TextIOWrapper(io.BufferedReader(Zeros()))

    def lines() -> Iterator[str]:
        yield f"WS RX {HELLO}"
        yield from log_lines(log, "/dev/zero")

    with pytest.raises(TapeFormatError, match=f"/dev/zero:1: a line of more than {MAX_LINE} characters"):
        import_log(lines(), str(path), redactor=Redactor(key=b"k" * 32), tool="test")
    with TapeReader(path) as reader:
        assert [record.k for record in reader] == ["open", "recv"]
        assert reader.complete


def test_lines_come_as_they_are() -> None:
    assert list(log_lines(io.StringIO("a\n\nb"))) == ["a\n", "\n", "b"]


def test_the_hand_made_log_keeps_every_message() -> None:
    lines = HAND_MADE.read_text(encoding="utf-8").splitlines()
    _, records = imported(*lines)
    messages = [record.text() for record in records if record.k in ("send", "recv")]
    clean = Redactor(key=b"k" * 32).message
    assert messages == [clean(line[6:]) for line in lines if line.startswith(("WS TX ", "WS RX "))]


def test_a_path_that_asks_for_it_is_compressed(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl.gz"
    import_log(["WS RX ~m~4~m~~h~1"], str(path), redactor=Redactor(key=b"k" * 32), tool="test")
    assert path.read_bytes().startswith(b"\x1f\x8b")
    with TapeReader(path) as reader:
        assert [record.k for record in reader] == ["open", "recv", "note"]
