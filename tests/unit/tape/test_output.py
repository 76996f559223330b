"""The file of a tape: one writer, nothing emptied by mistake, and on the disk when that is asked for."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from tvstreamer.errors import TapeWriteError
from tvstreamer.tape.output import Output, sync_folder


def test_what_is_written_is_in_the_file_at_once(tmp_path: Path) -> None:
    output = Output(tmp_path / "a")
    output.write(b"one")
    output.write(b"two")
    assert (tmp_path / "a").read_bytes() == b"onetwo"
    assert output.size == 6
    output.close()
    output.release()


def test_an_existing_file_is_refused_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"a longer text than the new one")
    with pytest.raises(TapeWriteError, match="the file exists already"):
        Output(path)
    output = Output(path, overwrite=True)
    output.write(b"new")
    output.close()
    assert path.read_bytes() == b"new"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
def test_a_pipe_in_the_way_is_refused_and_nobody_waits_for_it(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a")
    with pytest.raises(TapeWriteError, match="the file exists already"):
        Output(tmp_path / "a")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_that_is_being_recorded_is_refused_and_left_alone(tmp_path: Path, overwrite: bool) -> None:
    path = tmp_path / "a"
    first = Output(path)
    first.write(b"kept")
    with pytest.raises(TapeWriteError, match="a: another recorder is writing this file"):
        Output(path, overwrite=overwrite)
    assert path.read_bytes() == b"kept"
    first.close()
    first.release()
    first.release()
    Output(path, overwrite=True).close()


def test_a_folder_is_no_file_to_write(tmp_path: Path) -> None:
    with pytest.raises(TapeWriteError, match="cannot be written: Is a directory"):
        Output(tmp_path, overwrite=True)
    with pytest.raises(TapeWriteError, match="exists already"):
        Output(tmp_path)


def test_a_device_is_neither_locked_nor_emptied() -> None:
    first = Output(Path(os.devnull), overwrite=True)
    second = Output(Path(os.devnull), overwrite=True)
    for output in (first, second):
        output.write(b"gone")
        output.close()
    with pytest.raises(TapeWriteError, match="exists already"):
        Output(Path(os.devnull))


def test_syncing_waits_for_the_disk_only_where_there_is_something_to_wait_for(tmp_path: Path) -> None:
    synced: list[int] = []
    output = Output(tmp_path / "a", sync=synced.append)
    output.sync()
    assert synced == []
    output.write(b"x")
    output.sync()
    output.sync()
    assert len(synced) == 1
    output.close()


def test_what_is_no_file_on_a_disk_has_nothing_to_wait_for() -> None:
    synced: list[int] = []
    for target in (Path(os.devnull), io.BytesIO()):
        output = Output(target, overwrite=True, sync=synced.append)  # type: ignore[arg-type]
        output.write(b"x")
        output.sync()
        output.close()
    assert synced == []


def test_the_entry_of_a_file_in_its_folder_can_be_waited_for(tmp_path: Path) -> None:
    synced: list[int] = []
    sync_folder(tmp_path / "a", synced.append)
    assert len(synced) == 1
    sync_folder(tmp_path / "missing" / "a", synced.append)
    assert len(synced) == 1
