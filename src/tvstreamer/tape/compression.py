"""Tapes in compressed files: a frame for each block when they are written, any frames when they are read.

A frame stands for itself, so that what was flushed can be read whatever becomes of the rest: a frame of Zstandard, or a
member of gzip. What a file holds is told by its first bytes, not by its name.
"""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, get_args

from tvstreamer.errors import InvalidPlan, MissingDependencyError, TapeFormatError, shorten

Compression = Literal["gz", "zst"]
COMPRESSIONS: tuple[str, ...] = get_args(Compression)
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_MEMBER = 31
"""How zlib calls a deflated stream with gzip's header and checksum."""
_ZSTD_LEVEL = 1
"""Faster than the default and, for such data, smaller too."""
_CHUNK = 64 * 1024


def compression_of(path: Path) -> str | None:
    """What the name of a file to be written asks for."""
    suffix = path.suffix[1:]
    return suffix if suffix in COMPRESSIONS else None


def packer(compression: str | None) -> Callable[[bytes], bytes]:
    """What makes a frame of a block.

    Raises `InvalidPlan` for an unknown compression, `MissingDependencyError` where it is not installed.
    """
    if compression is None:
        return bytes
    if compression == "gz":
        return _member
    if compression != "zst":
        raise InvalidPlan(f"compression {shorten(compression)}: expected one of {', '.join(COMPRESSIONS)}, or none")
    zstd = _zstd()
    parameter = zstd.CompressionParameter
    options = {parameter.compression_level: _ZSTD_LEVEL, parameter.checksum_flag: 1}
    return lambda block: bytes(zstd.compress(block, options=options))


def _member(block: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=_MEMBER)
    return deflate.compress(block) + deflate.flush()


def unpacked(file: BinaryIO, name: str) -> Unpacked:
    """What a file holds, compressed or not. Raises `MissingDependencyError`."""
    head = b""
    while len(head) < len(_ZSTD) and (more := file.read(len(_ZSTD) - len(head))):
        head += more
    if head.startswith(_GZIP):
        return _Frames(file, head, name, _Member, zlib.error)
    if head == _ZSTD:
        zstd = _zstd()
        return _Frames(file, head, name, zstd.ZstdDecompressor, zstd.ZstdError)
    return Unpacked(file, head)


class Unpacked(io.RawIOBase):
    """The bytes of a file, read in order and once. A read gives what there is at once, at most `size` bytes; none at the end.

    Closing it leaves the file open.
    """

    def __init__(self, file: BinaryIO, head: bytes) -> None:
        super().__init__()
        self._file = file
        self._head = head
        self.torn = 0
        """At the end: how many bytes of the file are a frame that was cut."""

    def readable(self) -> bool:
        return True

    def read(self, size: int = _CHUNK) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head + self._file.read(size - len(head)) if head else self._file.read(size)

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _Frames(Unpacked):
    """Frames, one after the other. However much a frame grows, no more than a read asks for is unpacked at a time."""

    def __init__(
        self, file: BinaryIO, head: bytes, name: str, new: Callable[[], _Decompressor], error: type[Exception]
    ) -> None:
        super().__init__(file, head)
        self._name = name
        self._new = new
        self._error = error
        self._frame = new()
        self._taken = 0
        """Bytes of the file that the present frame has been given."""

    def read(self, size: int = _CHUNK) -> bytes:
        while True:
            data = b""
            if self._frame.eof:
                data = self._frame.unused_data
                self._frame, self._taken = self._new(), 0
            if self._frame.needs_input and not data:
                data = super().read(_CHUNK)
                if not data:
                    self.torn = self._taken
                    return b""
            self._taken += len(data)
            try:
                out = self._frame.decompress(data, size)
            except self._error as error:
                raise TapeFormatError(f"broken compression: {error}", path=self._name) from error
            if out:
                return out


class _Member:
    """A member of gzip, with the interface that Zstandard's decompressor has."""

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(wbits=_MEMBER)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._inflate.eof

    @property
    def unused_data(self) -> bytes:
        return self._inflate.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        out = self._inflate.decompress(self._inflate.unconsumed_tail + data, max_length)
        # What fills the room may have left more inside.
        self.needs_input = len(out) < max_length
        return out


def _zstd() -> Any:
    try:
        return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError as error:
        raise MissingDependencyError("backports.zstd", "zstd") from error
