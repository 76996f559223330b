"""Writing tapes: what is written can be read at once, and a recorder that cannot write says so every time."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.constants import MAX_BODY
from tvstreamer.errors import InvalidPlan, TapeWriteError
from tvstreamer.protocol import framing
from tvstreamer.tape.compression import packer, unpacked
from tvstreamer.tape.exchanges import Exchange, read_exchange
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


@pytest.mark.parametrize("back", [0.0, 1.0, 3600.0])
def test_without_a_time_between_flushes_each_record_is_flushed_also_while_the_clock_is_behind(back: float) -> None:
    disk = Disk()
    writer = writer_to(disk, flush_seconds=0.0)
    writer.received(1, HELLO, START + 5.0)
    writer.received(1, HELLO, START + 5.0 - back)
    assert len(records_of(disk)) == 2
    writer.note(1, {}, START + 5.0 - back)
    assert len(records_of(disk)) == 3


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


# --- rotation ---------------------------------------------------------------------------------------------------------


def rotated(path: Path, count: int = 10, **options: Any) -> list[Path]:
    """Records `count` messages, one a second; gives the files."""
    with writer_to(path, flush_every=1, **options) as writer:
        for number in range(count):
            writer.received(1, framing.packet(f"~h~{number}"), START + number)
    return sorted(path.parent.iterdir(), key=lambda each: (each != path, each.name))


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_a_part_ends_before_the_block_that_would_take_it_beyond_its_size(tmp_path: Path) -> None:
    files = rotated(tmp_path / "s.jsonl", rotate_bytes=400)
    assert [path.name for path in files[:3]] == ["s.jsonl", "s.0002.jsonl", "s.0003.jsonl"]
    for path in files:
        *body, footer = path.read_bytes().splitlines(keepends=True)
        assert len(b"".join(body)) <= 400
        assert json.loads(footer)["records"] == len(body) - 1


def test_a_part_has_at_least_one_record_however_small_the_limit(tmp_path: Path) -> None:
    files = rotated(tmp_path / "s.jsonl", rotate_bytes=1)
    assert [lines(path)[-1]["records"] for path in files] == [1] * 10


def test_a_part_ends_after_so_many_seconds_of_its_records(tmp_path: Path) -> None:
    files = rotated(tmp_path / "s.jsonl", rotate_seconds=3)
    assert [[line["t"] // 10**9 for line in lines(path)[1:-1]] for path in files] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_each_part_is_a_tape_that_knows_its_place(tmp_path: Path) -> None:
    files = rotated(tmp_path / "s.jsonl", 3, rotate_seconds=1)
    before: dict[str, Any] = {}
    for number, path in enumerate(files, 1):
        header, *_, footer = lines(path)
        assert (header["start"], header["part"], header.get("previous")) == (START, number, before.get("sha256"))
        assert footer.get("next") == (number + 1 if number < 3 else None)
        before = footer


def test_what_was_recorded_in_parts_reads_as_one_tape(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "whole").mkdir()
    files = rotated(tmp_path / "parts" / "s.jsonl", rotate_bytes=400, rotate_seconds=4)
    (whole,) = rotated(tmp_path / "whole" / "s.jsonl")
    assert len(files) > 2
    assert b"".join(b"".join(path.read_bytes().splitlines(keepends=True)[1:-1]) for path in files) == b"".join(
        whole.read_bytes().splitlines(keepends=True)[1:-1]
    )
    assert "part" not in lines(whole)[0]
    with TapeReader(files[0]) as reader:
        assert [record.t for record in reader] == [record.t for record in TapeReader(whole)]
    assert reader.complete


def test_counters_are_those_of_all_parts(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    with writer_to(path, flush_every=1, rotate_seconds=1) as writer:
        for number in range(5):
            writer.received(1, HELLO, START + number)
    assert (writer.records, writer.messages) == (5, 5)
    assert writer.bytes == sum(each.stat().st_size for each in tmp_path.iterdir())


def test_a_file_object_has_no_further_parts() -> None:
    with pytest.raises(InvalidPlan, match="rotation of tape: expected a path"):
        writer_to(Disk(), rotate_bytes=100)


def test_parts_that_are_there_are_refused_before_anything_is_recorded(tmp_path: Path) -> None:
    (tmp_path / "s.0002.jsonl").write_text("precious")
    with pytest.raises(TapeWriteError, match=r"s\.0002\.jsonl: the file exists already"):
        writer_to(tmp_path / "s.jsonl", rotate_bytes=100)
    assert not (tmp_path / "s.jsonl").exists()


def test_overwriting_in_parts_removes_the_parts_of_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    assert len(rotated(path, 5, rotate_seconds=1)) == 5
    assert len(rotated(path, 2, rotate_seconds=1, overwrite=True)) == 2


def test_an_old_part_that_cannot_be_removed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    (tmp_path / "s.0002.jsonl").mkdir()
    with pytest.raises(TapeWriteError, match="the recording stopped after 0 records"):
        writer_to(path, rotate_bytes=1, overwrite=True)
    writer_to(path, overwrite=True).finish()


def test_a_part_that_cannot_be_begun_stops_the_recording_and_what_is_there_stays_readable(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    writer = writer_to(path, flush_every=1, rotate_bytes=1)
    writer.received(1, HELLO, START)
    (tmp_path / "s.0002.jsonl").write_text("precious")
    for _ in range(2):
        with pytest.raises(TapeWriteError, match=r"stopped after 2 records: .*s\.0002\.jsonl: the file exists already"):
            writer.received(1, HELLO, START)
    writer.finish()
    with pytest.raises(TapeWriteError, match="exists already"):
        writer_to(path)
    assert [line.get("k") for line in lines(path)] == [None, "recv"]


def test_a_recording_is_one_writers_through_all_its_parts(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    with writer_to(path, flush_every=1, rotate_bytes=1) as writer:
        for _ in range(3):
            writer.received(1, HELLO, START)
        for part in (path, tmp_path / "s.0003.jsonl"):
            with pytest.raises(TapeWriteError, match="another recorder is writing"):
                writer_to(part, overwrite=True)
    for part in (path, tmp_path / "s.0003.jsonl"):
        writer_to(part, overwrite=True).finish()


def test_a_header_that_could_not_be_written_leaves_the_file_to_others(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"

    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = writer_to(path, fsync="always", sync=fails)
    with pytest.raises(TapeWriteError, match="Input/output error"):
        writer.note(1, {}, START)
    writer.finish()
    writer_to(path, overwrite=True).finish()


# --- fsync ------------------------------------------------------------------------------------------------------------


class Syncs:
    """Counts the syncs of files on a disk; folders, whose sizes say nothing, apart."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.records: list[int] = []

    def __call__(self, descriptor: int) -> None:
        if os.path.samestat(os.fstat(descriptor), self._path.stat()):
            self.records.append(len(self._path.read_bytes().splitlines()) - 1)


def test_always_brings_each_record_to_the_disk_before_anything_else_happens(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    syncs = Syncs(path)
    with writer_to(path, fsync="always", sync=syncs) as writer:
        writer.opened(1, "", START)
        writer.received(1, HELLO, START)
        writer.sent(1, HELLO, START)
        assert syncs.records == [1, 2, 3]
    assert syncs.records == [1, 2, 3, 4]


def test_interval_syncs_once_a_second_of_the_records_and_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    syncs = Syncs(path)
    with writer_to(path, flush_every=1, fsync="interval", sync=syncs) as writer:
        for tenth in range(25):
            writer.received(1, HELLO, START + tenth / 10)
        assert syncs.records == [1, 11, 21]
        writer.flush(START + 2.9)
        assert syncs.records == [1, 11, 21]
        writer.flush(START + 3.0)
        writer.flush(START + 9.0)
        assert syncs.records == [1, 11, 21, 25]
    assert syncs.records == [1, 11, 21, 25, 26]


def test_never_leaves_it_to_the_system(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    syncs = Syncs(path)
    with writer_to(path, sync=syncs) as writer:
        for second in range(5):
            writer.closed(1, 1000, "", "client", START + second)
    assert syncs.records == []


def test_a_part_is_on_the_disk_before_the_next_one_gets_records(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    syncs = Syncs(path)
    with writer_to(path, flush_every=1, fsync="interval", rotate_bytes=1, sync=syncs) as writer:
        writer.received(1, HELLO, START)
        writer.received(1, HELLO, START)
        assert syncs.records == [1, 2]  # its only record; and with its footer


def test_a_disk_that_fails_to_sync_is_told_at_the_end_too(tmp_path: Path) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    writer = writer_to(tmp_path / "s.jsonl", fsync="interval", sync=fails)
    with pytest.raises(TapeWriteError, match="Input/output error"):
        writer.finish()


def test_an_unknown_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="fsync 'often': expected one of never, interval, always"):
        writer_to(tmp_path / "s.jsonl", fsync="often")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_a_part_is_ended_loses_nothing_that_was_flushed(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    fails: list[int] = []

    def sync(descriptor: int) -> None:
        if fails:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    writer = writer_to(path, flush_every=1, rotate_bytes=1, fsync="interval", sync=sync)
    writer.received(1, HELLO, START)
    fails.append(1)
    with pytest.raises(TapeWriteError, match="No space left"):
        writer.received(1, HELLO, START)
    with contextlib.suppress(TapeWriteError):
        writer.finish()
    with TapeReader(path) as reader:
        assert len(list(reader)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_disk_without_room_for_another_part_stops_the_recording(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    writer = writer_to(path, flush_every=1, rotate_bytes=1, overwrite=True)
    writer.received(1, HELLO, START)
    (tmp_path / "s.0002.jsonl").symlink_to("/dev/full")
    for _ in range(2):
        with pytest.raises(TapeWriteError, match="stopped after 2 records: No space left"):
            writer.received(1, HELLO, START)
    writer.finish()
    with TapeReader(path) as reader:
        assert len(list(reader)) == 1


# --- compression ------------------------------------------------------------------------------------------------------


def unpack(data: bytes) -> bytes:
    source = unpacked(io.BytesIO(data), "tape")
    return b"".join(iter(source.read, b""))


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_a_compressed_tape_holds_the_same_bytes_and_its_digest_is_of_them(kind: str) -> None:
    plain, packed = Disk(), Disk()
    for disk, compress in ((plain, None), (packed, kind)):
        with writer_to(disk, compress=compress) as writer:
            for number in range(300):
                writer.received(1, HELLO, START + number / 50)
        assert writer.bytes == len(disk.kept)
    assert unpack(packed.kept) == plain.kept
    assert len(packed.kept) < len(plain.kept) / 2
    reader = TapeReader(io.BytesIO(packed.kept))
    assert len(list(reader)) == 300
    assert reader.complete


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_each_flush_makes_a_frame_that_can_be_read(kind: str) -> None:
    disk = Disk()
    writer = writer_to(disk, compress=kind)
    for number in range(3):
        writer.received(1, HELLO, START)
        writer.flush()
        assert len(records_of(disk)) == number + 1
    for _ in range(999):
        writer.received(1, HELLO, START)
    assert len(records_of(disk)) == 3
    writer.received(1, HELLO, START)
    assert len(records_of(disk)) == 1003


@pytest.mark.parametrize("kind", ["gz", "zst"])
def test_the_size_of_a_compressed_part_is_that_of_its_file(tmp_path: Path, kind: str) -> None:
    files = rotated(tmp_path / f"s.jsonl.{kind}", 40, rotate_bytes=1500, compress=kind)
    assert 2 <= len(files) <= 10
    for path in files[:-1]:
        footer = packer(kind)(unpack(path.read_bytes()).splitlines(keepends=True)[-1])
        assert 1000 < path.stat().st_size - len(footer) <= 1500
    with TapeReader(files[0]) as reader:
        assert len(list(reader)) == 40
    assert reader.complete


def test_an_unknown_compression_is_refused_before_there_is_a_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan, match="compression 'rar'"):
        writer_to(tmp_path / "s.jsonl", compress="rar")
    assert list(tmp_path.iterdir()) == []


def test_an_exchange_is_written_without_its_secrets_and_belongs_to_no_connection() -> None:
    disk = Disk()
    page = Exchange("GET", "https://h/?token=canary-url", 200, "OK", (("Cookie", "sessionid=canary-sid"),), b"", (), b"a canary-sid")
    with writer_to(disk) as writer:
        writer.opened(1, "wss://host/", START)
        assert writer.exchange(page, START + 0.5) == START + 0.5
        writer.received(1, framing.packet('{"m":"x","p":["canary-sid"]}'), START + 1)
        assert writer.exchange(page, START) == START + 1
    records = list(TapeReader(io.BytesIO(disk.kept)))
    assert [(record.k, record.c) for record in records] == [("open", 1), ("http", 0), ("recv", 1), ("http", 0)]
    assert records[1].http == records[3].http
    assert read_exchange(records[1].http).url.startswith("https://h/?token=redacted-")
    assert b"canary" not in disk.kept


def test_an_exchange_that_is_too_long_leaves_the_recording_as_it_is() -> None:
    disk = Disk()
    with writer_to(disk) as writer:
        with pytest.raises(TapeWriteError, match="a tape takes at most"):
            writer.exchange(Exchange("GET", "https://h/", 200, body=bytes(MAX_BODY + 1)), START)
        writer.exchange(Exchange("GET", "https://h/", 204), START)
    assert len(list(TapeReader(io.BytesIO(disk.kept)))) == 1


def test_a_copied_exchange_is_scrubbed_whoever_wrote_it() -> None:
    stored = Exchange("GET", "https://h/", 200, body=b'\xff{"auth_token":"canary-token"}').stored()
    disk = Disk()
    with writer_to(disk) as writer:
        writer.copy(Record(5 * 10**9, 0, "http", http=stored))
    [record] = TapeReader(io.BytesIO(disk.kept))
    assert b"canary" not in read_exchange(record.http).body
    assert record.t == 5 * 10**9
