"""A file is held by one writer, by whatever kind of lock the platform has."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from tvstreamer.tape.lock import Lock


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    number = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield number
    os.close(number)


class Windows:
    """The module of a platform that locks bytes where a file is positioned."""

    LK_NBLCK, LK_UNLCK = 7, 8

    def __init__(self, held_by_another: bool = False) -> None:
        self.held_by_another = held_by_another
        self.calls: list[tuple[int, int, int]] = []

    def locking(self, descriptor: int, mode: int, count: int) -> None:
        self.calls.append((mode, os.lseek(descriptor, 0, os.SEEK_CUR), count))
        if self.held_by_another:
            raise OSError(errno.EACCES, "Permission denied")

    def load(self, name: str) -> Any:
        if name != "msvcrt":
            raise ImportError(name)
        return self


class Unlockable:
    """The locks of a file system that has none."""

    LOCK_EX, LOCK_NB = 1, 2

    def flock(self, descriptor: int, how: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")


def nothing(name: str) -> Any:
    raise ImportError(name)


needs_fcntl = pytest.mark.skipif(os.name == "nt", reason="the locks of POSIX")


@needs_fcntl
def test_a_lock_is_held_until_it_is_released(descriptor: int, tmp_path: Path) -> None:
    lock = Lock(descriptor, "file")
    other = os.open(tmp_path / "file", os.O_RDWR)
    try:
        with pytest.raises(BlockingIOError):
            Lock(other, "file")
        lock.release()
        lock.release()
        Lock(other, "file").release()
    finally:
        os.close(other)


@needs_fcntl
def test_a_lock_outlives_the_file_that_it_was_taken_with(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        lock = Lock(file.fileno(), "file")
    with (tmp_path / "file").open("rb") as other, pytest.raises(BlockingIOError):
        Lock(other.fileno(), "file")
    lock.release()


def test_windows_locks_a_byte_that_no_tape_reaches(descriptor: int) -> None:
    windows = Windows()
    os.lseek(descriptor, 5, os.SEEK_SET)
    Lock(descriptor, "file", load=windows.load).release()
    assert windows.calls == [(windows.LK_NBLCK, 1 << 40, 1), (windows.LK_UNLCK, 1 << 40, 1)]
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 5


def test_a_byte_that_another_holds_is_a_lock_that_is_held(descriptor: int) -> None:
    with pytest.raises(BlockingIOError):
        Lock(descriptor, "file", load=Windows(held_by_another=True).load)


@pytest.mark.parametrize("load", [nothing, lambda name: Unlockable()])
def test_where_there_are_no_locks_the_log_says_so(descriptor: int, load: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "tvstreamer.tape.lock"):
        Lock(descriptor, "the-file", load=load).release()
    (record,) = caplog.records
    assert record.getMessage() == "= the-file: no locks here; nothing keeps a second recorder from this file"


@needs_fcntl
def test_a_lock_that_is_held_is_not_logged(descriptor: int, caplog: pytest.LogCaptureFixture) -> None:
    Lock(descriptor, "file", load=import_module).release()
    assert not caplog.records
