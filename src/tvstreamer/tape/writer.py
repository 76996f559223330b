"""Writing a tape while things happen: append-only, redacted, flushed at short intervals.

A recorder that cannot write says so and stops: the first failure raises `TapeWriteError`, and so does every call after it.
What was flushed before stays readable.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tvstreamer.errors import TapeWriteError
from tvstreamer.tape.format import Header, Record, encode_line, encode_messages, moment, offset
from tvstreamer.tape.redact import SCRUBBED, Redactor


class TapeWriter:
    """Writes one tape. Safe to use from several threads: a lock keeps records whole and in one order.

    `target` is a path or a binary file. An existing file is refused unless `overwrite`. The methods for messages return
    the moment as a reader will see it, which is what the run itself should go on with. Stamps never go back: one that
    would is written as the one before it.
    """

    def __init__(
        self,
        target: str | os.PathLike[str] | BinaryIO,
        header: Header,
        *,
        redactor: Redactor,
        overwrite: bool = False,
        flush_every: int = 100,
        flush_seconds: float = 0.2,
    ) -> None:
        self.path = str(target) if isinstance(target, str | os.PathLike) else getattr(target, "name", "tape")
        self._redactor = redactor
        self._header = msgspec.structs.replace(
            header,
            url=redactor.url(header.url),
            scrubbed=header.scrubbed or SCRUBBED,
            subscriptions=redactor.note(header.subscriptions),
        )
        self._start = header.start
        self._lock = threading.RLock()
        self._acquire, self._release = self._lock.acquire, self._lock.release
        self._last = 0
        self._failure: TapeWriteError | None = None
        self._finished = False
        self._over = False
        """Failed or finished."""
        self._sha = hashlib.sha256()
        self._messages: list[tuple[int, str]] = []
        """What is not made into lines yet, all of one connection and kind: checking many at once costs a third of each."""
        self._connection = 0
        self._kind = ""
        self._lines: list[bytes] = []
        """What is not handed to the file yet."""
        self._every = flush_every
        self._flush_ns = round(flush_seconds * 1e9)
        self._flush_at = self._flush_ns
        self._count = 0
        self.messages = 0
        self.bytes = 0
        """As of the last flush."""
        self._file = self._open(target, overwrite)
        line = encode_line(msgspec.to_builtins(self._header))
        try:
            self._put(line)
        except TapeWriteError:
            # Closing flushes once more what could not be written.
            with contextlib.suppress(OSError):
                self._file.close()
            raise

    def __repr__(self) -> str:
        state = "failed" if self._failure else "finished" if self._finished else "open"
        return f"<TapeWriter {self.path!r} {state}, {self.records} records, {self.bytes} bytes>"

    @property
    def start(self) -> float:
        return self._header.start

    @property
    def records(self) -> int:
        return self._count

    def _open(self, target: str | os.PathLike[str] | BinaryIO, overwrite: bool) -> BinaryIO:
        if not isinstance(target, str | os.PathLike):
            return target
        try:
            return Path(target).open("wb" if overwrite else "xb")
        except FileExistsError:
            raise TapeWriteError(f"{self.path}: the file exists already; expected a new name, or leave to overwrite") from None
        except OSError as error:
            raise TapeWriteError(f"{self.path}: cannot be written: {error.strerror}") from error

    # --- records --------------------------------------------------------------------------------------------------

    def opened(self, connection: int, url: str, at: float) -> float:
        """A connection began."""
        return self._record(connection, "open", at, {"url": self._redactor.url(url)})

    def received(self, connection: int, text: str, at: float, kind: str = "recv") -> float:
        """A message came."""
        # Not `with`, which costs a twentieth of a whole record more.
        self._acquire()
        try:
            if self._over:
                self._refuse()
            # The expression of `format.offset`, without the call.
            t = round((at - self._start) * 1e9)
            if t <= self._last:
                t = self._last
            else:
                self._last = t
            if kind is not self._kind or connection != self._connection:
                self._encode()
                self._kind, self._connection = kind, connection
            self._messages.append((t, text))
            if t >= self._flush_at or len(self._messages) >= self._every:
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

    def copy(self, record: Record) -> None:
        """A record of another tape, at the same offset. Secrets are taken out, as that tape may not have been scrubbed."""
        at = moment(self.start, record.t)
        if record.k in ("recv", "send"):
            self.received(record.c, self._redactor.message(record.text()), at, record.k)
        elif record.k == "open":
            self.opened(record.c, record.url, at)
        elif record.k == "close":
            self.closed(record.c, record.code, record.reason, record.by, at)
        else:
            value = record.note if record.k == "note" else record.http
            self._record(record.c, record.k, at, {record.k: self._redactor.note(value)})

    def _record(self, connection: int, kind: str, at: float, fields: dict[str, Any]) -> float:
        with self._lock:
            if self._over:
                self._refuse()
            self._last = t = max(self._last, offset(self._start, at))
            line = encode_line({"t": t, "c": connection, "k": kind, **fields})
            self._encode()
            self._lines.append(line)
            self._count += 1
            if len(self._lines) >= self._every or t >= self._flush_at:
                self.flush()
        return moment(self._start, t)

    def _refuse(self) -> None:
        raise self._failure or TapeWriteError(f"{self.path}: the recording is finished")

    # --- bytes ----------------------------------------------------------------------------------------------------

    def _encode(self) -> None:
        """Makes lines of the messages that wait, without their secrets."""
        messages = self._messages
        if messages:
            self._messages = []
            block, plain = encode_messages(self._connection, self._kind, messages)
            if not plain or self._redactor.suspects(block):
                clean = [(t, self._redactor.message(text)) for t, text in messages]
                block, _ = encode_messages(self._connection, self._kind, clean)
            self._count += len(messages)
            self.messages += len(messages)
            self._lines.append(block)

    def flush(self) -> None:
        """Hands what was written to the operating system. Call it when the source pauses."""
        with self._lock:
            if self._failure is None:
                self._encode()
                if self._lines:
                    self._flush_at = self._last + self._flush_ns
                    block = b"".join(self._lines)
                    self._lines.clear()
                    self._put(block)

    def _put(self, block: bytes) -> None:
        try:
            self._file.write(block)
            self._file.flush()
        except (OSError, ValueError) as error:
            self._fail(error)
        self._sha.update(block)
        self.bytes += len(block)

    def _fail(self, error: Exception) -> None:
        reason = getattr(error, "strerror", None) or str(error)
        self._failure = TapeWriteError(
            f"{self.path}: the recording stopped after {self.records} records: {reason}"
        )
        self._over = True
        raise self._failure from error

    def finish(self) -> None:
        """Writes the footer and closes the file. Safe to repeat; a failed recording is left as it is."""
        with self._lock:
            if self._finished:
                return
            try:
                self.flush()
                if self._failure is None:
                    line = encode_line({"k": "end", "records": self.records, "sha256": self._sha.hexdigest()})
                    self._put(line)
            finally:
                self._finished = self._over = True
                try:
                    self._file.close()
                except OSError as error:
                    # Closing flushes once more what could not be written; that has been reported, or is now.
                    if self._failure is None:
                        self._fail(error)

    def __enter__(self) -> TapeWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()
