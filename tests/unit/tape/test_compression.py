"""Frames are read one by one, as far as they are whole, and never more of them than was asked for."""

from __future__ import annotations

import gzip
import io
import random
import sys
import tracemalloc
import zlib
from pathlib import Path

import pytest

from tvstreamer.errors import InvalidPlan, MissingDependencyError, TapeFormatError
from tvstreamer.tape.compression import compression_of, packer, unpacked

KINDS = [None, "gz", "zst"]
PACKED = ["gz", "zst"]
BLOCKS = [b"one\n", b"", b"two\n" * 50_000, random.Random(1).randbytes(200_000), b"three\n"]


class Slow(io.RawIOBase):
    """A file that gives one byte at a time, like a pipe may."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(1)


def whole(data: bytes, size: int = 65_536) -> bytes:
    source = unpacked(io.BytesIO(data), "tape")
    return b"".join(iter(lambda: source.read(size), b""))


@pytest.mark.parametrize(
    ("name", "compression"), [("a.jsonl", None), ("a.jsonl.gz", "gz"), ("a.zst", "zst"), ("gz", None), ("a.gzip", None)]
)
def test_a_name_asks_for_a_compression_by_its_end(name: str, compression: str | None) -> None:
    assert compression_of(Path(name)) == compression


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1_000, 65_536, 1_000_000])
def test_what_was_packed_in_many_frames_comes_back(kind: str | None, size: int) -> None:
    pack = packer(kind)
    assert whole(b"".join(map(pack, BLOCKS)), size) == b"".join(BLOCKS)


@pytest.mark.parametrize("kind", KINDS)
def test_reads_of_one_byte_are_enough(kind: str | None) -> None:
    data = packer(kind)(b"some") + packer(kind)(b" words")
    source = unpacked(Slow(data), "tape")  # type: ignore[arg-type]
    assert b"".join(iter(lambda: source.read(100), b"")) == b"some words"
    assert source.torn == 0


def test_the_tools_of_everybody_read_and_write_the_same() -> None:
    pack = packer("gz")
    assert gzip.decompress(b"".join(map(pack, BLOCKS))) == b"".join(BLOCKS)
    assert whole(gzip.compress(b"text" * 1000)) == b"text" * 1000


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_binary_file_like_any_other(kind: str | None) -> None:
    source = unpacked(io.BytesIO(packer(kind)("l\u00efne\nother".encode())), "tape")
    assert source.readable()
    assert list(io.TextIOWrapper(io.BufferedReader(source), encoding="utf-8")) == ["l\u00efne\n", "other"]


@pytest.mark.parametrize("data", [b"", b"a", b"\x28\xb5", b"\x1f", b"plain text"])
def test_what_begins_like_no_compression_is_taken_as_it_is(data: bytes) -> None:
    assert whole(data) == data


@pytest.mark.parametrize("kind", PACKED)
def test_a_cut_frame_is_reported_and_all_before_it_are_read(kind: str) -> None:
    pack = packer(kind)
    first, second = pack(b"first"), pack(random.Random(2).randbytes(50))
    for cut in range(1, len(second)):
        source = unpacked(io.BytesIO(first + second[:cut]), "tape")
        assert b"".join(iter(lambda: source.read(100), b"")).startswith(b"first")  # noqa: B023
        assert source.torn == cut


@pytest.mark.parametrize("kind", PACKED)
@pytest.mark.parametrize("damage", [b"rubbish", bytes(8)])
def test_what_is_no_frame_is_an_error_after_all_before_it(kind: str, damage: bytes) -> None:
    source = unpacked(io.BytesIO(packer(kind)(b"first") + damage), "the-tape")
    assert source.read() == b"first"
    with pytest.raises(TapeFormatError, match="^the-tape: broken compression: "):
        source.read()


@pytest.mark.parametrize("kind", PACKED)
def test_a_changed_byte_is_noticed(kind: str) -> None:
    data = bytearray(packer(kind)(random.Random(3).randbytes(1000)))
    data[500] ^= 1
    with pytest.raises(TapeFormatError, match="broken compression"):
        whole(bytes(data))


@pytest.mark.parametrize("kind", PACKED)
def test_a_bomb_is_read_in_pieces(kind: str) -> None:
    size = 64 * 1024 * 1024
    if kind == "gz":
        deflate = zlib.compressobj(wbits=31)
        bomb = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(size >> 20)) + deflate.flush()
    else:
        bomb = packer(kind)(bytes(size))
    assert len(bomb) < size / 500
    tracemalloc.start()
    try:
        source = unpacked(io.BytesIO(bomb), "tape")
        assert sum(len(piece) for piece in iter(lambda: source.read(65_536), b"")) == size
        assert tracemalloc.get_traced_memory()[1] < size / 8
    finally:
        tracemalloc.stop()


def test_an_unknown_compression_is_refused() -> None:
    with pytest.raises(InvalidPlan, match="compression 'rar': expected one of gz, zst, or none"):
        packer("rar")


def test_what_is_not_installed_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = packer("zst")(b"x")
    monkeypatch.setitem(sys.modules, "backports.zstd" if sys.version_info < (3, 14) else "compression.zstd", None)
    for use in (lambda: packer("zst"), lambda: unpacked(io.BytesIO(frame), "tape")):
        with pytest.raises(MissingDependencyError, match=r"tvstreamer\[zstd\]"):
            use()
