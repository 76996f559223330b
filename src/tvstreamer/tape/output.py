"""The file that a tape goes to: opened for one writer only, and brought to the disk when that is asked for."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from tvstreamer.errors import TapeWriteError
from tvstreamer.tape.lock import Lock

Sync = Callable[[int], object]


class Output:
    """An open file, or a binary file that somebody else opened. Its methods raise `OSError`; opening, `TapeWriteError`.

    An existing file is refused unless `overwrite`; one that is being recorded to is refused anyway.
    """

    def __init__(self, target: Path | BinaryIO, *, overwrite: bool = False, sync: Sync = os.fsync) -> None:
        self.size = 0
        """Bytes handed to the operating system."""
        self.dirty = False
        """Whether some of them may not be on the disk."""
        self._sync = sync
        self._lock: Lock | None = None
        if isinstance(target, Path):
            self._file = self._open(target, overwrite)
        else:
            self._file = target
        self._descriptor = _regular(self._file)

    def _open(self, path: Path, overwrite: bool) -> BinaryIO:
        try:
            # Not "wb", which would empty the file before it is known that nobody writes it.
            file = open(path, "wb", opener=_open_kept) if overwrite else path.open("xb")  # noqa: SIM115
        except FileExistsError:
            _refuse_if_recorded(path)
            expected = "expected a new name, or overwrite=True, --overwrite"
            raise TapeWriteError(f"{path}: the file exists already; {expected}") from None
        except OSError as error:
            raise _unwritable(path, error) from error
        try:
            descriptor = _regular(file)
            if descriptor is not None:
                self._lock = Lock(descriptor, str(path))
                file.truncate(0)
        except OSError as error:
            self.release()
            file.close()
            raise (_recorded(path) if isinstance(error, BlockingIOError) else _unwritable(path, error)) from error
        return file

    def write(self, data: bytes) -> None:
        """Hands these bytes to the operating system, all of them."""
        self._file.write(data)
        self._file.flush()
        self.size += len(data)
        self.dirty = True

    def sync(self) -> None:
        """Waits until everything is on the disk. What is no file on a disk has nothing to wait for."""
        if self.dirty and self._descriptor is not None:
            self._sync(self._descriptor)
        self.dirty = False

    def close(self) -> None:
        """Closes the file; the lock stays until `release`."""
        self._file.close()

    def release(self) -> None:
        """Lets others write the file. Safe to repeat."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def sync_folder(path: Path, sync: Sync = os.fsync) -> None:
    """Waits until the entry of a new file is on the disk, where the platform lets a folder be opened."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path.parent, os.O_RDONLY)
        try:
            sync(descriptor)
        finally:
            os.close(descriptor)


def _open_kept(path: str, flags: int) -> int:
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


def _regular(file: BinaryIO) -> int | None:
    """The descriptor of a file on a disk; None for pipes, devices, and what has no descriptor."""
    try:
        descriptor = file.fileno()
    except (OSError, AttributeError):
        return None
    return descriptor if stat.S_ISREG(os.fstat(descriptor).st_mode) else None


def _refuse_if_recorded(path: Path) -> None:
    """Raises `TapeWriteError` where the reason that a file exists is that it is just being recorded."""
    if not path.is_file():
        # To open a pipe would be to wait for whoever writes to it.
        return
    with contextlib.suppress(OSError), path.open("rb") as file:
        try:
            Lock(file.fileno(), str(path)).release()
        except BlockingIOError as error:
            raise _recorded(path) from error


def _recorded(path: Path) -> TapeWriteError:
    return TapeWriteError(f"{path}: another recorder is writing this file; expected one that nobody writes")


def _unwritable(path: Path, error: OSError) -> TapeWriteError:
    return TapeWriteError(f"{path}: cannot be written: {error.strerror}")
