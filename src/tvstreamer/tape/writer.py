"""Writing a tape while things happen: append-only, redacted, flushed at short intervals, in several files if need be.

A recorder that cannot write says so and stops: the first failure raises `TapeWriteError`, and so does every call after it.
What was flushed before stays readable.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO, Literal, get_args

import msgspec

from tvstreamer.errors import InvalidPlan, TapeFormatError, TapeWriteError, shorten
from tvstreamer.tape.compression import packer
from tvstreamer.tape.exchanges import Exchange, read_exchange, scrubbed
from tvstreamer.tape.format import Header, Record, encode_line, encode_messages, moment, offset
from tvstreamer.tape.output import Output, Sync, sync_folder
from tvstreamer.tape.parts import Rotation, part_path
from tvstreamer.tape.redact import SCRUBBED, Redactor

Fsync = Literal["never", "interval", "always"]
FSYNC: tuple[str, ...] = get_args(Fsync)
_SECOND = 10**9
PLAIN_BLOCK = 100
"""Records after which a flush comes at the latest."""
PACKED_BLOCK = 1_000
"""The same of compressed tapes: smaller frames compress less."""


class TapeWriter:
    """Writes one tape. Safe to use from several threads: a lock keeps records whole and in one order.

    `target` is a path or a binary file. An existing file is refused unless `overwrite`, which also removes the parts that
    follow it; a file that another recorder writes is refused in any case. The methods for messages return the moment as a
    reader will see it, which is what the run itself should go on with. Stamps never go back: one that would is written as
    the one before it.

    A flush hands everything so far to the operating system, where it survives the end of this process. It comes after
    `flush_every` records (100, or 1,000 compressed), after `flush_seconds` of the records' time, at the end of a connection,
    and when it is called. `fsync` makes it survive the machine's end: `always` flushes and syncs each record before anything
    else happens, `interval` syncs at most once a second of the records' time and at the end.

    With `rotate_bytes` or `rotate_seconds` the recording goes on in a new file (see `parts`) rather than that a block would
    take the present one beyond its limit; the footer comes on top.

    With `compress` (`gz`, `zst`) each flush makes a frame that can be read without the others.
    """

    # A class with more than 30 attributes is slower without slots, as its instances then do not share their keys.
    __slots__ = (
        "_acquire", "_before", "_connection", "_count", "_every", "_failure", "_finished", "_first", "_flush_at",
        "_flush_seconds", "_fsync", "_header", "_kind", "_last", "_lines", "_lock", "_messages", "_offsets", "_output", "_over",
        "_overwrite", "_pack", "_part_at", "_reached", "_redactor", "_release", "_rotation", "_sha", "_start", "_sync_at",
        "_target", "_to_disk", "_written", "bytes", "messages", "path",
    )  # fmt: skip

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        header: Header,
        *,
        redactor: Redactor,
        overwrite: bool = False,
        flush_every: int | None = None,
        flush_seconds: float = 0.2,
        rotate_bytes: int | None = None,
        rotate_seconds: float | None = None,
        fsync: str = "never",
        compress: str | None = None,
        sync: Sync = os.fsync,
    ) -> None:
        self.path = str(target) if isinstance(target, str | os.PathLike) else getattr(target, "name", "tape")
        if fsync not in FSYNC:
            raise InvalidPlan(f"fsync {shorten(fsync)}: expected one of {', '.join(FSYNC)}")
        self._target = Path(target) if isinstance(target, str | os.PathLike) else target
        self._rotation = Rotation(rotate_bytes, rotate_seconds)
        if self._rotation and not isinstance(self._target, Path):
            raise InvalidPlan(f"rotation of {self.path}: expected a path, as each part is a file with a name")
        self._pack = packer(compress)
        self._redactor = redactor
        self._header = msgspec.structs.replace(
            header,
            url=redactor.url(header.url),
            scrubbed=header.scrubbed or SCRUBBED,
            subscriptions=redactor.note(header.subscriptions),
            part=1 if self._rotation else None,
            previous=None,
        )
        self._start = header.start
        self._lock = threading.RLock()
        self._acquire, self._release = self._lock.acquire, self._lock.release
        self._reached = self._start
        """The latest moment so far."""
        self._last = 0
        """The same as an offset."""
        self._failure: TapeWriteError | None = None
        self._finished = False
        self._over = False
        """Failed or finished."""
        self._offsets: list[int] = []
        self._messages: list[str] = []
        """What is not made into lines yet, all of one connection and kind: checking many at once costs a third of each."""
        self._connection = 0
        self._kind = ""
        self._lines: list[bytes] = []
        """What is not handed to the file yet."""
        self._overwrite = overwrite
        self._to_disk = sync
        self._fsync = fsync
        self._sync_at = 0
        self._every = 1 if fsync == "always" else flush_every or (PLAIN_BLOCK if compress is None else PACKED_BLOCK)
        self._flush_seconds = flush_seconds
        self._flush_at = self._start + flush_seconds
        self._count = 0
        self.messages = 0
        self.bytes = 0
        """In all files, as of the last flush."""
        self._sha = hashlib.sha256()
        self._written = 0
        """How many records the operating system has."""
        self._before = 0
        """How many of them stand in the parts before this one."""
        self._part_at = 0
        """The offset at which the present part began."""
        if self._rotation and not overwrite and (second := part_path(Path(self.path), 2)).exists():
            expected = "expected room for the second part, or overwrite=True, --overwrite"
            raise TapeWriteError(f"{second}: the file exists already; {expected}")
        self._output = self._first = self._open(self._target)
        """The first stays locked until the end, as it stands for the whole recording."""
        if self._rotation:
            self._remove_old_parts()

    def __repr__(self) -> str:
        state = "failed" if self._failure else "finished" if self._finished else "open"
        return f"<TapeWriter {self.path!r} {state}, {self.records} records, {self.bytes} bytes>"

    @property
    def start(self) -> float:
        return self._header.start

    @property
    def records(self) -> int:
        return self._count

    def _open(self, target: Path | BinaryIO) -> Output:
        """Begins a file, which has its header when this returns."""
        output = Output(target, overwrite=self._overwrite, sync=self._to_disk)
        line = self._header.line()
        try:
            self._put(output, self._pack(line))
            if self._fsync != "never" and isinstance(target, Path):
                sync_folder(target, self._to_disk)
        except TapeWriteError:
            # Closing flushes once more what could not be written.
            with contextlib.suppress(OSError):
                output.close()
            output.release()
            raise
        self._sha = hashlib.sha256(line)
        return output

    # --- records --------------------------------------------------------------------------------------------------

    def opened(self, connection: int, url: str, at: float) -> float:
        """A connection began."""
        return self._record(connection, "open", at, {"url": self._redactor.url(url)})

    def received(self, connection: int, text: str, at: float, kind: str = "recv") -> float:
        """A message came."""
        # Not `with`, which costs a twentieth of a whole record more.
        self._acquire()
        try:
            if at > self._reached:
                # What `format.offset` gives. Called as a method, `round` takes half the time.
                t = self._last = ((at - self._start) * 1e9).__round__()
                self._reached = at
            else:
                at, t = self._reached, self._last
            if kind is not self._kind or connection != self._connection:
                if self._over:
                    self._refuse()
                self._encode()
                self._kind, self._connection = kind, connection
            self._offsets.append(t)
            messages = self._messages
            messages.append(text)
            if at >= self._flush_at or len(messages) >= self._every:
                self.flush()
        finally:
            self._release()
        return self._start + t / 1e9

    def sent(self, connection: int, text: str, at: float) -> float:
        """A message is about to go out."""
        return self.received(connection, self._redactor.message(text), at, "send")

    def closed(self, connection: int, code: int, reason: str, by: str, at: float) -> float:
        """A connection ended; `by` is `client` or `server`."""
        fields = {"code": code, "reason": self._redactor.message(reason), "by": by}
        stamp = self._record(connection, "close", at, fields)
        self.flush()
        return stamp

    def note(self, connection: int, note: dict[str, Any], at: float) -> float:
        """Anything else that is worth keeping."""
        return self._record(connection, "note", at, {"note": self._redactor.note(note)})

    def exchange(self, exchange: Exchange, at: float) -> float:
        """An HTTP request and its answer, which belong to no connection. One that is too long is refused, and not recorded."""
        with self._lock:
            return self._record(0, "http", at, {"http": scrubbed(exchange, self._redactor).stored()})

    def copy(self, record: Record) -> None:
        """A record of another tape, at the same offset. Secrets are taken out, as that tape may not have been scrubbed."""
        at = moment(self.start, record.t)
        if record.k in ("recv", "send"):
            self.received(record.c, self._redactor.message(record.text()), at, record.k)
        elif record.k == "open":
            self.opened(record.c, record.url, at)
        elif record.k == "close":
            self.closed(record.c, record.code, record.reason, record.by, at)
        elif record.k == "note":
            self.note(record.c, record.note, at)
        else:
            self._copy_exchange(record, at)

    def _copy_exchange(self, record: Record, at: float) -> None:
        try:
            exchange = read_exchange(record.http)
        except TapeFormatError:
            # Whatever some other writer meant by it.
            self._record(record.c, "http", at, {"http": self._redactor.note(record.http)})
        else:
            self.exchange(exchange, at)

    def _record(self, connection: int, kind: str, at: float, fields: dict[str, Any]) -> float:
        with self._lock:
            if self._over:
                self._refuse()
            reached = max(self._reached, at)
            t = self._last = offset(self._start, reached)
            self._reached = reached
            line = encode_line({"t": t, "c": connection, "k": kind, **fields})
            self._encode()
            self._lines.append(line)
            self._count += 1
            if len(self._lines) >= self._every or self._reached >= self._flush_at:
                self.flush()
        return moment(self._start, t)

    def _end(self) -> None:
        """Has every record refused from now on; a kind that no message has makes `received` look."""
        self._over, self._kind = True, ""

    def _refuse(self) -> None:
        raise self._failure or TapeWriteError(f"{self.path}: the recording is finished")

    # --- bytes ----------------------------------------------------------------------------------------------------

    def _encode(self) -> None:
        """Makes lines of the messages that wait, without their secrets."""
        offsets, messages = self._offsets, self._messages
        if messages:
            self._offsets, self._messages = [], []
            block, plain = encode_messages(self._connection, self._kind, offsets, messages)
            if not plain or self._redactor.suspects(block):
                clean = list(map(self._redactor.message, messages))
                block, _ = encode_messages(self._connection, self._kind, offsets, clean)
            self._count += len(messages)
            self.messages += len(messages)
            self._lines.append(block)

    def flush(self, at: float | None = None) -> None:
        """Hands what was written to the operating system. Call it when the source pauses, with the time if you know it."""
        with self._lock:
            if self._failure is None and not self._finished:
                self._encode()
                if self._lines:
                    self._flush_at = self._reached + self._flush_seconds
                    block = b"".join(self._lines)
                    self._lines.clear()
                    self._write(block)
                if self._fsync != "never":
                    self._sync_if_due(self._last if at is None else offset(self._start, at))

    def _write(self, block: bytes) -> None:
        data = self._pack(block)
        if self._rotation and self._written > self._before and self._is_full(len(data)):
            self._rotate()
        self._put(self._output, data)
        self._sha.update(block)
        self._written = self._count

    def _put(self, output: Output, data: bytes) -> None:
        try:
            output.write(data)
        except (OSError, ValueError) as error:
            self._fail(error)
        self.bytes += len(data)

    def _sync_if_due(self, t: int) -> None:
        if self._fsync == "always" or t >= self._sync_at:
            self._sync_at = t + _SECOND
            self._sync(self._output)

    def _sync(self, output: Output) -> None:
        try:
            output.sync()
        except (OSError, ValueError) as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        self._failure = TapeWriteError(
            f"{self.path}: the recording stopped after {self.records} records: {reason}"
        )
        self._end()
        raise self._failure from error

    # --- files ----------------------------------------------------------------------------------------------------

    def _is_full(self, more: int) -> bool:
        """Whether so many bytes more belong into the next part."""
        size, seconds = self._rotation.bytes, self._rotation.seconds
        if size is not None and self._output.size + more > size:
            return True
        return seconds is not None and self._last - self._part_at >= seconds * 1e9

    def _rotate(self) -> None:
        """Goes on in a new file.

        It has its header before the footer of the old one says that it is there. So wherever this is interrupted, a footer
        never names a part that does not exist, and a part without a footer is followed by one that knows its digest.
        """
        part = (self._header.part or 1) + 1
        old, footer = self._output, self._footer(part)
        self._header = msgspec.structs.replace(self._header, part=part, previous=self._sha.hexdigest())
        try:
            self._output = self._open(part_path(Path(self.path), part))
        except TapeWriteError as error:
            if self._failure is None:
                self._fail(error)
            raise
        self._before, self._part_at = self._written, self._last
        try:
            self._put(old, self._pack(footer))
            if self._fsync != "never":
                self._sync(old)
        finally:
            self._close(old)
            if old is not self._first:
                old.release()

    def _footer(self, part: int | None = None) -> bytes:
        values = {"k": "end", "records": self._written - self._before, "sha256": self._sha.hexdigest()}
        return encode_line(values if part is None else {**values, "next": part})

    def _close(self, output: Output) -> None:
        try:
            output.close()
        except OSError as error:
            # Closing flushes once more what could not be written; that has been reported, or is now.
            if self._failure is None:
                self._fail(error)

    def _remove_old_parts(self) -> None:
        """Those of the recording that this one replaces: they do not follow it."""
        part = 2
        while (path := part_path(Path(self.path), part)).exists():
            try:
                path.unlink()
            except OSError as error:
                self._close(self._output)
                self._output.release()
                self._fail(error)
            part += 1

    def finish(self) -> None:
        """Writes the footer and closes the file. Safe to repeat; a failed recording is left as it is."""
        with self._lock:
            if self._finished:
                return
            try:
                self.flush()
                if self._failure is None:
                    self._put(self._output, self._pack(self._footer()))
                    if self._fsync != "never":
                        self._sync(self._output)
            finally:
                self._finished = True
                self._end()
                try:
                    self._close(self._output)
                finally:
                    self._output.release()
                    self._first.release()

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
