"""Properties of tapes: every message comes back to the letter, a cut loses what was cut and nothing else."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tvstreamer.errors import TapeFormatError
from tvstreamer.protocol import codec, framing
from tvstreamer.tape.compression import packer
from tvstreamer.tape.format import Header, Record
from tvstreamer.tape.parts import next_path
from tvstreamer.tape.reader import TapeReader
from tvstreamer.tape.redact import Redactor
from tvstreamer.tape.writer import TapeWriter
from tvstreamer.testing.strategies import heartbeats, json_values, messages

START = 1_700_000_000.0
payloads = heartbeats() | json_values().map(codec.wire_json) | st.text(max_size=20)
"""No commands among them, as one with a token would not be kept to the letter."""
texts_of_messages = messages(payloads=payloads, min_size=0) | st.text(max_size=40)
any_text = st.text(st.characters(codec=None), max_size=30)


class KeptOpen(io.BytesIO):
    """A file whose bytes can still be read after it was closed."""

    def close(self) -> None:
        pass


def write(texts: list[str], *, finish: bool = True, redactor: Redactor | None = None) -> bytes:
    file = KeptOpen()
    writer = TapeWriter(file, Header(start=START), redactor=redactor or Redactor(key=b"k" * 32))
    for number, text in enumerate(texts):
        writer.received(1, text, START + number / 7)
    if finish:
        writer.finish()
    else:
        writer.flush()
    return file.getvalue()


def read(data: bytes) -> tuple[list[Record], TapeReader]:
    reader = TapeReader(io.BytesIO(data))
    return list(reader), reader


@given(st.lists(texts_of_messages | any_text, max_size=6))
@example(["~m~1~m~\U0001f600", "\u2028", "a\nb", "\ud800", "~m~02~m~{}", '~m~3~m~{\n}', '~m~3~m~ {}', "", "~m~2~m~{}~m~4~m~~h~1"])
def test_the_exact_text_of_every_message_comes_back(texts: list[str]) -> None:
    records, reader = read(write(texts))
    assert [record.text() for record in records] == texts
    assert reader.complete
    assert reader.torn == 0


@given(st.lists(texts_of_messages, min_size=1, max_size=5), st.data())
def test_a_tape_cut_anywhere_gives_all_whole_records_and_reports_the_rest(texts: list[str], data: st.DataObject) -> None:
    whole = write(texts, finish=False)
    header = whole.index(b"\n") + 1
    cut = data.draw(st.integers(header, len(whole)))
    records, reader = read(whole[:cut])
    kept = whole[header:cut].count(b"\n")
    # A line that lost nothing but its end is still whole.
    assert len(records) in (kept, kept + 1)
    assert [record.text() for record in records] == texts[: len(records)]
    tail = whole[header:cut].rpartition(b"\n")[2]
    assert (reader.torn == len(tail)) if len(records) == kept else reader.torn == 0


@given(st.lists(texts_of_messages, min_size=1, max_size=8), st.integers(1, 4), st.sampled_from(["gz", "zst"]), st.data())
def test_a_compressed_tape_cut_anywhere_gives_all_whole_frames(texts: list[str], block: int, kind: str, data: st.DataObject) -> None:
    file = KeptOpen()
    writer = TapeWriter(file, Header(start=START), redactor=Redactor(key=b"k" * 32), compress=kind, flush_every=block)
    frames = [len(file.getvalue())]
    records = [0]
    for number, text in enumerate(texts, 1):
        writer.received(1, text, START)
        if len(file.getvalue()) > frames[-1]:
            frames.append(len(file.getvalue()))
            records.append(number)
    cut = data.draw(st.integers(frames[0], frames[-1]))
    found, reader = read(file.getvalue()[:cut])
    whole = max(number for number, end in enumerate(frames) if end <= cut)
    assert len(found) >= records[whole]
    assert [record.text() for record in found] == texts[: len(found)]
    assert reader.torn == cut - frames[whole]


@given(st.lists(texts_of_messages, min_size=1, max_size=12), st.integers(1, 600), st.sampled_from(["", ".gz", ".zst"]), st.data())
def test_a_recording_in_parts_is_read_up_to_where_it_was_cut(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], size: int, suffix: str, data: st.DataObject
) -> None:
    first = tmp_path_factory.mktemp("parts") / f"s.jsonl{suffix}"
    redactor = Redactor(key=b"k" * 32)
    with TapeWriter(
        first, Header(start=START), redactor=redactor, rotate_bytes=size, flush_every=1, compress=suffix[1:] or None
    ) as writer:
        for number, text in enumerate(texts):
            writer.received(1, text, START + number / 7)
    paths = [first]
    while (following := next_path(paths[-1], len(paths))).exists():
        paths.append(following)
    with TapeReader(first) as whole:
        assert [record.text() for record in whole] == texts
        assert whole.complete
    # A recorder that was killed has left the last part in pieces, or not begun it.
    last = paths[-1].read_bytes()
    with TapeReader(paths[-1]) as alone:
        header = len(packer(suffix[1:] or None)(alone.header.line()))
        kept = len(texts) - len(list(alone))
    paths[-1].write_bytes(last[: data.draw(st.integers(header, len(last)))])
    with TapeReader(first) as cut:
        found = [record.text() for record in cut]
    assert len(found) >= kept
    assert found == texts[: len(found)]


@given(st.lists(texts_of_messages, max_size=4), st.data())
def test_a_changed_byte_is_noticed(texts: list[str], data: st.DataObject) -> None:
    whole = bytearray(write(texts))
    header = whole.index(b"\n") + 1
    position = data.draw(st.integers(header, len(whole) - 2))
    whole[position] ^= 1
    with pytest.raises(TapeFormatError):
        read(bytes(whole))


secrets = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=30).filter(lambda text: "~m~" not in text)
"""One that is a packet itself would be found in the framing of others."""


@given(secrets, st.lists(texts_of_messages, max_size=3))
def test_no_given_secret_survives_in_any_encoding(secret: str, texts: list[str]) -> None:
    planted = [json.dumps({"m": "x", "p": [secret]}), secret, json.dumps(secret)]
    redactor = Redactor(key=b"k" * 32, secrets=[secret])
    data = write([framing.join(planted), *planted, *texts], redactor=redactor)
    body = data.split(b"\n", 1)[1].decode()
    assert secret not in body
    assert json.dumps(secret)[1:-1] not in body
    records, _ = read(data)
    assert all(secret not in record.text() for record in records)


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=40))
def test_the_token_is_taken_out_and_scrubbing_twice_changes_nothing(token: str) -> None:
    message = framing.packet(json.dumps({"m": "set_auth_token", "p": ["T" + token]}, separators=(",", ":")))
    redactor = Redactor(key=b"k" * 32)
    once = redactor.message(message)
    assert "T" + token not in once
    assert redactor.message(once) == once
    assert framing.join(framing.split(once)) == once
