"""Several runs that record to one folder of tapes, or append to one tape, at the same time: workers of a test run, say.

Each records to a file of its own, which begins with a copy of the tape. Where the tape is another one by the time of the end,
what was recorded goes behind what has come meanwhile.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tvstreamer.clock import SystemClock
from tvstreamer.errors import TapeWriteError
from tvstreamer.tape.compression import compression_of
from tvstreamer.tape.format import Record, moment, offset
from tvstreamer.tape.lock import Lock
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter

_PATIENCE = 60.0
"""Seconds that others have to put their tape in place."""
_LOOK = 0.02
_PREFIX, _SUFFIX = ".tv-", ".tmp"
_ABANDONED = 3_600.0
"""Seconds without a word after which a temporary file that nobody holds is nobody's."""


@dataclass(frozen=True, slots=True)
class Copied:
    """What of a tape a recording begins with."""

    file: tuple[int, int, int] | None
    """Which file it was, and how it was; None for none."""
    records: int = 0
    connection: int = 0
    """The last one."""


def file_now(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


@contextlib.contextmanager
def held(path: Path, patience: float = _PATIENCE) -> Iterator[None]:
    """Keeps others from putting a tape in this place. Raises `TapeWriteError` when they have it for too long.

    The lock is that of a file among the system's temporary ones, one for each user, so that nothing lies beside tapes.
    """
    user = getattr(os, "getuid", int)()
    digest = hashlib.blake2b(f"{user} {os.path.realpath(path)}".encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
    name = Path(tempfile.gettempdir()) / f"tvstreamer-{digest}.lock"
    clock, never = SystemClock(), threading.Event()
    until = clock.now() + patience
    descriptor = os.open(name, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        while True:
            try:
                lock = Lock(descriptor, str(name))
                break
            except BlockingIOError:
                if clock.now() >= until:
                    raise TapeWriteError(f"{path}: others have been saving it for {patience:g} s") from None
                clock.wait(never, _LOOK)
        try:
            yield
        finally:
            lock.release()
    finally:
        os.close(descriptor)


def temporary_beside(path: Path) -> Path:
    """A name for what is recorded until it takes the place of the tape. What runs that were killed have left there is removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    now = SystemClock().now()
    for left in path.parent.glob(f"{_PREFIX}*{_SUFFIX}"):
        # Whoever records holds the lock of his file; one that was made just now may not have got it yet.
        with contextlib.suppress(OSError):
            if now - left.stat().st_mtime > _ABANDONED:
                with left.open("rb") as file:
                    lock = Lock(file.fileno(), str(left))
                    left.unlink()
                    lock.release()
    return path.parent / f"{_PREFIX}{os.getpid()}-{secrets.token_hex(6)}{_SUFFIX}"


def append(path: Path, recorded: Path, copied: Copied, into: Path, redactor: Redactor) -> None:
    """Writes the tape as it is now, and behind it what was recorded to a copy of what it was.

    Raises `TapeWriteError` where it does not begin as it did: then it was recorded anew, and there is nothing to append to.
    """
    with TapeReader(path) as now, TapeReader(recorded) as mine:
        # Its own ending decides, as `into` has another.
        writer = TapeWriter(into, now.header, redactor=redactor, compress=compression_of(path))
        records = iter(mine)
        try:
            last, end = _copy(path, now, records, copied.records, writer)
            _renumber(records, mine.header.start, writer, last - copied.connection, end, copied.connection)
        finally:
            writer.finish()


def _copy(path: Path, now: TapeReader, mine: Iterator[Record], copied: int, writer: TapeWriter) -> tuple[int, float]:
    """The tape as it is now; its last connection and moment."""
    last, end, count = 0, now.header.start, 0
    for count, record in enumerate(now, 1):
        was = next(mine) if count <= copied else record
        if (was.t, was.c, was.k) != (record.t, record.c, record.k):
            break
        writer.copy(record)
        last, end = max(last, record.c), moment(now.header.start, record.t)
    else:
        if count >= copied:
            return last, end
    raise TapeWriteError(f"{path}: it was recorded anew meanwhile, so nothing can be appended to it")


def _renumber(mine: Iterator[Record], start: float, writer: TapeWriter, more: int, end: float, copied: int) -> None:
    """What is left of a recording, behind connections and moments of others."""
    late: float | None = None
    for record in mine:
        at = moment(start, record.t)
        if late is None:
            late = max(0.0, end - at)
        writer.copy(
            msgspec.structs.replace(
                record,
                t=offset(writer.start, at + late),
                c=record.c + more if record.c > copied else record.c,
                note=_moved(record, late),
            )
        )


def _moved(record: Record, late: float) -> object:
    match record.note:
        case {"beside": number, "shift": int() | float() as shift}:
            return {"beside": number, "shift": shift - late}
        case note:
            return note
