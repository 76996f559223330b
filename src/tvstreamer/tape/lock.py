"""One writer for each file: an advisory lock of the operating system, which also ends with the process that holds it."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

logger = logging.getLogger(__name__)
_FAR = 1 << 40
"""Where Windows locks a byte: its locks forbid others to read, so it must be one that no tape reaches."""
_HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class Lock:
    """Holds the lock of an open file until `release`, even if the file is closed before.

    Raises `BlockingIOError` where somebody else holds it. Where the platform or the file system has no locks it says so in the
    log, and nothing is locked.
    """

    def __init__(self, descriptor: int, name: str, *, load: Callable[[str], Any] = import_module) -> None:
        self._descriptor: int | None = os.dup(descriptor)
        self._unlock: Callable[[], None] | None = None
        try:
            self._unlock = _acquire(self._descriptor, load)
        except OSError as error:
            self.release()
            if error.errno in _HELD:
                raise BlockingIOError(errno.EAGAIN, "somebody else holds the lock", name) from error
        if self._unlock is None:
            logger.warning("= %s: no locks here; nothing keeps a second recorder from this file", name)

    def release(self) -> None:
        """Safe to repeat."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            if self._unlock is not None:
                self._unlock()
            os.close(descriptor)


def _acquire(descriptor: int, load: Callable[[str], Any]) -> Callable[[], None] | None:
    """Takes the lock and gives what lets go of it; None where there are no locks."""
    try:
        fcntl = load("fcntl")
    except ImportError:
        return _acquire_on_windows(descriptor, load)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lambda: fcntl.flock(descriptor, fcntl.LOCK_UN)


def _acquire_on_windows(descriptor: int, load: Callable[[str], Any]) -> Callable[[], None] | None:
    try:
        msvcrt = load("msvcrt")
    except ImportError:
        return None

    def lock(mode: int) -> None:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, mode, 1)
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)

    lock(msvcrt.LK_NBLCK)
    return lambda: lock(msvcrt.LK_UNLCK)
