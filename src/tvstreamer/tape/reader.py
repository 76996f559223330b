"""Reading a tape as a stream: memory does not grow with it.

Lines end at `\\n` and nothing else. A torn last line, which is what a killed recorder leaves, is dropped and reported in
`torn`. A line that is broken or too long raises `TapeFormatError` with its number; iterating on goes on at the next line.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tvstreamer.constants import MAX_LINE
from tvstreamer.errors import TapeFormatError, shorten
from tvstreamer.protocol import codec
from tvstreamer.tape.format import Footer, Header, PacketRecord, Record
from tvstreamer.tape.migrate import check_version

_CHUNK = 64 * 1024
_records = msgspec.json.Decoder(Record)


class _Stored(PacketRecord, gc=False):
    """What decodes from a line in one go: a record whose packets all have a shape that we know."""

    p: list[codec.StoredPacket] | None = None


_decode_stored = msgspec.json.Decoder(_Stored).decode_lines
_decode_footer = msgspec.json.Decoder(Footer).decode
_decode_header = msgspec.json.Decoder(Header).decode
_decode_any = msgspec.json.Decoder().decode
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class TapeReader:
    """The header, then the records in order, once. `source` is a path, a binary file, or `-` for standard input.

    Raises `TapeFormatError` for what is no tape, `TapeVersionError` for a newer one. After iteration `records` is their
    number, `complete` whether a footer vouches for them, `torn` how many bytes of a torn last line were dropped.
    """

    def __init__(self, source: str | Path | BinaryIO) -> None:
        self.name, self._file = _open(source)
        self._line = 0
        self._sha = hashlib.sha256()
        self.records = 0
        self.torn = 0
        self.complete = False
        self._blocks = self._read_lines()
        self._pending: deque[tuple[bytes, bool]] = deque()
        """Blocks that come before the next one of the file."""
        self._lines: deque[tuple[bytes, bool]] = deque()
        """What is left of a block that is read line by line, and whether a line end closes each."""
        self._broken: TapeFormatError | None = None
        """What is wrong with the line behind the records that were handed out."""
        self._ready: Iterator[Record] = iter(())
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<TapeReader {self.name!r}, {self.records} records so far>"

    def close(self) -> None:
        """Closes the file. Reading to the end does so too."""
        self._file.close()

    def __enter__(self) -> TapeReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Record]:
        """The records that are left. After an error, iterate once more to go on behind the broken line."""
        while True:
            yield from self._ready
            try:
                self._ready = iter(self._next_chunk())
            except StopIteration:
                return

    def packets(self) -> Iterator[PacketRecord]:
        """Like iterating, but with decoded payloads, which costs little more than to read them undecoded."""
        yield from _decoded(list(self._ready))
        while True:
            try:
                records = self._next_chunk(_decode_stored)
            except StopIteration:
                return
            yield from records if records and isinstance(records[0], PacketRecord) else _decoded(records)

    def __next__(self) -> Record:
        while True:
            for record in self._ready:
                return record
            self._ready = iter(self._next_chunk())

    # --- lines ----------------------------------------------------------------------------------------------------

    def _read_lines(self) -> Iterator[tuple[bytes, bool]]:
        """Blocks of whole lines, and whether a line end closes them; a line beyond the limit comes as b"" alone."""
        parts: list[bytes] = []
        length = 0
        while chunk := self._file.read(_CHUNK):
            end = chunk.rfind(b"\n") + 1
            if end:
                yield b"".join((*parts, chunk[:end])), True
                parts = [chunk[end:]]
                length = len(chunk) - end
            else:
                parts.append(chunk)
                length += len(chunk)
                if length > MAX_LINE:
                    parts = [self._skip_line()]
                    length = len(parts[0])
                    yield b"", True
        if rest := b"".join(parts):
            yield rest, False

    def _next_block(self) -> tuple[bytes, bool]:
        return self._pending.popleft() if self._pending else next(self._blocks)

    def _skip_line(self) -> bytes:
        """Reads on to the end of a line that is too long to be kept; gives what follows it in the last chunk read."""
        while chunk := self._file.read(_CHUNK):
            end = chunk.find(b"\n") + 1
            if end:
                # What follows may hold whole lines already; they are handed on before the next chunk.
                whole = chunk.rfind(b"\n") + 1
                if whole > end:
                    self._pending.append((chunk[end:whole], True))
                return chunk[whole:]
        return b""

    def _read_header(self) -> Header:
        try:
            block, whole = self._next_block()
        except StopIteration:
            raise self._error("the file is empty", 1) from None
        if not block:
            raise self._error(f"not a tape: the first line has more than {MAX_LINE} bytes", 1)
        line, newline, rest = block.partition(b"\n")
        try:
            value = _decode_any(line)
        except _UNREADABLE:
            raise self._error(f"not a tape: the first line is {shorten(line[:200])}", 1) from None
        if not isinstance(value, dict) or "tape" not in value:
            raise self._error(f'not a tape: expected {{"tape":1,...}}, the first line is {shorten(line[:200])}', 1)
        check_version(value["tape"])
        try:
            header = _decode_header(line)
        except _UNREADABLE as error:
            raise self._error(f"broken header: {error}", 1) from None
        self._line = 1
        self._sha.update(line + newline)
        if rest:
            self._pending.append((rest, whole))
        return header

    # --- records --------------------------------------------------------------------------------------------------

    def _next_chunk(self, decode: Callable[[bytes], list[Any]] | None = None) -> list[Any]:
        if self._broken is not None:
            error, self._broken = self._broken, None
            raise error
        if self._lines:
            return self._one_by_one()
        try:
            block, whole = self._next_block()
        except StopIteration:
            self.close()
            raise
        if not block:
            self._line += 1
            raise self._error(f"a line of more than {MAX_LINE} bytes", self._line)
        # A block that holds records only is read in one go; a footer has another shape.
        if whole:
            try:
                records = (decode or _records.decode_lines)(block)
            except _UNREADABLE:
                # A packet of a shape that we do not know takes the longer way, and its whole block with it.
                if decode is not None:
                    self._pending.appendleft((block, whole))
                    return self._next_chunk()
            else:
                lines = block.count(b"\n")
                if len(records) == lines:
                    self._line += lines
                    self.records += lines
                    self.complete = False
                    self._sha.update(block)
                    return records
        *whole_lines, last = block.split(b"\n")
        self._lines.extend((line, True) for line in whole_lines)
        if not whole:
            self._lines.append((last, False))
        return self._one_by_one()

    def _one_by_one(self) -> list[Record]:
        """The records of a block that has something special in it, up to the first broken line."""
        records: list[Record] = []
        while self._lines and self._broken is None:
            line, whole = self._lines.popleft()
            end = b"\n" if whole else b""
            self._line += 1
            record = self._decode(line)
            if isinstance(record, Record):
                self.records += 1
                # A footer says nothing of what was put behind it.
                self.complete = False
                self._sha.update(line + end)
                records.append(record)
            elif isinstance(record, Footer):
                self._broken = self._check(record)
            elif not whole:
                # Cut short by whatever ended the recorder; nothing in it can be trusted.
                self.torn = len(line)
            else:
                self._sha.update(line + end)
                self._broken = self._error(f"not a record: {shorten(line[:200])}", self._line)
        return records

    def _decode(self, line: bytes) -> Record | Footer | None:
        try:
            return _records.decode(line)
        except _UNREADABLE:
            return _decode_oddity(line)

    def _check(self, footer: Footer) -> TapeFormatError | None:
        if footer.records != self.records:
            return self._error(f"the footer counts {footer.records} records, the tape holds {self.records}", self._line)
        if footer.sha256 != self._sha.hexdigest():
            return self._error(f"the digest {footer.sha256[:16]}... is not that of the lines before it", self._line)
        self.complete = True
        return None

    def _error(self, problem: str, line: int) -> TapeFormatError:
        return TapeFormatError(problem, path=self.name, line=line)


def _decoded(records: list[Record]) -> Iterator[PacketRecord]:
    return (record.decoded() for record in records)


def _decode_oddity(line: bytes) -> Record | Footer | None:
    """A footer, or a record with lone surrogates in it, which only the standard library reads."""
    try:
        return _decode_footer(line)
    except _UNREADABLE:
        pass
    try:
        value = json.loads(line)
        # Payloads are never decoded this way: a message that holds such a character stands in `raw`.
        return msgspec.convert(value, Record) if isinstance(value, dict) and "p" not in value else None
    except (ValueError, RecursionError):
        return None


def _open(source: str | Path | BinaryIO) -> tuple[str, BinaryIO]:
    if source == "-":
        return "standard input", sys.stdin.buffer
    if isinstance(source, str | Path):
        try:
            return str(source), Path(source).open("rb")
        except OSError as error:
            raise TapeFormatError(f"cannot be read: {error.strerror}", path=str(source)) from error
    return getattr(source, "name", "tape"), source


def scan_sends(source: str | Path | BinaryIO) -> list[Record]:
    """The records of what was sent, heartbeats' echoes left out; everything else is passed over without being decoded."""
    _, file = _open(source)
    sends: list[Record] = []
    with file:
        while line := file.readline(MAX_LINE + 1):
            if b'"k":"send"' in line[:80] and b'"p":["~h~' not in line[:100]:
                record = _sent(line)
                if record is not None:
                    sends.append(record)
    return sends


def _sent(line: bytes) -> Record | None:
    # What is broken is reported by whoever reads the tape itself.
    try:
        record = _records.decode(line)
    except _UNREADABLE:
        return None
    return record if record.k == "send" and record.p is not None else None
