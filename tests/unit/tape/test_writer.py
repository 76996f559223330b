"""Writing tapes: what is written can be read at once, and a recorder that cannot write says so every time."""

from __future__ import annotations

import errno
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.errors import TapeWriteError
from tvstreamer.protocol import framing
from tvstreamer.tape.format import Header, Record
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import SCRUBBED, Redactor
from tvstreamer.tape.writer import TapeWriter

START = 1_700_000_000.0
HELLO = framing.packet('{"session_id":"1","timestamp":1700000000}')
SECRET = "very-secret-session-id"


class Disk(io.BytesIO):
    """A file that keeps what it was given when it is closed, and has room for `room` bytes."""

    def __init__(self, room: float = float("inf"), *, fails_to_close: bool = False) -> None:
        super().__init__()
        self.room = room
        self.kept = b""
        self._fails_to_close = fails_to_close

    def write(self, data: Any) -> int:
        if len(self.kept) + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.kept += bytes(data)
        return len(data)

    def close(self) -> None:
        super().close()
        if self._fails_to_close:
            raise OSError(errno.EIO, os.strerror(errno.EIO))


def writer_to(target: Any, **options: Any) -> TapeWriter:
    header = options.pop("header", Header(start=START))
    return TapeWriter(target, header, redactor=Redactor(key=b"k" * 32, secrets=[SECRET]), **options)


def records_of(disk: Disk) -> list[Record]:
    return list(TapeReader(io.BytesIO(disk.kept)))


def test_everything_that_happens_becomes_a_record() -> None:
    disk = Disk()
    with writer_to(disk) as writer:
        writer.opened(1, "wss://example/path", START)
        writer.received(1, HELLO, START + 0.5)
        writer.sent(1, framing.packet("~h~1"), START + 1)
        writer.note(1, {"about": ["this", 1, None]}, START + 1.5)
        writer.closed(1, 1000, "bye", "server", START + 2)
    reader = TapeReader(io.BytesIO(disk.kept))
    records = list(reader)
    assert [(record.k, record.t) for record in records] == [
        ("open", 0), ("recv", 500_000_000), ("send", 10**9), ("note", 1_500_000_000), ("close", 2 * 10**9),
    ]  # fmt: skip
    assert records[0].url == "wss://example/path"
    assert records[3].note == {"about": ["this", 1, None]}
    assert (records[4].code, records[4].reason, records[4].by) == (1000, "bye", "server")
    assert reader.complete
    assert (writer.records, writer.messages, writer.bytes) == (5, 2, len(disk.kept))
    assert writer.start == START


def test_the_header_says_what_was_scrubbed_and_holds_no_secret() -> None:
    disk = Disk()
    header = Header(start=START, url=f"wss://u:p@host/?x={SECRET}", subscriptions=[{"symbol": SECRET}])
    writer_to(disk, header=header).finish()
    assert SECRET.encode() not in disk.kept
    assert TapeReader(io.BytesIO(disk.kept)).header.scrubbed == SCRUBBED


def test_the_scrubbed_list_of_another_tape_is_kept() -> None:
    disk = Disk()
    writer_to(disk, header=Header(start=START, scrubbed=["everything"])).finish()
    assert TapeReader(io.BytesIO(disk.kept)).header.scrubbed == ["everything"]


def test_stamps_are_those_that_a_reader_will_see_and_never_go_back() -> None:
    disk = Disk()
    writer = writer_to(disk)
    at = START + 0.123456789012
    first = writer.received(1, HELLO, at)
    assert abs(first - at) < 1e-6
    assert writer.received(1, HELLO, START) == first
    assert writer.note(1, {}, START - 5) == first
    writer.finish()
    assert len({record.t for record in records_of(disk)}) == 1


def test_records_reach_the_file_after_so_many_and_after_so_long() -> None:
    disk = Disk()
    writer = writer_to(disk, flush_every=3, flush_seconds=1.0)
    for _ in range(2):
        writer.received(1, HELLO, START)
    assert records_of(disk) == []
    writer.received(1, HELLO, START)
    assert len(records_of(disk)) == 3
    writer.received(1, HELLO, START + 0.9)
    assert len(records_of(disk)) == 3
    writer.received(1, HELLO, START + 1.1)
    assert len(records_of(disk)) == 5


def test_a_flush_or_the_end_of_a_connection_writes_at_once() -> None:
    disk = Disk()
    writer = writer_to(disk)
    writer.received(1, HELLO, START)
    writer.flush()
    writer.flush()
    assert len(records_of(disk)) == 1
    writer.closed(1, 1006, "", "server", START)
    assert len(records_of(disk)) == 2


def test_a_path_is_not_overwritten_unless_that_is_wanted(tmp_path: Path) -> None:
    path = tmp_path / "tape.jsonl"
    path.write_text("precious")
    with pytest.raises(TapeWriteError, match=r"tape\.jsonl: the file exists already"):
        writer_to(path)
    assert path.read_text() == "precious"
    writer_to(str(path), overwrite=True).finish()
    with TapeReader(path) as reader:
        assert reader.header.start == START


def test_a_path_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeWriteError, match=r"b\.jsonl: cannot be written: No such file"):
        writer_to(tmp_path / "missing" / "b.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_device_without_room_for_the_header_is_told_at_once() -> None:
    with pytest.raises(TapeWriteError, match="No space left"):
        writer_to("/dev/full", overwrite=True)


def test_a_full_disk_is_told_at_each_call_and_what_was_written_stays_readable() -> None:
    disk = Disk(room=1000)
    writer = writer_to(disk, flush_every=1)
    written = 0
    with pytest.raises(TapeWriteError, match="No space left") as told:
        while True:
            writer.received(1, HELLO, START)
            written += 1
    assert f"after {written + 1} records" in str(told.value)
    assert isinstance(told.value.__cause__, OSError)
    for again in (
        lambda: writer.received(1, HELLO, START),
        lambda: writer.sent(1, HELLO, START),
        lambda: writer.opened(2, "", START),
        lambda: writer.closed(1, 1000, "", "client", START),
        lambda: writer.note(1, {}, START),
    ):
        with pytest.raises(TapeWriteError, match="No space left"):
            again()
    assert "failed" in repr(writer)
    writer.finish()
    reader = TapeReader(io.BytesIO(disk.kept))
    assert len(list(reader)) == written
    assert not reader.complete


def test_a_disk_that_fills_at_the_very_end_is_told_by_finish() -> None:
    disk = Disk()
    writer = writer_to(disk)
    writer.received(1, HELLO, START)
    disk.room = 0
    with pytest.raises(TapeWriteError, match="No space left"):
        writer.finish()
    assert disk.closed
    writer.finish()


@pytest.mark.parametrize("full", [False, True])
def test_a_file_that_fails_to_close_is_told_unless_a_failure_was_told_before(full: bool) -> None:
    disk = Disk(fails_to_close=True)
    writer = writer_to(disk)
    if full:
        disk.room = 0
        with pytest.raises(TapeWriteError, match="No space"):
            writer.closed(1, 1000, "", "client", START)
        writer.finish()
    else:
        with pytest.raises(TapeWriteError, match="Input/output error"):
            writer.finish()


def test_a_file_that_somebody_closed_is_a_failure() -> None:
    file = io.BytesIO()
    writer = writer_to(file, flush_every=1)
    file.close()
    with pytest.raises(TapeWriteError, match="closed file"):
        writer.received(1, HELLO, START)


def test_nothing_is_taken_after_the_end() -> None:
    disk = Disk()
    writer = writer_to(disk)
    assert repr(writer) == f"<TapeWriter 'tape' open, 0 records, {len(disk.kept)} bytes>"
    writer.finish()
    writer.finish()
    assert "finished" in repr(writer)
    assert disk.kept.count(b'"k":"end"') == 1
    with pytest.raises(TapeWriteError, match="the recording is finished"):
        writer.received(1, HELLO, START)


def test_a_copied_tape_is_equal_to_the_original() -> None:
    first, second = Disk(), Disk()
    with writer_to(first) as writer:
        writer.opened(1, "wss://host/", START)
        writer.received(1, HELLO, START + 0.1)
        writer.received(1, "garbage", START + 0.2)
        writer.sent(1, framing.packet("~h~1"), START + 0.3)
        writer.note(1, {"a": 1}, START + 0.4)
        writer._record(1, "http", START + 0.4, {"http": {"status": 200}})
        writer.closed(1, 4000, "why", "client", START + 0.5)
    reader = TapeReader(io.BytesIO(first.kept))
    with writer_to(second, header=reader.header) as copy:
        for record in reader:
            copy.copy(record)
    assert second.kept == first.kept


def test_threads_write_whole_lines() -> None:
    disk = Disk()
    writer = writer_to(disk, flush_every=7)

    def write(number: int) -> None:
        for _ in range(200):
            writer.received(number, HELLO, START + number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    writer.finish()
    reader = TapeReader(io.BytesIO(disk.kept))
    records = list(reader)
    assert len(records) == 800
    assert reader.complete
    assert [record.t for record in records] == sorted(record.t for record in records)


def test_a_line_is_json_for_everybody() -> None:
    disk = Disk()
    with writer_to(disk) as writer:
        writer.closed(1, 1006, "\ud800", "server", START)
        writer.received(1, "\ud800", START)
    assert [json.loads(line)["k"] for line in disk.kept.splitlines()[1:]] == ["close", "recv", "end"]
