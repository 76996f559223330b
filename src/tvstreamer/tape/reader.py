"""Reading a tape as a stream: memory does not grow with it.

Lines end at `\\n` and nothing else; what is compressed is unpacked on the way. A torn last line, which is what a killed
recorder leaves, is dropped and reported in `torn`. A line that is broken or too long raises `TapeFormatError` with its
number; iterating on goes on at the next line. A recording in several files is read as one: each part says whether
another one follows.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import sys
from collections import deque
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from tvstreamer.constants import MAX_LINE
from tvstreamer.errors import TapeFormatError, TapeVersionError, shorten
from tvstreamer.protocol import codec
from tvstreamer.protocol.ids import is_for_ticks
from tvstreamer.protocol.packets import QuoteCreateSession
from tvstreamer.tape.compression import unpacked
from tvstreamer.tape.format import KINDS, Decoded, Footer, Header, MessageRecord, Record
from tvstreamer.tape.migrate import check_version
from tvstreamer.tape.parts import next_path

_CHUNK = 32 * 1024
"""So small that the records of a chunk are still in the processor's cache when they are used."""


class _Stored(MessageRecord, gc=False):
    """What decodes from a line in one go: a message whose packets all have a shape that we know."""

    p: list[codec.StoredPacket] | None = None


class _StoredTicks(MessageRecord, gc=False):
    """The same, on a tape whose quotes so far are there for ticks alone."""

    p: list[codec.StoredTickPacket] | None = None


_records = msgspec.json.Decoder(Record)
_stored = msgspec.json.Decoder(_Stored)
_stored_ticks = msgspec.json.Decoder(_StoredTicks)
_AnyDecoder = msgspec.json.Decoder[Record] | msgspec.json.Decoder[_Stored] | msgspec.json.Decoder[_StoredTicks]
_decode_footer = msgspec.json.Decoder(Footer).decode
_decode_header = msgspec.json.Decoder(Header).decode
_decode_any = msgspec.json.Decoder().decode
_SEND = b'"send"'
_UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)


class TapeReader:
    """The header, then the records in order, once. `source` is a path, a binary file, or `-` for standard input.

    Where the recording goes on in further parts they are read too, from the part given on: a part that is missing, or that
    does not continue the one before it, raises `TapeFormatError` after the records before it.

    Raises `TapeFormatError` for what is no tape, `TapeVersionError` for a newer one. After iteration `records` is their
    number, `complete` whether a footer vouches for them, `torn` how many bytes of a torn last line were dropped, or of a
    compressed tape, how many bytes its torn last frame has, of which all whole lines were read.
    """

    def __init__(self, source: str | Path | BinaryIO) -> None:
        self.records = 0
        self.torn = 0
        self.complete = False
        self._pending: deque[tuple[bytes, bool]] = deque()
        """Blocks that come before the next one of the file."""
        self._lines: deque[tuple[bytes, bool]] = deque()
        """What is left of a block that is read line by line, and whether a line end closes each."""
        self._broken: TapeFormatError | None = None
        """What is wrong with the line behind the records that were handed out."""
        self._ready: Iterator[Record] = iter(())
        self._ticks_only = True
        """Whether no quote session so far is there for more than ticks, as far as anybody has looked."""
        self._path = Path(source) if isinstance(source, str | Path) and source != "-" else None
        self._over = False
        """Whether nothing follows the present part, or nothing that could be read."""
        self.header = self._part = self._begin(source)

    def _begin(self, source: str | Path | BinaryIO) -> Header:
        """Opens a file and reads its header."""
        self.name, self._file = _open(source)
        try:
            self._source = unpacked(self._file, self.name)
        except BaseException:
            self._file.close()
            raise
        self._blocks = _blocks(self._source.read)
        self._line = 0
        self._sha = hashlib.sha256()
        self._before = self.records
        """How many records stand in the parts before."""
        self._footer: Footer | None = None
        try:
            return self._read_header()
        except BaseException:
            self._stop()
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

    def packets(self) -> Iterator[Decoded]:
        """Like iterating, but with decoded payloads, which costs little more than to read them undecoded.

        Quotes become `TickData` up to the first session that is there for more than ticks, as they do in a `ClientProtocol`.
        """
        return chain.from_iterable(self._decoded_chunks())

    def _decoded_chunks(self) -> Iterator[list[Decoded]]:
        """Keeps none of them, as the memory of one is what the next is made in."""
        yield [record.decoded() for record in self._ready]
        # By which it says that there is no other; out of here it must not come.
        with contextlib.suppress(StopIteration):
            while True:
                yield self._next_chunk(_stored_ticks if self._ticks_only else _stored)

    def __next__(self) -> Record:
        while True:
            for record in self._ready:
                return record
            self._ready = iter(self._next_chunk())

    # --- lines ----------------------------------------------------------------------------------------------------

    def _next_block(self) -> tuple[bytes, bool]:
        return self._pending.popleft() if self._pending else next(self._blocks)

    def _read_header(self) -> Header:
        try:
            block, whole = self._next_block()
        except StopIteration:
            raise self._error("the file is empty", 1) from None
        except TapeFormatError as error:
            raise self._error(f"not a tape: {error.problem}", 1) from error
        if not block:
            raise self._error(f"not a tape: the first line has more than {MAX_LINE} bytes", 1)
        line, newline, rest = block.partition(b"\n")
        try:
            value = _decode_any(line)
        except _UNREADABLE:
            raise self._error(f"not a tape: the first line is {shorten(line[:200])}", 1) from None
        if not isinstance(value, dict) or "tape" not in value:
            raise self._error(f'not a tape: expected {{"tape":1,...}}, the first line is {shorten(line[:200])}', 1)
        try:
            check_version(value["tape"])
        except TapeVersionError as error:
            raise TapeVersionError(f"{self.name}: {error}") from None
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

    def _next_chunk(self, decoder: _AnyDecoder = _records) -> list[Any]:
        if decoder is _records:
            self._ticks_only = False
        if self._broken is not None:
            error, self._broken = self._broken, None
            raise error
        if self._lines:
            return self._one_by_one(decoder)
        try:
            block, whole = self._next_block()
        except StopIteration:
            self.torn = self._source.torn or self.torn
            self.close()
            if not self._go_on():
                raise
            return self._next_chunk(decoder)
        if not block:
            self._line += 1
            raise self._error(f"a line of more than {MAX_LINE} bytes", self._line)
        # A block that holds records only is read in one go; a footer has another shape.
        if whole:
            try:
                records = decoder.decode_lines(block)
                _require_text(block)
            except _UNREADABLE:
                pass
            else:
                # As `count` would say, which looks at byte after byte; this goes from one line's end to the next.
                lines = len(block) - len(block.replace(b"\n", b""))
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
        return self._one_by_one(decoder)

    def _one_by_one(self, decoder: _AnyDecoder) -> list[Any]:
        """The records of a block that has something special in it, up to the first broken line."""
        records: list[Record | Decoded] = []
        while self._lines and self._broken is None:
            line, whole = self._lines.popleft()
            end = b"\n" if whole else b""
            self._line += 1
            record = _decode(line, decoder)
            if isinstance(record, Record | Decoded):
                if decoder is _stored_ticks and _wants_quotes(record):
                    self._ticks_only, decoder = False, _stored
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

    def _check(self, footer: Footer) -> TapeFormatError | None:
        self._footer = footer
        records = self.records - self._before
        if footer.records != records:
            return self._error(f"the footer counts {footer.records} records, the tape holds {records}", self._line)
        if footer.sha256 != self._sha.hexdigest():
            return self._error(f"the digest {footer.sha256[:16]}... is not that of the lines before it", self._line)
        self.complete = True
        return None

    def blocks(self) -> Iterator[bytes]:
        """What is left, as blocks of lines that nobody has looked at. Goes through all parts, like iterating does."""
        block = b""
        while True:
            try:
                block, _ = self._next_block()
            except StopIteration:
                self.close()
                last = _decode_oddity(block[:-1].rpartition(b"\n")[2])
                self._footer = last if isinstance(last, Footer) else None
                if not self._go_on(checked=False):
                    return
                block = b""
            else:
                yield block

    # --- parts ----------------------------------------------------------------------------------------------------

    def _go_on(self, *, checked: bool = True) -> bool:
        """Opens the part that follows; False at the end of the recording."""
        footer, part = self._footer, self._part.part
        follows = part is not None if footer is None else footer.next is not None
        if self._over or not follows:
            return False
        # Whatever comes of it, this part has been read.
        self._over, self.complete = True, False
        number = (part or 1) + 1
        path = None if self._path is None else next_path(self._path, number - 1)
        if path is None or not path.is_file():
            if footer is None:
                return False
            place = "its path, to find it" if path is None else f"it at {path}"
            raise self._error(f"the recording goes on in part {number}, which is missing: expected {place}", None)
        if footer is None and not _is_begun(path):
            return False  # The recorder was killed before it could begin it.
        before, digest = self.name, self._sha.hexdigest() if footer is None else footer.sha256
        header = self._begin(path)
        if (header.part, header.start) != (number, self.header.start) or (checked and header.previous != digest):
            self._stop()
            raise self._error(f"this is not what follows {before}, or records between them are lost", 1)
        self._path, self._part, self._over = path, header, False
        return True

    def _stop(self) -> None:
        """Leaves nothing to be read."""
        self.close()
        self._pending.clear()
        self._blocks = iter(())

    def _error(self, problem: str, line: int | None) -> TapeFormatError:
        return TapeFormatError(problem, path=self.name, line=line)


def _blocks(read: Callable[[int], bytes]) -> Iterator[tuple[bytes, bool]]:
    """Blocks of whole lines, and whether a line end closes them; a line beyond the limit comes as b"" alone."""
    parts: list[bytes] = []
    length = 0
    while chunk := read(_CHUNK):
        end = chunk.rfind(b"\n") + 1
        if not end:
            parts.append(chunk)
            length += len(chunk)
            if length <= MAX_LINE:
                continue
            parts = []
            # On to the end of the line, which nothing is kept of.
            while chunk and not (begin := chunk.find(b"\n") + 1):
                chunk = read(_CHUNK)
            yield b"", True
            if not chunk:
                return
            chunk = chunk[begin:]
            end = chunk.rfind(b"\n") + 1
        if end:
            yield b"".join((*parts, chunk[:end])), True
        parts = [chunk[end:]]
        length = len(chunk) - end
    if rest := b"".join(parts):
        yield rest, False


def _decode(line: bytes, decoder: _AnyDecoder) -> Record | Decoded | Footer | None:
    try:
        whole = decoder.decode(line)
        _require_text(line)
        return whole
    except _UNREADABLE:
        if decoder is _records:
            return _decode_oddity(line)
    # Perhaps it is just no message, or a packet in it has none of our shapes.
    record = _decode(line, _records)
    if isinstance(record, Record):
        return record.decoded(codec.decode_tick_reply if decoder is _stored_ticks else codec.decode_reply)
    return record


def _require_text(lines: bytes) -> None:
    """Raises `UnicodeDecodeError` where this is no UTF-8: what was decoded may have passed over it."""
    if not lines.isascii():
        lines.decode()


def _wants_quotes(record: Record | Decoded) -> bool:
    """Whether it begins a quote session that is there for more than ticks."""
    commands = (record.p or ()) if record.k == "send" else ()
    return any(isinstance(each, QuoteCreateSession) and not is_for_ticks(each.p.session) for each in commands)


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


def _is_begun(path: Path) -> bool:
    """Whether a part has its header."""
    name, file = _open(path)
    with file:
        return b"\n" in unpacked(file, name).read()


def scan_sends(source: str | Path | BinaryIO) -> list[Record]:
    """The records of what was sent, heartbeats' echoes left out; everything else is passed over without being decoded."""
    sends: list[Record] = []
    # What is broken further on is reported by whoever reads the tape itself.
    with TapeReader(source) as reader, contextlib.suppress(TapeFormatError):
        for block in reader.blocks():
            if _SEND not in block:
                continue
            for line in block.split(b"\n"):
                if _SEND in line:
                    record = _sent(line)
                    if record is not None:
                        sends.append(record)
    return sends


class Head(msgspec.Struct, gc=False):
    """What a record says of its connection; what else it holds is passed over without being made into values."""

    t: int = 0
    c: int = 0
    k: str = ""
    url: str = ""
    note: Any = None


_heads = msgspec.json.Decoder(Head)


def scan_heads(source: str | Path | BinaryIO) -> Iterator[Head | Record]:
    """Each record, read no further than its head needs, up to the first line that is none."""
    # What is broken further on is reported by whoever reads the tape itself.
    with TapeReader(source) as reader, contextlib.suppress(TapeFormatError):
        for block in reader.blocks():
            try:
                heads: list[Head] = _heads.decode_lines(block)
            except _UNREADABLE:
                for line in block.removesuffix(b"\n").split(b"\n"):
                    head = _head(line)
                    if head is None:
                        return
                    if head.k in KINDS:
                        yield head
            else:
                yield from (head for head in heads if head.k in KINDS)


def _head(line: bytes) -> Head | Record | None:
    try:
        return _heads.decode(line)
    except _UNREADABLE:
        record = _decode_oddity(line)
        return record if isinstance(record, Record) else None


def _sent(line: bytes) -> Record | None:
    """The record of a message that was sent and holds more than echoes."""
    try:
        record = _records.decode(line)
        _require_text(line)
    except _UNREADABLE:
        return None
    # A heartbeat is stored as a string.
    told = record.k == "send" and any(not bytes(raw).startswith(b'"') for raw in record.p or ())
    return record if told else None
